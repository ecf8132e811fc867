"""The command: exit codes, formats, configuration, baseline, what is looked at."""

import json
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest

import sentinel
from sentinel import cli

WRONG = "def f(a, b=[]):\n    return a, b\n"
SCHEMA = json.loads((Path(__file__).parent / "sarif-schema-2.1.0.json").read_text())


@pytest.fixture
def run(in_tmp, capsys):
    """Run the command in the temporary folder: (exit code, stdout, stderr)."""

    def call(*argv):
        with pytest.raises(SystemExit) as exit_:
            cli.main([str(item) for item in argv])
        shown = capsys.readouterr()
        return exit_.value.code, shown.out, shown.err

    return call


def test_a_clean_folder_exits_0_and_one_with_findings_1(run, in_tmp):
    (in_tmp / "a.py").write_text("x = 1\n")
    assert run("scan", ".") == (0, "1 file: clean\n", "")
    (in_tmp / "a.py").write_text(WRONG)
    code, out, _ = run("scan")
    assert code == 1
    assert "mutable default" in out
    assert "[mutable-default B006]" in out
    assert out.endswith("1 file: 1 critical, 0 warnings\n")


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["scan", "missing"], "missing does not exist"),
        (["scan", "empty"], "holds nothing to scan"),
        (["scan", "data.csv"], "is no file that Sentinel reads"),
        (["scan", "--format", "xml"], "xml"),
        (["guess"], "guess"),
        (["baseline", "missing"], "missing does not exist"),
    ],
)
def test_a_wrong_request_exits_2_says_why_and_creates_nothing(run, in_tmp, argv, words):
    (in_tmp / "empty").mkdir()
    (in_tmp / "data.csv").write_text("a,b\n")
    code, out, err = run(*argv)
    assert (code, out) == (2, "")
    assert words in err
    assert sorted(path.name for path in in_tmp.iterdir()) == ["data.csv", "empty"]


def test_dots_above_the_folder_do_not_hide_it(run, in_tmp, monkeypatch):
    deep = in_tmp / ".hidden" / "venv"
    deep.mkdir(parents=True)
    (deep / "a.py").write_text(WRONG)
    assert run("scan", ".hidden/venv")[0] == 1
    (in_tmp / "here").mkdir()
    monkeypatch.chdir(in_tmp / "here")
    assert run("scan", "../.hidden/venv")[0] == 1
    assert run("scan", "../.hidden/venv/a.py")[0] == 1


def test_gitignore_excludes_and_environments_are_left_out(run, in_tmp):
    (in_tmp / ".git").mkdir()
    (in_tmp / ".gitignore").write_text("build/\n*_gen.py\n!keep_gen.py\n")
    for name in (
        "build/a.py",
        "src/x_gen.py",
        "src/keep_gen.py",
        "src/out/b.py",
        "node_modules/c.py",
        "env/d.py",
    ):
        (in_tmp / name).parent.mkdir(exist_ok=True, parents=True)
        (in_tmp / name).write_text(WRONG)
    (in_tmp / "src" / ".gitignore").write_text("/out\n")
    (in_tmp / "env" / "pyvenv.cfg").write_text("")
    (in_tmp / "skip.py").write_text(WRONG)
    (in_tmp / "pyproject.toml").write_text('[tool.sentinel]\nexclude = ["skip.py"]\n')
    found = json.loads(run("scan", "--format", "json")[1])
    assert (found["files"], {item["path"] for item in found["findings"]}) == (1, {"src/keep_gen.py"})
    assert run("scan", "src")[1].startswith("src/keep_gen.py\n")


def test_the_configuration_is_read_and_overridden(run, in_tmp):
    (in_tmp / "a.py").write_text("def f(a, b, c):\n    return a, b, c\n")
    (in_tmp / "tests").mkdir()
    (in_tmp / "tests" / "b.py").write_text("def g(a, b, c):\n    return [a, b, c]\n")
    table = '[tool.sentinel]\nmax-parameters = 2\n[tool.sentinel.per-file-ignores]\n"tests/*" = ["PLR0913"]\n'
    (in_tmp / "pyproject.toml").write_text(table)
    found = json.loads(run("scan", "--format", "json")[1])["findings"]
    assert [(item["path"], item["rule"]) for item in found] == [("a.py", "too-many-parameters")]
    assert run("scan", "--max-parameters", "3")[0] == 0
    (in_tmp / "pyproject.toml").write_text('[tool.sentinel]\nmax-parameters = 2\nignore = ["too-many-parameters"]\n')
    assert run("scan")[0] == 0


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ("max-complexty = 3", "did you mean 'max-complexity'?"),
        ("max-complexity = 'x'", "expected int"),
        ("max-complexity = true", "expected int"),
        ("max-complexity = -1", "expected 0 or more"),
        ("ignore = ['to-complex']", "did you mean 'too-complex'?"),
        ("ignore = 'C901'", "expected a list of strings"),
        ("a = [", "is not valid TOML"),
    ],
)
def test_a_wrong_entry_is_named_with_the_nearest_right_one(run, in_tmp, entry, words):
    (in_tmp / "a.py").write_text("x = 1\n")
    (in_tmp / "pyproject.toml").write_text(f"[tool.sentinel]\n{entry}\n")
    code, _, err = run("scan")
    assert code == 2
    assert words in err


def test_a_baseline_survives_moved_lines_and_files_and_lets_new_ones_through(run, in_tmp):
    (in_tmp / "a.py").write_text(WRONG + "\n\nimport os\n")
    assert run("baseline") == (0, f"2 findings are known now: {in_tmp / '.sentinel-baseline.json'}\n", "")
    assert run("scan")[0] == 0
    (in_tmp / "a.py").unlink()
    moved = "# moved\n\n\nimport os\n\n\n" + WRONG
    (in_tmp / "b.py").write_text(moved)
    assert run("scan")[0] == 0
    assert run("scan", "--no-baseline")[0] == 1
    (in_tmp / "b.py").write_text(moved + "\n\ndef g(a=[]):\n    return a\n")
    found = json.loads(run("scan", "--format", "json")[1])["findings"]
    assert [item["symbol"] for item in found] == ["g"]
    (in_tmp / ".sentinel-baseline.json").write_text("{}")
    code, _, err = run("scan")
    assert (code, "is no baseline" in err) == (2, True)


@pytest.fixture
def some_findings(in_tmp):
    (in_tmp / "auth.py").write_text(
        "def load(path):\n    with open(path) as file:\n        text = file.read()\n"
        "    rows = text.split(',')\n    return sorted(rows)\n"
    )
    text = (in_tmp / "auth.py").read_text()
    (in_tmp / "b é,1.py").write_text(text + "\n\n" + WRONG.replace("def f", "def f(x, y, z, u)  # 100%\ndef f"))
    (in_tmp / "b é,1.py").write_text(text + "\n\n" + WRONG)
    return in_tmp


def test_sarif_is_valid_against_its_schema(run, some_findings):
    log = json.loads(run("scan", "--format", "sarif")[1])
    jsonschema.Draft7Validator(SCHEMA).validate(log)
    results = log["runs"][0]["results"]
    assert [item["ruleId"] for item in results] == ["duplicate-function", "mutable-default"]
    place = results[0]["relatedLocations"][0]["physicalLocation"]
    assert (place["artifactLocation"]["uri"], place["region"]["startLine"]) == ("auth.py", 1)
    assert results[0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "b%20%C3%A9%2C1.py"


def test_an_empty_sarif_log_is_valid_too(run, in_tmp):
    (in_tmp / "a.py").write_text("x = 1\n")
    code, out, _ = run("scan", "--format", "sarif")
    jsonschema.Draft7Validator(SCHEMA).validate(json.loads(out))
    assert code == 0


def test_github_annotations_escape_what_would_end_them(run, some_findings):
    lines = run("scan", "--format", "github")[1].splitlines()
    assert lines[0].startswith("::error file=b é%2C1.py,line=1,endLine=5,title=duplicate-function::load() already")
    assert len(lines) == 2


def test_the_report_goes_to_a_file(run, some_findings):
    code, out, _ = run("scan", "--format", "json", "--output", "out.json")
    assert (code, out) == (1, "")
    assert len(json.loads((some_findings / "out.json").read_text())["findings"]) == 2


def test_every_rule_is_listed_and_the_console_script_runs(run):
    assert "too-complex            C901     critical" in run("rules")[1]
    script = Path(sys.executable).parent / "sentinel"
    shown = subprocess.run([script, "rules"], capture_output=True, text=True, check=True)
    assert "F401" in shown.stdout


def test_sentinel_keeps_its_own_rules():
    package = Path(sentinel.__file__).parent
    found = sentinel.Sentinel(root=package.parent).scan(package, alone=True)
    assert [item.place for item in found] == []
