"""Plain functions with @step: what a resume runs, what it serves, and when it refuses."""

import contextlib

import pytest

from agent_vcr_nb import step
from agent_vcr_nb.core.errors import DivergedError, EditError
from tests.integrations.recorded import Run, record


@pytest.fixture(autouse=True)
def _in_tmp(in_tmp):
    """Each test has a `.vcr/` of its own."""


@pytest.fixture
def ran():
    """Names of the step bodies that were really executed."""
    return []


def nested_agent(ran):
    @step
    def tool(x):
        ran.append(f"tool{x}")
        return x * 2

    @step
    def worker(x):
        ran.append(f"worker{x}")
        return tool(x) + tool(x + 1)

    @step
    def final(a, b):
        ran.append("final")
        return a + b

    @step
    def main(state):
        ran.append("main")
        return {**state, "sum": final(worker(1), worker(3))}

    return main


def test_a_resume_enters_the_ancestors_again_and_executes_nothing_that_had_ended(ran):
    main = nested_agent(ran)
    run = record(main, {"q": 1})
    ran.clear()
    resumed = run.resume(main, "main#1/worker#2/tool#2", state_overrides={"x": 100})
    assert ran == ["main", "worker3", "tool100", "final"]
    assert resumed.result == {"q": 1, "sum": (2 + 4) + (6 + 200)}


def test_what_ran_inside_a_served_step_stands_in_the_fork_as_replayed(ran):
    main = nested_agent(ran)
    run = record(main, {"q": 1})
    fork = Run(run.resume(main, "main#1/final#1").session_id)
    assert fork.keys == run.keys
    assert [frame.provenance for frame in fork.player.frames] == ["live"] + ["replayed"] * 6 + ["live"]
    assert [frame.parent for frame in fork.player.frames] == [frame.parent for frame in run.player.frames]
    assert fork.player.session.parent_session_id == "run"
    assert fork.player.session.forked_from_frame == 7


def test_a_fork_of_a_fork_of_a_fork_is_resumed_from_its_own_file(ran):
    main = nested_agent(ran)
    run = record(main, {"q": 1})
    one = Run(run.resume(main, "main#1/worker#1", state_overrides={"x": 5}).session_id)
    two = Run(one.resume(main, "main#1/worker#2", state_overrides={"x": 7}).session_id)
    ran.clear()
    three = two.resume(main, "main#1/final#1", state_overrides={"b": 1000})
    assert ran == ["main", "final"]
    assert three.result == {"q": 1, "sum": (10 + 12) + 1000}
    assert Run(three.session_id).player.session.parent_session_id == two.player.session_id


def test_an_agent_that_takes_nothing_is_called_with_nothing(ran):
    @step
    def first(x):
        ran.append("first")
        return x

    @step
    def second(x):
        ran.append("second")
        return x + 1

    def main():
        return second(first(1))

    run = record(main)
    ran.clear()
    assert run.resume(main, "second#1", state_overrides={"x": 5}).result == 6
    assert ran == ["second"]


def test_steps_in_a_loop_are_told_apart_by_their_occurrence(ran):
    @step
    def visit(page):
        ran.append(page)
        return page.upper()

    def crawl(state):
        return [visit(page) for page in "abcde"]

    run = record(crawl, {})
    ran.clear()
    assert run.resume(crawl, "visit#4", state_overrides={"page": "x"}).result == ["A", "B", "C", "X", "E"]
    assert ran == ["x", "e"]


def two_steps(ran, first_input=1, order=("first", "second")):
    @step
    def first(x):
        ran.append("first")
        return x

    @step
    def second(x):
        ran.append("second")
        return x

    steps = {"first": first, "second": second}

    def agent(state):
        for name in order:
            steps[name](first_input)
        return "done"

    return agent


def test_a_changed_input_before_the_frame_is_named_with_frame_key_expected_found_and_next_step(ran):
    run = record(two_steps(ran), {})
    with pytest.raises(DivergedError) as caught:
        run.resume(two_steps(ran, first_input=2), "second#1")
    error = caught.value
    assert (error.session, error.frame, error.key) == ("run", 0, "first#1")
    assert error.expected == "input /x = 1"
    assert error.found == "2"
    assert "Resume at frame 0 or earlier" in str(error)
    assert ran == ["first", "second"]


def test_a_step_that_is_not_called_any_more_is_named(ran):
    run = record(two_steps(ran), {})
    ran.clear()
    with pytest.raises(DivergedError, match=r"run frame 0 \(first#1\): expected this step to be called before frame 1"):
        run.resume(two_steps(ran, order=("second",)), "second#1")
    assert ran == []


def test_a_step_that_was_not_recorded_is_named(ran):
    run = record(two_steps(ran, order=("second",)), {})
    ran.clear()
    with pytest.raises(DivergedError, match=r"step first#1: expected a step that was recorded before frame 0"):
        run.resume(two_steps(ran), "second#1")
    assert ran == []


def test_an_agent_that_never_comes_to_the_frame_is_told(ran):
    run = record(two_steps(ran), {})
    with pytest.raises(DivergedError, match="expected this step to be called, found the agent ended without it"):
        run.resume(two_steps(ran, order=("first",)), "second#1")


def test_a_changed_argument_of_a_step_around_the_frame_is_a_divergence(ran):
    @step
    def inner(x):
        ran.append("inner")
        return x

    def outer(mode):
        @step
        def around(mode):
            return inner(1)

        return around(mode)

    run = record(lambda state: outer("slow"), {})
    ran.clear()
    with pytest.raises(DivergedError, match=r'frame 0 \(around#1\): expected input /mode = "slow", found "fast"'):
        run.resume(lambda state: outer("fast"), "around#1/inner#1")
    assert ran == []


def test_a_divergence_that_the_agent_swallows_is_raised_at_the_end_and_nothing_more_is_executed(ran):
    @step
    def fetch(x):
        ran.append("fetch")
        return x

    @step
    def report(x):
        ran.append("report")
        return x

    def agent(value):
        def run(state):
            with contextlib.suppress(Exception):
                fetch(value)
            return report(1)

        return run

    run = record(agent(1), {})
    ran.clear()
    with pytest.raises(DivergedError, match="expected input /x = 1, found 2"):
        run.resume(agent(2), "report#1")
    assert ran == []


def test_keys_declared_volatile_may_differ(ran):
    ids = iter("abcdef")

    @step
    def ask(messages):
        ran.append("ask")
        return "answer"

    @step
    def end(x):
        return x

    def agent(state):
        return end(ask([{"id": next(ids), "text": "hello"}]))

    run = record(agent, {})
    with pytest.raises(DivergedError, match="/messages/0/id"):
        run.resume(agent, "end#1")
    assert run.resume(agent, "end#1", volatile=["id"]).result == "answer"


def test_an_edit_of_named_arguments_is_called_with_them(ran):
    @step
    def mix(a, /, b, *rest, scale=1, **options):
        return [a, b, rest, scale, options]

    def agent(state):
        return mix(1, 2, 3, scale=4, unit="m")

    run = record(agent, {})
    patch = [{"op": "add", "path": "/options/size", "value": "xl"}]
    resumed = run.resume(agent, "mix#1", state_overrides={"a": 10, "rest": (7, 8), "scale": 5}, patch=patch)
    assert resumed.result == [10, 2, (7, 8), 5, {"unit": "m", "size": "xl"}]
    assert Run(resumed.session_id).frame("mix#1").provenance == "edited"
    assert Run(resumed.session_id).frame("mix#1").input_state["a"] == 10


ONE_MORE = [{"op": "add", "path": "/log/-", "value": "edited"}]


def logging_agent(ran):
    @step
    def inner(state):
        ran.append("inner")
        return {**state, "log": [*state["log"], "inner"]}

    @step
    def outer(state):
        ran.append("outer")
        return inner(state)

    @step
    def main(state):
        ran.append("main")
        return outer(state)

    return main


@pytest.mark.parametrize("edited", ["main#1", "main#1/outer#1", "main#1/outer#1/inner#1"])
@pytest.mark.parametrize("again", ["main#1", "main#1/outer#1", "main#1/outer#1/inner#1"])
def test_an_edited_step_keeps_its_edit_once_in_every_later_fork(edited, again, ran):
    main = logging_agent(ran)
    run = record(main, {"log": []})
    session = run.resume(main, edited, patch=ONE_MORE).session_id
    deep = edited.count("/") <= again.count("/")
    for _ in range(2):
        resumed = Run(session).resume(main, again)
        session = resumed.session_id
    # A resume at a step around the edited one runs that one live, on what the agent passes now.
    assert resumed.result == {"log": ["edited", "inner"] if deep else ["inner"]}


def test_an_edit_on_an_edit_adds_to_it_and_the_header_tells_both(ran):
    main = logging_agent(ran)
    run = record(main, {"log": []})
    once = Run(run.resume(main, "main#1/outer#1", patch=ONE_MORE).session_id)
    twice = once.resume(main, "main#1/outer#1", patch=ONE_MORE)
    assert twice.result == {"log": ["edited", "edited", "inner"]}
    assert Run(twice.session_id).player.session.edit == ONE_MORE + ONE_MORE


def test_a_changed_input_of_an_edited_step_is_a_divergence(ran):
    @step
    def first(state):
        return state

    @step
    def last(state):
        return state

    def agent(start):
        def run(state):
            return last(first({"n": start, "log": []}))

        return run

    run = record(agent(1), {})
    fork = Run(run.resume(agent(1), "first#1", patch=ONE_MORE).session_id)
    assert fork.resume(agent(1), "last#1").result == {"n": 1, "log": ["edited"]}
    with pytest.raises(DivergedError, match=r"frame 0 \(first#1\): expected input /n = 1, found 2"):
        fork.resume(agent(2), "last#1")


@pytest.mark.parametrize(
    "edit",
    [
        {"state_overrides": {"speed": 1}},
        {"patch": [{"op": "remove", "path": "/b"}]},
        {"patch": [{"op": "replace", "path": "/nowhere/deep", "value": 1}]},
    ],
    ids=["unknown parameter", "removed parameter", "unknown path"],
)
def test_an_edit_that_does_not_fit_is_refused_before_anything_runs(edit, ran):
    @step
    def first(x):
        ran.append("first")
        return x

    @step
    def mix(a, b):
        return a

    def agent(state):
        ran.append("agent")
        return mix(first(1), 2)

    run = record(agent, {})
    ran.clear()
    with pytest.raises(EditError, match=r"a, b|'a', 'b'"):
        run.resume(agent, "mix#1", **edit)
    assert ran == []
    assert not (run.player.recording.path.parent / "run-fork1.vcr").exists()


def test_the_users_own_override_is_not_changed_by_the_agent():
    @step
    def grow(state):
        state["log"].append(1)
        return state

    override = {"log": []}
    run = record(lambda state: grow(state), {"log": [0]})
    assert run.resume(lambda state: grow(state), "grow#1", state_overrides=override).result == {"log": [1]}
    assert override == {"log": []}
