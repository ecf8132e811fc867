"""A reading that says nobody was writing is right, and costs no second one."""

import contextlib
import errno
import math
import mmap
import os
import subprocess
import sys
import threading

import pytest

from agent_vcr_nb.workspace import scan, store
from agent_vcr_nb.workspace.errors import StoreError
from agent_vcr_nb.workspace.reading import leases_tell, read_file
from tests.workspace.conftest import put, snapshot


@contextlib.contextmanager
def folder(path):
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield fd
    finally:
        os.close(fd)


def is_alone(place):
    with folder(place.parent) as fd:
        found = read_file(place.name, fd, lease=True)
    assert found.data == place.read_bytes()
    return found.alone


@pytest.fixture
def no_second_reading(monkeypatch):
    """Let a savepoint that wants to wait for a second reading fail: nobody can sleep for ever."""
    monkeypatch.setattr(scan, "SETTLE_S", math.inf)


def test_a_file_that_just_changed_and_is_closed_is_read_once(acid, workspace, no_second_reading):
    put(workspace, "a.txt", "changed")
    acid.savepoint()
    put(workspace, "a.txt", "changed again")
    acid.rollback(savepoint=2)
    assert (workspace / "a.txt").read_text() == "changed"


def test_a_file_that_just_changed_and_is_open_for_writing_is_read_again(acid, workspace, no_second_reading):
    with open(workspace / "a.txt", "r+b") as file:
        file.write(b"half of it")
        file.flush()
        with pytest.raises(OverflowError):
            acid.savepoint()


@pytest.mark.parametrize("mode", ["r+b", "ab", "wb"])
def test_nobody_is_alone_with_a_file_that_is_open_for_writing(tmp_path, mode):
    place = tmp_path / "file"
    place.write_bytes(b"content")
    with open(place, mode):
        assert not is_alone(place)
    assert is_alone(place)


def test_a_file_that_is_mapped_for_writing_has_a_writer_after_it_was_closed(tmp_path):
    place = tmp_path / "file"
    place.write_bytes(b"content")
    with open(place, "r+b") as file:
        mapped = mmap.mmap(file.fileno(), 7)
    assert not is_alone(place)
    mapped.close()
    assert is_alone(place)


def test_a_reader_is_no_writer(tmp_path):
    place = tmp_path / "file"
    place.write_bytes(b"content")
    with open(place, "rb"):
        assert is_alone(place)


def test_a_writer_in_another_process_is_seen(tmp_path):
    place = tmp_path / "file"
    place.write_bytes(b"content")
    argv = [sys.executable, "-c", f"file = open({str(place)!r}, 'r+'); print('open', flush=True); input()"]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"open\n"
        assert not is_alone(place)
        process.stdin.close()


def test_an_opener_waits_until_the_file_was_read_and_nobody_dies_of_it(tmp_path, monkeypatch):
    place = tmp_path / "file"
    place.write_bytes(b"before")
    opener = threading.Thread(target=lambda: place.write_bytes(b"after"))
    read = os.read

    def read_while_somebody_opens(file, size):
        data = read(file, size)
        if not opener.ident:
            opener.start()
            opener.join(0.2)  # long enough for an opener that need not wait
        return data

    monkeypatch.setattr(os, "read", read_while_somebody_opens)
    with folder(tmp_path) as fd:
        found = read_file("file", fd, lease=True)
    opener.join()
    assert (found.data, found.alone, found.whole) == (b"before", True, True)
    assert place.read_bytes() == b"after"


def test_a_lease_tells_on_a_disk_of_this_machine_and_not_on_a_made_up_file_system(tmp_path):
    with folder(tmp_path) as disk, folder("/proc") as made_up:
        assert (leases_tell(disk), leases_tell(made_up)) == (True, False)


def test_a_savepoint_that_cannot_be_flushed_does_not_exist(acid, workspace, monkeypatch):
    put(workspace, "a.txt", "changed")
    before = snapshot(workspace)

    def fail(folder):
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(store, "flush_folder", fail)
        with pytest.raises(StoreError, match="savepoint 2 could not be flushed"):
            acid.savepoint()
    assert [one.number for one in acid._line.store.savepoints("main")] == [1]
    assert acid.savepoint().number == 2
    assert snapshot(workspace) == before
