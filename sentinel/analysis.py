"""From a chunk's statements to its facts: applies the thresholds to what the walk measured."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from sentinel import patterns, suppress
from sentinel.config import Config
from sentinel.facts import (
    OWN_MEANING,
    Chunk,
    ChunkFacts,
    FunctionFact,
    ImportFact,
    RawFinding,
    text_hash,
    unused_import,
)
from sentinel.fingerprint import fingerprint, is_candidate
from sentinel.scopes import Scope
from sentinel.walk import Walk

_DUMMY = re.compile(r"__?|_\w*[a-zA-Z0-9]")
"""Names of parameters that are there to be ignored, as ruff's dummy-variable-rgx has them."""
_LEFT_OUT = re.compile(
    r"(?im)#[ \t]*(?:\.\.\.|…)[ \t]*(?:(?:the )?(?:rest|existing|remaining|other|previous)\b[^\n]*)"
    r"|#[ \t]*(?:the )?(?:rest of (?:the|your)|existing|remaining|your)"
    r" (?:code|implementation|logic)[^\n]{0,20}$"
)
_TODO = re.compile(
    r"(?i)#\s*(?:todo|fixme|xxx)\b|#[^\n]*\b(?:implement (?:this|me|here|later)|your code|placeholder)\b"
)


class ChunkAnalysis:
    """Makes the facts of one chunk; the tree's lines minus ``offset`` are the chunk's."""

    def __init__(self, chunk: Chunk, statements: list[ast.stmt], offset: int, config: Config) -> None:
        self.chunk = chunk
        self.offset = offset
        self.config = config
        self.lines = chunk.text.split("\n")
        self.findings: list[RawFinding] = []
        self.functions: list[FunctionFact] = []
        in_class = bool(chunk.owner) and not chunk.is_head
        self.walk = Walk(chunk.owner if in_class else "", in_class)
        self.walk.run(statements)

    def facts(self) -> ChunkFacts:
        """All facts of the chunk."""
        for scope in self.walk.scopes:
            if scope.kind == "function":
                self._function(scope)
            else:
                self._unused_errors(scope)
        for hit in self.walk.hits:
            line, end = self._line(hit.node), self._end(hit.node)
            body_hash = text_hash(self.lines[line - 1 : end])
            self.findings.append(RawFinding(hit.rule, line, end, (line, line), hit.symbol, hit.message, body_hash))
        self._leftovers()
        ignores, unreasoned = suppress.read(self.chunk.text)
        module = self.walk.module
        imports = [
            ImportFact(name, _import_text(node, alias), self._line(alias), (self._line(node), self._end(node)))
            for name, (node, alias) in module.imported.items()
            # `try: from fast import f` with `else: def f()` offers the name to others.
            if module.kind == "module" and name not in module.bound
        ]
        return ChunkFacts(
            findings=(*self.findings, *unreasoned),
            functions=tuple(self.functions),
            imports=tuple(imports),
            used=frozenset(module.loads),
            bound=frozenset((module.bound | module.imported.keys()) & set(OWN_MEANING.values())),
            taken=frozenset(self.walk.taken),
            classes=tuple(self.walk.classes),
            ignores=tuple(ignores),
        )

    def _line(self, node: ast.AST) -> int:
        return int(node.lineno) - self.offset  # type: ignore[attr-defined]

    def _end(self, node: ast.AST) -> int:
        end = getattr(node, "end_lineno", None)
        return self._line(node) if end is None else end - self.offset

    def _note(self, rule: str, line: int, symbol: str, message: str, body_hash: str = "") -> None:
        """Add a finding about one line, known by its text or by what ``body_hash`` is the hash of."""
        body_hash = body_hash or text_hash([self.lines[line - 1]])
        self.findings.append(RawFinding(rule, line, line, (line, line), symbol, message, body_hash))

    def _function(self, scope: Scope) -> None:
        node = scope.node
        assert isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        first = min([node.lineno, *(item.lineno for item in node.decorator_list)]) - self.offset
        line, end = self._line(node), self._end(node)
        head = (first, max(line, self._line(node.body[0]) - 1))
        body_hash = self._body_hash(node.name, line, end)
        is_method = scope.parent is not None and scope.parent.kind == "class"
        parameters = _parameters(node, is_method)
        lines = end - line + 1 - _docstring_lines(node)
        for rule, value, limit, message in _over(scope, node, lines, parameters, self.config):
            self.findings.append(RawFinding(rule, line, end, head, scope.qualname, message, body_hash, value, limit))
        self._unused(scope)
        stub = _is_stub(node, scope, "\n".join(self.lines[line - 1 : end]))
        if stub:
            message = f"{node.name}() is left empty - write it or delete it"
            self.findings.append(RawFinding("stub-left", line, end, head, scope.qualname, message, body_hash))
        mark = fingerprint(node) if is_candidate(node) else None
        fact = FunctionFact(node.name, scope.qualname, line, end, head, body_hash, is_method, parameters, mark)
        self.functions.append(fact)

    def _body_hash(self, name: str, line: int, end: int) -> str:
        """Hash of a function's text without its name: a renamed function has the faults it had before."""
        head = self.lines[line - 1].replace(f"def {name}", "def", 1)
        return text_hash([head, *self.lines[line:end]])

    def _unused(self, scope: Scope) -> None:
        if scope.reads_locals:
            return
        for name, node in scope.assigned.items():
            if name not in scope.loads and name not in scope.outer and not name.startswith("_"):
                self._unused_local(name, node, scope)
        for name, (statement, alias) in scope.imported.items():
            if name not in scope.loads and name not in scope.outer:
                fact = ImportFact(
                    name,
                    _import_text(statement, alias),
                    self._line(alias),
                    (self._line(statement), self._end(statement)),
                )
                self.findings.append(unused_import(fact, scope.qualname))

    def _unused_local(self, name: str, node: ast.AST, scope: Scope) -> None:
        message = f"{name!r} is assigned and never used - delete it"
        self._note("unused-local", self._line(node), scope.qualname, message, text_hash([name]))

    def _unused_errors(self, scope: Scope) -> None:
        """``except ... as error`` outside functions: the name ends with the handler."""
        for name, node in scope.assigned.items():
            if isinstance(node, ast.ExceptHandler) and name not in scope.loads and not name.startswith("_"):
                self._unused_local(name, node, scope)

    def _leftovers(self) -> None:
        """Comments that stand for code an agent left out."""
        if not _LEFT_OUT.search(self.chunk.text):
            return
        for line, comment in suppress.comments(self.chunk.text):
            if _LEFT_OUT.match(comment):
                message = "a comment stands for code that was left out - write the code"
                self._note("stub-left", line, "", message)


_MEASURES = (
    ("function-too-long", "max_function_lines", "is {} lines (max {}) - break it up"),
    ("too-complex", "max_complexity", "has cyclomatic complexity {} (max {}) - simplify"),
    ("too-cognitive", "max_cognitive", "has cognitive complexity {} (max {}) - flatten or split it"),
    ("too-many-parameters", "max_parameters", "takes {} parameters (max {}) - use a config object"),
    ("nested-too-deep", "max_nesting", "nests {} blocks deep (max {}) - return early or extract a function"),
    ("too-many-returns", "max_returns", "returns at {} places (max {}) - use a table or split it"),
    ("too-many-branches", "max_branches", "has {} branches (max {}) - use a table or split it"),
)
"""Rule, the setting that limits it, and what to say of the function."""


def _over(
    scope: Scope, node: ast.FunctionDef | ast.AsyncFunctionDef, lines: int, parameters: int, config: Config
) -> Iterator[tuple[str, float, float, str]]:
    """Rule, value, limit and message of each measure that is over its limit."""
    values = (
        lines,
        scope.complexity,
        scope.cognitive,
        parameters,
        scope.blocks,
        scope.returns,
        scope.branches,
    )
    for (rule, setting, text), value in zip(_MEASURES, values, strict=True):
        limit = getattr(config, setting)
        if value > limit:
            yield rule, float(value), float(limit), f"{node.name}() {text.format(value, limit)}"


def _docstring_lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of a docstring: a function that is well described is not longer for that."""
    first = node.body[0]
    if not (
        isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str)
    ):
        return 0
    return (first.end_lineno or first.lineno) - first.lineno + 1


def _parameters(node: ast.FunctionDef | ast.AsyncFunctionDef, is_method: bool) -> int:
    """How many parameters a caller has to know, as ruff's PLR0913 counts: without self, cls and ``_unused``."""
    names = {patterns.last_name(item) for item in node.decorator_list}
    if names & {"overload", "override"}:
        return 0
    arguments = node.args
    positional = [*arguments.posonlyargs, *arguments.args]
    if is_method and "staticmethod" not in names:
        positional = positional[1:]
    return sum(not _DUMMY.fullmatch(item.arg) for item in (*positional, *arguments.kwonlyargs))


def _is_stub(node: ast.FunctionDef | ast.AsyncFunctionDef, scope: Scope, text: str) -> bool:
    """An empty function that no protocol or base class asks for, or one whose comment promises the code."""
    body = [
        item
        for item in node.body
        if not (isinstance(item, ast.Expr) and isinstance(item.value, ast.Constant) and item.value.value is not ...)
    ]
    if len(body) > 1 or (body and not isinstance(body[0], (ast.Pass, ast.Expr, ast.Raise))):
        return False
    only = body[0] if body else None
    if isinstance(only, ast.Expr) and not isinstance(only.value, ast.Constant):
        return False
    if isinstance(only, ast.Raise) and "NotImplementedError" not in ast.dump(only):
        return False
    if node.decorator_list or scope.parent is None:
        return False
    if _TODO.search(text):
        return True
    # An empty method is a hook that a subclass fills in; an empty function is nothing.
    return scope.parent.kind != "class" and bool(body)


def _import_text(node: ast.Import | ast.ImportFrom, alias: ast.alias) -> str:
    """The import as a reader finds it: ``os.path``, ``json.loads as read``."""
    module = ""
    if isinstance(node, ast.ImportFrom):
        module = "." * node.level + (f"{node.module}." if node.module else "")
    return f"{module}{alias.name}" + (f" as {alias.asname}" if alias.asname else "")
