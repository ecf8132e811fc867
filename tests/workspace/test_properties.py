"""Any sequence of writes, links, moves, savepoints, rollbacks, undos and reopens, on hostile names."""

import os
import shutil
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from agent_vcr_nb import ACIDWorkspace
from tests.workspace.conftest import snapshot

NAMES = st.sampled_from(
    ["a", "b", "c", "é", "n\nl", "-x", ".env", " sp ", 'Q"\\', os.fsdecode(b"\xff"), "*", ":(top)", "node_modules.d"]
)
PATHS = st.lists(NAMES, min_size=1, max_size=3).map("/".join)
DATA = st.one_of(st.binary(max_size=40), st.sampled_from([b"a\r\nb\r\n", b"$Id$\n", b"", b"\0" * 9000]))


class Tree(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        self.base = Path(tempfile.mkdtemp())
        self.root = self.base / "ws"
        self.root.mkdir()
        (self.base / "outside").mkdir()
        (self.base / "outside/a").write_text("EXTERNAL")
        self.acid = ACIDWorkspace(self.root, store=self.base / "store")
        self.known = {self.acid.begin().savepoint.number: {}}

    def make_way(self, path):
        """Return the place of a path, with nothing there and real directories above it."""
        place = self.root
        for part in path.split("/")[:-1]:
            place = place / part
            if place.is_symlink() or (place.exists() and not place.is_dir()):
                place.unlink()
            place.mkdir(exist_ok=True)
        place = self.root / path
        if place.is_symlink() or place.is_file():
            place.unlink()
        elif place.is_dir():
            shutil.rmtree(place)
        return place

    def is_inside(self, path):
        place = self.root / path
        return os.path.lexists(place) and self.root in (place.parent.resolve() / "x").parents

    @rule(path=PATHS, data=DATA, mode=st.sampled_from([0o644, 0o755, 0o600, 0o444, 0o700]))
    def write(self, path, data, mode):
        place = self.make_way(path)
        place.write_bytes(data)
        place.chmod(mode)

    @rule(path=PATHS, data=DATA)
    def write_in_place_with_a_forged_mtime(self, path, data):
        place = self.root / path
        if self.is_inside(path) and place.is_file() and not place.is_symlink():
            was = place.stat()
            with open(place, "r+b") as file:
                file.write(data)
            os.utime(place, ns=(was.st_atime_ns, was.st_mtime_ns))

    @rule(path=PATHS, leads_to=st.sampled_from(["a", "../outside", "/etc/passwd", "nowhere"]))
    def link(self, path, leads_to):
        self.make_way(path).symlink_to(leads_to)

    @rule(path=PATHS, mode=st.sampled_from([0o755, 0o700, 0o2775]))
    def make_directory(self, path, mode):
        place = self.make_way(path)
        place.mkdir()
        place.chmod(mode)

    @rule(path=PATHS)
    def remove(self, path):
        if self.is_inside(path):
            self.make_way(path)

    @rule(source=PATHS, destination=PATHS)
    def move(self, source, destination):
        nested = (destination + "/").startswith(source + "/") or (source + "/").startswith(destination + "/")
        if not nested and self.is_inside(source):
            os.rename(self.root / source, self.base / "moving")
            os.rename(self.base / "moving", self.make_way(destination))

    @rule()
    def savepoint(self):
        self.known[self.acid.savepoint().number] = snapshot(self.root)

    @rule(which=st.integers(0, 50))
    def rollback(self, which):
        number = sorted(self.known)[which % len(self.known)]
        before = snapshot(self.root)
        plan = self.acid.preview(savepoint=number)
        assert snapshot(self.root) == before
        done = self.acid.rollback(savepoint=number)
        assert done.plan == plan
        assert snapshot(self.root) == self.known[number]
        self.known[done.safety.number] = before

    @rule()
    def undo(self):
        before = snapshot(self.root)
        if self.acid._line.last_operation():
            done = self.acid.undo()
            assert snapshot(self.root) == self.known[done.to.number]
            self.known[done.safety.number] = before

    @rule()
    def reopen(self):
        before = snapshot(self.root)
        self.acid.close()
        self.acid = ACIDWorkspace(self.root, store=self.base / "store")
        self.known[self.acid.begin().savepoint.number] = before
        assert snapshot(self.root) == before

    @invariant()
    def nothing_outside_is_touched(self):
        assert snapshot(self.base / "outside").keys() == {"a"}
        assert (self.base / "outside/a").read_text() == "EXTERNAL"

    def teardown(self):
        self.acid.close()
        shutil.rmtree(self.base)


Tree.TestCase.settings = settings(
    max_examples=8, stateful_step_count=16, deadline=None, suppress_health_check=list(HealthCheck)
)
TestAnySequenceOfChangesComesBackExactly = Tree.TestCase
