import pytest

from agent_vcr_nb.core.errors import FrameNotFoundError
from agent_vcr_nb.notebook.scrubber import FrameScrubber
from tests.notebook.fake_run import Run, messages


def test_a_view_that_says_hello_gets_all_frames_it_lacks():
    scrubber = FrameScrubber(Run(3))
    sent = messages(scrubber)
    scrubber._receive(scrubber, {"kind": "hello", "have": 1}, [])
    assert [(message["kind"], message["at"], len(message["rows"])) for message in sent] == [("frames", 1, 2)]


def test_the_words_of_a_window_of_frames_are_told_when_asked_for():
    scrubber = FrameScrubber(Run(3))
    sent = messages(scrubber)
    scrubber._receive(scrubber, {"kind": "details", "at": 1, "stop": 99}, [])
    assert [detail["key"] for detail in sent[0]["details"]] == ["step#1", "step#2"]


def test_a_frame_that_does_not_exist_cannot_be_selected():
    scrubber = FrameScrubber(Run(3))
    with pytest.raises(FrameNotFoundError, match="there is no frame 3: the session has 3, counted from 0"):
        scrubber.frame = 3
    assert scrubber.frame == 0


def test_frame_0_can_be_selected_before_any_frame_was_recorded():
    assert FrameScrubber(Run(0)).frame == 0


def test_a_look_at_a_growing_run_sends_what_is_new():
    run = Run(1)
    scrubber = FrameScrubber(run)
    sent = messages(scrubber)
    scrubber._receive(scrubber, {"kind": "hello", "have": 0}, [])
    run.add(status="running")
    assert scrubber.look() == 1
    run.end(1)
    assert scrubber.look() == 1
    assert [message["kind"] for message in sent] == ["frames", "frames", "changed"]
    assert scrubber.look() == 0


def test_a_source_that_fails_is_told_in_the_widget():
    run = Run(1)
    scrubber = FrameScrubber(run)
    run.summaries = lambda start, stop=None: 1 / 0
    scrubber._receive(scrubber, {"kind": "details", "at": 0, "stop": 1}, [])
    assert scrubber.error == "ZeroDivisionError: division by zero"


def test_an_observer_that_fails_on_a_click_is_told_in_the_widget():
    scrubber = FrameScrubber(Run(3))

    def fail(change):
        raise RuntimeError(f"cannot show frame {change['new']}")

    scrubber.observe(fail, "frame")
    scrubber.set_state({"frame": 2})
    assert scrubber.error == "RuntimeError: cannot show frame 2"


def test_an_observer_that_fails_in_a_cell_fails_the_cell():
    scrubber = FrameScrubber(Run(3))
    scrubber.observe(lambda change: 1 / 0, "frame")
    with pytest.raises(ZeroDivisionError):
        scrubber.frame = 2


def test_another_run_starts_at_its_first_frame_under_a_new_epoch():
    scrubber = FrameScrubber(Run(3))
    scrubber.frame = 2
    scrubber.load(Run(1))
    assert (scrubber.frame, scrubber.epoch, scrubber.feed.source.count) == (0, 1, 1)


def test_it_opens_where_the_run_failed():
    run = Run(4)
    run.end(2, status="error")
    run.end(3, status="error")
    assert FrameScrubber(run).frame == 2
    assert FrameScrubber(Run(4)).frame == 0


def test_it_opens_at_the_step_that_failed_and_not_at_those_it_failed_through():
    run = Run(0)
    run.add(status="error")
    run.add(parent=0)
    run.add(status="error", parent=0)
    run.add(status="error", parent=2)
    assert FrameScrubber(run).frame == 3


def test_another_run_is_named_and_opens_where_it_failed():
    scrubber = FrameScrubber(Run(4))
    other = Run(4)
    other.session_id, other.origin = "fork", "forked from run before frame 1"
    other.end(3, status="error")
    selected = []
    scrubber.observe(lambda change: selected.append(change["new"]), "frame")
    scrubber.load(other)
    assert (scrubber.session, scrubber.origin, scrubber.frame) == ("fork", "forked from run before frame 1", 3)
    scrubber.load(other)
    assert selected == [3, 0, 3]


def test_a_failure_that_comes_later_leaves_the_selection_where_it_is():
    run = Run(2)
    scrubber = FrameScrubber(run)
    run.add(status="error")
    scrubber.look()
    assert scrubber.frame == 0
