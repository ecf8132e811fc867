"""The callbacks of LangChain that tell of nodes, models and tools, handed to a `GraphRun`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from langchain_core.callbacks import BaseCallbackHandler
from langgraph.errors import GraphBubbleUp, GraphInterrupt, ParentCommand

from agent_vcr_nb.core.errors import CannotResumeError
from agent_vcr_nb.core.frame import FrameType
from agent_vcr_nb.core.steps import Placement, Scope, Step, current_scope, scope_now
from agent_vcr_nb.integrations.langgraph import calls
from agent_vcr_nb.integrations.langgraph.run import GraphRun
from agent_vcr_nb.integrations.langgraph.superstep import Task


class _Run:
    """A run in LangChain's sense: a node, a model call, a tool, or something inside one."""

    __slots__ = ("ns", "scope", "step", "task", "token")

    def __init__(self, ns: str | None, scope: Scope | None) -> None:
        self.ns, self.scope = ns, scope
        self.task: Task | None = None
        self.step: Step | None = None
        self.token: tuple[Scope | None] | None = None


class Handler(BaseCallbackHandler):
    """Turns callbacks into steps; runs in the thread or task of the node, so that order and context hold."""

    run_inline = True
    raise_error = True  # only a run that has left its recording raises: everything else is guarded in GraphRun

    def __init__(self, run: GraphRun) -> None:
        self.run = run
        self._runs: dict[UUID, _Run] = {}

    def _enter(self, run_id: UUID, parent_run_id: UUID | None, ns: str | None) -> _Run:
        parent = self._runs.get(parent_run_id) if parent_run_id else None
        run = self._runs[run_id] = _Run(ns, parent.scope if parent else None)
        return run

    def _inside(self, run: _Run, scope: Scope) -> None:
        """Make what begins from here on in this context a child of the run."""
        run.scope = scope
        scope.outer, scope.over = scope_now(), False
        run.token = (scope.outer,)
        current_scope.set(scope)

    def _leave(self, run_id: UUID) -> _Run | None:
        run = self._runs.pop(run_id, None)
        if run is not None and run.token is not None and run.scope is not None:
            run.scope.over = True
            current_scope.set(run.token[0])
        return run

    # -------------------------------------------------------------------------------------------- nodes

    def on_chain_start(
        self,
        serialized: dict[str, Any] | None,
        inputs: Any,
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        tags: list[str] | None = None,
        metadata: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """Begin a frame where a task begins: where the namespace is another than around it."""
        known = metadata or {}
        ns = known.get("langgraph_checkpoint_ns")
        parent = self._runs.get(parent_run_id) if parent_run_id else None
        run = self._enter(run_id, parent_run_id, ns)
        if not ns or (parent is not None and parent.ns == ns):
            return
        run.task = self.run.task_started(
            str(known.get("langgraph_node")),
            ns,
            int(known.get("langgraph_step", 0)),
            tuple(known.get("langgraph_path") or ()),
            inputs,
            run.scope,
        )
        if run.task is not None:
            self._inside(run, run.task.scope)

    def on_chain_end(self, outputs: Any, *, run_id: UUID, **kwargs: Any) -> None:
        """End the task, if one began here."""
        run = self._leave(run_id)
        if run is not None and run.task is not None:
            self.run.task_ended(run.task, outputs)

    def on_chain_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:
        """Tell a failure from a question to the user and from a Command for the graph around."""
        run = self._leave(run_id)
        if run is None or run.task is None:
            return
        if isinstance(error, ParentCommand):
            self.run.task_ended(run.task, error.args[0])
        elif isinstance(error, GraphInterrupt):
            asked = error.args[0] if error.args else ()
            self.run.task_failed(run.task, error, [getattr(question, "value", question) for question in asked])
        elif isinstance(error, GraphBubbleUp):
            self.run.task_failed(run.task, error, [])
        else:
            self.run.task_failed(run.task, error, None)

    # -------------------------------------------------------------------------------------------- models

    def on_chat_model_start(
        self,
        serialized: dict[str, Any] | None,
        messages: list[list[Any]],
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        metadata: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """Begin a frame for a call of a chat model."""
        self._model_starts(run_id, parent_run_id, messages[0] if messages else [], metadata, kwargs)

    def on_llm_start(
        self,
        serialized: dict[str, Any] | None,
        prompts: list[str],
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        metadata: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """Begin a frame for a call of a model that completes text."""
        self._model_starts(run_id, parent_run_id, prompts, metadata, kwargs)

    def _model_starts(
        self,
        run_id: UUID,
        parent_run_id: UUID | None,
        messages: Sequence[Any],
        metadata: Mapping[str, Any] | None,
        options: Mapping[str, Any],
    ) -> None:
        run = self._enter(run_id, parent_run_id, None)
        run.step = calls.take_begun()
        if run.step is None:
            parameters = options.get("invocation_params") or {}
            run.step = self._begin(calls.MODEL, calls.model_input(messages, parameters), FrameType.LLM_CALL, run)
        if run.step is not None:
            run.step.figures.setdefault("model", calls.model_name(metadata, options.get("invocation_params")))

    def on_llm_end(self, response: Any, *, run_id: UUID, **kwargs: Any) -> None:
        """End it, with what the provider says of tokens."""
        run = self._leave(run_id)
        if run is not None and run.step is not None:
            output, figures = calls.model_output(response)
            run.step.finish(output, {**run.step.figures, **figures.to_dict()})

    def on_llm_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:
        """End it as failed."""
        self._fails(run_id, error)

    # -------------------------------------------------------------------------------------------- tools

    def on_tool_start(
        self,
        serialized: dict[str, Any] | None,
        input_str: str,
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        inputs: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """Begin a frame for a call of a tool; a graph or model that it calls is its child."""
        run = self._enter(run_id, parent_run_id, None)
        parent = self._runs.get(parent_run_id) if parent_run_id else None
        run.ns = parent.ns if parent else None
        run.step = calls.take_begun()
        if run.step is None:
            name = str(kwargs.get("name") or (serialized or {}).get("name") or "tool")
            run.step = self._begin(name, calls.tool_input(inputs, input_str), FrameType.TOOL_CALL, run)
        if run.step is not None:
            self._inside(run, run.step.scope())

    def on_tool_end(self, output: Any, *, run_id: UUID, **kwargs: Any) -> None:
        """End it."""
        run = self._leave(run_id)
        if run is not None and run.step is not None:
            run.step.finish({"result": output})

    def on_tool_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:
        """End it as failed."""
        self._fails(run_id, error)

    def _fails(self, run_id: UUID, error: BaseException) -> None:
        run = self._leave(run_id)
        if run is not None and run.step is not None:
            run.step.fail(error)

    def _begin(self, name: str, state: dict[str, Any], kind: FrameType, run: _Run) -> Step | None:
        lane = self.run.llm_lane if kind is FrameType.LLM_CALL else self.run.small_lane
        with self.run.guarded:
            step = self.run.recorder.begin(
                name, state, kind, placement=Placement(run.scope or self.run.scope, lane=lane)
            )
            if step.returned:
                raise CannotResumeError(
                    f"{step.key} has a recorded result, and is called in a way that cannot be kept from running. "
                    "Resume at the node around it."
                )
            return step
        return None
