"""Whatever fails while recording, the agent goes on and the file stays a recording."""

import contextlib
import errno
import itertools
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from decimal import Decimal

import pytest

from agent_vcr_nb import VCRPlayer, VCRRecorder, step
from agent_vcr_nb.core.errors import UsageError

FILLER = {"filler": ["x" * 300] * 5}


@pytest.fixture
def recorder(tmp_path):
    recorder = VCRRecorder(tmp_path / "vcr")
    recorder.start_session("s")
    return recorder


def player_of(recorder):
    return VCRPlayer.load(recorder.output_dir / "s.vcr")


class FailingWrite:
    """os.write that fails at its n-th call on a recording, in one of the ways in which a disk fails."""

    def __init__(self, monkeypatch, at, how):
        self.calls, self.at, self.how, self.real = 0, at, how, os.write
        monkeypatch.setattr("agent_vcr_nb.core.journal.os.write", self)

    def __call__(self, fd, data):
        self.calls += 1
        if self.calls not in self.at:
            return self.real(fd, data)
        if self.how == "short":
            return self.real(fd, bytes(data)[: len(data) // 2])
        if self.how == "torn":
            self.real(fd, bytes(data)[: len(data) // 2])
            raise OSError(errno.ENOSPC, "No space left on device")
        if self.how == "nothing":
            return 0
        raise OSError(getattr(errno, self.how), os.strerror(getattr(errno, self.how)))


STEPS = 12


def run_agent(recorder):
    """Twelve steps with one inside each, on a state changed in place; returns what each was given and gave."""
    expected = {}
    state = {"filler": ["x" * 300] * 5, "log": []}

    @step
    def inner(state):
        state["log"].append(len(state["log"]))
        return state

    @step
    def outer(state):
        before = list(state["log"])
        inner(state)
        expected[f"outer#{len(before) + 1}"] = (before, list(state["log"]))
        return state

    for _ in range(STEPS):
        outer(state)
    return expected


@pytest.mark.parametrize("how", ["short", "EINTR"])
def test_a_short_or_interrupted_write_loses_nothing(how, recorder, monkeypatch):
    FailingWrite(monkeypatch, range(1, 100, 2), how)
    expected = run_agent(recorder)
    assert (recorder.lost, recorder.problems) == (0, [])
    player = player_of(recorder)
    assert player.verify_integrity()["issues"] == []
    for frame in player.frames:
        if frame.node_name == "outer":
            assert (frame.input_state["log"], frame.output_state["log"]) == expected[frame.key]


@pytest.mark.parametrize("how", ["torn", "ENOSPC", "EIO", "nothing"])
@pytest.mark.parametrize("at", range(1, 9))
def test_a_failing_write_costs_that_line_and_each_state_that_is_shown_is_right(how, at, recorder, monkeypatch):
    FailingWrite(monkeypatch, {at, at + 1, at + 9}, how)
    expected = run_agent(recorder)
    assert len(expected) == STEPS
    assert recorder.problems
    recorder.close()
    player = player_of(recorder)
    shown = 0
    for frame in player.frames:
        if frame.node_name == "outer":
            assert frame.input_state["log"] == expected[frame.key][0]
            if frame.output_state:
                assert frame.output_state["log"] == expected[frame.key][1]
                shown += 1
    assert shown >= STEPS - 3
    told = player.verify_integrity()
    assert told["ok"] is (recorder.lost == 0 and how != "torn")


def test_a_start_that_could_not_be_written_is_made_up_with_the_input_as_it_was(recorder, monkeypatch):
    failing = FailingWrite(monkeypatch, {1}, "ENOSPC")
    state = {"log": ["before"]}
    begun = recorder.begin("n", state)
    state["log"].append("after")
    begun.finish(state)
    assert failing.calls == 2
    frame = player_of(recorder).frames[0]
    assert (frame.input_state, frame.output_state) == ({"log": ["before"]}, {"log": ["before", "after"]})
    assert recorder.lost == 0


def test_what_was_lost_is_counted_told_once_and_told_by_verify(recorder, monkeypatch, caplog):
    FailingWrite(monkeypatch, {1, 2}, "ENOSPC")
    for n in range(4):
        recorder.record_step("n", {}, {"n": n})
    recorder.close()
    assert recorder.lost == 2
    assert "No space left" in recorder.problems[0]
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    player = player_of(recorder)
    assert [frame.output_state["n"] for frame in player.frames] == [2, 3]
    assert [frame.number for frame in player.frames] == [0, 1]
    assert player.verify_integrity()["issues"] == ["2 frames could not be stored while recording"]


def test_a_disk_that_does_not_keep_what_it_was_given_is_told_and_the_frame_counts(tmp_path, monkeypatch):
    def failing(fd):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr("agent_vcr_nb.core.journal.os.fdatasync", failing)
    recorder = VCRRecorder(tmp_path / "vcr", durability="frame")
    recorder.start_session("s")
    for n in range(3):
        recorder.record_step("n", {}, {"n": n})
    assert recorder.lost == 0
    assert "Input/output error" in recorder.problems[0]
    assert [frame.output_state["n"] for frame in player_of(recorder).frames] == [0, 1, 2]


def test_a_file_size_limit_leaves_a_whole_recording_that_goes_on_when_there_is_room(tmp_path):
    code = (
        "import resource, signal, sys; from agent_vcr_nb import VCRRecorder\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "r = VCRRecorder(sys.argv[1]); r.start_session('s'); state = {'m': []}\n"
        "hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]\n"
        "for n in range(60):\n"
        "    if n == 5: resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))\n"
        "    if n == 50: resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))\n"
        "    state = {'m': [*state['m'], 'x' * 400]}\n"
        "    r.record_step('n', state, {'n': n})\n"
        "r.close(); print(r.lost)"
    )
    ran = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True)
    lost = int(ran.stdout)
    assert 10 < lost < 46
    player = VCRPlayer.load(tmp_path / "s.vcr")
    assert len(player.frames) == 60 - lost
    assert [frame.output_state["n"] for frame in player.frames][-10:] == list(range(50, 60))
    assert all(len(frame.input_state["m"]) == frame.output_state["n"] + 1 for frame in player.frames)


# ---------------------------------------------------------------------------------------------- the file goes away


@pytest.mark.parametrize("how", ["file", "folder", "replaced"])
def test_recording_goes_on_in_a_new_file_where_the_old_one_was_removed(how, recorder):
    path = recorder.output_dir / "s.vcr"
    state = {**FILLER, "log": [0]}
    for n in range(1, 4):
        recorder.record_step("n", state, state := {**state, "log": [*state["log"], n]})
    if how == "file":
        path.unlink()
    elif how == "folder":
        shutil.rmtree(recorder.output_dir)
    else:  # as `git checkout` does with an older version of the file
        older = path.read_bytes().rsplit(b"\n", 2)[0] + b"\n"
        path.with_suffix(".new").write_bytes(older)
        path.with_suffix(".new").replace(path)
    for n in range(4, 7):
        recorder.record_step("n", state, state := {**state, "log": [*state["log"], n]})
    recorder.close()
    assert recorder.lost == 0
    player = player_of(recorder)
    assert [player.goto_frame(n)["log"][-1] for n in (3, 4, 5)] == [4, 5, 6]
    assert player.get_input_state(3)["log"] == [0, 1, 2, 3]
    issues = player.verify_integrity()["issues"]
    which = "frame 2" if how == "replaced" else "frames 0 to 2"
    assert [issue.split(":")[0] for issue in issues] == [f"s {which}"]


def test_a_step_that_was_under_way_when_the_file_was_removed_ends_in_the_new_one(recorder):
    begun = recorder.begin("n", {**FILLER, "a": 1})
    (recorder.output_dir / "s.vcr").unlink()
    begun.finish({**FILLER, "a": 2})
    recorder.record_step("m", {}, {"a": 3})
    player = player_of(recorder)
    assert [(frame.input_state.get("a"), frame.output_state["a"]) for frame in player.frames] == [(1, 2), (None, 3)]
    assert player.verify_integrity()["issues"] == []


# ---------------------------------------------------------------------------------------------- the user's own objects


class Vicious(Mapping):
    """Raises whatever one asks it."""

    def _fail(self, *_args):
        raise RuntimeError("vicious")

    __getitem__ = __iter__ = __len__ = __repr__ = __str__ = __eq__ = __bool__ = _fail
    __hash__ = object.__hash__

    @property
    def __dict__(self):
        raise RuntimeError("vicious")


class NoString(Exception):
    def __str__(self):
        raise RuntimeError("vicious")

    __repr__ = __str__


def test_no_object_of_the_user_s_makes_recording_raise(recorder):
    vicious = Vicious()
    recorder.record_step("n", vicious, vicious)
    recorder.record_step("n", {"v": vicious, "k": {vicious: 1}}, {"v": [vicious], "s": {vicious}})
    recorder.record_step("n", {**FILLER, "v": vicious}, {**FILLER, "v": Vicious()})
    recorder.record_step("n", {**FILLER, vicious: 1}, {**FILLER, "v": "\ud800"})
    recorder.record_step("a\udcffb", {"\udcff": 1}, {}, {"note": vicious, "model": vicious})
    recorder.record_step("n", {}, {}, vicious)
    recorder.record_llm_call("m", vicious, vicious, metadata=vicious)
    recorder.record_tool_call("t", vicious, vicious, error=NoString())
    recorder.record_error("n", {}, NoString(vicious))
    recorder.record_checkpoint(vicious)

    @step
    def work(state):
        raise NoString(vicious)

    with pytest.raises(NoString):
        work(vicious)
    begun = recorder.begin("b", vicious)
    begun.finish(vicious, update=vicious)
    assert (recorder.lost, recorder.problems) == (0, [])
    player = player_of(recorder)
    assert player.verify_integrity()["issues"] == []
    assert len(player) == 12
    assert player.list_nodes()[1] == "a?b"


def test_figures_that_are_no_numbers_cost_no_frame(recorder):
    recorder.record_step("n", {}, {"n": 0}, {"cost_usd": "cheap", "tokens_used": [1]})
    recorder.record_step("n", {}, {"n": 1}, {"cost_usd": Decimal("0.25"), "tokens_used": 3})
    assert recorder.lost == 0
    recorder.close()
    player = player_of(recorder)
    assert player.goto_frame(0) == {"n": 0}
    assert player.frames[-1].metadata.cost_usd == 0.25


def test_a_callback_that_raises_is_counted_and_not_passed_on(tmp_path):
    def callback(frame):
        raise ValueError("callback")

    recorder = VCRRecorder(tmp_path, on_frame_recorded=callback)
    recorder.start_session("s")
    recorder.record_step("n", {}, {"a": 1})
    assert "callback" in recorder.problems[0]
    assert recorder.lost == 0
    assert VCRPlayer.load(tmp_path / "s.vcr").goto_frame(0) == {"a": 1}


# ---------------------------------------------------------------------------------------------- at the wrong moment


def test_a_signal_handler_may_record_while_a_step_is_being_written(recorder):
    """A timer of the process fires hundreds of times into the recorder of the same thread."""
    handled, numbers = [], itertools.count()

    def handler(*_args):
        n = next(numbers)
        recorder.record_step("signal", {"n": n}, {"n": n})
        handled.append(n)

    previous = signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
    try:
        state = {**FILLER, "log": []}
        recorded = 0
        while len(handled) < 200:
            recorder.record_step("main", state, state := {**state, "log": [*state["log"][-50:], recorded]})
            recorded += 1
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
    assert (recorder.lost, recorder.problems) == (0, [])
    frames = player_of(recorder).frames
    assert sorted(f.output_state["n"] for f in frames if f.node_name == "signal") == list(range(len(handled)))
    assert [f.output_state["log"][-1] for f in frames if f.node_name == "main"] == list(range(recorded))


def test_an_interrupt_in_the_middle_of_a_write_reaches_the_agent_and_costs_no_other_frame(recorder, monkeypatch):
    real, calls = os.write, []

    def interrupted(fd, data):
        calls.append(1)
        written = real(fd, data)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return written

    monkeypatch.setattr("agent_vcr_nb.core.journal.os.write", interrupted)
    for n in range(6):
        with contextlib.suppress(KeyboardInterrupt):
            recorder.record_step("n", {**FILLER, "n": n}, {**FILLER, "n": n})
    recorder.close()
    player = player_of(recorder)
    assert [frame.output_state["n"] for frame in player.frames] == list(range(6))
    assert player.verify_integrity()["issues"] == []


def test_a_closed_recorder_records_nothing_and_says_so(recorder):
    begun = recorder.begin("n", {"a": 1})
    recorder.close()
    size = (recorder.output_dir / "s.vcr").stat().st_size
    begun.finish({"a": 2})
    with pytest.raises(UsageError, match="start_session"):
        recorder.record_step("n", {}, {})

    @step
    def work(state):
        return {**state, "done": True}

    assert work({"a": 1}) == {"a": 1, "done": True}
    recorder.close()
    assert (recorder.output_dir / "s.vcr").stat().st_size == size


def test_a_step_that_ends_after_its_session_does_not_spoil_the_next_one(recorder):
    begun = recorder.begin("old", {"a": 1})
    recorder.start_session("t")
    with begun.running():
        recorder.record_step("new", FILLER, {**FILLER, "n": 0})
    begun.finish({"a": 2})
    recorder.record_step("new", FILLER, {**FILLER, "n": 1})
    recorder.close()
    player = VCRPlayer.load(recorder.output_dir / "t.vcr")
    assert [frame.output_state["n"] for frame in player.frames] == [0, 1]
    assert [issue.split()[-1] for issue in player.verify_integrity()["issues"]] == ["recording"]
    assert "closed since" in recorder.problems[0]


def test_a_recorder_inside_a_step_of_another_one_stands_alone(tmp_path):
    first, second = VCRRecorder(tmp_path), VCRRecorder(tmp_path)
    first.start_session("first")
    begun = first.begin("outer", {**FILLER, "n": 0})
    with begun.running():
        second.start_session("second")
        second.record_step("inner", {**FILLER, "n": 1}, {**FILLER, "n": 2})
    begun.finish({**FILLER, "n": 3})
    player = VCRPlayer.load(tmp_path / "second.vcr")
    assert player.verify_integrity()["issues"] == []
    assert (player.get_input_state(0)["n"], player.goto_frame(0)["n"]) == (1, 2)
