"""Which files are read: ignored ones, special ones, and those of which the project is made."""

import json
import os
import subprocess
import tempfile
from pathlib import Path

import pytest

from sentinel import Config, Sentinel, cli
from sentinel.discover import files, is_test
from sentinel.project import Project

WRONG = "def f(a=[]):\n    return a\n"
LOAD = """def load(path, limit):
    with open(path) as file:
        text = file.read()
    rows = text.split(",")
    return sorted(rows)[:limit]
"""


@pytest.fixture
def tree(tmp_path):
    """Write files below the temporary folder and return it."""

    def write(**texts):
        for name, text in texts.items():
            file = tmp_path / name.replace("__", "/").replace("_dot_", ".")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        return tmp_path

    return write


def names(root, **options):
    return [str(file.relative_to(root)) for file in files(root, **options)]


def test_the_walk_sees_what_git_sees(tmp_path):
    rules = {
        ".gitignore": "*_gen.py\nbuild/\n/top.py\n!important_gen.py\n",
        "src/.gitignore": "!keep_gen.py\n/local.py\nsub/*\n!sub/kept.py\n",
        "src/deep/.gitignore": "*\n!.gitignore\n!here.py\n",
    }
    sources = ["top.py", "a.py", "a_gen.py", "important_gen.py", "build/b.py", "src/top.py", "src/keep_gen.py"]
    sources += ["src/x_gen.py", "src/local.py", "src/sub/kept.py", "src/sub/lost.py", "src/deep/here.py"]
    sources += ["src/deep/lost.py", "src/build/keep_gen.py"]
    for name, text in {**rules, **dict.fromkeys(sources, "x = 1\n")}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    git = ["git", "-C", str(tmp_path)]
    subprocess.run([*git, "init", "-q"], check=True)
    listed = subprocess.run(
        [*git, "ls-files", "-o", "--exclude-standard", "*.py"], capture_output=True, text=True, check=True
    )
    assert sorted(names(tmp_path)) == sorted(listed.stdout.split())
    assert "src/keep_gen.py" in names(tmp_path)


def test_what_is_excluded_counts_from_the_projects_root(tree):
    root = tree(src__gen__a_dot_py="x = 1\n", src__b_dot_py="x = 1\n", other__gen__c_dot_py="x = 1\n")
    assert names(root, exclude=("src/gen",)) == ["other/gen/c.py", "src/b.py"]
    below = files(root / "src", ("src/gen",), root)
    assert [file.name for file in below] == ["b.py"]
    asked_for = files(root / "src" / "gen", ("src/gen",), root)
    assert [file.name for file in asked_for] == ["a.py"]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("tests/a.py", True),
        ("pkg/tests/deep/a.py", True),
        ("test_a.py", True),
        ("a_test.go", True),
        ("conftest.py", True),
        ("web/a.test.ts", True),
        ("web/a.spec.tsx", True),
        ("src/test/java/A.java", True),
        ("latest.py", False),
        ("contests/a.py", False),
        ("django/test/client.py", False),
    ],
)
def test_a_test_is_told_by_its_name_or_folder(path, expected):
    assert is_test(path) is expected


def scan(root, **limits):
    return [(item.rule, item.path) for item in Sentinel(root=root, config=Config(**limits)).scan()]


def test_a_pipe_is_named_and_ends_no_scan(tmp_path):
    os.mkfifo(tmp_path / "a.py")
    (tmp_path / "b.py").write_text(WRONG)
    assert scan(tmp_path) == [("not-analysed", "a.py"), ("mutable-default", "b.py")]


def test_a_file_that_is_gone_when_it_is_its_turn_is_left_out(tmp_path):
    (tmp_path / "a.py").write_text(WRONG)
    project = Project(tmp_path, Config())
    project.build([tmp_path / "a.py", tmp_path / "gone.py"])
    assert [item.rule for path in project.findings for item in project.findings[path]] == ["mutable-default"]
    assert project.sweep([tmp_path / "a.py", tmp_path / "gone.py"]) == []


@pytest.fixture
def as_nobody():
    """A folder of someone who may not read everything: root may, so root becomes another user for a while."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        (Path(folder) / "closed").mkdir()
        (Path(folder) / "closed" / "c.py").write_text(WRONG)
        (Path(folder) / "b.py").write_text(WRONG)
        (Path(folder) / "a.py").write_text(WRONG)
        (Path(folder) / "a.py").chmod(0)
        (Path(folder) / "closed").chmod(0)
        before = os.geteuid()
        os.seteuid(before or 65534)
        yield Path(folder)
        os.seteuid(before)
        (Path(folder) / "closed").chmod(0o700)


def test_what_may_not_be_read_is_named(as_nobody):
    found = Sentinel(root=as_nobody, config=Config()).scan()
    assert [(item.rule, item.path) for item in found] == [
        ("not-analysed", "a.py"),
        ("mutable-default", "b.py"),
        ("not-analysed", "closed"),
    ]
    assert {item.message for item in found if item.rule == "not-analysed"} == {"it cannot be read: Permission denied"}


def test_a_file_too_large_to_be_code_is_named_and_a_notebook_full_of_pictures_is_read(tmp_path):
    (tmp_path / "a.py").write_text("x = [" + "1," * 5_000_000 + "]\n")
    picture = {"output_type": "display_data", "data": {"image/png": "A" * 5_000_000}}
    cell = {"cell_type": "code", "source": [WRONG], "outputs": [picture]}
    (tmp_path / "b.ipynb").write_text(json.dumps({"cells": [cell], "metadata": {}}))
    assert scan(tmp_path) == [("not-analysed", "a.py"), ("mutable-default", "b.ipynb")]


def test_a_minified_script_is_no_source_and_a_long_one_is(tmp_path):
    statements = [f"function f{i}(a, b) {{ if (a && b) {{ return a + b * {i} }} return b }}" for i in range(400)]
    (tmp_path / "app.js").write_text(";".join(statements))
    assert scan(tmp_path, max_complexity=2) == []
    (tmp_path / "app.js").write_text("\n".join(statements))
    assert len([rule for rule, _ in scan(tmp_path, max_complexity=2) if rule == "too-complex"]) == 400


@pytest.fixture
def run(in_tmp, capsys):
    """Run the command in the temporary folder: (exit code, stdout)."""

    def call(*argv):
        with pytest.raises(SystemExit) as exit_:
            cli.main([str(item) for item in argv])
        return exit_.value.code, capsys.readouterr().out

    return call


@pytest.mark.parametrize("form", ["text", "json", "sarif", "github"])
def test_a_name_that_is_no_text_is_reported_in_every_form(run, in_tmp, form):
    Path(os.fsdecode(b"a\xff.py")).write_text(WRONG)
    code, out = run("scan", "--format", form, "--output", "out.txt")
    assert (code, out) == (1, "")
    assert b"mutable" in Path("out.txt").read_bytes()


def test_an_index_with_a_name_that_is_no_text_is_stored_and_loaded(in_tmp, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(in_tmp / "cache"))
    name = os.fsdecode(b"a\xff\xc3\xa9.py")
    (in_tmp / name).write_text(LOAD)
    first = Sentinel(root=in_tmp, config=Config(exclude=("cache",)))
    first.index()
    first.store_index()
    second = Sentinel(root=in_tmp, config=Config(exclude=("cache",)))
    assert second.load_index()
    assert list(second.project.index.files) == [name]


def test_a_part_of_a_project_is_compared_with_the_rest_unless_told_not_to(run, in_tmp):
    for name in ("a/x.py", "b/y.py", "ignored/z.py"):
        (in_tmp / name).parent.mkdir()
        (in_tmp / name).write_text(LOAD)
    assert run("scan", "b") == (0, "1 file: clean\n")
    (in_tmp / "pyproject.toml").write_text("")
    (in_tmp / ".gitignore").write_text("ignored/\n")
    for target in ("b", "b/y.py"):
        code, out = run("scan", target)
        assert (code, out.splitlines()[0], "a/x.py:1" in out) == (1, "b/y.py", True)
    assert run("scan", "b", "--alone") == (0, "1 file: clean\n")
    assert run("scan", "ignored") == (0, "1 file: clean\n")


def test_rules_are_off_for_paths_as_a_gitignore_names_them(tree):
    root = tree(pkg____init___dot_py="x = 1\n")
    for name in ("pkg/__init__.py", "pkg/y/z.py", "deep/conf.py", "a.py"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(WRONG)
    off = (("__init__.py", ("B006",)), ("pkg/y/*", ("B006",)), ("**/conf.py", ("B006",)))
    assert scan(root, per_file_ignores=off) == [("mutable-default", "a.py")]
