"""CrewAI's file tools, where CrewAI is installed: a subclass of BaseTool and a decorated function."""

from pathlib import Path

import pytest

from sentinel import Config, Sentinel

tools = pytest.importorskip("crewai.tools", reason="crewai is not installed")

ORIGINAL = """def load(path, limit):
    with open(path) as file:
        text = file.read()
    rows = text.split(",")
    return sorted(rows)[:limit]
"""


class Writer(tools.BaseTool):
    """Writes a file."""

    name: str = "File Writer"
    description: str = "writes a file"

    def _run(self, filename: str, content: str, directory: str = ".") -> str:
        Path(directory, filename).write_text(content)
        return "written"


@tools.tool("write it")
def write_it(file_path: str, text: str) -> str:
    """Write a file."""
    Path(file_path).write_text(text)
    return "written"


def test_both_kinds_of_crewai_tool_answer_with_the_finding(in_tmp):
    (in_tmp / "store.py").write_text(ORIGINAL)
    writer, decorated = Sentinel(root=in_tmp, config=Config()).attach([Writer(), write_it])
    first = writer.to_structured_tool().invoke({"filename": "new.py", "content": ORIGINAL})
    (in_tmp / "new.py").unlink()
    second = decorated.to_structured_tool().invoke({"file_path": "new2.py", "text": ORIGINAL})
    assert "load() already exists in store.py:1" in first
    assert "load() already exists in store.py:1" in second
