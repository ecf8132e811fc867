"""Workspaces, and a look at a tree that shares no code with the package."""

import hashlib
import os
import stat
import subprocess
import weakref

import pytest

from agent_vcr_nb import ACIDWorkspace


def snapshot(root, *, repositories=False):
    """Path -> kind, mode, content of all that lies below `root`; `.git` only on request."""
    found = {}
    for top, dirs, files in os.walk(root):
        for name in [*dirs, *files]:
            path = os.path.join(top, name)
            rel = os.path.relpath(path, root)
            if not repositories and ".git" in rel.split("/"):
                continue
            info = os.lstat(path)
            if stat.S_ISLNK(info.st_mode):
                found[rel] = ("link", os.readlink(path))
            elif stat.S_ISDIR(info.st_mode):
                found[rel] = ("dir", oct(info.st_mode & 0o7777))
            else:
                with open(path, "rb") as file:
                    found[rel] = ("file", oct(info.st_mode & 0o7777), hashlib.sha256(file.read()).hexdigest())
    return found


def put(root, path, content="x", mode=None):
    """Write a file with its directories."""
    place = os.path.join(root, path)
    os.makedirs(os.path.dirname(place), exist_ok=True)
    with open(place, "wb") as file:
        file.write(content if isinstance(content, bytes) else content.encode())
    os.chmod(place, 0o644 if mode is None else mode)


def git(cwd, *args):
    """Run the user's git in the user's repository."""
    who = ["-c", "user.name=u", "-c", "user.email=u@x", "-c", "init.defaultBranch=main"]
    done = subprocess.run(["git", *who, *args], cwd=cwd, capture_output=True, text=True)
    return done.stdout


@pytest.fixture(autouse=True)
def own_home(tmp_path_factory, monkeypatch):
    """Stores of a test lie in a folder of its own."""
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("AGENT_VCR_HOME", str(home))
    monkeypatch.setattr("agent_vcr_nb.workspace.acid._active", weakref.WeakKeyDictionary())
    return home


@pytest.fixture
def workspace(tmp_path):
    """A project directory with files, a link, an executable and an empty directory."""
    root = tmp_path / "project"
    put(root, "a.txt", "one\n")
    put(root, "src/m.py", "print(1)\n")
    put(root, "bin/run.sh", "#!/bin/sh\n", 0o755)
    put(root, ".gitignore", ".env\nout/\n*.log\n")
    put(root, "img.bin", bytes(range(256)))
    os.symlink("a.txt", root / "ln")
    return root


@pytest.fixture
def acid(workspace):
    """A transaction that has begun."""
    acid = ACIDWorkspace(workspace)
    acid.begin("test")
    yield acid
    acid.close()
