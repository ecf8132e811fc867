"""Every notebook runs from top to bottom in a new kernel, and does what its text says."""

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOKS = sorted((Path(__file__).parent.parent / "notebooks").glob("*.ipynb"))


def _run(path, folder):
    book = nbformat.read(path, as_version=4)
    NotebookClient(book, kernel_name="python3", resources={"metadata": {"path": str(folder)}}).execute()
    return book


def _texts(book):
    return "\n".join(out.get("text", "") for cell in book.cells for out in cell.get("outputs", ()))


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_from_top_to_bottom(path, tmp_path):
    _run(path, tmp_path)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_committed_without_outputs(path):
    book = nbformat.read(path, as_version=4)
    assert [cell.id for cell in book.cells if cell.get("outputs") or cell.get("execution_count")] == []


@pytest.mark.slow
def test_the_tutorial_asks_the_model_three_times_on_resume(tmp_path):
    said = _texts(_run(NOTEBOOKS[0], tmp_path))
    assert "failed: the database 'mongodb' is not one of ['sqlite', 'postgres']\n8 calls of the model" in said
    assert "calls of the model: ['review', 'document', 'release']" in said
    assert "first divergence: review#1" in said
