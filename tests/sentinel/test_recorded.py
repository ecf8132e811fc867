"""Findings as frames of a recording, and what becomes of them when it is resumed."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import pytest

from agent_vcr_nb import AsyncVCRRecorder, ResumeConfig, VCRPlayer, VCRRecorder, step
from agent_vcr_nb.notebook.findings_table import recorded_findings
from sentinel import Config, Sentinel, UsageError
from tests.sentinel.conftest import DEBT, ORIGINAL


class Recorder:
    """The method that Sentinel calls, keeping what it is given."""

    def __init__(self):
        self.frames = []

    def record_step(self, node_name, input_state, output_state, metadata=None, frame_type="checkpoint"):
        self.frames.append((node_name, input_state, output_state, frame_type))


def test_findings_and_fixes_become_frames(project):
    recorder = Recorder()
    sentinel = Sentinel(recorder, root=project, config=Config())
    sentinel.check_file("new.py", DEBT)
    sentinel.check_file("new.py", "X = 1\n")
    sentinel.check_file("new.py", "X = 2\n")
    (first, second) = recorder.frames
    assert (first[0], first[1], first[3]) == ("sentinel", {"path": "new.py", "root": str(project)}, "checkpoint")
    assert json.loads(json.dumps(first[2]))["findings"][0]["rule"] == "mutable-default"
    assert (second[2]["clean"], second[2]["fixed"][0]["rule"]) == (True, "mutable-default")


def keys_of(session):
    player = VCRPlayer.load_by_id(session)
    return [player.head(number)["key"] for number in range(len(player))]


RAN = []
"""The steps that ran; no attribute of the agent, for what a step changes there is repeated when it is served."""


@step
def plan(state):
    RAN.append("plan")
    return {**state, "plan": 1}


@step
def write(state, root, name, text, check):
    RAN.append(name)
    (root / name).write_text(text)
    return {**state, name: check(name).clean}


@pytest.fixture
def sentinel(in_tmp):
    """A Sentinel that recorded findings in session `run`, which is over; `agent` is what ran."""
    root = in_tmp / "code"
    root.mkdir()
    with VCRRecorder() as recorder:
        recorder.start_session("run")
        sentinel = Sentinel(recorder, root=root, config=Config())
        agent(sentinel)({})
    assert keys_of("run") == ["plan#1", "write#1", "write#1/sentinel#1", "sentinel#1", "write#2", "write#2/sentinel#1"]
    RAN.clear()
    return sentinel


def agent(sentinel):
    """Three steps, two of which write a file; one file is checked inside its step, one beside all steps."""
    root = sentinel.root

    def run(state):
        state = plan(state)
        state = write(state, root, "a.py", DEBT, sentinel.check_file)
        (root / "b.py").write_text(DEBT.replace("old", "second"))
        sentinel.check_file("b.py")
        text = state.get("text", DEBT.replace("old", "third"))
        return write(state, root, "c.py", text, sentinel.check_file)

    return run


@pytest.mark.parametrize(("frame", "ran"), [(0, ["plan", "a.py", "c.py"]), (1, ["a.py", "c.py"]), (4, ["c.py"])])
def test_frames_of_findings_do_not_disturb_a_resume(sentinel, frame, ran):
    resumed = VCRPlayer.load_by_id("run").resume(agent(sentinel), ResumeConfig(from_frame=frame))
    assert ran == RAN
    player = VCRPlayer.load_by_id(str(resumed))
    assert keys_of(str(resumed)) == keys_of("run")
    assert [row["path"] for row in recorded_findings(player)] == ["a.py", "b.py", "c.py"]


def test_what_a_resumed_agent_writes_is_found_in_the_new_session_and_not_in_the_old(sentinel):
    before = Path(".vcr/run.vcr").read_bytes()
    config = ResumeConfig(from_frame=4, state_overrides={"text": "def third():\n    return eval('1')\n"})
    resumed = VCRPlayer.load_by_id("run").resume(agent(sentinel), config)
    rows = recorded_findings(VCRPlayer.load_by_id(str(resumed)))
    assert [(row["path"], row["rule"]) for row in rows][-1] == ("c.py", "eval-used")
    assert Path(".vcr/run.vcr").read_bytes() == before


def test_a_session_that_is_over_gets_no_more_frames_and_stops_no_check(sentinel):
    assert [item.rule for item in sentinel.check_file("d.py", DEBT).caused] == ["mutable-default"]
    assert len(keys_of("run")) == 6


def test_a_recorder_without_a_session_is_given_one(in_tmp):
    recorder = VCRRecorder()
    Sentinel(recorder, root=in_tmp, config=Config()).check_file("a.py", DEBT)
    assert keys_of(recorder.get_session().session_id) == ["sentinel#1"]
    recorder.close()


def test_an_async_recorder_records_findings_too(in_tmp):
    async def run():
        async with AsyncVCRRecorder() as recorder:
            await recorder.start_session("run")
            Sentinel(recorder, root=in_tmp, config=Config()).check_file("a.py", DEBT)

    asyncio.run(run())
    assert keys_of("run") == ["sentinel#1"]


def test_what_is_no_recorder_is_refused_at_once(in_tmp):
    with pytest.raises(UsageError, match="recorder is of type str: expected a VCRRecorder"):
        Sentinel(".vcr", root=in_tmp)


def test_a_file_that_is_deleted_has_its_findings_fixed_in_the_trail(in_tmp):
    with VCRRecorder() as recorder:
        recorder.start_session("run")
        sentinel = Sentinel(recorder, root=in_tmp, config=Config())
        sentinel.index()
        (in_tmp / "a.py").write_text(DEBT)
        sentinel.sweep()
        (in_tmp / "a.py").unlink()
        sentinel.sweep()
    assert sentinel.findings == []
    assert recorded_findings(VCRPlayer.load_by_id("run")) == []


def test_vcr_shows_the_frame_of_a_check(sentinel):
    vcr = Path(sys.executable).parent / "vcr"
    shown = subprocess.run([vcr, "show", "run", "3"], capture_output=True, text=True, check=True).stdout
    assert '"path": "b.py"' in shown
    assert "+ /findings = " in shown


def test_findings_as_a_table_have_the_same_columns_when_there_are_none(project):
    sentinel = Sentinel(root=project, config=Config())
    empty = sentinel.to_pandas()
    sentinel.scan()
    full = sentinel.to_pandas()
    assert (len(empty), len(full)) == (0, 1)
    assert list(empty.columns) == list(full.columns)
    assert list(full["rule"]) == ["mutable-default"] == [item.rule for item in sentinel.findings]
    assert ORIGINAL not in full.to_string()
