"""Every notebook runs from top to bottom in a new kernel, and does what its text says."""

import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOKS = sorted((Path(__file__).parent.parent / "notebooks").glob("*.ipynb"))

SAYS = {
    "01_change_the_past": [
        "failed: the database 'mongodb' is not one of ['sqlite', 'postgres']\n8 calls of the model",
        "calls of the model: ['review', 'document', 'release']",
        "first divergence: review#1",
    ],
    "02_langgraph": [
        "failed: no template for 'django', only for flask, fastapi\nran: plan, look_up, write",
        "served from the recording, not executed: 2 steps (frames 0-1)",
        "\nran: write, review\n",
        '[\n  "planned for a todo app",\n  "django: see its documentation",\n  "written"\n]',
    ],
    "03_roll_back_files": [
        "nothing is changed by a dry run\ndelete                 app/login.py\ncreate                 PLAN.md",
        "executed: login",
        "['app/login.py', 'app/models.py']\ndef login(user, proof):\n    return user.proof == proof",
    ],
    "04_costs": [
        # 1,800 and 400 tokens of gpt-4o at $2.50 and $10 a million, 9,500 and 3,200 of gpt-4o-mini at $0.15 and $0.60.
        "spent (live): 3 calls, 18,490 tokens, $0.011845 and 1 of unknown cost",
        "spent (live): 1 call, 3,590 tokens, $0.000000 and 1 of unknown cost\n"
        "saved (replayed, mocked): 2 calls, 14,900 tokens, $0.011845",
    ],
    "05_sentinel": [
        "CRITICAL  hash_password() already exists in",
        "CRITICAL  `except:` also stops Ctrl-C and exit",
        "clean: True · fixed: ['bare-except', 'duplicate-function', 'swallowed-exception']",
    ],
    "06_forks": [
        "failed: never heard of 'dbase'\ncalls: ['build', 'rate', 'build', 'rate', 'build']",
        "first divergence: agent#1/build#1 (it was given another input)",
        "choice 41\non_sqlite 78\non_postgres 86",
    ],
    "07_live": ["300 frames", "changed by the step\n  ~ /n: 99 → 100"],
}
"""By notebook: what its outputs say, counted and calculated by hand."""


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_from_top_to_bottom_and_shows_what_its_text_says(path, tmp_path, monkeypatch):
    monkeypatch.setenv("AGENT_VCR_HOME", str(tmp_path / "home"))
    book = nbformat.read(path, as_version=4)
    NotebookClient(book, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}).execute()
    printed = "\n".join(out.get("text", "") for cell in book.cells for out in cell.get("outputs", ()))
    said = re.sub(r"\x1b\[\d+m", "", printed)
    assert [line for line in SAYS[path.stem] if line not in said] == [], said


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_committed_without_outputs(path):
    book = nbformat.read(path, as_version=4)
    assert [cell.id for cell in book.cells if cell.get("outputs") or cell.get("execution_count")] == []
