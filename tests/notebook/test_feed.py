import pytest

from agent_vcr_nb.notebook.feed import BATCH, DETAILS, FrameFeed, detail_of, row_of, title_of
from tests.notebook.fake_run import Run, summary


def test_a_row_holds_codes_and_times():
    failed = summary(3, type="llm", status="error", provenance="replayed", depth=2, latency_ms=None)
    assert row_of(failed) == [2, 1, 1, 2, 30.0, None]
    assert row_of(summary(1)) == [0, 0, 0, 0, 10.0, 8.0]


def test_what_the_user_ended_is_cancelled_and_did_not_fail():
    run = Run(2)
    run.add(status="error", error="Cancelled: the run was cancelled by the user")
    feed = FrameFeed(run)
    assert (feed.failed(), feed.opening()) == ([], 2)
    assert feed.rows[2][1] == 4


def test_a_word_that_the_front_end_does_not_know_is_minus_one():
    assert row_of(summary(0, type="dream", status="lost", provenance="guessed"))[:3] == [-1, -1, -1]


def test_a_look_brings_each_new_frame_once():
    run = Run(2)
    feed = FrameFeed(run)
    list(feed.batches(0))
    run.add()
    news = feed.look()
    assert (news.first, news.end) == (2, 3)
    assert [(at, len(rows)) for at, rows in feed.batches(2)] == [(2, 1)]
    assert feed.look().first == 3


def test_a_frame_that_was_running_is_told_again_when_it_ends():
    run = Run(0)
    run.add(status="running")
    feed = FrameFeed(run)
    list(feed.batches(0))
    run.end(0, latency_ms=5.0)
    assert feed.look().changed == [(0, [0, 0, 0, 0, 0.0, 5.0])]
    assert feed.look().changed == []


def test_frames_are_told_in_batches_from_where_the_view_is():
    feed = FrameFeed(Run(BATCH * 2 + 5))
    assert [(at, len(rows)) for at, rows in feed.batches(3)] == [(3, BATCH), (BATCH + 3, BATCH), (2 * BATCH + 3, 2)]
    assert list(FrameFeed(Run(0)).batches(0)) == []


def test_words_are_told_of_frames_there_are_and_of_no_more_than_a_window():
    feed = FrameFeed(Run(1000))
    assert [detail["number"] for detail in feed.details(-5, 2)] == [0, 1]
    assert len(feed.details(0, 1000)) == DETAILS
    assert feed.details(999, 2000)[-1]["number"] == 999


def test_a_huge_error_is_cut_before_it_goes_to_the_browser():
    assert len(detail_of(summary(0, error="x" * 1_000_000))["error"]) == 2001


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "frame 4 · step#4 · node"),
        ({"status": "error", "provenance": "edited"}, "frame 4 · step#4 · node · error · edited"),
        ({"status": "error", "error": "Cancelled: by the user"}, "frame 4 · step#4 · node · cancelled"),
        ({"status": "error", "error": "CancelledError: "}, "frame 4 · step#4 · node · error"),
    ],
)
def test_the_title_says_what_is_unusual(changes, words):
    assert title_of(summary(4, **changes)) == words
