"""An agent writes bad code, is told by Sentinel, and corrects itself. Offline: a script plays the agent.

Run it with ``python examples/sentinel_demo.py``; the audit trail is a recording in ``.vcr/``.
"""

from __future__ import annotations

import io
import sys
import tempfile
from pathlib import Path

from sentinel import CheckResult, Config, Sentinel

UTILS = '''"""Password helpers."""

import hashlib

ROUNDS = 1000


def hash_password(password, salt):
    """Hash a password with its salt."""
    data = (salt + password).encode()
    for _ in range(ROUNDS):
        data = hashlib.sha256(data).digest()
    return data.hex()
'''
COPY = UTILS[UTILS.index("import hashlib") :]
CASES = "".join(
    f"""    if action == "action_{number}":
        if verbose:
            log.append("action_{number}")
        state["step"] = {number}
"""
    for number in range(16)
)
BAD_HANDLERS = f'''"""Request handlers."""

{COPY}

def handle_auth_request(action, user, password, salt, state, log, verbose, retries, timeout):
    """Handle one request."""
{CASES}    state["hash"] = hash_password(password, salt)
    return user, state, log, retries, timeout
'''
GOOD_HANDLERS = '''"""Request handlers."""

from auth.utils import hash_password


def handle_auth_request(request, state):
    """Handle one request."""
    state["step"] = request.step
    state["hash"] = hash_password(request.password, request.salt)
    return state
'''


def show(result: CheckResult) -> None:
    """Print a result as the agent gets it."""
    if result.clean:
        tail = " All issues resolved!" if result.fixed else ""
        print(f"🛡 SENTINEL: {result.path} — CLEAN ✓{tail}")
        return
    print("🛡 SENTINEL: VIOLATIONS DETECTED!")
    for finding in result.caused[:5]:
        print(f"  {finding.severity.upper():<8}  {finding.message}")


def write(folder: Path, name: str, text: str) -> Path:
    """What the agent's file tool does."""
    file = folder / name
    file.parent.mkdir(exist_ok=True)
    file.write_text(text, encoding="utf-8")
    return file


def main() -> None:
    """Play the three steps."""
    from agent_vcr_nb import VCRRecorder

    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal that knows no shields
    with tempfile.TemporaryDirectory() as folder, VCRRecorder(output_dir=".vcr") as recorder:
        session = recorder.start_session("sentinel-demo")
        root = Path(folder)
        # The four rules of the story: what else is wrong with so long a function would say the same again.
        config = Config(ignore=("too-cognitive", "too-many-branches"))
        sentinel = Sentinel(recorder, config=config, root=root)
        print("STEP 1: Agent writes auth/utils.py")
        show(sentinel.check_file(write(root, "auth/utils.py", UTILS)))
        print("\nSTEP 2: Agent writes handlers.py")
        show(sentinel.check_file(write(root, "handlers.py", BAD_HANDLERS)))
        print("\nSTEP 3: Agent self-corrects")
        show(sentinel.check_file(write(root, "handlers.py", GOOD_HANDLERS)))
    print(f"\n📼 Audit trail: .vcr/{session.session_id}.vcr")


if __name__ == "__main__":
    main()
