"""Sentinel's bars, measured in one run: `python -m tests.benchmarks.sentinel_bench`.

The large index is of what is installed beside the project (pandas, networkx, plotly, Jupyter), the scanned tree is
Django's package, and the peer is `openhands_sentinel` of ai-agent-vcr. What one process does is measured in processor
time, which other work on the machine changes little. So are commands, over all their processes, and building the
index, whose figure is for two processors that have nothing else to do.
"""

from __future__ import annotations

import ast
import contextlib
import copy
import gc
import json
import os
import random
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from sentinel import Config, store
from sentinel.chunks import split_tree
from sentinel.discover import files
from sentinel.fingerprint import fingerprint, is_candidate
from sentinel.project import Project
from sentinel.reading import from_text
from tests.benchmarks.peer import PEER, NotInstalled, python_with
from tests.benchmarks.rows import Row, compared, not_measured, seconds, table

SITE = Path(sysconfig.get_paths()["purelib"])
WANTED_FUNCTIONS = 50_000
DJANGO = "Django==5.2"
OURS = Path(sys.executable).parent / "sentinel"


def row(
    work: str, ours: float, other: float, bar: float, *, at_least: bool = False, unit: str = "", peer: str = ""
) -> Row:
    """A row of the table; the bar is on ``ours``, a ratio to ``other`` stands beside it."""
    ok = ours >= bar if at_least else ours <= bar
    return {
        "work": work,
        "ours": f"{ours:,.3g} {unit}" if ours < 1000 else f"{ours:,.0f} {unit}",
        "other": f"{other:,.3g} {unit} {peer}" if other < 1000 else f"{other:,.0f} {unit} {peer}",
        "ratio": ours / other if other else None,
        "bar": f"{'>=' if at_least else '<='} {bar:g} {unit}",
        "ok": ok,
        "over": bar / ours if at_least else ours / bar,
    }


def processor_seconds(work: Callable[[], object]) -> float:
    """How long one call works in this process."""
    start = time.process_time()
    work()
    return time.process_time() - start


def processors_seconds(work: Callable[[], object]) -> float:
    """How long one call works in this process and those it starts, together."""
    before = os.times()
    work()
    after = os.times()
    return sum(after[:4]) - sum(before[:4])


def percentile(values: list[float], share: float) -> float:
    """The value below which ``share`` of the values lie."""
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def large_tree() -> tuple[list[Path], int]:
    """Files of the installed packages until they hold enough functions, and their lines."""
    chosen: list[Path] = []
    functions = lines = 0
    for file in (item for folder in sorted(SITE.iterdir()) if folder.is_dir() for item in files(folder)):
        if file.suffix != ".py" or file.stat().st_size > 1_000_000:
            continue
        text = file.read_text(encoding="utf-8", errors="replace")
        if text.count("def ") * 60 < text.count("\n"):
            continue  # tables of data would make the figure of lines look better than code does
        functions += text.count("def ")
        lines += text.count("\n")
        chosen.append(file)
        if functions > WANTED_FUNCTIONS * 3:
            break
    return chosen, lines


def edits(project: Project, low: int, high: int, count: int) -> Iterator[tuple[str, str, str]]:
    """Path, text before and text after of files with so many lines: a statement before some return."""
    chance = random.Random(7)
    paths = sorted(project.index.files)
    chance.shuffle(paths)
    for path in paths:
        text = (project.root / path).read_text(encoding="utf-8", errors="replace")
        if not low <= text.count("\n") <= high or "\r" in text:
            continue
        lines = text.split("\n")
        places = [number for number, line in enumerate(lines) if re.match(r"\s+return ", line)]
        if not places:
            continue
        at = chance.choice(places)
        indent = re.match(r"\s+", lines[at])
        assert indent is not None
        changed = "\n".join([*lines[:at], f"{indent[0]}zzz = compute(1)", *lines[at:]])
        with contextlib.suppress(SyntaxError):
            ast.parse(changed)
            yield path, text, changed
            count -= 1
        if not count:
            return


def edit_rows(project: Project) -> Iterator[Row]:
    """Time of the check after an edit, beside the check of the same file without what is known of it."""
    for low, high, p50, p99 in ((1, 300, 3.0, 10.0), (301, 1000, 10.0, None)):
        quick: list[float] = []
        whole: list[float] = []
        for path, before, after in edits(project, low, high, 300):
            project.check(from_text(path, before))
            quick.append(processor_seconds(lambda path=path, after=after: project.check(from_text(path, after))))
            project.facts.pop(path)
            whole.append(processor_seconds(lambda path=path, before=before: project.check(from_text(path, before))))
        name = f"check after an edit, files of {low} to {high} lines"
        ours, other = percentile(quick, 0.5) * 1e3, percentile(whole, 0.5) * 1e3
        yield row(f"{name}, p50 beside a full check", ours, other, p50, unit="ms")
        if p99 is not None:
            ours, other = percentile(quick, 0.99) * 1e3, percentile(whole, 0.99) * 1e3
            yield row(f"{name}, p99 beside a full check", ours, other, p99, unit="ms")


def index_rows() -> Iterator[Row]:
    """Building and loading an index of 50,000 functions, then edits within it."""
    chosen, lines = large_tree()
    project = Project(SITE, Config())
    built = processors_seconds(lambda: project.build(chosen, processes=2)) / 2
    parsed = processor_seconds(lambda: [parse_only(file) for file in chosen])
    size = len(project.index)
    if size < WANTED_FUNCTIONS:
        yield not_measured("index 50,000 functions", f"only {size} are installed", ">= 40000 lines/s")
        return
    yield row(
        f"index {size:,} functions, {lines:,} lines, beside ast.parse alone on one core (lines/s)",
        lines / built,
        lines / parsed,
        40_000,
        at_least=True,
        unit="lines/s",
    )
    with tempfile.TemporaryDirectory() as cache:
        os.environ["XDG_CACHE_HOME"] = cache
        store.save(project)
        loaded = Project(SITE, Config())
        took = processor_seconds(lambda: store.load(loaded))
        assert len(loaded.index) == size
    yield row("load the stored index, beside building it (s)", took, built, 2.0, unit="s")
    gc.collect()
    gc.freeze()
    yield from edit_rows(project)
    gc.unfreeze()


def parse_only(file: Path) -> None:
    """What no checker can do without."""
    with contextlib.suppress(SyntaxError, ValueError, RecursionError):
        ast.parse(file.read_bytes())


def django() -> Path:
    """Return Django's package, installed at the first call; raises NotInstalled."""
    argv = [python_with(DJANGO), "-c", "import django; print(*django.__path__)"]
    return Path(subprocess.run(argv, capture_output=True, text=True, check=True).stdout.strip())


def scan_rows(tree: Path) -> Iterator[Row]:
    """A cold scan from the command line, beside ruff with the same rules."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        argv = [str(OURS), "scan", str(tree), "--format", "json", "--output", str(report)]
        ours = processors_seconds(lambda: subprocess.run(argv, check=False))
        duplicates = duplicates_of(report.read_text())
    ruff = [sys.executable, "-m", "ruff", "check", "--isolated", "--no-cache", "--select", "C90,PLR,F,B,S,E7"]
    other = processors_seconds(lambda: subprocess.run([*ruff, str(tree)], capture_output=True, check=False))
    yield row("scan Django cold, all processes together, beside ruff (processor s)", ours, other, 12.0, unit="s")
    yield row("duplicates reported in Django, beside 200", duplicates, 200, 200)


def duplicates_of(report: str) -> int:
    """Return how many findings of Sentinel's JSON report name an original."""
    return sum(item["related"] is not None for item in json.loads(report)["findings"])


def peer_rows(tree: Path) -> Iterator[Row]:
    """The time of both on a copy of the tree's Python files, and the duplicates that each reports there."""

    def only_python(folder: str, names: list[str]) -> list[str]:
        return [name for name in names if not name.endswith(".py") and not (Path(folder) / name).is_dir()]

    theirs = python_with(PEER).parent / "sentinel"
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / tree.name
        shutil.copytree(tree, target, ignore=only_python)

        def scan(command: Path, *options: str) -> tuple[float, str]:
            shown: list[str] = []

            def run() -> None:
                argv = [str(command), "scan", str(target), *options]
                shown.append(subprocess.run(argv, capture_output=True, text=True, check=False, cwd=folder).stdout)

            return processors_seconds(run), shown[0]

        (ours, report), (peer, lines) = scan(OURS, "--format", "json"), scan(theirs)
    found, reported = duplicates_of(report), lines.count("already exists")
    work = "scan Django's Python files cold, beside openhands_sentinel"
    yield compared(f"{work} (processor s)", seconds(ours), seconds(peer), ours / peer, 1)
    yield compared(f"{work}: duplicates reported", f"{found:,}", f"{reported:,}", found / reported, None)


class _Rename(ast.NodeTransformer):
    """Give every local name another."""

    def __init__(self, function: ast.FunctionDef) -> None:
        stored = {
            node.id for node in ast.walk(function) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
        }
        arguments = {node.arg for node in ast.walk(function) if isinstance(node, ast.arg)}
        outer = {
            name for node in ast.walk(function) if isinstance(node, (ast.Global, ast.Nonlocal)) for name in node.names
        }
        self.names = {name: f"renamed_{number}" for number, name in enumerate(sorted((stored | arguments) - outer))}

    def visit_Name(self, node: ast.Name) -> ast.Name:
        return ast.copy_location(ast.Name(self.names.get(node.id, node.id), node.ctx), node)

    def visit_arg(self, node: ast.arg) -> ast.arg:
        node.arg = self.names.get(node.arg, node.arg)
        return node

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> ast.AST:
        if node.name:
            node.name = self.names.get(node.name, node.name)
        return self.generic_visit(node)


class _Constants(ast.NodeTransformer):
    """Change every number and string."""

    def visit_JoinedStr(self, node: ast.JoinedStr) -> ast.AST:
        return node

    def visit_Constant(self, node: ast.Constant) -> ast.Constant:
        if isinstance(node.value, str):
            return ast.Constant(node.value + "x")
        if type(node.value) in (int, float):
            return ast.Constant(node.value + 7)
        return node


def renamed(function: ast.FunctionDef, chance: random.Random) -> ast.FunctionDef:
    """A copy with other local names."""
    changed: ast.FunctionDef = _Rename(function).visit(copy.deepcopy(function))
    return changed


def other_constants(function: ast.FunctionDef, chance: random.Random) -> ast.FunctionDef:
    """A copy with other constants."""
    changed: ast.FunctionDef = _Constants().visit(copy.deepcopy(function))
    return changed


def inserted(function: ast.FunctionDef, chance: random.Random) -> ast.FunctionDef:
    """A copy with one more statement."""
    changed = copy.deepcopy(function)
    changed.body.insert(chance.randrange(1, len(changed.body) + 1), ast.parse("logger.debug('step', extra)").body[0])
    return changed


def reordered(function: ast.FunctionDef, chance: random.Random) -> ast.FunctionDef:
    """A copy with two neighbouring statements swapped."""
    changed = copy.deepcopy(function)
    if len(changed.body) > 2:
        at = chance.randrange(1, len(changed.body) - 1)
        changed.body[at], changed.body[at + 1] = changed.body[at + 1], changed.body[at]
    return changed


def recall_rows(tree: Path) -> Iterator[Row]:
    """Share of mutated clones of functions of 6 to 12 statements that are found, beside exact copies."""
    project = Project(tree, Config())
    chosen = [file for file in files(tree) if file.suffix == ".py" and "tests" not in file.parts]
    project.build(chosen)
    samples = [item for file in chosen for item in clonable(file)]
    chance = random.Random(3)
    samples = chance.sample(samples, min(300, len(samples)))
    exact = recall(project, samples, lambda function, _: copy.deepcopy(function), chance)
    bars = ((renamed, 1.0), (other_constants, 0.95), (inserted, 0.95), (reordered, 0.9))
    for mutate, bar in bars:
        ours = recall(project, samples, mutate, chance)
        yield row(
            f"recall, {mutate.__name__.replace('_', ' ')}, beside exact copies",
            ours,
            exact,
            bar,
            at_least=True,
        )


def clonable(file: Path) -> Iterator[ast.FunctionDef]:
    """The functions of a file that a person might copy."""
    text = file.read_text(encoding="utf-8", errors="replace")
    try:
        tree = ast.parse(text)
    except SyntaxError:
        return
    if not split_tree(text, tree):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and is_candidate(node):
            mark = fingerprint(node)
            if mark is not None and 6 <= mark.statements <= 12:
                yield node


def recall(
    project: Project,
    samples: list[ast.FunctionDef],
    mutate: Callable[[ast.FunctionDef, random.Random], ast.FunctionDef],
    chance: random.Random,
) -> float:
    """Share of the samples whose mutated copy under another name, in a new file, is reported as a duplicate."""
    hits = 0
    for function in samples:
        changed = ast.fix_missing_locations(mutate(function, chance))
        changed.name = "a_copy_under_another_name"
        changed.decorator_list = []
        result = project.check(from_text("a_new_file.py", ast.unparse(changed) + "\n"))
        hits += any(item.related is not None and item.symbol == changed.name for item in result.findings)
        project.forget("a_new_file.py")
    return hits / len(samples)


def rows() -> list[Row]:
    """All rows of the table."""
    return gate_rows(peer_rows)


def gate_rows(*more: Callable[[Path], Iterator[Row]]) -> list[Row]:
    """The rows that no peer is needed for, and `more` of the scanned tree."""
    found = [*index_rows()]
    try:
        tree = django()
        for measure in (scan_rows, *more, recall_rows):
            found += measure(tree)
    except NotInstalled as why:
        found.append(not_measured("scan Django", str(why), "<= 12 s"))
    return found


def main() -> None:
    """Print the table; exit 1 when a bar is missed."""
    measured = rows()
    print(table(measured))
    sys.exit(1 if any(item["ok"] is False for item in measured) else 0)


if __name__ == "__main__":
    main()
