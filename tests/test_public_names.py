"""The names that users may import are pinned here: a change of them is a change for users."""

import subprocess
import sys

import pytest

import agent_vcr_nb

PUBLIC = [
    "ACIDWorkspace",
    "AsyncVCRPlayer",
    "AsyncVCRRecorder",
    "CostLedger",
    "DivergedError",
    "Frame",
    "FrameMetadata",
    "FrameType",
    "MergeConflictError",
    "Redactor",
    "ResumeConfig",
    "ResumeMode",
    "Session",
    "VCRPlayer",
    "VCRRecorder",
    "__version__",
    "annotate",
    "install",
    "now",
    "random",
    "register",
    "step",
    "uninstall",
    "uuid4",
]


def test_the_public_names_are_these():
    assert sorted(agent_vcr_nb.__all__) == PUBLIC


@pytest.mark.parametrize("name", PUBLIC)
def test_each_public_name_can_be_imported(name):
    assert getattr(agent_vcr_nb, name) is not None
    assert name in dir(agent_vcr_nb)


def test_an_unknown_name_says_what_there_is():
    with pytest.raises(AttributeError, match=r"no attribute 'VCRRecoder'; it has .*VCRRecorder"):
        _ = agent_vcr_nb.VCRRecoder


def test_the_model_names_are_also_in_models():
    from agent_vcr_nb import models

    assert sorted(models.__all__) == ["Frame", "FrameMetadata", "FrameType", "ResumeConfig", "ResumeMode", "Session"]
    assert models.ResumeConfig is agent_vcr_nb.ResumeConfig


def test_importing_the_package_loads_neither_jupyter_nor_anything_heavy():
    code = "import sys, agent_vcr_nb; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    heavy = {"IPython", "pandas", "numpy", "plotly", "git", "networkx", "langgraph", "crewai", "orjson", "asyncio"}
    assert heavy & set(loaded) == set()
