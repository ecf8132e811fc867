"""Recording, reading and importing beside ai-agent-vcr with ``buffer_size=1``, redaction and checksums on.

Both sides run in processes of their own and take turns, so what else the machine does meets both. A ratio is the median
of the rounds' ratios; for what a fresh process does once it is that of the fastest rounds, which nothing disturbed. The
floor writes what changed as JSON with one system call and does nothing else.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from statistics import median

import orjson

from tests.benchmarks.peer import PEER, NotInstalled, Worker, python_with
from tests.benchmarks.rows import Row, bounded, compared, not_measured, seconds, size
from tests.benchmarks.worker import message

SMALL_ROUNDS, SMALL_STEPS = 30, 100
CHAT_ROUNDS, CHAT_MESSAGES = 10, 200
EQUAL_FRAMES = 20_000
OPEN_FRAMES, OPEN_ROUNDS = 10_000, 7
IMPORT_ROUNDS = 7
BIG_BYTES = 1_000_000_000


def rows() -> list[Row]:
    """Return the rows of the table."""
    with tempfile.TemporaryDirectory(prefix="vcr-bench-") as name:
        folder = Path(name)
        try:
            python_with(PEER)
            found = _small(folder) + _chat(folder) + _opening(folder) + _importing()
        except NotInstalled as why:
            found = [not_measured(work, str(why), bar) for work, bar in _BESIDE_THE_PEER]
        return found + _long_chat(folder) + _deciles(folder) + _big(folder) + _goto(folder) + _idle_step()


_BESIDE_THE_PEER = (
    ("small state (114 B), p50", "<= 0.15 x"),
    ("chat to 200 messages of 1 kB, p50", "<= 0.25 x"),
    ("chat to 200 messages of 1 kB, p99", "<= 0.25 x"),
    ("chat to 200 messages, bytes / sum of the messages", "<= 3 x"),
    ("open 10,000 frames and read the last, cold", "<= 0.05 x"),
    ("import agent_vcr_nb / import agent_vcr", "<= 0.25 x"),
)


def _p99(samples: Sequence[float]) -> float:
    ordered = sorted(samples)
    return ordered[int(len(ordered) * 0.99)]


def _flat(rounds: Iterable[Sequence[float]]) -> list[float]:
    return [sample for samples in rounds for sample in samples]


def _median_ratio(
    ours: Sequence[Sequence[float]],
    other: Sequence[Sequence[float]],
    figure: Callable[[Sequence[float]], float] = median,
) -> float:
    return median(figure(mine) / figure(theirs) for mine, theirs in zip(ours, other, strict=True))


def _small(folder: Path) -> list[Row]:
    taken: dict[str, list[list[float]]] = {"ours": [], "peer": [], "floor": []}
    with Worker("ours", folder) as ours, Worker("peer", folder) as peer, Worker("floor", folder) as floor:
        workers = {"ours": ours, "peer": peer, "floor": floor}
        for worker in workers.values():
            worker.small(times=SMALL_STEPS)  # imports and caches warm up outside of what is measured
        for _ in range(SMALL_ROUNDS):
            for side, worker in workers.items():
                taken[side].append(worker.small(times=SMALL_STEPS))
    ratio = _median_ratio(taken["ours"], taken["peer"])
    p50 = {side: seconds(median(_flat(rounds))) for side, rounds in taken.items()}
    work, _ = _BESIDE_THE_PEER[0]
    return [compared(work, p50["ours"], p50["peer"], ratio, 0.15, floor=p50["floor"])]


def _chat(folder: Path) -> list[Row]:
    taken: dict[str, list[list[float]]] = {"ours": [], "peer": [], "floor": []}
    written: dict[str, int] = {}
    with Worker("ours", folder) as ours, Worker("peer", folder) as peer, Worker("floor", folder) as floor:
        for n in range(CHAT_ROUNDS):
            for side, worker in (("ours", ours), ("peer", peer), ("floor", floor)):
                answer = worker.chat(session=f"chat{n}", messages=CHAT_MESSAGES)
                taken[side].append(answer["seconds"])
                written[side] = answer["bytes"]
                worker.forget(file=answer["file"])
    p50 = {side: seconds(median(_flat(rounds))) for side, rounds in taken.items()}
    p99 = {side: _p99(_flat(rounds)) for side, rounds in taken.items()}
    messages = _message_bytes(CHAT_MESSAGES)
    works = [work for work, _ in _BESIDE_THE_PEER[1:4]]
    peer_bytes = f"peer {written['peer'] / messages:.0f} x"
    return [
        compared(
            works[0], p50["ours"], p50["peer"], _median_ratio(taken["ours"], taken["peer"]), 0.25, floor=p50["floor"]
        ),
        compared(
            works[1],
            seconds(p99["ours"]),
            seconds(p99["peer"]),
            _median_ratio(taken["ours"], taken["peer"], _p99),
            0.25,
            floor=seconds(p99["floor"]),
        ),
        compared(works[2], size(written["ours"]), peer_bytes, written["ours"] / messages, 3, floor=size(messages)),
    ]


def _message_bytes(count: int) -> int:
    return sum(len(orjson.dumps(message(n))) for n in range(count))


def _long_chat(folder: Path) -> list[Row]:
    with Worker("ours", folder) as ours:
        answer = ours.chat(session="long", messages=2000)
        ours.forget(file=answer["file"])
    messages = _message_bytes(2000)
    work = "chat to 2,000 messages, bytes / sum of the messages"
    return [compared(work, size(answer["bytes"]), size(messages), answer["bytes"] / messages, 5)]


def _deciles(folder: Path) -> list[Row]:
    """The last tenth of a session beside the first tenth of another one, in turns: the same moments of the machine."""
    tenth, part = EQUAL_FRAMES // 10, 200
    first, last = [], []
    (folder / "first").mkdir()
    with Worker("ours", folder) as old, Worker("ours", folder / "first") as new:
        old.equal(times=EQUAL_FRAMES - tenth)
        for _ in range(tenth // part):
            first.append(new.equal(times=part))
            last.append(old.equal(times=part))
    ours, other = seconds(median(_flat(last))), seconds(median(_flat(first)))
    return [compared("20,000 equal frames, last / first decile", ours, other, _median_ratio(last, first), 1.3)]


def _opening(folder: Path) -> list[Row]:
    files = {}
    for side in ("ours", "peer"):
        with Worker(side, folder) as worker:
            files[side] = worker.fill(session="open", frames=OPEN_FRAMES)
    taken: dict[str, list[float]] = {"ours": [], "peer": []}
    for _ in range(OPEN_ROUNDS):
        for side, file in files.items():
            _forget_pages(Path(file))
            with Worker(side, folder) as fresh:
                taken[side].append(fresh.open_and_read_last(file=file, frames=OPEN_FRAMES))
    ours, peer = min(taken["ours"]), min(taken["peer"])
    work, _ = _BESIDE_THE_PEER[4]
    return [compared(work, seconds(ours), seconds(peer), ours / peer, 0.05)]


def _forget_pages(file: Path) -> None:
    """Have the next reader fetch the file from the disk, where the system can be told so."""
    if not hasattr(os, "posix_fadvise"):
        return
    with open(file, "rb") as opened:
        os.fsync(opened.fileno())
        os.posix_fadvise(opened.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def _importing() -> list[Row]:
    package = "import agent_vcr_nb"
    used = "from agent_vcr_nb import VCRRecorder, VCRPlayer, step"
    taken: dict[str, list[float]] = {package: [], used: [], "import agent_vcr": []}
    for n in range(IMPORT_ROUNDS + 1):
        for statement, samples in taken.items():
            python = python_with(PEER) if statement == "import agent_vcr" else sys.executable
            took = _import_seconds(str(python), statement)
            if n:  # the first time compiles
                samples.append(took)
    peer = min(taken["import agent_vcr"])
    found = []
    for statement, work, bar in ((package, _BESIDE_THE_PEER[5][0], 0.25), (used, f"{used}, beside the same", None)):
        ours = min(taken[statement])
        found.append(compared(work, seconds(ours), seconds(peer), ours / peer, bar))
    return found


def _import_seconds(python: str, statement: str) -> float:
    code = f"import time; t = time.perf_counter(); {statement}; print(time.perf_counter() - t)"
    # Away from the project's folder: both are found as installed packages.
    return float(subprocess.run([python, "-c", code], capture_output=True, text=True, check=True, cwd="/").stdout)


def _big(folder: Path) -> list[Row]:
    works = ("1 GB session, its first and last frames, first time", "1 GB session, its first and last frames, again")
    free = shutil.disk_usage(folder).free
    if free < 2 * BIG_BYTES:
        return [
            not_measured(work, f"{size(free)} free in {folder.parent}, 2 GB are needed", bar)
            for work, bar in zip(works, ("<= 1 s", "<= 50 ms"), strict=True)
        ]
    file = folder / "big.vcr"
    _write_big(file)
    first: list[float] = []
    again: list[float] = []
    before = os.environ.get("AGENT_VCR_CACHE")
    try:
        for n in range(3):
            os.environ["AGENT_VCR_CACHE"] = str(folder / f"cache{n}")
            for samples in (first, again):
                with Worker("ours", folder) as fresh:
                    samples.append(fresh.list_first_and_last(file=str(file)))
    finally:
        os.environ.pop("AGENT_VCR_CACHE")
        if before is not None:
            os.environ["AGENT_VCR_CACHE"] = before
        file.unlink()
    return [bounded(works[0], min(first), 1.0), bounded(works[1], min(again), 0.05)]


def _write_big(file: Path) -> None:
    """Write a session of `BIG_BYTES` as the recorder writes it: frames of 10 kB, each state in full."""
    from agent_vcr_nb.core.journal import SCHEMA, make_line

    state = orjson.Fragment(orjson.dumps({"messages": [message(n) for n in range(5)]}))
    with open(file, "wb", buffering=1 << 20) as out:
        out.write(make_line("session", {"schema": SCHEMA, "session_id": "big"}))
        number = written = 0
        while written < BIG_BYTES:
            head = {"number": number, "key": f"plan#{number + 1}", "node_name": "plan", "frame_type": "node"}
            about = {"status": "ok", "timestamp": "2026-01-31T12:00:00.000000Z"}
            written += out.write(make_line("frame", {**head, **about, "input_state": state, "output_state": state}))
            number += 1


def _goto(folder: Path) -> list[Row]:
    taken = []
    with Worker("ours", folder) as ours:
        file = ours.chat(session="goto", messages=CHAT_MESSAGES)["file"]
    for _ in range(5):
        with Worker("ours", folder) as fresh:
            taken += fresh.goto(file=file, frames=CHAT_MESSAGES)
    return [bounded("random goto in the chat of 200 messages, p50", median(taken), 0.001)]


_IDLE = """
import json, timeit
from agent_vcr_nb import step
def plain(state): return state
wrapped = step(plain)
def seconds(function): return timeit.timeit(lambda: function(1), number=20000) / 20000
print(json.dumps([[seconds(wrapped), seconds(plain)] for _ in range(9)]))
"""


def _idle_step() -> list[Row]:
    outcome = subprocess.run([sys.executable, "-c", _IDLE], capture_output=True, text=True, check=True)
    pairs = json.loads(outcome.stdout)
    decorated, bare = median(pair[0] for pair in pairs), median(pair[1] for pair in pairs)
    work = "a @step call, not recording, beside the bare call"
    return [compared(work, seconds(decorated), seconds(bare), decorated / bare, None)]
