"""Runs operations in forked children that kill themselves before the n-th change to the disk.

One JSON request a line on stdin: workspace, store, operation, kill_at. One line out: the child's exit code, which is
-9 when it was killed. Changes are counted by Python's audit events and by the few calls that raise none, so that the
package needs no test hooks.
"""

import json
import os
import signal
import sys

from agent_vcr_nb import ACIDWorkspace
from agent_vcr_nb.workspace import renames
from agent_vcr_nb.workspace.store import SavepointWriter

CHANGES = {
    "os.rename",
    "os.remove",
    "os.rmdir",
    "os.mkdir",
    "os.chmod",
    "os.symlink",
    "os.link",
    "os.truncate",
    "subprocess.Popen",
}
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC


class Killer:
    def __init__(self, kill_at):
        self.left = kill_at

    def count(self):
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def audit(self, event, args):
        if event in CHANGES or (event == "open" and isinstance(args[2], int) and args[2] & WRITING):
            self.count()

    def before(self, owner, name):
        function = getattr(owner, name)

        def counted(*args, **kwargs):
            self.count()
            return function(*args, **kwargs)

        setattr(owner, name, counted)


def run(workspace, store, operation):
    acid = ACIDWorkspace(workspace, store=store)
    if operation == "begin":
        acid.begin("crash")
    elif operation == "savepoint":
        acid.begin("crash")
        acid.savepoint()
    elif operation == "rollback":
        acid.begin("crash")
        acid.rollback(savepoint=1)
    elif operation == "commit":
        acid.begin("crash")
        acid.commit()
    elif operation == "isolated begin":
        acid.begin("crash", isolated=True)
    elif operation == "isolated commit":
        acid.begin("crash", isolated=True)
        acid.commit()


def child(request):
    killer = Killer(request["kill_at"])
    for owner, name in ((os, "write"), (os, "pwrite"), (os, "fsync"), (renames, "_renameat2")):
        killer.before(owner, name)
    killer.before(SavepointWriter, "send")
    killer.before(SavepointWriter, "_finish")
    sys.addaudithook(killer.audit)
    run(request["workspace"], request["store"], request["operation"])


def main():
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                child(json.loads(line))
                code = 0
            except BaseException as error:
                os.dup2(2, 1)
                sys.stderr.write(f"{type(error).__name__}: {error}\n")
                sys.stderr.flush()
            finally:
                os._exit(code)
        _, status = os.waitpid(pid, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


if __name__ == "__main__":
    main()
