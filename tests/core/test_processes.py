"""A session that several processes record into at once: each one's run can be resumed, or it is told why not."""

import runpy
import subprocess
import sys

import pytest

from agent_vcr_nb import ResumeConfig, VCRPlayer, step
from agent_vcr_nb.core.divergence import align
from agent_vcr_nb.core.errors import CannotResumeError, DivergedError
from agent_vcr_nb.core.fork import fork_recording
from agent_vcr_nb.core.ghost import replay
from agent_vcr_nb.core.lineage import session_info
from agent_vcr_nb.core.resume import resume
from tests.core.test_follow import Writer

AGENT = """
import sys
from agent_vcr_nb import VCRRecorder, random, step

executed = []

@step
def plan(state):
    executed.append("plan")
    return {**state, "plan": "mongodb", "inside": random()}

@step
def build(state):
    executed.append("build")
    if __name__ == "__main__":
        print("waiting", flush=True)
        sys.stdin.readline()
    return {**state, "code": f"code for {state['plan']}"}

@step
def agent(who):
    outside = random()
    return build({**plan({"who": who}), "outside": outside})

def unmarked(state):
    return build(plan({"who": state["who"], "outside": random()}))

if __name__ == "__main__":
    with VCRRecorder() as recorder:
        recorder.start_session("s", metadata={"command": ["of", sys.argv[1]]})
        [agent, unmarked][len(sys.argv) - 2]({"who": sys.argv[1]} if sys.argv[2:] else sys.argv[1])
"""


@pytest.fixture(autouse=True)
def app(in_tmp):
    """The agent's program, as a file that processes run and the test imports."""
    (in_tmp / "app.py").write_text(AGENT)
    return in_tmp / "app.py"


def recorded_by_two(*arguments):
    """Let two processes record at once; returns the player and, for each, what the agent's module has."""
    running = []
    for who in ("A", "B"):
        command = [sys.executable, "app.py", who, *arguments]
        running.append(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
        assert running[-1].stdout.readline() == "waiting\n"
    for process in running:
        process.communicate("go\n", timeout=30)
        assert process.returncode == 0
    return VCRPlayer.load_by_id("s"), runpy.run_path("app.py")


def number_of(player, who, name):
    return next(frame.number for frame in player.frames if frame.node_name == name and who in str(frame.input_state))


@pytest.mark.parametrize("who", ["A", "B"])
def test_the_run_of_each_process_is_resumed_as_if_it_were_alone(who):
    player, app = recorded_by_two()
    target = number_of(player, who, "build")
    outcome = resume(player.recording, app["agent"], ResumeConfig(target, state_overrides={"plan": "sqlite"}))
    assert app["executed"] == ["build"]
    recorded = player.get_input_state(target)
    assert outcome.result == {**recorded, "plan": "sqlite", "code": "code for sqlite"}
    fork = VCRPlayer.load_by_id(outcome.session_id)
    assert [frame.key for frame in fork.frames] == ["agent#1", "agent#1/plan#1", "agent#1/build#1"]
    assert (fork.session.parent_session_id, fork.session.forked_from_frame) == ("s", target)
    assert fork.session.metadata == {"command": ["of", who]}
    assert outcome.served == (number_of(player, who, "plan"),)
    pairs = align(player.recording, fork.recording)
    assert [(pair.a, pair.verdict) for pair in pairs[1:]] == [
        (number_of(player, who, "plan"), "same"),
        (target, "input"),
    ]


def test_an_agent_that_is_no_step_is_called_with_the_input_of_its_own_first_frame():
    player, app = recorded_by_two("unmarked")
    target = number_of(player, "B", "build")
    outcome = resume(player.recording, app["unmarked"], ResumeConfig(target))
    assert (outcome.result["who"], app["executed"]) == ("B", ["build"])


@pytest.mark.parametrize("who", ["A", "B"])
def test_what_a_process_drew_before_the_frame_repeats_and_what_it_drew_after_is_new(who):
    player, app = recorded_by_two()
    target = number_of(player, who, "plan")
    outcome = resume(player.recording, app["agent"], ResumeConfig(target))
    recorded = player.get_input_state(number_of(player, who, "build"))
    assert outcome.result["outside"] == recorded["outside"]
    assert outcome.result["inside"] != recorded["inside"]


def test_a_fork_that_is_made_without_running_holds_the_frames_of_one_process():
    player, app = recorded_by_two("unmarked")
    child = fork_recording(player.recording.path, number_of(player, "B", "build"), pending=True)
    child.close()
    fork = VCRPlayer.load_by_id(child.get_session().session_id)
    assert [frame.key for frame in fork.frames] == ["plan#1", "build#1"]
    # What was drawn outside of all steps is in the fork too, or plan would be asked with another input.
    outcome = resume(fork.recording, app["unmarked"], ResumeConfig(1))
    assert (outcome.result["who"], app["executed"]) == ("B", ["build"])


def test_a_step_that_the_agent_does_not_know_any_more_is_no_damage_because_of_the_other_process():
    player, _ = recorded_by_two()

    @step
    def agent(who):
        return step(lambda state: state, name="other")({"who": who})

    with pytest.raises(DivergedError, match=r"agent#1/other#1: expected a step that was recorded before frame"):
        resume(player.recording, agent, ResumeConfig(number_of(player, "B", "build")))


def test_a_check_of_the_files_tells_what_each_process_recorded():
    player, _ = recorded_by_two()
    report = player.verify_integrity()
    assert (report["ok"], report["processes"]) == (True, ["s.vcr: 3 frames", "s~1.vcr: 3 frames"])


def test_a_replay_of_several_runs_at_once_is_refused_with_what_can_be_done():
    player, app = recorded_by_two()
    with pytest.raises(CannotResumeError, match=r"several processes recorded into it at once.*resume a frame instead"):
        replay(player.recording, app["agent"])


FORKING = """
import multiprocessing
from agent_vcr_nb import ResumeConfig, VCRPlayer, VCRRecorder, step
from agent_vcr_nb.core.lineage import session_info
from agent_vcr_nb.core.resume import resume
from tests.core.test_follow import Writer

@step
def plan(state):
    return {**state, "plan": "p"}

@step
def double(n):
    return 2 * n

@step
def merge(parts):
    return {"sum": sum(parts)}

@step
def agent(state):
    plan(state)
    with multiprocessing.get_context("fork").Pool(1) as pool:
        parts = pool.map(double, [1, 2])
    return merge(parts)

with VCRRecorder() as recorder:
    recorder.start_session("s")
    agent({"q": 1})
recording = VCRPlayer.load_by_id("s").recording
print(resume(recording, agent, ResumeConfig(1, new_session_id="again")).result)
mocked = ResumeConfig(1, new_session_id="mocked", mode="mock", inject_mocks={"double": 5})
print(resume(recording, agent, mocked).result)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="processes are not forked on Windows")
def test_steps_of_forked_processes_run_again_and_no_frame_after_them_can_be_resumed(in_tmp):
    (in_tmp / "forking.py").write_text(FORKING)
    told = subprocess.run([sys.executable, "forking.py"], capture_output=True, text=True, timeout=60)
    assert (told.stderr, told.stdout) == ("", "{'sum': 6}\n{'sum': 10}\n")
    steps = ["agent", "plan", "double", "double", "merge"]
    for name in ("s", "again", "mocked"):
        assert [frame.node_name for frame in VCRPlayer.load_by_id(name).frames] == steps
    player = VCRPlayer.load_by_id("s")
    assert player.verify_integrity()["processes"] == [
        "s.vcr: 3 frames",
        "s~1.vcr: 2 frames, by a process forked from that of s.vcr",
    ]
    with pytest.raises(CannotResumeError, match=r"frame 2 .* had forked \(s~1.vcr\): resume at frame 1 or an earlier"):
        resume(player.recording, print, ResumeConfig(2))
    after = r"steps before it ran in a process that the agent had forked .*: resume at frame 1 or an earlier"
    with pytest.raises(CannotResumeError, match=after):
        resume(player.recording, print, ResumeConfig(4))


def test_a_session_is_running_while_one_of_its_processes_records_and_its_tokens_are_those_of_all(tmp_path):
    first, second = Writer(tmp_path), Writer(tmp_path)
    first.do("recorder.record_llm_call('m', 'asked', 'said', 10, 20)")
    second.do("recorder.record_llm_call('m', 'asked', 'said', 3, 4)")
    first.do("recorder.close()")
    assert session_info(tmp_path / "s.vcr").outcome == "running"
    second.do("recorder.close()")
    info = session_info(tmp_path / "s.vcr")
    assert (info.outcome, info.frames, info.tokens) == ("ok", 2, 37)
    first.end()
    second.end()
