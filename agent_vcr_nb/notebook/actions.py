"""The bar of buttons: resume, fork, compare, roll back files, ghost replay; each does what the verb of that name does.

A verb works in a thread of its own, so the kernel answers meanwhile; the bar shows how far it is and can end it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click
import traitlets

from agent_vcr_nb.core.errors import UsageError, VCRError
from agent_vcr_nb.notebook.abilities import ACTIONS, RERUN, Abilities, every, label_of
from agent_vcr_nb.notebook.comparison import compare
from agent_vcr_nb.notebook.follower import Follower
from agent_vcr_nb.notebook.guarded import STATIC, GuardedWidget, in_words
from agent_vcr_nb.notebook.job import Ended, Job
from agent_vcr_nb.notebook.later import Later
from agent_vcr_nb.notebook.live import Tapes
from agent_vcr_nb.notebook.looks import plain, shortened
from agent_vcr_nb.notebook.source import Source
from agent_vcr_nb.verbs.agents import agent_names
from agent_vcr_nb.verbs.catalogue import VERBS
from agent_vcr_nb.verbs.definition import Place, Verb
from agent_vcr_nb.verbs.frames import two_sessions
from agent_vcr_nb.verbs.text import counted

TEXT_CHARACTERS = 20_000
LOOK_SECONDS = 0.15
"""How long the selection rests before the bar looks anew at what can be done."""
MOST_SESSIONS = 200
"""Sessions to compare with that are offered, the newest."""

PlaceOf = Callable[[str, int], Place]


class ActionBar(GuardedWidget):
    """Do what the verbs do to the selected frame; `act` is what a click does.

    A button that cannot work now says why in ``abilities``. ``outcome`` is what came of the last one.
    """

    _esm = STATIC / "actions.js"
    _css = STATIC / "actions.css"
    frame = traitlets.Int(0, help="The frame that the buttons are about.").tag(sync=True)
    abilities: traitlets.List[Any] = traitlets.List(
        help="A dict a button: name, label, hint, and the reason why it cannot work now, empty when it can."
    ).tag(sync=True)
    sessions: traitlets.List[str] = traitlets.List(help="Sessions to compare with, the parent first.").tag(sync=True)
    agent = traitlets.Unicode("", help="Name of the agent to run; empty for the one the recording tells.").tag(
        sync=True
    )
    agents: traitlets.List[str] = traitlets.List(help="Names of the notebook that may be agents.").tag(sync=True)
    progress: traitlets.Dict[str, Any] = traitlets.Dict(help="How far the verb at work is; empty when none is.").tag(
        sync=True
    )
    outcome: traitlets.Dict[str, Any] = traitlets.Dict(
        help="What came of the last button: kind, title, text, session and frame; empty when it was dismissed."
    ).tag(sync=True)
    printed = traitlets.Unicode("", help="The end of what the agent printed.").tag(sync=True)

    def __init__(self, source: Source, place_of: PlaceOf, tapes: Tapes | None = None, **traits: Any) -> None:
        self._tapes = tapes or Tapes()
        self.source = source
        self.place_of = place_of
        self.job: Job | None = None
        self.on_session: Callable[[str, int], None] = lambda session, frame: None
        """Called with a session that a button made and the frame it starts from."""
        self.on_compared: Callable[[str, str], None] = lambda a, b: None
        """Called with two sessions that were compared."""
        super().__init__(**traits)
        self._abilities = Abilities(source.session_id, self._tapes)
        self._looking = Later(self._look, self.explain, LOOK_SECONDS)
        self.abilities = [{**action, "reason": "being looked at"} for action in ACTIONS]
        self.handlers = {
            "act": self._take_act,
            "confirm": self._take_confirm,
            "cancel": lambda message: self.cancel(),
            "dismiss": lambda message: self.dismiss(),
            "look": lambda message: self.look_soon(),
        }
        self.look_soon()

    def load(self, source: Source) -> None:
        """Be about another run."""
        with self.lock:
            self.source = source
            self._abilities = Abilities(source.session_id, self._tapes)
            self.epoch += 1
            self.look_soon()

    # --------------------------------------------------------------------------------------------- what can be done

    @traitlets.observe("frame", "agent")
    def _on_choice(self, _change: Any) -> None:
        if hasattr(self, "_looking"):  # not while the widget is made
            self.look_soon()

    def look_soon(self) -> None:
        """Look anew at what can be done, when nothing has changed for a moment."""
        self._looking.ask()

    def _look(self) -> None:
        with self.lock:
            known, frame, agent = self._abilities, self.frame, self.agent
            running = self.job is not None and self.job.running
        agents: list[str] = []
        try:
            place = self.place_of(known.session, frame)
            agents = agent_names(place.agents)
            reasons = every("one is at work: wait for it, or cancel it") if running else known.look(place, frame, agent)
        except VCRError as error:
            reasons = every(str(error))
        with self.lock:
            if known is self._abilities:
                self.abilities = [{**action, "reason": reasons[str(action["name"])]} for action in ACTIONS]
                self.sessions, self.agents = known.sessions[:MOST_SESSIONS], agents

    # --------------------------------------------------------------------------------------------- doing it

    def act(self, name: str, frame: int | None = None, other: str = "") -> Job:
        """Do what a button does, at a frame (default: the selected one), in a thread of its own; returns its job.

        ``compare`` takes the `other` session, without one the parent. Raises UsageError for an unknown name, where
        there is nothing to compare with, and while another one is at work.
        """
        frame = self.frame if frame is None else frame
        session = self.source.session_id
        words: dict[str, Any] = {"session": session, "frame": frame}
        if name == "rollback":
            return self._do(
                name,
                lambda job: self._run_verb("rollback", job, **words, dry_run=True),
                lambda result: _planned(result, session, frame),
            )
        if name == "compare":
            place = self.place_of(session, frame)
            other = other or two_sessions(place, session)[0]
            return self._do(name, lambda job: compare(place, other, session), self._show_comparison)
        if name == "fork":
            return self._do(name, lambda job: self._run_verb("fork", job, **words), self._show_session)
        if name in RERUN:
            agent = {"agent": self.agent} if self.agent else {}
            shown = _replayed if name == "replay" else self._show_session
            return self._do(name, lambda job: self._run_verb(name, job, **words, **agent), shown)
        raise UsageError(f"no button {name!r}: expected one of {', '.join(a['name'] for a in ACTIONS)}")

    def confirm(self) -> Job:
        """Roll back the files as the plan on show says; raises UsageError when there is none."""
        if self.outcome.get("kind") != "plan":
            raise UsageError("no rollback was planned: click Roll back files first, and read what it would do")
        words = {"session": self.outcome["session"], "frame": self.outcome["frame"]}
        return self._do("rollback", lambda job: self._run_verb("rollback", job, **words), _rolled_back)

    def cancel(self) -> None:
        """End the verb at work at its next step or Python instruction."""
        if self.job is not None and self.job.running:
            self.job.cancel()
            self._tell_progress()

    def dismiss(self) -> None:
        """Take away what came of the last button."""
        self.outcome, self.printed = {}, ""

    def _do(self, name: str, work: Callable[[Job], Any], shown: Callable[[Any], dict[str, Any]]) -> Job:
        with self.lock:
            if self.job is not None and self.job.running:
                raise UsageError(f"{label_of(self.job.name)} is at work: wait for it, or cancel it")
            self.outcome, self.printed, self.error = {}, "", ""
            job = self.job = Job(name, work, lambda ended: self._finish(ended, shown))
            self._progress = Follower(self._tell_progress, self.explain)
            self.progress = self._progress_of(job)
            self._progress.start()  # first: a quick job stops it at once
            job.start()
            self.look_soon()
        return job

    def _run_verb(self, name: str, job: Job, **words: Any) -> Any:
        verb = verb_of(name)
        taken = {*(argument.name for argument in verb.arguments), *(option.parameter for option in verb.options)}
        place = self.place_of(words["session"], int(words["frame"]))
        place.recorder, place.show, place.complain = job.recorder, print, print
        return verb.run(place, **{word: value for word, value in words.items() if word in taken})

    # ----------------------------------------------------------------------------------------- what comes of it

    def _progress_of(self, job: Job) -> dict[str, Any]:
        return {
            "name": job.name,
            "label": label_of(job.name),
            "served": job.served,
            "executed": job.executed,
            "step": plain(shortened(job.step, 60)),
            "cancellable": job.name in RERUN,
            "cancelling": job.cancelling,
        }

    def _tell_progress(self) -> int:
        with self.lock:
            job = self.job
            if job is None or not self.progress:
                return 0
            before = (self.progress, self.printed)
            self.progress, self.printed = self._progress_of(job), plain(job.printed.text(), keep_lines=True)
            return int(before != (self.progress, self.printed))

    def _finish(self, ended: Ended, shown: Callable[[Any], dict[str, Any]]) -> None:
        self._progress.stop()
        job = self.job
        assert job is not None
        try:
            outcome = self._outcome_of(job, ended, shown)
        except Exception as error:
            outcome = {"kind": "error", "title": f"{label_of(job.name)} failed", "text": in_words(error)}
        with self.lock:
            self.printed = plain(job.printed.text(), keep_lines=True)
            self.job = None
            self.progress = {}
            self.outcome = {**outcome, "text": shortened(plain(outcome["text"], keep_lines=True), TEXT_CHARACTERS)}
        self.look_soon()

    def _outcome_of(self, job: Job, ended: Ended, shown: Callable[[Any], dict[str, Any]]) -> dict[str, Any]:
        if ended.cancelled:
            made = ended.session if job.name == "resume" else ""
            if made:
                self.on_session(made, self.frame)
            counts = f"{counted(job.served, 'step')} served and {job.executed} executed before that"
            kept = f"{made} keeps them: resume at any frame of it" if made else "nothing was kept"
            return {"kind": "cancelled", "title": f"{label_of(job.name)}: cancelled", "text": f"{counts}; {kept}."}
        if ended.error is not None:
            return {"kind": "error", "title": f"{label_of(job.name)} failed", "text": in_words(ended.error)}
        return shown(ended.result)

    def _show_session(self, result: Any) -> dict[str, Any]:
        """Select the session that a verb made, and tell how it differs from its parent."""
        text = click.unstyle(result.text())
        session, parent, frame = result.session_id, result.parent, result.frame
        if hasattr(result, "served"):  # it ran
            text += f"\n  compared with {parent}: {compare(self.place_of(parent, frame), parent, session).summary}"
        self.on_session(session, frame)
        failed = bool(result.exit_code)
        title = f"{session}: {'failed again' if failed else 'done' if hasattr(result, 'served') else 'forked, not run'}"
        return {"kind": "failed" if failed else "ok", "title": title, "text": text, "session": session, "frame": frame}

    def _show_comparison(self, result: Any) -> dict[str, Any]:
        self.on_compared(result.a, result.b)
        return {
            "kind": "ok",
            "title": f"{result.a} ⇄ {result.b}",
            "text": result.text(),
            "session": result.b,
            "frame": result.frame,
            "jump": result.frame is not None,
        }

    # --------------------------------------------------------------------------------------------- messages

    def _take_act(self, message: Mapping[str, Any]) -> None:
        self.say("heard", id=message["id"])
        self.act(str(message["name"]), int(message["frame"]), str(message.get("other") or ""))

    def _take_confirm(self, message: Mapping[str, Any]) -> None:
        self.say("heard", id=message["id"])
        self.confirm()


def verb_of(name: str) -> Verb:
    """Return a verb of the catalogue; raises UsageError when this version has none of that name."""
    verb = next((verb for verb in VERBS if verb.name == name), None)
    if verb is None:
        raise UsageError(f"this version has no verb {name!r}")
    return verb


def folder_of(source: Source) -> Path | None:
    """Return the folder of a source's recording; None for a run that is no file."""
    player = getattr(source, "player", None)
    return None if player is None else Path(player.recording.path).parent


def _planned(result: Any, session: str, frame: int) -> dict[str, Any]:
    return {
        "kind": "blocked" if result.exit_code else "plan",
        "title": f"Files as they were at frame {frame}: what would be done",
        "text": click.unstyle(result.text()),
        "session": session,
        "frame": frame,
    }


def _replayed(result: Any) -> dict[str, Any]:
    """Tell what a ghost replay served; it leaves no session."""
    failed = bool(result.exit_code)
    title = f"{result.session_id}: replayed, nothing executed{', failed as recorded' if failed else ''}"
    text = click.unstyle(result.text())
    kind = "failed" if failed else "ok"
    return {"kind": kind, "title": title, "text": text, "session": result.session_id, "frame": 0}


def _rolled_back(result: Any) -> dict[str, Any]:
    return {"kind": "ok", "title": "Files rolled back; %vcr undo takes it back", "text": click.unstyle(result.text())}
