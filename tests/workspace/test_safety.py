"""What the workspace refuses, what it never touches, and how it meets a disk or a git that fails."""

import errno
import os
import shutil
import stat
import subprocess
import sys
import threading

import pytest

from agent_vcr_nb import ACIDWorkspace
from agent_vcr_nb.core.errors import UsageError, WorkspaceError
from agent_vcr_nb.workspace import restore, store
from agent_vcr_nb.workspace.errors import BusyWorkspaceError, ConflictError, StoreError, UnsafeWorkspaceError
from agent_vcr_nb.workspace.restore import STAGING, Restore
from tests.workspace.conftest import git, put, snapshot


def fsck(acid):
    argv = ["git", "--git-dir", acid.store / "repo.git", "fsck", "--full", "--strict"]
    return subprocess.run(argv, capture_output=True).returncode


# ------------------------------------------------------------------------------------------------ refusals


@pytest.mark.parametrize("path", ["/", "/etc", "/usr", "/tmp", "/home", "/var", "~", "~/.."])
def test_a_directory_of_the_system_or_of_the_whole_user_is_refused(path):
    with pytest.raises(UnsafeWorkspaceError, match="Choose the directory of one project"):
        ACIDWorkspace(path)


def test_a_file_a_missing_path_and_a_git_directory_are_refused(workspace):
    os.mkdir(workspace / ".git")
    for path in (workspace / "a.txt", workspace / "nowhere", workspace / ".git"):
        with pytest.raises(UnsafeWorkspaceError):
            ACIDWorkspace(path)


def test_a_store_inside_its_workspace_and_a_workspace_inside_its_store_are_refused(workspace):
    with pytest.raises(UnsafeWorkspaceError, match="lies inside the workspace"):
        ACIDWorkspace(workspace, store=workspace / ".vcr/store")
    with pytest.raises(UnsafeWorkspaceError, match="lies inside the store"):
        ACIDWorkspace(workspace, store=workspace.parent)


def test_uncommitted_work_is_allowed_and_an_abort_brings_it_back(workspace):
    git(workspace, "init", "-q")
    git(workspace, "add", "-A")
    git(workspace, "commit", "-qm", "initial")
    put(workspace, "a.txt", "uncommitted")
    before = snapshot(workspace)
    acid = ACIDWorkspace(workspace, dirty_worktree_policy="allow")
    acid.begin()
    put(workspace, "a.txt", "agent")
    acid.abort()
    assert snapshot(workspace) == before


@pytest.mark.parametrize(
    ("argument", "instead"),
    [
        ({"dirty_worktree_policy": "fail"}, "only 'allow' holds here.*ask git before begin"),
        ({"max_untracked_file_bytes": 10}, "say max_file_bytes"),
        ({"untracked_exclude_dirs": ["data"]}, "in leave_out"),
    ],
)
def test_an_argument_that_would_mean_something_else_is_refused_with_what_to_say(workspace, argument, instead):
    with pytest.raises(UsageError, match=instead):
        ACIDWorkspace(workspace, **argument)


def test_an_argument_that_nobody_knows_is_a_type_error(workspace):
    with pytest.raises(TypeError, match="unexpected keyword argument 'leave_ot'"):
        ACIDWorkspace(workspace, leave_ot=["data"])


def test_a_second_opener_is_refused_and_told_who_has_it(acid, workspace):
    with pytest.raises(BusyWorkspaceError, match=f"process {os.getpid()}"):
        ACIDWorkspace(workspace).begin()
    acid.commit()
    ACIDWorkspace(workspace).begin()


def test_a_workspace_over_the_limits_is_refused_unless_forced(workspace, monkeypatch):
    monkeypatch.setattr("agent_vcr_nb.workspace.places.MAX_FILES", 3)
    with pytest.raises(UnsafeWorkspaceError, match="it holds 6 files, the limit is 3"):
        ACIDWorkspace(workspace).begin()
    ACIDWorkspace(workspace, force=True).begin()


def test_a_workspace_that_does_not_fit_the_disk_twice_is_refused(workspace, monkeypatch):
    usage = shutil.disk_usage(workspace)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=100))
    with pytest.raises(UnsafeWorkspaceError, match="has 0 MB free"):
        ACIDWorkspace(workspace).begin()


def test_the_scope_of_a_store_never_grows(workspace):
    with ACIDWorkspace(workspace, max_file_bytes=1000):
        pass
    with pytest.raises(UnsafeWorkspaceError, match="going back would delete larger ones"):
        ACIDWorkspace(workspace, max_file_bytes=2000).begin()
    put(workspace, "big", b"x" * 2000)
    with ACIDWorkspace(workspace) as acid:
        assert acid.preview(savepoint=1).left_alone == {"big": "larger than 1,000 bytes"}


def test_calls_outside_a_transaction_say_what_to_call(workspace):
    acid = ACIDWorkspace(workspace)
    for call in (acid.savepoint, acid.commit, acid.abort, acid.undo, lambda: acid.rollback(0)):
        with pytest.raises(UsageError, match=r"call begin\(\) first"):
            call()


def test_the_store_is_closed_to_other_users(acid):
    assert stat.S_IMODE(os.stat(acid.store).st_mode) == 0o700


# ------------------------------------------------------------------------------------------------ left alone


def test_what_is_not_covered_is_named_and_survives_a_rollback(workspace):
    put(workspace, "node_modules/p/i.js", "dep")
    put(workspace, "big.bin", b"\0" * 2000)
    os.mkfifo(workspace / "pipe")
    acid = ACIDWorkspace(workspace, max_file_bytes=1000, leave_out=["data"])
    put(workspace, "data/d.csv", "mine")
    begun = acid.begin()
    assert begun.left_out == {
        "node_modules": "made again rather than restored",
        "big.bin": "larger than 1,000 bytes",
        "pipe": "no regular file (a socket, pipe or device)",
        "data": "excluded",
    }
    put(workspace, "node_modules/p/i.js", "newer")
    put(workspace, "data/d.csv", "newer")
    put(workspace, "made/big2.bin", b"\1" * 3000)
    put(workspace, "made/small", "goes")
    acid.rollback(savepoint=1)
    assert (workspace / "node_modules/p/i.js").read_text() == "newer"
    assert (workspace / "data/d.csv").read_text() == "newer"
    assert (workspace / "made/big2.bin").stat().st_size == 3000
    assert not (workspace / "made/small").exists()
    acid.close()


def test_an_uncovered_file_in_the_way_refuses_the_rollback_and_changes_nothing(workspace):
    acid = ACIDWorkspace(workspace, max_file_bytes=1000)
    acid.begin()
    put(workspace, "a.txt", b"\0" * 2000)
    put(workspace, "other", "o")
    before = snapshot(workspace)
    with pytest.raises(ConflictError, match=r"a\.txt \(larger than") as caught:
        acid.rollback(savepoint=1)
    assert caught.value.files == ("a.txt",)
    assert snapshot(workspace) == before
    assert [one.kind for one in acid.savepoints()] == ["begin"]
    acid.close()


def test_unchanged_files_are_not_rewritten(acid, workspace):
    before = {path: os.stat(workspace / path) for path in ("src/m.py", "img.bin", "bin/run.sh")}
    put(workspace, "a.txt", "agent")
    acid.rollback(savepoint=1)
    assert {path: os.stat(workspace / path) for path in before} == before


def test_a_link_out_of_the_workspace_is_never_followed(acid, workspace):
    outside = workspace.parent / "outside"
    put(outside, "m.py", "EXTERNAL")
    shutil.rmtree(workspace / "src")
    os.symlink(outside, workspace / "src")
    linked = acid.savepoint()
    for number in (1, linked.number, 1):
        acid.rollback(savepoint=number)
    assert snapshot(outside) == {"m.py": ("file", "0o644", snapshot(outside)["m.py"][2])}
    assert (outside / "m.py").read_text() == "EXTERNAL"
    assert (workspace / "src/m.py").read_text() == "print(1)\n"


def test_a_repository_that_the_agent_made_goes_and_comes_back_with_the_undo(acid, workspace):
    put(workspace, "clone/f", "x")
    git(workspace / "clone", "init", "-q")
    before = snapshot(workspace, repositories=True)
    acid.rollback(savepoint=1)
    assert not (workspace / "clone").exists()
    acid.undo()
    assert snapshot(workspace, repositories=True) == before


# ------------------------------------------------------------------------------------------------ somebody else writes


def test_a_user_edit_before_the_first_change_refuses_the_whole_rollback(acid, workspace, monkeypatch):
    put(workspace, "a.txt", "agent")
    put(workspace, "new", "agent")
    check = Restore._check

    def edit_first(self):
        put(workspace, "a.txt", "the user typed this meanwhile")
        check(self)

    monkeypatch.setattr(Restore, "_check", edit_first)
    with pytest.raises(ConflictError) as caught:
        acid.rollback(savepoint=1)
    assert caught.value.files == ("a.txt",)
    assert (workspace / "a.txt").read_text() == "the user typed this meanwhile"
    assert (workspace / "new").read_text() == "agent"
    assert not (workspace / STAGING).exists()


@pytest.mark.parametrize("how", ["write", "replace"])
def test_a_user_edit_at_the_very_moment_of_the_rename_is_kept(acid, workspace, monkeypatch, how):
    put(workspace, "a.txt", "agent")
    put(workspace, "new", "agent")
    exchange = restore.exchange

    def edit_first(source, source_fd, name, name_fd):
        if name == "a.txt" and "m" not in done:
            done.append("m")
            if how == "write":
                put(workspace, "a.txt", "the user typed this meanwhile")
            else:
                put(workspace.parent, "saved", "the user typed this meanwhile")
                os.replace(workspace.parent / "saved", workspace / "a.txt")
        return exchange(source, source_fd, name, name_fd)

    done = []
    monkeypatch.setattr(restore, "exchange", edit_first)
    with pytest.raises(ConflictError) as caught:
        acid.rollback(savepoint=1)
    assert caught.value.files == ("a.txt",)
    assert (workspace / "a.txt").read_text() == "the user typed this meanwhile"
    assert not (workspace / "new").exists()
    assert not (workspace / STAGING).exists()
    acid.rollback(savepoint=1)
    assert (workspace / "a.txt").read_text() == "one\n"
    acid.undo()
    assert (workspace / "a.txt").read_text() == "the user typed this meanwhile"


def test_an_edit_of_a_file_about_to_be_deleted_is_kept(acid, workspace, monkeypatch):
    put(workspace, "new", "agent")
    move = restore.move_to_free_name

    def edit_first(source, source_fd, name, name_fd):
        if source == "new" and not done:
            done.append(1)
            put(workspace, "new", "the user typed this meanwhile")
        move(source, source_fd, name, name_fd)

    done = []
    monkeypatch.setattr(restore, "move_to_free_name", edit_first)
    with pytest.raises(ConflictError):
        acid.rollback(savepoint=1)
    assert (workspace / "new").read_text() == "the user typed this meanwhile"


@pytest.mark.parametrize("leases", [True, False])
def test_a_file_that_is_written_while_it_is_stored_is_never_stored_torn_unnoticed(acid, workspace, leases):
    acid._line.scanner._leases = leases
    stop = threading.Event()
    place = workspace / "hot"
    put(workspace, "hot", b"a" * 400_000)

    def write():
        letter = 0
        while not stop.is_set():
            with open(place, "r+b") as file:
                file.write(bytes([97 + letter % 26]) * 400_000)
            letter += 1

    thread = threading.Thread(target=write)
    thread.start()
    try:
        for _ in range(8):
            made = acid.savepoint()
            blob = acid._line.manifest(made).files["hot"].blob
            (data,) = acid._store.git.blobs([blob])
            torn = len(set(data)) > 1
            assert not torn or "hot" in made.about["unstable"]
    finally:
        stop.set()
        thread.join()


# ------------------------------------------------------------------------------------------------ failing disk and git


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO, errno.EDQUOT, errno.EMFILE])
@pytest.mark.parametrize("call", ["write", "open", "mkdir"])
def test_a_disk_that_fails_while_files_are_staged_leaves_the_workspace_unharmed(
    acid, workspace, monkeypatch, code, call
):
    put(workspace, "a.txt", "agent")
    os.unlink(workspace / "img.bin")
    before = snapshot(workspace)
    with monkeypatch.context() as patch:
        stage = Restore.stage

        def failing(self):
            real = getattr(os, call)

            def fail(*args, **kwargs):
                if call == "open" and not args[1] & os.O_CREAT:
                    return real(*args, **kwargs)
                raise OSError(code, os.strerror(code))

            patch.setattr(os, call, fail)
            try:
                stage(self)
            finally:
                patch.setattr(os, call, real)

        patch.setattr(Restore, "stage", failing)
        with pytest.raises(WorkspaceError, match=f"{os.strerror(code)}.*Nothing was changed"):
            acid.rollback(savepoint=1)
    assert snapshot(workspace) == before
    acid.rollback(savepoint=1)
    assert (workspace / "a.txt").read_text() == "one\n"


@pytest.mark.parametrize("step", ["_place", "_delete", "_create_dir", "_remove_dir", "_set_mode"])
def test_a_disk_that_fails_half_way_is_finished_by_the_next_operation(acid, workspace, monkeypatch, step):
    before = snapshot(workspace)
    put(workspace, "a.txt", "agent")
    put(workspace, "n/new", "agent")
    shutil.rmtree(workspace / "src")
    os.chmod(workspace / "bin/run.sh", 0o600)
    with monkeypatch.context() as patch:
        patch.setattr(Restore, step, lambda *args: (_ for _ in ()).throw(OSError(errno.EIO, "Input/output error")))
        with pytest.raises(WorkspaceError, match="half-way"):
            acid.rollback(savepoint=1)
    acid.close()
    begun = acid.begin()
    assert begun.recovered.to.number == 1
    assert snapshot(workspace) == before


def test_a_missing_git_is_named_and_nothing_is_touched(workspace, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(StoreError, match="git was not found on PATH"):
        ACIDWorkspace(workspace).begin()


def test_an_old_git_is_named(workspace, tmp_path, monkeypatch):
    put(tmp_path, "bin/git", "#!/bin/sh\necho git version 2.30.1\n", 0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    with pytest.raises(StoreError, match=r"git 2\.30 is too old"):
        ACIDWorkspace(workspace).begin()


SHIM = """#!/bin/sh
n=$(($(cat "{count}" 2>/dev/null || echo 0) + 1)); echo $n > "{count}"
[ $n = {at} ] && {{ {what}; }}
exec {git} "$@"
"""


@pytest.mark.parametrize("what", ["kill -9 $$", "exit 128", "head -c 40 >/dev/null; kill -9 $$"])
@pytest.mark.parametrize("at", [1, 2])
def test_a_git_that_dies_costs_only_the_operation_under_way(acid, workspace, tmp_path, monkeypatch, what, at):
    before = snapshot(workspace)
    put(workspace, "a.txt", "agent")
    agents = snapshot(workspace)
    shim = SHIM.format(count=tmp_path / "count", at=at, what=what, git=shutil.which("git"))
    put(tmp_path, "bin/git", shim, 0o755)
    with monkeypatch.context() as patch:
        patch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
        with pytest.raises(StoreError):
            acid.rollback(savepoint=1)
    assert snapshot(workspace) == agents
    acid.savepoint()
    acid.rollback(savepoint=1)
    assert snapshot(workspace) == before
    assert fsck(acid) == 0


def test_locks_that_a_killed_git_left_are_cleared(acid, workspace):
    acid.close()
    for name in ("refs/heads/main/x.lock", "packed-refs.lock", "HEAD.lock", "config.lock", "objects/pack/tmp_pack_a"):
        put(acid.store / "repo.git", name, "")
    acid.begin()
    put(workspace, "a.txt", "agent")
    acid.rollback(savepoint=1)
    assert not list((acid.store / "repo.git").rglob("*.lock"))


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 3 MB; needs the right to mount."""
    place = tmp_path / "small"
    place.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "none", place], capture_output=True)
    if done.returncode:
        pytest.skip("no right to mount a small file system here")
    yield place
    subprocess.run(["umount", "-l", place], check=True)


def test_a_store_on_a_full_disk_refuses_the_savepoint_and_goes_on_when_there_is_room(workspace, small_disk):
    acid = ACIDWorkspace(workspace, store=small_disk / "store", force=True)
    acid.begin()
    put(workspace, "big", os.urandom(6 << 20))
    with pytest.raises(StoreError, match=r"Out of diskspace|No space left"):
        acid.savepoint()
    assert (workspace / "big").stat().st_size == 6 << 20
    os.unlink(workspace / "big")
    acid.close()
    acid.begin()
    put(workspace, "a.txt", "agent")
    acid.savepoint()
    acid.rollback(savepoint=1)
    assert (workspace / "a.txt").read_text() == "one\n"
    assert fsck(acid) == 0
    acid.close()


def test_a_full_workspace_disk_refuses_the_rollback_before_any_change(tmp_path, small_disk):
    root = small_disk / "project"
    put(root, "x1", os.urandom(1_500_000))
    acid = ACIDWorkspace(root, store=tmp_path / "store")
    acid.begin()
    os.unlink(root / "x1")
    put(root, "y", "agent")
    put(root, "node_modules/fill", os.urandom(2_500_000))
    before = snapshot(root)
    with pytest.raises(WorkspaceError, match=r"No space left.*Nothing was changed"):
        acid.rollback(savepoint=1)
    assert snapshot(root) == before
    shutil.rmtree(root / "node_modules")
    acid.rollback(savepoint=1)
    assert sorted(snapshot(root)) == ["x1"]
    acid.close()


NOBODY = """
import os, sys
from agent_vcr_nb import ACIDWorkspace
os.setgid(65534); os.setuid(65534)
root = sys.argv[1]
acid = ACIDWorkspace(root, store=sys.argv[2]); acid.begin()
os.chmod(root + "/locked", 0o755); os.unlink(root + "/locked/in"); open(root + "/locked/new", "w").close()
os.chmod(root + "/locked", 0o500)
acid.rollback(savepoint=1); print(oct(os.stat(root + "/locked").st_mode & 0o777), os.listdir(root + "/locked"))
"""


@pytest.mark.skipif(os.getuid() != 0, reason="becomes another user, which only root can")
def test_a_read_only_directory_is_restored_by_a_user_who_is_not_root(tmp_path_factory):
    place = tmp_path_factory.mktemp("nobody")
    for above in (place, *place.parents[:-2]):
        os.chmod(above, 0o755)
    put(place, "project/locked/in", "i", 0o444)
    os.chmod(place / "project/locked", 0o555)
    for top, dirs, files in os.walk(place):
        for name in [".", *dirs, *files]:
            os.chown(os.path.join(top, name), 65534, 65534)
    argv = [sys.executable, "-c", NOBODY, place / "project", place / "store"]
    done = subprocess.run(argv, capture_output=True, text=True, env={**os.environ, "HOME": str(place)})
    assert (done.stdout, done.stderr) == ("0o555 ['in']\n", "")


def test_a_store_that_lost_an_object_says_which_and_changes_nothing(acid, workspace):
    put(workspace, "a.txt", "agent")
    agents = snapshot(workspace)
    blob = acid._line.manifest(acid._line.find(1)).files["a.txt"].blob
    with pytest.raises(StoreError, match="has lost object"):
        list(acid._store.git.blobs([blob, "0" * 40]))
    assert snapshot(workspace) == agents
    assert store.quote('a"\n') == b'"a\\"\\012"'


def test_a_rollback_interrupted_by_ctrl_c_is_finished_by_the_next_call(acid, workspace, monkeypatch):
    before = snapshot(workspace)
    put(workspace, "a.txt", "agent")
    put(workspace, "new", "agent")
    with monkeypatch.context() as patch:
        patch.setattr(Restore, "_place", lambda *args: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            acid.rollback(savepoint=1)
    assert (workspace / "a.txt").read_text() == "agent"
    made = acid.savepoint()
    assert snapshot(workspace) == before
    assert made.number > 2


def test_a_file_of_the_user_under_the_reserved_name_is_not_touched(acid, workspace):
    put(workspace, f"{STAGING}/mine.txt", "mine")
    put(workspace, "a.txt", "agent")
    with pytest.raises(ConflictError, match="rename it"):
        acid.rollback(savepoint=1)
    assert (workspace / STAGING / "mine.txt").read_text() == "mine"
    assert (workspace / "a.txt").read_text() == "agent"


FORKING = """
import os, sys
from agent_vcr_nb import ACIDWorkspace
workspace, store = sys.argv[1:]
acid = ACIDWorkspace(workspace, store=store)
acid.begin()
ready, tell = os.pipe()
ended, end = os.pipe()
if os.fork() == 0:  # one that closes what it inherited
    acid.close()
    os.write(tell, b"x")
    os._exit(0)
os.read(ready, 1)
if os.fork() == 0:  # one that lives on with it
    os.close(end)
    os.read(ended, 1)
    os._exit(0)
try:
    ACIDWorkspace(workspace, store=store).begin()
except Exception as error:
    print(type(error).__name__)
acid.commit()
ACIDWorkspace(workspace, store=store).begin()
print("free again")
"""


def test_a_forked_child_neither_keeps_nor_loses_the_lock(workspace):
    argv = [sys.executable, "-c", FORKING, workspace, workspace.parent / "store"]
    done = subprocess.run(argv, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("BusyWorkspaceError\nfree again\n", "")
