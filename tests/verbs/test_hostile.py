"""A recording from anywhere: no verb ends in an error that is not the project's own."""

import json

import orjson

from agent_vcr_nb import VCRRecorder, step
from agent_vcr_nb.core.errors import VCRError
from agent_vcr_nb.core.journal import make_line
from agent_vcr_nb.verbs.checking import check
from agent_vcr_nb.verbs.definition import Place
from agent_vcr_nb.verbs.exporting import export
from agent_vcr_nb.verbs.frames import diff, show, state, when
from agent_vcr_nb.verbs.printing import print_expression
from agent_vcr_nb.verbs.rerun import fork
from agent_vcr_nb.verbs.sessions import dag, ledger, ls, verify
from tests.core.test_hostile import places_in, with_value

WRONG = [None, True, -5, 10**15, 1.5, "x", [], [1], [["x"]], {}, {"a": 1}, {"$t": "set", "v": 3}]


def written_by_a_recorder(folder):
    """Lines of every type that `ls` and its fellows read."""
    with VCRRecorder(folder) as recorder:
        recorder.start_session("s", "p", 1, {"command": ["app.py"]}, ["tag"], reason="why")

        @step(type="llm")
        def ask(state):
            if "fail" in state:
                raise ValueError("bad")
            return {**state, "lock": print}

        state = {"filler": ["x" * 300] * 5, "n": 0}
        ask(state)
        recorder.note("run", {"frames": 1, "command": ["app.py"]})
        recorder.record_llm_call("m", [{"role": "user"}], {"text": "t"}, 1, 2, 3.0, 0.1)
        recorder.draw("now", lambda: 1)
        try:
            ask({**state, "fail": 1})
        except ValueError:
            recorder.record_checkpoint(state, "label")
    return (folder / "s.vcr").read_bytes().splitlines()


def used(place):
    """Ask every verb that reads, and print what it says."""
    for verb in (
        lambda: ls(place),
        lambda: ls(place, tag=["tag"]),
        lambda: show(place, "s"),
        lambda: show(place, "s", 1),
        lambda: state(place, "s", 2),
        lambda: diff(place, "s", "0", "1"),
        lambda: diff(place, "s", "good"),
        lambda: when(place, "s", "/n"),
        lambda: print_expression(place, "s", "len(state)"),
        lambda: ledger(place, "s"),
        lambda: dag(place),
        lambda: check(place, "s", against="good"),
        lambda: verify(place, "s"),
        lambda: export(place, "s", to=str(place.directory / "out.json")),
        lambda: export(place, "s", form="jsonl"),
        lambda: export(place, "s", form="otlp"),
        lambda: fork(place, "s", 2, new_id="forked"),
    ):
        try:
            said = verb()
        except VCRError:
            continue
        said.text()
        json.dumps(said.to_dict())
    (place.directory / "forked.vcr").unlink(missing_ok=True)


def test_no_wrong_type_in_any_member_of_any_line_makes_a_verb_fail_with_another_error(tmp_path):
    lines = written_by_a_recorder(tmp_path)
    (tmp_path / "good.vcr").write_bytes(b"\n".join(lines) + b"\n")
    place, tried = Place(tmp_path), 0
    for n, line in enumerate(lines):
        tree = orjson.loads(line)
        for at in places_in(tree["data"]):
            for value in WRONG[tried % 6 :: 6]:
                changed = make_line(tree["type"], with_value(tree["data"], at, value))[:-1]
                (tmp_path / "s.vcr").write_bytes(b"\n".join([*lines[:n], changed, *lines[n + 1 :]]) + b"\n")
                used(place)
            tried += 1
    assert tried > 100
