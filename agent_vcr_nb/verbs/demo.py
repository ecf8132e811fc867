"""The main job in a few seconds, without a key: an agent of ten steps fails at the eighth, and its past is changed."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any, TypeAlias

from agent_vcr_nb.core.journal import session_path
from agent_vcr_nb.core.recorder import VCRRecorder
from agent_vcr_nb.core.steps import choosing
from agent_vcr_nb.integrations.functions import annotate, step
from agent_vcr_nb.verbs.definition import Place
from agent_vcr_nb.verbs.frames import diff, show
from agent_vcr_nb.verbs.rerun import ResumedRun, resume_run
from agent_vcr_nb.verbs.sessions import dag, ledger
from agent_vcr_nb.verbs.text import paint

State: TypeAlias = dict[str, Any]

ANSWERS = {
    "clarify": "A todo app with a web API, for one user.",
    "research": "Three libraries do this; two are maintained.",
    "outline": "models, storage, API, tests",
    "estimate": "about 300 lines",
    "design": "a table of items, five routes",
    "write_code": "app.py: 212 lines",
    "write_tests": "test_app.py: 14 tests",
    "review": "No open questions.",
    "document": "README.md: 40 lines",
    "release": "v0.1.0",
}
FAILS_AT = 7


@dataclass
class ScriptedModel:
    """Stands for a language model: always the same answers, and a count of the calls."""

    calls: list[str] = field(default_factory=list)

    def ask(self, about: str, prompt: str) -> str:
        """Return the answer; tells the running step what the call used."""
        self.calls.append(about)
        answer = ANSWERS[about]
        annotate(model="gpt-4o-mini", tokens_input=600 + len(prompt), tokens_output=80 + len(answer))
        return answer


def build_agent(model: ScriptedModel) -> Callable[[State], State]:
    """Return an agent of ten steps; ``review`` fails while the state names a database that was not approved."""

    def make(name: str) -> Callable[[State], State]:
        @step(name=name, type="llm")
        def run(state: State) -> State:
            answer = model.ask(name, f"{name}: {state['task']}")
            if name == "review" and state["database"] not in state["approved"]:
                raise ValueError(f"the database {state['database']!r} is not one of {state['approved']}")
            return {**state, name: answer}

        return run

    steps = [make(name) for name in ANSWERS]

    def agent(state: State) -> State:
        for run in steps:
            state = run(state)
        return state

    return agent


@dataclass(frozen=True, slots=True)
class DemoShown:
    """What the demo did."""

    directory: Path
    session_id: str
    resumed: ResumedRun
    first_calls: tuple[str, ...]
    second_calls: tuple[str, ...]
    exit_code: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Return what was recorded, what was served and what ran."""
        return {
            "session_id": self.session_id,
            "fork": self.resumed.to_dict(),
            "model_calls_of_the_first_run": list(self.first_calls),
            "model_calls_of_the_resume": list(self.second_calls),
        }

    def text(self) -> str:
        """Return how to go on."""
        files = " and ".join(f"{self.directory / name}.vcr" for name in (self.session_id, self.resumed.session_id))
        # In an environment that is not activated the shell does not find it.
        vcr = "vcr" if shutil.which("vcr") else os.path.relpath(Path(sys.executable).with_name("vcr"))
        return (
            f"\nThe sessions are plain JSON lines: {files}\n"
            f"Look around:    {vcr} show {self.session_id} {FAILS_AT}    {vcr} when {self.session_id} database\n"
            "In JupyterLab:  make lab, then open notebooks/01_change_the_past.ipynb"
        )


def demo(place: Place) -> DemoShown:
    """Record an agent that fails at its eighth step, edit the state before it, resume, and show what ran again."""

    def say(title: str, text: str) -> None:
        if place.show:
            place.show(f"\n{paint(title, 'bold')}\n{text}")

    model = ScriptedModel()
    agent = build_agent(model)
    recorder = VCRRecorder(place.directory)
    session = _free_id(place)
    recorder.start_session(session)
    try:
        with choosing(recorder):
            agent({"task": "build a todo app", "database": "mongodb", "approved": ["sqlite", "postgres"]})
    except ValueError as error:
        failure = str(error)
    finally:
        recorder.close()
    first_calls = tuple(model.calls)
    say("1. An agent of ten steps is recorded; the eighth fails", show(place, session).text())
    say("2. Rewind to before frame 7 and look why", f'  {failure}\n  the state before it says: database = "mongodb"')
    model.calls.clear()
    place.agents = {"agent": agent}
    resumed = resume_run(
        place, session, FAILS_AT, set=['database="sqlite"'], agent="agent", reason="use an approved database"
    )
    second_calls = tuple(model.calls)
    say("3. Edit the state and resume: frames 0-6 are not executed again", resumed.text())
    say(
        "4. Calls of the model",
        f"  first run: {len(first_calls)} ({', '.join(first_calls)})\n"
        f"  resume:    {len(second_calls)} ({', '.join(second_calls)})",
    )
    say("5. The fork knows where it comes from", dag(place, session).text())
    say("6. Where the two runs part", diff(place, session, resumed.session_id).text())
    say("7. What the fork cost, and what the recording saved", ledger(place, resumed.session_id).text())
    return DemoShown(place.directory, session, resumed, first_calls, second_calls)


def _free_id(place: Place) -> str:
    """Return an id that nobody has, and take it: another demo may begin at this moment."""
    place.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    for number in count(1):
        with contextlib.suppress(FileExistsError):
            session_path(place.directory, f"demo-{number}").touch(mode=0o600, exist_ok=False)
            return f"demo-{number}"
    raise AssertionError("count has no end")
