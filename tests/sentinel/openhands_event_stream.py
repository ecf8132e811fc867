"""Run by hand in a Python that has openhands-ai (up to 1.6): its event stream with Sentinel attached.

Prints the message that went back to the agent.
"""

import sys
import threading
from pathlib import Path

from openhands.events import EventSource, EventStream
from openhands.events.action import MessageAction
from openhands.events.observation import FileWriteObservation
from openhands.events.stream import EventStreamSubscriber
from openhands.storage.memory import InMemoryFileStore

from sentinel import Config, Sentinel


def main(root):
    copy = (root / "store.py").read_text().replace("load", "read_rows")
    stream = EventStream("a-session", InMemoryFileStore())
    sentinel = Sentinel(root=root, config=Config())
    sentinel.index()
    told = []
    arrived = threading.Event()

    def on_event(event):
        if isinstance(event, MessageAction):
            told.append((event.source, event.content))
            arrived.set()

    stream.subscribe(EventStreamSubscriber.TEST, on_event, "listener")
    sentinel.attach(stream)
    (root / "new.py").write_text(copy)
    observed = FileWriteObservation(content=copy, path=str(root / "new.py"))
    stream.add_event(observed, EventSource.ENVIRONMENT)
    assert arrived.wait(30), "nothing came back"
    stream.close()
    print(*told[0])


if __name__ == "__main__":
    main(Path(sys.argv[1]))
