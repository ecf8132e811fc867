"""Resuming: the kinds of agents, other processes, the seed's examples, and what stands after it."""

import asyncio
import os
import signal
import subprocess
import sys
import textwrap

import pytest

from agent_vcr_nb import AsyncVCRPlayer, ResumeConfig, VCRPlayer, VCRRecorder, step
from agent_vcr_nb.core.errors import CannotResumeError, DivergedError, UsageError
from agent_vcr_nb.core.redact import Redactor
from agent_vcr_nb.core.resume import resume
from agent_vcr_nb.models import ResumeMode


@pytest.fixture(autouse=True)
def _in_tmp(in_tmp):
    """Each test has a `.vcr/` of its own."""


@pytest.fixture
def ran():
    """Names of the steps that were really executed."""
    return []


def record(agent, *args, name="run", **options):
    with VCRRecorder(**options) as recorder:
        recorder.start_session(name)
        result = agent(*args)
        if asyncio.iscoroutine(result):
            asyncio.run(result)
    return VCRPlayer.load_by_id(name)


def planner(state):
    return {**state, "plan": "use Flask"}


def coder(state):
    return {**state, "code": state["plan"].replace("use", "import")}


def by_hand():
    """The seed's way: the agent runs as it is, and each step is recorded when it is over."""
    with VCRRecorder() as recorder:
        recorder.start_session("my_run")
        state = {"query": "build a REST API"}
        for function in (planner, coder):
            before, state = state, function(state)
            recorder.record_step(function.__name__, before, state)
    return VCRPlayer.load(".vcr/my_run.vcr")


# ------------------------------------------------------------------------------------------------ the seed's README


def test_the_quick_start_of_the_seed_runs_with_only_the_import_changed():
    from agent_vcr_nb import VCRRecorder

    recorder = VCRRecorder()
    recorder.start_session("my_run")
    state = {"query": "build a REST API"}
    input_state = state
    state = planner(state)
    recorder.record_step("planner", input_state, state)
    input_state = state
    state = coder(state)
    recorder.record_step("coder", input_state, state)
    recorder.save()

    from agent_vcr_nb import VCRPlayer
    from agent_vcr_nb.models import ResumeConfig

    player = VCRPlayer.load(".vcr/my_run.vcr")
    assert player.goto_frame(0) == {"query": "build a REST API", "plan": "use Flask"}
    assert player.goto_frame(1) == {"query": "build a REST API", "plan": "use Flask", "code": "import Flask"}
    assert player.get_errors() == []
    diff = player.compare_frames(0, 1)
    assert diff["added"] == {"code": "import Flask"}
    assert diff["modified"] == {}
    fork = player.resume(
        agent_callable=coder,
        config=ResumeConfig(from_frame=1, state_overrides={"plan": "use FastAPI instead of Flask"}),
    )
    assert isinstance(fork, str)
    child = VCRPlayer.load_by_id(fork)
    assert child.list_nodes() == ["planner", "coder"]
    assert child.goto_frame(0) == player.goto_frame(0)
    assert child.goto_frame(1)["code"] == "import FastAPI instead of Flask"


def test_the_api_reference_of_the_seed_runs_with_only_the_import_changed():
    recorder = VCRRecorder(output_dir=".vcr", auto_save=True, diff_mode=False)
    recorder.start_session(session_id="my_run", tags=["prod"])
    for n in range(9):
        recorder.record_step(f"n{n}", {"k": n}, {"k": n + 1}, {"latency_ms": 1.0})
    recorder.record_llm_call("m", "prompt", "response", 3, 4, 10.0, 0.5)
    recorder.record_tool_call("tool", {"a": 1}, "result", 1.0)
    recorder.record_error("n9", {"k": 9}, ValueError("x"))
    path = recorder.save()
    child = recorder.fork(from_frame=3)
    child.close()
    with VCRRecorder() as r:
        r.start_session("run")

    player = VCRPlayer.load(path)
    player = VCRPlayer.load_by_id("my_run")
    assert player.goto_frame(7) == {"k": 8}
    assert player.get_frame(7).node_name == "n7"
    assert player.get_input_state(7) == {"k": 7}
    assert len(player.list_nodes()) == 12
    assert len(player.get_errors()) == 1
    assert set(player.compare_frames(1, 2)) >= {"added", "removed", "modified"}
    assert (player.get_total_latency(), player.get_total_tokens(), player.get_total_cost()) == (20.0, 7, 0.5)
    fork = player.resume(
        lambda state: {"last": state["k"]},
        config=ResumeConfig(from_frame=7, state_overrides={"k": "v"}, mode=ResumeMode.FORK),
    )
    assert VCRPlayer.load_by_id(fork).get_current_state() == {"last": "v"}


# ------------------------------------------------------------------------------------------------ kinds of agents


def test_a_function_of_the_state_is_called_once_with_the_state_before_the_frame(ran):
    def rest(state):
        ran.append(dict(state))
        return {**state, "done": True}

    fork = VCRPlayer.load_by_id(by_hand().resume(rest, ResumeConfig(1)))
    assert ran == [{"query": "build a REST API", "plan": "use Flask"}]
    assert [(frame.key, frame.provenance) for frame in fork.frames] == [("planner#1", "replayed"), ("coder#1", "live")]
    assert fork.get_current_state() == {"query": "build a REST API", "plan": "use Flask", "done": True}


def test_an_async_function_of_the_state_is_awaited_by_the_player_and_by_the_async_player():
    async def rest(state):
        await asyncio.sleep(0)
        return {**state, "done": True}

    by_hand()
    first = VCRPlayer.load_by_id("my_run").resume(rest, ResumeConfig(1))

    async def main():
        player = await AsyncVCRPlayer.load_by_id("my_run")
        return await player.resume(rest, ResumeConfig(1, state_overrides={"plan": "x"}))

    second = asyncio.run(main())
    assert VCRPlayer.load_by_id(first).get_current_state()["done"] is True
    assert VCRPlayer.load_by_id(second).get_current_state()["plan"] == "x"


def test_the_player_resumes_an_async_agent_also_while_a_loop_is_running():
    async def rest(state):
        await asyncio.sleep(0)
        return {**state, "done": True}

    by_hand()

    async def cell():
        return VCRPlayer.load_by_id("my_run").resume(rest, ResumeConfig(1))

    assert VCRPlayer.load_by_id(asyncio.run(cell())).get_current_state()["done"] is True


@pytest.mark.parametrize(
    "agent",
    [
        [planner, coder],
        (planner, coder),
        [("planner", planner), ("coder", coder)],
        {"planner": planner, "coder": coder},
        [step(planner), step(coder)],
    ],
    ids=["list", "tuple", "pairs", "mapping", "decorated"],
)
def test_a_list_or_mapping_of_steps_is_run_step_by_step(agent):
    fork = VCRPlayer.load_by_id(by_hand().resume(agent, ResumeConfig(1, state_overrides={"plan": "use Rust"})))
    assert [(frame.key, frame.provenance) for frame in fork.frames] == [
        ("planner#1", "replayed"),
        ("coder#1", "edited"),
    ]
    assert fork.get_current_state()["code"] == "import Rust"


def test_a_list_of_async_steps_is_awaited(ran):
    async def first(state):
        ran.append("first")
        return {**state, "a": 1}

    async def second(state):
        ran.append("second")
        return {**state, "b": state["a"]}

    with VCRRecorder() as recorder:
        recorder.start_session("run")
        recorder.record_step("first", {}, {"a": 1})
        recorder.record_step("second", {"a": 1}, {"a": 1, "b": 1})
    player = VCRPlayer.load_by_id("run")
    resumed = resume(player.recording, [first, second], ResumeConfig(1, state_overrides={"a": 5}))
    assert (ran, resumed.result) == (["second"], {"a": 5, "b": 5})


def test_a_list_that_names_a_step_twice_resumes_at_its_second_call(ran):
    def add(state):
        ran.append(state["n"])
        return {"n": state["n"] + 1}

    with VCRRecorder() as recorder:
        recorder.start_session("run")
        for _ in range(2):
            for n in range(3):
                recorder.record_step("add", {"n": n}, {"n": n + 1})
    player = VCRPlayer.load_by_id("run")
    resumed = resume(player.recording, [add, add, add], ResumeConfig(4, state_overrides={"n": 10}))
    assert (ran, resumed.result) == ([10, 11], {"n": 12})


def test_a_list_without_a_step_that_was_recorded_is_a_divergence(ran):
    with VCRRecorder() as recorder:
        recorder.start_session("run")
        for name in ("a", "b", "c"):
            recorder.record_step(name, {}, {})
    agent = {"a": ran.append, "c": ran.append}
    with pytest.raises(DivergedError, match=r"run frame 1 \(b#1\): expected this step to be called before frame 2"):
        VCRPlayer.load_by_id("run").resume(agent, ResumeConfig(2))
    assert ran == []


@pytest.mark.parametrize(
    ("agent", "message"),
    [
        (42, "the agent is a int: expected a function, a list or mapping of steps, or a graph"),
        ("coder", "the agent is a str"),
        ([planner, 3], "the agent's step 3: expected a function, or a pair of a name and a function"),
    ],
)
def test_an_agent_of_no_known_kind_is_refused(agent, message):
    with pytest.raises(UsageError, match=message):
        by_hand().resume(agent, ResumeConfig(1))


def test_without_a_config_the_whole_run_is_done_again(ran):
    def rest(state):
        ran.append(state)
        return state

    by_hand().resume(rest)
    assert ran == [{"query": "build a REST API"}]


def test_the_step_of_a_frame_is_an_agent_too(ran):
    @step
    def first(state):
        ran.append("first")
        return {**state, "a": 1}

    @step
    def second(state):
        ran.append("second")
        return {**state, "b": state["a"] + 1}

    player = record(lambda state: second(first(state)), {})
    ran.clear()
    resumed = resume(player.recording, second, ResumeConfig(1, state_overrides={"a": 10}))
    assert (ran, resumed.result) == (["second"], {"a": 10, "b": 11})
    assert VCRPlayer.load_by_id(resumed.session_id).list_nodes() == ["first", "second"]


def test_a_step_that_is_not_around_the_frame_is_refused_with_the_one_to_pass(ran):
    @step
    def inner(x):
        return x

    @step
    def outer(state):
        return {"x": inner(1), "y": inner(2)}

    player = record(outer, {})
    with pytest.raises(CannotResumeError, match=r"frame 2 was recorded inside 'outer'\. Pass that one"):
        player.resume(inner, ResumeConfig(2))


def test_a_call_that_was_recorded_when_it_was_over_is_no_resume_point_inside_a_step(ran):
    recorder = VCRRecorder()

    @step
    def main(state):
        recorder.record_llm_call("m", "hi", "ho")
        return after(state)

    @step
    def after(state):
        ran.append("after")
        return state

    with recorder:
        recorder.start_session("run")
        main({"a": 1})
    player = VCRPlayer.load_by_id("run")
    with pytest.raises(CannotResumeError, match=r"frame 1 \(main#1/llm:m#1\) was recorded when it was over.*frame 0"):
        player.resume(main, ResumeConfig(1))
    ran.clear()
    recorder.start_session("second")
    assert resume(player.recording, main, ResumeConfig(2, state_overrides={"a": 2}), recorder).result == {"a": 2}


# ------------------------------------------------------------------------------------------------ other processes


AGENT = """
    import dataclasses, datetime as dt, sys
    from agent_vcr_nb import VCRRecorder, VCRPlayer, ResumeConfig, step, now, random

    @dataclasses.dataclass
    class Plan:
        steps: list
        made: dt.datetime

    @step
    def plan(state):
        print("ran plan")
        return {**state, "plan": Plan(["a", "b"], now()), "chance": random()}

    @step
    def code(state):
        print("ran code")
        return {**state, "code": [step.upper() for step in state["plan"].steps]}

    @step
    def check(state):
        print("ran check")
        if state["strict"]:
            raise ValueError("too strict")
        return {**state, "ok": state["plan"].made.tzinfo is not None}

    @step
    def main(state):
        return check(code(plan(state)))
"""


def run_script(folder, *lines):
    script = folder / "agent_script.py"
    script.write_text(textwrap.dedent(AGENT) + "\n".join(lines))
    argv = [sys.executable, "-W", "error", str(script)]
    return subprocess.run(argv, cwd=folder, capture_output=True, text=True, timeout=60, check=False)


def test_a_fresh_process_resumes_from_the_file_alone(in_tmp):
    done = run_script(
        in_tmp,
        "with VCRRecorder() as recorder:",
        "    recorder.start_session('run')",
        "    main({'strict': True})",
    )
    assert done.stdout.split() == ["ran", "plan", "ran", "code", "ran", "check"]
    assert "ValueError: too strict" in done.stderr
    done = run_script(
        in_tmp,
        "player = VCRPlayer.load_by_id('run')",
        "fork = VCRPlayer.load_by_id(player.resume(main, ResumeConfig(3, state_overrides={'strict': False})))",
        "state = fork.goto_frame(0)",
        "print(state['ok'], state['code'], state['chance'] == player.goto_frame(1)['chance'])",
    )
    assert done.stderr == ""
    assert done.stdout == "ran check\nTrue ['A', 'B'] True\n"


def test_the_frame_at_which_a_process_was_killed_is_resumed_at(in_tmp):
    (in_tmp / "killed.py").write_text(
        textwrap.dedent(AGENT)
        + "import os, signal\n"
        + "@step\n"
        + "def die(state):\n"
        + "    if state.get('die'): os.kill(os.getpid(), signal.SIGKILL)\n"
        + "    return {**state, 'alive': True}\n"
        + "@step\n"
        + "def main(state): return die(plan(state))\n"
        + "if sys.argv[1] == 'record':\n"
        + "    recorder = VCRRecorder()\n"
        + "    recorder.start_session('run')\n"
        + "    main({'die': True})\n"
        + "else:\n"
        + "    fork = VCRPlayer.load_by_id('run').resume(main, ResumeConfig(2, state_overrides={'die': False}))\n"
        + "    print(VCRPlayer.load_by_id(fork).goto_frame(0)['alive'])\n"
    )
    argv = [sys.executable, "killed.py"]
    killed = subprocess.run([*argv, "record"], cwd=in_tmp, capture_output=True, text=True, timeout=60, check=False)
    assert killed.returncode == -signal.SIGKILL
    player = VCRPlayer.load_by_id("run")
    assert [(frame.node_name, frame.status) for frame in player.frames] == [
        ("main", "running"),
        ("plan", "ok"),
        ("die", "running"),
    ]
    resumed = subprocess.run([*argv, "resume"], cwd=in_tmp, capture_output=True, text=True, timeout=60, check=True)
    assert resumed.stdout == "True\n"


def test_a_run_that_is_still_going_on_can_be_forked_from_inside(ran):
    @step
    def first(state):
        ran.append("first")
        return {**state, "n": 1}

    @step
    def second(state):
        ran.append("second")
        if state.get("look"):
            player = VCRPlayer.load_by_id("run")
            player.resume(main, ResumeConfig(2, new_session_id="side", state_overrides={"look": False, "n": 50}))
        return {**state, "end": state["n"]}

    @step
    def main(state):
        return second(first(state))

    player = record(main, {"look": True})
    assert ran == ["first", "second", "second"]
    assert player.get_current_state()["end"] == 1
    assert VCRPlayer.load_by_id("side").get_current_state()["end"] == 50
    assert len(player) == 3


# ------------------------------------------------------------------------------------------------ what stands after it


def test_the_fork_lies_beside_its_parent_wherever_the_process_stands(in_tmp, monkeypatch):
    by_hand()
    player = VCRPlayer.load(in_tmp / ".vcr" / "my_run.vcr")
    (in_tmp / "elsewhere").mkdir()
    monkeypatch.chdir(in_tmp / "elsewhere")
    fork = player.resume(coder, ResumeConfig(1))
    assert (in_tmp / ".vcr" / f"{fork}.vcr").is_file()
    assert not (in_tmp / "elsewhere" / ".vcr").exists()


def test_forks_get_free_names_or_the_one_that_was_asked_for():
    player = by_hand()
    assert player.resume(coder, ResumeConfig(1)) == "my_run-fork1"
    assert player.resume(coder, ResumeConfig(1)) == "my_run-fork2"
    assert player.resume(coder, ResumeConfig(1, new_session_id="better")) == "better"


def test_a_resume_does_not_record_into_the_recorder_that_is_in_use_around_it(ran):
    @step
    async def work(state):
        ran.append("work")
        return {**state, "n": state["n"] + 1}

    async def agent(state):
        return await work(await work(state))

    player = record(agent, {"n": 0})
    with VCRRecorder() as outer:
        outer.start_session("outer")
        fork = player.resume(agent, ResumeConfig(1))
        asyncio.run(work({"n": 10}))
    assert [frame.input_state["n"] for frame in VCRPlayer.load_by_id("outer").frames] == [10]
    assert [frame.input_state["n"] for frame in VCRPlayer.load_by_id(fork).frames] == [0, 1]


def test_a_recorder_that_was_passed_records_the_fork_and_then_anything_again():
    player = by_hand()
    recorder = VCRRecorder("forks")
    fork = player.resume(coder, ResumeConfig(1, state_overrides={"plan": "x"}), recorder=recorder)
    assert VCRPlayer.load_by_id(fork, "forks").goto_frame(1)["plan"] == "x"
    recorder.start_session("fresh")
    coded = step(coder)
    with recorder:
        coded({"plan": "use Go"})
    assert VCRPlayer.load_by_id("fresh", "forks").get_frame(0).provenance == "live"


def test_a_recording_with_other_redaction_rules_is_resumed_without_a_false_divergence(ran):
    @step
    def first(state):
        return {**state, "badge_number": "12345", "password": "abc", "n": 1}

    @step
    def middle(state):
        return {**state, "n": 2}

    @step
    def last(state):
        ran.append("last")
        return {"n": state["n"]}

    def agent(state):
        return last(middle(first(state)))

    open_book = record(agent, {}, redact=False)
    assert open_book.goto_frame(0)["password"] == "abc"
    assert resume(open_book.recording, agent, ResumeConfig(2)).result == {"n": 2}
    strict = record(agent, {}, name="strict", redact=Redactor(keys=["badge_number"]))
    supplied = {"badge_number": "12345", "password": "abc"}
    assert resume(strict.recording, agent, ResumeConfig(2, state_overrides=supplied)).result == {"n": 2}


def test_a_secret_in_an_edit_is_not_written_into_the_header_of_the_fork():
    player = by_hand()
    secret = "correct-horse-battery"
    fork = player.resume(coder, ResumeConfig(1, state_overrides={"password": secret}))
    path = VCRPlayer.load_by_id(fork).recording.path
    assert secret.encode() not in path.read_bytes()
    assert VCRPlayer.load_by_id(fork).session.edit == [{"op": "add", "path": "/password", "value": "[REDACTED:key]"}]


def test_an_imported_recording_is_to_look_at_and_says_so():
    with VCRRecorder() as recorder:
        recorder.start_session("run", metadata={"imported_from": "SWE-agent"})
        recorder.record_step("a", {}, {})
    with pytest.raises(CannotResumeError, match="frame 0 cannot be resumed: it was imported from SWE-agent"):
        VCRPlayer.load_by_id("run").resume(planner, ResumeConfig(0))


def test_a_damaged_frame_cannot_be_resumed_at_and_says_so():
    player = by_hand()
    path = player.recording.path
    lines = path.read_bytes().split(b"\n")
    lines[2] = lines[2][:40] + b"#" + lines[2][41:]
    path.write_bytes(b"\n".join(lines))
    with pytest.raises(CannotResumeError, match="frame 1 cannot be resumed: its line in the file is damaged"):
        VCRPlayer.load(path).resume(coder, ResumeConfig(1))


def test_a_file_of_ai_agent_vcr_is_resumed_with_a_list_of_its_steps(in_tmp):
    header = '{"type":"session","schema":"execution/v1","data":{"session_id":"old"}}\n'
    frame = (
        '{"type":"frame","data":{"frame_id":"%s","session_id":"old","timestamp":"2024-01-01T00:00:0%dZ",'
        '"frame_type":"node","node_name":"%s","input_state":%s,"output_state":%s,"metadata":{}}}\n'
    )
    plan = '{"query":"x","plan":"use Flask"}'
    (in_tmp / ".vcr").mkdir()
    (in_tmp / ".vcr" / "old.vcr").write_text(
        header
        + frame % ("f0", 1, "planner", '{"query":"x"}', plan)
        + frame % ("f1", 2, "coder", plan, '{"code":"import Flask"}')
    )
    player = VCRPlayer.load_by_id("old")
    resumed = resume(player.recording, [planner, coder], ResumeConfig(1, state_overrides={"plan": "use Go"}))
    assert resumed.result["code"] == "import Go"
    single = resume(player.recording, coder, ResumeConfig(1, state_overrides={"plan": "use C"}))
    assert single.result["code"] == "import C"


def test_resuming_many_steps_costs_each_of_them_the_same():
    import time

    @step
    def tick(n):
        return n + 1

    def agent(count):
        def run(state):
            n = 0
            for _ in range(count):
                n = tick(n)
            return n

        return run

    def seconds(count):
        player = record(agent(count), {}, name=f"run{count}")
        began = time.perf_counter()
        resume(player.recording, agent(count), ResumeConfig(count - 1))
        return time.perf_counter() - began

    seconds(50)
    assert seconds(1600) < 16 * 3 * seconds(100)
    assert os.path.getsize(".vcr/run1600-fork1.vcr") < 2.5 * os.path.getsize(".vcr/run1600.vcr")
