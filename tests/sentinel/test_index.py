"""The index stays true over edits, moves and deletions, and across processes."""

import random
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sentinel import Config, Sentinel, store
from sentinel.index import KINDS, similarity
from sentinel.project import Project
from sentinel.reading import from_text

BODIES = (
    (
        "path, limit",
        "with open(path) as f:",
        "    text = f.read()",
        "rows = text.split(',')",
        "return rows[:limit]",
    ),
    (
        "name, size",
        "with open(name) as f:",
        "    data = f.read()",
        "rows = data.split(',')",
        "return rows[:size]",
    ),
    (
        "path, limit",
        "with open(path) as f:",
        "    text = f.read()",
        "rows = text.split(';')",
        "return rows[:limit]",
    ),
    ("a, b", "total = 0", "for item in a:", "    total += item.price * b", "    item.seen = True", "return total"),
    ("a, b", "total = 0", "for item in a:", "    total += item.price * b", "print(total)", "return total"),
    ("x", "if x.left:", "    return walk(x.left) + [x.value]", "out = []", "out.extend(walk(x.right))", "return out"),
)


def function(name, body):
    arguments, *lines = BODIES[body]
    return f"def {name}({arguments}):\n" + "".join(f"    {line}\n" for line in lines)


NAMES = st.sampled_from(["load", "read", "sum_up", "walk", "run"])
FUNCTIONS = st.builds(function, NAMES, st.integers(0, len(BODIES) - 1))
METHODS = st.builds(
    lambda name, base, code: f"class {name}({base}):\n" + "".join(f"    {line}\n" for line in code.splitlines()),
    st.sampled_from("AB"),
    st.sampled_from(["object", "A", "C"]),
    FUNCTIONS,
)
# Two functions of one name in one file are alternatives, and then it matters which file was there first.
PARTS = st.one_of(FUNCTIONS, METHODS, st.sampled_from(["x = 1\n", "from .c import x\n", "from p import b\n"]))
TEXTS = st.lists(PARTS, max_size=4, unique_by=lambda code: code.partition("(")[0]).map("\n\n".join)
PATHS = st.sampled_from(["a.py", "b.py", "p/c.py", "tests/d.py"])
STEPS = st.one_of(
    st.tuples(st.just("write"), PATHS, TEXTS),
    st.tuples(st.just("delete"), PATHS, st.none()),
    st.tuples(st.just("move"), PATHS, PATHS),
    st.tuples(st.just("restart"), st.none(), st.none()),
)


def contents(project):
    """All that the index is asked for, by place."""
    index = project.index
    places = {entry.id: (entry.path, entry.qualname, entry.line) for entry in index.entries if entry.alive}
    found = {}
    for number, place in places.items():
        mark = index.entries[number].mark
        for kind in KINDS[:3]:
            found[place, kind] = sorted(places[other.id] for other in index.equal(kind, mark))
        found[place, "alike"] = sorted(places[other.id] for other in index.alike(mark))
    by_name = {name: sorted(places[entry.id] for entry in index.alive(ids)) for name, ids in index.by_name.items()}
    bases = {name: dict(paths) for name, paths in index.bases.items() if paths}
    takers = {pair: count for pair, count in index.takers.items() if count}
    return found, takers, {name: ids for name, ids in by_name.items() if ids}, bases, len(index)


def copies(project, files):
    """How many functions are called copies when every file is checked once more."""
    rules = []
    for path in sorted(files, key=lambda path: ("tests" in path, path)):
        rules += [item.rule for item in project.check(from_text(path, files[path])).findings if item.related]
    return sum(rule in ("duplicate-function", "duplicate-constants") for rule in rules)


@settings(max_examples=150, deadline=None)
@given(st.lists(STEPS, max_size=12))
def test_after_any_edits_the_index_is_that_of_a_project_read_from_scratch(tmp_path_factory, steps):
    root = tmp_path_factory.getbasetemp()
    project, files = Project(root, Config()), {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(root / "cache"))
        for step, path, given_ in steps:
            if step == "write":
                project.check(from_text(path, given_))
                files[path] = given_
            elif step == "delete":
                project.forget(path)
                files.pop(path, None)
            elif step == "move" and path in files and path != given_:
                project.forget(given_)
                project.index.move(path, given_)
                files[given_] = files.pop(path)
            elif step == "restart":
                store.save(project)
                project = Project(root, Config())
                assert store.load(project)
    fresh = Project(root, Config())
    for path in sorted(files):
        fresh.check(from_text(path, files[path]))
    assert contents(project) == contents(fresh)
    assert copies(project, files) == copies(fresh, files)


@given(st.integers(0, 5), st.integers(0, 5))
def test_similarity_is_that_of_the_sets_of_runs(one, other):
    project = Project(store.Path("/"), Config())
    project.check(from_text("a.py", function("f", one) + "\n\n" + function("g", other)))
    first, second = project.index.entries
    runs = set(first.mark.shingles), set(second.mark.shingles)
    assert similarity(first.mark, second.mark) == len(runs[0] & runs[1]) / len(runs[0] | runs[1])


def test_a_function_that_was_edited_hundreds_of_times_is_still_found(tmp_path):
    sentinel = Sentinel(root=tmp_path, config=Config())
    code = function("sum_up", 3).replace(
        "    return total", "    log(a, b, total, item)\n    item.store(a, total)\n    return item.close(total)"
    )
    for number in range(400):
        sentinel.check_file("a.py", code.replace("total = 0", f"total = {number}"))
    near = code.replace("sum_up", "other").replace("    item.store", "    item.flush()\n    item.store")
    (finding,) = sentinel.check_file("b.py", near).findings
    assert (finding.rule, finding.related.path) == ("near-duplicate", "a.py")
    assert sum(len(ids) for ids in sentinel.project.index.postings["exact"].added.values()) == 2


def test_what_is_written_anew_under_an_old_name_is_a_copy_of_what_stood_elsewhere(tmp_path):
    sentinel = Sentinel(root=tmp_path, config=Config())
    sentinel.check_file("old.py", function("helper", 5))
    sentinel.check_file("new.py", function("load", 0))
    (finding,) = sentinel.check_file("old.py", function("helper", 0)).caused
    assert (finding.rule, finding.related.path) == ("duplicate-function", "new.py")


def test_a_helper_of_the_tests_is_never_what_the_code_should_reuse(tmp_path):
    sentinel = Sentinel(root=tmp_path, config=Config())
    sentinel.check_file("tests/helpers.py", function("load", 0))
    assert sentinel.check_file("load.py", function("read", 0)).clean
    (finding,) = sentinel.check_file("tests/helpers.py", function("load", 0)).findings
    assert finding.related.path == "load.py"


@pytest.mark.slow
@pytest.mark.parametrize("same", [True, False])
def test_ten_times_as_many_alike_functions_take_about_ten_times_as_long(tmp_path, same):
    def seconds(count):
        chance = random.Random(3)
        texts = [function(f"f{i}", 0).replace("','", "','" if same else repr(str(i))) for i in range(count)]
        chance.shuffle(texts)
        start = time.process_time()
        found = Sentinel(root=tmp_path, config=Config()).check_file("a.py", "\n\n".join(texts)).findings
        assert len(found) == count - 1
        return time.process_time() - start

    assert seconds(2000) < 25 * seconds(200)
