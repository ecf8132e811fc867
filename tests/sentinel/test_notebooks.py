"""Notebooks are read as IPython reads them: magics, other languages, places by cell."""

import ast
import json

import pytest

from sentinel import Config, Sentinel
from sentinel.magics import without_magics

WRONG = "def f(a=[]):\n    return a\n"
LOAD = """def load(path, limit):
    with open(path) as file:
        text = file.read()
    rows = text.split(",")
    return sorted(rows)[:limit]
"""


def notebook(*cells, **metadata):
    listed = [{"cell_type": "code", "source": source.splitlines(True)} for source in cells]
    return json.dumps({"cells": listed, "metadata": metadata, "nbformat": 4})


def check(tmp_path, *cells, **metadata):
    found = Sentinel(root=tmp_path, config=Config()).check_file("a.ipynb", notebook(*cells, **metadata)).findings
    return [(item.rule, item.place) for item in found]


@pytest.mark.parametrize(
    "cell",
    [
        "%matplotlib inline\n",
        "%%vcr my_run\nx = 1\n",
        "\n\n%%time\nx = 1\n",
        "!pip install a \\\n   b \\\n   c\nx = 1\n",
        "files = !ls {x} \\\n  -l\nprint(files)\n",
        "rows = %sql select 1\nprint(rows)\n",
        "for i in a:\n    %time f(i)\n    !ls\n",
        "a[0]?\n?print\nprint??\n",
        ",f a b\n;f a\n/f 1\n",
        "x = (1\n  % 2)\n",
        "x = 1 \\\n  % 2\n",
        "x = '''\n%d items\n!bang\nwhy?\n'''\nprint(x)\n%time x\n",
        'x = """a " b\n%s\n"""\n%time x\n',
        "x = [  # ( a bracket in a comment\n    '[',\n]\n%time x\n",
        "await f()\nasync with a:\n    pass\n",
        "x = 1  # why?\n",
        "x %= 3\n",
        "x = (1\n  % 2)\n%time x\n",
        "x = 1 \\\n  % 2\n%time x\n",
        "x = '''\n% it is'''\n%time x\n",
        "%%unknown thing\nselect * from a;\n",
        "%%writefile a.py\ndef f(a=[]): return a\n",
        "%%bash\nif [ -f x ]; then echo; fi\n",
    ],
)
def test_a_cell_of_ipython_is_no_error(tmp_path, cell):
    assert check(tmp_path, cell) == []
    python = without_magics(cell)
    ast.parse(python)
    assert python.count("\n") == cell.count("\n")


@pytest.mark.parametrize(
    ("cells", "line"),
    [
        (("%%vcr my_run\n" + WRONG,), 2),
        (("%%time\n" + WRONG,), 2),
        (("%%some_extension of mine\n" + WRONG,), 2),
        (("!ls \\\n  -l\n%time\n" + WRONG,), 4),
        (("'''\n%\n'''\n" + WRONG,), 4),
    ],
)
def test_python_beside_magics_is_checked_at_its_own_line(tmp_path, cells, line):
    assert check(tmp_path, *cells) == [("mutable-default", f"a.ipynb:cell 1:{line}")]


@pytest.mark.parametrize(
    "use",
    ["%time json.loads(x)", "%%timeit json.loads('1')\npass", "!echo {json.dumps(x)}", "y = %run -f json", "json?"],
)
def test_a_name_that_a_magic_uses_is_used(tmp_path, use):
    assert check(tmp_path, "import json\n", use) == []
    assert check(tmp_path, "import json\n", "!pip install json") == [("unused-import", "a.ipynb:cell 1:1")]


@pytest.mark.parametrize("about", [{"kernelspec": {"language": "R"}}, {"language_info": {"name": "julia"}}])
def test_a_notebook_in_another_language_is_left_alone(tmp_path, about):
    assert check(tmp_path, "x <- function(a) {\n", **about) == []


def test_a_copy_is_told_of_the_cell_where_the_original_stands(tmp_path):
    sentinel = Sentinel(root=tmp_path, config=Config())
    sentinel.check_file("a.ipynb", notebook("x = 1\ny = 2\n", "import os\nos.getcwd()\n\n" + LOAD))
    (same,) = sentinel.check_file("b.ipynb", notebook("import re\nre.escape('')\n" + LOAD)).findings
    assert (same.place, same.related.cell, same.related.line) == ("b.ipynb:cell 1:3", 2, 4)
    assert same.message == (
        "load() already exists in a.ipynb:cell 2:4 - reuse it: move it into a module and import it in both places"
    )
