"""A run that is ended from another thread, with real agents that sleep, swallow and wait."""

import asyncio
import subprocess
import sys
import threading
import time

import pytest

from agent_vcr_nb import VCRPlayer, VCRRecorder, step
from agent_vcr_nb.core.cancelling import CancellableRecorder
from agent_vcr_nb.core.errors import Cancelled
from agent_vcr_nb.core.lineage import session_info
from agent_vcr_nb.core.resume import ResumeConfig, resume
from agent_vcr_nb.core.steps import choosing

LONG = 30.0
"""Seconds that a run would take which nobody ends."""


class Run:
    """An agent that runs in a thread of its own."""

    def __init__(self, recorder, work):
        self.recorder, self.error = recorder, None
        self._thread = threading.Thread(target=self._run, args=(work,))
        self._thread.start()

    def _run(self, work):
        try:
            work()
        except BaseException as error:
            self.error = error

    def cancel(self):
        """Cancel, and return how the run ended."""
        self.recorder.cancel()
        self._thread.join(10)
        assert not self._thread.is_alive(), "the run goes on"
        return self.error


def started(in_tmp, agent):
    """Start an agent that is recorded so that it can be cancelled; wait until it says that it is at work."""
    recorder = CancellableRecorder(in_tmp, ambient=False)
    at_work = threading.Event()

    def work():
        recorder.start_session("run")
        with choosing(recorder):
            try:
                agent(at_work)
            finally:
                recorder.close()

    run = Run(recorder, work)
    assert at_work.wait(10)
    return run


def sleeps(at_work):
    """Sleep in Python steps, so that there are instructions between them."""
    end = time.monotonic() + LONG
    at_work.set()
    while time.monotonic() < end:
        time.sleep(0.001)


def frames(in_tmp):
    player = VCRPlayer.load_by_id("run", in_tmp)
    assert player.verify_integrity()["ok"]
    return [(frame.node_name, frame.metadata.error_type) for frame in player.frames]


def test_a_step_that_sleeps_in_python_is_ended_and_says_so(in_tmp):
    @step
    def nap(at_work):
        sleeps(at_work)

    assert isinstance(started(in_tmp, nap).cancel(), Cancelled)
    assert frames(in_tmp) == [("nap", "Cancelled")]
    assert session_info(in_tmp / "run.vcr").outcome == "cancelled"


def test_an_agent_that_swallows_every_exception_ends_at_its_next_step(in_tmp):
    @step
    def next_step():
        return None

    def agent(at_work):
        try:
            sleeps(at_work)
        except BaseException:
            next_step()

    assert isinstance(started(in_tmp, agent).cancel(), Cancelled)
    assert frames(in_tmp) == [("next_step", "Cancelled")]


def test_a_run_that_is_ended_between_its_steps_has_a_frame_that_says_so(in_tmp):
    @step
    def first():
        return {"done": 1}

    def agent(at_work):
        first()
        sleeps(at_work)

    assert isinstance(started(in_tmp, agent).cancel(), Cancelled)
    assert frames(in_tmp) == [("first", None), ("cancelled", "Cancelled")]


def test_an_agent_that_awaits_is_woken(in_tmp):
    @step
    async def wait(at_work):
        at_work.set()
        await asyncio.sleep(LONG)

    run = started(in_tmp, lambda at_work: asyncio.run(wait(at_work)))
    assert isinstance(run.cancel(), Cancelled | asyncio.CancelledError)
    assert frames(in_tmp) == [("wait", "Cancelled")]


def test_a_call_that_does_not_come_back_to_python_ends_first(in_tmp):
    free = threading.Event()

    @step
    def blocked(at_work):
        at_work.set()
        free.wait(LONG)

    run = started(in_tmp, blocked)
    run.recorder.cancel()
    assert not run.error
    free.set()
    assert isinstance(run.cancel(), Cancelled)
    assert frames(in_tmp) == [("blocked", "Cancelled")]


def test_a_run_that_is_over_is_not_disturbed(in_tmp):
    recorder = CancellableRecorder(in_tmp, ambient=False)
    recorder.start_session("run")
    recorder.record_step("one", {}, {})
    recorder.close()
    recorder.cancel()
    assert sum(range(1000)) == 499_500
    assert frames(in_tmp) == [("one", None)]


@step
def plan(state):
    return {**state, "planned": True}


@step
def build(state):
    while state["slow"]:
        AT_WORK.set()
        time.sleep(0.001)
    return {**state, "built": True}


@step
def agent(task):
    return build({**plan({"task": task, "slow": False})})


AT_WORK = threading.Event()


def test_a_fork_that_was_cancelled_is_resumed_at_the_step_where_it_ended(in_tmp):
    with VCRRecorder(in_tmp) as recorder:
        recorder.start_session("parent")
        agent("todo")
    parent = VCRPlayer.load_by_id("parent", in_tmp).recording
    cancellable = CancellableRecorder(in_tmp, ambient=False)
    slow = ResumeConfig(2, new_session_id="run", state_overrides={"slow": True})
    AT_WORK.clear()
    run = Run(cancellable, lambda: resume(parent, agent, slow, cancellable))
    assert AT_WORK.wait(10)
    assert isinstance(run.cancel(), Cancelled)
    assert frames(in_tmp) == [("agent", "Cancelled"), ("plan", None), ("build", "Cancelled")]
    fork = VCRPlayer.load_by_id("run", in_tmp).recording
    again = resume(fork, agent, ResumeConfig(2, state_overrides={"slow": False}))
    assert again.result == {"task": "todo", "slow": False, "planned": True, "built": True}


@pytest.mark.parametrize("at", range(40))
def test_whenever_a_run_is_ended_its_file_is_whole(in_tmp, at):
    reached = threading.Event()

    @step
    def work(number):
        if number == at:
            reached.set()
        return {"number": number}

    def agent(at_work):
        at_work.set()
        for number in range(100_000):
            work(number)

    run = started(in_tmp, agent)
    assert reached.wait(10)
    assert isinstance(run.cancel(), Cancelled)
    names = frames(in_tmp)
    assert len(names) > at
    assert names[-1][1] == "Cancelled"
    assert {error for _, error in names[:-1]} == {None}


def test_a_closed_recorder_leaves_nothing_to_be_raised_that_would_hang_a_profiler(in_tmp):
    """In CPython 3.11 a profiled call does not begin as long as an exception of another thread is looked for."""
    program = """
import sys, threading
from agent_vcr_nb.core.cancelling import CancellableRecorder

def run(name, cancel):
    recorder = CancellableRecorder(".", ambient=False)
    recorder.start_session(name)
    try:
        if cancel:
            threading.Thread(target=recorder.cancel).start()
            while True:
                pass
    finally:
        recorder.close()

run("whole", False)
try:
    run("cancelled", True)
except BaseException as error:
    print(type(error).__name__)
calls = []
sys.setprofile(lambda frame, event, _: calls.append(event))
(lambda: None)()
sys.setprofile(None)
print(calls[:2])
"""
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=in_tmp, capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout == "Cancelled\n['call', 'return']\n"
