"""Threads, tasks, forked and unrelated processes record into one session, and nothing is lost or mixed."""

import asyncio
import os
import subprocess
import sys
import threading

import pytest

from agent_vcr_nb import VCRPlayer, VCRRecorder, step
from agent_vcr_nb.core.frame import Status

FILLER = {"filler": ["x" * 300] * 5}


@pytest.fixture
def recorder(tmp_path):
    recorder = VCRRecorder(tmp_path)
    recorder.start_session("s")
    return recorder


def checked(recorder):
    """Close, open and verify; returns the frames."""
    assert (recorder.lost, recorder.problems) == (0, [])
    recorder.close()
    player = VCRPlayer.load(recorder.output_dir / "s.vcr")
    assert player.verify_integrity()["issues"] == []
    return player.frames


def test_eight_threads_lose_and_mix_nothing(recorder):
    def work(thread):
        state = {**FILLER, "thread": thread, "log": []}
        for n in range(60):
            new = {**state, "log": [*state["log"], n]}
            recorder.record_step("n", state, new)
            state = new

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    frames = checked(recorder)
    assert [frame.number for frame in frames] == list(range(480))
    seen = {(frame.output_state["thread"], len(frame.output_state["log"])) for frame in frames}
    assert seen == {(thread, n) for thread in range(8) for n in range(1, 61)}
    assert all(
        frame.output_state["log"] == [*frame.input_state["log"], len(frame.input_state["log"])] for frame in frames
    )


def test_a_hundred_tasks_of_asyncio_lose_and_mix_nothing(recorder):
    @step
    async def leaf(state):
        await asyncio.sleep(0)
        return {**state, "leaf": True}

    @step
    async def branch(state):
        for n in range(5):
            state = await leaf({**state, "n": n})
            await asyncio.sleep(0)
        return state

    @step
    async def root(state):
        results = await asyncio.gather(*(branch({**state, "task": task}) for task in range(100)))
        return {"done": len(results)}

    asyncio.run(root(FILLER))
    frames = checked(recorder)
    assert len(frames) == 601
    by_number = {frame.number: frame for frame in frames}
    for frame in frames:
        assert frame.status is Status.OK
        if frame.node_name == "leaf":
            parent = by_number[frame.parent]
            assert parent.node_name == "branch"
            assert frame.output_state["task"] == frame.input_state["task"] == parent.input_state["task"]
    assert {frame.key for frame in frames if frame.node_name == "branch"} == {
        f"root#1/branch#{n}" for n in range(1, 101)
    }


def test_tasks_that_start_on_one_state_are_told_apart_by_small_changes(recorder):
    async def main():
        begun = recorder.begin("root", {"page": "p" * 20_000})
        with begun.running():

            async def task(n):
                recorder.record_step("n", {"page": "p" * 20_000, "n": n}, {"page": "p" * 20_000, "n": -n})

            await asyncio.gather(*(task(n) for n in range(20)))
        begun.finish({})

    asyncio.run(main())
    assert [frame.output_state["n"] for frame in checked(recorder)[1:]] == [-n for n in range(20)]
    assert (recorder.output_dir / "s.vcr").stat().st_size < 60_000


def test_a_forked_child_records_into_a_segment_and_the_parent_goes_on(recorder):
    state = {**FILLER, "who": "parent", "n": 0}
    recorder.record_step("before", state, state)
    begun = recorder.begin("outer", state)
    with begun.running():
        child = os.fork()
        if child == 0:
            try:
                recorder.record_step("in child", state, {**state, "who": "child"})
                inner = recorder.begin("child step", state)
                with inner.running():
                    recorder.record_step("in child step", state, {**state, "who": "grandchild"})
                inner.finish(state)
                os._exit(recorder.lost)
            finally:
                os._exit(99)
        recorder.record_step("in parent", state, {**state, "n": 1})
        assert os.waitpid(child, 0)[1] == 0
        recorder.record_step("in parent", state, {**state, "n": 2})
    begun.finish(state)
    frames = checked(recorder)
    by_name = {frame.node_name: frame for frame in frames}
    assert sorted(path.name for path in recorder.output_dir.iterdir()) == ["s.vcr", "s~1.vcr"]
    assert len(frames) == 7
    assert by_name["in child"].output_state["who"] == "child"
    assert frames[by_name["in child"].parent].node_name == "outer"
    assert frames[by_name["in child step"].parent].node_name == "child step"
    assert [f.output_state["n"] for f in frames if f.node_name == "in parent"] == [1, 2]


def test_a_step_that_a_forked_child_ends_stands_in_the_child_s_segment_with_its_input(recorder):
    begun = recorder.begin("outer", {**FILLER, "a": 1})
    child = os.fork()
    if child == 0:
        begun.finish({"who": "child"})
        os._exit(recorder.lost)
    assert os.waitpid(child, 0)[1] == 0
    begun.finish({"who": "parent"})
    frames = checked(recorder)
    assert sorted(frame.output_state["who"] for frame in frames) == ["child", "parent"]
    assert [frame.input_state["a"] for frame in frames] == [1, 1]


def test_a_fork_while_another_thread_is_writing_does_not_halt_the_child(recorder):
    halt = threading.Event()

    def write():
        while not halt.is_set():
            recorder.record_step("t", {"page": "p" * 2000}, {})

    writing = threading.Thread(target=write)
    writing.start()
    try:
        for _ in range(10):
            child = os.fork()
            if child == 0:
                frame = recorder.record_step("child", FILLER, FILLER)
                os._exit(0 if frame.number >= 0 and recorder.lost == 0 else 1)
            assert os.waitpid(child, 0)[1] == 0
    finally:
        halt.set()
        writing.join()
    frames = checked(recorder)
    assert sum(frame.node_name == "child" for frame in frames) == 10


FOUR = """
import sys
from agent_vcr_nb import VCRRecorder
recorder = VCRRecorder(sys.argv[1]); recorder.start_session("s")
sys.stdin.readline()  # all four start together
state = {"filler": ["x" * 300] * 5, "who": sys.argv[2], "log": []}
for n in range(100):
    new = {**state, "log": [*state["log"], n]}
    recorder.record_step("n", state, new)
    state = new
recorder.close()
print(recorder.lost)
"""


def test_four_processes_on_one_id_lose_nothing_and_are_merged(tmp_path):
    argv = [sys.executable, "-c", FOUR, str(tmp_path)]
    children = [
        subprocess.Popen([*argv, str(n)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for n in range(4)
    ]
    for child in children:
        child.stdin.write("\n")
        child.stdin.flush()
    assert [child.communicate()[0].strip() for child in children] == ["0"] * 4
    player = VCRPlayer.load(tmp_path / "s.vcr")
    assert player.verify_integrity()["issues"] == []
    frames = player.frames
    assert len(frames) == 400
    for who in "0123":
        own = [frame for frame in frames if frame.output_state["who"] == who]
        assert [len(frame.output_state["log"]) for frame in own] == list(range(1, 101))
    assert [frame.timestamp for frame in frames] == sorted(frame.timestamp for frame in frames)


ONE = """
import sys
from agent_vcr_nb import VCRRecorder
recorder = VCRRecorder(sys.argv[1]); recorder.start_session("s")
recorder.record_step("n", {}, {"n": int(sys.argv[2])})
print("done", flush=True)
sys.stdin.readline()
"""


def recording_process(folder, n):
    argv = [sys.executable, "-c", ONE, str(folder), str(n)]
    child = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert child.stdout.readline() == "done\n"
    return child


def test_the_segments_of_a_session_are_found_when_one_of_them_is_gone(tmp_path):
    children = [recording_process(tmp_path, n) for n in range(3)]
    for child in children:
        child.communicate("\n")
    (tmp_path / "s~1.vcr").unlink()
    assert [frame.output_state["n"] for frame in VCRPlayer.load(tmp_path / "s.vcr").frames] == [0, 2]


def test_a_process_that_comes_later_continues_the_first_file(tmp_path):
    for n in range(3):
        recording_process(tmp_path, n).communicate("\n")
    assert [path.name for path in tmp_path.iterdir()] == ["s.vcr"]
    assert [frame.key for frame in VCRPlayer.load(tmp_path / "s.vcr").frames] == ["n#1", "n#2", "n#3"]


def test_a_damaged_segment_hides_no_frame_of_the_others(tmp_path):
    first, second = VCRRecorder(tmp_path), VCRRecorder(tmp_path)
    first.start_session("s")
    first.record_step("a", {}, {"n": 0})
    second.start_session("s")
    second.record_step("b", {}, {"n": 1})
    first.record_step("a", {}, {"n": 2})
    path = tmp_path / "s~1.vcr"
    path.write_bytes(path.read_bytes().replace(b'"timestamp":"2', b'"timestamp":"9'))
    player = VCRPlayer.load(tmp_path / "s.vcr")
    assert [frame.output_state["n"] for frame in player.frames] == [0, 1]
    assert not player.verify_integrity()["ok"]


def test_what_a_hundred_short_threads_leave_behind_is_no_memory(recorder):
    for n in range(300):
        thread = threading.Thread(target=recorder.record_step, args=("n", {**FILLER, "n": n}, {**FILLER, "n": n}))
        thread.start()
        thread.join()
    assert len(recorder._writer._lanes) <= 32
    assert len(checked(recorder)) == 300
