"""One peer's savepoints and rollbacks, in its own interpreter: one command a line on stdin, seconds on stdout.

Started as ``python workspace_worker.py (acid|stepback) DIRECTORY``; what the peer prints goes to stderr.
"""

import os
import sys
import time


class Acid:
    """ACIDWorkspace of ai-agent-vcr; a savepoint is a frame of its recorder."""

    def __init__(self, place):
        from agent_vcr import VCRRecorder
        from agent_vcr.integrations.openhands import ACIDWorkspace

        self.acid = ACIDWorkspace(place, recorder=VCRRecorder(output_dir=place + "-recordings"))
        self.acid.begin(session_id="bench")

    def savepoint(self):
        self.acid.savepoint({}, node_name="bench")

    def rollback(self):
        self.acid.rollback(to_frame_index=len(self.acid.savepoints()) - 1)


class Stepback:
    """The engine of stepback, without the adapters for other programs' session files."""

    def __init__(self, place):
        from pathlib import Path

        from stepback.engine import Engine

        self.engine = Engine(Path(place), adapters=[])
        self.session = self.engine.start_session()

    def savepoint(self):
        self.last = self.engine.checkpoint("bench", self.session)

    def rollback(self):
        self.engine.rewind(self.last)


def main():
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    os.chdir(sys.argv[2])
    side = {"acid": Acid, "stepback": Stepback}[sys.argv[1]](sys.argv[2])
    print("ready", file=answers, flush=True)
    for line in sys.stdin:
        begin = time.perf_counter()
        getattr(side, line.strip())()
        print(time.perf_counter() - begin, file=answers, flush=True)


if __name__ == "__main__":
    main()
