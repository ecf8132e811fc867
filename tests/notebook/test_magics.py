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
        ("%vcr resume 1 --set plan={x", "is no JSON"),
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
def test_a_cell_that_records_again_records_another_session_and_adds_to_the_first_where_it_is_told_so(notebook):
    first = ("%vcr record my_run", "try_agent('a')")
    *_, shown = notebook(*first, "%vcr record my_run", "try_agent('b')", "%vcr show")
    assert "my_run-2: 3 frames" in shown
    *_, shown = notebook("%vcr record my_run --continue", "try_agent('c')", "%vcr show")
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


@pytest.mark.slow
def test_dag_and_ledger_show_a_view_each_below_their_text_and_a_click_selects_the_session(notebook):
    *_, text, kept, again, shown, current = notebook(
        "%vcr record my_run",
        "try_agent('todo')",
        """%vcr resume 2 --set plan='"sqlite"'""",
        "%vcr dag",
        "views = get_ipython().magics_manager.registry['VCRMagics'].views; first = views.dag",
        "%vcr dag",
        "print(views.dag is first, views.dag.session)",
        "views.dag.choose('my_run', 1)\n%vcr ledger",
    )
    assert "my_run" in text.splitlines()[0]
    assert "╰─ \x1b[1mmy_run-fork1" in text
    assert text.endswith("<ForkDAG>")
    assert (kept, again) == ("", text)
    assert shown == "True my_run-fork1\n"
    assert current == "my_run: no frame says that it used a model\n<CostLedgerView>"


@pytest.mark.slow
def test_a_new_fork_is_in_the_graph_that_is_on_show(notebook):
    *_, shown = notebook(
        "%vcr record my_run",
        "try_agent('todo')",
        "%vcr dag",
        """%vcr resume 2 --set plan='"sqlite"'""",
        "dag = get_ipython().magics_manager.registry['VCRMagics'].views.dag\n"
        "print('my_run-fork1' in dag.lanes, dag.session)",
    )
    assert shown == "True my_run-fork1\n"


@pytest.mark.slow
def test_findings_lists_what_sentinel_finds_and_jumps_to_the_frame_that_wrote_it(notebook, in_tmp):
    (in_tmp / "pyproject.toml").touch()
    (in_tmp / "src").mkdir()
    (in_tmp / "src/load.py").write_text(
        "def load():\n    try:\n        open('x')\n    except Exception:\n        pass\n"
    )
    *_, text, rows, current = notebook(
        "%vcr record my_run",
        "vcr = get_ipython().magics_manager.registry['VCRMagics']\n"
        "vcr.recorder.record_step('sentinel', {'path': 'src/load.py'}, {})",
        "%vcr findings src",
        "table = vcr.views.findings; print([(row['path'], row['frame']) for row in table.findings])",
        "%vcr debug\ntable._handle_custom_msg({'kind': 'jump', 'frame': 0}, [])\n"
        "print(vcr.debugger.session, repr(table.error))",
    )
    assert "src/load.py" in text
    assert "1 file" in text
    assert text.endswith("<FindingsTable>")
    assert rows == "[('src/load.py', 0)]\n"
    assert "my_run ''\n" in current


@pytest.mark.slow
def test_files_that_a_step_wrote_are_shown_taken_away_and_brought_back(notebook, monkeypatch, tmp_path_factory):
    monkeypatch.setenv("AGENT_VCR_HOME", str(tmp_path_factory.mktemp("home")))
    *_, changed, back, gone, again, there = notebook(
        "from agent_vcr_nb import ACIDWorkspace, VCRRecorder\n"
        "from pathlib import Path\n"
        "Path('work').mkdir()\n"
        "write = step(lambda number: Path(f'work/file{number}').write_text('written'), name='write')\n"
        "with VCRRecorder(workspace=ACIDWorkspace('work')) as recorder:\n"
        "    recorder.start_session('my_run')\n"
        "    for number in range(5):\n"
        "        write(number)",
        "%vcr changes 2",
        "%vcr rollback 3",
        "print(sorted(path.name for path in Path('work').iterdir()))",
        "%vcr undo",
        "print(sorted(path.name for path in Path('work').iterdir()))",
    )
    assert "added                  file0\n@@ -0,0 +1 @@\n+written" in changed
    assert "delete                 file3\ndelete                 file4" in back
    assert gone == "['file0', 'file1', 'file2']\n"
    assert "create                 file3" in again
    assert there == "['file0', 'file1', 'file2', 'file3', 'file4']\n"


@pytest.mark.slow
def test_a_verb_can_be_run_by_name_and_gives_its_result(notebook):
    *_, resumed, refused = notebook(
        "%vcr record my_run",
        "try_agent('todo')",
        "magics = get_ipython().magics_manager.registry['VCRMagics']\n"
        """result = magics.run_verb('resume', frame=2, set=['plan="sqlite"'])\n"""
        "print(result.session_id, magics.session, result.executed)",
        "from agent_vcr_nb.core.errors import UsageError\n"
        "try: magics.run_verb('frobnicate')\nexcept UsageError as error: print(error)",
    )
    assert resumed == "my_run-fork1 my_run-fork1 ('build',)\n"
    assert refused.startswith("frobnicate: no such word; there are: debug, record")
