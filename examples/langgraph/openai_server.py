"""The real OpenAI client of LangChain, streaming, against a server on this machine: tokens, an edit, a resume.

Run it: python examples/langgraph/openai_server.py
"""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Annotated, Any, TypedDict

from langchain_core.messages import AnyMessage, HumanMessage
from langchain_openai import ChatOpenAI
from langgraph.graph import START, StateGraph
from langgraph.graph.message import add_messages

import agent_vcr_nb
from agent_vcr_nb import ResumeConfig, VCRPlayer, VCRRecorder

requests: list[str] = []


class Server(BaseHTTPRequestHandler):
    """Answers as the chat completions of OpenAI do: word by word, with the usage in the last chunk."""

    def do_POST(self) -> None:
        """Stream an answer to the last message."""
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        question = body["messages"][-1]["content"]
        requests.append(question)
        words = f"You said: {question}".split(" ")
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        for n, word in enumerate(words):
            self._send([{"index": 0, "delta": {"role": "assistant", "content": (" " if n else "") + word}}])
        self._send([{"index": 0, "delta": {}, "finish_reason": "stop"}])
        usage = {"prompt_tokens": 12, "completion_tokens": len(words), "total_tokens": 12 + len(words)}
        self._send([], usage)
        self.wfile.write(b"data: [DONE]\n\n")

    def _send(self, choices: list[dict[str, Any]], usage: dict[str, int] | None = None) -> None:
        chunk = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "parrot-1"}
        self.wfile.write(b"data: " + json.dumps({**chunk, "choices": choices, "usage": usage}).encode() + b"\n\n")

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


class State(TypedDict, total=False):
    """A conversation."""

    messages: Annotated[list[AnyMessage], add_messages]
    shouted: str


def build(url: str) -> Any:
    """Return a graph that asks the model twice, streaming, and then fails on what it does not like."""
    model = ChatOpenAI(model="parrot-1", base_url=url, api_key="none", streaming=True, stream_usage=True)

    def talk(state: State) -> State:
        answer = None
        for part in model.stream(state["messages"]):
            answer = part if answer is None else answer + part
        second = model.invoke([HumanMessage("say it quietly")])
        return {"messages": [answer, second]}

    def shout(state: State) -> State:
        text = str(state["messages"][-1].content)
        if "quietly" in text:
            raise ValueError("cannot shout quietly")
        return {"shouted": text.upper()}

    builder = StateGraph(State)
    builder.add_node(talk)
    builder.add_node(shout)
    builder.add_edge(START, "talk")
    builder.add_edge("talk", "shout")
    return builder.compile()


def main() -> None:
    """Record, fail, resume at the second model call with another question, and with no model at all."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    graph = build(f"http://127.0.0.1:{server.server_port}/v1")
    agent_vcr_nb.install()
    with VCRRecorder() as recorder:
        recorder.start_session("parrot")
        try:
            graph.invoke({"messages": [HumanMessage("speak", id="question")]})
        except ValueError as error:
            print(f"The run failed: {error}")

    player = VCRPlayer.load_by_id("parrot")
    for frame in player.frames:
        figures = frame.metadata
        tokens = f", {figures.model}: {figures.tokens_input} + {figures.tokens_output} tokens" if figures.model else ""
        print(f"  {frame.number} {frame.key}: {frame.status}{tokens}")

    requests.clear()
    patch = [{"op": "replace", "path": "/messages/0/v/content", "value": "say it loudly"}]
    fork = player.resume(graph, ResumeConfig(2, patch=patch))
    print(f"Requests when resumed at the second call: {requests}")
    print(f"Shouted: {VCRPlayer.load_by_id(fork).get_current_state()['shouted']}")

    requests.clear()
    fork = player.resume(graph, ResumeConfig(0, mode="mock", inject_mocks={"llm": "a word"}))
    print(f"Requests with a mocked model: {requests}")
    print(f"Shouted: {VCRPlayer.load_by_id(fork).get_current_state()['shouted']}")
    server.shutdown()
    server.server_close()


if __name__ == "__main__":
    main()
