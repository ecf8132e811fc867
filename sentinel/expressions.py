"""What expressions tell the walk: calls, operators that make reading hard, names in quotes, secrets."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from sentinel import patterns
from sentinel.scopes import Scope

if TYPE_CHECKING:
    from sentinel.walk import Walk

_QUOTED_TYPES = {"cast", "TypeVar", "NewType", "ForwardRef"}
_GENERICS = {"list", "dict", "tuple", "set", "frozenset", "type"}


def _call(walk: Walk, node: ast.Call, scope: Scope, blocks: int, nesting: int) -> None:
    push = walk.stack.append
    called = node.func
    if type(called) is ast.Name:
        name = called.id
        scope.loads.add(name)
        if name == "locals":
            scope.reads_locals = True
        elif name in _QUOTED_TYPES:
            walk.annotation(node, scope)
        scope.note_call(name)
    else:
        push((called, scope, blocks, nesting))
        if type(called) is ast.Attribute:
            _method_call(called, node.args, scope)
    walk.dangerous(node, scope)
    for argument in node.args:
        push((argument, scope, blocks, nesting))
    for keyword in node.keywords:
        push((keyword.value, scope, blocks, nesting))
        if keyword.arg:
            walk.hit(patterns.keyword_secret(keyword), scope)


def _method_call(called: ast.Attribute, arguments: list[ast.expr], scope: Scope) -> None:
    owner = patterns.last_name(called.value)
    if owner in ("self", "cls") and type(called.value) is ast.Name:
        scope.note_call(called.attr, of_self=True)
    elif owner == "__all__":
        scope.loads.update(text for argument in arguments for text in patterns.strings_in(argument))


def _bool_op(walk: Walk, node: ast.BoolOp, scope: Scope, blocks: int, nesting: int) -> None:
    scope.cognitive += 1
    walk.each(node.values, scope, blocks, nesting)


def _ternary(walk: Walk, node: ast.IfExp, scope: Scope, blocks: int, nesting: int) -> None:
    scope.cognitive += 1 + nesting
    scope.nested_increments += 1
    walk.stack.append((node.test, scope, blocks, nesting))
    walk.each((node.body, node.orelse), scope, blocks, nesting + 1)


def _dict(walk: Walk, node: ast.Dict, scope: Scope, blocks: int, nesting: int) -> None:
    for key, value in zip(node.keys, node.values, strict=True):
        if type(value) is ast.Constant and type(key) is ast.Constant:
            walk.hit(patterns.item_secret(key, value), scope)
    walk.each((*node.keys, *node.values), scope, blocks, nesting)


def _compare(walk: Walk, node: ast.Compare, scope: Scope, blocks: int, nesting: int) -> None:
    if len(node.ops) == 1 and type(node.comparators[0]) is ast.Constant and type(node.ops[0]) in (ast.Eq, ast.NotEq):
        walk.hit(patterns.assigned_secret(node.left, node.comparators[0]), scope)
    walk.each((node.left, *node.comparators), scope, blocks, nesting)


def _subscript(walk: Walk, node: ast.Subscript, scope: Scope, blocks: int, nesting: int) -> None:
    """Names in quotes count as used in ``Union["A", B]`` and ``dict[str, "A"]``, not in ``row["a"]``."""
    name = patterns.last_name(node.value)
    if name[:1].isupper() or name in _GENERICS:
        walk.annotation(node.slice, scope)
    walk.each((node.value, node.slice), scope, blocks, nesting)


def _comprehension(walk: Walk, node: ast.comprehension, scope: Scope, blocks: int, nesting: int) -> None:
    """A comprehension's targets live in it alone: they bind nothing around it."""
    for part in ast.walk(node.target):
        if type(part) in (ast.Attribute, ast.Subscript):
            walk.children(part, scope, blocks, nesting)
    walk.each((node.iter, *node.ifs), scope, blocks, nesting)


HANDLERS: dict[type, Callable[[Walk, Any, Scope, int, int], None]] = {
    ast.Call: _call,
    ast.BoolOp: _bool_op,
    ast.IfExp: _ternary,
    ast.comprehension: _comprehension,
    ast.Subscript: _subscript,
    ast.Dict: _dict,
    ast.Compare: _compare,
}
