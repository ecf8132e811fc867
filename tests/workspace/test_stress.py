"""A writer that never rests and processors that are all taken: what is stored is whole, or is said to be not."""

import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow

HOG = "while True: pass"
WRITER = """
import sys
letter = 0
print("ready", flush=True)
while True:
    with open(sys.argv[1], "r+b") as file:
        file.write(bytes([97 + letter % 26]) * 2_000_000)
    letter += 1
"""


@pytest.mark.parametrize("leases", [True, False])
def test_no_torn_content_is_stored_unnoticed_while_all_processors_are_taken(acid, workspace, leases):
    acid._line.scanner._leases = leases
    place = workspace / "hot"
    place.write_bytes(b"a" * 2_000_000)
    hogs = [subprocess.Popen([sys.executable, "-c", HOG]) for _ in range(2 * (os.cpu_count() or 1))]
    writer = subprocess.Popen([sys.executable, "-c", WRITER, place], stdout=subprocess.PIPE)
    try:
        assert writer.stdout.readline() == b"ready\n"
        for _ in range(15):
            made = acid.savepoint()
            (data,) = acid._store.git.blobs([acid._line.manifest(made).files["hot"].blob])
            assert len(set(data)) == 1 or "hot" in made.about["unstable"]
    finally:
        for process in (writer, *hogs):
            process.kill()
            process.wait()
        writer.stdout.close()
