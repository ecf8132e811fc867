"""The data classes under the name that users of ai-agent-vcr import them from."""

from __future__ import annotations

from agent_vcr_nb.core.frame import Frame, FrameMetadata, FrameType, Session
from agent_vcr_nb.core.resume import ResumeConfig, ResumeMode

__all__ = ["Frame", "FrameMetadata", "FrameType", "ResumeConfig", "ResumeMode", "Session"]
