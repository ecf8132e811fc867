"""An agent writes bad files at step 4; a rollback takes them off the disk, and the good run is committed.

Runs offline, without a key: ``python examples/acid_golden_run.py``.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from agent_vcr_nb import ACIDWorkspace, VCRPlayer, VCRRecorder

TASK = "Build a REST API with JWT auth"
STEPS = {
    "planner": {"PLAN.md": "1. models  2. auth  3. routes\n"},
    "coder": {"app/models.py": "class User:\n    name: str\n"},
    "tester": {"tests/test_models.py": "from app.models import User\n"},
}
BAD = {
    "app/auth.py": "def login(user, password):\n    return True  # anybody may come in\n",
    "app/utils_v2_final.py": "def helper(): ...\n",
}
GOOD = {"app/auth.py": "import hmac\n\n\ndef login(user, proof):\n    return hmac.compare_digest(user.proof, proof)\n"}


def write(workspace: Path, files: dict[str, str]) -> None:
    """Write files as an agent does: straight to the disk."""
    for name, text in files.items():
        path = workspace / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        print(f"    wrote {name}")


def show(workspace: Path) -> None:
    """Print what is on the disk."""
    names = sorted(path.relative_to(workspace).as_posix() for path in workspace.rglob("*") if path.is_file())
    print(f"    on disk: {', '.join(names)}")


def run(folder: Path) -> Path:
    """Run the agent in a transaction; return its recording."""
    workspace = folder / "project"
    workspace.mkdir()
    recorder = VCRRecorder(output_dir=folder / "recordings")
    acid = ACIDWorkspace(workspace, recorder=recorder, store=folder / "store")

    print(f"BEGIN      {TASK}")
    acid.begin(session_id="task-001")
    written: list[str] = []
    for node, files in STEPS.items():
        print(f"  step     {node}")
        write(workspace, files)
        written += files
        made = acid.savepoint({"task": TASK, "files": written}, node_name=node)
        print(f"SAVEPOINT  frame {made.frame} = commit {made.commit[:10]}")

    print("  step     coder goes wrong")
    write(workspace, BAD)
    show(workspace)
    print("ROLLBACK   to frame 2, first as a dry run:")
    print("    " + acid.preview(to_frame_index=2).text().replace("\n", "\n    "))
    acid.rollback(to_frame_index=2)
    show(workspace)
    gone = [name for name in BAD if not (workspace / name).exists()]
    assert gone == list(BAD), "the bad files are gone from the disk, not only from the state"

    print("  step     coder, second try")
    write(workspace, GOOD)
    acid.savepoint({"task": TASK, "files": [*written, *GOOD]}, node_name="coder")
    done = acid.commit()
    print(f"COMMIT     savepoint {done.savepoint.number}")
    show(workspace)
    path = recorder.save()
    recorder.close()
    return path


def replay(recording: Path) -> None:
    """Show what the second run of the same task will be served from."""
    nodes = " -> ".join(VCRPlayer.load(recording).list_nodes())
    print(f"RECORDED   {recording.name}: {nodes}")


def main() -> None:
    """Run in a folder that is removed afterwards."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(os.path.realpath(name))
        recording = run(folder)
        replay(recording)


if __name__ == "__main__":
    main()
