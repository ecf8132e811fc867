"""Run the benchmarks and print one table: ``python -m tests.benchmarks [--gate] [NAME ...]``.

Every module ``<name>_bench.py`` of this folder has ``rows()``, and ``gate_rows()`` where the gate takes fewer. With
``--gate`` the exit code is 1 when a row is more than 75 % over its bar in two runs: another program that takes the
processor for a moment is no regression, and rows that wait for the disk or for threads differ by half between a quiet
and a busy machine. The table says of every row whether the bar itself is met. Compare ratios, not times: both sides of
a ratio are measured alternately in one run.
"""

from __future__ import annotations

import argparse
import importlib
import math
import os
import sys
import time
from pathlib import Path

from tests.benchmarks.rows import Row, table

NAMES = sorted(path.name.removesuffix("_bench.py") for path in Path(__file__).parent.glob("*_bench.py"))


GATE = 1.75
"""A row fails the gate when it is over its bar by more than this factor."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which to run, of: {', '.join(NAMES)} (default: all)")
    parser.add_argument("--gate", action="store_true", help="exit with 1 when a row is over its bar")
    given = parser.parse_args()
    unknown = [name for name in given.names if name not in NAMES]
    if unknown:
        parser.error(f"no benchmark {', '.join(unknown)}; there are {', '.join(NAMES)}")
    busy = _busy()
    rows: list[Row] = []
    for name in given.names or NAMES:
        found = _measured(name, gate=given.gate)
        if given.gate and any(map(_fails_the_gate, found)):
            again = {row["work"]: row for row in _measured(name, gate=True)}
            found = [again.get(row["work"], row) if _fails_the_gate(row) else row for row in found]
        rows += found
    print(table(rows))
    over = [row["work"] for row in rows if row["ok"] is False]
    print("\n" + (f"over the bar: {'; '.join(over)}" if over else "every bar is met"))
    if busy:
        print(busy)
    failed = [row["work"] for row in rows if _fails_the_gate(row)]
    if given.gate:
        print(f"the gate fails: {'; '.join(failed)}" if failed else f"no row is over its bar by more than {GATE} x")
    return 1 if failed and given.gate else 0


def _fails_the_gate(row: Row) -> bool:
    return row["ok"] is False and row.get("over", math.inf) > GATE


def _busy() -> str:
    """Return what to know of a machine that others use too, or nothing."""
    load, processors = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0, os.cpu_count() or 1
    if load <= processors:
        return ""
    return (
        f"{load:.0f} programs wanted {processors} processors when this began: 99th percentiles and absolute times are "
        "then mostly the scheduler's. Run it again alone."
    )


def _measured(name: str, *, gate: bool) -> list[Row]:
    begin = time.perf_counter()
    module = importlib.import_module(f"tests.benchmarks.{name}_bench")
    rows: list[Row] = module.gate_rows() if gate and hasattr(module, "gate_rows") else module.rows()
    print(f"{name}: {time.perf_counter() - begin:.0f} s", file=sys.stderr)
    return rows


if __name__ == "__main__":
    sys.exit(main())
