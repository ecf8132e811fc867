"""The committed front end was built from the sources in the tree; no Node is needed to check it."""

import hashlib
import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
SOURCES = ROOT / "widgets/src"
STATIC = ROOT / "agent_vcr_nb/notebook/static"


def test_the_bundles_were_built_from_these_sources():
    digest = hashlib.sha256()
    for name in sorted(path.relative_to(SOURCES).as_posix() for path in SOURCES.rglob("*") if path.is_file()):
        digest.update(name.encode() + b"\0" + (SOURCES / name).read_bytes() + b"\0")
    built_from = {}
    for path in [*STATIC.glob("*.js"), *STATIC.glob("*.css")]:
        with path.open(encoding="utf-8") as bundle:
            built_from[path.name] = re.findall(r"built from widgets/src sha256:(\w+)", bundle.readline())
    # The names too: an entry that was never built is as stale as an edited one.
    entries = [*SOURCES.glob("*.js"), *SOURCES.glob("*.css")]
    assert built_from == {path.name: [digest.hexdigest()] for path in entries}, "run `make widgets`"


def test_the_licences_of_what_is_bundled_are_shipped():
    licences = (STATIC / "THIRD_PARTY_LICENSES.txt").read_text(encoding="utf-8")
    assert "vanilla-jsoneditor 3.13.0 (ISC)" in licences
    assert "ships no licence text" not in licences


def test_the_bundles_ask_no_other_server_for_anything():
    loads = re.compile(r"""(?:\bimport\s*\(|\bfrom\s*|@import\s*|url\()\s*["']?(?:https?:)?//""")
    for path in [*STATIC.glob("*.js"), *STATIC.glob("*.css")]:
        assert loads.findall(path.read_text(encoding="utf-8")) == [], path.name
