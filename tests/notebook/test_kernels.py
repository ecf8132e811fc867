"""What only a real kernel shows: its completer, its inspector, a restart, two kernels on one store."""

import contextlib

import pytest
from jupyter_client.manager import KernelManager

from tests.notebook.test_magics import AGENT

pytestmark = pytest.mark.slow


class Kernel:
    """A real ipykernel with the extension loaded."""

    def __init__(self, folder):
        self.manager = KernelManager(kernel_name="python3")
        self.manager.start_kernel(cwd=str(folder))
        self.connect()

    def connect(self):
        self.client = self.manager.client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=60)
        self.run("%load_ext agent_vcr_nb")
        self.run(AGENT)

    def run(self, code):
        said = []

        def keep(message):
            content = message["content"]
            said.append(content.get("text") or (content.get("data") or {}).get("text/plain") or "")

        reply = self.client.execute_interactive(code, timeout=60, output_hook=keep)["content"]
        assert reply["status"] == "ok", reply
        return "".join(said)

    def ask(self, send, *words):
        message = send(*words)
        while True:
            reply = self.client.get_shell_msg(timeout=30)
            if reply["parent_header"].get("msg_id") == message:
                return reply["content"]

    def restart(self):
        self.client.stop_channels()
        self.manager.restart_kernel(now=True)
        self.connect()

    def stop(self):
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)


@pytest.fixture
def kernel(in_tmp):
    """Start kernels in the empty folder; ended after the test."""
    with contextlib.ExitStack() as stack:

        def start():
            kernel = Kernel(in_tmp)
            stack.callback(kernel.stop)
            return kernel

        yield start


def test_a_kernel_completes_inspects_and_records_a_cell(kernel):
    one = kernel()
    assert "recorded my_run: 3 frames" in one.run(
        "%%vcr my_run\nimport asyncio\nawait asyncio.sleep(0)\ntry_agent('a')"
    )
    line = "%vcr resume 2 --mo"
    found = one.ask(one.client.complete, line, len(line))
    assert found["matches"] == ["--mode", "--mock"]
    assert (found["cursor_start"], found["cursor_end"]) == (len("%vcr resume 2 "), len(line))
    assert one.ask(one.client.complete, "%vcr set /pl", 12)["matches"] == ["/plan"]
    told = one.ask(one.client.inspect, "%vcr", 4)
    assert "%%vcr NAME" in told["data"]["text/plain"]


def test_after_a_restart_the_last_session_is_the_current_one_and_an_edit_is_gone(kernel):
    one = kernel()
    one.run("%%vcr my_run\ntry_agent('a')")
    one.run("%vcr set plan sqlite --frame 2")
    one.restart()
    assert "my_run: 3 frames" in one.run("%vcr show")
    assert "no mongodb here" in one.run("%vcr resume 2")
    assert "recorded my_run-2: 3 frames" in one.run("%%vcr my_run\ntry_agent('a')")


def test_two_kernels_record_into_one_store_under_the_same_name_at_the_same_time(kernel):
    one, other = kernel(), kernel()
    one.run("%vcr record shared")
    one.run("try_agent('a')")
    assert "recorded shared-2: 3 frames" in other.run("%%vcr shared\ntry_agent('b')")
    assert other.run("%vcr record shared").startswith("recording shared-3; shared is an earlier run of 3 frames")
    other.run("%vcr record shared --continue")
    other.run("try_agent('c')")
    one.run("try_agent('d')")
    assert one.run("%vcr stop") == "shared: ended\n"
    assert other.run("%vcr stop") == "shared: ended\n"
    assert "shared: 9 frames" in one.run("%vcr show shared")
    assert "✓ whole" in other.run("%vcr verify shared")
