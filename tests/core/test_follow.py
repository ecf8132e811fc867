"""A player follows a session that other processes record, whatever happens to the file meanwhile."""

import os
import subprocess
import sys
import threading
import time

import pytest

from agent_vcr_nb import AsyncVCRPlayer, VCRPlayer, VCRRecorder
from agent_vcr_nb.core.journal import is_held

WRITER = """
import sys
from agent_vcr_nb import VCRRecorder

recorder = VCRRecorder(sys.argv[1])
recorder.start_session("s")

def record(n):
    recorder.record_step("n", {"n": n}, {"n": n + 1})

for line in sys.stdin:
    exec(line)
    print("done", flush=True)
"""


class Writer:
    """A process that records into session ``s`` what it is told to."""

    def __init__(self, folder):
        self.process = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def do(self, line):
        """Let it run a line of Python, and wait until it has."""
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == "done\n"

    def end(self, *, kill=False):
        if kill:
            self.process.kill()
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait(20)


@pytest.fixture
def writer(tmp_path):
    writer = Writer(tmp_path)
    yield writer
    writer.end(kill=True)


def following(folder):
    """Frames as (number, n), for as long as anything can come: at most a minute."""
    return ((frame.number, frame.input_state["n"]) for frame in VCRPlayer.load(folder / "s.vcr").follow(timeout=60))


def ends_at_once(frames):
    begun = time.monotonic()
    rest = list(frames)
    assert time.monotonic() - begun < 30
    return rest == []


def test_frames_of_another_process_come_until_it_closes_the_session(tmp_path, writer):
    writer.do("record(0)")
    frames = following(tmp_path)
    assert next(frames) == (0, 0)
    writer.do("record(1)")
    assert next(frames) == (1, 1)
    writer.do("record(2); recorder.close()")
    assert list(frames) == [(2, 2)]


def test_a_session_that_was_saved_and_goes_on_is_followed_on(tmp_path, writer):
    writer.do("record(0); recorder.save()")
    frames = following(tmp_path)
    assert next(frames) == (0, 0)
    threading.Timer(0.3, writer.do, ["record(1); recorder.close()"]).start()
    assert list(frames) == [(1, 1)]


def test_a_session_that_had_ended_and_is_continued_is_followed_on(tmp_path, writer):
    writer.do("record(0); recorder.close(); recorder.start_session('s')")
    frames = following(tmp_path)
    assert next(frames) == (0, 0)
    threading.Timer(0.3, writer.do, ["record(1); recorder.close()"]).start()
    assert list(frames) == [(1, 1)]


def test_the_following_ends_when_the_process_is_killed(tmp_path, writer):
    writer.do("record(0)")
    frames = following(tmp_path)
    assert next(frames) == (0, 0)
    writer.end(kill=True)
    assert ends_at_once(frames)


def test_a_session_that_this_process_has_saved_and_not_closed_ends_the_following(tmp_path):
    recorder = VCRRecorder(tmp_path)
    recorder.start_session("s")
    recorder.record_step("n", {"n": 0}, {})
    recorder.save()
    frames = following(tmp_path)
    assert next(frames) == (0, 0)
    assert ends_at_once(frames)
    recorder.close()


@pytest.mark.parametrize("remove", [os.unlink, lambda path: os.rename(path, path.with_suffix(".old"))])
def test_a_file_that_is_deleted_or_moved_away_is_followed_into_the_new_one(tmp_path, writer, remove):
    writer.do("record(0)")
    frames = following(tmp_path)
    assert next(frames) == (0, 0)
    remove(tmp_path / "s.vcr")
    writer.do("record(1)")
    assert next(frames) == (1, 1)
    writer.do("record(2); recorder.close()")
    assert list(frames) == [(2, 2)]


def test_a_session_that_is_deleted_and_recorded_anew_is_followed_from_its_new_start(tmp_path, writer):
    writer.do("record(0)")
    frames = following(tmp_path)
    assert next(frames) == (0, 0)
    os.unlink(tmp_path / "s.vcr")
    second = Writer(tmp_path)
    second.do("record(50); recorder.close()")
    assert list(frames) == [(0, 50)]
    second.end()


def test_a_second_process_is_followed_too_and_no_frame_comes_twice(tmp_path, writer):
    writer.do("record(0)")
    frames = following(tmp_path)
    assert next(frames)[1] == 0
    second = Writer(tmp_path)
    second.do("record(100)")
    assert next(frames)[1] == 100
    writer.do("record(1); recorder.close()")
    assert next(frames)[1] == 1
    threading.Timer(0.3, second.do, ["record(101); recorder.close()"]).start()
    assert [n for _, n in frames] == [101]
    second.end()


async def _followed(path):
    player = await AsyncVCRPlayer.load(path)
    return [frame.input_state["n"] async for frame in player.follow()]


def test_the_async_player_follows_as_well(tmp_path, writer):
    import asyncio

    writer.do("record(0); record(1); recorder.close()")
    assert asyncio.run(_followed(tmp_path / "s.vcr")) == [0, 1]


def test_who_asks_whether_a_session_is_being_written_keeps_no_recorder_from_its_file(tmp_path):
    VCRRecorder(tmp_path).start_session("s")
    over = threading.Event()

    def ask():
        with open(tmp_path / "s.vcr", "rb") as file:
            while not over.is_set():
                is_held(file.fileno())

    asking = threading.Thread(target=ask)
    asking.start()
    for _ in range(200):
        recorder = VCRRecorder(tmp_path)
        recorder.start_session("s")
        recorder.close()
    over.set()
    asking.join()
    assert [path.name for path in tmp_path.iterdir()] == ["s.vcr"]
