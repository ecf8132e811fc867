"""A process that is killed: what it had acknowledged is in the file, and the next process goes on with it."""

import os
import random
import signal
import subprocess
import sys

import pytest

from agent_vcr_nb import VCRPlayer
from agent_vcr_nb.core.frame import Status

STEPPED = """
import os, sys
from agent_vcr_nb import VCRRecorder
recorder = VCRRecorder(sys.argv[1]); recorder.start_session("s")
state, n = {"messages": []}, int(sys.argv[2])
while True:
    new = {"messages": state["messages"][-30:] + [f"{n:06} " * int(sys.argv[3])], "n": n}
    frame = recorder.record_step("n", state, new)
    os.write(1, b"%d %d\\n" % (frame.number, n))
    state, n = new, n + 1
"""

DECORATED = """
import os, sys
from agent_vcr_nb import VCRRecorder, step
recorder = VCRRecorder(sys.argv[1]); recorder.start_session("s")

@step
def inner(state):
    state["messages"].append(f"{state['n']:06} " * int(sys.argv[3]))
    del state["messages"][:-30]
    return state

@step
def outer(state):
    return {**inner(state), "n": state["n"]}

state = {"messages": [], "n": int(sys.argv[2])}
while True:
    state = outer(state)
    os.write(1, b"%d %d\\n" % (-1, state["n"]))
    state["n"] += 1
"""


def killed(code, folder, first, size, delay):
    """Run the agent until it has acknowledged a step and a little longer, kill it; returns what it acknowledged."""
    argv = [sys.executable, "-c", code, str(folder), str(first), str(size)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as child:
        begin = child.stdout.readline()
        for _ in range(delay):  # so many more steps; no clock
            begin += child.stdout.readline()
        os.kill(child.pid, signal.SIGKILL)
        acknowledged = (begin + child.stdout.read()).split(b"\n")[:-1]
    return [tuple(map(int, line.split())) for line in acknowledged if line.count(b" ") == 1]


def rounds(folder, code, times, seed):
    chance = random.Random(seed)
    acknowledged, running, numbers = {}, 0, []
    for _ in range(times):
        size, delay = chance.choice([1, 15, 400, 12_000]), chance.randrange(25)
        told = killed(code, folder, len(acknowledged), size, delay)
        for number, n in told:
            acknowledged[n] = size
            numbers.append(number)
        player = VCRPlayer.load(folder / "s.vcr")
        found = {}
        for index in range(len(player)):
            if player.head(index).get("node_name") != "inner" and player.head(index).get("status") == "ok":
                state = player.goto_frame(index)
                found[state["n"]] = state["messages"][-1]
        for n, text_size in acknowledged.items():
            assert found[n] == f"{n:06} " * text_size, f"step {n} was acknowledged"
        # A step that was written and not acknowledged is done again by the next round, under the same n.
        assert len(found) - len(acknowledged) <= 1
        player.recording.close()
    player = VCRPlayer.load(folder / "s.vcr")
    running = sum(player.head(n).get("status") == Status.RUNNING for n in range(len(player)))
    return player, numbers, running


def check(folder, code, times, seed):
    player, numbers, running = rounds(folder, code, times, seed)
    assert running <= 2 * times
    assert sorted(set(numbers)) == sorted(numbers) or set(numbers) == {-1}
    issues = player.verify_integrity()["issues"]
    assert all("passed over" in issue or "no whole line" in issue for issue in issues), issues
    assert len(issues) <= times


def test_fifteen_kills_lose_no_acknowledged_frame(tmp_path):
    check(tmp_path / "recorded", STEPPED, 8, seed=1)
    check(tmp_path / "decorated", DECORATED, 7, seed=2)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
def test_two_hundred_kills_lose_no_acknowledged_frame(tmp_path, seed):
    check(tmp_path / "recorded", STEPPED, 20, seed=10 + seed)
    check(tmp_path / "decorated", DECORATED, 20, seed=20 + seed)


def test_a_killed_agent_shows_what_was_running(tmp_path):
    code = (
        "import os, signal, sys; from agent_vcr_nb import VCRRecorder, step\n"
        "r = VCRRecorder(sys.argv[1]); r.start_session('s')\n"
        "@step\n"
        "def inner(state): os.kill(os.getpid(), signal.SIGKILL)\n"
        "@step\n"
        "def outer(state): return inner({**state, 'more': 1})\n"
        "outer({'a': 1})"
    )
    ran = subprocess.run([sys.executable, "-c", code, str(tmp_path)])
    assert ran.returncode == -signal.SIGKILL
    player = VCRPlayer.load(tmp_path / "s.vcr")
    assert [(f.node_name, f.status, f.input_state, f.parent) for f in player.frames] == [
        ("outer", Status.RUNNING, {"a": 1}, None),
        ("inner", Status.RUNNING, {"a": 1, "more": 1}, 0),
    ]
    assert player.verify_integrity()["issues"] == []
