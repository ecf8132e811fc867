"""The patterns that the walk sees in passing. Each function looks at one node; None is no hit."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any, NamedTuple

_IDENTIFIER = re.compile(r"[A-Za-z_]\w*")
SECRET_LENGTH = 16
_KNOWN_SECRETS = re.compile(
    r"(?P<aws_access_key>(?:AKIA|ASIA)[0-9A-Z]{16})"
    r"|(?P<github_token>gh[pousr]_[0-9A-Za-z]{36}|github_pat_\w{22,})"
    r"|(?P<model_provider_key>sk-(?:ant-|proj-)?[0-9A-Za-z_-]{20,})"
    r"|(?P<google_api_key>AIza[0-9A-Za-z_-]{35})"
    r"|(?P<slack_token>xox[baprs]-[0-9A-Za-z-]{10,})"
    r"|(?P<stripe_key>[sr]k_live_[0-9A-Za-z]{16,})"
    r"|(?P<gitlab_token>glpat-[0-9A-Za-z_-]{20})"
    r"|(?P<private_key>-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----\s*\S{20})"
)
_SECRET_NAME = re.compile(
    r"(?i)(?:^|_)(?:passwords?|passwd|pwd|secrets?|tokens?|api_?keys?|access_?keys?|private_?keys?|credentials?)$"
)
_SECRET_VALUE = re.compile(r"(?=.*[A-Za-z])(?=.*\d)[^\s{}<>$%]{6,}")
_MUTABLE_CALLS = {"list", "dict", "set", "bytearray", "defaultdict", "deque", "Counter", "OrderedDict"}
_SHELL_CALLS = {"os.system", "os.popen", "subprocess.getoutput", "subprocess.getstatusoutput"}
_NAMED_CALLS = {
    "eval": ("eval-used", "eval() runs any text as code - use ast.literal_eval or a table"),
    "exec": ("exec-used", "exec() runs any text as code - call a function instead"),
    "getstatusoutput": ("shell-used", "getstatusoutput() goes through a shell - use subprocess.run([...])"),
}
_JUMPS = (ast.Return, ast.Raise, ast.Continue, ast.Break)
_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_EXITS = {"sys.exit": "sys.exit()", "os._exit": "os._exit()", "exit": "exit()", "quit": "quit()"}


class Hit(NamedTuple):
    """A pattern that was found: the rule, the node and what to do."""

    rule: str
    node: ast.AST
    message: str
    symbol: str = ""


def last_name(node: ast.AST) -> str:
    """``c`` of ``a.b.c``, ``c`` and ``c[...]``; empty for anything else."""
    while isinstance(node, ast.Subscript):
        node = node.value
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def names_in(annotation: ast.AST) -> set[str]:
    """The names in an annotation, those in quotes too."""
    names: set[str] = set()
    for part in ast.walk(annotation):
        if type(part) is ast.Name:
            names.add(part.id)
        elif type(part) is ast.Constant and type(part.value) is str:
            names.update(_IDENTIFIER.findall(part.value))
    return names


def strings_in(node: ast.AST) -> list[str]:
    """The string items of a list or tuple of constants, and of sums of these."""
    if isinstance(node, ast.Constant):
        return [node.value] if isinstance(node.value, str) else []
    if isinstance(node, (ast.List, ast.Tuple, ast.Set)):
        return [text for item in node.elts for text in strings_in(item)]
    if isinstance(node, ast.BinOp):
        return strings_in(node.left) + strings_in(node.right)
    return []


def unreachable(body: list[ast.stmt]) -> Hit | None:
    """The first statement after one that always leaves the block."""
    for statement, following in pairwise(body):
        word = _leaves(statement)
        if word:
            # `return; yield` is the idiom for an empty generator.
            if isinstance(following, ast.Expr) and isinstance(following.value, (ast.Yield, ast.YieldFrom)):
                return None
            return Hit("unreachable-code", following, f"never runs: it comes after {word} - delete it")
    return None


def _leaves(statement: ast.stmt) -> str:
    """What makes a statement always leave its block, in words; empty when it may go on."""
    if isinstance(statement, _JUMPS):
        return type(statement).__name__.lower()
    found = _LEAVES.get(type(statement))
    return found(statement) if found is not None else ""


def _if_leaves(statement: ast.If) -> str:
    """An if leaves when it has an else and every branch leaves; a loop, as elifs may be hundreds."""
    while _leaves(statement.body[-1]):
        rest = statement.orelse
        if len(rest) == 1 and isinstance(rest[0], ast.If):
            statement = rest[0]
        else:
            return "an if whose branches all leave" if rest and _leaves(rest[-1]) else ""
    return ""


def _loop_leaves(statement: ast.While) -> str:
    endless = isinstance(statement.test, ast.Constant) and statement.test.value in (True, 1)
    return "a loop without an end" if endless and not _breaks(statement.body) else ""


def _call_leaves(statement: ast.Expr) -> str:
    called = statement.value.func if isinstance(statement.value, ast.Call) else None
    if isinstance(called, ast.Attribute) and isinstance(called.value, ast.Name):
        return _EXITS.get(f"{called.value.id}.{called.attr}", "")
    return _EXITS.get(called.id, "") if isinstance(called, ast.Name) else ""


_LEAVES: dict[type, Callable[[Any], str]] = {ast.If: _if_leaves, ast.While: _loop_leaves, ast.Expr: _call_leaves}


def _breaks(body: list[ast.stmt]) -> bool:
    """True when a ``break`` in a loop's body ends that loop."""
    stack: list[ast.AST] = list(body)
    while stack:
        node = stack.pop()
        if isinstance(node, ast.Break):
            return True
        if isinstance(node, (ast.For, ast.AsyncFor, ast.While)):
            stack.extend(node.orelse)
        elif isinstance(node, (ast.stmt, ast.ExceptHandler, ast.match_case)) and not isinstance(node, _SCOPES):
            stack.extend(ast.iter_child_nodes(node))
    return False


def catches(handler: ast.ExceptHandler, names: set[str]) -> bool:
    """True when a handler catches everything or one of the named exceptions."""
    if handler.type is None:
        return True
    types = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return any(last_name(item) in names for item in types)


def handler_hits(handler: ast.ExceptHandler) -> Iterator[Hit]:
    """``except:`` that does not raise again, and a broad handler that does nothing."""
    raises_again = any(isinstance(statement, ast.Raise) and statement.exc is None for statement in handler.body)
    if handler.type is None and not raises_again:
        message = "`except:` also stops Ctrl-C and exit - name the exceptions, or write `except Exception`"
        yield Hit("bare-except", handler, message)
    nothing = all(
        isinstance(item, (ast.Pass, ast.Continue))
        or (isinstance(item, ast.Expr) and isinstance(item.value, ast.Constant))
        for item in handler.body
    )
    if nothing and catches(handler, {"Exception", "BaseException"}):
        message = "the exception is swallowed - handle it, log it, or let it rise"
        yield Hit("swallowed-exception", handler, message)


def default_hits(function: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[Hit]:
    """Defaults that all calls would share, and passwords as defaults."""
    arguments = function.args
    positional = (*arguments.posonlyargs, *arguments.args)
    named = (*zip(reversed(positional), reversed(arguments.defaults), strict=False),)
    for argument, default in (*named, *zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)):
        if default is None:
            continue
        displayed = isinstance(default, (ast.List, ast.Dict, ast.Set, ast.ListComp, ast.DictComp, ast.SetComp))
        called = isinstance(default, ast.Call) and last_name(default.func) in _MUTABLE_CALLS
        if displayed or called:
            message = f"{function.name}() has a mutable default shared by all calls - use None and make it inside"
            yield Hit("mutable-default", default, message)
        secret = _named_secret(argument.arg, default)
        if secret is not None:
            yield secret


def irrefutable(pattern: ast.pattern) -> bool:
    """True for a pattern that matches anything: ``_``, a name, or alternatives with such."""
    if isinstance(pattern, ast.MatchAs):
        return pattern.pattern is None or irrefutable(pattern.pattern)
    return isinstance(pattern, ast.MatchOr) and any(irrefutable(item) for item in pattern.patterns)


def dangerous_call(call: ast.Call) -> Hit | None:
    """eval, exec, and commands that go through a shell."""
    called = call.func
    if isinstance(called, ast.Name) and called.id in _NAMED_CALLS:
        rule, message = _NAMED_CALLS[called.id]
        return Hit(rule, call, message)
    if isinstance(called, ast.Attribute) and isinstance(called.value, ast.Name):
        name = f"{called.value.id}.{called.attr}"
        if name in _SHELL_CALLS:
            return Hit("shell-used", call, f"{name}() goes through a shell - use subprocess.run([...])")
    if any(item.arg == "shell" and isinstance(item.value, ast.Constant) and item.value.value for item in call.keywords):
        return Hit("shell-used", call, "shell=True goes through a shell - pass a list of arguments")
    return None


def known_secret(constant: ast.Constant) -> Hit | None:
    """A string in the shape of a provider's key. The message names the kind, never the value."""
    value = constant.value
    match = _KNOWN_SECRETS.search(value.decode("latin-1") if isinstance(value, bytes) else str(value))
    return _secret(constant, (match.lastgroup or "secret").replace("_", " ")) if match else None


def assigned_secret(target: ast.expr, value: ast.expr) -> Hit | None:
    """``password = "..."``, also as an attribute or a key."""
    name = last_name(target)
    if isinstance(target, ast.Subscript) and isinstance(target.slice, ast.Constant):
        name = str(target.slice.value)
    return _named_secret(name, value)


def keyword_secret(keyword: ast.keyword) -> Hit | None:
    """``connect(password="...")``."""
    return _named_secret(keyword.arg or "", keyword.value)


def item_secret(key: ast.Constant, value: ast.expr) -> Hit | None:
    """``{"password": "..."}``."""
    return _named_secret(str(key.value), value) if isinstance(key.value, str) else None


def _named_secret(name: str, value: ast.expr) -> Hit | None:
    if not isinstance(value, ast.Constant) or not isinstance(value.value, str):
        return None
    text = value.value
    if not _SECRET_NAME.search(name) or not _SECRET_VALUE.fullmatch(text) or _KNOWN_SECRETS.search(text):
        return None
    return _secret(value, f"the value of {name!r}")


def _secret(node: ast.Constant, kind: str) -> Hit:
    message = f"a secret stands in the source ({kind}) - read it from the environment, and replace it: it is public now"
    return Hit("hardcoded-secret", node, message)
