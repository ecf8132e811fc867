"""Whatever an agent does to a tree, a rollback restores it exactly; what is the user's stays byte for byte."""

import os
import shutil

import pytest

from agent_vcr_nb import ACIDWorkspace
from tests.workspace.conftest import git, put, snapshot


def remove(root, path):
    place = root / path
    shutil.rmtree(place) if place.is_dir() and not place.is_symlink() else place.unlink()


def content(root):
    put(root, "a.txt", "TWO")
    remove(root, "src/m.py")
    put(root, "new/x.py")
    put(root, "n.txt")


def executable_bits(root):
    os.chmod(root / "bin/run.sh", 0o644)
    os.chmod(root / "a.txt", 0o755)


def secret_mode(root):
    put(root, "key.pem", "zzz")
    os.chmod(root / "key.pem", 0o644)


def link_becomes_file(root):
    remove(root, "ln")
    put(root, "ln", "now a file")
    os.symlink("/etc/passwd", root / "evil")


def file_and_directory_swap(root):
    remove(root, "a.txt")
    put(root, "a.txt/inner")
    remove(root, "src")
    put(root, "src", "file")


def directory_becomes_link_out(root):
    remove(root, "src")
    os.symlink(root.parent / "outside", root / "src")


def ignored_deleted(root):
    remove(root, ".env")
    put(root, "agent.log")
    put(root, "out/big.o")


def empty_directories(root):
    remove(root, "e1")
    os.makedirs(root / "agentdir/q")


def odd_names(root):
    put(root, "é ü/日本.txt", "u")
    put(root, 'nl\nx"q\\.txt', "n")
    put(root, "-rf", "d")
    put(root, ":(top)x", "p")


def odd_names_change(root):
    put(root, "é ü/日本.txt", "m")
    remove(root, 'nl\nx"q\\.txt')
    put(root, "b\nb")
    put(root, "-rf", "e")
    remove(root, ":(top)x")


def line_ends(root):
    put(root, ".gitattributes", "* text=auto eol=lf\n*.id ident\n")
    put(root, "crlf.txt", b"a\r\nb\r\n")
    put(root, "v.id", "$Id: keep$\n")


def filters(root):
    git(root, "config", "filter.lfs.clean", "echo ptr; cat >/dev/null")
    git(root, "config", "filter.lfs.smudge", "cat")
    put(root, ".gitattributes", "*.bin2 filter=lfs\n")
    put(root, "m.bin2", "REALDATA")


def ignore_rules(root):
    put(root, ".gitignore", "data/\n")
    put(root, "data/new.csv")


def same_size_and_mtime(root):
    was = os.stat(root / "a.txt")
    put(root, "a.txt", "ONE\n")
    os.utime(root / "a.txt", ns=(was.st_atime_ns, was.st_mtime_ns))


def clone(root, name):
    put(root, f"{name}/s.py", "nested")
    git(root / name, "init", "-q")
    git(root / name, "add", "-A")
    git(root / name, "commit", "-qm", "i")


def read_only_directory(root):
    put(root, "locked/inner.txt", "in", 0o444)
    os.chmod(root / "locked", 0o555)


def in_read_only_directory(root):
    os.chmod(root / "locked", 0o755)
    put(root, "locked/new.txt")
    remove(root, "locked/inner.txt")
    os.chmod(root / "locked", 0o500)


def commits(root):
    put(root, "a.txt", "Z")
    git(root, "checkout", "-q", "-b", "agent")
    git(root, "commit", "-qam", "agent")


def one(path, text, mode=None):
    return lambda root: put(root, path, text, mode)


CASES = {
    "content, deletion, new file": (None, content),
    "exec bits": (None, executable_bits),
    "mode 0600": (one("key.pem", "k", 0o600), secret_mode),
    "setgid and odd modes": (one("odd", "o", 0o2640), one("odd", "p", 0o606)),
    "read-only directory 0555": (read_only_directory, in_read_only_directory),
    "link becomes a file": (None, link_becomes_file),
    "file and directory swap": (None, file_and_directory_swap),
    "directory becomes a link out": (None, directory_becomes_link_out),
    "ignored .env changed": (one(".env", "SECRET=1"), one(".env", "SECRET=pwned")),
    "ignored .env deleted": (one(".env", "SECRET=1"), ignored_deleted),
    "untracked file": (one("notes.md", "user"), one("notes.md", "agent")),
    "empty directories": (lambda root: os.makedirs(root / "e1/e2"), empty_directories),
    "newline, quote, unicode, dash": (odd_names, odd_names_change),
    "name that is no UTF-8": (one(os.fsdecode(b"f\xff.txt"), "u"), one(os.fsdecode(b"f\xff.txt"), "m")),
    "CRLF, eol and ident attributes": (line_ends, lambda root: (put(root, "crlf.txt", "z"), put(root, "v.id", "z"))),
    "LFS-like filter": (filters, one("m.bin2", "z")),
    "agent edits .gitignore": (one("data/keep.csv", "user data"), ignore_rules),
    "same size and mtime": (None, same_size_and_mtime),
    "nested repository": (lambda root: clone(root, "sub"), lambda root: put(root, "sub/s.py", "agent")),
    "agent clones a repository": (None, lambda root: clone(root, "cl")),
    "agent commits on a new branch": (None, commits),
    "agent runs git reset --hard": (one("a.txt", "dirty"), lambda root: git(root, "reset", "-q", "--hard")),
    "assume-unchanged file": (
        lambda root: git(root, "update-index", "--assume-unchanged", "a.txt"),
        one("a.txt", "agent"),
    ),
    "node_modules stays": (one("node_modules/p/i.js", "dep"), one("a.txt", "q")),
    "binary and empty files": (one("b", b"\0" * 9000), lambda root: (put(root, "b", b""), put(root, "img.bin", b""))),
    "everything removed": (
        None,
        lambda root: [remove(root, name.name) for name in root.iterdir() if name.name != ".git"],
    ),
}


@pytest.fixture
def repository(workspace):
    git(workspace, "init", "-q")
    git(workspace, "add", "-A")
    git(workspace, "commit", "-qm", "init")
    put(workspace.parent, "outside/m.py", "EXTERNAL")
    return workspace


@pytest.mark.parametrize("case", CASES)
def test_a_rollback_restores_the_tree_exactly(repository, case):
    prepare, mutate = CASES[case]
    if prepare is not None:
        prepare(repository)
    with ACIDWorkspace(repository) as acid:
        first = acid.savepoint()
        before = snapshot(repository)
        mutate(repository)
        agents = snapshot(repository)
        acid.rollback(savepoint=first.number)
        assert snapshot(repository) == before
        acid.undo()
        assert snapshot(repository) == agents
    assert (repository.parent / "outside/m.py").read_text() == "EXTERNAL"


def test_head_index_branches_stash_hooks_and_objects_of_the_user_stay_byte_for_byte(repository):
    put(repository, ".git/hooks/pre-commit", "#!/bin/sh\ntouch ../HOOKRAN\n", 0o755)
    put(repository, "a.txt", "to be stashed")
    git(repository, "stash")
    put(repository, "a.txt", "staged\n")
    git(repository, "add", "a.txt")
    put(repository, "a.txt", "staged and more\n")
    before = snapshot(repository / ".git", repositories=True)
    with ACIDWorkspace(repository) as acid:
        first = acid.savepoint()
        put(repository, "a.txt", "agent")
        acid.rollback(savepoint=first.number)
        acid.undo()
    assert snapshot(repository / ".git", repositories=True) == before
    assert not (repository.parent / "HOOKRAN").exists()


@pytest.mark.parametrize(
    "variables",
    [
        {"GIT_DIR": "/nowhere", "GIT_INDEX_FILE": "/nowhere/index", "GIT_WORK_TREE": "/"},
        {"GIT_OBJECT_DIRECTORY": "/nowhere", "GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "x", "LANG": "fr_FR.UTF-8"},
    ],
)
def test_git_variables_of_the_user_reach_nothing(workspace, monkeypatch, variables):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with ACIDWorkspace(workspace) as acid:
        before = snapshot(workspace)
        put(workspace, "a.txt", "agent")
        acid.rollback(savepoint=1)
        assert snapshot(workspace) == before


def test_a_signing_user_with_autocrlf_and_no_identity_is_served(repository):
    settings = {"commit.gpgsign": "true", "gpg.program": "/bin/false", "core.autocrlf": "input", "user.name": ""}
    for key, value in settings.items():
        git(repository, "config", key, value)
    put(repository, "win.txt", b"a\r\nb\r\n")
    with ACIDWorkspace(repository) as acid:
        before = snapshot(repository)
        put(repository, "win.txt", "agent")
        acid.rollback(savepoint=1)
        assert snapshot(repository) == before
