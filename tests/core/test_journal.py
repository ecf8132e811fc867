"""The file of a session: who may write it, where, with which rights, and that a line is whole or told as damaged."""

import os
import stat
import subprocess
import sys
import zlib

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent_vcr_nb import VCRPlayer, VCRRecorder
from agent_vcr_nb.core.errors import RecordingError, UsageError, VCRError
from agent_vcr_nb.core.journal import Journal, check_session_id, line_is_whole, make_line


def recorder_in(folder, session_id="s", **options):
    recorder = VCRRecorder(folder, **options)
    recorder.start_session(session_id)
    return recorder


def rows(path):
    return [orjson.loads(line) for line in path.read_bytes().split(b"\n") if line]


# ---------------------------------------------------------------------------------------------- a line


def test_the_checksum_is_crc_32_of_the_line_without_it():
    line = make_line("frame", {"number": 0, "text": "ä"})
    plain = '{"type":"frame","data":{"number":0,"text":"ä"}}'.encode()
    assert line == plain[:-1] + b',"crc":"%08x"}\n' % zlib.crc32(plain)
    assert line_is_whole(line[:-1])


@settings(deadline=None)
@given(st.binary(min_size=1), st.data())
def test_any_change_of_one_bit_is_seen(raw, data):
    line = make_line("frame", {"number": 0, "state": raw.hex()})[:-1]
    at = data.draw(st.integers(0, len(line) * 8 - 1))
    changed = bytearray(line)
    changed[at // 8] ^= 1 << at % 8
    assert line_is_whole(bytes(changed)) is not True


def test_a_line_holds_no_character_that_ends_a_line_for_another_program():
    line = make_line("frame", {"number": 0, "text": "a\u2028b\u2029c\nd\re\x85"})
    assert len(line.decode().splitlines()) == 2  # the line feed at its end and U+0085, which JSON leaves as it is
    assert line.count(b"\n") == 1
    assert orjson.loads(line)["data"]["text"] == "a\u2028b\u2029c\nd\re\x85"


# ---------------------------------------------------------------------------------------------- a name


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", "../x", "a/b", "a\\b", "/etc/passwd", ".hidden", "-x", "a..b", "a\0b", "a\n", "a b", "ä",
     "~1", "a~1", "con", "NUL.txt", "com1", "x" * 129, "trailing.", "a:b", "$HOME", "a%2fb"],
)  # fmt: skip
def test_an_id_that_could_name_another_place_is_refused(name, tmp_path):
    with pytest.raises(UsageError, match="session id"):
        Journal(tmp_path / "deep", name, {})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["a", "9", "run-1.2_3", "x" * 128, "Console", "nullify"])
def test_an_ordinary_id_is_taken_as_it_is(name):
    assert check_session_id(name) == name


def test_a_symbolic_link_in_the_place_of_a_recording_is_not_written_through(tmp_path):
    target = tmp_path / "precious"
    target.write_text("precious")
    (tmp_path / "s.vcr").symlink_to(target)
    with pytest.raises(UsageError, match="symbolic link"):
        recorder_in(tmp_path)
    assert target.read_text() == "precious"


def test_a_named_pipe_in_the_place_of_a_recording_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "s.vcr")
    with pytest.raises(UsageError, match="no regular file"):
        recorder_in(tmp_path)


def test_a_symbolic_link_in_the_place_of_the_long_strings_is_not_written_through(tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (tmp_path / "s.blobs").symlink_to(elsewhere)
    recorder = recorder_in(tmp_path)
    recorder.record_step("n", {"page": "x" * 70_000}, {})
    assert recorder.lost == 1
    assert list(elsewhere.iterdir()) == []


@pytest.mark.parametrize("content", [b"some notes\n", b'{"type":"feature"}\n', b"\x00" * 100, b"frame\n"])
def test_a_file_that_is_no_recording_is_left_alone(content, tmp_path):
    path = tmp_path / "s.vcr"
    path.write_bytes(content)
    with pytest.raises(RecordingError, match="no recording of this format"):
        recorder_in(tmp_path)
    assert path.read_bytes() == content


def test_folder_files_and_long_strings_are_the_user_s_alone(tmp_path):
    folder = tmp_path / "deep" / ".vcr"
    before = os.umask(0)
    try:
        recorder_in(folder).record_step("n", {"page": "x" * 70_000}, {})
    finally:
        os.umask(before)
    found = {path.name: stat.S_IMODE(path.stat().st_mode) for path in [folder, *folder.rglob("*")]}
    assert {name: mode for name, mode in found.items() if len(name) < 64} == {
        ".vcr": 0o700,
        "s.vcr": 0o600,
        "s.blobs": 0o700,
    }
    assert [mode for name, mode in found.items() if len(name) == 64] == [0o600]


# ---------------------------------------------------------------------------------------------- one writer


def test_an_existing_session_is_continued_and_keeps_every_byte(tmp_path):
    recorder_in(tmp_path).record_step("n", {"a": 1}, {"a": 2})
    first = (tmp_path / "s.vcr").read_bytes()
    recorder = recorder_in(tmp_path)
    frame = recorder.record_step("n", {"a": 2}, {"a": 3})
    assert (frame.number, frame.key) == (1, "n#2")
    assert (tmp_path / "s.vcr").read_bytes().startswith(first)
    assert [f.output_state for f in VCRPlayer.load(tmp_path / "s.vcr").frames] == [{"a": 2}, {"a": 3}]


def test_a_header_that_was_cut_short_is_written_again(tmp_path):
    (tmp_path / "s.vcr").write_bytes(b'{"type":"session","data":{"sche')
    recorder_in(tmp_path).record_step("n", {"a": 1}, {"a": 2})
    player = VCRPlayer.load(tmp_path / "s.vcr")
    assert player.session.session_id == "s"
    assert player.session.created_at is not None
    assert player.goto_frame(0) == {"a": 2}


def test_a_torn_last_line_is_closed_and_not_cut_off(tmp_path):
    recorder_in(tmp_path).record_step("n", {"a": 1}, {"a": 2})
    with open(tmp_path / "s.vcr", "ab") as file:
        file.write(b'{"type":"frame","data":{"number":1,"key":"n#')
    torn = (tmp_path / "s.vcr").read_bytes()
    recorder_in(tmp_path).record_step("n", {"a": 2}, {"a": 3})
    assert (tmp_path / "s.vcr").read_bytes().startswith(torn + b"\n")
    report = VCRPlayer.load(tmp_path / "s.vcr").verify_integrity()
    assert (report["frame_count"], report["skipped_lines"]) == (2, 1)


def test_two_recorders_of_one_id_in_one_process_lose_nothing(tmp_path):
    """A cell that is run twice: the second one takes the file over, the first one goes on in a segment."""
    first = recorder_in(tmp_path)
    first.record_step("a", {}, {"n": 0})
    second = recorder_in(tmp_path)
    for n in range(3):
        second.record_step("b", {}, {"n": n})
        first.record_step("a", {}, {"n": n + 1})
    assert (first.lost, second.lost) == (0, 0)
    frames = VCRPlayer.load(tmp_path / "s.vcr").frames
    assert sorted((f.node_name, f.output_state["n"]) for f in frames) == [
        *(("a", n) for n in range(4)),
        *(("b", n) for n in range(3)),
    ]
    assert VCRPlayer.load(tmp_path / "s.vcr").verify_integrity()["issues"] == []


def test_a_second_process_gets_a_segment_of_its_own(tmp_path):
    first = recorder_in(tmp_path)
    first.record_step("a", {}, {"n": 0})
    code = (
        "from agent_vcr_nb import VCRRecorder\n"
        f"r = VCRRecorder({str(tmp_path)!r}); r.start_session('s'); r.record_step('b', {{}}, {{'n': 9}})"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    first.record_step("a", {}, {"n": 1})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["s.vcr", "s~1.vcr"]
    assert [f.output_state["n"] for f in VCRPlayer.load(tmp_path / "s.vcr").frames] == [0, 9, 1]


def test_a_file_system_without_locks_still_records_each_writer_in_a_file_of_its_own(tmp_path, monkeypatch):
    def no_locks(fd, operation):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr("fcntl.flock", no_locks)
    first, second = recorder_in(tmp_path), recorder_in(tmp_path)
    first.record_step("a", {}, {"n": 0})
    second.record_step("b", {}, {"n": 1})
    assert [f.output_state["n"] for f in VCRPlayer.load(tmp_path / "s.vcr").frames] == [0, 1]


# ---------------------------------------------------------------------------------------------- long strings


def test_a_long_string_lies_in_a_file_of_its_own_once(tmp_path):
    page = "pagé " * 20_000
    recorder = recorder_in(tmp_path)
    recorder.record_step("n", {"page": page}, {"page": page, "copy": [page]})
    recorder.record_step("n", {"page": page, "raw": page.encode()}, {"page": page[1:]})
    recorder.close()
    names = [path.name for path in (tmp_path / "s.blobs").iterdir()]
    assert len(names) == 3  # the page, its base64, and the page without its first letter
    assert (tmp_path / "s.vcr").stat().st_size < 8000
    player = VCRPlayer.load(tmp_path / "s.vcr")
    assert player.goto_frame(0) == {"page": page, "copy": [page]}
    assert player.get_input_state(1) == {"page": page, "raw": page.encode()}
    assert player.goto_frame(1) == {"page": page[1:]}


def test_changes_around_a_long_string_leave_it_where_it_is(tmp_path):
    page = "x" * 100_000
    state = {"page": page, "log": ["l" * 100] * 30}
    recorder = recorder_in(tmp_path)
    for n in range(10):
        recorder.record_step("n", state, state := {**state, "log": [*state["log"], n]})
    state = {**state, "page": page + "more"}
    recorder.record_step("n", state, {**state, "page": "short"})
    assert (tmp_path / "s.vcr").stat().st_size < 150_000
    player = VCRPlayer.load(tmp_path / "s.vcr")
    assert player.goto_frame(9)["log"][-3:] == [7, 8, 9]
    assert player.goto_frame(9)["page"] == page
    assert player.get_input_state(10)["page"] == page + "more"
    assert player.goto_frame(10)["page"] == "short"


@pytest.mark.parametrize("damage", ["missing", "altered", "link", "pipe"])
def test_a_long_string_that_is_gone_or_altered_is_a_clear_error(damage, tmp_path):
    recorder_in(tmp_path).record_step("n", {"page": "x" * 70_000}, {"ok": 1})
    (blob,) = (tmp_path / "s.blobs").iterdir()
    content = blob.read_bytes()
    if damage == "altered":
        blob.write_bytes(content[:-1] + b"y")
    else:
        blob.unlink()
    if damage == "link":
        (tmp_path / "moved").write_bytes(content)
        blob.symlink_to(tmp_path / "moved")
    if damage == "pipe":
        os.mkfifo(blob)
    player = VCRPlayer.load(tmp_path / "s.vcr")
    with pytest.raises(VCRError, match="long string"):
        player.get_input_state(0)
    assert player.goto_frame(0) == {"ok": 1}
    assert "long string" in player.verify_integrity()["issues"][0]
