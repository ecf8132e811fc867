"""Records every graph of the process, or one, by standing before ``Pregel.stream`` and ``Pregel.astream``.

All ways to run a graph go through these two: invoke, batch, the stream modes, events. Outside a recording session the
graph's own method is called, and nothing else happens.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import weakref
from collections.abc import AsyncIterator, Generator, Iterator, Mapping
from typing import Any, TypeVar

from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import var_child_runnable_config
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.pregel import Pregel

from agent_vcr_nb.core.errors import UsageError
from agent_vcr_nb.core.policy import ResumePolicy
from agent_vcr_nb.core.recorder import VCRRecorder
from agent_vcr_nb.core.steps import active_recorder, chosen_recorder
from agent_vcr_nb.integrations.functions import step
from agent_vcr_nb.integrations.langgraph import seams
from agent_vcr_nb.integrations.langgraph.handler import Handler
from agent_vcr_nb.integrations.langgraph.run import GraphRun
from agent_vcr_nb.integrations.langgraph.tap import Tap

Graph = TypeVar("Graph")

_ATTACHED = "__vcr_recorder"
"""Key of ``configurable`` of a graph that is recorded by a recorder of its own; copies of the graph take it over."""
_original: dict[str, Any] = {}


def install() -> None:
    """Record every graph of this process, compiled before or after, while a session records; a second call is nothing.

    `uninstall` undoes it.
    """
    if _original:
        return
    _original.update(stream=Pregel.stream, astream=Pregel.astream)
    Pregel.stream = _recording_stream(Pregel.stream)  # type: ignore[method-assign]
    Pregel.astream = _recording_astream(Pregel.astream)  # type: ignore[method-assign]


def uninstall() -> None:
    """Give LangGraph its own methods back; nothing when they are there."""
    if _original:
        Pregel.stream = _original["stream"]  # type: ignore[method-assign]
        Pregel.astream = _original["astream"]  # type: ignore[method-assign]
        _original.clear()


@contextlib.contextmanager
def installed() -> Iterator[None]:
    """Within this block graphs are recorded."""
    was = bool(_original)
    install()
    try:
        yield
    finally:
        if not was:
            uninstall()


def attach(graph: Graph, recorder: VCRRecorder) -> Graph:
    """Record this graph with this recorder, and return it; raises UsageError for what is no compiled graph."""
    if not isinstance(graph, Pregel):
        raise UsageError(f"{type(graph).__name__} is no graph: expected a StateGraph or what its compile() returns")
    install()
    config = graph.config or {}
    graph.config = {**config, "configurable": {**(config.get("configurable") or {}), _ATTACHED: recorder}}
    return graph


class VCRLangGraph:
    """Records LangGraph with one recorder: ``graph = VCRLangGraph(recorder).wrap_graph(graph)``.

    `record_llm_calls` and `record_tool_calls` are accepted so that scripts for ai-agent-vcr run unchanged: calls of
    models and tools are always recorded, as frames inside their node's.
    """

    def __init__(self, recorder: VCRRecorder, record_llm_calls: bool = True, record_tool_calls: bool = True) -> None:
        self.recorder = recorder

    def wrap_graph(self, graph: Any) -> Any:
        """Return the graph, recorded: a compiled one as it is, a StateGraph as a builder whose graphs are recorded."""
        if isinstance(graph, Pregel):
            return attach(graph, self.recorder)
        if not hasattr(graph, "compile"):
            raise UsageError(f"{type(graph).__name__} is no graph: expected a StateGraph or what its compile() returns")
        compile_graph = graph.compile

        @functools.wraps(compile_graph)
        def compile_recorded(*args: Any, **options: Any) -> Any:
            return attach(compile_graph(*args, **options), self.recorder)

        graph.compile = compile_recorded
        return graph

    def wrap_node(self, name: str, function: Any) -> Any:
        """Return a node's function as a recorded step, for graphs that are not recorded as a whole."""
        return step(name=name)(function)


def vcr_record(recorder: VCRRecorder | None = None, node_name: str | None = None) -> Any:
    """Record a node's function as a step: ``@vcr_record(recorder)``, sync or async.

    Not needed for a graph that is recorded as a whole. Without `recorder` the one of the session is used.
    """

    def decorate(function: Any) -> Any:
        recorded = step(name=node_name or function.__name__)(function)
        if recorder is None:
            return recorded
        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def run_async(*args: Any, **kwargs: Any) -> Any:
                token = chosen_recorder.set(recorder)
                try:
                    return await recorded(*args, **kwargs)
                finally:
                    chosen_recorder.reset(token)

            return run_async

        @functools.wraps(function)
        def run(*args: Any, **kwargs: Any) -> Any:
            token = chosen_recorder.set(recorder)
            try:
                return recorded(*args, **kwargs)
            finally:
                chosen_recorder.reset(token)

        return run

    return decorate


# ---------------------------------------------------------------------------------------------------- the two methods


def _recording_stream(original: Any) -> Any:
    @functools.wraps(original)
    def stream(self: Any, input: Any, config: RunnableConfig | None = None, **options: Any) -> Iterator[Any]:
        begun = _begin(self, config, options, asynchronous=False)
        if isinstance(begun, Tap):
            return _stream(original, self, input, begun, options)
        around = _tap_around(begun)
        items: Generator[Any] = original(self, input, begun, **options)
        return items if around is None else _caught_up(items, around.run)

    return stream


def _caught_up(items: Generator[Any], run: GraphRun) -> Iterator[Any]:
    """Hand on what a graph streams; the frames of a superstep have ended before the program sees what it gave."""
    with contextlib.closing(items):
        for item in items:
            run.catch_up()
            yield item


def _stream(original: Any, graph: Any, input: Any, tap: Tap, options: dict[str, Any]) -> Iterator[Any]:
    failed = True
    try:
        with tap.serving:
            items = original(graph, None if tap.resumed else input, recorded_config(tap), **options)
            yield from _caught_up(items, tap.run)
        failed = False
    finally:
        tap.run.close()
        tap.store(failed)


def _recording_astream(original: Any) -> Any:
    @functools.wraps(original)
    def astream(self: Any, input: Any, config: RunnableConfig | None = None, **options: Any) -> AsyncIterator[Any]:
        begun = _begin(self, config, options, asynchronous=True)
        if not isinstance(begun, Tap):
            return original(self, input, begun, **options)  # type: ignore[no-any-return]
        return _astream(original, self, input, begun, options)

    return astream


async def _astream(original: Any, graph: Any, input: Any, tap: Tap, options: dict[str, Any]) -> AsyncIterator[Any]:
    failed = True
    try:
        with tap.serving:
            async for item in original(graph, None if tap.resumed else input, recorded_config(tap), **options):
                yield item
        failed = False
    finally:
        tap.run.close()
        await tap.astore(failed)


def _begin(
    graph: Any, config: RunnableConfig | None, options: dict[str, Any], *, asynchronous: bool
) -> Tap | RunnableConfig | None:
    """Return the tap of a new run, or the config to call the graph with where nothing begins here."""
    recorder = ((graph.config or {}).get("configurable") or {}).get(_ATTACHED)
    if recorder is None or not recorder.recording:
        recorder = active_recorder()
        if recorder is None:
            return config
    explicit = dict((config or {}).get("configurable") or {})
    ambient = (var_child_runnable_config.get() or {}).get("configurable") or {}
    if seams.TASK_ID not in explicit and seams.TASK_ID not in ambient:
        if isinstance(explicit.get(seams.CHECKPOINTER), Tap):
            return config
        return outermost(recorder, graph, config, options, asynchronous=asynchronous)
    # A graph inside a node: the tap of the outermost one sees it.
    around = explicit if seams.CHECKPOINTER in explicit else ambient
    tap = _tap_around(config)
    if tap is not None:
        tap.run.knows(str(around.get("checkpoint_ns") or ""), graph)
        if graph.checkpointer is False:
            # Without a saver of its own LangGraph fails at "sync", which it took over from the graph that we record.
            return {**(config or {}), "configurable": {**explicit, seams.DURABILITY: "async"}}
    return config


def _tap_around(config: RunnableConfig | None) -> Tap | None:
    """Return the tap of the graph in whose node this code runs, if it is recorded."""
    explicit = (config or {}).get("configurable") or {}
    around = explicit if seams.CHECKPOINTER in explicit else (var_child_runnable_config.get() or {})
    around = around if around is explicit else around.get("configurable") or {}
    tap = around.get(seams.CHECKPOINTER)
    return tap if isinstance(tap, Tap) else None


def outermost(
    recorder: VCRRecorder,
    graph: Any,
    config: RunnableConfig | None,
    options: dict[str, Any],
    *,
    asynchronous: bool,
) -> Tap:
    """Return the tap of a new run of a graph that no other graph called; sets `options` so that it sees everything."""
    call = how_called(config, options, asynchronous)
    if isinstance(recorder.policy, ResumePolicy):
        tap = _follow(recorder, recorder.policy, graph, call)
        tap.config = config
        tap.run.knows("", graph)
        options["durability"] = "sync"
        return tap
    run = GraphRun(recorder, call, asynchronous=asynchronous)
    run.knows("", graph)
    saver = ((config or {}).get("configurable") or {}).get(seams.CHECKPOINTER) or graph.checkpointer
    inner = saver if isinstance(saver, BaseCheckpointSaver) else None
    # Each superstep is told of before the next one starts: else a node could change the state under our hands.
    at_exit = options.get("durability") == "exit"
    if graph.checkpointer is not False and "checkpoint_during" not in options:
        options["durability"] = "sync"
    tap = Tap(run, inner, at_exit=at_exit)
    tap.config = config
    return tap


_followed: weakref.WeakKeyDictionary[VCRRecorder, tuple[str, int]] = weakref.WeakKeyDictionary()
"""How many graphs the program has called that is run again into a recorder's session."""


def _follow(recorder: VCRRecorder, policy: ResumePolicy, graph: Any, call: dict[str, Any]) -> Tap:
    """Return the tap of a graph that a resumed program calls itself."""
    from agent_vcr_nb.integrations.langgraph.resuming import follow

    session = recorder.get_session()
    session_id = session.session_id if session else ""
    before, nth = _followed.get(recorder, (session_id, 0))
    nth = nth if before == session_id else 0
    _followed[recorder] = (session_id, nth + 1)
    return follow(recorder, policy, graph, nth, call)


def how_called(config: Mapping[str, Any] | None, options: Mapping[str, Any], asynchronous: bool) -> dict[str, Any]:
    """Return what a resume must pass again: the user's part of the config, and the context."""
    given = (config or {}).get("configurable") or {}
    call: dict[str, Any] = {
        "async": asynchronous,
        "configurable": {
            key: value
            for key, value in given.items()
            if not key.startswith("__") and key not in ("thread_id", "checkpoint_id", "checkpoint_ns", "checkpoint_map")
        },
    }
    for name in ("recursion_limit", "max_concurrency"):
        if (config or {}).get(name) is not None:
            call[name] = (config or {})[name]
    if options.get("context") is not None:
        call["context"] = options["context"]
    return call


def recorded_config(tap: Tap) -> RunnableConfig:
    """Return the config of a call with the tap as saver and our callbacks beside the user's."""
    config = tap.config or {}
    ambient = var_child_runnable_config.get() or {}
    explicit = dict(config.get("configurable") or {})
    around = dict(ambient.get("configurable") or {}) if not explicit else {}
    callbacks = config.get("callbacks")
    if callbacks is None and not seams.CALLBACKS_ARE_MERGED:
        callbacks = ambient.get("callbacks")
    handler = Handler(tap.run)
    if callbacks is None or isinstance(callbacks, list):
        beside: Any = [*(callbacks or ()), handler]
    else:
        beside = callbacks.copy()
        beside.add_handler(handler, True)
    return {**config, "configurable": {**around, **explicit, seams.CHECKPOINTER: tap}, "callbacks": beside}
