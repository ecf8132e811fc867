"""What went wrong with a resume is called by its name, before anything runs where that can be."""

import contextlib
from pathlib import Path

import pytest

from agent_vcr_nb import ResumeConfig, VCRPlayer, VCRRecorder, step
from agent_vcr_nb.core.errors import CannotResumeError, UsageError
from agent_vcr_nb.core.ghost import replay
from agent_vcr_nb.core.resume import can_resume, resume
from agent_vcr_nb.core.tape import Tape

RAN = []


@step
def fetch(state):
    RAN.append("fetch")
    return {**state, "page": "<p>"}


@step
def summarise(state):
    RAN.append("summarise")
    raise ValueError("too long")


@step
def reader(state):
    return summarise(fetch(state))


def undecorated(task, length=3):
    return summarise(fetch({"task": task, "length": length}))


@pytest.fixture(autouse=True)
def _fresh(in_tmp):
    RAN.clear()


def recorded(run, *args):
    with VCRRecorder() as recorder:
        recorder.start_session("run")
        with contextlib.suppress(ValueError):
            run(*args)
    RAN.clear()
    return VCRPlayer.load_by_id("run").recording


def damage(text):
    """Change a letter in the last line that holds `text`."""
    path = Path(".vcr/run.vcr")
    before, found, after = path.read_text().rpartition(text)
    assert found
    path.write_text(before + found.swapcase() + after)
    return VCRPlayer.load_by_id("run").recording


@pytest.mark.parametrize("what", [{"skip_nodes": ["fetsh"]}, {"inject_mocks": {"fetsh": {}}, "mode": "mock"}])
@pytest.mark.parametrize("agent", [reader, [fetch, summarise], {"fetch": fetch, "summarise": summarise}])
def test_a_name_that_is_no_step_is_refused_with_the_steps_there_are(what, agent):
    recording = recorded(reader, {"task": "x"})
    with pytest.raises(UsageError) as caught:
        resume(recording, agent, ResumeConfig(1, **what))
    assert str(caught.value) == (
        "run: no step 'fetsh' to mock or skip. Did you mean fetch? Recorded: fetch, reader, summarise"
    )
    assert RAN == []
    assert [path.name for path in Path(".vcr").iterdir()] == ["run.vcr"]


def test_a_step_that_the_run_had_not_come_to_can_be_mocked():
    @step
    def publish(state):
        RAN.append("publish")
        return state

    @step(name="reader")
    def longer(state):
        return publish({**fetch(state), "summary": "short"})

    config = ResumeConfig(1, mode="mock", inject_mocks={"publish": {"published": True}})
    outcome = resume(recorded(reader, {"task": "x"}), longer, config)
    assert (outcome.result, RAN) == ({"published": True}, ["fetch"])


@pytest.mark.parametrize("again", [lambda r, a: resume(r, a, ResumeConfig(1)), replay])
def test_a_function_without_step_that_was_called_by_a_guess_is_told_so(again):
    recording = recorded(undecorated, "x")
    with pytest.raises(CannotResumeError) as caught:
        again(recording, undecorated)
    assert str(caught.value).startswith(
        "run: undecorated carries no @step, so how it was called is not recorded. It was called with the input "
        "state of frame 0 (fetch#1; keys: task, length), and it takes 'task': expected input "
    )
    assert "Put @step on undecorated and record again" in str(caught.value)
    assert RAN == []


def test_a_function_of_that_one_state_that_calls_it_is_what_the_error_asks_for():
    recording = recorded(undecorated, "x")
    outcome = resume(recording, lambda state: undecorated(**state), ResumeConfig(1))
    assert (str(outcome.error), RAN) == ("too long", ["summarise"])


def test_a_damaged_frame_before_the_resume_point_is_named_and_not_taken_for_changed_code():
    recorded(reader, {"task": "x"})
    recording = damage('"node_name":"fetch"')
    with pytest.raises(CannotResumeError) as caught:
        resume(recording, reader, ResumeConfig(2))
    assert "run frame 1 is damaged, and may be reader#1/fetch#1, which the agent asks for before frame 2" in str(
        caught.value
    )
    assert "has changed" not in str(caught.value)
    assert RAN == []


def test_a_frame_inside_a_damaged_one_cannot_be_resumed_and_says_why():
    recorded(reader, {"task": "x"})
    text = Path(".vcr/run.vcr").read_text()
    assert '"node_name":"reader"' in text
    Path(".vcr/run.vcr").write_text(text.replace('"node_name":"reader"', '"node_name":"REader"'))
    recording = VCRPlayer.load_by_id("run").recording
    allowed, why = can_resume(Tape(recording), 2)
    assert not allowed
    assert why == "the frame of reader#1, which it ran inside, is damaged: `vcr verify` tells more"
