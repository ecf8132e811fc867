"""Copies are found however they are dressed, and look-alikes that are meant are not."""

import shutil

import pytest

from sentinel import Config, Sentinel

HASH = '''import hashlib


def hash_password(password, salt):
    """Hash a password."""
    data = (salt + password).encode()
    for _ in range(1000):
        data = hashlib.sha256(data).digest()
    return data.hex()
'''
RENAMED = """import hashlib


def secure(pw: str, pepper: str) -> str:
    # another name, the same work
    raw = (pepper + pw).encode()
    for _ in range(1000):
        raw = hashlib.sha256(raw).digest()
    return raw.hex()
"""
CONSTANTS = RENAMED.replace("1000", "5000")
LONG = """def load(path, limit):
    rows = []
    with open(path) as file:
        header = file.readline().split(",")
        for line in file:
            cells = line.rstrip().split(",")
            if len(cells) != len(header):
                raise ValueError(line)
            rows.append(dict(zip(header, cells)))
    rows.sort(key=str)
    return rows[:limit]
"""
NEAR = LONG.replace("def load", "def read").replace(
    "    rows.sort(key=str)\n", "    print(len(rows))\n    rows.sort(key=str)\n"
)


@pytest.fixture
def sentinel(tmp_path):
    (tmp_path / "auth").mkdir()
    (tmp_path / "auth" / "utils.py").write_text("# Shared helpers.\n\n\n\n" + HASH)
    (tmp_path / "io.py").write_text(LONG)
    return Sentinel(root=tmp_path, config=Config())


def only(result):
    (finding,) = result.findings
    return finding


def test_the_message_is_an_instruction_that_names_the_place(sentinel):
    finding = only(sentinel.check_file("handlers.py", HASH))
    assert finding.message == (
        "hash_password() already exists in auth/utils.py:8 - reuse it: delete this copy and import it"
    )
    assert (finding.rule, finding.severity, finding.line) == ("duplicate-function", "critical", 4)
    assert (finding.related.path, finding.related.line) == ("auth/utils.py", 8)


@pytest.mark.parametrize(
    ("code", "rule"),
    [
        (HASH, "duplicate-function"),
        (RENAMED, "duplicate-function"),
        (CONSTANTS, "duplicate-constants"),
        (NEAR, "near-duplicate"),
    ],
)
def test_a_copy_is_found_through_its_disguise(sentinel, code, rule):
    assert only(sentinel.check_file("copy.py", code)).rule == rule


def test_a_copy_with_its_statements_in_another_order_is_found(tmp_path):
    lines = ["    self.a = job.first()", "    self.b = job.second()", "    log(job)", "    self.c = job.third()"]
    lines += ["    if job.done:", "        return self.a", "    return self.b"]
    (tmp_path / "one.py").write_text("\n".join(["def take(self, job):", *lines]) + "\n")
    swapped = [lines[3], lines[1], lines[2], lines[0], *lines[4:]]
    text = "\n".join(["def other(self, job):", *swapped]) + "\n"
    finding = only(Sentinel(root=tmp_path, config=Config()).check_file("two.py", text))
    assert finding.rule == "near-duplicate"
    assert finding.message.startswith("take() already exists in one.py:1, with the same statements in another order")


def test_a_function_of_the_same_name_that_does_a_similar_thing_is_named(sentinel):
    other = HASH.replace(
        "        data = hashlib.sha256(data).digest()\n", "        data = hashlib.md5(data).digest()[:4]\n"
    )
    other = other.replace("return data.hex()", "return str(data) + salt")
    assert only(sentinel.check_file("b.py", other)).rule == "reimplemented-name"


def test_a_copy_in_the_same_file_is_found(sentinel):
    finding = only(sentinel.check_file("auth/utils.py", "# Shared helpers.\n\n\n\n" + HASH + "\n\n" + RENAMED[16:]))
    assert finding.symbol == "secure"
    assert finding.message.endswith("auth/utils.py:8 - reuse it: delete this copy and call it")


def test_the_original_is_never_called_the_copy(sentinel):
    sentinel.check_file("copy.py", HASH)
    assert sentinel.check_file("auth/utils.py", HASH + "\n\nX = 1\n").clean


def test_an_edited_original_stays_the_original(sentinel):
    sentinel.check_file("copy.py", HASH)
    edited = HASH.replace("data = (salt", "data = (salt.strip()")
    sentinel.check_file("auth/utils.py", edited)
    assert sentinel.check_file("auth/utils.py", HASH).clean


def test_a_deleted_file_holds_no_originals(sentinel):
    sentinel.index()
    sentinel.project.forget("auth/utils.py")
    assert sentinel.check_file("copy.py", HASH).clean


def test_a_function_that_was_deleted_is_no_original(sentinel):
    sentinel.check_file("auth/utils.py", "X = 1\n")
    assert sentinel.check_file("copy.py", HASH).clean


def test_a_moved_file_is_named_by_its_new_path(sentinel, tmp_path):
    sentinel.index()
    sentinel.project.index.move("auth/utils.py", "auth/passwords.py")
    shutil.move(tmp_path / "auth" / "utils.py", tmp_path / "auth" / "passwords.py")
    assert "auth/passwords.py:8" in only(sentinel.check_file("copy.py", HASH)).message


def test_moved_lines_move_the_place_in_the_message(sentinel):
    sentinel.check_file("auth/utils.py", "# one line\n" + HASH)
    assert "auth/utils.py:5" in only(sentinel.check_file("copy.py", HASH)).message


def in_class(header, code=HASH):
    body = "\n".join("    " + line if line else "" for line in code.split("\n")[3:])
    return f"import hashlib\n\n\n{header}\n{body}\n"


LOOK_ALIKES = {
    "an async twin": HASH.replace("def hash", "async def hash"),
    "an overload": HASH.replace("def hash", "@overload\ndef hash"),
    "an abstract method": in_class("class A:", HASH.replace("def hash", "@abstractmethod\ndef hash")),
    "a test": HASH.replace("hash_password", "test_hash"),
    "another function": HASH.replace("sha256(data).digest()", "other(data, salt)[3:]").replace("encode", "strip"),
}


@pytest.mark.parametrize("name", LOOK_ALIKES)
def test_what_is_alike_on_purpose_is_no_duplicate(sentinel, name):
    found = sentinel.check_file("copy.py", LOOK_ALIKES[name]).findings
    assert [item for item in found if item.rule == "duplicate-function"] == []


def test_an_override_is_no_duplicate_and_a_stranger_with_that_method_is(sentinel):
    sentinel.check_file("base.py", in_class("class Base:").replace("(password", "(self, password"))
    sentinel.project.forget("auth/utils.py")
    override = in_class("class Child(Base):").replace("(password", "(self, password")
    assert sentinel.check_file("child.py", override).clean
    stranger = in_class("class Stranger:").replace("(password", "(self, password")
    assert only(sentinel.check_file("stranger.py", stranger)).rule == "duplicate-function"


def test_a_wrapper_and_its_async_twin_are_no_duplicates(tmp_path):
    wrap = f"def wrap(call):\n{''.join('    ' + line for line in LONG.splitlines(True))}    return load\n"
    twin = wrap.replace("def wrap", "def awrap").replace("    def load", "    async def load")
    assert Sentinel(root=tmp_path, config=Config()).check_file("a.py", f"{wrap}\n\n{twin}").clean
    again = wrap.replace("def wrap", "def envelop")
    found = Sentinel(root=tmp_path, config=Config()).check_file("a.py", f"{wrap}\n\n{again}").findings
    assert {item.rule for item in found} == {"duplicate-function"}


def test_methods_of_a_class_and_its_async_twin_may_be_near_and_not_the_same(tmp_path):
    method = "".join("    " + line for line in LONG.replace("def load(", "def load(self, ").splitlines(True))
    near = method.replace("        rows.sort(key=str)\n", "        print(len(rows))\n        rows.sort(key=str)\n")

    def found(name, code):
        text = f"class Client:\n{method}\n\nclass {name}:\n{code}"
        return [item.rule for item in Sentinel(root=tmp_path, config=Config()).check_file("a.py", text).findings]

    assert found("AsyncClient", near) == []
    assert found("OtherClient", near) == ["near-duplicate"]
    assert found("AsyncClient", method) == ["duplicate-function"]


def test_a_nested_function_is_no_duplicate_of_its_parent(tmp_path):
    inner = "\n".join("    " + line for line in LONG.rstrip().split("\n"))
    code = f"def outer(path, limit):\n{inner}\n    return load(path, limit)\n"
    found = Sentinel(root=tmp_path, config=Config()).check_file("a.py", code).findings
    assert [item.rule for item in found if item.related] == []


def test_getters_and_alternatives_of_one_name_are_no_duplicates(tmp_path):
    code = f"if fast:\n{''.join('    ' + line for line in LONG.splitlines(True))}else:\n"
    code += "".join("    " + line for line in LONG.replace("limit]", "limit + 1]").splitlines(True))
    found = Sentinel(root=tmp_path, config=Config()).check_file("a.py", code).findings
    assert [item.rule for item in found if item.related] == []
