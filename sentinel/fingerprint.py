"""Turn a function into a fingerprint that finds its copies: exact, renamed, other constants or order, nearly the same.

The body becomes a list of tokens without formatting, comments, docstrings, annotations and decorators. Local
names are what a function binds itself: they may differ between copies. Names of globals, attributes and
keywords say what a function does: they may not.
"""

from __future__ import annotations

import ast
import hashlib
import zlib
from array import array
from collections.abc import Callable
from typing import Any

from sentinel.facts import Fingerprint

RUN = 5
"""Tokens of a shingle."""
MIN_TOKENS = 18
"""Shorter bodies are alike by chance."""
BITS_32 = (1 << 32) - 1
_SKIPPED = {
    "ctx",
    "type_comment",
    "annotation",
    "returns",
    "decorator_list",
    "type_params",
    "type_ignores",
    "kind",
}
_BLOCKS = {"body", "orelse", "finalbody", "handlers", "cases"}
_CONTROL = (
    ast.If,
    ast.For,
    ast.While,
    ast.Try,
    ast.With,
    ast.AsyncFor,
    ast.AsyncWith,
    ast.Match,
    ast.IfExp,
    ast.comprehension,
)
_ASYNC = (ast.Await, ast.AsyncFor, ast.AsyncWith)
_fields: dict[type, tuple[tuple[str, bool], ...]] = {}
_token_ids: dict[str, int] = {}


class Tokens:
    """The token list of one function; ``names`` and ``constants`` are positions in ``out``."""

    __slots__ = ("awaits", "constants", "control", "locals", "names", "out", "starts")

    def __init__(self) -> None:
        self.out: list[Any] = []
        self.names: list[int] = []
        self.constants: list[int] = []
        self.locals: set[str] = set()
        self.starts: list[int] = []
        self.control = 0
        self.awaits = False


def fingerprint(function: ast.FunctionDef | ast.AsyncFunctionDef) -> Fingerprint | None:
    """The fingerprint of a function; None when it is too short to tell a copy from chance."""
    tokens = _tokens(function)
    if len(tokens.out) < MIN_TOKENS or len(tokens.starts) < 2:
        return None
    tokens.awaits |= isinstance(function, ast.AsyncFunctionDef)
    return from_tokens(tokens)


def from_tokens(tokens: Tokens) -> Fingerprint:
    """Hash tokens, which are changed.

    Constants may be any object: 1, 1.0 and True are kept apart by their repr.
    """
    out, names, constants, local = tokens.out, tokens.names, tokens.constants, tokens.locals
    for position in constants:
        out[position] = repr(out[position])
    exact = _hash(out)
    numbers: dict[str, int] = {}
    renamed = list(out)
    for position in names:
        name = out[position]
        if name in local:
            renamed[position] = f"v{numbers.setdefault(name, len(numbers))}"
            out[position] = "V"
    renamed_hash, reordered = _hash(renamed), _hash(_any_order(out, tokens.starts))
    for position in constants:
        text = out[position]
        if text not in ("True", "False", "None"):
            kind = "#s" if text[0] in "'\"" else "#b" if text[:2] in ("b'", 'b"') else "#n"
            renamed[position] = out[position] = kind
    return Fingerprint(
        exact,
        renamed_hash,
        _hash(renamed),
        reordered,
        _shingles(out),
        len(out),
        len(tokens.starts),
        tokens.control,
        tokens.awaits,
    )


def _any_order(tokens: list[str], starts: list[int]) -> list[str]:
    """The signature, then the statements sorted; what closes a block belongs to none of them."""
    ends = [*starts[1:], len(tokens)]
    pieces = [
        " ".join([token for token in tokens[start:end] if token != "}"])
        for start, end in zip(starts, ends, strict=True)
    ]
    return tokens[: starts[0]] + sorted(pieces)


def _hash(tokens: list[str]) -> int:
    data = "\0".join(tokens).encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "big")


def _shingles(tokens: list[str]) -> array[int]:
    known = _token_ids.get
    ids = [known(token) or _token_id(token) for token in tokens]
    # A tuple of ints hashes the same in every process; str hashes do not.
    runs = {hash(run) & BITS_32 for run in zip(ids, ids[1:], ids[2:], ids[3:], ids[4:], strict=False)}
    return array("I", sorted(runs))


def _token_id(token: str) -> int:
    value = zlib.crc32(token.encode("utf-8", "surrogatepass")) + 1
    _token_ids[token] = value
    return value


def _fields_of(kind: Any) -> tuple[tuple[str, bool], ...]:
    """Fields that matter, in reverse, and whether each holds a block of statements."""
    names = [name for name in kind._fields if name not in _SKIPPED]
    found = _fields[kind] = tuple((name, name in _BLOCKS) for name in reversed(names))
    return found


def _tokens(function: ast.FunctionDef | ast.AsyncFunctionDef) -> Tokens:  # sentinel: ignore[C901, too-cognitive] speed
    """Write the function down as tokens; an explicit stack, as an expression can be 20,000 terms deep."""
    tokens = Tokens()
    out, names, constants, local = tokens.out, tokens.names, tokens.constants, tokens.locals
    stack: list[Any] = ["}", *reversed(function.body), function.args]
    pop, push, emit = stack.pop, stack.append, out.append
    while stack:
        node = pop()
        kind = type(node)
        if kind is str:
            emit(node)
        elif kind is ast.Name:
            if type(node.ctx) is not ast.Load:
                local.add(node.id)
            names.append(len(out))
            emit(node.id)
        elif kind is ast.Attribute:
            push("." + node.attr)
            push(node.value)
        elif kind is ast.Constant:
            constants.append(len(out))
            emit(node.value)
        elif kind is ast.Call:
            push(")")
            for keyword in reversed(node.keywords):
                push(keyword.value)
                push((keyword.arg or "**") + "=")
            stack.extend(reversed(node.args))
            push(node.func)
            emit("(")
        elif kind is ast.arg:
            local.add(node.arg)
            names.append(len(out))
            emit(node.arg)
        else:
            _expand(node, kind, tokens, stack)
    return tokens


def _expand(node: Any, kind: Any, tokens: Tokens, stack: list[Any]) -> None:
    """Push what a node consists of, last part first."""
    special = _SPECIAL.get(kind)
    if special is not None:
        special(node, tokens, stack)
        return
    _count(node, kind, tokens)
    tokens.out.append(kind.__name__)
    for name, is_block in _fields.get(kind) or _fields_of(kind):
        value = getattr(node, name, None)
        if type(value) is list:
            if is_block:
                stack.append("}")
            stack.extend([item if isinstance(item, ast.AST) else str(item) for item in reversed(value)])
        elif isinstance(value, ast.AST):
            stack.append(value)
        elif kind is ast.ExceptHandler and value is not None:
            tokens.locals.add(value)
            stack.append("V")
        elif value is not None:
            stack.append(str(value))


def _count(node: Any, kind: Any, tokens: Tokens) -> None:
    """Note what a node is besides its tokens: a statement, a branch, a wait."""
    if issubclass(kind, ast.stmt):
        tokens.starts.append(len(tokens.out))
    tokens.control += isinstance(node, _CONTROL)
    tokens.awaits |= kind in _ASYNC


def _expression(node: ast.Expr, tokens: Tokens, stack: list[Any]) -> None:
    """A call or the like; a text that stands alone is a docstring or comment."""
    if not (type(node.value) is ast.Constant and type(node.value.value) is str):
        tokens.starts.append(len(tokens.out))
        stack += (";", node.value)


def _alias(node: ast.alias, tokens: Tokens, stack: list[Any]) -> None:
    tokens.out.append("@" + node.name)


def _annotated(node: ast.AnnAssign, tokens: Tokens, stack: list[Any]) -> None:
    """The same as an assignment without the annotation."""
    tokens.starts.append(len(tokens.out))
    if node.value is not None:
        tokens.out.append("Assign")
        stack += (node.value, node.target)


def _nested(node: Any, tokens: Tokens, stack: list[Any]) -> None:
    tokens.starts.append(len(tokens.out))
    tokens.locals.add(node.name)
    tokens.awaits |= type(node) is ast.AsyncFunctionDef
    tokens.out.append("def")
    stack += ("}", *reversed(node.body), node.args)


_SPECIAL: dict[type, Callable[[Any, Tokens, list[Any]], None]] = {
    ast.Expr: _expression,
    ast.alias: _alias,
    ast.AnnAssign: _annotated,
    ast.FunctionDef: _nested,
    ast.AsyncFunctionDef: _nested,
}


def is_candidate(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """False for functions that nobody can reuse: empty, abstract, overloads, initialisers, tests."""
    if function.name.startswith("test_"):
        return False
    for decorator in function.decorator_list:
        target = decorator.func if isinstance(decorator, ast.Call) else decorator
        name = target.attr if isinstance(target, ast.Attribute) else getattr(target, "id", "")
        if name in ("overload", "abstractmethod", "abstractproperty", "setter", "deleter"):
            return False
    body = [item for item in function.body if not (isinstance(item, ast.Expr) and isinstance(item.value, ast.Constant))]
    if not body or (len(body) == 1 and isinstance(body[0], (ast.Pass, ast.Raise))):
        return False
    return not all(_initialises(item) for item in body)


def _initialises(statement: ast.stmt) -> bool:
    """True for ``self.x = x`` and ``super().__init__(...)``."""
    if isinstance(statement, (ast.Assign, ast.AnnAssign)):
        target = statement.targets[0] if isinstance(statement, ast.Assign) else statement.target
        return isinstance(target, ast.Attribute) and isinstance(statement.value, (ast.Name, ast.Constant))
    if not isinstance(statement, ast.Expr) or not isinstance(statement.value, ast.Call):
        return False
    called = statement.value.func
    return (
        isinstance(called, ast.Attribute)
        and isinstance(called.value, ast.Call)
        and getattr(called.value.func, "id", "") == "super"
    )
