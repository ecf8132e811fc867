"""Each rule on code written by hand: where it speaks, and where it must not."""

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from sentinel import Config, Sentinel, cli
from sentinel.report import FORMATS

CLEAN = '''
import os


def area(width, height):
    """Area in square metres."""
    return width * height + len(os.sep)
'''
# (rule, code that breaks it, line of the finding, the same done right)
CASES = [
    (
        "bare-except",
        "try:\n    f()\nexcept:\n    log()\n",
        3,
        "try:\n    f()\nexcept ValueError:\n    log()\n",
    ),
    (
        "bare-except",
        "try:\n    f()\nexcept:\n    log()\n",
        3,
        "try:\n    f()\nexcept:\n    log()\n    raise\n",
    ),
    (
        "swallowed-exception",
        "try:\n    f()\nexcept Exception:\n    pass\n",
        3,
        "try:\n    f()\nexcept KeyError:\n    pass\n",
    ),
    (
        "mutable-default",
        "def f(a, b=[]):\n    return a, b\n",
        1,
        "def f(a, b=()):\n    return a, b\n",
    ),
    ("mutable-default", "def f(*, b=dict()):\n    return b\n", 1, "def f(*, b=None):\n    return b\n"),
    ("unused-import", "import json\n", 1, "import json\nprint(json)\n"),
    ("unused-import", "import os.path as p\n", 1, "import os.path as p\n__all__ = ['p']\n"),
    ("unused-import", "from a import b\n", 1, "from a import b as b\n"),
    (
        "unused-import",
        "from a import b\n",
        1,
        "try:\n    from a import b\nexcept ImportError:\n    b = None\n",
    ),
    (
        "unused-import",
        "from a import B\ndef f(B): return B\n",
        1,
        "from a import B\ndef f(x: 'list[B]'): return x\n",
    ),
    ("unused-import", "def f():\n    import json\n", 2, "def f():\n    import json\n    return json\n"),
    ("unused-local", "def f():\n    x = 1\n    return 2\n", 2, "def f():\n    x = 1\n    return lambda: x\n"),
    (
        "unused-local",
        "def f():\n    try:\n        g()\n    except OSError as e:\n        g()\n",
        4,
        "def f():\n    x = 1\n    return locals()\n",
    ),
    ("unused-local", "def f():\n    x = 1\n", 2, "def f():\n    a, b = g()\n    return a\n"),
    ("unused-local", "def f():\n    x = 1\n", 2, "def f():\n    global x\n    x = 1\n"),
    ("unreachable-code", "def f():\n    return 1\n    g()\n", 3, "def f():\n    return 1\n"),
    ("unreachable-code", "for i in a:\n    break\n    g()\n", 3, "def f():\n    return\n    yield\n"),
    ("stub-left", "def f():\n    pass\n", 1, "class A:\n    def f(self):\n        pass\n"),
    (
        "stub-left",
        "def f():\n    # TODO: implement\n    raise NotImplementedError\n",
        1,
        "@overload\ndef f(): ...\n",
    ),
    ("stub-left", "x = 1\n# ... rest of the code unchanged ...\n", 2, "x = '# ... rest of the code'\n"),
    ("eval-used", "eval(x)\n", 1, "ast.literal_eval(x)\n"),
    ("exec-used", "exec(x)\n", 1, "cursor.exec(x)\n"),
    ("shell-used", "run(x, shell=True)\n", 1, "run([x], shell=False)\n"),
    ("shell-used", "os.system(x)\n", 1, "os.getpid()\n"),
    ("hardcoded-secret", "password = 'hunter2go'\n", 1, "password = os.environ['PASSWORD']\n"),
    ("hardcoded-secret", "connect(api_key='k3y-v4lue')\n", 1, "connect(api_key='<your key 1>')\n"),
    ("hardcoded-secret", "key = 'AKIAIOSFODNN7EXAMPLE'\n", 1, "token_url = 'https://a.b/1'\n"),
    ("syntax-error", "def f(:\n", 1, "def f(): return 1\n"),
    ("hardcoded-secret", "x = {'password': 'hunter2go'}\n", 1, "x = {'password': ''}\n"),
    ("hardcoded-secret", "def f(token='abc123def'): return token\n", 1, "def f(token='default'): return token\n"),
    (
        "hardcoded-secret",
        "def f(*, a, token='abc123def'): return token\n",
        1,
        "def f(*, token, a='b1c2d3e4'): return a\n",
    ),
    ("hardcoded-secret", "key = b'AKIAIOSFODNN7EXAMPLE'\n", 1, "key = b'AKIA'\n"),
    ("hardcoded-secret", "if password == 'hunter2go': f()\n", 1, "if password < 'hunter2go': f()\n"),
    ("shell-used", "run(x, shell=1)\n", 1, "run(x, shell=0)\n"),
    (
        "shell-used",
        "getstatusoutput(x)\n",
        1,
        "def f(getstatusoutput): return getstatusoutput(1)\n",
    ),
    ("eval-used", "def f(x):\n    return eval(x)\n", 2, "def f(x):\n    from engine import eval\n    return eval(x)\n"),
    (
        "unreachable-code",
        "def f(a):\n    if a:\n        return 1\n    else:\n        raise E\n    g()\n",
        6,
        "def f(a):\n    if a:\n        return 1\n    g()\n",
    ),
    (
        "unreachable-code",
        "def f(a):\n    if a:\n        return 1\n    elif g:\n        return 2\n    else:\n        return 3\n    g()\n",
        8,
        "def f(a):\n    if a:\n        return 1\n    elif g:\n        return 2\n    g()\n",
    ),
    (
        "unreachable-code",
        "def f():\n    while True:\n        for a in b:\n            break\n    g()\n",
        5,
        "def f():\n    while True:\n        try:\n            g()\n        except E:\n            break\n    g()\n",
    ),
    ("unreachable-code", "def f():\n    sys.exit(1)\n    g()\n", 3, "def f():\n    sys.exit\n    g()\n"),
    (
        "unused-import",
        "from a import (\n    b,\n    c,\n)\nprint(b)\n",
        3,
        "from a import (\n    b,  # noqa: F401\n)\n",
    ),
    ("unused-import", "from a import B\nx = row['B']\n", 1, "from a import B\nX = Union[int, 'B']\n"),
    ("unused-import", "import a.b\n", 1, "import a as c\nimport a.b\nprint(c.b)\n"),
    (
        "unused-local",
        "try:\n    f()\nexcept E as error:\n    g()\n",
        3,
        "try:\n    f()\nexcept E as error:\n    g(error)\n",
    ),
    (
        "unused-local",
        "def f():\n    x = 1\n",
        2,
        "def f():\n    x = 1\n    def g():\n        nonlocal x\n        x = 2\n    return g\n",
    ),
]


def check(tmp_path, code, name="a.py", config=None):
    return Sentinel(root=tmp_path, config=config or Config()).check_file(name, code)


def rules(result):
    return [finding.rule for finding in result.findings]


@pytest.mark.parametrize(("rule", "wrong", "line", "right"), CASES)
def test_a_rule_names_the_line_and_leaves_right_code_alone(tmp_path, rule, wrong, line, right):
    found = [(finding.rule, finding.line) for finding in check(tmp_path, wrong).findings]
    assert (rule, line) in found
    assert rule not in rules(check(tmp_path, right))


def test_clean_code_has_no_finding_and_no_feedback(tmp_path):
    result = check(tmp_path, CLEAN)
    assert result.clean
    assert result.feedback() == ""


def long_function(lines):
    return "def f(a):\n" + "".join(f"    a += {i}\n" for i in range(lines - 2)) + "    return a\n"


BRANCHY = "def f(a):\n" + "".join(f"    if a == {i}:\n        a += 1\n" for i in range(8)) + "    return a\n"
NESTED = "def f(a):\n" + "".join(f"{'    ' * (i + 1)}for b{i} in a:\n" for i in range(5)) + "    " * 6 + "print(a)\n"


@pytest.mark.parametrize(
    ("rule", "code", "value", "limit"),
    [
        ("function-too-long", long_function(41), 41, 40),
        ("too-complex", BRANCHY, 9, 8),
        ("too-many-parameters", "def f(a, b, c, d, e, *, g):\n    return a\n", 6, 5),
        ("nested-too-deep", NESTED, 5, 4),
        (
            "too-many-returns",
            "def f(a):\n" + "".join(f"    with a:\n        return {i}\n" for i in range(7)),
            7,
            6,
        ),
        (
            "too-many-branches",
            "def f(a):\n" + "".join(f"    for b in a:\n        a = {i}\n" for i in range(13)),
            13,
            12,
        ),
        # Source of the count: SonarSource's paper, B1-B3: 1+2+3+4+5 for the loops, 1 for `and`.
        ("too-cognitive", NESTED.replace("print(a)", "print(a and b0)"), 16, 15),
    ],
)
def test_a_threshold_is_crossed_by_one_and_kept_at_the_limit(tmp_path, rule, code, value, limit):
    found = {finding.rule: finding for finding in check(tmp_path, code).findings}
    assert (found[rule].value, found[rule].limit) == (value, limit)
    assert str(value) in found[rule].message
    field = {
        "function-too-long": "max_function_lines",
        "too-complex": "max_complexity",
        "too-many-parameters": "max_parameters",
        "nested-too-deep": "max_nesting",
        "too-many-returns": "max_returns",
        "too-many-branches": "max_branches",
        "too-cognitive": "max_cognitive",
    }[rule]
    assert rule not in rules(check(tmp_path, code, config=Config(**{field: value})))


# Source: G. Ann Campbell, Cognitive Complexity, SonarSource 2023, its examples written in Python.
COGNITIVE = {
    "loops in loops": (
        6,
        """
def sum_of_primes(limit):
    total = 0
    for i in range(limit):
        for j in range(2, i):
            if i % j == 0:
                continue
        total += i
    return total
""",
    ),
    "a switch counts once": (
        1,
        """
def get_words(number):
    match number:
        case 1:
            return "one"
        case 2:
            return "a couple"
        case _:
            return "lots"
""",
    ),
    "try, catch and nesting": (
        9,
        """
def my_method():
    try:
        if condition1:
            for i in range(10):
                while condition2:
                    pass
    except (A, B):
        if condition2:
            pass
""",
    ),
    "a function in a function": (
        2,
        """
def my_method2():
    def run():
        if condition1:
            pass
    return run
""",
    ),
    "a lambda": (2, "def f():\n    return lambda a: 1 if a else 2\n"),
    "changing operators": (4, "def f(a, b, c, d, e, g):\n    if a and b and c or d or e and g:\n        pass\n"),
    "a negated group": (3, "def f(a, b, c):\n    if a and not (b and c):\n        pass\n"),
    "recursion": (2, "def fib(n):\n    if n < 2:\n        return n\n    return fib(n - 1) + fib(n - 2)\n"),
    "recursion of a method": (
        2,
        "class A:\n    def m(self, n):\n        if n:\n            return self.m(n - 1)\n        return m(1)\n",
    ),
    "overriddenSymbolFrom": (
        19,
        """
def overridden_symbol_from(class_type, members):
    if class_type.is_unknown():
        return UNKNOWN
    unknown_found = False
    for symbol in members:
        if symbol.is_kind(MTH) and not symbol.is_static():
            if can_override(symbol):
                overriding = check(symbol, class_type)
                if overriding is None:
                    if not unknown_found:
                        unknown_found = True
                elif overriding:
                    return symbol
    if unknown_found:
        return UNKNOWN
    return None
""",
    ),
    "toRegexp": (
        20,
        """
def to_regexp(pattern, separator):
    out = ["^"]
    i = 1 if pattern.startswith("/") or pattern.startswith("x") else 0
    while i < len(pattern):
        ch = pattern[i]
        if ch in SPECIAL:
            out.append(ch)
        elif ch == "*":
            if i + 1 < len(pattern) and pattern[i + 1] == "*":
                if i + 2 < len(pattern) and is_slash(pattern[i + 2]):
                    i += 2
                else:
                    i += 1
            else:
                out.append(".")
        elif ch == "?":
            out.append("[^")
        elif is_slash(ch):
            out.append(separator)
        else:
            out.append(ch)
        i += 1
    return "".join(out)
""",
    ),
}


@pytest.mark.parametrize("name", COGNITIVE)
def test_cognitive_complexity_is_that_of_the_published_examples(tmp_path, name):
    expected, code = COGNITIVE[name]
    found = check(tmp_path, code, config=Config(max_cognitive=0)).findings
    outermost = next(item for item in found if item.rule == "too-cognitive")
    assert outermost.value == expected


def test_a_docstring_makes_no_function_longer(tmp_path):
    described = long_function(40).replace("a):\n", 'a):\n    """One.\n\n    Two.\n    """\n', 1)
    assert check(tmp_path, described).clean
    longer = described.replace("    a += 1\n", "    a += 1\n    a += 1\n", 1)
    (finding,) = check(tmp_path, longer).findings
    assert finding.value == 41


def test_what_another_module_imports_from_here_is_no_unused_import(tmp_path):
    (tmp_path / "pkg").mkdir()
    (tmp_path / "pkg" / "compat.py").write_text("import json\nfrom io import StringIO\nfrom os import sep\n")
    (tmp_path / "pkg" / "a.py").write_text(
        "def f():\n    from .compat import json, StringIO as S\n    return json, S\n"
    )
    sentinel = Sentinel(root=tmp_path, config=Config())
    assert [item.message.split()[0] for item in sentinel.scan()] == ["'os.sep'"]
    sentinel.check_file("pkg/a.py", "from pkg.compat import *\n")
    assert sentinel.check_file("pkg/compat.py").clean
    sentinel.project.forget("pkg/a.py")
    assert len(sentinel.check_file("pkg/compat.py").findings) == 3


@pytest.mark.parametrize("head", ["self, *, _a, _b", "self, _, a"])
def test_a_parameter_that_is_there_to_be_ignored_is_none(tmp_path, head):
    code = f"class A:\n    def f({head}, b, c, d, e=1):\n        return a, b, c, d, e\n"
    assert "too-many-parameters" not in rules(check(tmp_path, code))


def test_a_stub_file_has_no_stubs_left_behind(tmp_path):
    code = "def f() -> int: ...\n"
    assert rules(check(tmp_path, code)) == ["stub-left"]
    assert check(tmp_path, code, "a.pyi").clean


def test_self_is_no_parameter(tmp_path):
    code = "class A:\n    def f(self, a, b, c, d, e):\n        return a, b, c, d, e\n"
    assert rules(check(tmp_path, code)) == []


SECRETS = {
    "AKIAIOSFODNN7EXAMPLE": "key = {!r}",
    "sk-ant-api03-abcdefghijklmnopqrstuv": "client(key={!r}.strip())",
    "ghp_0123456789abcdefghijklmnopqrstuvwxyz": "x = b{!r}",
    "hunter2go": "password = {!r}",
    "pa55word-of-mine": "config = {{'password': {!r}}}",
    "abc123def456": "def f(token={!r}): return token",
    "tr0ub4dor": "if api_key == {!r}: x()",
    "c0rrecthorse": "y = f'{{password}}'; connect(password={!r})",
    "-----BEGIN RSA PRIVATE KEY-----\nMIIEowIBAAKCAQEAz9dKQ2f4": "k = {!r}",
    "s3cret-in-a-comment": "z = 1  # {} # sentinel: ignore[B006]",
}


def test_a_secret_is_never_echoed_nor_stored(in_tmp, capsys, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(in_tmp / "cache"))
    Path("a.py").write_text("\n".join(form.format(secret) for secret, form in SECRETS.items()) + "\n")
    shown = []
    for argv in (
        *(["scan", "a.py", "--format", form, "--no-baseline"] for form in FORMATS),
        ["baseline", "a.py"],
    ):
        with pytest.raises(SystemExit):
            cli.main(argv)
        shown.append(capsys.readouterr().out)
    assert json.loads(shown[1])["findings"][0]["rule"] == "hardcoded-secret"
    assert len([item for item in json.loads(shown[1])["findings"] if item["rule"] == "hardcoded-secret"]) == 9
    frames = []
    recorder = SimpleNamespace(record_step=lambda *arguments, **options: frames.append((arguments, options)))
    sentinel = Sentinel(recorder, Config(), root=in_tmp)
    shown.append(sentinel.check_file("b.py", Path("a.py").read_text()).feedback(100))
    shown.append(repr(frames))
    shown.append(sentinel.to_pandas().to_csv())
    sentinel.store_index()
    (stored,) = (in_tmp / "cache").rglob("*.index")
    shown.append(stored.read_bytes().decode("latin-1"))
    shown.append(Path(".sentinel-baseline.json").read_text())
    for secret in SECRETS:
        part = secret.partition("\n")[2] or secret
        assert [text for text in shown if part in text] == []


STANDARD = ["asyncio", "email", "concurrent", "unittest", "distutils", "logging", "http"]
OPTION = {
    "C901": "mccabe.max-complexity",
    "PLR0911": "pylint.max-returns",
    "PLR0912": "pylint.max-branches",
    "PLR0913": "pylint.max-args",
}


def ruff(root, select, *options):
    """What ruff finds: code, path and line, with its message."""
    argv = [sys.executable, "-m", "ruff", "check", "--isolated", "--no-cache", "--output-format", "json"]
    argv += ["--select", ",".join(select), str(root)]
    for option in options:
        argv += ["--config", option]
    report = json.loads(subprocess.run(argv, capture_output=True, text=True, check=False).stdout)
    return {
        (item["code"], str(Path(item["filename"]).relative_to(root)), item["location"]["row"]): item["message"]
        for item in report
    }


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    """A part of the standard library, copied."""
    root = tmp_path_factory.mktemp("library")
    source = Path(json.__file__).parent.parent
    for folder in STANDARD:
        for file in (source / folder).rglob("*.py"):
            copy = root / file.relative_to(source)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(file.read_bytes())
    return root


@pytest.mark.slow
def test_measures_equal_ruffs_on_every_function_of_the_standard_library(library):
    config = Config(max_complexity=0, max_branches=0, max_returns=0, max_parameters=0, near_duplicate=1.0)
    found = Sentinel(root=library, config=config).scan()
    ours = {(item.code, item.path, item.line): item.value for item in found if item.code in OPTION}
    expected = {
        place: float(message.split("(")[-1].split(" > ")[0])
        for place, message in ruff(library, OPTION, *(f"lint.{option}=0" for option in OPTION.values())).items()
    }
    assert len(expected) > 8000
    assert ours == expected


@pytest.mark.slow
def test_other_rules_find_what_ruff_finds_in_the_standard_library(library):
    same = {"E722", "S110", "S102", "S602", "B006"}
    expected = ruff(library, [*same, "S112", "S605", "F841"])
    also = {"S112": "S110", "S605": "S602"}
    expected = {(also.get(code, code), *place) for code, *place in expected}
    found = {(item.code, item.path, item.line) for item in Sentinel(root=library, config=Config()).scan()}
    ours = {place for place in found if place[0] in same}
    assert len(ours) > 20
    assert ours == {place for place in expected if place[0] in same}
    locals_ = {place for place in found if place[0] == "F841"}
    assert len(locals_) > 10
    # Ruff tells each assignment of a name apart; here a name that is read anywhere is used.
    assert locals_ <= expected
