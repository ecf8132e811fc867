"""Gives recorded or mocked results to nodes, models and tools of a graph that is resumed.

A node's function is replaced where LangGraph keeps it (``PregelNode.bound``), so that the user's reducers, branches and
edges stay live on what it returns. Models and tools are asked for at the methods that every LangChain model and tool
inherits. All is undone when the resume ends.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, ToolMessage
from langchain_core.outputs import ChatGeneration, LLMResult
from langchain_core.runnables import Runnable, RunnableConfig
from langchain_core.tools import BaseTool
from langgraph.pregel import Pregel

from agent_vcr_nb.core.frame import FrameType
from agent_vcr_nb.core.policy import ResumeMode, ResumePolicy, Return
from agent_vcr_nb.core.steps import Placement, Step, scope_now
from agent_vcr_nb.integrations.langgraph import calls
from agent_vcr_nb.integrations.langgraph.recorded import RecordedGraphs
from agent_vcr_nb.integrations.langgraph.run import GraphRun


@contextlib.contextmanager
def serving(
    graph: Any, run: GraphRun, policy: ResumePolicy, recorded: RecordedGraphs, *, everything: bool = False
) -> Iterator[None]:
    """Within this block the graph asks the policy before it runs a node, a model or a tool.

    Nodes and calls are left alone where the policy lets all of them run, unless it may serve `everything`.
    """
    inside_a_node = policy.target not in recorded.frames
    if not everything and not inside_a_node and policy.mode is ResumeMode.FORK and not policy.skip:
        yield
        return
    with _stubbed(graph, run, policy, recorded), _patched_calls(run, policy):
        yield


# ---------------------------------------------------------------------------------------------------- nodes


@contextlib.contextmanager
def _stubbed(graph: Any, run: GraphRun, policy: ResumePolicy, recorded: RecordedGraphs) -> Iterator[None]:
    """Replace the function of each node, in subgraphs too."""
    replaced: list[tuple[Any, str, Any]] = []

    def walk(here: Any) -> None:
        for name, node in list(here.nodes.items()):
            if name.startswith("__"):
                continue
            for inner in node.subgraphs or ():
                if isinstance(inner, Pregel):
                    walk(inner)
            replaced.append((here, name, node))
            stub = _Stub(node.bound, run, policy, recorded)
            here.nodes[name] = node.copy({"bound": stub, "subgraphs": node.subgraphs})

    walk(graph)
    try:
        yield
    finally:
        for here, name, node in replaced:
            here.nodes[name] = node


class _Stub(Runnable[Any, Any]):
    """Runs a node's function, or returns what the policy has for it."""

    def __init__(self, inner: Any, run: GraphRun, policy: ResumePolicy, recorded: RecordedGraphs) -> None:
        self._inner, self._run, self._policy, self._recorded = inner, run, policy, recorded

    def get_name(self, suffix: str | None = None, *, name: str | None = None) -> str:
        """Return the name that the function has."""
        return str(self._inner.get_name(suffix, name=name))

    def invoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
        """Run or serve."""
        served, value = self._served()
        return value if served else self._inner.invoke(input, config, **kwargs)

    async def ainvoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
        """Run or serve."""
        served, value = self._served()
        return value if served else await self._inner.ainvoke(input, config, **kwargs)

    def _served(self) -> tuple[bool, Any]:
        """Return whether this execution is served, and with what; raises the error that was recorded or given."""
        scope = scope_now()
        step = self._run.returned.get(scope.key) if scope is not None else None
        if step is None:
            return False, None
        decision = step.decision
        assert isinstance(decision, Return)
        if decision.error is not None:
            raise decision.error
        if decision.number is not None:
            update = self._recorded.tape.recording.update(decision.number)
            return True, self._recorded.value(decision.number, update)
        if step.name in self._policy.skip and step.name not in self._policy.mocks:
            return True, None  # there is no recorded result: the state stays as it is
        return True, _given(step)


def _given(step: Step) -> Any:
    output = step.output()
    return output["result"] if step.wrapped_result else output


# ---------------------------------------------------------------------------------------------------- models, tools


@contextlib.contextmanager
def _patched_calls(run: GraphRun, policy: ResumePolicy) -> Iterator[None]:
    """Ask the policy at each call of a model or a tool inside the run."""
    wanted: list[tuple[Any, str, Callable[..., Any]]] = [
        (BaseTool, "run", _tool(run, BaseTool.run)),
        (BaseTool, "arun", _atool(run, BaseTool.arun)),
        (BaseChatModel, "generate", _model(run, BaseChatModel.generate)),
        (BaseChatModel, "agenerate", _amodel(run, BaseChatModel.agenerate)),
        (BaseChatModel, "_should_stream", _streams(run, policy, BaseChatModel._should_stream)),
    ]
    originals = [(owner, name, getattr(owner, name)) for owner, name, _ in wanted]
    for owner, name, replacement in wanted:
        setattr(owner, name, replacement)
    try:
        yield
    finally:
        for owner, name, original in originals:
            setattr(owner, name, original)


def _is_inside(run: GraphRun) -> bool:
    scope = scope_now()
    return scope is not None and scope.recorder is run.recorder


def _begin_tool(run: GraphRun, tool: Any, given: Any) -> tuple[Step, Any]:
    """Return the step of a tool call and the input to call it with."""
    shown = given
    if isinstance(given, Mapping) and hasattr(tool, "_filter_injected_args"):
        shown = tool._filter_injected_args(dict(given))
    state = calls.tool_input(shown if isinstance(shown, Mapping) else None, str(given))
    step = run.recorder.begin(tool.name, state, FrameType.TOOL_CALL, placement=Placement(lane=run.small_lane))
    if step.edited:
        given = {**given, **step.input_state} if isinstance(given, Mapping) else step.input_state.get("input", given)
    return step, given


def _tool_result(step: Step, tool: Any, tool_call_id: str | None) -> Any:
    """Return what a served tool call returns: to a model's request a message, as tools do."""
    output = step.output()
    value = output["result"] if output.keys() == {"result"} else output
    if tool_call_id is not None and not isinstance(value, ToolMessage):
        value = ToolMessage(str(value), tool_call_id=tool_call_id, name=tool.name)
    _end_given(step, {"result": value})
    return value


def _end_given(step: Step, output: dict[str, Any]) -> None:
    """Write the end of a step whose result was given; one that is served from the recording is written already."""
    if isinstance(step.decision, Return) and step.decision.tape is None:
        step.finish(output)


@contextlib.contextmanager
def _begun(step: Step) -> Iterator[None]:
    """Let the callback of the call that follows know its step."""
    token = calls.begun.set(step)
    try:
        yield
    finally:
        calls.begun.reset(token)


def _tool(run: GraphRun, original: Any) -> Any:
    @functools.wraps(original)
    def run_tool(self: Any, tool_input: Any, *args: Any, **options: Any) -> Any:
        if not _is_inside(run):
            return original(self, tool_input, *args, **options)
        step, tool_input = _begin_tool(run, self, tool_input)
        if step.returned:
            return _tool_result(step, self, options.get("tool_call_id"))
        with _begun(step):
            return original(self, tool_input, *args, **options)

    return run_tool


def _atool(run: GraphRun, original: Any) -> Any:
    @functools.wraps(original)
    async def arun_tool(self: Any, tool_input: Any, *args: Any, **options: Any) -> Any:
        if not _is_inside(run):
            return await original(self, tool_input, *args, **options)
        step, tool_input = _begin_tool(run, self, tool_input)
        if step.returned:
            return _tool_result(step, self, options.get("tool_call_id"))
        with _begun(step):
            return await original(self, tool_input, *args, **options)

    return arun_tool


_OF_THE_CALL = ("callbacks", "tags", "metadata", "run_name", "run_id", "ls_structured_output_format")
"""Options of ``generate`` that are no parameters of the model."""


def _begin_model(run: GraphRun, model: Any, messages: list[Any], stop: Any, options: Mapping[str, Any]) -> Step:
    chosen = {name: value for name, value in options.items() if name not in _OF_THE_CALL}
    state = calls.model_input(messages, model._get_invocation_params(stop=stop, **chosen))
    return run.recorder.begin(calls.MODEL, state, FrameType.LLM_CALL, placement=Placement(lane=run.llm_lane))


def _model_result(step: Step) -> LLMResult:
    output = step.output()
    value = output.get("message", output.get("result"))
    message = value if isinstance(value, BaseMessage) else AIMessage(str(value))
    _end_given(step, {"message": message})
    return LLMResult(generations=[[ChatGeneration(message=message)]])


def _model(run: GraphRun, original: Any) -> Any:
    @functools.wraps(original)
    def generate(self: Any, messages: Any, stop: Any = None, *args: Any, **options: Any) -> Any:
        if not _is_inside(run) or len(messages) != 1:
            return original(self, messages, stop, *args, **options)
        step = _begin_model(run, self, messages[0], stop, options)
        if step.returned:
            return _model_result(step)
        with _begun(step):
            return original(self, [step.input_state["messages"]], stop, *args, **options)

    return generate


def _amodel(run: GraphRun, original: Any) -> Any:
    @functools.wraps(original)
    async def agenerate(self: Any, messages: Any, stop: Any = None, *args: Any, **options: Any) -> Any:
        if not _is_inside(run) or len(messages) != 1:
            return await original(self, messages, stop, *args, **options)
        step = _begin_model(run, self, messages[0], stop, options)
        if step.returned:
            return _model_result(step)
        with _begun(step):
            return await original(self, [step.input_state["messages"]], stop, *args, **options)

    return agenerate


def _streams(run: GraphRun, policy: ResumePolicy, original: Any) -> Any:
    """Let a model that is asked to stream go through ``generate`` as long as it may be served."""

    @functools.wraps(original)
    def should_stream(self: Any, *args: Any, **options: Any) -> Any:
        may_be_served = not policy.reached or policy.mode is not ResumeMode.FORK or bool(policy.skip)
        if may_be_served and _is_inside(run) and calls.begun.get() is None:
            return False
        return original(self, *args, **options)

    return should_stream
