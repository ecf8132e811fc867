"""The wheel and the source distribution hold what a user needs, and work in an environment that has nothing else."""

import json
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def dist(tmp_path_factory):
    out = tmp_path_factory.mktemp("dist")
    argv = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out), str(ROOT)]
    subprocess.run(argv, check=True, capture_output=True, text=True)
    return out


@pytest.mark.slow
def test_the_wheel_holds_both_packages_the_bundle_and_the_type_marker(dist):
    (wheel,) = dist.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert {"agent_vcr_nb/py.typed", "sentinel/py.typed", "agent_vcr_nb/notebook/static/scrubber.js"} <= set(names)
    assert not [name for name in names if name.startswith(("tests/", "widgets/")) or "node_modules" in name]


@pytest.mark.slow
def test_the_source_distribution_holds_the_sources_of_the_front_end_and_no_dependencies(dist):
    (sdist,) = dist.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = [name.partition("/")[2] for name in archive.getnames()]
    assert {"widgets/package.json", "tests/test_packaging.py", "Makefile", "LICENSE"} <= set(names)
    assert not [name for name in names if "node_modules" in name]


@pytest.mark.slow
def test_the_installed_wheel_runs_the_demo_and_finds_its_bundle_without_node(dist, tmp_path):
    (wheel,) = dist.glob("*.whl")
    venv.create(tmp_path / "bare", with_pip=True)
    python = tmp_path / "bare" / "bin" / "python"
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", str(wheel)]
    subprocess.run(pip, check=True, capture_output=True, text=True)
    env = {"PATH": str(python.parent), "HOME": str(tmp_path)}
    argv = [str(python.parent / "vcr"), "demo", "--json"]
    done = subprocess.run(argv, check=True, capture_output=True, text=True, cwd=tmp_path, env=env)
    assert json.loads(done.stdout)["fork"]["served"] == [0, 1, 2, 3, 4, 5, 6]
    code = "from agent_vcr_nb.notebook.debugger import VCRDebugger; import sentinel; print(VCRDebugger.__name__)"
    done = subprocess.run([str(python), "-c", code], capture_output=True, text=True, cwd=tmp_path, env=env)
    assert done.stdout.strip() == "VCRDebugger", done.stderr
