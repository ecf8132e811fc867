"""Odd files get a right answer or a clear error; an edit gives what a full parse gives."""

import json
import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sentinel import Config, Sentinel
from sentinel.chunks import split
from sentinel.facts import Chunk
from sentinel.project import Project
from sentinel.reading import from_text

FUNCTION = "def f(a, b=[]):\n    return a, b\n"
DUPLICATED = """def load(path, limit):
    with open(path) as file:
        text = file.read()
    rows = text.split(",")
    return sorted(rows)[:limit]
"""


def check(tmp_path, content, name="a.py"):
    return Sentinel(root=tmp_path, config=Config()).check_file(name, content)


def found(result):
    return [(finding.rule, finding.line) for finding in result.findings]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", []),
        (b"\xef\xbb\xbf" + FUNCTION.encode(), [("mutable-default", 1)]),
        (("x = 1\n" + FUNCTION).replace("\n", "\r\n").encode(), [("mutable-default", 2)]),
        (("x = 1\n" + FUNCTION).replace("\n", "\r").encode(), [("mutable-default", 2)]),
        (b"# -*- coding: latin-1 -*-\nx = '\xe9'\n" + FUNCTION.encode(), [("mutable-default", 3)]),
        (b"x = '\xe9'\n", [("not-analysed", 1)]),
        (b"# coding: klingon\n", [("not-analysed", 1)]),
        (b"x = 1\0\n", [("not-analysed", 1)]),
        (b"x = " + b"+".join([b"1"] * 20_000) + b"\n" + FUNCTION.encode(), None),
        (b"x = '\\d'\n" + FUNCTION.encode(), [("mutable-default", 2)]),
        (
            (b"if a:\n    pass\n" + b"elif b:\n    pass\n" * 500) + FUNCTION.encode(),
            [("mutable-default", 1003)],
        ),
        (b"\x0cx = 1\n" + FUNCTION.encode(), [("mutable-default", 2)]),
    ],
)
def test_an_odd_file_is_understood_or_says_why_not(tmp_path, content, expected):
    result = found(check(tmp_path, content))
    deep = [[("mutable-default", 2)], [("not-analysed", 1)]]
    assert result == expected if expected is not None else result in deep


def test_a_problem_names_the_byte(tmp_path):
    (finding,) = check(tmp_path, b"x = '\xe9'\n").findings
    assert finding.message == "the file is not UTF-8 text: byte 0xe9 at offset 5"


def notebook(*cells, language="python"):
    listed = [{"cell_type": "code", "source": source.splitlines(True)} for source in cells]
    listed.insert(0, {"cell_type": "markdown", "source": ["# def f(a=[]): pass"]})
    return json.dumps({"cells": listed, "metadata": {"kernelspec": {"language": language}}, "nbformat": 4})


def test_a_notebook_is_checked_by_cell_with_its_magics(tmp_path):
    cells = (
        "%load_ext autoreload\nimport re, os, json\n!ls {x}\nfiles = !ls\nos.getcwd?\n",
        "%%bash\nif [ -f x ]; then echo; fi\n",
        "%%time\n" + FUNCTION + "json.dumps(await g())\n",
    )
    result = check(tmp_path, notebook(*cells), "a.ipynb")
    places = [(finding.rule, finding.place) for finding in result.findings]
    assert places == [("unused-import", "a.ipynb:cell 2:2"), ("mutable-default", "a.ipynb:cell 4:2")]


def test_a_notebook_in_another_language_and_a_broken_one(tmp_path):
    assert check(tmp_path, notebook("x <- 1", language="R"), "a.ipynb").clean
    assert found(check(tmp_path, "{", "a.ipynb")) == [("not-analysed", 1)]
    assert found(check(tmp_path, notebook("def f(:"), "a.ipynb")) == [("syntax-error", 1)]


def test_a_loop_of_links_ends_and_a_linked_file_is_no_copy(tmp_path):
    (tmp_path / "a.py").write_text(FUNCTION)
    os.symlink(tmp_path, tmp_path / "loop")
    os.symlink(tmp_path / "a.py", tmp_path / "b.py")
    assert [finding.path for finding in Sentinel(root=tmp_path).scan()] == ["a.py"]


CLASS = (
    "class Big(Base):\n    '''Text\n    def not_code(a=[]): pass\n    '''\n\n"
    + "".join(
        f"    @property\n    def m{i}(self, a={'[]' if i % 7 == 0 else '0'}):\n        return a\n\n" for i in range(15)
    )
    + "    if DEBUG:\n        x = 1\n    else:\n        x = 2\n"
)
LINES = st.sampled_from(
    [
        "import os",
        "import json",
        "x = json.loads('{}')",
        "def f(a, b=[]):\n    return a",
        "async def g():\n    try:\n        pass\n    except:\n        pass",
        "@deco\n@deco2(1)\ndef h():\n    import re",
        "class Small:\n    def m(self):\n        y = 1\n",
        CLASS,
        "'''a string\ndef not_code():\n    pass\n'''",
        's = """x\nclass Y: pass\n""" + \'\'\'\n"""\n\'\'\'',
        "if x:\n    pass\nelif y:\n    pass\nelse:\n    pass",
        "try:\n    import a\nexcept ImportError:\n    a = None\nfinally:\n    pass",
        "z = (\n1,\n2)",
        "w = [\n    1,\n]",
        "v = 1 + \\\n2",
        "# a comment",
        "    # an indented comment",
        "def k(a=[]):  # noqa: B006\n    return a",
        "def n(a=[]):  # sentinel: ignore[mutable-default] shared on purpose\n    return a",
        "def broken(:",
        "f'''{x}\n{\"y\"}'''",
        "",
        "eval(x); exec(y)",
    ]
)


@settings(max_examples=300, deadline=None)
@given(before=st.lists(LINES, max_size=8), after=st.lists(LINES, max_size=8), same=st.integers(0, 8))
def test_an_edit_finds_what_a_full_parse_finds(tmp_path_factory, before, after, same):
    old, new = "\n".join(before) + "\n", "\n".join(before[:same] + after) + "\n"
    root = tmp_path_factory.getbasetemp()
    edited = Project(root, Config())
    edited.check(from_text("a.py", old))
    whole = Project(root, Config())
    whole.check(from_text("a.py", old), whole=True)
    fresh = Project(root, Config()).check(from_text("a.py", new), whole=True)
    assert edited.check(from_text("a.py", new)).findings == fresh.findings
    assert edited.findings == whole.findings or whole.check(from_text("a.py", new)).findings == fresh.findings


@settings(max_examples=200, deadline=None)
@given(st.lists(LINES, max_size=12))
def test_chunks_joined_are_the_file(parts):
    text = "\n".join(parts)
    chunks = split(text)
    assert "".join(chunk.text for chunk in chunks) == text
    assert [chunk.start for chunk in chunks] == [
        "".join(chunk.text for chunk in chunks[:i]).count("\n") for i in range(len(chunks))
    ]


def test_the_class_used_by_the_property_test_is_split():
    assert len(split(CLASS)) > 15
    assert isinstance(split(CLASS)[0], Chunk)


def test_only_what_a_write_caused_is_told_at_most_five_worst_first(tmp_path):
    sentinel = Sentinel(root=tmp_path, config=Config())
    old = FUNCTION + "\n\ndef g(a=[]):\n    return a\n"
    assert len(sentinel.check_file("a.py", old).caused) == 2
    moved = "# moved\n\n" + old
    assert sentinel.check_file("a.py", moved).caused == ()
    worse = moved + "".join(f"\n\ndef h{i}(a=[]):\n    x = 1\n    return a\n" for i in range(4))
    result = sentinel.check_file("a.py", worse)
    assert len(result.caused) == 8
    lines = result.feedback().split("\n")
    assert len(lines) == 1 + 5 + 1
    assert [line.split()[1] for line in lines[1:6]] == ["critical"] * 4 + ["warning"]
    assert "3 more" in lines[-1]
    assert len(sentinel.check_file("a.py", old).fixed) == 8


def caused(sentinel, text):
    return [(finding.rule, finding.symbol) for finding in sentinel.check_file("a.py", text).caused]


def test_another_unused_name_in_the_same_place_is_new(tmp_path):
    sentinel = Sentinel(root=tmp_path, config=Config())
    sentinel.check_file("a.py", "import os\n\n\ndef f():\n    x = 1\n")
    result = sentinel.check_file("a.py", "import re\n\n\ndef f():\n    y = 1\n")
    assert [finding.message.split()[0] for finding in result.caused] == ["'re'", "'y'"]
    assert [finding.message.split()[0] for finding in result.fixed] == ["'os'", "'x'"]


LONG = "def f(a):\n" + "    a += 1\n" * 50


@pytest.mark.parametrize(
    "after",
    [
        LONG.replace("def f", "def better_name"),
        "class B:\n" + "".join("    " + line for line in (FUNCTION + LONG).splitlines(True)),
        "X = 1\n\n" + LONG.replace("a += 1", "a -= 1", 3),
    ],
)
def test_old_debt_that_was_renamed_moved_or_touched_is_not_new(tmp_path, after):
    sentinel = Sentinel(root=tmp_path, config=Config())
    sentinel.check_file("a.py", "class A:\n" + "".join("    " + line for line in FUNCTION.splitlines(True)) + LONG)
    assert caused(sentinel, after) == []


def test_a_value_that_grew_is_caused_and_one_that_shrank_is_not(tmp_path):
    sentinel = Sentinel(root=tmp_path, config=Config())

    def body(lines):
        return "def f(a):\n" + "    a += 1\n" * (lines - 1)

    sentinel.check_file("a.py", body(50))
    assert sentinel.check_file("a.py", body(49)).caused == ()
    assert [finding.value for finding in sentinel.check_file("a.py", body(60)).caused] == [60]


def test_a_file_that_is_broken_for_a_while_keeps_its_old_debt_old(tmp_path):
    sentinel = Sentinel(root=tmp_path, config=Config())
    sentinel.check_file("a.py", FUNCTION)
    assert found(sentinel.check_file("a.py", FUNCTION + "def g(:\n")) == [("syntax-error", 3)]
    assert [finding.rule for finding in sentinel.findings] == ["syntax-error"]
    assert sentinel.check_file("a.py", FUNCTION + "x = 1\n").caused == ()


@pytest.mark.parametrize(
    ("comment", "silent"),
    [
        ("# noqa", True),
        ("# noqa: B006", True),
        ("# noqa: E501,B006", True),
        ("# noqa: E501", False),
        ("#noqa:B006,E501", True),
        ("# sentinel: ignore[mutable-default] shared on purpose", True),
        ("# sentinel: ignore[B006] shared on purpose", True),
        ("# sentinel: ignore[too-complex] shared on purpose", False),
    ],
)
def test_a_comment_silences_the_rule_it_names(tmp_path, comment, silent):
    code = f"def f(a=[]):  {comment}\n    return a\n"
    assert check(tmp_path, code).clean is silent
    # In a class that is split into chunks, too.
    method = CLASS + f"\n    def last(self, a=[]):  {comment}\n        return a\n"
    rules = [item.symbol for item in check(tmp_path, method).findings]
    assert ("Big.last" in rules) is not silent


@pytest.mark.parametrize(
    ("code", "comment"),
    [
        ("os.system(x)", "# noqa: S605"),
        ("run(x, shell=True)", "# noqa: S604"),
        ("f(password='hunter2go')", "# noqa: S106"),
        ("def f(password='hunter2go'): return password", "# noqa: S107"),
        ("password = 'hunter2go'", "# noqa: S105"),
    ],
)
def test_every_standard_code_that_a_rule_covers_silences_it(tmp_path, code, comment):
    assert not check(tmp_path, f"{code}\n").clean
    assert check(tmp_path, f"{code}  {comment}\n").clean


@pytest.mark.parametrize(
    ("comment", "silent"),
    [
        ("# ruff: noqa", True),
        ("# flake8: noqa", True),
        ("# ruff: noqa: B006", True),
        ("# ruff: noqa: E501, B006", True),
        ("# ruff: noqa: E501", False),
        ("x = '# ruff: noqa'", False),
    ],
)
def test_a_comment_for_the_whole_file_silences_what_it_names(tmp_path, comment, silent):
    assert check(tmp_path, f"{comment}\n\n\n{FUNCTION}").clean is silent


@pytest.mark.parametrize("separator", ["\x1c", "\x0b", "\u2028", "\x85"])
def test_lines_are_counted_as_python_counts_them(tmp_path, separator):
    code = f"X = '{separator}'\n\n\n{FUNCTION}\n\n{FUNCTION.replace('f(', 'g(')}"
    found_ = [(item.rule, item.line, item.symbol) for item in check(tmp_path, code).findings]
    assert found_ == [("mutable-default", 4, "f"), ("mutable-default", 8, "g")]
    silenced = code.replace("g(a, b=[]):", "g(a, b=[]):  # noqa")
    assert [item.symbol for item in check(tmp_path, silenced).findings] == ["f"]


def test_our_comment_without_a_reason_silences_nothing(tmp_path):
    result = check(tmp_path, "def f(a=[]):  # sentinel: ignore[mutable-default]\n    return a\n")
    assert sorted(finding.rule for finding in result.findings) == ["ignore-without-reason", "mutable-default"]


def test_a_comment_on_any_line_of_the_signature_silences_the_function(tmp_path):
    code = "def f(\n    a, b, c,\n    d, e, g,  # noqa: PLR0913\n):\n    return a, b, c, d, e, g\n"
    assert check(tmp_path, code).clean


def test_a_string_that_looks_like_a_comment_silences_nothing(tmp_path):
    assert not check(tmp_path, "def f(a=[], b='# noqa'):\n    return a, b\n").clean


def test_what_a_person_wrote_before_the_agent_is_not_held_against_the_agent(tmp_path):
    file = tmp_path / "a.py"
    file.write_text("X = 1\n")
    sentinel = Sentinel(root=tmp_path, config=Config())
    sentinel.index()
    file.write_text("X = 1\n\n\n" + FUNCTION)  # by hand
    sentinel.remember(file)
    file.write_text("X = 2\n\n\n" + FUNCTION)  # by the agent
    assert sentinel.check_file(file).caused == ()


def test_a_scan_of_a_folder_leaves_the_rest_of_the_project_to_be_indexed(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    (tmp_path / "a" / "x.py").write_text("X = 1\n")
    (tmp_path / "b" / "y.py").write_text(DUPLICATED)
    sentinel = Sentinel(root=tmp_path, config=Config())
    assert sentinel.scan(tmp_path / "a") == []
    assert [item.rule for item in sentinel.check_file("a/x.py", DUPLICATED).findings] == ["duplicate-function"]
