"""The demo runs as a user starts it, and its audit trail is a recording."""

import json
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
