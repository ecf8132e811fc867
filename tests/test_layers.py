"""The import direction of ARCHITECTURE.md, read from the syntax tree."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
OURS = "agent_vcr_nb"
JUPYTER = {"IPython", "ipywidgets", "anywidget", "traitlets", "plotly"}
FRAMEWORK = {"langgraph", "langchain_core", "crewai"}
FACES = {f"{OURS}.cli", f"{OURS}.notebook", f"{OURS}.tui"}
HEAVY = {"pandas", "git", "networkx", "genai_prices", "rich", "click", "numpy"}
FORBIDDEN = {
    "agent_vcr_nb/core": JUPYTER
    | FRAMEWORK
    | FACES
    | {f"{OURS}.verbs", f"{OURS}.workspace", f"{OURS}.integrations", "sentinel"},
    "agent_vcr_nb/workspace": JUPYTER | FRAMEWORK | FACES | {f"{OURS}.verbs", f"{OURS}.integrations", "sentinel"},
    "agent_vcr_nb/integrations": JUPYTER | FACES | {f"{OURS}.verbs", f"{OURS}.workspace", "sentinel"},
    "agent_vcr_nb/verbs": JUPYTER | FRAMEWORK | FACES | {"sentinel"},
    "agent_vcr_nb/cli.py": JUPYTER | FRAMEWORK | {f"{OURS}.notebook", f"{OURS}.tui"},
    "sentinel": JUPYTER | FRAMEWORK | {OURS},
}


def imported(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: write the import in full"
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("layer", FORBIDDEN)
def test_a_layer_imports_nothing_above_it(layer):
    files = [ROOT / layer] if layer.endswith(".py") else list((ROOT / layer).rglob("*.py"))
    assert files, f"{layer} is empty or moved"
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in files
        for name in imported(path)
        if any(name == bad or name.startswith(f"{bad}.") for bad in FORBIDDEN[layer])
    ]
    assert wrong == []


def test_importing_the_package_loads_nothing_heavy():
    code = "import sys, agent_vcr_nb, sentinel; print(*sys.modules)"
    argv = [sys.executable, "-c", code]
    loaded = subprocess.run(argv, capture_output=True, text=True, check=True, cwd=ROOT).stdout
    assert set(loaded.split()) & (JUPYTER | FRAMEWORK | HEAVY) == set()
