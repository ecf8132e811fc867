"""Savepoints and rollbacks beside plain git and two peers: ``python -m tests.benchmarks.workspace_bench``.

Ten changed files a savepoint, trees of 100, 2,000 and 20,000 files; medians of rounds in which all sides take turns.
Ours flushes to disk and makes sure that no file was being written; plain git does neither. Before each turn the disk
is flushed and only then the files are changed, so that nobody pays for another's writes and every change is fresh.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from statistics import median

from agent_vcr_nb import ACIDWorkspace, VCRRecorder
from tests.benchmarks.peer import NotInstalled, python_with
from tests.benchmarks.rows import Row, compared, not_measured, seconds, table

SIZES = {100: 15, 2_000: 15, 20_000: 9}
"""Files of the tree -> rounds."""
PEERS = {"acid": "ai-agent-vcr==1.5.4", "stepback": "stepback==0.2.0"}
PEERS_AT = 2_000
SAVEPOINT_BAR, ROLLBACK_BAR = 1.5, 2.0
BARRED = (2_000, 20_000)
WHO = ("-c", "user.name=u", "-c", "user.email=u@x", "-c", "gc.auto=0", "-c", "maintenance.auto=false")


def rows() -> list[Row]:
    """Return the rows of the table."""
    found: list[Row] = []
    for size, rounds in SIZES.items():
        with tempfile.TemporaryDirectory(prefix="vcr-workspace-") as name, ExitStack() as stack:
            found += _of_one_size(Path(name), size, rounds, stack)
    return found


def _of_one_size(folder: Path, size: int, rounds: int, stack: ExitStack) -> list[Row]:
    sides: dict[str, tuple[Path, Callable[[str], float]]] = {}
    tree = folder / "tree"
    _make_tree(tree, size)
    missing: list[Row] = []
    for side in ("ours", "git", *(PEERS if size == PEERS_AT else ())):
        place = folder / side
        subprocess.run(["cp", "-a", str(tree), str(place)], check=True)
        try:
            sides[side] = (place, _starters[side](place, stack))
        except NotInstalled as why:
            missing += [not_measured(f"{verb} beside {side}", str(why), "< 1 x") for verb in ("savepoint", "rollback")]
    took: dict[tuple[str, str], list[float]] = {}
    for number in range(rounds):
        for side, (place, do) in sides.items():
            for verb in ("savepoint", "rollback"):
                os.sync()
                _change(place, size, 2 * number + (verb == "rollback"))
                took.setdefault((side, verb), []).append(do(verb))
    return [*_compare(took, size), *missing]


def _compare(took: dict[tuple[str, str], list[float]], size: int) -> list[Row]:
    found = []
    for verb, bar in (("savepoint", SAVEPOINT_BAR), ("rollback", ROLLBACK_BAR)):
        ours = median(took["ours", verb])
        for side in dict.fromkeys(side for side, _ in took):
            if side != "ours":
                other = median(took[side, verb])
                at_most = (bar if size in BARRED else None) if side == "git" else 1.0
                work = f"{verb}, {size} files, beside {_names[side, verb] if side == 'git' else PEERS[side]}"
                found.append(compared(work, seconds(ours), seconds(other), ours / other, at_most))
    return found


_names = {("git", "savepoint"): "git add -A, commit", ("git", "rollback"): "git reset --hard, clean -fd"}


# ------------------------------------------------------------------------------------------------ the trees


def _path(place: Path, number: int) -> Path:
    return place / f"p{number % 40}" / f"m{number % 7}" / f"f{number}.py"


def _make_tree(place: Path, size: int) -> None:
    chance = random.Random(1)
    for number in range(size):
        path = _path(place, number)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"# {number}\n" + "x = 1\n" * chance.randrange(50, 700))
    _git(place, "init", "-q")
    _git(place, "add", "-A")
    _git(place, "commit", "-qm", "initial")


def _change(place: Path, size: int, seed: int) -> None:
    """Change eight files, add one, remove one."""
    chance = random.Random(seed)
    numbers = chance.sample(range(size), 9)
    for number in numbers[:8]:
        path = _path(place, number)
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a") as file:
            file.write(f"# edit {seed}\n")
    (place / f"new{seed}.txt").write_text("new")
    _path(place, numbers[8]).unlink(missing_ok=True)


def _git(place: Path, *args: str) -> None:
    subprocess.run(["git", *WHO, *args], cwd=place, check=True, capture_output=True)


# ------------------------------------------------------------------------------------------------ the sides


def _ours(place: Path, stack: ExitStack) -> Callable[[str], float]:
    recorder = stack.enter_context(VCRRecorder(output_dir=place.with_name("recordings")))
    acid = ACIDWorkspace(place, recorder=recorder, store=place.with_name("store"))
    acid.begin("bench")
    stack.callback(acid.close)
    last = acid.savepoint({})

    def do(verb: str) -> float:
        nonlocal last
        begin = time.perf_counter()
        if verb == "savepoint":
            last = acid.savepoint({})
        else:
            acid.rollback(savepoint=last.number)
        return time.perf_counter() - begin

    return do


def _plain(place: Path, stack: ExitStack) -> Callable[[str], float]:
    def do(verb: str) -> float:
        begin = time.perf_counter()
        if verb == "savepoint":
            _git(place, "add", "-A")
            _git(place, "commit", "-qm", "savepoint")
        else:
            _git(place, "reset", "-q", "--hard")
            _git(place, "clean", "-qfd")
        return time.perf_counter() - begin

    return do


def _peer(side: str) -> Callable[[Path, ExitStack], Callable[[str], float]]:
    def start(place: Path, stack: ExitStack) -> Callable[[str], float]:
        worker = Path(__file__).with_name("workspace_worker.py")
        argv = [str(python_with(PEERS[side])), str(worker), side, str(place)]
        env = {**os.environ, "GIT_AUTHOR_NAME": "u", "GIT_AUTHOR_EMAIL": "u@x"}
        env |= {"GIT_COMMITTER_NAME": "u", "GIT_COMMITTER_EMAIL": "u@x"}
        process = stack.enter_context(
            subprocess.Popen(
                argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=env
            )
        )
        stack.callback(process.stdin.close)
        assert process.stdout.readline() == "ready\n", f"{side} did not start"

        def do(verb: str) -> float:
            process.stdin.write(verb + "\n")
            process.stdin.flush()
            return float(process.stdout.readline())

        do("savepoint")
        return do

    return start


_starters = {"ours": _ours, "git": _plain, "acid": _peer("acid"), "stepback": _peer("stepback")}


def main() -> int:
    """Print the table; the exit code is 1 when a row is over its bar."""
    found = rows()
    print(table(found))
    return 1 if any(row["ok"] is False for row in found) else 0


if __name__ == "__main__":
    sys.exit(main())
