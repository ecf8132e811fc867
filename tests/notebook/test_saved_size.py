"""How much of a run stays in the saved notebook."""

import nbformat
import pytest
from nbclient import NotebookClient

RECORD = """
%load_ext agent_vcr_nb
from agent_vcr_nb import CostLedger, VCRPlayer, VCRRecorder
from agent_vcr_nb.notebook.widgets import CostLedgerView, ForkDAG
with VCRRecorder() as recorder:
    recorder.start_session("big")
    for n in range(1000):
        state = {"n": n, "text": "x" * 300_000 if n == 0 else "y" * 300}
        used = {"model": "gpt-4o-mini", "tokens_input": n, "tokens_output": 1, "error_message": "e" * 5000}
        recorder.record_step("think", state, {**state, "n": n + 1}, metadata=used, frame_type="llm")
"""
FORK = """
for n in range(31):
    get_ipython().run_line_magic("vcr", f"fork big 0 --set n={n} --new-id fork_{n}_{'long' * 20}")
get_ipython().run_line_magic("vcr", "debug")
"""
SHOW = "ForkDAG('.vcr', 'big')"
LEDGER = "CostLedgerView(CostLedger.of(VCRPlayer.load_by_id('big')))"


@pytest.mark.slow
def test_the_views_of_a_session_of_any_size_are_less_than_200_kb_of_the_notebook(tmp_path):
    cells = [nbformat.v4.new_code_cell(cell) for cell in (RECORD, FORK, SHOW, LEDGER)]
    made = nbformat.v4.new_notebook(cells=cells)
    NotebookClient(made, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}).execute()
    sizes = [len(nbformat.writes(nbformat.v4.new_notebook(cells=[cell]))) for cell in made.cells[1:]]
    assert max(sizes) < 200_000, sizes
    assert min(sizes) > 3_000, f"a view is missing: {sizes}"
