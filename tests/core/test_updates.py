"""What a step returned is told by its output state where it stands there, and read back whole."""

import orjson
from hypothesis import given
from hypothesis import strategies as st

from agent_vcr_nb import VCRPlayer, VCRRecorder
from agent_vcr_nb.core.encoding import encode
from agent_vcr_nb.core.redact import Redactor
from agent_vcr_nb.core.updates import refers_to_output, told_by_output, with_output

lists = st.lists(st.integers() | st.text(max_size=5) | st.lists(st.integers(), max_size=2), max_size=20)


def test_a_message_that_was_appended_is_written_once_and_read_as_what_the_step_returned(in_tmp):
    recorder = VCRRecorder()
    recorder.start_session("run")
    old, message = [{"text": "x" * 2000}], {"text": "only once in the file"}
    step = recorder.begin("work", {"messages": old})
    step.finish({"messages": [*old, message], "n": 1}, update={"messages": [message], "n": 1})
    recorder.close()
    assert (in_tmp / ".vcr" / "run.vcr").read_text().count("only once in the file") == 1
    assert VCRPlayer.load_by_id("run").frames[0].update == {"messages": [message], "n": 1}


def test_an_equal_item_that_is_another_object_is_written_where_it_was_returned():
    message = {"text": "same words"}
    assert told_by_output({"messages": [message]}, {"messages": [1, dict(message)]}) == {}


def test_a_secret_in_what_was_appended_is_in_neither_place(in_tmp):
    recorder = VCRRecorder()
    recorder.start_session("run")
    old, message = [{"text": "x" * 2000}], {"password": "correct-horse"}
    recorder.begin("work", {"messages": old}).finish({"messages": [*old, message]}, update={"messages": [message]})
    recorder.close()
    assert "correct-horse" not in (in_tmp / ".vcr" / "run.vcr").read_text()
    assert VCRPlayer.load_by_id("run").frames[0].update == {"messages": [{"password": "[REDACTED:key]"}]}


def test_a_users_own_dict_that_looks_like_the_marker_is_given_back_as_it_is(in_tmp):
    recorder = VCRRecorder()
    recorder.start_session("run")
    mine = {"$t": "as in output", "last": 1}
    recorder.begin("work", {}).finish({"a": [1, 2, 3]}, update={"a": mine})
    recorder.close()
    assert VCRPlayer.load_by_id("run").frames[0].update == {"a": mine}


@given(st.dictionaries(st.sampled_from("abc"), lists), st.dictionaries(st.sampled_from("abc"), lists))
def test_markers_stand_for_exactly_what_was_returned(before, update):
    output = {key: before.get(key, []) + update.get(key, []) for key in {**before, **update}}
    told = told_by_output(update, output)
    in_file = {**encode(update), **told}
    assert refers_to_output(in_file) == bool(told)
    assert with_output(in_file, encode(output)) == encode(update)


values = st.recursive(
    st.none() | st.integers() | st.sampled_from(["plain", "sk-" + "b" * 20, "password=correct-horse", "://a:bcdefg@h"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "cookie", "x"]), inner),
    max_leaves=6,
)


@given(values, st.sampled_from(["a", "authorization", "-", "0"]))
def test_what_passes_the_redactor_at_once_is_what_it_leaves_as_it_is_alone(value, key):
    redactor = Redactor()
    value = encode(value)
    ops = [{"op": "add", "path": f"/{key}", "value": value}]
    passes = redactor.passes(orjson.dumps(ops), ["", key], [value])
    assert not passes or redactor.below(["", key], value) == value
