"""Made the trajectory beside this file, with mini-swe-agent 2.4.6: ``python record.py``."""

import os
from pathlib import Path

os.environ |= {"MSWEA_SILENT_STARTUP": "1", "MSWEA_COST_TRACKING": "ignore_errors"}

from minisweagent.agents.default import DefaultAgent
from minisweagent.environments.local import LocalEnvironment
from minisweagent.models.test_models import DeterministicModel, make_output

SUBMIT = "echo COMPLETE_TASK_AND_SUBMIT_FINAL_OUTPUT; echo patch"
answers = [
    make_output("look", [{"command": "echo hi"}]),
    make_output("fail", [{"command": "ls /nonexistent"}]),
    make_output("done", [{"command": SUBMIT}]),
]
agent = DefaultAgent(
    DeterministicModel(outputs=answers),
    LocalEnvironment(),
    system_template="s",
    instance_template="{{task}}",
    output_path=Path("recorded.traj.json"),
)
agent.run("do it")
