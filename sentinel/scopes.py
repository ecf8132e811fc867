"""What the walk over a syntax tree gathers for each function, class and module."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from typing import Literal

ScopeKind = Literal["module", "class", "function", "lambda"]


@dataclass(slots=True, eq=False)
class Scope:
    """A function, class, lambda or module under way."""

    kind: ScopeKind
    qualname: str
    parent: Scope | None
    node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | None = None
    nesting: int = 0
    """Cognitive nesting in the parent where this scope is defined."""
    complexity: int = 0
    cognitive: int = 0
    nested_increments: int = 0
    """How many of the cognitive increments grow with nesting: what a nested function adds to its parent."""
    blocks: int = 0
    """Deepest nesting of blocks."""
    returns: int = 0
    branches: int = 0
    calls_itself: bool = False
    loads: set[str] = field(default_factory=set)
    bound: set[str] = field(default_factory=set)
    """Names bound here by anything but an import."""
    outer: set[str] = field(default_factory=set)
    """Names declared global or nonlocal."""
    assigned: dict[str, ast.AST] = field(default_factory=dict)
    """Names bound by a plain assignment, ``except ... as`` or ``with ... as``, with the first node."""
    imported: dict[str, tuple[ast.Import | ast.ImportFrom, ast.alias]] = field(default_factory=dict)
    """Names bound by an import, with the statement and its part."""
    reads_locals: bool = False

    @property
    def function(self) -> Scope | None:
        """The nearest enclosing function, the scope itself included."""
        scope: Scope | None = self
        while scope is not None and scope.kind != "function":
            scope = scope.parent
        return scope

    def note_call(self, name: str, *, of_self: bool = False) -> None:
        """A function that calls itself is harder to read by one, however often it does."""
        function = self.function
        if function is None or function.calls_itself or function.qualname.rpartition(".")[2] != name:
            return
        if of_self == (function.parent is not None and function.parent.kind == "class"):
            function.calls_itself = True
            function.cognitive += 1

    def defines(self, name: str) -> bool:
        """True when a scope from here outwards binds the name itself."""
        scope: Scope | None = self
        while scope is not None:
            if name in scope.bound or name in scope.imported:
                return True
            scope = scope.parent
        return False


def close(scopes: list[Scope]) -> None:
    """Pass on, innermost first, what a scope means to its parent: names it needs, complexity it adds."""
    for scope in reversed(scopes):
        parent = scope.parent
        if parent is None:
            continue
        if scope.kind == "class":
            parent.loads |= scope.loads
        else:
            parent.loads |= scope.loads - ((scope.bound | scope.imported.keys()) - scope.outer)
            parent.loads |= scope.outer  # an inner function that sets a name shares it
        parent.complexity += scope.complexity
        # A function or lambda in a function is read one level deeper.
        deeper = scope.nesting + (scope.kind != "class" and parent.kind != "class")
        parent.cognitive += scope.cognitive + scope.nested_increments * deeper
        parent.nested_increments += scope.nested_increments
