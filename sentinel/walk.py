"""One walk over a chunk's syntax tree: scopes with their names and measures, and patterns on the way."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable
from typing import Any

from sentinel import expressions, patterns
from sentinel.scopes import Scope, close

_fields: dict[type, tuple[str, ...]] = {}
_TEXT = (str, bytes)
_IMPORT_ERRORS = {"ImportError", "ModuleNotFoundError", "Exception", "BaseException"}


class Walk:
    """Walks statements with an explicit stack: an expression may be 20,000 terms deep.

    A stack entry is (node, scope, blocks around it, cognitive nesting around it).
    """

    def __init__(self, owner: str, module_is_class: bool) -> None:
        self.module = Scope("class" if module_is_class else "module", owner, None)
        self.scopes = [self.module]
        self.hits: list[patterns.Hit] = []
        self.classes: list[tuple[str, tuple[str, ...]]] = []
        self.optional: set[int] = set()
        self.stack: list[tuple[Any, Scope, int, int]] = []
        self.taken: set[tuple[str, str]] = set()
        self.named_calls: list[tuple[patterns.Hit, Scope, str]] = []

    def run(self, statements: list[ast.stmt]) -> None:  # sentinel: ignore[C901, too-cognitive] flat for speed
        """Walk all statements and close the scopes."""
        self.block(statements, self.module, 0, 0)
        stack, pop = self.stack, self.stack.pop
        handlers = _HANDLERS
        while stack:
            node, scope, blocks, nesting = pop()
            kind = type(node)
            if kind is ast.Name:
                if type(node.ctx) is ast.Store:
                    scope.bound.add(node.id)
                else:
                    scope.loads.add(node.id)
            elif kind is ast.Attribute:
                stack.append((node.value, scope, blocks, nesting))
            elif kind is ast.Constant:
                if type(node.value) in _TEXT and len(node.value) >= patterns.SECRET_LENGTH:
                    self.hit(patterns.known_secret(node), scope)
            else:
                handler = handlers.get(kind)
                if handler is not None:
                    handler(self, node, scope, blocks, nesting)
                else:
                    self.children(node, scope, blocks, nesting)
        close(self.scopes)
        for hit, scope, name in self.named_calls:
            if not scope.defines(name):
                self.hit(hit, scope)

    def hit(self, hit: patterns.Hit | None, scope: Scope) -> None:
        """Note a pattern that was found."""
        if hit is not None:
            self.hits.append(hit._replace(symbol=scope.qualname))

    def dangerous(self, call: ast.Call, scope: Scope) -> None:
        """Note eval, exec and shells, unless the name turns out to be the file's own."""
        hit = patterns.dangerous_call(call)
        if hit is not None and type(call.func) is ast.Name:
            self.named_calls.append((hit, scope, call.func.id))
        else:
            self.hit(hit, scope)

    def children(self, node: ast.AST, scope: Scope, blocks: int, nesting: int) -> None:
        """Push all child nodes."""
        kind = type(node)
        names = _fields.get(kind)
        if names is None:
            names = _fields[kind] = tuple(name for name in kind._fields if name not in ("ctx", "op", "ops"))
        push = self.stack.append
        for name in names:
            value = getattr(node, name, None)
            if type(value) is list:
                for item in value:
                    if isinstance(item, ast.AST):
                        push((item, scope, blocks, nesting))
            elif isinstance(value, ast.AST):
                push((value, scope, blocks, nesting))

    def block(self, body: list[ast.stmt], scope: Scope, blocks: int, nesting: int) -> None:
        """Push a list of statements, and see whether a part of it is never reached."""
        push = self.stack.append
        for statement in body:
            push((statement, scope, blocks, nesting))
        if len(body) > 1:
            self.hit(patterns.unreachable(body), scope)

    def each(self, nodes: Iterable[ast.AST | None], scope: Scope, blocks: int, nesting: int) -> None:
        """Push the nodes that are there."""
        for node in nodes:
            if node is not None:
                self.stack.append((node, scope, blocks, nesting))

    def enter(self, blocks: int, scope: Scope) -> int:
        """Note that a block starts, and return the depth inside it."""
        if blocks + 1 > scope.blocks:
            scope.blocks = blocks + 1
        return blocks + 1

    def annotation(self, node: ast.AST | None, scope: Scope) -> None:
        """Names in an annotation count as used, in quotes too."""
        if node is not None:
            scope.loads |= patterns.names_in(node)


def _function(walk: Walk, node: Any, scope: Scope, blocks: int, nesting: int) -> None:
    scope.bound.add(node.name)
    walk.each(node.decorator_list, scope, blocks, nesting)
    name = f"{scope.qualname}.{node.name}" if scope.qualname else node.name
    inner = Scope("function", name, scope, node, nesting, complexity=1)
    walk.scopes.append(inner)
    _arguments(walk, node.args, inner, blocks, nesting)
    walk.annotation(node.returns, scope)
    walk.each(getattr(node, "type_params", ()), inner, 0, 0)
    for hit in patterns.default_hits(node):
        walk.hit(hit, inner)
    walk.block(node.body, inner, 0, 0)


def _arguments(walk: Walk, arguments: ast.arguments, inner: Scope, blocks: int, nesting: int) -> None:
    outer = inner.parent
    assert outer is not None
    for argument in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs):
        inner.bound.add(argument.arg)
        walk.annotation(argument.annotation, outer)
    for extra in (arguments.vararg, arguments.kwarg):
        if extra is not None:
            inner.bound.add(extra.arg)
            walk.annotation(extra.annotation, outer)
    walk.each((*arguments.defaults, *arguments.kw_defaults), outer, blocks, nesting)


def _lambda(walk: Walk, node: ast.Lambda, scope: Scope, blocks: int, nesting: int) -> None:
    inner = Scope("lambda", scope.qualname, scope, None, nesting)
    walk.scopes.append(inner)
    _arguments(walk, node.args, inner, blocks, nesting)
    walk.stack.append((node.body, inner, 0, 0))


def _class(walk: Walk, node: ast.ClassDef, scope: Scope, blocks: int, nesting: int) -> None:
    scope.bound.add(node.name)
    walk.each((*node.decorator_list, *node.bases, *node.keywords), scope, blocks, nesting)
    bases = tuple(name for base in node.bases if (name := patterns.last_name(base)))
    walk.classes.append((node.name, bases))
    name = f"{scope.qualname}.{node.name}" if scope.qualname else node.name
    inner = Scope("class", name, scope, node, nesting)
    walk.scopes.append(inner)
    walk.each(getattr(node, "type_params", ()), inner, 0, 0)
    walk.block(node.body, inner, 0, 0)


def _if(walk: Walk, node: ast.If, scope: Scope, blocks: int, nesting: int) -> None:
    """An ``elif`` is not nested in its ``if``: the chain is read as one block."""
    deeper = walk.enter(blocks, scope)
    scope.cognitive += 1 + nesting
    scope.nested_increments += 1
    link = node
    while True:
        scope.complexity += 1
        scope.branches += 1
        walk.stack.append((link.test, scope, blocks, nesting))
        walk.block(link.body, scope, deeper, nesting + 1)
        rest = link.orelse
        if not rest:
            return
        scope.cognitive += 1
        if len(rest) == 1 and type(rest[0]) is ast.If and rest[0].col_offset == link.col_offset:
            link = rest[0]
            continue
        scope.branches += 1
        walk.block(rest, scope, deeper, nesting + 1)
        return


def _loop(walk: Walk, node: Any, scope: Scope, blocks: int, nesting: int) -> None:
    scope.complexity += 1
    scope.branches += 1
    scope.cognitive += 1 + nesting
    scope.nested_increments += 1
    deeper = walk.enter(blocks, scope)
    if type(node) is ast.While:
        walk.stack.append((node.test, scope, blocks, nesting))
    else:
        walk.each((node.target, node.iter), scope, blocks, nesting)
    walk.block(node.body, scope, deeper, nesting + 1)
    if node.orelse:
        scope.branches += 1
        scope.cognitive += 1
        walk.block(node.orelse, scope, deeper, nesting + 1)


def _try(walk: Walk, node: Any, scope: Scope, blocks: int, nesting: int) -> None:
    scope.complexity += len(node.handlers) + bool(node.orelse)
    scope.branches += len(node.handlers) + bool(node.orelse) + bool(node.finalbody)
    deeper = walk.enter(blocks, scope)
    if any(patterns.catches(handler, _IMPORT_ERRORS) for handler in node.handlers):
        walk.optional.update(id(statement) for statement in node.body)
    walk.block(node.body, scope, deeper, nesting)
    for handler in node.handlers:
        scope.cognitive += 1 + nesting
        scope.nested_increments += 1
        for hit in patterns.handler_hits(handler):
            walk.hit(hit, scope)
        if handler.name:
            scope.bound.add(handler.name)
            scope.assigned.setdefault(handler.name, handler)
        walk.each((handler.type,), scope, blocks, nesting)
        walk.block(handler.body, scope, deeper, nesting + 1)
    walk.block(node.orelse, scope, deeper, nesting)
    walk.block(node.finalbody, scope, deeper, nesting)


def _with(walk: Walk, node: Any, scope: Scope, blocks: int, nesting: int) -> None:
    deeper = walk.enter(blocks, scope)
    for item in node.items:
        walk.stack.append((item.context_expr, scope, blocks, nesting))
        if item.optional_vars is not None:
            _bind(scope, item.optional_vars)
            walk.stack.append((item.optional_vars, scope, blocks, nesting))
    walk.block(node.body, scope, deeper, nesting)


def _match(walk: Walk, node: ast.Match, scope: Scope, blocks: int, nesting: int) -> None:
    scope.complexity += len(node.cases)
    last = node.cases[-1]
    if last.guard is None and patterns.irrefutable(last.pattern):
        scope.complexity -= 1
    scope.branches += len(node.cases)
    scope.cognitive += 1 + nesting
    scope.nested_increments += 1
    deeper = walk.enter(blocks, scope)
    walk.stack.append((node.subject, scope, blocks, nesting))
    for case in node.cases:
        for part in ast.walk(case.pattern):
            name = getattr(part, "name", None) or getattr(part, "rest", None)
            if name:
                scope.bound.add(name)
        walk.each((case.pattern, case.guard), scope, blocks, nesting)
        walk.block(case.body, scope, deeper, nesting + 1)


def _bind(scope: Scope, target: ast.expr) -> None:
    if type(target) is ast.Name:
        scope.assigned.setdefault(target.id, target)


def _assign(walk: Walk, node: ast.Assign, scope: Scope, blocks: int, nesting: int) -> None:
    for target in node.targets:
        _bind(scope, target)
        walk.stack.append((target, scope, blocks, nesting))
        if type(target) is ast.Name and target.id == "__all__":
            scope.loads.update(patterns.strings_in(node.value))
        walk.hit(patterns.assigned_secret(target, node.value), scope)
    walk.stack.append((node.value, scope, blocks, nesting))


def _ann_assign(walk: Walk, node: ast.AnnAssign, scope: Scope, blocks: int, nesting: int) -> None:
    walk.annotation(node.annotation, scope)
    if node.value is not None:
        _bind(scope, node.target)
        walk.hit(patterns.assigned_secret(node.target, node.value), scope)
        walk.stack.append((node.value, scope, blocks, nesting))
        if patterns.last_name(node.annotation) == "TypeAlias":
            walk.annotation(node.value, scope)
    walk.stack.append((node.target, scope, blocks, nesting))


def _aug_assign(walk: Walk, node: ast.AugAssign, scope: Scope, blocks: int, nesting: int) -> None:
    if type(node.target) is ast.Name:
        scope.loads.add(node.target.id)
        if node.target.id == "__all__":
            scope.loads.update(patterns.strings_in(node.value))
    walk.each((node.target, node.value), scope, blocks, nesting)


def _return(walk: Walk, node: ast.Return, scope: Scope, blocks: int, nesting: int) -> None:
    scope.returns += 1
    walk.each((node.value,), scope, blocks, nesting)


def _import(walk: Walk, node: Any, scope: Scope, blocks: int, nesting: int) -> None:
    future = type(node) is ast.ImportFrom and node.module == "__future__"
    if type(node) is ast.ImportFrom and node.module:
        walk.taken.update((node.module.rpartition(".")[2], alias.name) for alias in node.names)
    for alias in node.names:
        name = alias.asname or alias.name.partition(".")[0]
        re_exported = alias.asname is not None and alias.asname == alias.name
        if alias.name != "*" and not future and not re_exported and id(node) not in walk.optional:
            scope.imported.setdefault(name, (node, alias))


def _outer(walk: Walk, node: Any, scope: Scope, blocks: int, nesting: int) -> None:
    scope.outer.update(node.names)


_Handler = Callable[[Walk, Any, Scope, int, int], None]
_HANDLERS: dict[type, _Handler] = {
    **expressions.HANDLERS,
    ast.FunctionDef: _function,
    ast.AsyncFunctionDef: _function,
    ast.Lambda: _lambda,
    ast.ClassDef: _class,
    ast.If: _if,
    ast.For: _loop,
    ast.AsyncFor: _loop,
    ast.While: _loop,
    ast.Try: _try,
    ast.TryStar: _try,
    ast.With: _with,
    ast.AsyncWith: _with,
    ast.Match: _match,
    ast.Assign: _assign,
    ast.AnnAssign: _ann_assign,
    ast.AugAssign: _aug_assign,
    ast.Return: _return,
    ast.Import: _import,
    ast.ImportFrom: _import,
    ast.Global: _outer,
    ast.Nonlocal: _outer,
}
