"""Plain functions with @step in tasks and threads."""

import asyncio
import contextvars
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

import agent_vcr_nb
from agent_vcr_nb import ResumeConfig, step
from agent_vcr_nb.core.resume import resume
from tests.integrations.recorded import record


@pytest.fixture(autouse=True)
def _in_tmp(in_tmp):
    """Each test has a `.vcr/` of its own."""


@pytest.fixture
def ran():
    """Names of the step bodies that were really executed."""
    return []


def gathered_agent(ran):
    """Two workers at the same time; the first one waits between its calls until the second one is done with its first.

    It waits only when it runs for the first time: on a resume it is ahead of the second one.
    """
    runs = []
    second_is_ahead = []

    @step
    async def llm(x):
        ran.append(f"llm{x}")
        return x * 10

    @step
    async def worker(x):
        one = await llm(x)
        if x == 3:
            second_is_ahead.append(True)
        while len(runs) == 1 and not second_is_ahead:
            await asyncio.sleep(0)
        return [one, await llm(x + 1)]

    @step
    async def final(values):
        ran.append("final")
        return values

    @step
    async def main(state):
        runs.append(True)
        values = await asyncio.gather(*[worker(x) for x in (1, 3)])
        return {"values": await final(values)}

    return main


def test_async_steps_in_gather_are_recorded_under_their_own_parents(ran):
    run = record(gathered_agent(ran), {})
    assert sorted(run.keys) == [
        "main#1",
        "main#1/final#1",
        "main#1/worker#1",
        "main#1/worker#1/llm#1",
        "main#1/worker#1/llm#2",
        "main#1/worker#2",
        "main#1/worker#2/llm#1",
        "main#1/worker#2/llm#2",
    ]
    assert run.frame("main#1/worker#2/llm#2").input_state == {"x": 4}


def test_an_async_agent_is_resumed_after_a_gather(ran):
    main = gathered_agent(ran)
    run = record(main, {})
    ran.clear()
    assert run.resume(main, "main#1/final#1").result == {"values": [[10, 20], [30, 40]]}
    assert ran == ["final"]


def test_what_had_ended_in_another_branch_of_a_gather_is_served_also_when_it_asks_later(ran):
    main = gathered_agent(ran)
    run = record(main, {})
    assert run.at("main#1/worker#2/llm#1") < run.at("main#1/worker#1/llm#2")
    ran.clear()
    resumed = run.resume(main, "main#1/worker#1/llm#2", state_overrides={"x": 9})
    assert resumed.result == {"values": [[10, 90], [30, 40]]}
    assert not {"llm1", "llm3"} & set(ran)


def test_concurrent_siblings_that_had_not_ended_run_again(ran):
    async def agent(state):
        slow_may_end = asyncio.Event()

        @step
        async def slow(x):
            ran.append("slow")
            await slow_may_end.wait()
            return "slow"

        @step
        async def quick(x):
            ran.append("quick")
            slow_may_end.set()
            return "quick"

        return await asyncio.gather(slow(1), quick(2))

    run = record(agent, {})
    ran.clear()
    resumed = run.resume(agent, "quick#1")
    assert resumed.result == ["slow", "quick"]
    assert sorted(ran) == ["quick", "slow"]


def test_flat_siblings_of_a_gather_resume_though_the_frame_is_asked_for_first(ran):
    runs = []

    @step
    async def call(x):
        ran.append(x)
        return x

    async def branch(xs, wait, tell):
        values = [await call(xs[0])]
        if len(runs) == 1:
            await wait.wait()
        values.append(await call(xs[1]))
        tell.set()
        return values

    async def agent(state):
        runs.append(True)
        at_once, one_is_over, end = asyncio.Event(), asyncio.Event(), asyncio.Event()
        at_once.set()
        return await asyncio.gather(branch([5, 6], one_is_over, end), branch([1, 2], at_once, one_is_over))

    run = record(agent, {})
    assert [frame.input_state["x"] for frame in run.player.frames] == [5, 1, 2, 6]
    ran.clear()
    assert run.resume(agent, "call#4", state_overrides={"x": 60}).result == [[5, 60], [1, 2]]
    assert ran == [60]


def test_steps_in_a_task_group_are_recorded_and_its_exception_group_is_raised_again(ran):
    @step
    async def call(x):
        if x == 2:
            raise ValueError("two")
        return x

    @step
    async def many(xs):
        ran.append("many")
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(call(x)) for x in xs]
        return [task.result() for task in tasks]

    @step
    async def end(told):
        return told

    async def agent(state):
        try:
            await many([1, 2])
        except* ValueError as group:
            told = str(group.exceptions[0])
        return await end(told)

    run = record(agent, {})
    assert run.keys == ["many#1", "many#1/call#1", "many#1/call#2", "end#1"]
    ran.clear()
    assert run.resume(agent, "end#1").result == "two"
    assert ran == []


def thread_agent(ran, *, copied):
    gate = threading.Barrier(3, timeout=10)

    @step
    def tool(x):
        ran.append(x)
        return x * 2

    def one(x):
        if not ran_before:
            gate.wait()
        return tool(x)

    ran_before = []

    @step
    def fan_out(xs):
        with ThreadPoolExecutor(3) as pool:
            if copied:
                futures = [pool.submit(contextvars.copy_context().run, one, x) for x in xs]
            else:
                futures = [pool.submit(one, x) for x in xs]
            values = [future.result() for future in futures]
        ran_before.append(True)
        return values

    @step
    def last(values):
        ran.append("last")
        return values

    @step
    def main(state):
        return {"values": last(fan_out([1, 2, 3]))}

    return main


@pytest.mark.parametrize("copied", [True, False])
def test_steps_in_threads_are_served_whether_or_not_the_context_was_copied(copied, ran):
    main = thread_agent(ran, copied=copied)
    run = record(main, {})
    tool = "main#1/fan_out#1/tool" if copied else "tool"
    assert {key for key in run.keys if "tool" in key} == {f"{tool}#1", f"{tool}#2", f"{tool}#3"}
    ran.clear()
    assert run.resume(main, "main#1/last#1").result == {"values": [2, 4, 6]}
    assert ran == ["last"]


def one_after_the_other(function, arguments):
    """Call a function in threads that all live at the same time, in this order; returns results by argument."""
    results, over = {}, threading.Event()
    turns = {x: (threading.Event(), threading.Event()) for x in arguments}

    def run(x):
        turns[x][0].wait(10)
        try:
            results[x] = function(x)
        finally:
            turns[x][1].set()
        over.wait(10)

    threads = [threading.Thread(target=run, args=(x,)) for x in arguments]
    for thread in threads:
        thread.start()
    for mine, done in turns.values():
        mine.set()
        done.wait(10)
    over.set()
    for thread in threads:
        thread.join()
    return results


def racing_agent(ran):
    """An agent whose threads come in another order when it runs for the second time."""
    orders = iter([[1, 2, 3], [3, 1, 2]])

    @step
    def tool(x):
        ran.append(x)
        return x * 2

    @step
    def last(values):
        return values

    def agent(state):
        values = one_after_the_other(tool, next(orders))
        return last([values[x] for x in (1, 2, 3)])

    return agent


def test_steps_of_one_name_that_race_in_threads_are_matched_by_their_input(ran):
    agent = racing_agent(ran)
    run = record(agent, {})
    ran.clear()
    assert run.resume(agent, "last#1").result == [2, 4, 6]
    assert ran == []


def test_the_edit_reaches_the_racing_step_that_was_meant_also_when_it_asks_first(ran):
    agent = racing_agent(ran)
    run = record(agent, {})
    assert run.frame("tool#3").input_state == {"x": 3}
    ran.clear()
    assert run.resume(agent, "tool#3", state_overrides={"x": 30}).result == [2, 4, 60]
    assert ran == [30]


def test_steps_inside_racing_steps_are_found_below_the_one_that_was_matched(ran):
    orders = iter([[1, 2], [2, 1]])

    @step
    def tool(x):
        ran.append(x)
        return [x, agent_vcr_nb.random()]

    @step
    def worker(x):
        return [agent_vcr_nb.random(), tool(x), tool(x + 10)]

    def agent(state):
        return one_after_the_other(worker, next(orders))

    run = record(agent, {})
    recorded = run.frame("worker#2").output_state["result"]
    ran.clear()
    resumed = run.resume(agent, "worker#2/tool#2").result
    assert ran == [12]
    assert resumed[2][:2] == recorded[:2]
    assert resumed[1] == run.frame("worker#1").output_state["result"]


def test_an_agent_in_a_thread_without_the_context_is_resumed_at_a_step_there(ran):
    main = thread_agent(ran, copied=False)
    run = record(main, {})
    number = next(n for n, frame in enumerate(run.player.frames) if frame.input_state == {"x": 2})
    ran.clear()
    resumed = resume(run.player.recording, main, ResumeConfig(number, state_overrides={"x": 20}))
    assert resumed.result == {"values": [2, 40, 6]}


def test_a_step_that_ran_into_a_timeout_runs_into_it_again_without_being_executed(ran):
    @step
    async def ask(seconds):
        ran.append(seconds)
        await asyncio.sleep(seconds)
        return {"answer": seconds}

    @step
    async def end(state):
        return state

    @step
    async def agent(state):
        try:
            await asyncio.wait_for(ask(60), 0.05)
        except TimeoutError:
            return await end({**await ask(0), "timeouts": 1})

    run = record(agent, {})
    assert run.frame("agent#1/ask#1").metadata.error_type == "CancelledError"
    ran.clear()
    outcome = run.resume(agent, "agent#1/end#1")
    assert (outcome.result, ran) == ({"answer": 0, "timeouts": 1}, [])


def test_a_cancelled_step_that_nobody_cancels_again_raises_what_it_had_raised(ran):
    @step
    async def ask(state):
        ran.append("ask")
        await asyncio.sleep(0 if ran.count("ask") > 1 else 60)
        return state

    @step
    async def end(state):
        return state

    is_changed = []

    @step
    async def agent(state):
        if is_changed:
            return await ask(state)
        task = asyncio.create_task(ask(state))
        await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return await end(state)

    run = record(agent, {})
    is_changed.append(True)
    with pytest.raises(asyncio.CancelledError):
        run.resume(agent, "agent#1/end#1")
    assert ran == ["ask"]
