"""Damaged and hostile files: only errors of the package come out, with file and place, and what is readable is kept."""

import copy
import io
import json
import os
import tracemalloc
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent_vcr_nb.core.errors import ImportFormatError, UsageError, VCRError
from agent_vcr_nb.core.journal import check_session_id
from agent_vcr_nb.core.player import VCRPlayer
from agent_vcr_nb.integrations.importers.common import session_id_of
from agent_vcr_nb.integrations.importers.json_text import parse
from agent_vcr_nb.verbs import importing
from agent_vcr_nb.verbs.importing import import_recordings

DATA = Path(__file__).parent.parent / "data"
SMALL = [
    DATA / "mini-swe-agent" / "local.traj.json",
    DATA / "who-and-when" / "Hand-Crafted" / "24.json",
    DATA / "swe-agent" / "function_calling_simple.traj",
    DATA / "inspect-ai" / "log_formats.json",
    DATA / "inspect-ai" / "log_read_sample.json",
    DATA / "inspect-ai" / "log_tool_call_error.json",
]
REAL_EVAL = DATA / "inspect-ai" / "log_streaming.eval"


def frames_of(report, directory):
    """Return (name, output state) of every frame of the first session."""
    player = VCRPlayer.load(directory / f"{report.sessions[0].session_id}.vcr")
    return [(frame.node_name, frame.output_state) for frame in player.frames]


def archive(members):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in members.items():
            file.writestr(name, content)
    return buffer.getvalue()


def sample(**more):
    message = {"role": "assistant", "content": "hello"}
    return json.dumps({"id": 1, "epoch": 1, "messages": [{"role": "user", "content": "hi"}, message], **more})


# ------------------------------------------------------------------------------------------------ cut and broken


LOCAL = SMALL[0].read_bytes()
ANSWERED = LOCAL.index(b'"assistant"') + len(b'"assistant"')
"""From here on a cut file has a first turn."""


@pytest.mark.parametrize("place", range(ANSWERED, len(LOCAL), 29))
def test_a_file_cut_after_its_first_turn_keeps_the_frames_before_the_cut(tmp_path, place):
    expected = frames_of(import_recordings([SMALL[0]], tmp_path / "whole"), tmp_path / "whole")
    path = tmp_path / "local.traj.json"
    path.write_bytes(LOCAL[:place])
    report = import_recordings([path], tmp_path / "cut")
    kept = frames_of(report, tmp_path / "cut")
    assert kept[:-1] == expected[: len(kept) - 1]
    assert kept[-1][0] == expected[len(kept) - 1][0]  # its message may lack what followed the cut
    assert report.exit_code == 3
    assert str(report.errors[0]).startswith(f"{path}: line ")
    assert "what was readable is kept" in report.text()


@pytest.mark.parametrize("place", range(2, ANSWERED - 1, 97))
def test_a_file_cut_before_its_first_turn_is_refused_with_the_place(tmp_path, place):
    path = tmp_path / "local.traj.json"
    path.write_bytes(LOCAL[:place])
    with pytest.raises(ImportFormatError, match=r"local\.traj\.json: .*line \d+ column \d+"):
        import_recordings([path], tmp_path / "cut")


def test_a_cut_archive_keeps_the_samples_before_the_cut(tmp_path):
    path = tmp_path / "cut.eval"
    path.write_bytes(REAL_EVAL.read_bytes()[:4200])  # inside the third of four samples
    report = import_recordings([path], tmp_path / "vcr")
    ids = {session.session_id: session.frames for session in report.sessions}
    assert (ids["cut-2-epoch1"], ids["cut-2-epoch2"]) == (2, 2)
    problems = str(report.errors[0])
    assert "no whole zip archive" in problems
    assert "samples/1_epoch_1.json: line " in problems


def test_a_broken_line_of_a_recording_is_named_and_the_others_are_kept(tmp_path):
    lines = (DATA / "ai-agent-vcr" / "peer_run.vcr").read_text().splitlines()
    lines[2] = lines[2][:200]
    path = tmp_path / "peer_run.vcr"
    path.write_text("\n".join(lines))
    report = import_recordings([path], tmp_path / "vcr")
    assert report.sessions[0].frames == 5
    assert str(report.errors[0]).startswith(f"{path}: line 3: column ")


def test_a_broken_sample_of_an_archive_is_named_and_the_others_are_kept(tmp_path):
    path = tmp_path / "log.eval"
    path.write_bytes(archive({"samples/1_epoch_1.json": "{]", "samples/2_epoch_1.json": sample(id=2)}))
    report = import_recordings([path], tmp_path / "vcr")
    assert [session.session_id for session in report.sessions] == ["log-2-epoch1"]
    assert "samples/1_epoch_1.json: line 1 column 2" in str(report.errors[0])


def test_one_broken_file_does_not_keep_the_others_from_being_imported(tmp_path):
    (tmp_path / "a.json").write_text('{"trajectory": 5, "history": []}')
    (tmp_path / "b.traj.json").write_bytes(SMALL[0].read_bytes())
    report = import_recordings([tmp_path / "a.json", tmp_path / "b.traj.json"], tmp_path / "vcr")
    assert [session.session_id for session in report.sessions] == ["b"]
    assert [str(error) for error in report.errors] == [
        f"{tmp_path / 'a.json'}: /trajectory: expected a list, found the number 5"
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "neither JSON nor a zip archive; found an empty file"),
        (b"hello", "neither JSON nor a zip archive; found 'hello'"),
        (b'{"a": 1}', "no format known here"),
        (b'{\n  "history": [\x80', r"line 2, byte 16: not UTF-8 \(80\)"),
        (b"[" * 100_000, "nested deeper than 200 levels"),
        (b"PK\x03\x04 and nothing more", "no whole zip archive"),
        (b'{"a" 1}', "line 1 column 6: Expecting ':' delimiter"),
    ],
)
def test_what_is_no_recording_is_refused_with_file_and_place(tmp_path, content, message):
    path = tmp_path / "thing.json"
    path.write_bytes(content)
    with pytest.raises(ImportFormatError, match=message) as refused:
        import_recordings([path], tmp_path / "vcr")
    assert str(refused.value).startswith(f"{path}: ")
    assert not (tmp_path / "vcr").exists()


# ------------------------------------------------------------------------------------------------ archives


def test_a_member_that_unpacks_to_more_than_the_limit_is_left_alone(tmp_path):
    path = tmp_path / "bomb.eval"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as file:
        with file.open("samples/0_epoch_1.json", "w") as member:
            for _ in range(260):
                member.write(b" " * (1 << 20))
        file.writestr("samples/1_epoch_1.json", sample())
    tracemalloc.start()
    try:
        report = import_recordings([path], tmp_path / "vcr")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert [session.session_id for session in report.sessions] == ["bomb-1-epoch1"]
    assert "samples/0_epoch_1.json: 272,629,760 bytes unpacked" in str(report.errors[0])
    assert peak < 32 << 20


def test_a_member_that_lies_about_its_size_is_damaged_and_not_unpacked(tmp_path):
    content = bytearray(archive({"samples/0_epoch_1.json": sample(), "samples/1_epoch_1.json": sample()}))
    entry = content.find(b"PK\x01\x02")
    content[entry + 24 : entry + 28] = (10).to_bytes(4, "little")  # uncompressed size in the table of contents
    path = tmp_path / "liar.eval"
    path.write_bytes(content)
    report = import_recordings([path], tmp_path / "vcr")
    assert [session.session_id for session in report.sessions] == ["liar-1-epoch1"]
    assert "samples/0_epoch_1.json: damaged in the archive" in str(report.errors[0])


def test_names_in_an_archive_and_ids_in_a_file_reach_no_path(tmp_path):
    inside = tmp_path / "deep" / "vcr"
    names = {"../../up.json": sample(), "samples/../../up.json": sample(), "/samples/root.json": sample()}
    path = tmp_path / "deep" / "log.eval"
    path.parent.mkdir()
    path.write_bytes(archive({**names, "samples/1_epoch_1.json": sample(id="../../../up")}))
    peer = path.with_name("peer.vcr")
    header = {"type": "session", "schema": "execution/v1", "data": {"session_id": "../../up"}}
    frame = {"type": "frame", "data": {"node_name": "a", "input_state": {}, "output_state": {}}}
    peer.write_text(json.dumps(header) + "\n" + json.dumps(frame) + "\n")
    import_recordings([path, peer], inside)
    written = sorted(str(file.relative_to(tmp_path)) for file in tmp_path.rglob("*") if file.is_file())
    assert written == ["deep/log.eval", "deep/peer.vcr", "deep/vcr/log-.-.-.-up-epoch1.vcr", "deep/vcr/up.vcr"]


def test_a_link_in_a_folder_is_not_followed(tmp_path):
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "link.traj.json").symlink_to(SMALL[0])
    assert import_recordings([tmp_path / "runs"], tmp_path / "vcr").files == ()


def test_a_pipe_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.json")
    with pytest.raises(UsageError, match=r"pipe\.json: no regular file"):
        import_recordings([tmp_path / "pipe.json"], tmp_path / "vcr")
    assert import_recordings([tmp_path], tmp_path / "vcr").files == ()


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "vcr").write_text("a file where the folder should be")
    with pytest.raises(UsageError, match=r"vcr: cannot be written: "):
        import_recordings([SMALL[0]], tmp_path / "vcr")


# ------------------------------------------------------------------------------------------------ values


def test_numbers_keep_their_digits_and_texts_their_characters(tmp_path):
    big = "9" * 5000
    answer = f'{{"role": "assistant", "content": "\\ud800", "n": {big}, "x": NaN}}'
    path = tmp_path / "odd.traj.json"
    path.write_text(f'[{{"role": "user", "content": "q"}}, {answer}]')
    report = import_recordings([path], tmp_path / "vcr")
    (_, state), *_ = frames_of(report, tmp_path / "vcr")
    message = state["messages"][1]
    assert str(message["n"]) == big
    assert message["content"] == "\ud800"
    assert message["x"] != message["x"]


def test_a_tag_in_a_foreign_file_stays_a_plain_dict(tmp_path):
    hostile = {"$t": "blob", "sha256": "../../etc/passwd", "chars": 3}
    path = tmp_path / "tag.traj.json"
    path.write_text(json.dumps([{"role": "user", "content": "q"}, {"role": "assistant", "content": hostile}]))
    report = import_recordings([path], tmp_path / "vcr")
    assert frames_of(report, tmp_path / "vcr")[0][1]["messages"][1]["content"] == hostile


def test_metadata_too_large_for_a_header_is_left_out_and_told(tmp_path):
    messages = [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]
    path = tmp_path / "big.traj.json"
    path.write_text(json.dumps({"info": {"submission": "x" * 2_000_000}, "messages": messages}))
    report = import_recordings([path], tmp_path / "vcr")
    assert report.sessions[0].left_out == ("submission: 2,000,002 bytes of metadata, more than a header takes",)
    assert VCRPlayer.load(tmp_path / "vcr" / "big.vcr").session.metadata["imported_from"] == "mini-swe-agent"


def test_a_run_that_would_take_hours_stops_and_says_where(tmp_path, monkeypatch):
    monkeypatch.setattr(importing, "MAX_COMPARED_BYTES", 1 << 20)
    turn = {"role": "assistant", "content": "x" * 20_000}
    path = tmp_path / "long.traj.json"
    path.write_text(json.dumps([turn] * 200))
    report = import_recordings([path], tmp_path / "vcr")
    # The first state is empty, so nothing counts until the 51st: from there 1 MB a frame.
    assert report.sessions[0].frames == 52
    assert report.sessions[0].left_out == ("turns after frame 51: the state is too large to go on for so long",)


def test_an_attachment_that_is_not_there_is_named(tmp_path):
    log = {"version": 2, "status": "success", "eval": {"task": "t"}, "samples": [json.loads(sample())]}
    log["samples"][0]["messages"][1]["content"] = "attachment://abc"
    path = tmp_path / "log.json"
    path.write_text(json.dumps(log))
    report = import_recordings([path], tmp_path / "vcr")
    assert "/samples/0/attachments: attachment://abc is not there" in str(report.errors[0])


def test_ranges_of_messages_outside_the_pool_are_named(tmp_path):
    event = {"event": "model", "input_refs": [[0, 10**9], "x", [0, 1]], "output": {}}
    log = {"version": 2, "status": "success", "eval": {"task": "t"}}
    log["samples"] = [{"id": 1, "epoch": 1, "events": [event], "message_pool": [{"role": "user", "content": "q"}]}]
    path = tmp_path / "log.json"
    path.write_text(json.dumps(log))
    report = import_recordings([path], tmp_path / "vcr")
    assert "/samples/0/events/0/input_refs: 0 to 1000000000 of a pool of 1 messages" in str(report.errors[0])
    assert frames_of(report, tmp_path / "vcr")[0][1]["messages"] == [{"role": "user", "content": "q"}]


# ------------------------------------------------------------------------------------------------ properties


@given(st.text(max_size=300))
def test_any_name_becomes_a_valid_session_id(name):
    assert check_session_id(session_id_of(name))


def test_long_names_that_differ_at_their_end_get_different_ids():
    assert session_id_of("a" * 300 + "1") != session_id_of("a" * 300 + "2")


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)


@given(st.lists(_JSON, max_size=6), st.data())
def test_of_a_json_text_cut_anywhere_the_whole_items_before_the_cut_are_kept(items, data):
    text = json.dumps(items, ensure_ascii=False)
    cut = data.draw(st.integers(0, len(text) - 1))
    kept, problem = parse(text[:cut].encode())
    assert problem is not None
    # How many items end before the cut, each followed by its comma, by writing ever more of them.
    whole = sum(len(json.dumps(items[: n + 1], ensure_ascii=False)) <= cut for n in range(len(items)))
    assert (kept or [])[:whole] == items[:whole]
    assert parse(text.encode()) == (items, None)


_HOSTILE = st.sampled_from(
    [
        None, True, 0, -1, 10**30, 1e308, float("nan"), float("inf"), "", "x" * 70_000, "\ud800", "\x00\x1b[31m",
        "../../etc/passwd", "attachment://nope", [], {}, [None], {"": {}}, {"$t": "blob", "sha256": "../x"},
        "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", [[0, 10**9]], {"role": None}, -5, [[[[[[1]]]]]],
    ]
)  # fmt: skip


def _places(value, path=()):
    if path:
        yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from _places(item, (*path, key))


def _changed(document, path, value):
    inner = document
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value


_DOCUMENTS = {path: json.loads(path.read_text()) for path in SMALL}
_PLACES = {path: sorted(_places(document), key=len) for path, document in _DOCUMENTS.items()}


def _import_whatever(path, content, directory):
    """Import and read everything back; whatever is refused is refused with the file's name."""
    path.write_bytes(content)
    refused, sessions = f"{path}: ", ()
    try:
        report = import_recordings([path], directory)
    except VCRError as error:
        refused = str(error)
    else:
        sessions = report.sessions
        json.dumps(report.to_dict())
        assert report.text()
    assert refused.startswith(f"{path}: ")
    for session in sessions:
        assert not any("could not be stored" in remark for remark in session.left_out)
        player = VCRPlayer.load(directory / f"{session.session_id}.vcr")
        assert player.verify_integrity()["ok"]
        assert len(player.frames) == session.frames


def _check_a_changed_document(tmp_path_factory, data):
    source = data.draw(st.sampled_from(SMALL))
    document = copy.deepcopy(_DOCUMENTS[source])
    for path in data.draw(st.lists(st.sampled_from(_PLACES[source]), min_size=1, max_size=3)):
        try:
            _changed(document, path, copy.deepcopy(data.draw(_HOSTILE)))
        except (KeyError, IndexError, TypeError):  # an earlier change took the place away
            continue
    folder = tmp_path_factory.mktemp("fuzz")
    _import_whatever(folder / source.name, json.dumps(document).encode(), folder / "vcr")


def _check_changed_bytes(tmp_path_factory, data):
    source = data.draw(st.sampled_from([*SMALL, REAL_EVAL, DATA / "ai-agent-vcr" / "peer_run.vcr"]))
    content = bytearray(source.read_bytes())
    for place in data.draw(st.lists(st.integers(0, len(content) - 1), min_size=1, max_size=8)):
        content[place] = data.draw(st.integers(0, 255))
    folder = tmp_path_factory.mktemp("fuzz")
    _import_whatever(folder / source.name, bytes(content), folder / "vcr")


_QUICK = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
_LONG = settings(max_examples=800, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@_QUICK
@given(st.data())
def test_a_value_of_any_type_in_any_place_is_imported_or_named(tmp_path_factory, data):
    _check_a_changed_document(tmp_path_factory, data)


@_QUICK
@given(st.data())
def test_changed_bytes_are_imported_or_named(tmp_path_factory, data):
    _check_changed_bytes(tmp_path_factory, data)


@pytest.mark.slow
@_LONG
@given(st.data())
def test_a_value_of_any_type_in_any_place_is_imported_or_named_at_length(tmp_path_factory, data):
    _check_a_changed_document(tmp_path_factory, data)


@pytest.mark.slow
@_LONG
@given(st.data())
def test_changed_bytes_are_imported_or_named_at_length(tmp_path_factory, data):
    _check_changed_bytes(tmp_path_factory, data)
