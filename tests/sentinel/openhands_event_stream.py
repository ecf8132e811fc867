"""Run by test_openhands.py in a Python that has openhands-ai (up to 1.6): its event stream with Sentinel attached.

Prints the messages that went back to the agent, as a JSON list of [source, text].
"""

import json
import queue
import sys
from pathlib import Path

from openhands.events import EventSource, EventStream
from openhands.events.action import FileWriteAction, MessageAction
from openhands.events.observation import CmdOutputObservation, FileEditObservation, FileWriteObservation
from openhands.events.stream import EventStreamSubscriber
from openhands.storage.memory import InMemoryFileStore

from sentinel import Config, Sentinel


def main(root):
    copy = (root / "store.py").read_text().replace("load", "read_rows")
    stream = EventStream("a-session", InMemoryFileStore())
    told = queue.Queue()

    def on_event(event):
        if isinstance(event, MessageAction):
            told.put((str(event.source), event.content))

    def happened(*events):
        for event in events:
            stream.add_event(event, EventSource.ENVIRONMENT)
        return told.get(timeout=30)

    stream.subscribe(EventStreamSubscriber.TEST, on_event, "listener")
    for _ in range(2):  # as when a notebook's cell runs again
        Sentinel(root=root, config=Config()).attach(stream)
    (root / "here.py").write_text(copy)
    here = happened(FileWriteObservation(content="", path=str(root / "here.py")))
    (root / "here.py").unlink()
    # In a container, the file is not on this machine: the action has its text, the observation has none.
    written = "/workspace/there.py"
    there = happened(FileWriteAction(path=written, content=copy), FileWriteObservation(content="", path=written))
    # An edit of a file that the project has: it is no copy of itself.
    longer = (root / "store.py").read_text() + "\n\ndef add(item, rows=[]):\n    return [*rows, item]\n"
    edited = FileEditObservation(content="edited", path="/workspace/store.py", new_content=longer)
    edit = happened(edited)
    (root / "shell.py").write_text(copy)
    shell = happened(CmdOutputObservation(content="", command="cp store.py shell.py"))
    stream.close()
    assert told.empty(), "a finding was told twice"
    print("RESULT" + json.dumps([here, there, shell, edit]))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
