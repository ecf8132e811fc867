"""`%%vcr`, `set`, `undo`, help and completion, in an IPython shell of this process."""

import re

import pytest
from IPython.core.completer import provisionalcompleter
from IPython.utils.capture import capture_output

from agent_vcr_nb.core.errors import UsageError
from agent_vcr_nb.notebook.magics import MagicError, recording_cell, split
from tests.notebook.test_magics import AGENT


@pytest.fixture(autouse=True)
def agent(shell):
    """An agent in the notebook."""
    shell.run_cell(AGENT, store_history=True).raise_error()


def magics(shell):
    return shell.magics_manager.registry["VCRMagics"]


# ------------------------------------------------------------------------------------------------------- %%vcr


def test_a_cell_that_begins_with_vcr_is_recorded_as_a_session_and_nothing_after_it(run):
    said, error = run("%%vcr my_run\ntry_agent('todo')")
    assert (said, error) == ("failed: no mongodb here\nrecorded my_run: 3 frames\n", None)
    run("try_agent('again')")
    shown, _ = run("%vcr show")
    assert "my_run: 3 frames" in shown


def test_a_cell_that_raises_shows_its_error_once_and_the_session_has_it(run):
    said, error = run("%%vcr my_run --tag broken\nagent('todo')")
    assert str(error) == "no mongodb here"
    assert said.count("Traceback") == 1
    assert said.endswith("no mongodb here\nrecorded my_run: 3 frames\n")
    listed, _ = run("%vcr ls")
    assert re.search(r"my_run .*error.* 3 .*broken", listed)


def test_a_recorded_cell_runs_as_any_other_with_await_and_the_value_of_its_last_line(shell, run):
    said, error = run("%%vcr my_run\nimport asyncio\nplan({'task': 1})\nawait asyncio.sleep(0, 41) + 1")
    assert error is None
    assert "42" in said
    assert shell.user_ns["_"] == 42


def test_a_cell_run_again_is_another_session_that_can_be_compared(run):
    run("%%vcr my_run\ntry_agent('a')")
    said, _ = run("%%vcr my_run\ntry_agent('b')")
    assert said.endswith(
        "recorded my_run-2: 3 frames; my_run is an earlier run: %vcr diff my_run my_run-2 compares them\n"
    )
    compared, _ = run("%vcr diff my_run my_run-2")
    assert '/task: "a" → "b"' in compared


def test_a_cell_run_again_with_continue_adds_to_its_session(run):
    run("%%vcr my_run\ntry_agent('a')")
    said, _ = run("%%vcr my_run --continue\ntry_agent('b')")
    assert said.endswith("recorded my_run: 3 frames, added to the 3 that were there\n")


def test_a_recording_from_here_on_goes_on_after_a_recorded_cell(run):
    run("%vcr record whole")
    run("%%vcr one\ntry_agent('a')")
    run("try_agent('b')")
    run("%vcr stop")
    shown, _ = run("%vcr show whole")
    assert "whole: 3 frames" in shown
    assert "one: 3 frames" in run("%vcr show one")[0]


def test_a_recorded_cell_without_a_name_is_named_by_the_time(run):
    said, _ = run("%%vcr\ntry_agent('a')")
    assert re.search(r"recorded run-\d{8}-\d{6}-[0-9a-f]{4}: 3 frames\n", said)


def test_a_cell_without_steps_says_what_to_do(run):
    said, _ = run("%%vcr my_run\n1")
    assert "No step was seen: decorate the agent's functions with @agent_vcr_nb.step" in said


def test_a_bad_name_ends_the_cell_before_it_runs(run):
    said, error = run("%%vcr ../x\nprint('ran')")
    assert isinstance(error, MagicError)
    assert "session id" in str(error)
    assert "ran\n" not in said


def test_only_the_first_line_of_a_cell_that_is_the_magic_is_changed():
    for lines in ([], ["%%vcr?\n"], ["%%vcrx a\n", "1\n"], ["x = 1\n", "%%vcr a\n"], ["%vcr show\n"]):
        assert recording_cell(lines) == lines
    assert recording_cell(["%%vcr a --tag 'b c'\n", "1\n"]) == [
        """get_ipython().run_line_magic('vcr', "cell a --tag 'b c'")\n""",
        "1\n",
    ]


def test_a_program_can_record_a_cell_through_the_cell_magic(shell, run):
    with capture_output() as captured:
        shell.run_cell_magic("vcr", "my_run", "try_agent('todo')")
    assert "recorded my_run: 3 frames" in captured.stdout


# ------------------------------------------------------------------------------------------------------- set, undo


@pytest.fixture
def failed(run):
    """my_run recorded: frame 0 agent, 1 plan, 2 build, which fails."""
    run("%%vcr my_run\ntry_agent('todo')")


def patch_in(said):
    return [line.strip() for line in said.splitlines() if line.startswith("  {")]


@pytest.mark.parametrize(
    ("words", "value"),
    [
        ("plan sqlite", '"sqlite"'),
        ("plan use FastAPI", '"use FastAPI"'),
        ("plan 'use FastAPI'", '"use FastAPI"'),
        ("/plan '\"42\"'", '"42"'),
        ("plan 42", "42"),
        ("plan -1.5", "-1.5"),
        ("plan true", "true"),
        ("plan null", "null"),
        ("""plan '{"db": ["a"]}'""", '{"db":["a"]}'),
        ("plan ''", '""'),
    ],
)
def test_set_edits_the_state_and_shows_the_json_patch(failed, run, words, value):
    said, error = run(f"%vcr set {words} --frame 2")
    assert error is None
    assert said.startswith("my_run, state before frame 2, edited; %vcr resume 2 uses:\n")
    assert patch_in(said) == [f'{{"op":"replace","path":"/plan","value":{value}}}']


def test_set_needs_no_debugger_and_resume_uses_it(failed, run):
    run("%vcr goto 2")
    run("%vcr set plan sqlite")
    resumed, error = run("%vcr resume 2")
    assert error is None
    assert 'edit /plan = "sqlite"' in re.sub(r"\x1b\[\d+m", "", resumed)
    assert "executed: build" in resumed


def test_an_edit_by_words_and_one_in_the_tree_are_one_pending_edit(failed, run, shell):
    run("%vcr set plan sqlite --frame 2")
    run("%vcr debug")
    debugger = magics(shell).debugger
    assert debugger.pending_edit(2) == [{"op": "replace", "path": "/plan", "value": "sqlite"}]
    debugger.frame = 2
    debugger.edit(2, [{"op": "add", "path": "/more", "value": 1}])
    said, _ = run("%vcr set more 2")
    assert patch_in(said) == [
        '{"op":"replace","path":"/plan","value":"sqlite"}',
        '{"op":"add","path":"/more","value":2}',
    ]
    assert debugger.pending_edit(2)[1] == {"op": "add", "path": "/more", "value": 2}


def test_set_takes_what_resume_set_takes(failed, run):
    for line in ("%vcr set plan True --frame 2", "%vcr resume 2 --set plan=True"):
        assert "True is written true in JSON" in str(run(line)[1])
    said, _ = run("%vcr resume 2 --set plan=sqlite")
    assert 'edit /plan = "sqlite"' in re.sub(r"\x1b\[\d+m", "", said)


def test_every_example_of_the_help_is_a_line_that_the_magic_understands(failed, run, shell):
    said, _ = run("%vcr resume --help")
    assert "%vcr resume my_run 7 --set plan=" in said
    desk = magics(shell)
    for name, verb in desk.desk.verbs.items():
        assert verb.example.startswith("%vcr"), verb.example
        assert "--json" not in verb.example
        words = split(verb.example)[1:]
        assert words[:1] in ([name], []), verb.example
        desk._commands[name].make_context(name, words[1:])


def test_undo_takes_back_edits_one_by_one_and_then_says_that_nothing_is_left(failed, run):
    run("%vcr set plan sqlite --frame 2")
    run("%vcr set other 1 --frame 1")
    assert "undone: the last edit of my_run, state before frame 1; it is as it was recorded" in run("%vcr undo")[0]
    assert "undone: the last edit of my_run, state before frame 2; it is as it was recorded" in run("%vcr undo")[0]
    _, error = run("%vcr undo")
    assert "undo: no edit of a state is pending here, and of files: the session my_run of .vcr has no" in str(error)


def test_undo_takes_back_what_was_done_last_of_edit_and_rollback(failed, run, shell, in_tmp, monkeypatch):
    monkeypatch.setenv("AGENT_VCR_HOME", str(in_tmp / "home"))
    monkeypatch.setenv("XDG_DATA_HOME", str(in_tmp / "data"))
    (in_tmp / "work").mkdir()
    file = in_tmp / "work/a.txt"
    run(
        "from agent_vcr_nb import ACIDWorkspace, VCRRecorder\n"
        "from pathlib import Path\n"
        "with VCRRecorder(workspace=ACIDWorkspace('work')) as recorder:\n"
        "    recorder.start_session('files')\n"
        "    Path('work/a.txt').write_text('one')\n"
        "    plan({'n': 1})\n"
        "    Path('work/a.txt').write_text('two')\n"
        "    plan({'n': 2})\n"
    )
    magics(shell).desk.begin("files")
    run("%vcr set n 3 --frame 0")
    assert run("%vcr rollback 0")[1] is None
    run("%vcr set n 4 --frame 1")
    assert file.read_text() == "one"
    assert "state before frame 1; it is as it was recorded" in run("%vcr undo")[0]
    assert run("%vcr undo")[0].startswith("undone: the last rollback of files\n")
    assert file.read_text() == "two"
    assert "undone: the last edit of files, state before frame 0; it is" in run("%vcr undo")[0]
    assert run("%vcr undo")[0].startswith("done again: the rollback of files that was undone\n")
    assert file.read_text() == "one"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("%vcr set plan x", "of which frame? %vcr set plan VALUE --frame N"),
        ("%vcr set /no/where x --frame 2", "nothing stands at /no"),
        ("%vcr set plan {a --frame 2", "is no JSON"),
        ("%vcr set plan --frme 2", "no option --frme"),
        ("%vcr set plan x --frame 9", "no frame 9"),
        ("%vcr diff my_run", "compare my_run with what? Name two sessions"),
    ],
)
def test_an_error_is_one_clear_line(failed, run, line, said):
    _, error = run(line)
    assert isinstance(error, MagicError)
    assert said in str(error)


def test_a_session_that_is_not_there_is_named_and_not_taken_for_a_frame(failed, run):
    for line in ("%vcr resume nope 2", "%vcr show nope", "%vcr ledger nope"):
        _, error = run(line)
        assert re.match(r"\w+: no session 'nope'", str(error))
        assert "my_run" in str(error)


def test_set_takes_no_frame_or_session_for_a_key(failed, run):
    for line in ("%vcr set 2 database=1", "%vcr set my_run 2 task 1"):
        _, error = run(line)
        assert "is no key: %vcr set takes the key first" in str(error)


def test_a_recording_of_a_name_that_is_taken_is_another_session_and_says_so(failed, run):
    said, _ = run("%vcr record my_run")
    assert said == (
        "recording my_run-2; my_run is an earlier run of 3 frames, and %vcr record my_run --continue adds to it; "
        "%vcr shows it, %vcr stop ends it\n"
    )
    assert run("%vcr record my_run")[0].startswith("recording my_run-2; my_run is"), "nothing was recorded in it"


def test_a_recording_that_goes_on_in_a_session_says_so(failed, run):
    said, _ = run("%vcr record my_run --continue")
    assert said.startswith("recording my_run, on from the 3 frames that it has;")


def test_a_resume_without_a_frame_takes_the_selected_one_and_says_so(failed, run):
    _, error = run("%vcr resume")
    assert "of which frame? %vcr resume N, or select one first" in str(error)
    run("%vcr goto 2")
    for line, fork in (("%vcr resume --set plan='\"sqlite\"'", "my_run-fork1"), ("%vcr fork", "my_run-fork1-fork1")):
        said, error = run(line)
        assert error is None
        assert said.startswith(f"frame 2 of {fork.rpartition('-')[0]}, as it is selected\n")
        assert f"{fork}: forked from" in re.sub(r"\x1b\[\d+m", "", said)


def test_a_session_that_is_not_the_current_one_has_no_selected_frame(failed, run):
    run("%%vcr other\ntry_agent('x')")
    run("%vcr goto 1")
    _, error = run("%vcr resume my_run")
    assert "Missing parameter: frame" in str(error) or "Missing argument" in str(error)


def test_an_agent_that_is_not_known_is_looked_for_in_the_notebook(run):
    run("%%vcr single\nbuild(plan({'task': 1}) | {'plan': 'sqlite'})")
    _, error = run("%vcr resume single 0")
    assert "its steps were called by a cell, one by one: choose plan to run that one alone" in str(error)
    assert "That may be here: plan, " in str(error)


@pytest.mark.parametrize("line", ["%vcr resume 2", "%vcr show", "%vcr goto 1", "%vcr set a 1 --frame 0", "%vcr"])
def test_without_a_session_every_word_says_that_and_the_next_step(run, line):
    _, error = run(line)
    word = line.split()[1] if " " in line else "debug"
    assert str(error) == f"{word}: no session yet; %vcr record NAME begins one, then run the agent"


def test_a_fork_alone_is_compared_with_the_current_session_and_that_with_its_parent(failed, run):
    run("%vcr resume 2 --set plan='\"sqlite\"'")
    assert "my_run and my_run-fork1: first divergence: agent#1/build#1" in run("%vcr diff my_run-fork1")[0]
    assert "my_run-fork1 and my_run: first divergence: agent#1/build#1" in run("%vcr diff my_run")[0]


def test_replay_runs_the_live_agent_and_executes_nothing(failed, run, shell):
    said, error = run("%vcr replay")
    assert error is None
    assert "my_run: replayed, 2 steps served from the recording, 0 executed" in said
    assert "as recorded: ValueError: no mongodb here" in said
    assert shell.user_ns["RAN"] == ["plan", "build"]
    run("@step\ndef agent(task):\n    return plan({'task': task + '!'})")
    _, error = run("%vcr replay")
    assert 'replay: my_run frame 1 (agent#1/plan#1): expected input /task = "todo", found "todo!"' in str(error)
    assert shell.user_ns["RAN"] == ["plan", "build"]


def test_run_verb_is_what_other_parts_of_the_notebook_call(failed, shell):
    result = magics(shell).run_verb("set", path="plan", value=["sqlite"], frame=2)
    assert result.to_dict() == {
        "session_id": "my_run",
        "frame": 2,
        "edit": [{"op": "replace", "path": "/plan", "value": "sqlite"}],
    }
    with pytest.raises(UsageError, match="no such word"):
        magics(shell).run_verb("nonsense")


# ------------------------------------------------------------------------------------------------------- help


@pytest.mark.parametrize("line", ["%vcr?", "%%vcr?"])
def test_a_question_mark_lists_the_words(shell, line):
    pages = []
    shell.set_hook("show_in_pager", lambda _, data, start, screen_lines: pages.append(data))
    shell.run_cell(line).raise_error()
    text = pages[0]["text/plain"] if isinstance(pages[0], dict) else pages[0]
    for word in ("%%vcr NAME", "resume", "replay", "set", "undo", "%vcr resume --help"[:4]):
        assert word in text


# ------------------------------------------------------------------------------------------------------- completion


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("%vcr res", ["resume"]),
        ("%vcr resume ", ["my_run", "0", "1", "2"]),
        ("%vcr resume my_run ", ["0", "1", "2"]),
        ("%vcr resume 2 --mo", ["--mode", "--mock"]),
        ("%vcr resume 2 --mode ", ["fork", "replay", "mock"]),
        ("%vcr resume 2 --skip pl", ["plan"]),
        ("%vcr resume 2 --mock bu", ["build="]),
        ("%vcr resume 2 --set pl", ["plan="]),
        ("%vcr resume 2 --agent try", ["try_agent"]),
        ("%vcr set pl", ["plan"]),
        ("%vcr when /", ["/task", "/plan"]),
        ("%vcr state 2 --path /p", ["/plan"]),
        ("%vcr diff ", ["my_run", "0", "1", "2"]),
        ("%%vcr my", ["my_run"]),
        ("%%vcr my_run --c", ["--continue"]),
        ("  %vcr goto ", ["0", "1", "2"]),
    ],
)
def test_tab_completes_words_options_sessions_frames_steps_and_paths(failed, shell, line, offered):
    assert completions(shell, line) == offered


def test_completion_leaves_other_lines_to_ipython(failed, shell):
    assert "try_agent" in completions(shell, "try_ag")
    assert "%vcr" in completions(shell, "%vc")


def completions(shell, line):
    """The words that TAB at the end of a cell offers."""
    with provisionalcompleter():
        return [one.text for one in shell.Completer.completions(line, len(line))]


def test_unloading_takes_everything_out_again(shell, run):
    run("%%vcr one\ntry_agent('a')")
    run("%unload_ext agent_vcr_nb")
    assert not [one for one in shell.Completer.custom_matchers if one.matcher_identifier == "agent_vcr_nb"]
    assert recording_cell not in shell.input_transformers_cleanup
    assert "UsageError" in run("%vcr show")[0] or run("%vcr show")[0] == ""
    run("%load_ext agent_vcr_nb")
    assert "one: 3 frames" in run("%vcr show")[0]
    run("%reload_ext agent_vcr_nb")
    assert len([one for one in shell.Completer.custom_matchers if one.matcher_identifier == "agent_vcr_nb"]) == 1
    said, _ = run("%%vcr two\ntry_agent('a')")
    assert said.count("recorded two: 3 frames") == 1


# ------------------------------------------------------------------------------------------------------- print


def test_print_takes_the_rest_of_the_line_as_it_stands_and_plots_numbers(failed, run, shell):
    said, error = run("""%vcr print len([w for w in [state.task] if w == "todo"]) + frame  # a comment""")
    assert error is None
    assert re.search(r"^2 +  build +3$", re.sub(r"\x1b\[\d+m", "", said), re.M)
    plot = magics(shell).views.plot
    assert list(plot.figure.data[0].y) == [1, 2, 3]
    run("%vcr print my_run frame")
    assert magics(shell).views.plot is plot
    assert list(plot.figure.data[0].y) == [0, 1, 2]
    assert plot.figure.layout.title.text == "frame"
    assert run("%vcr print '-frame'")[1] is None
    assert list(plot.figure.data[0].y) == [0, -1, -2]


def test_print_of_text_is_a_table_without_a_plot(failed, run, shell):
    said, _ = run("%vcr print node")
    assert "build" in said
    assert magics(shell).views.plot is None


def test_print_says_what_is_wrong_with_an_expression(failed, run):
    _, error = run("%vcr print open('x')")
    assert str(error).startswith("""print: "open('x')": open cannot be called. Functions: abs, all, any""")


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("%vcr print lat", ["latency_ms"]),
        ("%vcr print state.", ["state.task", "state.plan"]),
        ("%vcr print len(state.pl", ["len(state.plan"]),
        ("%vcr print my_run frame + de", ["depth"]),
    ],
)
def test_tab_completes_names_and_keys_in_an_expression(failed, shell, line, offered):
    assert completions(shell, line) == offered


def test_check_holds_a_run_against_the_named_or_the_parent_session(failed, run):
    run("%%vcr golden\ntry_agent('todo')")
    said, error = run("%vcr check my_run --against golden")
    assert error is None
    assert "my_run against golden: ✓ ok, the same" in re.sub(r"\x1b\[\d+m", "", said)
    run("%vcr resume my_run 2 --set plan='\"sqlite\"'")
    assert "my_run-fork1 against my_run: ✗ regression" in re.sub(r"\x1b\[\d+m", "", run("%vcr check")[0])
    assert "against which golden run? Name it with --against" in str(run("%vcr check golden")[1])
