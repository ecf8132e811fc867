"""Recording as a whole against a plain model: a list of deep copies. States change in place and anew, in several
threads, nested, across crashes, continued sessions and forks; each state must come back equal and of the same types.
"""

import copy
import itertools
import os
import shutil
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from agent_vcr_nb import VCRPlayer, VCRRecorder
from agent_vcr_nb.core.frame import Status
from tests.core.storage_values import exact, parts

lanes = st.integers(0, 2)
keys = st.sampled_from(["m", "n", "a/b", "", "~"])


class Expected:
    """What is known of one frame: its input, and its output once it has ended; when it began and ended."""

    clock = itertools.count()

    def __init__(self, before):
        self.before, self.after = copy.deepcopy(before), None
        self.began, self.ended = next(self.clock), None

    def end(self, after):
        self.after, self.ended = copy.deepcopy(after), next(self.clock)

    def before_moment(self, moment):
        """This frame as a fork from then on knows it: what had not ended yet is running."""
        known = copy.deepcopy(self)
        if known.ended is None or known.ended > moment:
            known.after = known.ended = None
        return known


class RecordingMachine(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.threads = [ThreadPoolExecutor(1) for _ in range(3)]
        self.states = [self.fresh() for _ in range(3)]
        self.open = [[], [], []]
        self.sessions = {}

    @staticmethod
    def fresh():
        return {"filler": ["x" * 300] * 5, "items": [], "text": "t" * 60}

    @initialize()
    def start(self):
        self.name, self.frames = "s", []
        self.recorder = VCRRecorder(self.folder, redact=False)
        self.recorder.start_session("s")

    def teardown(self):
        for thread in self.threads:
            thread.shutdown()
        if hasattr(self, "recorder"):
            self.recorder.close()
            self.sessions[self.name] = self.frames
            for name, frames in self.sessions.items():
                self.check(name, frames)
        shutil.rmtree(self.folder)

    def in_lane(self, lane, function, *args):
        return self.threads[lane].submit(function, *args).result()

    # ------------------------------------------------------------------------------------------ states change

    @rule(lane=lanes, key=keys, value=parts, anew=st.booleans())
    def set_key(self, lane, key, value, anew):
        self.states[lane] = copy.deepcopy(self.states[lane]) if anew else self.states[lane]
        self.states[lane][key] = value

    @rule(lane=lanes, key=keys)
    def drop_key(self, lane, key):
        self.states[lane].pop(key, None)

    @rule(lane=lanes, value=parts, at=st.integers(0, 8), anew=st.booleans())
    def insert_item(self, lane, value, at, anew):
        self.states[lane] = copy.deepcopy(self.states[lane]) if anew else self.states[lane]
        self.states[lane]["items"].insert(at, value)

    @rule(lane=lanes, at=st.integers(0, 8), anew=st.booleans())
    def pop_items(self, lane, at, anew):
        self.states[lane] = copy.deepcopy(self.states[lane]) if anew else self.states[lane]
        del self.states[lane]["items"][at % 3 : at]

    @rule(lane=lanes, value=parts)
    def change_inside_an_item(self, lane, value):
        for item in self.states[lane]["items"]:
            if type(item) is dict:
                item["changed"] = value
            elif type(item) is list:
                item.append(value)

    @rule(lane=lanes, more=st.text(max_size=5))
    def grow_text(self, lane, more):
        self.states[lane]["text"] += more

    @rule(lane=lanes)
    def begin_anew(self, lane):
        self.states[lane] = self.fresh()

    # ------------------------------------------------------------------------------------------ steps

    @rule(lane=lanes, key=keys, value=parts, in_place=st.booleans())
    def record(self, lane, key, value, in_place):
        before = self.states[lane]
        after = copy.deepcopy(before)
        after[key] = value
        expected = Expected(before)
        expected.end(after)
        frame = self.in_lane(lane, self.recorder.record_step, "n", before, after)
        assert frame.number == len(self.frames)
        self.frames.append(expected)
        self.states[lane] = after if in_place else copy.deepcopy(after)

    @rule(lane=lanes)
    @precondition(lambda self: True)
    def begin(self, lane):
        expected = Expected(self.states[lane])
        step = self.in_lane(lane, self.begin_inside, lane)
        assert step.number == len(self.frames)
        self.frames.append(expected)
        self.open[lane].append((step, expected))

    def begin_inside(self, lane):
        if not self.open[lane]:
            return self.recorder.begin("b", self.states[lane])
        with self.open[lane][-1][0].running():
            return self.recorder.begin("b", self.states[lane])

    @rule(lane=lanes)
    def finish(self, lane):
        if self.open[lane]:
            step, expected = self.open[lane].pop()
            expected.end(self.states[lane])
            self.in_lane(lane, step.finish, self.states[lane])

    @rule(lane=lanes)
    def fail(self, lane):
        if self.open[lane]:
            step, expected = self.open[lane].pop()
            expected.end("failed")
            self.in_lane(lane, step.fail, ValueError("x"))

    # ------------------------------------------------------------------------------------------ sessions

    @rule(torn=st.integers(0, 60))
    def crash_and_continue(self, torn):
        """The process dies; a piece of a line that nobody had acknowledged may be left."""
        line = b'{"type":"frame","data":{"number":%d,"key":"n#1","node_name":"n"' % len(self.frames)
        with open(self.folder / f"{self.name}.vcr", "ab") as file:
            file.write(line[:torn])
        self.recorder._writer.journal.close()
        self.open = [[], [], []]
        self.recorder = VCRRecorder(self.folder, redact=False)
        self.recorder.start_session(self.name)

    @rule()
    def the_file_is_closed_and_continued(self):
        self.recorder.close()
        self.open = [[], [], []]
        self.recorder.start_session(self.name)

    @precondition(lambda self: self.frames and len(self.sessions) < 4 and not any(self.open))
    @rule(at=st.integers(0, 50))
    def fork(self, at):
        at %= len(self.frames)
        child = self.recorder.fork(at, f"s{len(self.sessions) + 1}")
        expected = [frame.before_moment(self.frames[at].began) for frame in self.frames[:at]]
        assert exact(child.fork_state) == exact(self.frames[at].before)
        self.recorder.close()
        self.sessions[self.name] = self.frames
        self.recorder, self.frames, self.name = child, expected, f"s{len(self.sessions)}"

    # ------------------------------------------------------------------------------------------ what must hold

    @invariant()
    def nothing_was_lost(self):
        if hasattr(self, "recorder"):
            assert (self.recorder.lost, self.recorder.problems) == (0, [])

    @precondition(lambda self: hasattr(self, "recorder"))
    @rule()
    def read_what_is_there(self):
        self.check(self.name, self.frames)

    def check(self, name, frames):
        player = VCRPlayer.load(self.folder / f"{name}.vcr")
        assert len(player) == len(frames)
        for number, expected in enumerate(frames):
            frame = player.get_frame(number)
            assert exact(frame.input_state) == exact(expected.before)
            if expected.after is None:
                assert frame.status is Status.RUNNING
            elif expected.after == "failed":
                assert frame.status is Status.ERROR
            else:
                assert exact(frame.output_state) == exact(expected.after)
        player.recording.close()


quick = settings(max_examples=25, stateful_step_count=25, deadline=None)
RecordingMachine.TestCase.settings = quick if "CI" not in os.environ else settings(quick, max_examples=60)
TestRecordingAgainstAModel = RecordingMachine.TestCase
