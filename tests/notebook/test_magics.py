"""`%vcr` in a real kernel, through nbclient."""

import nbformat
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

AGENT = """
from agent_vcr_nb import step
RAN = []

@step
def plan(state):
    RAN.append("plan")
    return {**state, "plan": "mongodb"}

@step
def build(state):
    RAN.append("build")
    if state["plan"] == "mongodb":
        raise ValueError("no mongodb here")
    return {**state, "built": True}

@step
def agent(task):
    return build(plan({"task": task}))

def try_agent(task):
    try:
        agent(task)
    except ValueError as error:
        print("failed:", error)
"""


@pytest.fixture
def notebook(in_tmp):
    """Run cells in a new kernel; returns the text of each cell's output."""

    def run(*cells):
        sources = ["%load_ext agent_vcr_nb", AGENT, *cells]
        book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in sources])
        NotebookClient(book, kernel_name="python3", resources={"metadata": {"path": str(in_tmp)}}).execute()
        return [_text(cell) for cell in book.cells[2:]]

    return run


def _text(cell):
    return "".join(out.get("text", "") or out.get("data", {}).get("text/plain", "") for out in cell.outputs)


@pytest.mark.slow
def test_the_main_job_record_fail_rewind_edit_resume(notebook):
    *_, failed, shown, resumed, ran, dag = notebook(
        "%vcr record my_run",
        "try_agent('todo')",
        "%vcr show",
        """%vcr resume 2 --set plan='"sqlite"'""",
        "print(RAN)",
        "%vcr dag",
    )
    assert failed == "failed: no mongodb here\n"
    assert "my_run: 3 frames" in shown
    assert "executed: build" in resumed
    assert ran == "['plan', 'build', 'build']\n"
    assert "╰─" in dag
    assert "my_run-fork1" in dag


@pytest.mark.slow
def test_a_changed_function_is_what_resume_runs(notebook):
    *_, resumed = notebook(
        "%vcr record my_run",
        "try_agent('todo')",
        "@step\ndef build(state):\n    return {**state, 'built': 'by the new code'}",
        "%vcr resume 2",
    )
    assert "by the new code" in resumed


@pytest.mark.slow
def test_an_agent_that_is_no_step_is_named_with_agent(notebook):
    *_, resumed = notebook(
        "def whole(state):\n    return build(plan(state))",
        "%vcr record my_run",
        "try: whole({'task': 'todo'})\nexcept ValueError: pass",
        """%vcr resume 1 --set plan='"sqlite"' --agent whole""",
    )
    assert "executed: build" in resumed


@pytest.mark.slow
@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("%vcr resume 99", "no frame 99"),
        ("%vcr frobnicate", "no such word"),
        ("%vcr resume x", "not a valid integer"),
        ("%vcr record ../x", "session id"),
        ("%vcr resume 1 --set plan=x", "A string needs its quotes"),
        ("%vcr stop it", "unexpected extra argument"),
        ("%vcr stop", "nothing is being recorded"),
    ],
)
def test_an_error_is_one_line_and_stops_run_all(notebook, line, said):
    with pytest.raises(CellExecutionError) as caught:
        notebook("%vcr record my_run", "try_agent('todo')", "get_ipython().run_line_magic('vcr', 'stop')", line)
    *_, rule, blank, one, two = str(caught.value).rstrip("\n").split("\n")
    assert (rule, blank, one) == ("------------------", "", "")
    assert said in two


@pytest.mark.slow
def test_braces_in_an_edit_are_not_expanded_by_ipython(notebook):
    *_, resumed = notebook("%vcr record my_run", "try_agent('todo')", """%vcr resume 2 --set plan='{"db": "sqlite"}'""")
    assert '/plan = {"db":"sqlite"}' in resumed


@pytest.mark.slow
def test_loading_twice_unloading_and_loading_again_are_fine(notebook):
    outputs = notebook(
        "%load_ext agent_vcr_nb",
        "%vcr record one",
        "try_agent('todo')",
        "%unload_ext agent_vcr_nb",
        "%load_ext agent_vcr_nb",
        "%vcr show",
    )
    assert "one: 3 frames" in outputs[-1]


@pytest.mark.slow
def test_a_cell_that_records_again_goes_on_with_the_session(notebook):
    *_, shown = notebook("%vcr record my_run", "try_agent('a')", "%vcr record my_run", "try_agent('b')", "%vcr show")
    assert "my_run: 6 frames" in shown


@pytest.mark.slow
def test_help_lists_the_words_and_a_words_options(notebook):
    listed, options = notebook("%vcr help", "%vcr resume --help")
    assert "%vcr resume" in listed
    assert "--set" in options


@pytest.mark.slow
def test_a_comment_behind_the_words_is_no_word(notebook):
    *_, resumed = notebook(
        "%vcr record my_run", "try_agent('todo')", """%vcr resume 2 --set plan='"a # b"'  # it isn't part of this"""
    )
    assert '/plan = "a # b"' in resumed
