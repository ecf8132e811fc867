"""`vcr export`: what other programs read of a session."""

import base64
import json
from pathlib import Path

import pytest
from google.protobuf import json_format
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from agent_vcr_nb import VCRRecorder
from agent_vcr_nb.core.player import VCRPlayer

LONG = "a page\n" * 20_000


@pytest.fixture
def run(in_tmp):
    """A session with a step that has steps inside, figures, an error, a long text and what is no JSON."""
    with VCRRecorder() as recorder:
        recorder.start_session("run", tags=["one", "two"])
        recorder.record_step("fetch", {"q": "é\u202e"}, {"page": LONG, "seen": {1, 2}})
        recorder.record_llm_call("gpt-4o-mini", [{"role": "user", "content": "hi"}], {"content": "yo"}, 10, 3, 250.0)
        recorder.record_tool_call("search", {"q": "x"}, {}, 5.0, error="timeout")
        recorder.record_error("build", {"n": 1}, ValueError("boom"), 3.0)
    return in_tmp


def test_a_document_has_long_texts_in_full(run, vcr, vcr_json):
    assert vcr("export", "run", "--to", "run.json")[0] == 0
    written = json.loads(Path("run.json").read_text())
    assert written["frames"][0]["output_state"]["page"] == LONG
    assert json.loads(vcr("export", "run")[1]) == written
    assert vcr_json("export", "run")[1]["content"] == written


def test_a_long_text_that_is_gone_is_told_and_the_rest_is_exported(run, vcr):
    for blob in Path(".vcr/run.blobs").iterdir():
        blob.unlink()
    code, out, _ = vcr("export", "run")
    (frame, *others) = json.loads(out)["frames"]
    assert (code, len(others)) == (0, 3)
    assert "is missing" in frame["missing"]["output"]


def test_lines_have_what_ai_agent_vcr_asks_for_and_open_as_the_same_run(run, vcr):
    # Of its Frame, 1.5.4 requires session_id, node_name and both states; latency_ms must be a number.
    vcr("export", "run", "--form", "jsonl", "--to", "copy.vcr")
    header, *frames = map(json.loads, Path("copy.vcr").read_text().splitlines())
    assert (header["type"], header["schema"]) == ("session", "execution/v1")
    assert {frame["data"]["session_id"] for frame in frames} == {"run"}
    for frame in frames:
        assert isinstance(frame["data"]["input_state"], dict)
        assert isinstance(frame["data"]["output_state"], dict)
        assert None not in frame["data"]["metadata"].values()
    assert len({frame["data"]["frame_id"] for frame in frames}) == 4
    copy = VCRPlayer.load("copy.vcr")
    assert [copy.state_json(n, "input") for n in range(4)] == [
        VCRPlayer.load_by_id("run").state_json(n, "input") for n in range(4)
    ]


def test_a_fork_is_before_a_frame_here_and_after_one_there(recorded, vcr):
    vcr("fork", "my_run", "2")
    vcr("export", "my_run-fork1", "--form", "jsonl", "--to", "fork.vcr")
    assert json.loads(Path("fork.vcr").read_text().splitlines()[0])["data"]["forked_from_frame"] == 1
    assert "forked from my_run before frame 2" in vcr("show", "fork.vcr")[1]


def spans_of(text):
    """The spans, as the protocol's own classes read them: they know no field that it has not."""
    body = json.loads(text)
    for span in body["resourceSpans"][0]["scopeSpans"][0]["spans"]:
        # The protocol's JSON has ids in hexadecimal, where protobuf's has base64.
        ids = span.keys() & {"traceId", "spanId", "parentSpanId"}
        span.update({name: base64.b64encode(bytes.fromhex(span[name])).decode() for name in ids})
    request = json_format.ParseDict(body, ExportTraceServiceRequest())
    return list(request.resource_spans[0].scope_spans[0].spans)


def attributes(span):
    return {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in span.attributes}


def test_a_trace_is_one_of_opentelemetry_with_a_span_a_frame(run, vcr):
    fetch, llm, tool, build, root = spans_of(vcr("export", "run", "--form", "otlp")[1])
    assert (root.name, root.parent_span_id, root.status.code) == ("run", b"", Status.STATUS_CODE_ERROR)
    assert {span.parent_span_id for span in (fetch, llm, tool, build)} == {root.span_id}
    assert {span.trace_id for span in (root, fetch, llm, tool, build)} == {root.trace_id}
    assert (len(root.trace_id), len(root.span_id)) == (16, 8)
    assert (llm.name, llm.kind) == ("chat gpt-4o-mini", Span.SPAN_KIND_CLIENT)
    assert llm.end_time_unix_nano - llm.start_time_unix_nano == 250_000_000
    told = attributes(llm)
    assert (told["gen_ai.usage.input_tokens"], told["gen_ai.usage.output_tokens"]) == (10, 3)
    assert (told["gen_ai.request.model"], told["gen_ai.conversation.id"]) == ("gpt-4o-mini", "run")
    assert told["openinference.span.kind"] == "LLM"
    assert attributes(tool)["gen_ai.operation.name"] == "execute_tool"
    assert json.loads(attributes(fetch)["output.value"])["page"] == LONG
    assert (build.status.code, build.status.message) == (Status.STATUS_CODE_ERROR, "ValueError: boom")
    (raised,) = build.events
    assert (raised.name, attributes(raised)["exception.type"]) == ("exception", "ValueError")
    assert root.start_time_unix_nano <= min(span.start_time_unix_nano for span in (fetch, llm, tool, build))


def test_steps_inside_a_step_are_spans_inside_its_span(recorded, vcr):
    agent, plan, build, root = spans_of(vcr("export", "my_run", "--form", "otlp")[1])
    assert agent.parent_span_id == root.span_id
    assert {plan.parent_span_id, build.parent_span_id} == {agent.span_id}
