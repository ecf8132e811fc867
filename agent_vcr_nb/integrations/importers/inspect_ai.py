"""Inspect AI: evaluation logs, ``.json`` and ``.eval`` archives. Each sample of each epoch is a session.

Calls of models and tools, scores, human input, limits and errors are frames; the state is the conversation at that
point. A log without events is read from its messages. Source: log format version 2 of Inspect AI 0.3.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

from agent_vcr_nb.core.frame import FrameMetadata, FrameType
from agent_vcr_nb.integrations.importers.archive import Archive
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

_MEMBER = re.compile(r"samples/[^/]+\.json")
MAX_EXPANDED = 256 << 20
"""Characters that attachments may add to one sample: the same one may be referred to without end."""
MAX_MESSAGES = 100_000
MAX_INSIDE = 20
"""Levels of events inside events."""


def recognises(document: Document) -> bool:
    """Tell whether the content is an evaluation log."""
    if document.archive is not None:
        names = document.archive.names
        return "header.json" in names or "_journal/start.json" in names or any(map(_MEMBER.fullmatch, names))
    value = document.value
    return document.kind == "json" and isinstance(value, dict) and "eval" in value and "status" in value


def sessions(document: Document) -> Iterator[ImportedSession]:
    """Return a run for each sample of each epoch."""
    header, samples = _log(document)
    stem = document.name
    for sample in samples:
        reader = _Sample(sample, header, document.problems)
        name = f"{stem}-{_word(sample.get('id'))}-epoch{_word(sample.get('epoch'))}"
        yield ImportedSession(
            name, reader.frames(), reader.metadata(), reader.tags(), document.problems, reader.left_out
        )


def _word(value: Any) -> str:
    return str(value)[:60] if isinstance(value, str | int) else "0"


def _log(document: Document) -> tuple[Part, Iterator[Part]]:
    """Return what stands above all samples, and the samples."""
    if document.archive is None:
        log = Part(document.value, "", document.problems)
        return log, log.parts("samples")
    archive = document.archive
    if archive.problem is not None:
        document.problems.add(archive.problem)
    header: Any = None
    for name in ("header.json", "_journal/start.json"):
        if header is None and name in archive:
            header = _member(archive, name, document.problems)
    return Part(header or {}, "header.json", document.problems), _members(archive, document.problems)


def _members(archive: Archive, problems: Remarks) -> Iterator[Part]:
    for name in sorted(set(archive.names)):
        if _MEMBER.fullmatch(name):
            value = _member(archive, name, problems)
            if value is not None:
                yield Part(value, name, problems)
        elif name.startswith("samples/") and not name.endswith("/"):
            problems.add(f"{name[:200]}: no name of a sample: not read")


def _member(archive: Archive, name: str, problems: Remarks) -> Any:
    value, problem = archive.json(name)
    if problem is not None:
        problems.add(problem)
    return value


class _Sample:
    """One sample of a log while it is turned into frames."""

    def __init__(self, sample: Part, header: Part, problems: Remarks) -> None:
        self.sample, self.header, self.problems = sample, header, problems
        self.eval = header.part("eval")
        self.left_out = Remarks()
        self._attachments = sample.part("attachments").value
        self._room = MAX_EXPANDED
        self._talk = Conversation()
        self._around: list[str] = []
        self._number = 0
        self._pool: list[Any] | None = None
        self._skipped: Counter[str] = Counter()

    def metadata(self) -> dict[str, Any]:
        """Return what is known of the run as a whole."""
        known = known_of(self.eval, "task", "model", "run_id", "created", "dataset")
        known |= known_of(self.sample, "epoch", "target", "scores", "model_usage", "metadata", "total_time", "uuid")
        if "created" in known:
            known["started_at"] = known.pop("created")
        return {**known, "task": f"{self.eval.text('task') or 'eval'}/{_word(self.sample.get('id'))}"}

    def tags(self) -> tuple[str, ...]:
        """Return the tags that samples of one task share."""
        return ("inspect-ai", session_id_of(self.eval.text("task") or "eval")[:60])

    def frames(self) -> Iterator[ImportedFrame]:
        """Return the frames in the order of the events, or of the messages where there are no events."""
        events = self.sample.items("events")
        if not events and self.sample.get("transcript"):
            events = self.sample.part("transcript").items("events")
        for frame in self._from_events(events, f"{self.sample.pointer}/events", None, MAX_INSIDE):
            self._number += 1
            yield frame
        if self._skipped:
            kinds = ", ".join(f"{kind} ({count})" for kind, count in sorted(self._skipped.items()))
            self.left_out.add(f"events that are no steps: {kinds}")
        if not self._number:
            yield from self._from_messages()
        yield from self._ending(events)

    # -------------------------------------------------------------------------------------------- events

    def _from_events(self, events: list[Any], pointer: str, parent: int | None, deep: int) -> Iterator[ImportedFrame]:
        for index, value in enumerate(events):
            event = Part(value, f"{pointer}/{index}", self.problems)
            kind = event.text("event") or "?"
            read = getattr(self, f"_on_{kind}", None) if kind in _STEPS else None
            if read is None:
                self._structure(kind, event)
                if value is not None and isinstance(value, dict):
                    self._skipped[kind[:40]] += 1
                continue
            number = self._number
            yield read(event, parent)
            inside = event.items("events") if kind in ("tool", "subtask") else []
            if inside and deep:
                yield from self._from_events(inside, f"{event.pointer}/events", number, deep - 1)
            elif inside:
                self.left_out.add(f"{event.pointer}/events: more than {MAX_INSIDE} levels inside each other")

    def _structure(self, kind: str, event: Part) -> None:
        """Keep in mind which solver, scorer or tool the next events happen in."""
        if kind == "span_begin" or (kind == "step" and event.get("action") == "begin"):
            self._around.append(event.text("name") or "?")
        elif (kind == "span_end" or (kind == "step" and event.get("action") == "end")) and self._around:
            self._around.pop()
        elif kind == "sample_init":
            self._talk.messages = self._messages(event.part("state").items("messages"))

    def _custom(self, **more: Any) -> dict[str, Any]:
        return {"inside": "/".join(self._around[-8:]) or None, **more}

    def _on_model(self, event: Part, parent: int | None) -> ImportedFrame:
        self._talk.messages = self._input(event)
        output = event.part("output")
        choices = [choice for choice in output.parts("choices") if isinstance(choice.get("message"), dict)]
        answers = self._messages([choice.get("message") for choice in choices[:1]])
        if len(choices) > 1:
            self.left_out.add(f"{event.pointer}/output/choices: all but the first of {len(choices)}")
        if event.get("call"):
            self.left_out.add("the raw request and response of each model call (call): the state holds the messages")
        metadata = _usage(output, event)
        metadata.model = event.text("model") or output.text("model")
        metadata.latency_ms = _latency(event, output)
        metadata.custom = {key: value for key, value in self._custom().items() if value is not None}
        reason = choices[0].text("stop_reason") if choices else None
        if reason is not None:
            metadata.custom["stop_reason"] = reason
        error = event.get("error") or output.get("error")
        if error:
            metadata.error_type, metadata.error_message = "ModelError", str(error)[:2000]
        return self._talk.turn("model", FrameType.LLM_CALL, answers, metadata, event.moment("timestamp"), parent)

    def _on_tool(self, event: Part, parent: int | None) -> ImportedFrame:
        name = event.text("function") or "tool"
        message: dict[str, Any] = {"role": "tool", "function": name, "tool_call_id": event.get("id")}
        message |= known_of(event, "arguments") | {"content": self._expand(event.get("result"))}
        error = _error_of(event)
        if error is not None:
            message["error"] = event.get("error")
        metadata = figures(error, latency_ms=_latency(event, event), custom=self._custom())
        return self._talk.turn(name, FrameType.TOOL_CALL, [message], metadata, event.moment("timestamp"), parent)

    def _on_subtask(self, event: Part, parent: int | None) -> ImportedFrame:
        custom = self._custom(input=self._expand(event.get("input")), result=self._expand(event.get("result")))
        metadata = figures(latency_ms=_latency(event, event), custom=custom)
        return self._node(event.text("name") or "subtask", event, metadata, parent)

    def _on_input(self, event: Part, parent: int | None) -> ImportedFrame:
        metadata = figures(custom=self._custom())
        said = {"role": "user", "content": event.text("input"), "source": "console"}
        return self._talk.turn("input", FrameType.NODE_EXECUTION, [said], metadata, event.moment("timestamp"), parent)

    def _on_score(self, event: Part, parent: int | None) -> ImportedFrame:
        name = self._around[-1] if self._around else "score"
        before = self._talk.state()
        scores = self._talk.more.get("scores", {})
        self._talk.more = {"scores": {**scores, name: self._expand(event.get("score"))}}
        metadata = figures(custom=self._custom(target=event.get("target")))
        return ImportedFrame(
            f"score:{name}", FrameType.NODE_EXECUTION, before, self._talk.state(), metadata,
            event.moment("timestamp"), parent,
        )  # fmt: skip

    def _on_error(self, event: Part, parent: int | None) -> ImportedFrame:
        message = str(event.part("error").get("message"))[:4000]
        trace = event.part("error").text("traceback")
        metadata = figures(("SampleError", message), traceback=trace, custom=self._custom())
        return self._node("error", event, metadata, parent, FrameType.ERROR)

    def _on_sample_limit(self, event: Part, parent: int | None) -> ImportedFrame:
        kind, message = event.text("type") or "limit", event.text("message") or "a limit was exceeded"
        return self._node("limit", event, figures((f"limit:{kind}", message)), parent, FrameType.ERROR)

    def _node(
        self, name: str, event: Part, metadata: FrameMetadata, parent: int | None,
        kind: FrameType = FrameType.NODE_EXECUTION,
    ) -> ImportedFrame:  # fmt: skip
        return self._talk.turn(name, kind, [], metadata, event.moment("timestamp"), parent)

    # -------------------------------------------------------------------------------------------- messages

    def _from_messages(self) -> Iterator[ImportedFrame]:
        self._talk = Conversation()
        begun = False
        for message in self.sample.parts("messages"):
            role = message.text("role") or "user"
            shown = self._messages([message.value])
            if not begun and role in ("system", "user"):
                self._talk.messages.extend(shown)
                continue
            begun = True
            name = message.text("function") or role if role == "tool" else role
            kind = {"assistant": FrameType.LLM_CALL, "tool": FrameType.TOOL_CALL}.get(role, FrameType.NODE_EXECUTION)
            metadata = figures(_error_of(message) if role == "tool" else None)
            if role == "assistant":
                name, metadata.model = "model", message.text("model")
            yield self._talk.turn(name, kind, shown, metadata)

    def _ending(self, events: list[Any]) -> Iterator[ImportedFrame]:
        told = any(isinstance(event, dict) and event.get("event") == "error" for event in events)
        error = self.sample.get("error")
        if error and not told:
            message = error.get("message") if isinstance(error, dict) else error
            yield self._talk.turn("error", FrameType.ERROR, [], figures(("SampleError", str(message)[:4000])))

    def _input(self, event: Part) -> list[Any]:
        """Return the messages of a call, which newer logs keep once and refer to by ranges."""
        refs = event.items("input_refs")
        if not refs:
            return self._messages(event.items("input"))
        if self._pool is None:
            pool = self.sample.items("message_pool") or self.sample.part("events_data").items("messages")
            self._pool = self._messages(pool)
        pool = self._pool
        found: list[Any] = []
        for ref in refs:
            if not (isinstance(ref, list) and len(ref) == 2 and all(type(end) is int for end in ref)):
                self.problems.add(f"{event.pointer}/input_refs: expected pairs of numbers")
                continue
            start, end = ref
            if not 0 <= start <= end <= len(pool) or len(found) + end - start > MAX_MESSAGES:
                self.problems.add(f"{event.pointer}/input_refs: {start} to {end} of a pool of {len(pool)} messages")
                continue
            found.extend(pool[start:end])
        return found

    def _messages(self, messages: list[Any]) -> list[Any]:
        return [self._expand(message) for message in messages]

    def _expand(self, value: Any) -> Any:
        """Return a value with the texts that the log keeps apart (``attachment://...``) in their places."""
        if isinstance(value, str):
            if not value.startswith("attachment://"):
                return value
            text = self._attachments.get(value.removeprefix("attachment://"))
            if not isinstance(text, str):
                self.problems.add(f"{self.sample.pointer}/attachments: {value[:60]} is not there")
                return value
            if len(text) > self._room:
                self.left_out.add(f"attachments beyond {MAX_EXPANDED >> 20} M characters: their references stay")
                return value
            self._room -= len(text)
            return text
        if isinstance(value, dict):
            return {key: self._expand(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self._expand(item) for item in value]
        return value


_STEPS = {"model", "tool", "subtask", "input", "score", "error", "sample_limit"}


def _error_of(part: Part) -> tuple[str, str] | None:
    error = part.get("error")
    if not error:
        return None
    if isinstance(error, dict):
        return str(error.get("type") or "ToolError")[:200], str(error.get("message"))[:4000]
    return "ToolError", str(error)[:4000]


def _latency(event: Part, output: Part) -> float | None:
    """Return the wall time in milliseconds: from start to completion where the log has both."""
    begun, done = event.moment("timestamp"), event.moment("completed")
    if begun and done and done >= begun:
        return round((done - begun).total_seconds() * 1000, 3)
    seconds = event.number("working_time") or output.number("time")
    return None if seconds is None else round(seconds * 1000, 3)


def _usage(output: Part, event: Part) -> FrameMetadata:
    """Return the tokens of a call; here the input includes what was read from a cache, there it need not.

    Which of the two a log means follows from its total: input + output, or cache reads and writes on top.
    """
    usage = output.part("usage")
    given, answer, total = usage.count("input_tokens"), usage.count("output_tokens"), usage.count("total_tokens")
    read, write = usage.count("input_tokens_cache_read"), usage.count("input_tokens_cache_write")
    if given is not None and total is not None and total == given + (answer or 0) + (read or 0) + (write or 0):
        given += (read or 0) + (write or 0)
    return FrameMetadata(
        tokens_input=given,
        tokens_output=answer,
        tokens_used=total,
        tokens_cache_read=read,
        tokens_cache_write=write,
        tokens_reasoning=usage.count("reasoning_tokens"),
        cost_usd=usage.number("total_cost"),
    )
