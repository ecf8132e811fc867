"""LangChain's and LangGraph's file tools: what the model reads after a write."""

import asyncio
import json
import shutil
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Annotated

import pytest
from langchain.agents import create_agent
from langchain_core.messages import AIMessage, ToolMessage
from langchain_core.runnables import RunnableLambda
from langchain_core.tools import BaseTool, InjectedToolCallId, tool
from langchain_openai import ChatOpenAI
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode
from langgraph.types import Command

from sentinel import Config, Sentinel, UsageError
from tests.sentinel.conftest import DEBT, ORIGINAL

FINDING = "load() already exists in io.py:1 - reuse it: delete this copy and import it"


@pytest.fixture
def write_file(project, monkeypatch):
    monkeypatch.chdir(project)

    @tool
    def write_file(file_path: str, text: str) -> str:
        """Write a file."""
        Path(file_path).write_text(text)
        return "written"

    return write_file


def run_tool(tools, **arguments):
    """The tool's answer as a LangGraph agent's model reads it."""
    graph = StateGraph(MessagesState).add_node("tools", ToolNode(tools)).add_edge(START, "tools").compile()
    call = {"name": tools[0].name, "args": arguments, "id": "1", "type": "tool_call"}
    return graph.invoke({"messages": [AIMessage("", tool_calls=[call])]})["messages"][-1].content


def test_a_langgraph_file_tool_answers_with_the_finding(project, write_file):
    guarded = Sentinel(root=project, config=Config()).attach([write_file])
    answer = run_tool(guarded, file_path="new.py", text=ORIGINAL)
    assert answer.startswith("written\n\n[sentinel] this write left 1 to fix in new.py:")
    assert "load() already exists in io.py:1" in answer
    assert run_tool(guarded, file_path="new.py", text="X = 1\n") == "written"
    assert run_tool(guarded, file_path="debt.py", text="X = 1\n" + DEBT) == "written"
    assert run_tool(guarded, file_path="notes.txt", text="x") == "written"
    assert run_tool([write_file], file_path="new.py", text=ORIGINAL) == "written"


def test_a_node_of_tools_is_guarded_as_it_stands(project, write_file):
    node = ToolNode([write_file])
    assert Sentinel(root=project, config=Config()).attach(node) is node
    graph = StateGraph(MessagesState).add_node("tools", node).add_edge(START, "tools").compile()
    call = {"name": "write_file", "args": {"file_path": "new.py", "text": ORIGINAL}, "id": "1", "type": "tool_call"}
    assert FINDING in graph.invoke({"messages": [AIMessage("", tool_calls=[call])]})["messages"][-1].content


class Writer(BaseTool):
    """A tool with a method of its own, as LangChain's file tools are."""

    name: str = "writer"
    description: str = "writes a file"
    root_dir: str

    def _run(self, file_path: str, text: str) -> str:
        Path(self.root_dir, file_path).write_text(text)
        return "written"


def test_a_tool_that_is_a_class_is_guarded_in_its_own_folder_also_when_awaited(project):
    guarded = Sentinel(root=project, config=Config()).attach(Writer(root_dir=str(project)))
    assert FINDING in guarded.invoke({"file_path": "new.py", "text": ORIGINAL})
    (project / "new.py").unlink()
    assert FINDING in asyncio.run(guarded.ainvoke({"file_path": "other.py", "text": ORIGINAL}))


@tool(response_format="content_and_artifact")
def with_artifact(file_path: str, text: str):
    """Write a file."""
    Path(file_path).write_text(text)
    return "written", {"bytes": len(text)}


@tool
def with_blocks(file_path: str, text: str):
    """Write a file."""
    Path(file_path).write_text(text)
    return [{"type": "text", "text": "written"}]


@tool
def with_object(file_path: str, text: str):
    """Write a file."""
    Path(file_path).write_text(text)
    return {"written": True}


@tool
def with_message(file_path: str, text: str, tool_call_id: Annotated[str, InjectedToolCallId]):
    """Write a file."""
    Path(file_path).write_text(text)
    return ToolMessage("written", tool_call_id=tool_call_id)


@tool
def with_command(file_path: str, text: str, tool_call_id: Annotated[str, InjectedToolCallId]):
    """Write a file."""
    Path(file_path).write_text(text)
    return Command(update={"messages": [ToolMessage("written", tool_call_id=tool_call_id)]})


@pytest.mark.parametrize("kind", [with_artifact, with_message, with_command])
def test_a_finding_follows_the_answer_in_the_form_that_the_answer_has(project, monkeypatch, kind):
    monkeypatch.chdir(project)
    [guarded] = Sentinel(root=project, config=Config()).attach([kind])
    answer = run_tool([guarded], file_path="new.py", text=ORIGINAL)
    assert answer.startswith("written\n\n[sentinel] this write left 1 to fix in new.py:")
    assert answer.endswith(FINDING)


def test_a_finding_is_a_block_more_among_blocks_and_follows_other_values_as_json(project, monkeypatch):
    monkeypatch.chdir(project)
    blocks, objects = Sentinel(root=project, config=Config()).attach([with_blocks, with_object])
    first, second = run_tool([blocks], file_path="new.py", text=ORIGINAL)
    assert (first["text"], FINDING in second["text"]) == ("written", True)
    (project / "new.py").unlink()
    assert run_tool([objects], file_path="other.py", text=ORIGINAL).startswith('{"written": true}\n\n[sentinel]')


@tool
def shell(command: str) -> str:
    """Run a command."""
    subprocess.run(command, shell=True, check=True)
    return "ran"


@tool
def copy_file(source_path: str, destination_path: str) -> str:
    """Copy a file."""
    shutil.copy(source_path, destination_path)
    return "ran"


@pytest.mark.parametrize(
    ("kind", "arguments"),
    [(shell, {"command": "cp io.py new.py"}), (copy_file, {"source_path": "io.py", "destination_path": "new.py"})],
)
def test_a_call_that_names_no_written_file_is_followed_by_a_look_at_what_changed(project, monkeypatch, kind, arguments):
    monkeypatch.chdir(project)
    guarded = Sentinel(root=project, config=Config()).attach([kind])
    assert run_tool(guarded, **arguments).startswith("ran\n\n[sentinel] this write left 1 to fix in new.py:")
    assert run_tool(guarded, **arguments) == "ran"


class Model(BaseHTTPRequestHandler):
    """An OpenAI-compatible server: copies first, corrects itself when it is told to, then ends."""

    def do_POST(self):
        messages = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["messages"]
        self.server.seen.append(messages[-1])
        texts = [ORIGINAL.replace("load", "read_rows"), "from io import load\n\nprint(load)\n"]
        answers = sum(message["role"] == "tool" for message in messages)
        message = {"role": "assistant", "content": "done"}
        if answers == 0 or (answers == 1 and "[sentinel]" in messages[-1]["content"]):
            arguments = json.dumps({"file_path": "new.py", "text": texts[answers]})
            called = {
                "id": str(answers),
                "type": "function",
                "function": {"name": "write_file", "arguments": arguments},
            }
            message |= {"content": None, "tool_calls": [called]}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        body = json.dumps({"id": "1", "object": "chat.completion", "created": 0, "model": "m", "choices": [choice]})
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_):
        """Says nothing."""


def test_an_agent_corrects_itself_after_it_has_read_the_finding(project, write_file):
    with ThreadingHTTPServer(("127.0.0.1", 0), Model) as server:
        server.seen = []
        threading.Thread(target=server.serve_forever).start()
        model = ChatOpenAI(model="m", base_url=f"http://127.0.0.1:{server.server_port}/v1", api_key="none")
        agent = create_agent(model, Sentinel(root=project, config=Config()).attach([write_file]))
        agent.invoke({"messages": [("user", "write new.py")]})
        server.shutdown()
    assert [message["role"] for message in server.seen] == ["user", "tool", "tool"]
    assert FINDING in server.seen[1]["content"]
    assert server.seen[2]["content"] == "written"
    assert (project / "new.py").read_text().startswith("from io import load")


@pytest.mark.parametrize(
    ("target", "words"),
    [
        (3, "an object of type int cannot be attached: expected a folder"),
        ([print], "an object of type builtin_function_or_method cannot be attached"),
        (Writer, "the class Writer cannot be attached"),
        (RunnableLambda(lambda state: state), "an object of type RunnableLambda cannot be attached"),
        ("..", "is not in .*, which is guarded"),
        ("nowhere", "nowhere does not exist: expected a folder to watch"),
        ("io.py", "io.py is a file: expected a folder to watch"),
    ],
)
def test_what_cannot_be_attached_is_named(project, monkeypatch, target, words):
    monkeypatch.chdir(project)
    with pytest.raises(UsageError, match=words):
        Sentinel(root=project).attach(target)
