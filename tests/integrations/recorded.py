"""What the tests of ``@step`` share: recording a call, looking at its frames by key, resuming it."""

import asyncio
import dataclasses
import datetime as dt
import enum

from agent_vcr_nb import ResumeConfig, VCRPlayer, VCRRecorder
from agent_vcr_nb.core.resume import resume


class Run:
    """A recorded run: its frames by key, and resumes of it."""

    def __init__(self, name="run"):
        self.player = VCRPlayer.load_by_id(name)

    @property
    def keys(self):
        return [frame.key for frame in self.player.frames]

    def at(self, key):
        return self.keys.index(key)

    def frame(self, key):
        return self.player.get_frame(self.at(key))

    def resume(self, agent, key, **options):
        return resume(self.player.recording, agent, ResumeConfig(self.at(key), **options))


def record(agent, *args, name="run", **kwargs):
    """Record a call of an agent, which may raise; returns the run."""
    with VCRRecorder() as recorder:
        recorder.start_session(name)
        try:
            result = agent(*args, **kwargs)
            if asyncio.iscoroutine(result):
                asyncio.run(result)
        except Exception as error:
            print(type(error), error)
    return Run(name)


class Mood(enum.Enum):
    """An Enum of the agent."""

    GOOD = 1


@dataclasses.dataclass
class Order:
    """A dataclass of the agent."""

    item: str
    when: dt.date
    mood: Mood


class Connection:
    """Nothing that can be stored."""
