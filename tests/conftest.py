"""Shared by all tests: the network is closed but for loopback, and recordings go to a temporary folder."""

import os
import socket

import pytest

LOOPBACK = ("127.0.0.1", "::1", "localhost")


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    """Refuse every connection but loopback: a kernel and a browser talk over that."""
    connect = socket.socket.connect

    def guarded(self, address):
        if self.family in (socket.AF_INET, socket.AF_INET6) and address[0] not in LOOPBACK:
            self.close()  # create_connection closes on OSError only
            # Not an OSError: code that retries on one would swallow the refusal.
            raise RuntimeError(f"a test reached for {address[0]}:{address[1]}")
        return connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)


@pytest.fixture(autouse=True)
def no_recorder_of_another_test(monkeypatch):
    """A recorder that another test left open records nothing here."""
    monkeypatch.setattr("agent_vcr_nb.core.steps._latest", None)
    monkeypatch.setattr("agent_vcr_nb.core.steps._earlier", [])


@pytest.fixture
def in_tmp(tmp_path, monkeypatch):
    """Run the test in an empty folder, so that `.vcr/` is its own."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def pytest_configure(config):
    os.environ.setdefault("JUPYTER_PLATFORM_DIRS", "1")
