from html.parser import HTMLParser

import pytest

from agent_vcr_nb.notebook.feed import FrameFeed
from agent_vcr_nb.notebook.saved import saved_view
from tests.notebook.fake_run import Run

ALLOWED = {"div", "p", "strong", "span", "pre"}
HOSTILE = '</pre><script>alert(1)</script><img src=x onerror=alert(1)>"\' onmouseover="x'


class Reader(HTMLParser):
    """Keeps tags, attribute names and text."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.attributes, self.words = set(), set(), []
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attributes}

    def handle_data(self, data):
        self.words.append(data)


def view(run, frame=0, patch=()):
    return saved_view(FrameFeed(run), frame, list(patch), "vcr-saved-x")


@pytest.fixture
def failed():
    run = Run(10)
    run.end(8, status="error", error="ValueError: no port", type="tool")
    return run


def test_it_tells_the_run_the_failure_and_the_state(failed):
    html, text = view(failed, 7)
    assert text.splitlines()[:4] == [
        "run: 10 frames, 1 failed",
        "NNNNNNNN✕N",
        "✕ frame 8 · step#8 · tool · error · ValueError: no port",
        "state before frame 7 · step#7 · node",
    ]
    words = "".join(Reader(html).words)
    assert "✕ frame 8 · step#8 · tool · error · ValueError: no port" in words
    assert '"number": 7' in words


def test_the_edit_that_waits_is_kept(failed):
    html, text = view(failed, 7, [{"op": "replace", "path": "/plan", "value": "FastAPI"}])
    line = '{"op": "replace", "path": "/plan", "value": "FastAPI"}'
    assert line in text
    assert line in "".join(Reader(html).words)


def test_hostile_text_stays_text():
    run = Run(0)
    run.session_id = HOSTILE
    run.add(key=HOSTILE, name=HOSTILE, type=HOSTILE, status=HOSTILE, provenance=HOSTILE)
    run.add(status="error", error=HOSTILE)
    run.states[0, "input"] = {HOSTILE: HOSTILE}
    read = Reader(view(run, 0, [{"op": "add", "path": HOSTILE, "value": HOSTILE}]).html)
    assert read.tags <= ALLOWED
    assert read.attributes <= {"class", "style", "title"}


def test_it_is_bounded_for_any_run():
    run = Run(20_000)
    run.frames = [
        {**frame, "key": "k" * 10_000, "status": "error", "error": "e" * 100_000} for frame in run.frames[:500]
    ] * 4
    run.states[700, "input"] = {"text": "x" * 10_000_000}
    html, text = view(run, 700, [{"op": "replace", "path": "/text", "value": "y" * 1_000_000}])
    assert len(html) + len(text) < 150_000
    assert "and 1980 more failed frames" in text


def test_a_run_without_frames_says_so():
    html, text = view(Run(0))
    assert text.splitlines() == ["run: 0 frames, 0 failed", "", "no frames yet"]
    assert "no frames yet" in html


def test_a_state_that_is_not_there_is_told_with_the_reason():
    run = Run(1)
    run.state = lambda number, side: run_fails()

    def run_fails():
        from agent_vcr_nb.core.errors import RecordingError

        raise RecordingError("line 3 is damaged")

    assert "line 3 is damaged" in view(run).text
