"""The recorder for code that awaits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from agent_vcr_nb.core.frame import Frame, Session
from agent_vcr_nb.core.recorder import VCRRecorder


class AsyncVCRRecorder:
    """`VCRRecorder` for code that awaits: the same calls as coroutines; a frame is on disk when its call returns."""

    def __init__(self, *args: Any, **options: Any) -> None:
        self.sync = VCRRecorder(*args, **options)
        """The recorder that does the work."""

    async def __aenter__(self) -> AsyncVCRRecorder:
        self.sync.__enter__()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self.sync.__exit__(*exc_info)

    async def start_session(self, *args: Any, **options: Any) -> Session:
        """See `VCRRecorder.start_session`."""
        return self.sync.start_session(*args, **options)

    async def attach_session(self, session_id: str) -> Session:
        """See `VCRRecorder.attach_session`."""
        return self.sync.attach_session(session_id)

    async def record_step(self, *args: Any, **options: Any) -> Frame:
        """See `VCRRecorder.record_step`."""
        return self.sync.record_step(*args, **options)

    async def record_llm_call(self, *args: Any, **options: Any) -> Frame:
        """See `VCRRecorder.record_llm_call`."""
        return self.sync.record_llm_call(*args, **options)

    async def record_tool_call(self, *args: Any, **options: Any) -> Frame:
        """See `VCRRecorder.record_tool_call`."""
        return self.sync.record_tool_call(*args, **options)

    async def record_error(self, *args: Any, **options: Any) -> Frame:
        """See `VCRRecorder.record_error`."""
        return self.sync.record_error(*args, **options)

    async def record_checkpoint(self, *args: Any, **options: Any) -> Frame:
        """See `VCRRecorder.record_checkpoint`."""
        return self.sync.record_checkpoint(*args, **options)

    create_checkpoint = record_checkpoint

    async def save(self) -> Path:
        """See `VCRRecorder.save`."""
        return self.sync.save()

    async def close(self) -> None:
        """See `VCRRecorder.close`."""
        self.sync.close()

    async def fork(self, *args: Any, **options: Any) -> VCRRecorder:
        """See `VCRRecorder.fork`."""
        return self.sync.fork(*args, **options)

    @property
    def frames(self) -> list[Frame]:
        """See `VCRRecorder.frames`."""
        return self.sync.frames

    def get_frames(self) -> list[Frame]:
        """See `VCRRecorder.get_frames`."""
        return self.sync.frames

    def get_session(self) -> Session | None:
        """See `VCRRecorder.get_session`."""
        return self.sync.get_session()
