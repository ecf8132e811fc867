"""Who&When: runs of multi-agent systems in which people marked the step that made them fail.

Each turn of ``history`` is a frame, so that frame N is step N of the labels. Source: the data set of "Which Agent
Causes Task Failures and When?" (ag2ai/Agents_Failure_Attribution).
"""

from __future__ import annotations

from collections.abc import Iterator

from agent_vcr_nb.core.frame import FrameType
from agent_vcr_nb.integrations.importers.common import (
    Conversation,
    ImportedFrame,
    ImportedSession,
    Part,
    figures,
    known_of,
    session_id_of,
)
from agent_vcr_nb.integrations.importers.document import Document

_TOOLS = {"computerterminal", "computer_terminal", "terminal"}
_FIRST = {"history", "question", "ground_truth", "is_corrected", "is_correct", "question_ID", "level"}
_LABELS = ("mistake_agent", "mistake_step", "mistake_reason", "mistake_type")


def recognises(document: Document) -> bool:
    """Tell whether the content is a run of this data set."""
    value = document.value
    if document.kind != "json" or not isinstance(value, dict) or "history" not in value:
        return False
    # The labels come last: a file that is cut off has the turns and not the labels.
    return "mistake_step" in value or (bool(document.problems) and set(value) <= _FIRST)


def sessions(document: Document) -> Iterator[ImportedSession]:
    """Return the run, with its labels in the metadata."""
    run = Part(document.value, "", document.problems)
    question = run.get("question_ID")
    labels = known_of(run, *_LABELS)
    task = question if isinstance(question, str) else document.name
    metadata = {"task": task, **known_of(run, "question", "ground_truth", "level", "is_corrected", "is_correct")}
    yield ImportedSession(
        f"{document.path.absolute().parent.name}-{document.name}",
        _frames(run),
        {**metadata, **labels},
        ("who-and-when", session_id_of(task)[:40]),
        document.problems,
    )


def _frames(run: Part) -> Iterator[ImportedFrame]:
    mistaken = _step(run)
    talk = Conversation()
    history = run.items("history")
    if mistaken is not None and mistaken >= len(history):
        run.problems.add(f"/mistake_step: {mistaken}, and /history has {len(history)} turns: no frame is marked")
    if history and history[-1] == {}:
        history = history[:-1]  # what a cut leaves of a turn
    for number, value in enumerate(history):
        # A damaged turn is a frame too: without it the labels would point at another one.
        turn = Part(value, f"/history/{number}", run.problems)
        name = turn.text("name") or turn.text("role") or "unknown"
        kind = FrameType.TOOL_CALL if name.lower() in _TOOLS else FrameType.NODE_EXECUTION
        custom: dict[str, object] = {"step": number}
        if number == mistaken:
            custom["mistake"] = _mark(run, name)
        yield talk.turn(name, kind, [value], figures(custom=custom))


def _mark(run: Part, name: str) -> dict[str, object]:
    """Return what people said of the mistaken turn, and whether the turn is of another agent than they named."""
    blamed = run.text("mistake_agent") or ""
    known = known_of(run, "mistake_agent", "mistake_reason", "mistake_type")
    mark: dict[str, object] = {key.removeprefix("mistake_"): value for key, value in known.items()}
    if not name.lower().startswith(blamed.lower()):
        mark["labels_disagree"] = f"the turn is of {name}, the label names {blamed}"
    return mark


def _step(run: Part) -> int | None:
    value = run.get("mistake_step")
    if isinstance(value, str) and value.strip().isdecimal() and len(value) < 10:
        return int(value)
    return run.count("mistake_step")
