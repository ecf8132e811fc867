"""The player for code that awaits."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent_vcr_nb.core.frame import Frame
from agent_vcr_nb.core.player import VCRPlayer

if TYPE_CHECKING:
    from agent_vcr_nb.core.recorder import VCRRecorder
    from agent_vcr_nb.core.resume import ResumeConfig


class AsyncVCRPlayer(VCRPlayer):
    """`VCRPlayer` for code that awaits: loading, following and resuming are coroutines, the rest answers at once."""

    @classmethod
    async def load(cls, path: str | Path, *, strict: bool = False) -> AsyncVCRPlayer:  # type: ignore[override]
        """See `VCRPlayer.load`."""
        return cls(VCRPlayer.load(path, strict=strict).recording)

    @classmethod
    async def load_by_id(  # type: ignore[override]
        cls, session_id: str, vcr_dir: str | Path = ".vcr"
    ) -> AsyncVCRPlayer:
        """See `VCRPlayer.load_by_id`."""
        return cls(VCRPlayer.load_by_id(session_id, vcr_dir).recording)

    async def follow(self, *, timeout: float | None = None) -> AsyncIterator[Frame]:  # type: ignore[override]
        """See `VCRPlayer.follow`."""
        import asyncio

        frames = super().follow(timeout=timeout)
        done = object()
        while (frame := await asyncio.to_thread(next, frames, done)) is not done:
            yield frame  # type: ignore[misc]

    async def resume(  # type: ignore[override]
        self,
        agent_callable: Callable[..., Any] | Sequence[Any] | Mapping[str, Any],
        config: ResumeConfig | None = None,
        recorder: VCRRecorder | None = None,
    ) -> str:
        """See `VCRPlayer.resume`; the agent may be a coroutine function."""
        from agent_vcr_nb.core.resume import ResumeConfig, resume_async

        outcome = await resume_async(self.recording, agent_callable, config or ResumeConfig(from_frame=0), recorder)
        if outcome.error is not None:
            raise outcome.error
        return outcome.session_id
