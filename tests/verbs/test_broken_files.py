"""Files that are no recording, are cut or damaged, or may not be read: said as what they are, by every verb."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from agent_vcr_nb import VCRRecorder
from tests.verbs.conftest import run_vcr

BROKEN = {
    "empty": (b"", "an empty file, no recording"),
    "png": (b"\x89PNG\r\n\x1a\n", "no recording: it begins with '\\ufffdPNG"),
    "text": (b"hello there\n", "no recording: it begins with 'hello there\\n'"),
    "other": (b'{"a": 1}\n', "no recording: it begins with '{\"a\": 1}\\n'"),
    "cut": (b'{"type":"session","da', "only the beginning of a header: the write was cut short"),
}


@pytest.fixture
def broken(in_tmp):
    """A folder with a file of each kind, a whole session and a directory that is named like one."""
    with VCRRecorder() as recorder:
        recorder.start_session("whole")
        recorder.record_step("plan", {"n": 1}, {"n": 2})
    for name, (content, _) in BROKEN.items():
        Path(f".vcr/{name}.vcr").write_bytes(content)
    Path(".vcr/folder.vcr").mkdir()
    return in_tmp


@pytest.mark.parametrize("name", BROKEN)
def test_a_file_that_is_no_recording_is_told_as_what_it_is(broken, vcr, vcr_json, name):
    said = BROKEN[name][1]
    infos = {info["session_id"]: info for info in vcr_json("ls")[1]["sessions"]}
    assert infos[name]["outcome"] == "unreadable"
    assert said in infos[name]["problem"]
    for words in (["show", name], ["state", name, "0"], ["diff", name, "whole"], ["check", "whole", "--against", name]):
        code, _, err = vcr(*words)
        assert (code, said in err) == (3, True), words
    for words in (["ledger", name], ["export", name], ["print", name, "frame"], ["replay", name], ["fork", name, "0"]):
        assert vcr(*words)[0] == 3, words


def test_verify_tells_of_each_broken_file_and_of_the_whole_ones(broken, vcr):
    code, out, _ = vcr("verify")
    assert code == 1
    assert "whole: ✓ whole, 1 frame\n" in out
    for name, (_, said) in BROKEN.items():
        assert f"{name}: ✗ 1 issue, 0 frames\n  {name}.vcr: {said}" in out


def test_a_session_without_frames_is_empty_and_not_broken(in_tmp, vcr):
    with VCRRecorder() as recorder:
        recorder.start_session("nothing_yet")
    assert "nothing_yet  ∅ empty" in vcr("ls")[1]
    assert vcr("show", "nothing_yet")[:2] == (0, "nothing_yet: 0 frames\n\n")


def test_a_session_that_is_being_written_is_not_taken_for_a_broken_file(in_tmp, vcr_json):
    with VCRRecorder() as recorder:
        recorder.start_session("live")
        Path(".vcr/live.vcr").write_bytes(b"")  # as before the header is on disk
        assert vcr_json("ls")[1]["sessions"][0]["outcome"] == "running"


def three_steps(name, last=3):
    with VCRRecorder() as recorder:
        recorder.start_session(name)
        for number in (1, 2, last):
            recorder.record_step(f"step{number}", {"n": number}, {"n": number + 1})


def damage(name, what, by):
    path = Path(f".vcr/{name}.vcr")
    path.write_text(path.read_text().replace(what, by))


def test_a_damaged_frame_is_damaged_and_not_missing_from_the_other_run(in_tmp, vcr, vcr_json):
    three_steps("one")
    three_steps("two")
    damage("two", '"node_name":"step2"', '"node_name":"stepX"')
    for a, b in (("one", "two"), ("two", "one")):
        code, found = vcr_json("diff", a, b)
        assert (code, found["first_divergence"], found["damaged"]) == (3, None, 1)
        assert [(p["a"], p["b"], p["verdict"]) for p in found["pairs"]] == [
            (0, 0, "same"),
            (1, 1, "damaged"),
            (2, 2, "same"),
        ]
        assert found["pairs"][1]["key"] == "step2#1"
    out = vcr("diff", "one", "two")[1]
    assert "the same as far as they can be compared; 1 step cannot be read in one of them" in out


def test_a_difference_is_found_beside_damage(in_tmp, vcr_json):
    three_steps("one")
    three_steps("two", last=4)
    damage("two", '"node_name":"step1"', '"node_name":"stepX"')
    code, found = vcr_json("diff", "one", "two")
    assert code == 1
    assert found["first_divergence"]["verdict"] == "only_a"
    assert [p["verdict"] for p in found["pairs"]] == ["damaged", "same", "only_a", "only_b"]


def test_frames_that_are_damaged_in_both_runs_are_counted_once(in_tmp, vcr_json):
    for name in ("one", "two"):
        three_steps(name)
        damage(name, '"node_name":"step2"', '"node_name":"stepX"')
    code, found = vcr_json("diff", "one", "two")
    assert (code, found["damaged"], len(found["pairs"])) == (3, 1, 3)


def test_a_state_that_builds_on_a_damaged_line_is_not_taken_for_another_state(in_tmp, vcr_json, vcr):
    for name in ("one", "two"):
        with VCRRecorder() as recorder:
            recorder.start_session(name)
            state = {"text": "x" * 2000}
            for number in range(3):
                recorder.record_step("work", {**state, "n": number}, {**state, "n": number + 1})
    damage("two", '"number":0', '"number":0 ')
    code, found = vcr_json("diff", "one", "two")
    assert code == 3
    assert {pair["verdict"] for pair in found["pairs"]} == {"damaged"}
    code, _, err = vcr("check", "two", "--against", "one")
    assert (code, "damaged" in err) == (3, True)


def test_how_two_runs_ended_is_told(recorded, vcr, vcr_json):
    shutil.copy(".vcr/my_run.vcr", ".vcr/cut.vcr")
    path = Path(".vcr/cut.vcr")
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(line for line in lines if b'"type":"frame","data":{"number":2' not in line))
    pair = vcr_json("diff", "my_run", "cut")[1]["pairs"][2]
    assert (pair["verdict"], pair["outcomes"]) == ("outcome", ["error", "running"])
    assert "outcome differs  error → running" in vcr("diff", "my_run", "cut")[1]


def may_read_everything():
    path = Path("locked")
    path.write_text("x")
    path.chmod(0)
    return os.access(path, os.R_OK)


def test_what_may_not_be_read_is_named_and_hides_nothing_else(broken):
    # Root reads everything: there the same is asked without that privilege.
    plain = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-dac_override,-dac_read_search"]
    first = plain if may_read_everything() else []
    if first and shutil.which("setpriv") is None:
        pytest.skip("runs as root, and setpriv (util-linux) is not there to give that up")
    Path(".vcr/png.vcr").chmod(0)
    Path("closed").mkdir()
    Path("closed").chmod(0)

    def plainly(*words):
        argv = [*first, sys.executable, "-m", "agent_vcr_nb", *words]
        return subprocess.run(argv, capture_output=True, text=True, timeout=60)

    listed = plainly("ls")
    assert "png.vcr cannot be opened: Permission denied" in listed.stdout, listed.stderr
    verified = plainly("verify")
    assert (verified.returncode, "whole: ✓ whole" in verified.stdout) == (1, True), verified.stderr
    assert "png: ✗ 1 issue, 0 frames" in verified.stdout
    refused = plainly("ls", "--dir", "closed")
    assert (refused.returncode, refused.stderr) == (2, "vcr ls: --dir closed: you may not read this folder\n")


def test_a_check_of_nothing_does_not_pass_for_a_check(in_tmp, vcr):
    assert vcr("verify", "--dir", "mistyped")[0] == 2
    Path("file").write_text("")
    code, _, err = vcr("show", "x", "--dir", "file")
    assert (code, "a file, and a folder of sessions is expected" in err) == (2, True)


def test_a_program_is_not_recorded_into_what_is_no_recording(broken):
    Path("app.py").write_text("print('ran')")
    done = run_vcr("record", "-s", "text", "--", "python", "app.py")
    assert (done.returncode, done.stdout) == (3, "")
    assert "is no recording of this format" in done.stderr
    assert Path(".vcr/text.vcr").read_bytes() == b"hello there\n"
