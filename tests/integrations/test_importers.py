"""Real recordings of other programs become sessions; expected values are read from the files by hand or by json."""

import datetime as dt
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from agent_vcr_nb.core.errors import CannotResumeError, ImportFormatError, UsageError
from agent_vcr_nb.core.frame import FrameType, Status
from agent_vcr_nb.core.ledger import CostLedger
from agent_vcr_nb.core.player import VCRPlayer
from agent_vcr_nb.core.resume import ResumeConfig
from agent_vcr_nb.integrations.importers import FORMATS
from agent_vcr_nb.verbs.catalogue import VERBS
from agent_vcr_nb.verbs.importing import import_recordings

DATA = Path(__file__).parent.parent / "data"
SWE = DATA / "swe-agent"
WHO = DATA / "who-and-when" / "Hand-Crafted"
INSPECT = DATA / "inspect-ai"
MINI = DATA / "mini-swe-agent"
PEER = DATA / "ai-agent-vcr"
FEW = [MINI, INSPECT, PEER, WHO / "24.json", SWE / "function_calling_simple.traj"]
"""A run of each format."""


@pytest.fixture
def imported(tmp_path):
    """Import files or folders; gives the players of the sessions by id."""

    def run(*paths, **options):
        report = import_recordings(paths, tmp_path / "vcr", **options)
        return {s.session_id: VCRPlayer.load(tmp_path / "vcr" / f"{s.session_id}.vcr") for s in report.sessions}

    return run


def only(players):
    (player,) = players.values()
    return player


# ------------------------------------------------------------------------------------------------ SWE-agent


def test_the_eight_marshmallow_runs_are_siblings_of_one_task(imported):
    folders = sorted(path for path in SWE.iterdir() if path.is_dir())
    runs = imported(*folders)
    assert sorted(runs) == [folder.name for folder in folders]
    assert len(runs) == 8
    assert {run.session.metadata["task"] for run in runs.values()} == {"marshmallow-code__marshmallow-1867"}
    assert all("marshmallow-code__marshmallow-1867" in run.session.tags for run in runs.values())
    assert all(run.session.metadata["imported_from"] == "swe-agent" for run in runs.values())
    # Two frames a step; the steps counted with: jq '.trajectory | length'
    assert sorted(len(run) for run in runs.values()) == [22, 22, 22, 22, 24, 24, 26, 28]
    assert all(run.verify_integrity()["ok"] for run in runs.values())


def test_a_step_of_swe_agent_is_an_answer_and_a_command_with_the_state_before_and_after(imported):
    folder = SWE / "replay__marshmallow-code__marshmallow-1867__function_calling_replace_from_source"
    run = only(imported(folder))
    source = json.loads(next(folder.glob("*.traj")).read_text())
    answer, command, _, opened = run.frames[:4]
    assert (answer.node_name, answer.frame_type) == ("model", FrameType.LLM_CALL)
    assert answer.input_state["messages"] == source["history"][:2]
    assert answer.output_state["messages"] == source["history"][:3]
    assert (command.node_name, command.frame_type) == ("ls", FrameType.TOOL_CALL)
    assert command.metadata.latency_ms == pytest.approx(116.05553800109192)
    assert opened.input_state["environment"] == {"open_file": "n/a", "working_dir": "/testbed"}
    assert opened.output_state["environment"]["open_file"] == "/testbed/setup.py"
    assert run.frames[-1].output_state["messages"] == source["history"]


def test_an_old_trajectory_tells_of_its_environment_before_the_command(imported):
    run = only(imported(next(SWE.glob("*default_sys-env_window100*"))))
    created = run.frames[1]
    assert created.node_name == "create"
    assert created.input_state["environment"]["open_file"] == "n/a"
    assert created.output_state["environment"]["open_file"] == "/marshmallow-code__marshmallow/reproduce.py"


def test_a_history_without_a_trajectory_is_imported(imported):
    run = only(imported(SWE / "function_calling_simple.traj"))
    history = json.loads((SWE / "function_calling_simple.traj").read_text())["history"]
    assert len(run) == 10  # 5 answers and 5 replies after the system prompt and the task
    assert run.frames[-1].output_state["messages"] == history


@pytest.mark.parametrize(("status", "last"), [("exit_cost", "exit_cost"), ("submitted (exit_cost)", None)])
def test_a_run_of_swe_agent_that_did_not_submit_ends_with_an_error(imported, tmp_path, status, last):
    step = {"action": "ls", "observation": "a.py", "response": "look", "state": {"open_file": "n/a"}}
    path = tmp_path / "run.traj"
    path.write_text(json.dumps({"trajectory": [step], "history": [], "info": {"exit_status": status}}))
    frames = only(imported(path)).frames
    assert [frame.metadata.error_type for frame in frames if frame.frame_type is FrameType.ERROR] == [last] * bool(last)
    assert frames[0].output_state["messages"] == [{"role": "assistant", "content": "look"}]
    assert frames[1].output_state["messages"][-1]["content"] == "a.py"


# ------------------------------------------------------------------------------------------------ mini-swe-agent


def test_a_list_of_messages_is_imported_from_the_task_to_the_last_reply(imported):
    messages = json.loads((MINI / "local.traj.json").read_text())
    run = only(imported(MINI / "local.traj.json"))
    assert [frame.key for frame in run.frames] == ["model#1", "bash#1", "model#2", "bash#2"]
    assert run.frames[0].input_state == {"messages": messages[:2]}
    assert run.frames[-1].output_state == {"messages": messages}


def test_a_command_that_failed_is_an_error_with_its_exit_status(imported):
    run = only(imported(MINI / "github_issue.traj.json"))
    assert [(f.number, f.metadata.error_message) for f in run.frames if f.status is Status.ERROR] == [
        (1, "the command returned 1"),
        (15, "the command returned 1"),
    ]


def test_figures_of_a_newer_trajectory_are_kept_where_it_has_them(imported, tmp_path):
    usage = {"prompt_tokens": 900, "completion_tokens": 40, "total_tokens": 940}
    usage["prompt_tokens_details"] = {"cached_tokens": 512}
    extra = {"cost": 0.002, "timestamp": 1735689600.5, "response": {"model": "deepseek-chat", "usage": usage}}
    messages = [
        {"role": "system", "content": "s", "extra": {}},
        {"role": "assistant", "content": "ls", "extra": extra},
        {"role": "tool", "content": "a.py", "extra": {"returncode": 2, "timestamp": 1735689601.0}},
        {"role": "exit", "content": "", "extra": {"exit_status": "LimitsExceeded"}},
    ]
    path = tmp_path / "new.traj.json"
    path.write_text(json.dumps({"info": {}, "messages": messages, "trajectory_format": "mini-swe-agent-1.1"}))
    answer, command, end = only(imported(path)).frames
    known = answer.metadata
    assert (known.model, known.cost_usd, known.tokens_input, known.tokens_output) == ("deepseek-chat", 0.002, 900, 40)
    assert known.tokens_cache_read == 512
    assert answer.timestamp == dt.datetime(2025, 1, 1, 0, 0, 0, 500_000, dt.UTC)
    assert command.metadata.error_message == "the command returned 2"
    assert (end.frame_type, end.metadata.error_type) == (FrameType.ERROR, "LimitsExceeded")


def test_a_trajectory_of_version_2_has_costs_times_actions_and_a_submission(imported):
    run = only(imported(DATA / "mini-swe-agent-2" / "recorded.traj.json"))
    assert [(f.node_name, f.frame_type.value, f.status.value) for f in run.frames] == [
        ("model", "llm", "ok"),
        ("bash", "tool", "ok"),
        ("model", "llm", "ok"),
        ("bash", "tool", "error"),
        ("model", "llm", "ok"),
        ("exit", "node", "ok"),
    ]
    assert [f.metadata.cost_usd for f in run.frames if f.frame_type == "llm"] == [1.0, 1.0, 1.0]
    assert run.frames[0].metadata.custom["actions"] == [{"command": "echo hi"}]
    assert run.frames[0].metadata.model == "deterministic"
    assert all(frame.timestamp is not None for frame in run.frames[:4])
    assert run.session.metadata["submission"] == "patch\n"


# ------------------------------------------------------------------------------------------------ Who&When


def test_the_step_that_people_marked_is_marked_and_the_labels_are_kept(imported):
    run = only(imported(WHO / "13.json"))
    assert len(run) == 53
    assert [f.number for f in run.frames if "mistake" in f.metadata.custom] == [12]
    assert run.frames[12].node_name == "WebSurfer"
    assert run.frames[12].metadata.custom["mistake"]["agent"] == "Websurfer"
    labels = run.session.metadata
    assert (labels["mistake_agent"], labels["mistake_step"]) == ("Websurfer", "12")
    # A page that the agent read shows a token of its own, and that is not recorded.
    token = r'(OriginTrialToken\\": \\")[^"\\]+'
    source = json.loads(re.sub(token, r"\1[REDACTED:assignment]", (WHO / "13.json").read_text()))
    assert labels["mistake_reason"] == source["mistake_reason"]
    found, expected = run.frames[12].input_state["messages"], source["history"][:12]
    # Message 4 shows a web page whose source holds a token: that one is hidden.
    assert found[:4] + found[5:] == expected[:4] + expected[5:]
    assert "[REDACTED:assignment]" in found[4]["content"]


def test_a_mark_on_a_turn_of_another_agent_says_so(imported):
    mark = only(imported(WHO / "20.json")).frames[3].metadata.custom["mistake"]
    assert mark["labels_disagree"] == "the turn is of Orchestrator (-> WebSurfer), the label names WebSurfer"


def test_a_damaged_turn_stays_a_frame_so_that_the_mark_stays_in_its_place(tmp_path):
    path = tmp_path / "run.json"
    history = [{"role": "human", "content": "q"}, 5, {"role": "WebSurfer", "content": "a"}]
    path.write_text(json.dumps({"history": history, "mistake_step": "2", "mistake_agent": "WebSurfer"}))
    report = import_recordings([path], tmp_path / "vcr")
    frames = VCRPlayer.load(tmp_path / "vcr" / f"{report.sessions[0].session_id}.vcr").frames
    assert [f.node_name for f in frames] == ["human", "unknown", "WebSurfer"]
    assert "mistake" in frames[2].metadata.custom
    assert str(report.errors[0]).startswith(f"{path}: /history/1: expected an object, found the number 5")


# ------------------------------------------------------------------------------------------------ Inspect AI


def test_calls_of_models_and_tools_have_their_times_and_messages(imported):
    run = only(imported(INSPECT / "log_message_deduplication.eval"))
    assert [f.key for f in run.frames][:3] == ["model#1", "bash#1", "model#2"]
    assert [f.frame_type.value for f in run.frames] == ["llm", "tool"] * 5 + ["llm", "node"]
    tool = run.frames[1]
    assert tool.timestamp == dt.datetime(2025, 10, 6, 10, 15, 45, 377442, dt.UTC)
    assert tool.metadata.latency_ms == pytest.approx(93.39)  # 45.470832 - 45.377442 s
    # Messages are kept once in this log, and calls refer to them by ranges: 1, 3, 5, 7, 9, 11 of them.
    assert [len(f.input_state["messages"]) for f in run.frames if f.frame_type == "llm"] == [1, 3, 5, 7, 9, 11]
    assert run.frames[0].input_state["messages"][0]["content"] == "Guess the number"
    assert run.frames[-1].output_state["scores"]["closeness_log"]["value"] == 0.0


def test_tokens_and_attachments_of_a_log_are_kept(imported):
    run = only(imported(INSPECT / "custom.eval"))
    calls = [f.metadata for f in run.frames if f.frame_type == "llm"]
    assert [(m.model, m.tokens_input, m.tokens_output) for m in calls] == [
        ("openai/gpt-4o-mini", 52, 61),
        ("openai/gpt-4o-mini", 235, 141),
    ]
    assert CostLedger.of(run).live.tokens == 489
    first = run.frames[0].input_state["messages"][0]["content"]
    assert first.startswith("Hey there, hipster! Please answer any questions")


def test_cache_reads_are_part_of_the_input_whichever_way_the_log_counts(imported, tmp_path):
    def call(usage):
        output = {"choices": [{"message": {"role": "assistant", "content": "a"}}], "usage": usage}
        return {"event": "model", "model": "m", "input": [], "output": output}

    apart = {"input_tokens": 10, "output_tokens": 5, "total_tokens": 115, "input_tokens_cache_read": 100}
    inside = {"input_tokens": 110, "output_tokens": 5, "total_tokens": 115, "input_tokens_cache_read": 100}
    sample = {"id": 1, "epoch": 1, "events": [call(apart), call(inside)]}
    path = tmp_path / "log.json"
    path.write_text(json.dumps({"version": 2, "status": "success", "eval": {"task": "t"}, "samples": [sample]}))
    assert [f.metadata.tokens_input for f in only(imported(path)).frames] == [110, 110]


def test_each_sample_of_each_epoch_is_a_session_of_the_same_task(imported):
    runs = imported(INSPECT / "log_streaming.eval")
    assert sorted(runs) == [f"log_streaming-{sample}-epoch{epoch}" for sample in (1, 2) for epoch in (1, 2)]
    assert {tuple(run.session.tags) for run in runs.values()} == {("inspect-ai", "popularity")}


def test_errors_of_tools_are_errors_of_frames(imported):
    frames = only(imported(INSPECT / "log_tool_call_error.json")).frames
    assert {(f.frame_type, f.status) for f in frames} == {(FrameType.TOOL_CALL, Status.ERROR)}
    assert [f.metadata.error_type for f in frames][:4] == ["parsing", "timeout", "parsing", "unicode_decode"]
    assert frames[-1].metadata.error_message == "The tool output limit of 10 MiB was exceeded."


def test_a_log_without_samples_is_told_and_leaves_no_session(tmp_path):
    report = import_recordings([INSPECT / "log_with_nan.txt"], tmp_path / "vcr")
    assert (report.files[0].skipped, report.sessions, report.exit_code) == ("it holds no turns", (), 0)
    assert not (tmp_path / "vcr").exists()


# ------------------------------------------------------------------------------------------------ ai-agent-vcr


def test_a_recording_of_ai_agent_vcr_keeps_types_times_figures_and_errors(imported):
    run = only(imported(PEER / "peer_run.vcr"))
    kinds = [(f.node_name, f.frame_type.value, f.status.value) for f in run.frames]
    assert kinds == [
        ("plan", "node", "ok"),
        ("llm:gpt-4o-mini", "llm", "ok"),
        ("tool:search", "tool", "ok"),
        ("tool:search", "tool", "error"),
        ("checkpoint:mid", "checkpoint", "ok"),
        ("build", "error", "error"),
    ]
    assert run.frames[0].output_state == {"q": "todo", "n": 1, "plan": ["a", "b"]}
    assert run.frames[0].timestamp == dt.datetime(2026, 11, 24, 17, 6, 42, 951910, dt.UTC)
    assert (run.frames[1].metadata.tokens_used, run.frames[1].metadata.cost_usd) == (13, 0.0001)
    assert run.frames[5].metadata.error_message == "boom"
    assert run.goto_checkpoint("mid") == {"q": "todo"}
    assert run.session.tags == ["demo"]


def test_a_fork_of_ai_agent_vcr_starts_before_the_frame_after_the_one_it_names(imported):
    fork = imported(PEER)["peer_fork"].session
    # There fork(1) starts from the state after frame 1, which is the state before frame 2.
    assert (fork.parent_session_id, fork.forked_from_frame) == ("peer_run", 2)


def test_inputs_that_diff_mode_dropped_are_the_outputs_before_them_and_the_report_says_so(tmp_path):
    report = import_recordings([PEER / "peer_diff.vcr"], tmp_path)
    frames = VCRPlayer.load(tmp_path / "peer_diff.vcr").frames
    assert frames[3].input_state == {"messages": [{"role": "user", "content": f"m{n}"} for n in range(3)], "k": 2}
    assert report.sessions[0].left_out[0].startswith("input states were not recorded (diff mode)")


def test_a_recording_of_this_program_is_not_imported(imported, tmp_path):
    imported(PEER / "peer_run.vcr")
    with pytest.raises(ImportFormatError, match="needs no import"):
        import_recordings([tmp_path / "vcr" / "peer_run.vcr"], tmp_path / "again")


# ------------------------------------------------------------------------------------------------ sessions


def test_no_frame_of_an_import_can_be_resumed(tmp_path):
    report = import_recordings(FEW, tmp_path)
    assert {session.resumable for session in report.sessions} == {0}
    player = VCRPlayer.load(tmp_path / "local.vcr")
    with pytest.raises(CannotResumeError, match="imported from mini-swe-agent"):
        player.resume(lambda state: state, ResumeConfig(1))


def test_a_second_import_writes_nothing_and_says_so(tmp_path):
    first = import_recordings(FEW, tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.vcr")}
    second = import_recordings(FEW, tmp_path)
    assert [s.session_id for s in second.sessions] == [s.session_id for s in first.sessions]
    assert all(session.existed for session in second.sessions)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*.vcr")} == before
    assert "imported before, nothing written" in second.text()


def test_imports_that_run_at_once_import_each_file_once(tmp_path):
    argv = [sys.executable, "-m", "agent_vcr_nb", "import", str(MINI), "--dir", str(tmp_path / "vcr"), "--json"]
    running = [subprocess.Popen(argv, stdout=subprocess.PIPE) for _ in range(3)]
    told = [json.loads(process.communicate(timeout=60)[0]) for process in running]
    existed = [session["existed"] for one in told for file in one["files"] for session in file["sessions"]]
    assert (existed.count(False), existed.count(True)) == (2, 4)
    assert sorted(path.name for path in (tmp_path / "vcr").iterdir()) == ["github_issue.vcr", "local.vcr"]
    assert len(VCRPlayer.load(tmp_path / "vcr" / "github_issue.vcr")) == 20


def test_replace_writes_under_a_new_id_and_keeps_the_old_session(tmp_path):
    import_recordings([MINI / "local.traj.json"], tmp_path)
    before = (tmp_path / "local.vcr").read_bytes()
    report = import_recordings([MINI / "local.traj.json"], tmp_path, replace=True)
    assert [(s.session_id, s.existed) for s in report.sessions] == [("local-2", False)]
    assert (tmp_path / "local.vcr").read_bytes() == before


def test_an_import_that_was_cut_short_does_not_count_as_imported(tmp_path):
    import_recordings([MINI / "local.traj.json"], tmp_path)
    whole = (tmp_path / "local.vcr").read_bytes().splitlines(keepends=True)
    (tmp_path / "local.vcr").write_bytes(b"".join(whole[:3]))
    report = import_recordings([MINI / "local.traj.json"], tmp_path)
    assert [(s.session_id, s.frames, s.existed) for s in report.sessions] == [("local-2", 4, False)]


def test_another_file_of_the_same_name_gets_a_free_id(tmp_path):
    other = tmp_path / "local.traj.json"
    other.write_text(json.dumps([{"role": "user", "content": "hi"}, {"role": "assistant", "content": "ho"}]))
    report = import_recordings([MINI / "local.traj.json", other], tmp_path)
    assert [session.session_id for session in report.sessions] == ["local", "local-2"]
    assert all(session.existed for session in import_recordings([other], tmp_path).sessions)


def test_a_given_id_names_the_session_and_is_refused_when_another_has_it(tmp_path):
    report = import_recordings([MINI / "local.traj.json"], tmp_path, session_id="mine")
    assert [session.session_id for session in report.sessions] == ["mine"]
    with pytest.raises(UsageError, match="session 'mine' exists"):
        import_recordings([MINI / "github_issue.traj.json"], tmp_path, session_id="mine")
    with pytest.raises(UsageError, match="names the session of one file"):
        import_recordings([MINI], tmp_path, session_id="mine")


def test_a_secret_in_a_foreign_recording_is_nowhere_on_disk(tmp_path):
    secret = "sk-ant-api03-" + "q" * 24
    messages = [{"role": "user", "content": f"key {secret}"}, {"role": "assistant", "content": "ok", "note": secret}]
    path = tmp_path / "run.traj.json"
    path.write_text(json.dumps({"info": {"submission": secret}, "messages": messages}))
    import_recordings([path], tmp_path / "vcr")
    files = [file.read_bytes() for file in (tmp_path / "vcr").rglob("*") if file.is_file()]
    assert files
    assert all(secret.encode() not in content for content in files)


def test_an_import_leaves_the_recorder_of_the_process_alone(tmp_path):
    from agent_vcr_nb.core.recorder import VCRRecorder
    from agent_vcr_nb.core.steps import active_recorder

    recorder = VCRRecorder(tmp_path / "live")
    recorder.start_session("live")
    import_recordings([MINI / "local.traj.json"], tmp_path / "vcr")
    assert active_recorder() is recorder
    recorder.close()


def test_an_unknown_format_or_path_is_an_error_that_names_it(tmp_path):
    with pytest.raises(UsageError, match="format 'xml'"):
        import_recordings([MINI / "local.traj.json"], tmp_path, format="xml")
    with pytest.raises(UsageError, match=r"nowhere\.json: no such file"):
        import_recordings([tmp_path / "nowhere.json"], tmp_path)
    with pytest.raises(ImportFormatError, match="not of the format inspect-ai"):
        import_recordings([MINI / "local.traj.json"], tmp_path, format="inspect-ai")


def test_the_report_tells_of_every_file_in_words_and_as_json(tmp_path):
    report = import_recordings([MINI, INSPECT / "log_with_nan.txt"], tmp_path)
    assert json.loads(json.dumps(report.to_dict()))["files"][1]["sessions"][0] == {
        "session_id": "local",
        "frames": 4,
        "existed": False,
        "left_out": [],
        "resumable": 0,
        "why_not_resumable": "it was imported: to look at, compare and query, without an agent that could go on",
    }
    assert "frames that can be resumed: none" in report.text()
    assert "log_with_nan.txt: nothing imported: it holds no turns" in report.text()


# ------------------------------------------------------------------------------------------------ the command


def vcr(*words):
    argv = [Path(sys.executable).with_name("vcr"), "import", *words]
    return subprocess.run(argv, capture_output=True, text=True, check=False)


def test_the_command_imports_tells_what_it_did_and_ends_with_3_for_a_damaged_file(in_tmp):
    done = vcr("--json", str(MINI))
    assert done.returncode == 0
    assert [file["sessions"][0]["session_id"] for file in json.loads(done.stdout)["files"]] == ["github_issue", "local"]
    Path("cut.traj.json").write_bytes((MINI / "local.traj.json").read_bytes()[:-120])
    damaged = vcr("cut.traj.json")
    assert damaged.returncode == 3
    assert "damaged: line 20 column 16: Unterminated string" in damaged.stdout
    assert "what was readable is kept" in damaged.stdout
    Path("not.json").write_text("{}")
    refused = vcr("not.json")
    assert refused.returncode == 3
    assert refused.stderr.startswith("vcr import: not.json: no format known here")
    assert "Traceback" not in damaged.stderr + refused.stderr


def test_the_formats_of_the_command_are_those_there_are():
    (verb,) = [verb for verb in VERBS if verb.name == "import"]
    (option,) = [option for option in verb.options if option.name == "format"]
    assert set(option.choices) == set(FORMATS)
