"""SWE-agent: ``.traj`` files, with ``trajectory`` (what was done), ``history`` (what was said) or both.

A step is two frames: the model's answer, and the command it gave with what came back. The state holds the messages of
``history`` and the environment's own report (open file, working directory). Source: SWE-agent 0.6 to 1.1.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from agent_vcr_nb.core.frame import FrameType
from agent_vcr_nb.integrations.importers.common import (
    Conversation,
    ImportedFrame,
    ImportedSession,
    Part,
    Remarks,
    figures,
    known_of,
    session_id_of,
)
from agent_vcr_nb.integrations.importers.document import Document

_LEFT_OUT = {
    "messages": "the prompt of each step again; the state holds the messages once",
    "query": "the prompt of each step again; the state holds the messages once",
}


def recognises(document: Document) -> bool:
    """Tell whether the content is a trajectory, or a history of SWE-agent's messages."""
    value = document.value
    if document.kind != "json" or not isinstance(value, dict) or "mistake_step" in value:
        return False
    if "trajectory" in value:
        return True
    history = value.get("history")
    first = history[0] if isinstance(history, list) and history else None
    return isinstance(first, dict) and "role" in first and ("agent" in first or "message_type" in first)


def sessions(document: Document) -> Iterator[ImportedSession]:
    """Return the one run of a trajectory; runs of one task share its tag."""
    run = Part(document.value, "", document.problems)
    config = _config(run)
    info = run.part("info")
    stem = document.name
    task = config.part("problem_statement").text("id") if config.get("problem_statement") else None
    task = task or stem
    metadata = {
        "task": task,
        **known_of(run, "environment"),
        **known_of(info, "exit_status", "submission", "model_stats"),
        **known_of(config.part("agent").part("model"), "name"),
    }
    if "name" in metadata:
        metadata["model"] = metadata.pop("name")
    left_out = Remarks()
    if config.value:
        left_out.add("/replay_config: how to run it again, except the task's id and the model's name")
    edited = [key for key in info.value if key.startswith("edited_files")]
    if edited:
        left_out.add(f"/info/{', '.join(edited)}: excerpts of files around the submission, which the metadata has")
    yield ImportedSession(
        _name_of(document, stem),
        _frames(run, info, metadata.get("model"), left_out),
        metadata,
        ("swe-agent", session_id_of(task)[:60]),
        document.problems,
        left_out,
    )


def _name_of(document: Document, stem: str) -> str:
    """Return the folder's name where that is the run and the file's is only the task."""
    folder = document.path.absolute().parent
    if f"__{stem}__" not in f"__{folder.name}__":
        return stem
    return f"{folder.parent.name}-{stem}" if folder.name == stem else folder.name


def _config(run: Part) -> Part:
    value = run.get("replay_config")
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            run.problems.add("/replay_config: a text that is no JSON")
            value = None
    return Part(value or {}, "/replay_config", run.problems)


def _frames(run: Part, info: Part, model: Any, left_out: Remarks) -> Iterator[ImportedFrame]:
    talk = Conversation()
    start, turns = _turns_of_history(run)
    talk.messages = start
    steps = list(run.parts("trajectory"))
    if steps and len(steps) != len(turns):
        if turns:
            left_out.add(f"/history after its start: it has {len(turns)} answers, and /trajectory {len(steps)} steps")
        turns = [(None, []) for _ in steps]
    named = model if isinstance(model, str) else None
    before, after = _environments(steps)
    for number, (answer, replies) in enumerate(turns):
        step = steps[number] if steps else Part({}, "", run.problems)
        _remark(step, left_out)
        if before.get(number):
            talk.more = {"environment": before[number]}
        said = answer or {"role": "assistant", "content": step.get("response")}
        thought = {"thought": step.text("thought") if steps else None}
        yield talk.turn("model", FrameType.LLM_CALL, [said], figures(model=named, custom=thought))
        yield from _command(talk, step, answer, replies, after.get(number))
    status = info.text("exit_status") or ""
    if status and not status.startswith("submitted"):
        failed = (status, f"the run ended with {status}, without a submission")
        yield talk.turn("exit", FrameType.ERROR, [], figures(failed))


def _command(
    talk: Conversation, step: Part, answer: dict[str, Any] | None, replies: list[Any], environment: Any
) -> Iterator[ImportedFrame]:
    """Return the frame of the command that a step ran, where it ran one."""
    observation = step.text("observation")
    if not replies:
        if observation is None:
            return
        replies = [{"role": "user", "content": observation}]
    action = step.text("action") or (answer or {}).get("action")
    seconds = step.number("execution_time")
    metadata = figures(latency_ms=None if seconds is None else seconds * 1000, custom={"action": action})
    before = talk.state()
    talk.messages.extend(replies)
    if environment:
        talk.more = {"environment": environment}
    yield ImportedFrame(_command_name(action), FrameType.TOOL_CALL, before, talk.state(), metadata)


def _turns_of_history(run: Part) -> tuple[list[Any], list[tuple[dict[str, Any] | None, list[Any]]]]:
    """Return the messages that the run starts with, and each answer with the replies to it."""
    start: list[Any] = []
    turns: list[tuple[dict[str, Any] | None, list[Any]]] = []
    for message in run.parts("history"):
        if message.get("role") == "assistant" and not message.get("is_demo"):
            turns.append((message.value, []))
        elif turns:
            turns[-1][1].append(message.value)
        else:
            start.append(message.value)
    return start, turns


def _environments(steps: list[Part]) -> tuple[dict[int, Any], dict[int, Any]]:
    """Return what the environment told of itself before and after the command of each step, by the step's number.

    Up to SWE-agent 0.7 it is a JSON text taken before the command, since 1.0 an object taken after it.
    """
    before: dict[int, Any] = {}
    after: dict[int, Any] = {}
    for number, step in enumerate(steps):
        state = step.get("state")
        if not isinstance(state, str):
            after[number] = state
            continue
        try:
            state = json.loads(state)
        except (ValueError, RecursionError):
            state = state.strip()
        before[number] = after[number - 1] = state
    return before, after


def _command_name(action: Any) -> str:
    words = str(action or "").split(maxsplit=1)
    return words[0][:40] if words else "command"


def _remark(step: Part, left_out: Remarks) -> None:
    for key, why in _LEFT_OUT.items():
        if step.get(key):
            left_out.add(f"/trajectory/*/{key}: {why}")
