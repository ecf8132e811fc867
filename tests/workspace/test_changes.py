"""What changed between two savepoints, beside what the test itself did and what git prints of two trees."""

import json
import os
import subprocess
import sys

import pytest

from agent_vcr_nb.core.errors import WorkspaceError
from agent_vcr_nb.verbs import files
from agent_vcr_nb.verbs.definition import Place
from agent_vcr_nb.workspace.errors import StoreError
from tests.workspace.conftest import put


@pytest.fixture
def changed(acid, workspace):
    """Savepoint 2 after one change of every kind; savepoint 3 after one more line."""
    put(workspace, "a.txt", "two\n")
    put(workspace, "img.bin", b"\0" * 9)
    put(workspace, "new\nline", "odd\n")
    put(workspace, os.fsdecode(b"\xff"), "odd\n")
    (workspace / "bin/run.sh").chmod(0o700)
    (workspace / "src/m.py").unlink()
    (workspace / ".gitignore").rename(workspace / "ignored")
    (workspace / "ln").unlink()
    put(workspace, "ln", "no link\n")
    acid.savepoint()
    put(workspace, "a.txt", "two\nthree\n")
    acid.savepoint()
    return acid


def test_every_kind_of_change_is_told(changed):
    found = {change.path: change for change in changed.changes(1, 2).files}
    assert {path: (change.kind, change.modes) for path, change in found.items()} == {
        "a.txt": ("changed", (0o644, 0o644)),
        "img.bin": ("changed", (0o644, 0o644)),
        "new\nline": ("added", (None, 0o644)),
        "\udcff": ("added", (None, 0o644)),
        "bin/run.sh": ("mode", (0o755, 0o700)),
        "src/m.py": ("deleted", (0o644, None)),
        "ignored": ("renamed", (0o644, 0o644)),
        "ln": ("changed", (0o777, 0o644)),
    }
    assert found["ignored"].before == ".gitignore"
    assert found["img.bin"].patch is None
    assert found["a.txt"].patch == "@@ -1 +1 @@\n-one\n+two\n"
    assert found["ln"].patch == "@@ -1 +0,0 @@\n-a.txt\n\\ No newline at end of file\n@@ -0,0 +1 @@\n+no link\n"


def test_one_number_means_since_the_savepoint_before(changed):
    (change,) = changed.changes(3).files
    assert (change.path, change.patch) == ("a.txt", "@@ -1 +1,2 @@\n two\n+three\n")
    assert changed.changes(3) == changed.changes(2, 3)
    assert changed.changes(1).files == changed.changes(2, 2).files == ()


def test_the_way_back_is_the_other_way_round(changed):
    (there,), (back,) = changed.changes(2, 3).files, changed.changes(3, 2).files
    assert (there.patch, back.patch) == ("@@ -1 +1,2 @@\n two\n+three\n", "@@ -1,2 +1 @@\n two\n-three\n")


@pytest.mark.parametrize("number", [0, 4])
def test_a_number_without_a_savepoint_is_told_with_those_there_are(changed, number):
    with pytest.raises(WorkspaceError, match=f"no savepoint {number} .*there are 1, 2, 3"):
        changed.changes(number)


def test_the_patches_are_those_that_git_prints(changed):
    line = changed._line
    argv = ["git", "--git-dir", line.store.path / "repo.git", "diff", "-M", line.find(1).tree, line.find(2).tree]
    printed = subprocess.run(argv, capture_output=True, check=True).stdout.decode()
    patches = [change.patch for change in changed.changes(1, 2).files if change.patch and change.path != "ln"]
    assert len(patches) == 4
    assert [patch for patch in patches if patch not in printed] == []


def test_settings_of_the_user_and_a_hook_have_no_say(changed, monkeypatch, tmp_path):
    expected = changed.changes(1, 2).to_dict()
    config = tmp_path / "config"
    config.write_text("[diff]\n\tnoprefix = true\n\texternal = false\n\trenames = false\n\tcontext = 0\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config))
    monkeypatch.setenv("GIT_CONFIG_PARAMETERS", "'diff.mnemonicPrefix=true'")
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "elsewhere"))
    monkeypatch.setenv("GIT_EXTERNAL_DIFF", "false")
    monkeypatch.setenv("GIT_DIFF_OPTS", "-u0")
    assert changed.changes(1, 2).to_dict() == expected


def test_objects_of_another_repository_are_refused_by_name(changed, monkeypatch):
    monkeypatch.setenv("GIT_OBJECT_DIRECTORY", "elsewhere")
    with pytest.raises(StoreError, match="unset it"):
        changed.changes(1, 2)


def test_the_verb_shows_paths_and_patches_and_nothing_that_steers_a_terminal(acid, workspace, tmp_path):
    put(workspace, "a.txt", "two\x1b[2J\n")
    acid.savepoint()
    acid.close()
    argv = [sys.executable, "-m", "agent_vcr_nb.cli", "changes", "2", "--workspace", str(workspace)]
    shown = subprocess.run(argv, capture_output=True, text=True, check=True, cwd=tmp_path).stdout
    assert shown.splitlines() == [
        str(workspace),
        "from savepoint 1 to 2",
        "changed                a.txt",
        "@@ -1 +1 @@",
        "-one",
        "+two2J",
    ]
    told = files.changes(Place(tmp_path), 1, 2, workspace=str(workspace))
    assert json.loads(json.dumps(told.to_dict()))["files"][0]["patch"] == "@@ -1 +1 @@\n-one\n+two\x1b[2J\n"
