"""Random programs of nested steps: what is recorded, and what a resume makes of it, equals a plain run of them."""

import copy
import functools
import itertools

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent_vcr_nb import ResumeConfig, VCRPlayer, VCRRecorder, step
from agent_vcr_nb.core.resume import resume

VALUES = st.sampled_from([0, 1, True, 1.5, "x", None, [1], {"a": [2]}, (1, 2), {3}, b"b"])
KEYS, NAMES = st.sampled_from("abc"), st.sampled_from("pqr")
LEAVES = st.one_of(
    st.tuples(st.just("set"), KEYS, VALUES),
    st.tuples(st.just("put"), KEYS, VALUES),
    st.tuples(st.just("append"), VALUES),
    st.tuples(st.just("deep"), VALUES),
    st.tuples(st.just("remove"), KEYS),
)


def _with_calls(bodies):
    calls = st.one_of(
        st.tuples(st.just("call"), NAMES, bodies, st.booleans()),
        st.tuples(st.just("named"), NAMES, bodies),
        st.tuples(st.just("loop"), NAMES, bodies, st.integers(1, 3)),
        st.tuples(st.just("attempt"), NAMES, bodies),
    )
    return st.lists(st.one_of(LEAVES, calls), max_size=4)


PROGRAMS = st.recursive(st.lists(LEAVES, max_size=3), _with_calls, max_leaves=12)


class Program:
    """Runs what hypothesis drew; `wrap(name, function)` makes each of its functions what is called."""

    def __init__(self, wrap):
        self.wrap = wrap

    def run(self, body, state):
        """Change the state as the body says: in place, or into a new dict that shares what it holds."""
        for kind, *rest in body:
            state = getattr(self, kind)(state, *copy.deepcopy(rest)) or state
        return state

    def set(self, state, key, value):
        return {**state, key: value}

    def put(self, state, key, value):
        state[key] = value

    def append(self, state, value):
        state.setdefault("log", []).append(value)

    def deep(self, state, value):
        state.setdefault("deep", {}).setdefault("list", []).append(value)

    def remove(self, state, key):
        state.pop(key, None)

    def call(self, state, name, body, keeps):
        result = self.wrap(name, lambda state: self.run(body, state))(state)
        return result if keeps else None

    def loop(self, state, name, body, times):
        for i in range(times):
            state = self.call({**state, "i": i}, name, body, True)
        return state

    def named(self, state, name, body):
        def function(items, n=0):
            items.append(n)
            return len(self.run(body, {"n": n}))

        return {**state, "r": self.wrap(f"{name}_named", function)(state.setdefault("log", []), len(state))}

    def attempt(self, state, name, body):
        def function(state):
            self.run(body, state)
            raise ValueError(name)

        try:
            self.wrap(f"{name}_fails", function)(state)
        except ValueError as error:
            return {**state, "caught": str(error)}


def plain(log, edited_call=None):
    """Call functions as they are, note copies of what goes in and comes out, and edit the input of one call."""
    numbers = itertools.count()

    def wrap(name, function):
        def run(*arguments):
            by_name = len(arguments) == 2
            if next(numbers) == edited_call:
                arguments = (arguments[0], 99) if by_name else ({**arguments[0], "a": "edited"},)
            state = {"items": arguments[0], "n": arguments[1]} if by_name else arguments[0]
            told = {"name": name, "input": copy.deepcopy(state), "output": {}}
            log.append(told)
            value = function(*arguments)
            told["output"] = copy.deepcopy(value if isinstance(value, dict) else {"result": value})
            return value

        return run

    return wrap


def as_steps(executed):
    """Make functions steps, and note those that are really executed."""

    def wrap(name, function):
        @functools.wraps(function)
        def counted(*arguments, **named):
            executed.append(name)
            return function(*arguments, **named)

        return step(name=name)(counted)

    return wrap


def typed(value):
    """The value with its types, in which 1, True and 1.0 differ; the order of keys is no difference."""
    if isinstance(value, dict):
        return {key: typed(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value).__name__, [typed(item) for item in value]
    return type(value).__name__, value


def check_recorded(path, log):
    player = VCRPlayer.load(path)
    assert player.verify_integrity()["issues"] == []
    found = [
        {"name": frame.node_name, "input": typed(frame.input_state), "output": typed(frame.output_state)}
        for frame in player.frames
    ]
    assert found == [
        {"name": told["name"], "input": typed(told["input"]), "output": typed(told["output"])} for told in log
    ]
    return player


def ancestors(player, number):
    parent = player.get_frame(number).parent
    return set() if parent is None else {parent} | ancestors(player, parent)


def check(program, data, folder):
    start = {"q": 1, "pad": data.draw(st.sampled_from([0, ["x" * 400] * 4]))}
    log = []
    result = Program(plain(log)).call(copy.deepcopy(start), "root", program, True)

    executed = []
    steps = Program(as_steps(executed))
    agent = steps.wrap("root", lambda state: steps.run(program, state))
    with VCRRecorder(folder) as recorder:
        recorder.start_session("s")
        agent(copy.deepcopy(start))
    player = check_recorded(folder / "s.vcr", log)

    frame = data.draw(st.integers(0, len(log) - 1))
    executed.clear()
    outcome = resume(player.recording, agent, ResumeConfig(frame, new_session_id="fork"))
    assert typed(outcome.result) == typed(result)
    again = [told["name"] for n, told in enumerate(log) if n >= frame or n in ancestors(player, frame)]
    assert executed == again
    check_recorded(folder / "fork.vcr", log)

    edited_log = []
    edited_result = Program(plain(edited_log, frame)).call(copy.deepcopy(start), "root", program, True)
    edit = {"n": 99} if log[frame]["name"].endswith("_named") else {"a": "edited"}
    source = VCRPlayer.load(folder / data.draw(st.sampled_from(["s.vcr", "fork.vcr"])))
    config = ResumeConfig(frame, state_overrides=edit, new_session_id="edited")
    assert typed(resume(source.recording, agent, config).result) == typed(edited_result)
    edited = check_recorded(folder / "edited.vcr", edited_log)

    later = data.draw(st.integers(frame, len(edited_log) - 1))
    for mode in ("fork", "replay"):
        config = ResumeConfig(later, mode=mode, new_session_id=f"again-{mode}")
        assert typed(resume(edited.recording, agent, config).result) == typed(edited_result)
        check_recorded(folder / f"again-{mode}.vcr", edited_log)


SETTINGS = {
    "deadline": None,
    "suppress_health_check": [HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
}


@settings(max_examples=60, **SETTINGS)
@given(program=PROGRAMS, data=st.data())
def test_a_program_is_recorded_and_resumed_as_it_runs_without_recording(program, data, tmp_path_factory):
    check(program, data, tmp_path_factory.mktemp("program"))


@pytest.mark.slow
@settings(max_examples=1000, **SETTINGS)
@given(program=PROGRAMS, data=st.data())
def test_a_thousand_programs_are_recorded_and_resumed_as_they_run_without_recording(program, data, tmp_path_factory):
    check(program, data, tmp_path_factory.mktemp("program"))
