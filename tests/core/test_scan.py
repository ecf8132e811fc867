"""Where the scan of a file finds its lines, whatever their order and wherever the chunks that are read end."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent_vcr_nb.core import segment as scanning
from agent_vcr_nb.core.errors import RecordingError
from agent_vcr_nb.core.journal import make_line
from agent_vcr_nb.core.segment import Segment

HEADER = b'{"type":"session","data":{}}'


def frame(number: int) -> bytes:
    return make_line("frame", {"number": number, "key": "a"})[:-1]


def start(number: int) -> bytes:
    return make_line("start", {"number": number, "key": "a"})[:-1]


def scanned(tmp_path: Path, lines: list[bytes]) -> tuple[Segment, list[int]]:
    file = tmp_path / "a.vcr"
    file.write_bytes(b"\n".join(lines) + b"\n")
    places = [sum(len(line) + 1 for line in lines[:n]) for n in range(len(lines))]
    segment = Segment(file)
    segment.scan()
    segment.close()
    return segment, places


@pytest.fixture(params=[7, 64, 1 << 20], ids="chunks of {} bytes".format)
def chunk(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scanning, "_CHUNK", request.param)


@pytest.mark.usefixtures("chunk")
def test_frames_in_order_are_found_where_they_stand(tmp_path: Path) -> None:
    segment, places = scanned(tmp_path, [HEADER, frame(0), frame(1), frame(2)])
    assert list(segment.frame_at) == places[1:]
    assert list(segment.start_at) == [-1, -1, -1]


@pytest.mark.usefixtures("chunk")
def test_starts_and_ends_that_interleave_are_told_apart(tmp_path: Path) -> None:
    segment, places = scanned(tmp_path, [HEADER, start(0), start(1), frame(1), frame(0), frame(2), start(3)])
    assert list(segment.start_at) == [places[1], places[2], -1, places[6]]
    assert list(segment.frame_at) == [places[4], places[3], places[5], -1]


@pytest.mark.usefixtures("chunk")
def test_a_frame_whose_line_is_missing_leaves_a_gap_that_the_next_ones_do_not_fill(tmp_path: Path) -> None:
    segment, places = scanned(tmp_path, [HEADER, frame(0), b"\0" * 30, frame(2), frame(3)])
    assert list(segment.frame_at) == [places[1], -1, places[3], places[4]]
    assert segment.bad == [(places[2], places[2] + 30)]


@pytest.mark.usefixtures("chunk")
def test_a_line_that_lost_its_end_is_bad_and_the_next_one_is_found(tmp_path: Path) -> None:
    segment, places = scanned(tmp_path, [HEADER, frame(0), frame(1)[:-5], frame(2)])
    assert list(segment.frame_at) == [places[1], -1, places[3]]
    assert [begin for begin, _ in segment.bad] == [places[2]]


@pytest.mark.usefixtures("chunk")
def test_a_number_that_comes_twice_keeps_the_first_line(tmp_path: Path) -> None:
    segment, places = scanned(tmp_path, [HEADER, frame(0), frame(1), frame(0), frame(2)])
    assert list(segment.frame_at) == [places[1], places[2], places[4]]
    assert [begin for begin, _ in segment.bad] == [places[3]]


@pytest.mark.usefixtures("chunk")
def test_a_number_far_beyond_the_last_one_takes_no_memory(tmp_path: Path) -> None:
    segment, places = scanned(tmp_path, [HEADER, frame(0), frame(999_999_999_999), frame(1)])
    assert list(segment.frame_at) == [places[1], places[3]]


@pytest.mark.usefixtures("chunk")
def test_frames_of_ai_agent_vcr_are_numbered_by_their_order(tmp_path: Path) -> None:
    spaced, tight = b'{"type": "frame", "data": {}}', b'{"type":"frame","data":{"frame_id":"x"}}'
    segment, places = scanned(tmp_path, [HEADER, spaced, tight, spaced])
    assert list(segment.frame_at) == places[1:]


def test_a_line_of_many_chunks_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scanning, "_CHUNK", 16)
    long = frame(1)[:-20] + b"x" * 5000 + frame(1)[-20:]
    segment, places = scanned(tmp_path, [frame(0), long, frame(2)])
    assert list(segment.frame_at) == places


def test_no_more_than_a_line_may_have_is_read_at_once(tmp_path):
    (tmp_path / "s.vcr").write_bytes(b'{"type":"session"}\n')
    with pytest.raises(RecordingError, match="more than 268,435,456: not read"):
        Segment(tmp_path / "s.vcr").read(0, (256 << 20) + 1)
