"""What README.md shows can be done."""

import re
from pathlib import Path

from agent_vcr_nb import VCRPlayer
from agent_vcr_nb.notebook.magics import VCRMagics
from agent_vcr_nb.verbs.catalogue import VERBS

README = (Path(__file__).parent.parent / "README.md").read_text()


def _block_after(heading):
    return re.search(r"```python\n(.*?)```", README.split(f"## {heading}", 1)[1], re.S)[1]


def test_the_python_example_runs_and_the_fork_has_the_edited_plan(in_tmp):
    exec(_block_after("In Python"), {})
    forked = VCRPlayer.load_by_id("by_hand-fork1")
    assert forked.goto_frame(1) == {"query": "todo app", "plan": "sqlite", "code": "written for sqlite"}


def test_every_vcr_verb_that_is_shown_exists():
    shown = set(re.findall(r"^vcr (\w+)", README, re.M))
    assert shown - {verb.name for verb in VERBS} == set()
    assert len(shown) > 6


def test_every_word_of_the_magic_that_is_shown_exists():
    shown = set(re.findall(r"^%vcr (\w+)", README, re.M))
    assert shown - set(VCRMagics(None).words) == set()
    assert len(shown) > 3
