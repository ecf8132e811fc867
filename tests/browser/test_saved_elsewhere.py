"""A saved notebook where no kernel and no script is: as HTML from nbconvert, and cleaned as GitHub cleans it."""

from __future__ import annotations

import html

import bleach
import nbformat
import pytest
from nbclient import NotebookClient
from nbconvert import HTMLExporter
from playwright.sync_api import expect

pytestmark = pytest.mark.browser

RECORD = """
%load_ext agent_vcr_nb
from agent_vcr_nb import annotate, step

@step(type="llm")
def think(state):
    annotate(model="gpt-4o-mini", tokens_input=1000, tokens_output=100)
    if state["turn"] == 7:
        raise ValueError("no <b>port</b>")
    return {**state, "turn": state["turn"] + 1}

def agent(state):
    for _ in range(10):
        state = think(state)

%vcr record saved
try:
    agent({"turn": 0, "plan": "use <script>alert(1)</script> Flask"})
except ValueError as error:
    print(error)
%vcr resume 7 --set turn=20 --agent agent --new-id turned
"""
SHOW = """
%vcr debug
from agent_vcr_nb import CostLedger, VCRPlayer
from agent_vcr_nb.notebook.widgets import CostLedgerView, ForkDAG
ForkDAG(".vcr")
"""
LEDGER = "CostLedgerView(CostLedger.of(VCRPlayer.load_by_id('turned')))"

# What GitHub leaves of HTML in a notebook, as far as it is known: no style, no class, no script.
TAGS = {"div", "p", "strong", "b", "span", "pre", "table", "thead", "tbody", "tr", "td", "th", "h1", "h2", "h3", "br"}


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A notebook that was run to its end and saved; its kernel is gone."""
    made = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in (RECORD, SHOW, LEDGER)])
    folder = tmp_path_factory.mktemp("saved")
    NotebookClient(made, kernel_name="python3", resources={"metadata": {"path": str(folder)}}).execute()
    return made


def without_widget_state(book):
    """Return the notebook as JupyterLab saves it: without the programs and states of the widgets."""
    copy = nbformat.from_dict(book)
    copy.metadata.pop("widgets", None)
    return copy


def shows_the_run(page):
    """Fail unless timeline, failure, state, graph and ledger can be read."""
    body = page.locator("body")
    expect(body).to_contain_text("turned: 10 frames, 0 failed")
    expect(body).to_contain_text("State before frame 7 · think#8 · llm · edited")
    expect(body).to_contain_text('"plan": "use <script>alert(1)</script> Flask"')
    expect(body).to_contain_text("from before frame 7")
    # 7 replayed and 3 live calls of 1,000 and 100 tokens at $0.15 and $0.60 a million.
    expect(body).to_contain_text("$0.00063")
    expect(body).to_contain_text("$0.00147")


@pytest.fixture
def scriptless(chromium):
    """A page that runs no script and reaches no network."""
    context = chromium.new_context(java_script_enabled=False, offline=True, viewport={"width": 1200, "height": 1300})
    yield context.new_page()
    context.close()


def test_nbconvert_html_shows_the_run_without_scripts(saved, scriptless, tmp_path, picture):
    page, _ = HTMLExporter().from_notebook_node(without_widget_state(saved))
    path = tmp_path / "saved.html"
    path.write_text(page)
    scriptless.goto(path.as_uri())
    shows_the_run(scriptless)
    picture("nbconvert", of=scriptless)


def test_what_a_sanitiser_leaves_shows_the_run(saved, scriptless, tmp_path, picture):
    outputs = [out for cell in saved.cells for out in cell.outputs if "text/html" in out.get("data", {})]
    cleaned = [bleach.clean(out.data["text/html"], tags=TAGS, attributes=["title"], strip=True) for out in outputs]
    path = tmp_path / "cleaned.html"
    path.write_text(f"<meta charset=utf-8>{''.join(cleaned)}")
    scriptless.goto(path.as_uri())
    shows_the_run(scriptless)
    picture("sanitised", of=scriptless)


def test_the_debuggers_own_view_holds_timeline_state_forks_and_cost(saved):
    views = [out.data for cell in saved.cells for out in cell.outputs if "text/html" in out.get("data", {})]
    debugger = next(data for data in views if "State before frame" in data["text/html"])
    for form in (debugger["text/html"], debugger["text/plain"]):
        for words in ("turned: 10 frames, 0 failed", "from before frame 7", "$0.000630", "$0.001470", '"turn": 20'):
            assert words in html.unescape(form), words


def test_each_html_form_stands_beside_a_text_form(saved):
    for cell in saved.cells:
        for out in cell.outputs:
            if "text/html" in out.get("data", {}):
                assert "turned" in out.data["text/plain"]


def test_the_notebook_grows_by_no_more_than_200_kb(saved):
    assert len(nbformat.writes(without_widget_state(saved))) < 200_000
