"""`vcr`, called as a user calls it."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from agent_vcr_nb import VCRRecorder
from agent_vcr_nb.verbs.catalogue import VERBS
from tests.verbs.conftest import calls, run_vcr


def test_record_keeps_the_programs_output_error_and_exit_code(app):
    done = run_vcr("record", "-s", "my_run", "--", "python", "app.py", "todo")
    assert done.returncode == 1
    assert "ValueError: no mongodb here" in done.stderr
    assert "recorded my_run: 3 frames" in done.stderr


def test_the_output_of_record_is_the_programs_own(app):
    done = run_vcr("record", "-s", "fine", "--", "python", "app.py", "todo", "sqlite")
    assert (done.returncode, done.stdout) == (0, "the agent says True\n")
    assert done.stderr == "recorded fine: 3 frames\n"


def test_record_runs_a_module_with_dash_m(app):
    done = run_vcr("record", "-s", "mod", "--", "python", "-m", "app", "todo", "sqlite")
    assert done.returncode == 0, done.stderr
    assert "recorded mod: 3 frames" in done.stderr


def test_record_passes_on_the_exit_code_of_sys_exit(app):
    Path("leave.py").write_text("import sys; sys.exit(7)")
    assert run_vcr("record", "--", "python", "leave.py").returncode == 7


@pytest.mark.parametrize("words", [[], ["ls", "-l"], ["python", "missing.py"], ["python"]])
def test_record_of_what_is_no_python_program_is_a_usage_error(app, words):
    done = run_vcr("record", "--", *words)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_ls_shows_each_session_with_its_outcome(recorded, vcr, vcr_json):
    code, out, _ = vcr("ls")
    assert code == 0
    assert re.search(r"my_run +✗ error +3 ", out)
    code, listed = vcr_json("ls")
    (info,) = listed["sessions"]
    assert (info["session_id"], info["outcome"], info["frames"], info["tokens"]) == ("my_run", "error", 3, 1100)


def test_ls_of_an_empty_folder_says_how_to_record(in_tmp, vcr):
    code, out, _ = vcr("ls")
    assert code == 0
    assert "no sessions" in out
    assert "vcr record" in out


def test_ls_lists_the_sessions_asked_for(in_tmp, vcr, vcr_json):
    for number, tags in enumerate((["a"], ["a", "b"], [])):
        with VCRRecorder() as recorder:
            recorder.start_session(f"run{number}", tags=tags)
            recorder.record_step("plan", {}, {})
    with VCRRecorder() as recorder:
        recorder.start_session("failed", tags=["a"])
        recorder.record_error("plan", {}, ValueError("boom"))

    def listed(*words):
        return [info["session_id"] for info in vcr_json("ls", *words)[1]["sessions"]]

    assert listed() == ["failed", "run2", "run1", "run0"]
    assert listed("--limit", "2") == ["failed", "run2"]
    assert listed("--tag", "a") == ["failed", "run1", "run0"]
    assert listed("--tag", "a", "--tag", "b") == ["run1"]
    assert listed("--outcome", "error") == ["failed"]
    assert listed("--tag", "a", "--outcome", "ok", "--limit", "1") == ["run1"]
    assert vcr("ls", "--tag", "c")[1] == "no such sessions in .vcr; `vcr ls` lists all\n"


def test_a_file_that_ls_lists_is_opened_by_that_name(recorded, vcr):
    shutil.copy(".vcr/my_run.vcr", ".vcr/a copy.vcr")
    assert "a copy" in vcr("ls")[1]
    assert vcr("show", "a copy")[0] == 0
    code, out, _ = vcr("verify")
    assert (code, "a copy: ✓ whole, 3 frames" in out) == (0, True)


def test_show_lists_frames_nested_with_their_errors(recorded, vcr, vcr_json):
    _, out, _ = vcr("show", "my_run")
    assert re.search(r"^0 +agent +.*✗ error", out, re.M)
    assert re.search(r"^1 +  plan +llm +✓ ok", out, re.M)
    assert "ValueError: no mongodb here" in out
    _, shown = vcr_json("show", "my_run")
    assert [(f["number"], f["name"], f["status"]) for f in shown["frames"]] == [
        (0, "agent", "error"),
        (1, "plan", "ok"),
        (2, "build", "error"),
    ]


def test_show_of_a_frame_has_the_traceback_through_the_users_code_only(recorded, vcr):
    _, out, _ = vcr("show", "my_run", "2")
    assert 'raise ValueError("no mongodb here")' in out
    assert "integrations/functions.py" not in out


def test_state_is_the_state_before_the_frame(recorded, vcr_json):
    assert vcr_json("state", "my_run", "1")[1]["state"] == {"task": "todo", "database": "mongodb"}
    after = vcr_json("state", "my_run", "1", "--output")[1]["state"]
    assert after == {"task": "todo", "database": "mongodb", "plan": ["design", "build"]}
    assert vcr_json("state", "my_run", "2", "--path", "/plan/1")[1]["state"] == "build"


def test_state_of_a_failed_frames_output_says_why_there_is_none(recorded, vcr):
    code, _, err = vcr("state", "my_run", "2", "--output")
    assert code == 2
    assert "frame 2" in err
    assert "failed before it returned" in err


def test_diff_of_two_frames_exits_with_1_and_names_the_paths(recorded, vcr_json):
    code, found = vcr_json("diff", "my_run", "1", "2")
    # Frame 2 failed: the state it failed on is the one that frame 1 left.
    assert (code, found["changes"]) == (0, [])
    code, found = vcr_json("diff", "my_run", "0", "1")
    assert code == 1
    assert {"op": "add", "path": "/plan", "value": ["design", "build"]} in found["changes"]


def test_diff_of_two_sessions_finds_the_first_step_that_differs(recorded, vcr, vcr_json):
    vcr("resume", "my_run", "2", "--set", 'database="sqlite"')
    code, found = vcr_json("diff", "my_run", "my_run-fork1")
    assert code == 1
    first = found["first_divergence"]
    assert (first["key"], first["verdict"]) == ("agent#1/build#1", "input")
    assert first["changes"] == [{"op": "replace", "path": "/database", "before": "mongodb", "value": "sqlite"}]
    assert vcr_json("diff", "my_run", "my_run")[0] == 0


def test_when_lists_every_frame_that_changed_a_path(recorded, vcr_json, vcr):
    _, found = vcr_json("when", "my_run", "plan")
    (change,) = found["changes"]
    assert (change["frame"], change["side"], change["op"]) == (1, "output", "add")
    code, _, err = vcr("when", "my_run", "/nowhere")
    assert code == 2
    assert "/nowhere" in err


def test_resume_serves_the_steps_before_and_runs_the_rest(recorded, vcr_json):
    assert calls() == ["plan", "build"]
    code, resumed = vcr_json("resume", "my_run", "2", "--set", 'database="sqlite"', "--agent", "app:agent")
    assert code == 0
    assert calls() == ["plan", "build", "build"]
    assert resumed["served"] == [1]
    assert resumed["executed"] == ["build"]
    assert resumed["result"]["built"] is True
    assert resumed["edit"] == [{"op": "replace", "path": "/database", "value": "sqlite"}]


def test_resume_in_a_fresh_process_needs_only_the_file(recorded):
    done = run_vcr("resume", "my_run", "2", "--set", 'database="sqlite"')
    assert done.returncode == 0, done.stderr
    assert calls() == ["plan", "build", "build"]


def test_resume_takes_a_patch_from_a_file_and_an_agent_from_a_file(recorded, vcr_json):
    Path("edit.json").write_text('[{"op": "replace", "path": "/database", "value": "postgres"}]')
    code, resumed = vcr_json("resume", "my_run", "2", "--patch", "edit.json", "--agent", "app.py:agent")
    assert (code, resumed["result"]["database"]) == (0, "postgres")


def test_a_resume_that_fails_again_is_recorded_and_exits_with_1(recorded, vcr_json):
    code, resumed = vcr_json("resume", "my_run", "2", "--agent", "app:agent")
    assert code == 1
    assert resumed["error"] == "ValueError: no mongodb here"
    assert vcr_json("show", resumed["session_id"])[1]["frames"][2]["status"] == "error"


def test_json_output_is_json_alone_though_the_agent_prints(recorded):
    done = run_vcr("resume", "my_run", "2", "--set", 'database="sqlite"', "--json")
    assert json.loads(done.stdout)["executed"] == ["build"]
    assert "the agent says True" in done.stderr


def test_fork_runs_nothing_and_can_be_resumed_later(recorded, vcr_json):
    code, _ = vcr_json("fork", "my_run", "2", "--set", 'database="sqlite"', "--new-id", "try")
    assert (code, calls()) == (0, ["plan", "build"])
    assert vcr_json("ls")[1]["sessions"][0]["outcome"] == "pending"
    code, resumed = vcr_json("resume", "try", "2", "--agent", "app:agent")
    assert (code, resumed["result"]["database"]) == (0, "sqlite")
    assert calls() == ["plan", "build", "build"]


def test_mock_gives_a_step_its_output(recorded, vcr_json):
    code, resumed = vcr_json("resume", "my_run", "2", "--mock", 'build={"built": true}', "--agent", "app:agent")
    assert (code, resumed["result"]) == (0, {"built": True})
    assert calls() == ["plan", "build"]


def test_dag_shows_forks_below_their_parent_with_edit_and_reason(recorded, vcr, vcr_json):
    vcr("resume", "my_run", "2", "--set", 'database="sqlite"', "--reason", "approved")
    _, out, _ = vcr("dag")
    assert re.search(r"^my_run .*\n╰─ my_run-fork1 .*before frame 2.*/database = \"sqlite\".*approved", out)
    (branch,) = vcr_json("dag", "my_run-fork1")[1]["branches"]
    assert [fork["session_id"] for fork in branch["forks"]] == ["my_run-fork1"]


def test_ledger_keeps_what_was_spent_apart_from_what_was_saved(recorded, vcr, vcr_json):
    # gpt-4o-mini: 0.15 dollars a million input tokens, 0.60 a million output tokens.
    _, told = vcr_json("ledger", "my_run")
    assert float(told["live"]["cost_usd"]) == pytest.approx(1000 * 0.15e-6 + 100 * 0.60e-6)
    vcr("resume", "my_run", "2", "--set", 'database="sqlite"')
    _, told = vcr_json("ledger", "my_run-fork1")
    assert told["live"]["calls"] == 0
    assert (told["saved"]["calls"], told["saved"]["tokens"]) == (1, 1100)


def test_ledger_without_a_session_is_of_all_and_counts_what_a_fork_shares_once(recorded, vcr, vcr_json):
    assert vcr("ledger", "--dir", "none")[1] == "no sessions\n"
    vcr("resume", "my_run", "2", "--set", "database=sqlite", "--agent", "app.py:agent")
    vcr("resume", "my_run", "1", "--set", "database=sqlite", "--agent", "app.py:agent")
    Path(".vcr/broken.vcr").write_bytes(b"no recording")
    with VCRRecorder() as recorder:
        recorder.start_session("without_a_model")
        recorder.record_step("plan", {}, {})
    _, told = vcr_json("ledger")
    # my_run and the second fork asked the model, the first fork was served: 1,100 tokens a call.
    assert (told["live"]["calls"], told["live"]["tokens"], told["saved"]["calls"]) == (2, 2200, 1)
    assert [one["session_id"] for one in told["sessions"]] == ["my_run-fork2", "my_run-fork1", "my_run"]
    assert float(told["live"]["cost_usd"]) == pytest.approx(2 * (1000 * 0.15e-6 + 100 * 0.60e-6))
    out = vcr("ledger")[1]
    assert re.search(r"^my_run +1 +1,100 +\$0.000210$", out, re.M)
    assert "1 session used no model\n1 session cannot be read" in out


def test_verify_is_0_for_whole_files_and_1_for_an_altered_line(recorded, vcr):
    assert vcr("verify")[0] == 0
    path = Path(".vcr/my_run.vcr")
    path.write_text(path.read_text().replace("mongodb here", "mariadb here"))
    code, out, _ = vcr("verify", "my_run")
    assert code == 1
    assert "not as it was written" in out


def test_export_writes_every_state_in_full(recorded, vcr):
    assert vcr("export", "my_run", "--to", "out.json")[0] == 0
    exported = json.loads(Path("out.json").read_text())
    assert exported["frames"][2]["input_state"]["plan"] == ["design", "build"]
    vcr("export", "my_run", "--form", "jsonl", "--to", "copy.vcr")
    code, out, _ = vcr("show", "copy.vcr")
    assert code == 0
    assert "no mongodb here" in out


def test_demo_serves_seven_frames_and_asks_the_model_three_times(in_tmp, vcr_json):
    code, told = vcr_json("demo")
    assert code == 0
    assert told["fork"]["served"] == [0, 1, 2, 3, 4, 5, 6]
    assert len(told["model_calls_of_the_first_run"]) == 8
    assert told["model_calls_of_the_resume"] == ["review", "document", "release"]


def test_what_the_demo_says_to_do_next_works_where_vcr_is_not_on_the_path(in_tmp):
    bare = {**os.environ, "PATH": "/usr/bin:/bin", "COLUMNS": "400"}
    told = run_vcr("demo", env=bare).stdout
    assert "served from the recording, not executed: 7 steps (frames 0-6)" in told
    for path in re.findall(r"\S+\.vcr\b", told):
        assert Path(path).is_file()
    commands = re.search(r"^Look around: +(\S+ show .*?)    (\S+ when .*)$", told, re.M).groups()
    shown, when = (
        subprocess.run(line, shell=True, env=bare, capture_output=True, text=True, timeout=60, check=True).stdout
        for line in commands
    )
    assert "the database 'mongodb' is not one of" in shown
    assert "mongodb" in when


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb.name)
def test_every_verb_has_help_with_an_example(verb, vcr):
    code, out, _ = vcr(verb.name, "--help")
    assert code == 0
    assert verb.example in out
    assert "--json" in out


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["show", "nope"], 2, "no session 'nope' in .vcr; there: my_run"),
        (["show", "../etc/passwd"], 2, "session id"),
        (["show", "my_run", "9"], 2, "it has frames 0 to 2"),
        (["resume", "my_run", "9"], 2, "it has frames 0 to 2"),
        (["resume", "my_run", "2", "--set", "plan={x"], 2, "--set plan: {x is no JSON"),
        (["resume", "my_run", "2", "--set", "plan=True"], 2, "True is written true in JSON"),
        (["resume", "my_run", "2", "--set", "plan"], 2, "expected NAME=VALUE"),
        (["resume", "my_run", "2", "--set", "/a/b=1"], 2, "nothing stands at /a"),
        (["resume", "my_run", "2", "--patch", "none.json"], 2, "none.json"),
        (["resume", "my_run", "2", "--agent", "nomodule:x"], 2, "no module 'nomodule'"),
        (["resume", "my_run", "2", "--agent", "app:nothing"], 2, "has no 'nothing'"),
        (["resume", "my_run", "2", "--agent", "json:dumps"], 3, "agent#1/build#1"),
    ],
)
def test_an_error_is_one_clear_message_without_traceback(recorded, words, code, said):
    done = run_vcr(*words)
    assert done.returncode == code
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_debug_shows_the_traceback_and_json_carries_the_error(recorded):
    assert "Traceback" in run_vcr("show", "nope", "--debug").stderr
    told = json.loads(run_vcr("show", "nope", "--json").stdout)
    assert told["type"] == "SessionNotFoundError"


def test_no_color_and_pipes_get_no_escape_codes(recorded):
    assert "\x1b" not in run_vcr("show", "my_run").stdout
    env = {**os.environ, "NO_COLOR": "1"}
    assert "\x1b" not in run_vcr("show", "my_run", env=env).stdout


def test_a_recording_cannot_steer_the_terminal(in_tmp, vcr):
    recorder = VCRRecorder()
    recorder.start_session("hostile")
    recorder.record_step("\x1b[2Jname\x07", {"a\x1b]0;title\x07": "\x1b[31m\u202e"}, {"b": "\x9b31m"})
    recorder.close()
    for words in (
        ["show", "hostile"],
        ["show", "hostile", "0"],
        ["state", "hostile", "0"],
        ["diff", "hostile", "0", "0"],
    ):
        out = vcr(*words)[1]
        assert not set(out) & {"\x1b", "\x07", "\x9b", "\u202e"}


def test_vcr_starts_without_what_it_does_not_use(recorded):
    code = (
        "import sys; sys.argv = ['vcr', 'ls']\nfrom agent_vcr_nb.cli import main\n"
        "try: main()\nexcept SystemExit: pass\nprint(*sys.modules)"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    heavy = {"pandas", "numpy", "plotly", "networkx", "git", "IPython", "anywidget", "genai_prices", "asyncio", "rich"}
    assert set(loaded) & heavy == set()


@pytest.mark.slow
def test_vcr_starts_in_at_most_twelve_times_an_empty_python(recorded):
    def fastest(argv):
        times = []
        for _ in range(7):
            began = time.perf_counter()
            subprocess.run(argv, capture_output=True, check=True)
            times.append(time.perf_counter() - began)
        return min(times)

    # An empty Python takes 12 ms where this was measured, so the bound is 150 ms there.
    assert fastest([sys.executable, "-m", "agent_vcr_nb", "ls"]) < 12.5 * fastest([sys.executable, "-c", "pass"])


def test_a_state_with_keys_that_are_no_strings_is_edited_as_what_it_is(in_tmp):
    Path("keys.py").write_text(
        "from agent_vcr_nb import step\n"
        "@step\ndef a(s): return {**s, 3: 'three', 'mode': 'bad'}\n"
        "@step\ndef b(s): print('b got', s)\n"
        "b(a({'q': 1}))\n"
    )
    run_vcr("record", "-s", "keys", "--", "python", "keys.py")
    done = run_vcr("resume", "keys", "1", "--set", 'mode="good"')
    assert "b got {'q': 1, 3: 'three', 'mode': 'good'}" in done.stdout, done.stderr
    refused = run_vcr("resume", "keys", "1", "--set", '/mode="good"')
    assert (refused.returncode, "its content stands under /v" in refused.stderr) == (2, True)


def test_a_secret_argument_of_the_program_is_not_stored_and_not_handed_on_as_a_marker(in_tmp):
    Path("secret.py").write_text(
        "from agent_vcr_nb import step\n@step\ndef a(s): return s\n@step\ndef b(s): return s\nb(a({}))\n"
    )
    run_vcr("record", "-s", "hidden", "--", "python", "secret.py", "--api-key", "hunter2hunter2")
    assert b"hunter2hunter2" not in Path(".vcr/hidden.vcr").read_bytes()
    refused = run_vcr("resume", "hidden", "1")
    assert refused.returncode == 3
    assert "a secret that was not stored" in refused.stderr


def test_a_second_run_of_a_program_in_one_session_is_resumed_by_itself(app):
    for _ in range(2):
        recorded = run_vcr("record", "-s", "twice", "--", "python", "app.py", "todo")
    assert "added to the session that was there" in recorded.stderr
    done = run_vcr("resume", "twice", "5", "--set", 'database="sqlite"', "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["executed"] == ["build"]


@pytest.mark.parametrize("words", [["resume", "my_run"], ["state", "my_run"], ["fork", "my_run"], ["when", "my_run"]])
def test_a_word_that_is_missing_is_named(recorded, words):
    done = run_vcr(*words)
    assert done.returncode == 2
    assert "Missing argument" in done.stderr


def test_a_folder_that_cannot_be_used_is_one_clear_message(app):
    Path("afile").write_text("no folder")
    done = run_vcr("record", "--dir", "afile", "--", "python", "app.py", "todo")
    assert done.returncode == 2
    assert "afile: a file, and a folder of sessions is expected" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_resume_that_is_refused_leaves_no_session(recorded):
    assert run_vcr("resume", "my_run", "2", "--agent", "json:dumps").returncode == 3
    assert [path.name for path in Path(".vcr").glob("*.vcr")] == ["my_run.vcr"]


def test_diff_of_one_session_asks_for_the_other_and_of_a_fork_takes_its_parent(recorded, vcr):
    code, _, err = vcr("diff", "my_run")
    assert code == 2
    assert "compare my_run with what? Name two sessions (diff my_run OTHER) or two of its frames" in err
    vcr("resume", "my_run", "2", "--set", 'database="sqlite"', "--agent", "app.py:agent")
    code, out, _ = vcr("diff", "my_run-fork1")
    assert code == 1
    assert out.startswith("my_run and my_run-fork1: first divergence: agent#1/build#1 (it was given another input)")


def test_a_mock_of_a_step_that_is_not_there_is_refused_with_the_steps(recorded, vcr):
    for words in (("--mock", "biuld=null"), ("--skip", "biuld")):
        code, _, err = vcr("resume", "my_run", "1", *words, "--agent", "app.py:agent")
        assert code == 2
        assert "my_run: no step 'biuld' to mock or skip. Did you mean build? Recorded: agent, build, plan" in err
        assert vcr("resume", "my_run", "1", *words)[0] == 2


def test_a_program_that_ends_with_sys_exit_is_resumed_to_its_end(app):
    with Path("app.py").open("a") as file:
        file.write("    sys.exit(0)\n")
    run_vcr("record", "--session", "exits", "--", "python", "app.py", "todo", "sqlite")
    done = run_vcr("resume", "exits", "2")
    assert (done.returncode, "exits-fork1: forked from exits before frame 2" in done.stdout) == (0, True), done.stderr


def test_the_shell_completes_words_options_sessions_frames_steps_and_paths(recorded):
    def completed(*words):
        typed = {
            "COMP_WORDS": " ".join(["vcr", *words]),
            "COMP_CWORD": str(len(words)),
            "_VCR_COMPLETE": "bash_complete",
        }
        done = subprocess.run(
            [sys.executable, "-c", "from agent_vcr_nb.cli import main; main(prog_name='vcr')"],
            capture_output=True,
            text=True,
            env={**os.environ, **typed},
            timeout=60,
        )
        return [line.partition(",")[2] for line in done.stdout.splitlines()]

    assert completed("resu") == ["resume"]
    assert completed("resume", "my") == ["my_run"]
    assert completed("resume", "my_run", "") == ["0", "1", "2"]
    assert completed("resume", "my_run", "2", "--skip", "bu") == ["build"]
    assert completed("resume", "my_run", "2", "--mode", "re") == ["replay"]
    assert completed("state", "my_run", "2", "--path", "/") == ["/task", "/database", "/plan"]
    assert completed("check", "my_run", "--ag") == ["--against"]
    assert completed("changes", "my") == ["my_run"]
    assert completed("changes", "my_run", "") == ["0", "1", "2"]
    assert completed("export", "my_run", "--form", "o") == ["otlp"]
