"""Recording a LangGraph graph beside LangGraph's own InMemorySaver, and beside langgraph-replay.

Alone: ``python -m tests.benchmarks.langgraph_bench``. Sides take turns in one run. What recording costs is the
processor time that it adds to the same graph without anything, of the round that was disturbed least: both LangGraph
and a saver work in several threads, and waiting for a thread says more of the machine than of either. Where the threads
come to lie differs from process to process and moves the figure by a third, so it is the median of several processes.
"""

from __future__ import annotations

import json
import operator
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, TypedDict

from tests.benchmarks.peer import NotInstalled, python_with
from tests.benchmarks.rows import Row, compared, not_measured, seconds, size, table

STEPS, ROUNDS, PROCESSES = 200, 9, 7
IDLE_CALLS, IDLE_ROUNDS = 5, 400
PEER = "langgraph-replay==0.1.1"


class State(TypedDict, total=False):
    """A conversation of 100 kB that grows by half a kilobyte a step."""

    items: Annotated[list[dict[str, str]], operator.add]
    n: int


def message(n: int) -> dict[str, str]:
    """Return a message of half a kilobyte, different for each `n`."""
    return {"role": "user", "content": f"{n:06d} " + "word " * 96}


def start() -> dict[str, Any]:
    """Return the state to begin with: 100 kB."""
    return {"items": [message(n) for n in range(200)], "n": 0}


def build(**options: Any) -> Any:
    """Return a graph of one node that runs `STEPS` times."""
    from langgraph.graph import END, START, StateGraph

    def work(state: State) -> State:
        return {"items": [message(1000 + state["n"])], "n": state["n"] + 1}

    builder = StateGraph(State)
    builder.add_node("work", work)
    builder.add_edge(START, "work")
    builder.add_conditional_edges("work", lambda state: "work" if state["n"] < STEPS else END, ["work", END])
    return builder.compile(**options)


def run(graph: Any, thread: str = "t", **config: Any) -> float:
    """Run the graph once; returns the processor time a step, in seconds."""
    begin = time.process_time()
    graph.invoke(start(), {"recursion_limit": 10 * STEPS, "configurable": {"thread_id": thread}, **config})
    return (time.process_time() - begin) / STEPS


def rows() -> list[Row]:
    """Return the rows of the table."""
    with tempfile.TemporaryDirectory(prefix="vcr-bench-") as name:
        folder = Path(name)
        installed, bare = measure_idle()
        figures = _median_of_processes()
        information = len(json.dumps(start())) + sum(len(json.dumps(message(n))) for n in range(STEPS))
        work = f"LangGraph, {STEPS} steps on 100 kB"
        found = [
            compared(
                f"{work}: recording adds / InMemorySaver adds",
                seconds(figures["ours"]),
                seconds(figures["saver"]),
                figures["ratio"],
                2,
            ),
            compared(
                f"{work}: bytes / information",
                size(figures["bytes"]),
                size(information),
                figures["bytes"] / information,
                3,
            ),
            compared(
                "LangGraph, one call of a small graph: installed and not recording / not installed",
                seconds(installed),
                seconds(bare),
                installed / bare,
                1.05,
            ),
        ]
        try:
            peer = python_with(PEER, "langgraph")
        except NotInstalled as why:
            return [*found, not_measured(f"{work}: beside langgraph-replay", str(why), "<= 1 x")]
        theirs = _peer(peer, folder)
        mine = figures["ours"]
        return [
            *found,
            compared(f"{work}: adds, beside langgraph-replay", seconds(mine), seconds(theirs["adds"]),
                     mine / theirs["adds"], 1),
            compared(f"{work}: bytes, beside langgraph-replay", size(figures["bytes"]), size(theirs["bytes"]),
                     figures["bytes"] / theirs["bytes"], 1),
        ]  # fmt: skip


def measure_idle() -> tuple[float, float]:
    """Return what one call of a graph takes with the class patched and no session, and without the patch, in seconds.

    A graph of one node that does nothing: what the patch costs is a cost of the call, so here it weighs most.
    """
    from langgraph.graph import START, StateGraph

    from agent_vcr_nb.integrations.langgraph import install, uninstall

    builder = StateGraph(State)
    builder.add_node("work", lambda state: {"n": 1})
    builder.add_edge(START, "work")
    graph = builder.compile()

    def calls() -> float:
        begin = time.process_time()
        for _ in range(IDLE_CALLS):
            graph.invoke({"n": 0})
        return (time.process_time() - begin) / IDLE_CALLS

    calls()
    patched, bare = [], []
    for _ in range(IDLE_ROUNDS):
        bare.append(calls())
        install()
        try:
            patched.append(calls())
        finally:
            uninstall()
    return min(patched), min(bare)


def _ours(folder: Path) -> Callable[[Any, int], float]:
    from agent_vcr_nb import VCRRecorder, install, uninstall

    def record(graph: Any, n: int) -> float:
        install()
        recorder = VCRRecorder(folder / ".vcr")
        recorder.start_session(f"run{n}")
        try:
            return run(graph)
        finally:
            recorder.close()
            uninstall()

    return record


def _median_of_processes() -> dict[str, float]:
    """Return the figures of the process whose ratio of ours to the saver's is the median."""
    argv = [sys.executable, "-m", "tests.benchmarks.langgraph_bench", "ours"]
    root = Path(__file__).resolve().parents[2]
    taken: list[dict[str, float]] = []
    for _ in range(PROCESSES):
        done = subprocess.run(argv, capture_output=True, text=True, check=True, cwd=root)
        figures = json.loads(done.stdout.splitlines()[-1])
        taken.append({**figures, "ratio": figures["ours"] / figures["saver"]})
    return sorted(taken, key=lambda figures: figures["ratio"])[PROCESSES // 2]


def _measured(folder: Path, record: Callable[[Any, int], float]) -> dict[str, float]:
    from langgraph.checkpoint.memory import InMemorySaver

    plain, saved = build(), build(checkpointer=InMemorySaver())
    taken: dict[str, list[float]] = {"plain": [], "saver": [], "ours": []}
    for n in range(ROUNDS):
        taken["plain"].append(run(plain))
        taken["saver"].append(run(saved, f"thread{n}"))
        taken["ours"].append(record(plain, n))
    least = {side: min(samples) for side, samples in taken.items()}
    written = (folder / ".vcr" / "run0.vcr").stat().st_size
    return {"saver": least["saver"] - least["plain"], "ours": least["ours"] - least["plain"], "bytes": written}


# ---------------------------------------------------------------------------------------------------- the peer


def _peer(python: Path, folder: Path) -> dict[str, float]:
    """Run this file with the peer's interpreter."""
    argv = [str(python), __file__, "peer", str(folder)]
    root = str(Path(__file__).resolve().parents[2])
    environment = {**os.environ, "PYTHONPATH": root}
    done = subprocess.run(argv, capture_output=True, text=True, check=True, env=environment)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def measure_peer(folder: Path) -> dict[str, float]:
    """Run the graph with what langgraph-replay records with: its checkpointer and its callbacks."""
    from langgraph_replay import ReplayCallbackHandler, ReplayCheckpointer  # type: ignore[import-not-found]

    plain = build()
    taken: dict[str, list[float]] = {"plain": [], "peer": []}
    for n in range(3):
        path = folder / f"replay{n}.db"
        recorded = build(checkpointer=ReplayCheckpointer(str(path)))
        taken["plain"].append(run(plain))
        taken["peer"].append(run(recorded, callbacks=[ReplayCallbackHandler(str(path))]))
    written = sum(file.stat().st_size for file in folder.glob("replay0.db*"))
    return {"adds": min(taken["peer"]) - min(taken["plain"]), "bytes": written}


if __name__ == "__main__":
    if sys.argv[1:2] == ["peer"]:
        print(json.dumps(measure_peer(Path(sys.argv[2]))))
    elif sys.argv[1:2] == ["ours"]:
        with tempfile.TemporaryDirectory(prefix="vcr-bench-") as name:
            print(json.dumps(_measured(Path(name), _ours(Path(name)))))
    else:
        print(table(rows()))
