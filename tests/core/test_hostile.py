"""A recording from anywhere: opening, listing and verifying it raises nothing but the project's own errors."""

import json
import subprocess
import sys
import time

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent_vcr_nb import VCRPlayer, VCRRecorder, step
from agent_vcr_nb.core.errors import RecordingError, VCRError
from agent_vcr_nb.core.journal import make_line

HEADER = make_line("session", {"schema": "execution/v2", "session_id": "s"})


def frame(number, **members):
    data = {"number": number, "key": f"n#{number}", "node_name": "n", "frame_type": "node", "status": "ok"}
    data |= {"metadata": {}, "input_state": {"n": number}, "output_state": {"n": number}, **members}
    return make_line("frame", {name: value for name, value in data.items() if value is not None})


def opened(folder, *lines):
    path = folder / "s.vcr"
    path.write_bytes(b"".join((HEADER, *lines)))
    return VCRPlayer.load(path)


def used(path):
    """Do with a file what every face does; returns the integrity report."""
    try:
        player = VCRPlayer.load(path)
    except VCRError:
        return {"ok": False}
    report = player.verify_integrity()
    questions = [
        lambda: player.session,
        lambda: player.frames,
        player.list_nodes,
        player.list_checkpoints,
        player.get_errors,
        player.get_total_cost,
        player.get_total_latency,
        player.get_total_tokens,
        player.get_current_state,
        player.to_dict,
        lambda: player.goto_time("2030-01-01"),
        lambda: player.compare_frames(0, 1),
        lambda: player.when("/n"),
        lambda: list(player.follow(timeout=0)),
    ]
    for question in questions:
        try:
            question()
        except VCRError:
            continue
    player.recording.close()
    return report


@pytest.fixture(scope="module")
def valid_lines(tmp_path_factory):
    """One line of each kind, with every member that a recorder writes."""
    folder = tmp_path_factory.mktemp("valid")
    recorder = VCRRecorder(folder)
    recorder.start_session("s", parent_session_id="p", forked_from_frame=1, tags=["t"], metadata={"m": 1},
                           edit=[{"op": "add", "path": "/a", "value": 1}], reason="r")  # fmt: skip

    @step
    def inner(state):
        if "fail" in state:
            raise ValueError("bad")
        return {**state, "lock": print}

    @step
    def outer(state):
        return inner(state)

    state = {"filler": ["x" * 300] * 5, "n": 0}
    outer(state)
    recorder.record_llm_call("m", [{"role": "user"}], {"text": "t"}, 1, 2, 3.0, 0.1)
    recorder.record_checkpoint({**state, "n": 2}, "label")
    recorder.draw("now", lambda: 1)
    with pytest.raises(ValueError, match="bad"):
        outer({**state, "fail": 1})
    recorder.close()
    return (folder / "s.vcr").read_bytes().split(b"\n")[:-1]


def places_in(tree, path=()):
    yield path
    if isinstance(tree, dict):
        for key, item in tree.items():
            yield from places_in(item, (*path, key))
    elif isinstance(tree, list):
        for n, item in enumerate(tree[:3]):
            yield from places_in(item, (*path, n))


def with_value(tree, path, value):
    """The tree with another value at a path."""
    if not path:
        return value
    copy = dict(tree) if isinstance(tree, dict) else list(tree)
    copy[path[0]] = with_value(copy[path[0]], path[1:], value)
    return copy


WRONG = [
    *(None, True, -1, 10**15, 1.5, "", "text", [], ["x"], [{}], {}),
    *({"$t": "set", "v": [1]}, {"$t": "int", "v": "0x1"}, {"$t": "blob", "sha256": "../../x"}),
    *({"base": "0.in", "ops": []}, {"base": 5, "ops": 5}),
]


def as_line(tree):
    return make_line(tree["type"], tree["data"])[:-1] if set(tree) == {"type", "data"} else orjson.dumps(tree)


@pytest.mark.slow
def test_a_wrong_type_in_any_member_of_any_line_is_no_error_but_the_project_s_own(valid_lines, tmp_path):
    """Each member of each line, with each wrong value and a right checksum."""
    path, tried = tmp_path / "s.vcr", 0
    for n, line in enumerate(valid_lines):
        tree = {key: value for key, value in orjson.loads(line).items() if key != "crc"}
        for at in places_in(tree):
            for value in WRONG[tried % 4 :: 4]:
                changed = with_value(tree, at, value)
                if isinstance(changed, dict) and isinstance(changed.get("type"), str):
                    new = as_line(changed)
                else:
                    new = orjson.dumps(changed)
                path.write_bytes(b"\n".join([*valid_lines[:n], new, *valid_lines[n + 1 :]]) + b"\n")
                used(path)
            tried += 1
    assert tried > 150


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data())
def test_any_bytes_between_valid_lines_are_no_error_but_the_project_s_own(data, valid_lines, tmp_path):
    junk = data.draw(
        st.binary(max_size=60) | st.sampled_from([b"[" * 5000, b'{"type":"frame","data":{"number":', b"\xff\xfe"])
    )
    at = data.draw(st.integers(0, len(valid_lines)))
    glue = data.draw(st.sampled_from([b"\n", b"", b"\r\n", b"\n\n"]))
    path = tmp_path / "s.vcr"
    path.write_bytes(b"\n".join(valid_lines[:at]) + glue + junk + glue + b"\n".join(valid_lines[at:]))
    used(path)


def test_deep_nesting_is_told_and_not_opened(tmp_path):
    for depth in (300, 900, 5000):
        deep = b"[" * depth + b"]" * depth
        line = b'{"type":"frame","data":{"number":0,"node_name":"n","input_state":{"a":%b},"output_state":{}}}\n' % deep
        (tmp_path / "s.vcr").write_bytes(HEADER + line + frame(1))
        assert not used(tmp_path / "s.vcr")["ok"]
        with pytest.raises(RecordingError):
            VCRPlayer.load(tmp_path / "s.vcr").get_input_state(0)
        assert VCRPlayer.load(tmp_path / "s.vcr").goto_frame(1) == {"n": 1}


def test_states_that_refer_to_each_other_in_a_circle_are_told(tmp_path):
    circle = [
        frame(0, input_state=None, input_delta={"base": "1.out", "ops": []}),
        frame(1, output_state=None, output_delta={"base": "0.in", "ops": []}),
        frame(2, input_state=None, input_delta={"base": "2.in", "ops": []}),
    ]
    player = opened(tmp_path, *circle)
    for number in (0, 2):
        with pytest.raises(RecordingError, match="circle"):
            player.get_input_state(number)
    assert player.goto_frame(2) == {"n": 2}


@pytest.mark.parametrize(
    "base", ["9.out", "-1.in", "0.up", "0", "", "²" + ".in", "0.in.in", "1" * 5000 + ".in", "0x0.in"]
)
def test_a_state_that_builds_on_none_is_told(base, tmp_path):
    player = opened(tmp_path, frame(0, output_state=None, output_delta={"base": base, "ops": []}))
    with pytest.raises(RecordingError, match=r"builds on|expected"):
        player.goto_frame(0)


def test_operations_cannot_multiply_what_the_file_holds(tmp_path):
    """A bomb needs to copy; there is no operation for that."""
    bomb = [{"op": "copy", "from": "", "path": "/a"}] * 60
    player = opened(tmp_path, frame(0, output_state=None, output_delta={"base": "0.in", "ops": bomb}))
    with pytest.raises(RecordingError, match="does not fit"):
        player.goto_frame(0)


def test_huge_frame_numbers_take_no_memory(tmp_path):
    numbers = [999_999, 1_999_999, 10**9, 10**14, 10**15]
    player = opened(tmp_path, frame(0), *(frame(n) for n in numbers), frame(1))
    assert len(player) == 2
    assert player.verify_integrity()["skipped_lines"] == 5


def test_a_header_cannot_claim_endless_missing_frames(tmp_path):
    path = tmp_path / "s.vcr"
    header = make_line("session", {"schema": "execution/v2", "first": 2**50})
    path.write_bytes(header + b"".join(frame(n) for n in (2**50, 3_000_000, 5)))
    assert len(VCRPlayer.load(path)) == 6


@pytest.mark.slow
def test_a_line_of_a_gigabyte_is_passed_over_without_being_read_into_memory(tmp_path):
    path = tmp_path / "s.vcr"
    with open(path, "wb") as file:
        file.write(HEADER + frame(0) + b'{"type":"frame","data":{"number":1,"x":"')
        file.seek(1 << 30, 1)  # a hole: it takes no space on the disk
        file.write(b'"}}\n' + frame(1))
    code = (
        "import resource, sys; from agent_vcr_nb import VCRPlayer\n"
        f"p = VCRPlayer.load({str(path)!r}); r = p.verify_integrity()\n"
        "print(len(p), p.goto_frame(1), r['skipped_lines'], resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    *told, megabytes = ran.stdout.split()
    assert told == ["2", "{'n':", "1}", "1"]
    assert int(megabytes) < 1200


@pytest.mark.slow
def test_a_gigabyte_without_a_line_end_is_a_write_that_was_cut_short(tmp_path):
    path = tmp_path / "s.vcr"
    with open(path, "wb") as file:
        file.write(HEADER + frame(0))
        file.seek(1 << 30, 1)
        file.write(b"x")
    report = VCRPlayer.load(path).verify_integrity()
    assert report["frame_count"] == 1
    assert "1073741825 bytes at the end are no whole line" in report["issues"][0]


def test_opening_and_using_a_hostile_file_writes_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("AGENT_VCR_CACHE", str(tmp_path / "cache"))
    path = tmp_path / "s.vcr"
    path.write_bytes(HEADER + frame(0, input_state={"$t": "object", "type": "os.system", "v": "x"}) + b"junk\n")
    before = path.read_bytes()
    used(path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["s.vcr"]
    assert path.read_bytes() == before


def test_a_recording_cannot_point_at_a_file_outside_its_own_folder(tmp_path):
    (tmp_path / "secret").write_text("s")
    for digest in ("../secret", "/etc/passwd", "0" * 63, "A" * 64, 5, None, "0" * 64 + "\n"):
        player = opened(tmp_path, frame(0, input_state={"a": {"$t": "blob", "sha256": digest, "chars": 1}}))
        with pytest.raises(RecordingError, match=r"stored string|missing"):
            player.get_input_state(0)


def test_many_damaged_lines_are_told_in_linear_time(tmp_path):
    junk = b"".join(b'{"type":"frame","data":{"number":%d,"x":"%d"}}\n' % (n % 7, n) for n in range(20_000))
    seconds = []
    for times in (1, 4):
        begun = time.process_time()
        assert len(opened(tmp_path, junk * times)) == 0
        seconds.append(time.process_time() - begun)
    assert seconds[1] < 12 * seconds[0]


def test_a_foreign_json_file_is_no_session_and_no_crash(tmp_path):
    for content in (b"{}", b"[1,2]", b"null\n", json.dumps({"type": "session"}).encode(), b'"x"\n' * 100):
        (tmp_path / "s.vcr").write_bytes(content)
        assert not used(tmp_path / "s.vcr")["ok"]
