"""A checkpoint saver that tells a `GraphRun` what LangGraph stores, and passes it on to the user's own saver.

Where the user has none it stores nothing, so a recorded graph remembers no more than the same graph without us, and no
value has to be one that LangGraph's serialiser can take. A resume hands it the checkpoints to start from.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver, ChannelVersions, Checkpoint, CheckpointMetadata
from langgraph.checkpoint.base import CheckpointTuple as Saved

if TYPE_CHECKING:
    from agent_vcr_nb.integrations.langgraph.run import GraphRun


class Tap(BaseCheckpointSaver[Any]):
    """Stands between one run of a graph and the user's saver."""

    def __init__(
        self,
        run: GraphRun,
        inner: BaseCheckpointSaver[Any] | None = None,
        start: Mapping[str, Saved] | None = None,
        *,
        at_exit: bool = False,
    ) -> None:
        self.run, self.inner = run, inner
        self.config: RunnableConfig | None = None
        """What the user called the graph with."""
        self.resumed = start is not None
        """The graph is to go on from what it finds here, and not from the input that it is called with."""
        self.serving: AbstractContextManager[None] = nullcontext()
        """What surrounds the run where a policy decides what runs."""
        self._start = dict(start or {})
        self._last: dict[str, _Last] | None = {} if at_exit and inner is not None else None
        if inner is None:
            super().__init__()
        else:
            self.serde = inner.serde

    def __getattr__(self, name: str) -> Any:
        """Give whatever else the user's saver has."""
        if name in ("inner", "run") or self.inner is None:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        return getattr(self.inner, name)

    # -------------------------------------------------------------------------------------------- reading

    def get_tuple(self, config: RunnableConfig) -> Saved | None:
        """Return what the graph of a namespace starts from."""
        saved = self._first(config)
        if saved is None and self.inner is not None:
            saved = self.inner.get_tuple(config)
        self.run.loaded(_namespace(config), saved)
        return saved

    async def aget_tuple(self, config: RunnableConfig) -> Saved | None:
        """See `get_tuple`."""
        saved = self._first(config)
        if saved is None and self.inner is not None:
            saved = await self.inner.aget_tuple(config)
        self.run.loaded(_namespace(config), saved)
        return saved

    def _first(self, config: RunnableConfig) -> Saved | None:
        return self._start.pop(_namespace(config), None)

    def list(self, *args: Any, **options: Any) -> Iterator[Saved]:
        """Return what the user's saver has."""
        return self.inner.list(*args, **options) if self.inner is not None else iter(())

    async def alist(self, *args: Any, **options: Any) -> AsyncIterator[Saved]:
        """See `list`."""
        if self.inner is not None:
            async for saved in self.inner.alist(*args, **options):
                yield saved

    def get_delta_channel_history(self, **options: Any) -> Any:
        """Return what the user's saver has."""
        return self.inner.get_delta_channel_history(**options) if self.inner is not None else {}

    async def aget_delta_channel_history(self, **options: Any) -> Any:
        """See `get_delta_channel_history`."""
        return await self.inner.aget_delta_channel_history(**options) if self.inner is not None else {}

    def get_next_version(self, current: Any, channel: None) -> Any:
        """Count as the user's saver counts, else in whole numbers."""
        if self.inner is not None:
            return self.inner.get_next_version(current, channel)
        return 1 if current is None else current + 1

    def with_allowlist(self, *args: Any, **options: Any) -> Tap:
        """Return a tap on the user's saver with that list."""
        if self.inner is None:
            return self
        twin = Tap(self.run, self.inner.with_allowlist(*args, **options), self._start)
        twin._last = self._last
        return twin

    # -------------------------------------------------------------------------------------------- writing

    def put(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """Tell of a checkpoint and store it."""
        if self.inner is None:
            self.run.stored(_namespace(config), checkpoint, metadata)
        else:  # a saver may take long, and the node has ended
            self.run.checkpoint(_namespace(config), checkpoint, metadata)
        if self._keeps(config, checkpoint, metadata, new_versions) or self.inner is None:
            return _addressed(config, checkpoint)
        return self.inner.put(config, checkpoint, metadata, new_versions)

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """See `put`."""
        self.run.checkpoint(_namespace(config), checkpoint, metadata)
        if self._keeps(config, checkpoint, metadata, new_versions) or self.inner is None:
            return _addressed(config, checkpoint)
        return await self.inner.aput(config, checkpoint, metadata, new_versions)

    def put_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        """Tell of what a task wrote and store it."""
        self.run.wrote(_namespace(config), writes, task_id, task_path)
        if not self._keeps_writes(config, writes, task_id) and self.inner is not None:
            self.inner.put_writes(config, writes, task_id, task_path)

    async def aput_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        """See `put_writes`."""
        self.run.wrote(_namespace(config), writes, task_id, task_path)
        if not self._keeps_writes(config, writes, task_id) and self.inner is not None:
            await self.inner.aput_writes(config, writes, task_id, task_path)

    # -------------------------------------------------------------------------------------------- durability="exit"

    def _keeps(
        self, config: RunnableConfig, checkpoint: Checkpoint, metadata: CheckpointMetadata, versions: ChannelVersions
    ) -> bool:
        """Keep a checkpoint until the run ends, where the user asked for one at its end only."""
        if self._last is None:
            return False
        last = self._last.setdefault(_namespace(config), _Last(config))
        last.checkpoint, last.metadata, last.writes = checkpoint, metadata, []
        last.versions.update(versions)
        return True

    def _keeps_writes(self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str) -> bool:
        if self._last is None:
            return False
        last = self._last.get(_namespace(config))
        if last is not None:
            last.writes.append((writes, task_id))
        return True

    def _kept(self, failed: bool) -> Iterable[_Last]:
        """Return what is to be stored now that the run is over: of subgraphs only where it did not end well."""
        kept = [last for ns, last in (self._last or {}).items() if last.checkpoint and (failed or not ns)]
        if self._last is not None:
            self._last = {}
        return kept

    def store(self, failed: bool) -> None:
        """Store what was kept for the end of the run."""
        for last in self._kept(failed):
            assert self.inner is not None
            config = self.inner.put(last.config, last.checkpoint, last.metadata, last.versions)
            for writes, task_id in last.writes:
                self.inner.put_writes(config, writes, task_id)

    async def astore(self, failed: bool) -> None:
        """See `store`."""
        for last in self._kept(failed):
            assert self.inner is not None
            config = await self.inner.aput(last.config, last.checkpoint, last.metadata, last.versions)
            for writes, task_id in last.writes:
                await self.inner.aput_writes(config, writes, task_id)


class _Last:
    """The newest checkpoint of a namespace, and what the user's saver needs to store it as the only one."""

    def __init__(self, config: RunnableConfig) -> None:
        self.config = config
        self.checkpoint: Any = None
        self.metadata: Any = None
        self.versions: dict[str, Any] = {}
        self.writes: list[tuple[Sequence[tuple[str, Any]], str]] = []


def _namespace(config: RunnableConfig) -> str:
    return str(config.get("configurable", {}).get("checkpoint_ns") or "")


def _addressed(config: RunnableConfig, checkpoint: Checkpoint) -> RunnableConfig:
    """Return the address of a checkpoint, as a saver returns it."""
    place = config.get("configurable", {})
    kept: dict[str, Any] = {key: value for key, value in place.items() if key in ("thread_id", "checkpoint_ns")}
    return {"configurable": {**kept, "checkpoint_id": checkpoint["id"]}}
