"""Reading a file: every damage is told, none hides the rest, and a file that is being written is followed."""

import itertools
import random
import threading

import orjson
import pytest

from agent_vcr_nb import VCRPlayer, VCRRecorder, step
from agent_vcr_nb.core.errors import FrameNotFoundError, RecordingError, VCRError
from agent_vcr_nb.core.frame import Status
from agent_vcr_nb.core.journal import make_line

NODES = 6


@pytest.fixture
def session(tmp_path):
    """Frames 0 to 11: six steps, each with one inside it, on a state that is written as changes."""
    recorder = VCRRecorder(tmp_path / "made")
    recorder.start_session("s")
    state = {"filler": ["x" * 300] * 5, "log": []}

    @step
    def inner(state):
        return {**state, "log": [*state["log"], f"i{len(state['log'])}"]}

    @step
    def outer(state):
        return {**inner(state), "n": len(state["log"])}

    for _ in range(NODES):
        state = outer(state)
    recorder.close()
    return tmp_path / "made" / "s.vcr"


def lines_of(path):
    return path.read_bytes().split(b"\n")[:-1]


def logs(player, side="output"):
    """How long the log is after (or before) each frame; None where that cannot be told."""
    found = []
    for number in range(len(player)):
        try:
            state = player.goto_frame(number) if side == "output" else player.get_input_state(number)
            found.append(len(state.get("log", ())))
        except VCRError:
            found.append(None)
    return found


OUTPUTS = list(itertools.chain.from_iterable((n + 1, n + 1) for n in range(NODES)))
INPUTS = list(itertools.chain.from_iterable((n, n) for n in range(NODES)))


def test_each_state_of_the_session_is_what_was_passed(session):
    player = VCRPlayer.load(session)
    assert (logs(player), logs(player, "input")) == (OUTPUTS, INPUTS)
    assert [frame.parent for frame in player.frames] == [None, *(n if n % 2 == 0 else None for n in range(11))]
    assert player.verify_integrity()["issues"] == []


def test_at_every_cut_of_the_last_three_lines_the_whole_frames_are_there(session, tmp_path):
    data = session.read_bytes()
    ends = [at for at, byte in enumerate(data) if byte == 10]
    begin = ends[-4] + 1
    path = tmp_path / "cut.vcr"
    for cut in range(begin, len(data)):
        path.write_bytes(data[:cut])
        player = VCRPlayer.load(path)
        whole = [line for line, end in zip(lines_of(session), ends, strict=True) if end < cut]
        ended = {orjson.loads(line)["data"]["number"] for line in whole if line.startswith(b'{"type":"frame"')}
        assert {n for n, length in enumerate(logs(player)) if length is not None} == ended
        player.recording.close()


def test_a_line_that_was_cut_short_is_told_wherever_it_was_cut(session, tmp_path):
    data = session.read_bytes()
    path = tmp_path / "cut.vcr"
    for cut in [*range(data.rindex(b"\n", 0, -1) - 400, len(data), 13), len(data)]:
        path.write_bytes(data[:cut])
        player = VCRPlayer.load(path)
        assert player.verify_integrity()["ok"] is (data[cut - 1 : cut] == b"\n"), cut
        player.recording.close()


def test_recording_goes_on_after_any_cut_of_the_last_line_but_one(session, tmp_path):
    data = session.read_bytes()
    ends = [at for at, byte in enumerate(data) if byte == 10]
    for cut in range(ends[-3] + 2, ends[-2] + 1, 7):
        folder = tmp_path / str(cut)
        folder.mkdir()
        (folder / "s.vcr").write_bytes(data[:cut])
        recorder = VCRRecorder(folder)
        recorder.start_session("s")
        frame = recorder.record_step("more", {"a": 1}, {"a": 2})
        recorder.close()
        player = VCRPlayer.load(folder / "s.vcr")
        assert frame.number == 12
        assert player.goto_frame(12) == {"a": 2}
        assert logs(player)[:10] == OUTPUTS[:10]
        assert (folder / "s.vcr").read_bytes().startswith(data[:cut])


def test_any_single_bit_that_flips_is_told_and_never_an_error_of_opening(session, tmp_path):
    data = session.read_bytes()
    path = tmp_path / "flipped.vcr"
    chance = random.Random(7)
    for _ in range(400):
        flipped = bytearray(data)
        at = chance.randrange(len(data))
        flipped[at] ^= 1 << chance.randrange(8)
        path.write_bytes(flipped)
        player = VCRPlayer.load(path)
        report = player.verify_integrity()
        player.recording.close()
        assert not report["ok"], f"byte {at}: {data[at - 10 : at + 10]!r} became {bytes(flipped[at - 10 : at + 10])!r}"


def test_a_frame_that_no_damaged_line_touches_stays_what_it_was(session, tmp_path):
    """Each line damaged in turn: what is shown is right, what is not shown is told."""
    lines = lines_of(session)
    path = tmp_path / "damaged.vcr"
    for n, line in enumerate(lines):
        path.write_bytes(b"\n".join([*lines[:n], b"#" * len(line), *lines[n + 1 :]]) + b"\n")
        player = VCRPlayer.load(path)
        for found, expected in ((logs(player), OUTPUTS), (logs(player, "input"), INPUTS)):
            assert all(a in (b, None) for a, b in zip(found, expected, strict=False))
        assert not player.verify_integrity()["ok"]


def test_a_lost_start_line_is_told_and_is_no_empty_input(session, tmp_path):
    lines = lines_of(session)
    first = next(n for n, line in enumerate(lines) if line.startswith(b'{"type":"start"') and b'"number":0,' in line)
    session.write_bytes(b"\n".join([*lines[:first], *lines[first + 1 :]]) + b"\n")
    player = VCRPlayer.load(session)
    with pytest.raises(RecordingError, match="input state of frame 0 is missing"):
        player.get_input_state(0)
    with pytest.raises(RecordingError):
        player.get_frame(0)
    assert not player.verify_integrity()["ok"]


def test_a_lost_end_line_shows_the_step_as_running(session):
    lines = [line for line in lines_of(session) if not (b'"frame"' in line[:20] and b'"number":11,' in line[:50])]
    session.write_bytes(b"\n".join(lines) + b"\n")
    player = VCRPlayer.load(session)
    assert player.get_frame(11).status is Status.RUNNING
    with pytest.raises(FrameNotFoundError, match="not ended"):
        player.goto_frame(11)


def test_a_line_whose_number_was_damaged_does_not_take_another_one_s_place(tmp_path):
    def frame(number):
        state = {"n": number}
        return make_line("frame", {"number": number, "node_name": "n", "input_state": state, "output_state": state})

    lines = [make_line("session", {"schema": "execution/v2"}), *(frame(n) for n in range(9))]
    lines[2] = lines[2].replace(b'"number":1,', b'"number":7,')
    path = tmp_path / "s.vcr"
    path.write_bytes(b"".join(lines))
    player = VCRPlayer.load(path)
    assert [n for n in range(9) if player.head(n)["status" if n == 1 else "node_name"] == "n"] == [0, *range(2, 9)]
    assert player.goto_frame(7) == {"n": 7}
    assert player.verify_integrity()["skipped_lines"] == 1


@pytest.mark.parametrize(
    "header", [b"\0" * 80, b'{"type":"session","data":5}', b'{"type":"session","data":{"tags":"x"}}']
)
def test_a_damaged_header_hides_no_frame(header, session):
    lines = lines_of(session)
    session.write_bytes(b"\n".join([header, *lines[1:]]) + b"\n")
    player = VCRPlayer.load(session)
    assert logs(player) == OUTPUTS
    assert player.session.session_id == "s"
    assert "header" in player.verify_integrity()["issues"][0]


def test_a_header_of_a_megabyte_is_read(tmp_path):
    recorder = VCRRecorder(tmp_path)
    recorder.start_session("s", metadata={"prompt": "p" * 3_000_000})
    recorder.record_step("n", {}, {"a": 1})
    recorder.close()
    player = VCRPlayer.load(tmp_path / "s.vcr")
    assert len(player.session.metadata["prompt"]) == 3_000_000
    assert player.verify_integrity()["issues"] == []


def test_a_block_of_zeros_in_the_middle_costs_no_frame_but_its_own(session):
    lines = lines_of(session)
    session.write_bytes(b"\n".join([*lines[:5], b"\0" * 4096 + lines[5], *lines[6:]]) + b"\n")
    player = VCRPlayer.load(session)
    assert len(player) == 12
    assert player.verify_integrity()["skipped_lines"] == 1


def test_two_lines_welded_together_are_told_and_hide_no_other(session):
    lines = lines_of(session)
    session.write_bytes(b"\n".join([*lines[:-3], lines[-3] + lines[-2], lines[-1]]) + b"\n")
    player = VCRPlayer.load(session)
    assert logs(player)[:10] == OUTPUTS[:10]
    assert not player.verify_integrity()["ok"]


def test_a_file_whose_line_ends_were_converted_opens_unchanged(session):
    session.write_bytes(session.read_bytes().replace(b"\n", b"\r\n"))
    player = VCRPlayer.load(session)
    assert (logs(player), logs(player, "input")) == (OUTPUTS, INPUTS)
    assert player.verify_integrity()["issues"] == []


def test_line_separators_of_unicode_split_no_line(tmp_path):
    recorder = VCRRecorder(tmp_path)
    recorder.start_session("s")
    recorder.record_step("a\u2028b", {"t": "\u2029\x85\x0c"}, {"t": "\u2028" * 5})
    player = VCRPlayer.load(tmp_path / "s.vcr")
    assert player.frames[0].node_name == "a\u2028b"
    assert player.goto_frame(0) == {"t": "\u2028" * 5}


def test_a_format_of_the_future_is_refused_in_words(tmp_path):
    path = tmp_path / "s.vcr"
    path.write_bytes(make_line("session", {"schema": "execution/v9"}))
    with pytest.raises(RecordingError, match=r"execution/v9.*newer"):
        VCRPlayer.load(path)


def test_a_file_without_permission_is_the_project_s_own_error(tmp_path, monkeypatch):
    path = tmp_path / "s.vcr"
    path.write_bytes(b"")

    def refused(*_args):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("agent_vcr_nb.core.segment.os.open", refused)
    with pytest.raises(RecordingError, match="Permission denied"):
        VCRPlayer.load(path)


def test_an_empty_file_is_a_session_without_frames(tmp_path):
    path = tmp_path / "s.vcr"
    path.write_bytes(b"")
    assert len(VCRPlayer.load(path)) == 0


# ---------------------------------------------------------------------------------------------- a file being written


def test_a_file_that_is_being_written_is_followed_frame_by_frame(tmp_path):
    recorder = VCRRecorder(tmp_path)
    recorder.start_session("s")
    player = VCRPlayer.load(tmp_path / "s.vcr")
    state = {"filler": "x" * 2000, "n": -1}

    def write():
        nonlocal state
        for n in range(200):
            state = {**state, "n": n}
            recorder.record_step("n", state, state)
        recorder.close()

    writing = threading.Thread(target=write)
    writing.start()
    followed = [frame.output_state["n"] for frame in player.follow(timeout=20)]
    writing.join()
    assert followed == list(range(200))


def test_half_a_line_is_no_frame_until_its_other_half_comes(session, tmp_path):
    data = session.read_bytes()
    half = len(data) - 150
    path = tmp_path / "growing.vcr"
    path.write_bytes(data[:half])
    player = VCRPlayer.load(path)
    before = len(player)
    assert player.refresh() == 0
    with open(path, "ab") as file:
        file.write(data[half:])
    assert player.refresh() >= 1
    assert len(player) >= before
    assert logs(player) == OUTPUTS


def test_a_step_shows_as_running_and_then_as_ended(tmp_path):
    recorder = VCRRecorder(tmp_path)
    recorder.start_session("s")
    begun = recorder.begin("slow", {"a": 1})
    player = VCRPlayer.load(tmp_path / "s.vcr")
    assert (player.get_frame(0).status, player.get_frame(0).input_state) == (Status.RUNNING, {"a": 1})
    begun.finish({"a": 2})
    player.refresh()
    assert (player.get_frame(0).status, player.get_frame(0).output_state) == (Status.OK, {"a": 2})


def test_a_file_that_became_shorter_while_it_was_open_is_told(session):
    player = VCRPlayer.load(session)
    assert len(player) == 12
    session.write_bytes(b"")
    with pytest.raises(RecordingError, match="shorter"):
        player.refresh()
