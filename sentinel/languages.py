"""JavaScript, TypeScript, Go, Rust and Java through tree-sitter: size, complexity, nesting, duplicates.

The grammars are an extra: ``pip install agent-vcr-nb[languages]``. Complexity is 1 + branches, loops, cases,
handlers, ternaries, ``&&`` and ``||``, as gocyclo and lizard count; in JavaScript also default values and ``?.``, as
ESLint's `complexity`. A function with a name of its own inside another is measured by itself, a callback is not.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from sentinel import suppress
from sentinel.config import Config
from sentinel.facts import Chunk, ChunkFacts, Fingerprint, FunctionFact, Ignore, RawFinding, text_hash
from sentinel.files import FileFacts
from sentinel.fingerprint import MIN_TOKENS, Tokens, from_tokens
from sentinel.reading import Document, language_of


@dataclass(frozen=True, slots=True)
class Grammar:
    """What the node types of one grammar mean."""

    module: str
    function: str = "language"
    functions: frozenset[str] = frozenset()
    owners: frozenset[str] = frozenset()
    branches: frozenset[str] = frozenset()
    blocks: frozenset[str] = frozenset()
    parameter_lists: frozenset[str] = frozenset({"parameters"})


def _types(text: str) -> frozenset[str]:
    return frozenset(text.split())


_JS: dict[str, Any] = {
    "functions": _types(
        "function_declaration generator_function_declaration method_definition arrow_function function_expression"
    ),
    "owners": _types("class_declaration class interface_declaration"),
    "branches": _types(
        "if_statement for_statement for_in_statement while_statement do_statement switch_case catch_clause "
        "ternary_expression && || ?? &&= ||= ??= optional_chain assignment_pattern object_assignment_pattern"
    ),
    "blocks": _types(
        "if_statement for_statement for_in_statement while_statement do_statement switch_statement try_statement"
    ),
}
GRAMMARS = {
    "javascript": Grammar("tree_sitter_javascript", **_JS),
    "typescript": Grammar("tree_sitter_typescript", "language_typescript", **_JS),
    "tsx": Grammar("tree_sitter_typescript", "language_tsx", **_JS),
    "go": Grammar(
        "tree_sitter_go",
        functions=_types("function_declaration method_declaration"),
        branches=_types("if_statement for_statement expression_case type_case communication_case && ||"),
        blocks=_types("if_statement for_statement expression_switch_statement type_switch_statement select_statement"),
    ),
    "rust": Grammar(
        "tree_sitter_rust",
        functions=_types("function_item"),
        owners=_types("impl_item trait_item mod_item"),
        branches=_types("if_expression for_expression while_expression loop_expression match_arm && || ?"),
        blocks=_types("if_expression for_expression while_expression loop_expression match_expression"),
    ),
    "java": Grammar(
        "tree_sitter_java",
        functions=_types("method_declaration constructor_declaration"),
        owners=_types("class_declaration interface_declaration enum_declaration record_declaration"),
        branches=_types(
            "if_statement for_statement enhanced_for_statement while_statement do_statement switch_label "
            "catch_clause ternary_expression && ||"
        ),
        blocks=_types(
            "if_statement for_statement enhanced_for_statement while_statement do_statement "
            "switch_expression try_statement try_with_resources_statement"
        ),
    ),
}
MINIFIED_FROM = 5_000
MINIFIED_LINE = 250
"""Characters of a file, and a line on average, from which it is no source that someone wrote."""
_COMMENTS = _types("comment line_comment block_comment doc_comment")
_STATEMENTS = (
    "_statement",
    "let_declaration",
    "variable_declaration",
    "short_var_declaration",
    "lexical_declaration",
)
"""How the kinds of nodes end that are statements."""
_STRINGS = _types(
    "string template_string interpreted_string_literal raw_string_literal rune_literal string_literal "
    "char_literal character_literal regex"
)
_NUMBERS = _types(
    "number int_literal float_literal imaginary_literal integer_literal decimal_integer_literal "
    "decimal_floating_point_literal hex_integer_literal"
)
_TYPE_NOTES = _types("type_annotation type_parameters type_arguments")
_PARAMETERS = _types("required_parameter optional_parameter")
_DECLARES = {
    "variable_declarator": "name",
    "short_var_declaration": "left",
    "let_declaration": "pattern",
    "for_in_statement": "left",
    "range_clause": "left",
    "enhanced_for_statement": "name",
    "for_expression": "pattern",
    "var_spec": "name",
    "catch_clause": "parameter",
    "catch_formal_parameter": "name",
}


class _Number(str):
    """A number in the source: its repr is its text, so that it is told from a string."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


@cache
def parser(language: str) -> Any:
    """The parser of a language; None when its grammar is not installed."""
    grammar = GRAMMARS[language]
    try:
        tree_sitter = importlib.import_module("tree_sitter")
        module = importlib.import_module(grammar.module)
    except ImportError:
        return None
    return tree_sitter.Parser(tree_sitter.Language(getattr(module, grammar.function)()))


def is_readable(language: str) -> bool:
    """True for Python, and for languages whose grammar is installed."""
    return language == "python" or parser(language) is not None


def can_check(path: str) -> bool:
    """True for a file in a language that can be read here: nothing else is an agent told about."""
    language = language_of(path)
    return language is not None and is_readable(language)


def analyse(document: Document, config: Config) -> FileFacts:
    """Facts of a file; a problem when its grammar is missing or it does not parse."""
    parse = parser(document.language)
    if parse is None:
        message = f"{document.language} is not read: pip install 'agent-vcr-nb[languages]'"
        problem = RawFinding("not-analysed", 1, 1, (1, 1), "", message, "")
        return FileFacts(document, problem=problem)
    if is_minified(document.text):
        return FileFacts(document)
    tree = parse.parse(document.text.encode("utf-8", "surrogatepass"))
    if tree.root_node.has_error:
        line = _first_error(tree.root_node)
        message = f"does not parse as {document.language} - fix it before anything else"
        problem = RawFinding("syntax-error", line, line, (line, line), "", message, "")
        return FileFacts(document, problem=problem)
    grammar = GRAMMARS[document.language]
    lines = document.text.split("\n")
    findings: list[RawFinding] = []
    functions: list[FunctionFact] = []
    for node, name, owner in _functions(tree.root_node, grammar):
        measured = _Function(node, name, owner, grammar, lines)
        functions.append(measured.fact())
        findings.extend(measured.findings(config))
    ignores, unreasoned = _ignores(tree.root_node, document.text)
    facts = ChunkFacts((*findings, *unreasoned), tuple(functions), ignores=tuple(ignores))
    return FileFacts(document, [Chunk(document.text, 0, facts=facts)])


def _ignores(root: Any, text: str) -> tuple[list[Ignore], list[RawFinding]]:
    """The comments ``// sentinel: ignore[rule] reason``."""
    if "sentinel:" not in text:
        return [], []
    comments = [(int(node.start_point[0]) + 1, _text(node)) for node in _walk(root) if node.type in _COMMENTS]
    return suppress.read_comments(comments)


def is_minified(text: str) -> bool:
    """True for what a tool wrote for machines: long, with hardly any line ends."""
    return len(text) > MINIFIED_FROM and len(text) > MINIFIED_LINE * (text.count("\n") + 1)


def _first_error(root: Any) -> int:
    for node in _walk(root):
        if node.type == "ERROR" or node.is_missing:
            return int(node.start_point[0]) + 1
    return 1


def _walk(root: Any, into: Callable[[Any], bool] = lambda node: True) -> Iterator[Any]:
    """All nodes from the root down, in the order of the text."""
    stack = [root]
    while stack:
        node = stack.pop()
        yield node
        if into(node):
            stack.extend(reversed(node.children))


def _text(node: Any) -> str:
    return str(node.text.decode("utf-8", "replace")) if node is not None else ""


def _functions(root: Any, grammar: Grammar) -> Iterator[tuple[Any, str, str]]:
    """Every function that has a name and a body, with the name of the type it belongs to."""
    stack = [(root, "")]
    while stack:
        node, owner = stack.pop()
        if node.type in grammar.owners:
            owner = _text(node.child_by_field_name("name") or node.child_by_field_name("type")) or owner
        if node.type in grammar.functions and node.child_by_field_name("body") is not None:
            name = _name(node)
            if name:
                receiver = node.child_by_field_name("receiver")
                yield node, name, _receiver_type(receiver) if receiver is not None else owner
        stack.extend((child, owner) for child in reversed(node.children))


def _name(node: Any) -> str:
    """The function's own name, or that of the variable or key it is assigned to."""
    named = node.child_by_field_name("name")
    if named is None and node.parent is not None and node.parent.type in ("variable_declarator", "pair"):
        named = node.parent.child_by_field_name("name") or node.parent.child_by_field_name("key")
    return _text(named)


def _receiver_type(receiver: Any) -> str:
    return next((_text(node) for node in _walk(receiver) if node.type == "type_identifier"), "")


class _Function:
    """Measures one function."""

    def __init__(self, node: Any, name: str, owner: str, grammar: Grammar, lines: list[str]) -> None:
        self.node, self.name, self.owner, self.grammar = node, name, owner, grammar
        named = node.child_by_field_name("name")  # below its annotations, as `def` is below its decorators
        self.first = int(node.start_point[0]) + 1
        self.line = int(named.start_point[0]) + 1 if named is not None else self.first
        self.end_line = int(node.end_point[0]) + 1
        self.qualname = f"{owner}.{name}" if owner else name
        self.body = node.child_by_field_name("body")
        self.body_hash = text_hash(lines[self.line - 1 : self.end_line])

    def parameters(self) -> list[Any]:
        """The parameters without ``self``."""
        listed = self.node.child_by_field_name("parameters") or self.node.child_by_field_name("parameter")
        if listed is None:
            return []
        if listed.type == "identifier":
            return [listed]
        found: list[Any] = []
        for child in listed.named_children:
            if child.type in _COMMENTS or child.type in ("self_parameter", "attribute_item"):
                continue
            # Go declares several parameters of one type at once: (a, b int).
            names = child.children_by_field_name("name") if child.type == "parameter_declaration" else []
            found.extend(names or [child])
        return found

    def complexity(self) -> int:
        """1 and one for each point where the path divides; a default case is none."""
        count = 1
        listed = self.node.child_by_field_name("parameters")
        for part in (listed, self.body):
            for node in () if part is None else _walk(part, self._is_own):
                default_case = node.type == "switch_label" and _text(node).startswith("default")
                has_default = node.type in _PARAMETERS and node.child_by_field_name("value") is not None
                count += has_default or (node.type in self.grammar.branches and not default_case)
        return count

    def _is_own(self, node: Any) -> bool:
        """False for a function with a name inside this one: it is measured by itself."""
        return not (
            node.type in self.grammar.functions and node.child_by_field_name("body") is not None and _name(node)
        )

    def nesting(self) -> int:
        """Deepest block in a block; ``else if`` is not nested in its ``if``."""
        deepest = 0
        stack = [(self.body, 0)]
        while stack:
            node, depth = stack.pop()
            if node.type in self.grammar.blocks and not _is_else_if(node):
                depth += 1
                deepest = max(deepest, depth)
            if self._is_own(node):
                stack.extend((child, depth) for child in node.children)
        return deepest

    def findings(self, config: Config) -> Iterator[RawFinding]:
        """What is over its limit."""
        shown = f"{self.name}()"
        lines, count = self.end_line - self.line + 1, len(self.parameters())
        long, deep = "is {} lines (max {}) - break it up", "nests {} blocks deep (max {}) - return early"
        complex_, many = (
            "has complexity {} (max {}) - simplify",
            "takes {} parameters (max {}) - use an object",
        )
        measures = (
            ("function-too-long", lines, config.max_function_lines, long),
            ("too-complex", self.complexity(), config.max_complexity, complex_),
            ("too-many-parameters", count, config.max_parameters, many),
            ("nested-too-deep", self.nesting(), config.max_nesting, deep),
        )
        head = (self.first, int(self.body.start_point[0]) + 1)
        for rule, value, limit, text in measures:
            if value > limit:
                message = f"{shown} {text.format(value, limit)}"
                yield RawFinding(
                    rule, self.line, self.end_line, head, self.qualname, message, self.body_hash, value, limit
                )

    def fact(self) -> FunctionFact:
        """The function for the index."""
        head = (self.first, int(self.body.start_point[0]) + 1)
        return FunctionFact(
            self.name, self.qualname, self.line, self.end_line, head, self.body_hash,
            bool(self.owner), len(self.parameters()), self._fingerprint(),
        )  # fmt: skip

    def _fingerprint(self) -> Fingerprint | None:
        tokens = Tokens()
        tokens.locals = {_text(node) for parameter in self.parameters() for node in _identifiers(parameter)}
        tokens.awaits = any(child.type == "async" for child in self.node.children)
        listed = self.node.child_by_field_name("parameters")
        for part in (listed, self.body):
            for node in () if part is None else _walk(part, _opens):
                self._take(node, tokens)
        if len(tokens.out) < MIN_TOKENS or len(tokens.starts) < 2:
            return None
        return from_tokens(tokens)

    def _take(self, node: Any, tokens: Tokens) -> None:
        """Add one node to the tokens."""
        kind = node.type
        if kind in _DECLARES:
            tokens.locals.update(_text(item) for item in _identifiers(node.child_by_field_name(_DECLARES[kind])))
        if kind.endswith(_STATEMENTS):
            tokens.starts.append(len(tokens.out))
        tokens.control += kind in self.grammar.branches
        if kind in _COMMENTS or kind in _TYPE_NOTES:
            return
        if kind in _STRINGS or kind in _NUMBERS:
            tokens.constants.append(len(tokens.out))
            tokens.out.append(_text(node) if kind in _STRINGS else _Number(_text(node)))
        elif not node.children:
            if kind in ("identifier", "shorthand_property_identifier"):
                tokens.names.append(len(tokens.out))
            tokens.out.append(_text(node))


def _opens(node: Any) -> bool:
    kind = node.type
    return kind not in _COMMENTS and kind not in _TYPE_NOTES and kind not in _STRINGS


def _identifiers(node: Any) -> Iterator[Any]:
    if node is not None:
        yield from (item for item in _walk(node) if item.type == "identifier")


def _is_else_if(node: Any) -> bool:
    parent = node.parent
    if parent is None or not node.type.startswith("if"):
        return False
    if parent.type == "else_clause":
        return True
    return bool(parent.type == node.type and parent.child_by_field_name("alternative") == node)
