"""One side of a comparison, in a process of its own: answers each command, a JSON line, with a JSON line.

It is run by its path with the interpreter of its side (``worker.py ours FOLDER``), so both sides do the same work in
the same code, and nothing but the library that is measured is loaded. Times are seconds.
"""

from __future__ import annotations

import importlib
import json
import os
import random
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

MODULES = {"ours": "agent_vcr_nb", "peer": "agent_vcr"}
MESSAGE_BYTES = 1000
_WORDS = (
    "the",
    "agent",
    "reads",
    "through",
    "a",
    "high-level",
    "plan,",
    "searches",
    "for",
    "right",
    "result.",
    "is",
    "it?",
)
State = dict[str, Any]


def small_state(number: int) -> State:
    """114 bytes as compact JSON."""
    task, answer = "the capital of France", "It is Paris, on the river Seine. ok"
    return {"task": task, "step": 1000 + number % 9000, "notes": ["ask", "read"], "answer": answer}


def message(number: int) -> State:
    """About 1 kB as compact JSON; no two are alike."""
    words = random.Random(number)
    text = " ".join(words.choice(_WORDS) for _ in range(200))
    head = {"role": ("user", "assistant", "tool")[number % 3], "id": f"msg_{number:08d}", "cost": 0.00012 * number}
    return {**head, "content": text[: MESSAGE_BYTES - 80]}


def chat(messages: int) -> Iterator[tuple[State, State, State]]:
    """Yield state before, state after and what changed, for a chat that grows by one message a step."""
    state: State = {"task": "demo", "step": 0, "messages": [], "done": False}
    for number in range(messages):
        change = message(number)
        after = {**state, "step": number + 1, "messages": [*state["messages"], change]}
        yield state, after, change
        state = after


class Library:
    """Ours or the peer's: the calls that are measured have the same names."""

    def __init__(self, module: str, folder: str) -> None:
        library = importlib.import_module(module)
        self.recorder = library.VCRRecorder(folder, buffer_size=1)  # the peer's only durable setting
        self.load = library.VCRPlayer.load

    def start(self, session: str) -> None:
        self.recorder.start_session(session)

    def step(self, before: State, after: State, change: State) -> None:
        self.recorder.record_step("plan", before, after)


class Floor:
    """What no recorder can be faster than: what changed as JSON, in one write."""

    def __init__(self, folder: str) -> None:
        from orjson import dumps

        self.folder, self.dumps, self.fd = folder, dumps, -1

    def start(self, session: str) -> None:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
        self.fd = os.open(Path(self.folder, f"{session}.vcr"), flags, 0o600)

    def step(self, before: State, after: State, change: State) -> None:
        os.write(self.fd, self.dumps(change) + b"\n")


class Commands:
    """What the other end of the pipe can ask for."""

    def __init__(self, side: str, folder: str) -> None:
        self.folder = folder
        self.library: Any = Floor(folder) if side == "floor" else Library(MODULES[side], folder)
        self.counts: dict[str, int] = {}

    def _timed(self, steps: Iterator[tuple[State, State, State]]) -> list[float]:
        step, clock = self.library.step, time.perf_counter
        seconds = []
        for before, after, change in steps:
            begin = clock()
            step(before, after, change)
            seconds.append(clock() - begin)
        return seconds

    def _resumed(self, session: str, times: int, state: Callable[[int], State]) -> list[float]:
        """Time as many more steps of a session that is started at the first call."""
        done = self.counts.get(session)
        if done is None:
            self.library.start(session)
            done = 0
        self.counts[session] = done + times
        return self._timed((state(n), state(n + 1), state(n + 1)) for n in range(done, done + times))

    def small(self, times: int) -> list[float]:
        return self._resumed("small", times, small_state)

    def equal(self, times: int) -> list[float]:
        """Steps that each change 100 bytes of a state of 20 kB."""
        messages = [message(n) for n in range(20)]
        return self._resumed("equal", times, lambda n: {"messages": messages, "step": n, "note": f"{n:09d} " * 10})

    def chat(self, session: str, messages: int) -> dict[str, Any]:
        self.library.start(session)
        seconds = self._timed(chat(messages))
        file = Path(self.folder, f"{session}.vcr")
        return {"seconds": seconds, "bytes": file.stat().st_size, "file": str(file)}

    def forget(self, file: str) -> None:
        """Free the disk; the peer's chat of 200 messages has 40 MB."""
        os.unlink(file)

    def fill(self, session: str, frames: int) -> str:
        self.library.start(session)
        self._timed((small_state(n), small_state(n + 1), {}) for n in range(frames))
        return str(Path(self.folder, f"{session}.vcr"))

    def open_and_read_last(self, file: str, frames: int) -> float:
        begin = time.perf_counter()
        self.library.load(file).goto_frame(frames - 1)
        return time.perf_counter() - begin

    def list_first_and_last(self, file: str) -> float:
        begin = time.perf_counter()
        player = self.library.load(file)
        for number in (0, len(player) - 1):
            assert player.get_frame(number).number == number
        return time.perf_counter() - begin

    def goto(self, file: str, frames: int) -> list[float]:
        """Each frame once, in random order, so that no answer is one that was kept."""
        player = self.library.load(file)
        order = random.Random(1).sample(range(frames), frames)
        player.goto_frame(0)
        seconds = []
        for number in order:
            begin = time.perf_counter()
            state = player.goto_frame(number)
            seconds.append(time.perf_counter() - begin)
            assert len(state["messages"]) == number + 1
        return seconds


def main() -> None:
    commands = Commands(*sys.argv[1:3])
    for line in sys.stdin:
        name, arguments = json.loads(line)
        print(json.dumps(getattr(commands, name)(**arguments)), flush=True)


if __name__ == "__main__":
    main()
