"""The bar of buttons in this process: real recordings, agents and files; what the page does is in tests/browser."""

import sys
import threading
import time

import pytest

from agent_vcr_nb import ACIDWorkspace, VCRPlayer, VCRRecorder, step
from agent_vcr_nb.core.errors import UsageError
from agent_vcr_nb.core.lineage import session_info
from agent_vcr_nb.notebook.debugger import VCRDebugger
from agent_vcr_nb.notebook.recorded import PlayerSource
from agent_vcr_nb.verbs.frames import diff
from agent_vcr_nb.verbs.rerun import resume_run
from tests.notebook.fake_run import Run

AT_WORK = threading.Event()
RAN = []


@step
def plan_app(state):
    RAN.append("plan_app")
    return {**state, "database": "mongodb"}


@step
def build_app(state):
    RAN.append("build_app")
    print("building on", state["database"])
    while state["database"] == "slow":
        AT_WORK.set()
        time.sleep(0.001)
    if state["database"] == "mongodb":
        raise ValueError("no driver for mongodb")
    return {**state, "built": True}


@step
def app_agent(task):
    return build_app(plan_app({"task": task}))


def edit_to(debugger, value):
    debugger.edit(2, [{"op": "replace", "path": "/database", "value": value}])


@pytest.fixture
def debugger(in_tmp):
    """A run of three frames (app_agent, plan_app, build_app), the last of which failed, with that one selected."""
    with VCRRecorder() as recorder:
        recorder.start_session("run")
        with pytest.raises(ValueError, match="no driver"):
            app_agent("todo")
    made = shown("run")
    made.frame = 2
    RAN.clear()
    AT_WORK.clear()
    return made


def shown(session):
    return VCRDebugger(PlayerSource(VCRPlayer.load_by_id(session)))


def reasons(debugger):
    """What keeps each button from working, as it stands now."""
    debugger.actions._looking.now()
    return {ability["name"]: ability["reason"] for ability in debugger.actions.abilities}


def test_resume_runs_the_edited_step_and_selects_the_fork_everywhere(debugger):
    edit_to(debugger, "sqlite")
    debugger.actions.act("resume").wait(20)
    outcome = debugger.actions.outcome
    assert (outcome["kind"], outcome["title"]) == ("ok", "run-fork1: done")
    assert "served from the recording, not executed: 1 step (frame 1)" in outcome["text"]
    assert "compared with run: of 3 steps 1 the same, 1 given another input, 1 with another outcome" in outcome["text"]
    assert RAN == ["build_app"]
    assert debugger.actions.printed == "building on sqlite\n"
    assert (debugger.session, debugger.frame, debugger.scrubber.frame, debugger.tree.frame) == ("run-fork1", 2, 2, 2)
    assert debugger.actions.progress == {}


def test_a_second_resume_of_the_same_edit_is_a_second_fork(debugger):
    for _ in range(2):
        debugger.open("run", 2)
        debugger.actions.act("resume").wait(20)
    assert debugger.session == "run-fork2"


def test_a_resume_that_fails_again_says_so_with_the_agents_own_error(debugger):
    debugger.actions.act("resume").wait(20)
    outcome = debugger.actions.outcome
    assert (outcome["kind"], outcome["title"]) == ("failed", "run-fork1: failed again")
    assert "ValueError: no driver for mongodb" in outcome["text"]


def test_a_cancelled_fork_can_be_read_and_the_buttons_work_again(debugger):
    edit_to(debugger, "slow")
    job = debugger.actions.act("resume")
    assert AT_WORK.wait(10)
    with pytest.raises(UsageError, match="Resume from here is at work"):
        debugger.actions.act("fork")
    debugger.actions.cancel()
    job.wait(20)
    assert debugger.actions.outcome["title"] == "Resume from here: cancelled"
    assert "run-fork1 keeps them" in debugger.actions.outcome["text"]
    assert session_info(VCRPlayer.load_by_id("run-fork1").recording.path).outcome == "cancelled"
    assert [frame.metadata.error_type for frame in VCRPlayer.load_by_id("run-fork1").frames] == [
        "Cancelled",
        None,
        "Cancelled",
    ]
    assert reasons(debugger)["resume"] == ""
    edit_to(debugger, "sqlite")
    debugger.actions.act("resume", 2).wait(20)
    assert debugger.actions.outcome["title"] == "run-fork1-fork1: done"


def test_fork_makes_a_session_and_runs_nothing(debugger):
    debugger.actions.act("fork").wait(20)
    assert debugger.actions.outcome["title"] == "run-fork1: forked, not run"
    assert RAN == []
    assert session_info(VCRPlayer.load_by_id("run-fork1").recording.path).outcome == "pending"
    assert debugger.session == "run-fork1"


def test_compare_tells_what_the_verb_diff_tells(debugger):
    edit_to(debugger, "sqlite")
    debugger.actions.act("resume").wait(20)
    place = debugger.place_of("run", 0)
    debugger.actions.act("compare", other="run").wait(20)
    outcome = debugger.actions.outcome
    assert outcome["title"] == "run ⇄ run-fork1"
    assert "first divergence: app_agent#1/build_app#1 (it was given another input)" in outcome["text"]
    assert diff(place, "run", "run-fork1").first.b == outcome["frame"] == 2
    assert "+ /built = true" in outcome["text"]


def test_compare_without_another_session_takes_the_parent_and_never_the_session_itself(debugger):
    with pytest.raises(UsageError, match="compare run with what"):
        debugger.actions.act("compare")
    edit_to(debugger, "sqlite")
    debugger.actions.act("resume").wait(20)
    debugger.actions.act("compare").wait(20)
    assert debugger.actions.outcome["title"] == "run ⇄ run-fork1"


def test_ghost_replay_executes_nothing(debugger):
    debugger.actions.act("replay").wait(20)
    assert debugger.actions.outcome["title"] == "run: replayed, nothing executed, failed as recorded"
    assert "2 steps served from the recording, 0 executed" in debugger.actions.outcome["text"]
    assert RAN == []
    assert debugger.session == "run"


def test_files_are_shown_first_and_rolled_back_at_the_second_click(in_tmp):
    project = in_tmp / "project"
    project.mkdir()
    notes = project / "notes.txt"
    notes.write_text("first\n")
    with ACIDWorkspace(project) as workspace, VCRRecorder(workspace=workspace) as recorder:
        recorder.start_session("files")

        @step
        def write(text):
            notes.write_text(text)

        write("second\n")
        write("third\n")
        workspace.commit()
    debugger = shown("files")
    debugger.frame = 1
    assert reasons(debugger)["rollback"] == ""
    debugger.actions.act("rollback").wait(20)
    assert debugger.actions.outcome["kind"] == "plan"
    assert "notes.txt" in debugger.actions.outcome["text"]
    assert notes.read_text() == "third\n"
    debugger.actions.confirm().wait(20)
    assert debugger.actions.outcome["kind"] == "ok", debugger.actions.outcome
    assert notes.read_text() == "second\n"
    with pytest.raises(UsageError, match="no rollback was planned"):
        debugger.actions.confirm()


def test_a_button_that_cannot_work_says_why(debugger):
    told = reasons(debugger)
    assert told["resume"] == told["fork"] == told["replay"] == ""
    assert told["compare"] == "there is no other session in this folder"
    assert "no savepoints of files" in told["rollback"]


def test_without_a_known_agent_resume_waits_for_a_name(in_tmp):
    with VCRRecorder() as recorder:
        recorder.start_session("by-hand")
        recorder.record_step("think", {"a": 1}, {"a": 2})
    debugger = shown("by-hand")
    assert "which agent is to run?" in reasons(debugger)["resume"]
    debugger.agent = lambda state: {**state, "a": 5}
    debugger.actions.look_soon()
    assert reasons(debugger)["resume"] == ""
    debugger.actions.act("resume").wait(20)
    assert debugger.actions.outcome["title"] == "by-hand-fork1: done"


def test_an_error_of_the_verb_is_shown_with_the_next_step(debugger):
    debugger.actions.act("resume", 99).wait(20)
    assert debugger.actions.outcome["kind"] == "error"
    assert "no frame 99" in debugger.actions.outcome["text"]


def test_a_run_that_is_no_recording_has_no_button_that_works():
    debugger = VCRDebugger(Run(3))
    assert set(reasons(debugger).values()) == {"run is no recording: only one can be resumed, forked and compared"}


def test_what_the_notebook_prints_meanwhile_is_not_taken_for_the_agents(debugger, capsys):
    edit_to(debugger, "slow")
    job = debugger.actions.act("resume")
    assert AT_WORK.wait(10)
    print("of a cell")
    debugger.actions.cancel()
    job.wait(20)
    assert debugger.actions.printed == "building on slow\n"
    assert capsys.readouterr().out == "of a cell\n"
    assert not hasattr(sys.stdout, "usual")


def test_hostile_text_of_a_step_is_plain_in_what_is_shown(debugger):
    edit_to(debugger, "\x1b[31m\u202e<script>")
    debugger.actions.act("resume").wait(20)
    assert debugger.actions.printed == "building on �<script>\n"
    assert "\u202e" not in debugger.actions.outcome["text"]


def test_what_a_command_sets_wins_over_the_edit_that_waits_in_the_tree(debugger):
    edit_to(debugger, "mongodb, as before")
    resumed = resume_run(debugger.place_of("run", 2), "run", 2, set=['database="sqlite"'])
    assert resumed.error is None
    assert [operation["value"] for operation in resumed.edit] == ["mongodb, as before", "sqlite"]
