"""The demo runs as a user starts it, and its audit trail is a recording."""

import contextlib
import json
import os
import pty
import subprocess
import sys
from pathlib import Path

DEMO = Path(__file__).parent.parent.parent / "examples" / "sentinel_demo.py"


def test_the_demo_shows_four_violations_and_their_correction(in_tmp):
    shown = subprocess.run([sys.executable, DEMO], capture_output=True, text=True, check=True, cwd=in_tmp).stdout
    lines = [line.strip() for line in shown.splitlines()]
    assert "🛡 SENTINEL: auth/utils.py — CLEAN ✓" in lines
    assert "🛡 SENTINEL: handlers.py — CLEAN ✓ All issues resolved!" in lines
    violations = [line.split(maxsplit=1) for line in lines if line.startswith(("CRITICAL", "WARNING"))]
    assert [severity for severity, _ in violations] == ["CRITICAL", "CRITICAL", "CRITICAL", "WARNING"]
    said = " ".join(text for _, text in violations)
    for words in (
        "hash_password() already exists in auth/utils.py:8 - reuse it",
        "lines (max 40) - break it up",
        "(max 8) - simplify",
        "takes 9 parameters (max 5) - use a config object",
    ):
        assert words in said
    frames = [json.loads(line) for line in (in_tmp / ".vcr" / "sentinel-demo.vcr").read_text().splitlines()]
    assert sum(line["type"] == "frame" for line in frames) == 2


def test_the_demo_reads_the_same_in_a_terminal(in_tmp):
    master, slave = pty.openpty()
    process = subprocess.Popen([sys.executable, DEMO], stdout=slave, cwd=in_tmp)
    os.close(slave)
    shown = b""
    with contextlib.suppress(OSError):  # how a terminal says that its other end is closed
        while part := os.read(master, 10_000):
            shown += part
    os.close(master)
    assert process.wait(30) == 0
    piped = subprocess.run([sys.executable, DEMO], capture_output=True, text=True, check=True, cwd=in_tmp).stdout
    assert shown.decode().replace("\r\n", "\n") == piped


def test_the_demo_runs_where_the_output_knows_no_symbols(in_tmp):
    env = {**os.environ, "PYTHONIOENCODING": "ascii"}
    shown = subprocess.run(
        [sys.executable, DEMO], capture_output=True, text=True, check=True, cwd=in_tmp, env=env
    ).stdout
    assert "? SENTINEL: handlers.py ? CLEAN ? All issues resolved!" in shown
