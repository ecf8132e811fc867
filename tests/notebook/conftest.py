"""An IPython shell of this process with the extension loaded, and cells run in it."""

import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output


@pytest.fixture
def shell(in_tmp, monkeypatch):
    """A shell with the extension loaded."""
    InteractiveShell.clear_instance()
    monkeypatch.setenv("IPYTHONDIR", str(in_tmp / ".ipython"))
    shell = InteractiveShell.instance()
    shell.run_cell("%load_ext agent_vcr_nb").raise_error()
    yield shell
    shell.run_cell("%unload_ext agent_vcr_nb").raise_error()
    shell.history_manager.end_session()
    InteractiveShell.clear_instance()


@pytest.fixture
def run(shell):
    """Run a cell; returns (what it printed, the error it ended with)."""

    def run(cell):
        with capture_output() as captured:
            result = shell.run_cell(cell, store_history=True)
        return captured.stdout, result.error_in_exec

    return run
