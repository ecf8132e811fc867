"""Run by test_crewai_tools.py in a Python that has CrewAI: crews whose model is a script behind a loopback server.

Arguments: kind of tool and folder, as often as there are kinds. Prints, by kind, the text of each request's last
message: what the model was shown before it answered.
"""

import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

from crewai import LLM, Agent, Crew, Task
from crewai.tools import BaseTool, tool
from crewai_tools import FileWriterTool

from sentinel import Config, Sentinel


class Writer(BaseTool):
    """Writes a file."""

    name: str = "writer"
    description: str = "writes a file"

    def _run(self, filename: str, content: str, directory: str = ".") -> str:
        Path(directory, filename).write_text(content)
        return "written"


@tool("write it")
def write_it(file_path: str, text: str) -> str:
    """Write a file."""
    Path(file_path).write_text(text)
    return "written"


class Model(BaseHTTPRequestHandler):
    """An OpenAI-compatible server: the first answer of a run calls the tool, the next one ends it."""

    arguments: ClassVar[dict] = {}
    requests: ClassVar[list] = []

    def do_POST(self):
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.requests.append(request["messages"])
        message = {"role": "assistant", "content": "done"}
        if len(self.requests) == 1:
            function = {"name": request["tools"][0]["function"]["name"], "arguments": json.dumps(self.arguments)}
            message = {
                **message,
                "content": None,
                "tool_calls": [{"id": "1", "type": "function", "function": function}],
            }
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
        answer = {
            "id": "1",
            "object": "chat.completion",
            "created": 0,
            "model": "m",
            "choices": [choice],
            "usage": usage,
        }
        body = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """Says nothing."""


def run(kind, root, llm):
    text = (root / "store.py").read_text().replace("load", "read_rows")
    made, arguments = {
        "subclass": (Writer(), {"filename": "new.py", "content": text, "directory": str(root)}),
        "function": (write_it, {"file_path": str(root / "new.py"), "text": text}),
        "FileWriterTool": (FileWriterTool(), {"filename": "new.py", "content": text, "directory": str(root)}),
        "clean": (Writer(), {"filename": "new.py", "content": "X = 1\n", "directory": str(root)}),
    }[kind]
    Model.arguments, Model.requests = arguments, []
    guarded = Sentinel(root=root, config=Config()).attach([made])
    agent = Agent(role="coder", goal="write code", backstory="none", tools=guarded, llm=llm)
    task = Task(description="write new.py", expected_output="done", agent=agent)
    Crew(agents=[agent], tasks=[task], verbose=False).kickoff()
    assert (root / "new.py").exists(), Model.requests
    return [messages[-1]["content"] for messages in Model.requests]


def main(words):
    server = ThreadingHTTPServer(("127.0.0.1", 0), Model)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    llm = LLM(model="openai/gpt-4o", base_url=f"http://127.0.0.1:{server.server_port}/v1", api_key="none")
    shown = {kind: run(kind, Path(root), llm) for kind, root in zip(words[::2], words[1::2], strict=True)}
    server.shutdown()
    print("RESULT" + json.dumps(shown))


if __name__ == "__main__":
    main(sys.argv[1:])
