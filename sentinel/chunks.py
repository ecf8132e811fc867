"""Split Python source into chunks that parse alone: after an edit only the changed ones are parsed again.

A split is a guess made from indentation. It is right when every chunk parses: the tokens up to a split are
those of the whole file, and a split inside a string, a bracket or a statement leaves a chunk that does not
parse. Then the whole file is parsed and split at the statements of its tree.
"""

from __future__ import annotations

import ast
import re
from bisect import bisect_right
from dataclasses import replace

from sentinel.facts import Chunk

CLASS_SPLIT_LINES = 40
"""A class of fewer lines stays one chunk: parsing it costs less than keeping its parts."""
_STRINGS = re.compile(
    r"#[^\n]*"
    r'|"""(?:[^"\\]|\\.|"(?!""))*"""'
    r"|'''(?:[^'\\]|\\.|'(?!''))*'''"
    r'|"(?:[^"\\\n]|\\.)*"'
    r"|'(?:[^'\\\n]|\\.)*'",
    re.S,
)
_TOP = re.compile(r"^[^\s#)\]}]", re.M)
_CONTINUES = re.compile(r"(?:else|elif|except|finally)\b")
_CLASS_HEAD = re.compile(r"(?:@[^\n]*\n)*class[ \t]+(\w+)[^:\n]*:[ \t]*(?:#[^\n]*)?\n")
_FIRST_STATEMENT = re.compile(r"^([ \t]+)[^\s#]", re.M)


def split(text: str) -> list[Chunk]:
    """Guess the chunks of a file from its indentation; joined, their texts are the file."""
    strings = _long_strings(text)
    chunks: list[Chunk] = []
    line = 0
    for start, end in _pieces(text, 0, len(text), _TOP, strings):
        piece = text[start:end]
        lines = piece.count("\n")
        if lines >= CLASS_SPLIT_LINES and (head := _CLASS_HEAD.match(piece)):
            chunks.extend(
                replace(part, start=line + part.start) for part in _split_class(text, (start, end), head, strings)
            )
        else:
            chunks.append(Chunk(piece, line))
        line += lines
    return chunks


def _long_strings(text: str) -> list[tuple[int, int]]:
    """Start and end of every string that spans lines."""
    if '"""' not in text and "'''" not in text:
        return []
    return [match.span() for match in _STRINGS.finditer(text) if "\n" in match[0]]


def _pieces(
    text: str, begin: int, stop: int, pattern: re.Pattern[str], strings: list[tuple[int, int]]
) -> list[tuple[int, int]]:
    """Cut ``text[begin:stop]`` where a statement seems to start."""
    starts: list[int] = []
    decorated = False
    for match in pattern.finditer(text, begin, stop):
        at, word = match.start(), match.end() - 1
        before = bisect_right(strings, (at, len(text))) - 1
        if before >= 0 and strings[before][0] < at < strings[before][1]:
            continue
        if not decorated and not (starts and _CONTINUES.match(text, word)):
            starts.append(at)
        decorated = text[word] == "@"
    if not starts:
        return [(begin, stop)]
    starts[0] = begin
    return list(zip(starts, [*starts[1:], stop], strict=True))


def _split_class(text: str, span: tuple[int, int], head: re.Match[str], strings: list[tuple[int, int]]) -> list[Chunk]:
    """The class's head with the comments after it, then a chunk a statement of its body; lines from the head's."""
    start, end = span
    body = start + head.end()
    first = _FIRST_STATEMENT.search(text, body, end)
    if first is None:
        return [Chunk(text[start:end], 0)]
    indent = re.compile(rf"^{first[1]}[^\s#)\]}}]", re.M)
    parts = [Chunk(text[start : first.start()], 0, head[1], is_head=True)]
    line = parts[0].text.count("\n")
    for begin, stop in _pieces(text, first.start(), end, indent, strings):
        piece = text[begin:stop]
        parts.append(Chunk(piece, line, head[1]))
        line += piece.count("\n")
    return parts


def parse_chunk(chunk: Chunk) -> tuple[list[ast.stmt], int]:
    """The statements of one chunk, and what to subtract from their lines to get the chunk's own.

    Raises:
        SyntaxError: the guess that made this chunk was wrong, or the file does not parse.
    """
    if not chunk.owner:
        return ast.parse(chunk.text).body, 0
    if chunk.is_head:
        return ast.parse(f"{chunk.text} pass\n").body, 0
    tree = ast.parse(f"class _:\n{chunk.text}")
    if len(tree.body) != 1:
        raise SyntaxError("the chunk ends the class it should be a part of")
    owner = tree.body[0]
    assert isinstance(owner, ast.ClassDef)
    return owner.body, 1


def split_tree(text: str, tree: ast.Module) -> list[tuple[Chunk, list[ast.stmt]]]:
    """The chunks of a file whose tree is known, each with its statements (in the file's lines)."""
    lines = [f"{line}\n" for line in text.split("\n")]  # str.splitlines also splits where Python does not
    lines[-1] = lines[-1][:-1]
    if not lines[-1]:
        lines.pop()
    result: list[tuple[Chunk, list[ast.stmt]]] = []
    for first, last, statements in _groups(tree.body, 0, len(lines)):
        piece = "".join(lines[first:last])
        head = _CLASS_HEAD.match(piece) if last - first >= CLASS_SPLIT_LINES else None
        owner = statements[0] if len(statements) == 1 else None
        if head and isinstance(owner, ast.ClassDef):
            result.extend(_split_class_tree(lines, first, last, owner))
        else:
            result.append((Chunk(piece, first), statements))
    return result


def _split_class_tree(
    lines: list[str], first: int, last: int, owner: ast.ClassDef
) -> list[tuple[Chunk, list[ast.stmt]]]:
    body = _first_line(owner.body[0])
    head = ast.ClassDef(owner.name, owner.bases, owner.keywords, [], owner.decorator_list)
    if hasattr(owner, "type_params"):
        head.type_params = owner.type_params  # type: ignore[attr-defined]  # Python 3.12
    ast.copy_location(head, owner)
    parts: list[tuple[Chunk, list[ast.stmt]]] = [
        (Chunk("".join(lines[first:body]), first, owner.name, is_head=True), [head])
    ]
    for begin, stop, statements in _groups(owner.body, body, last):
        parts.append((Chunk("".join(lines[begin:stop]), begin, owner.name), statements))
    return parts


def _first_line(statement: ast.stmt) -> int:
    """Index of the first line of a statement, its decorators included."""
    line = statement.lineno
    for decorator in getattr(statement, "decorator_list", ()):
        line = min(line, decorator.lineno)
    return line - 1


def _groups(body: list[ast.stmt], begin: int, stop: int) -> list[tuple[int, int, list[ast.stmt]]]:
    """Line ranges that cover ``begin`` to ``stop``, each with the statements that start in it."""
    groups: list[tuple[int, list[ast.stmt]]] = []
    end = -1
    for statement in body:
        first = _first_line(statement)
        if groups and first < end:
            groups[-1][1].append(statement)
        else:
            groups.append((first, [statement]))
        end = max(end, statement.end_lineno or 0)
    if not groups:
        return [(begin, stop, [])] if stop > begin else []
    starts = [begin, *(first for first, _ in groups[1:]), stop]
    return [(starts[i], starts[i + 1], statements) for i, (_, statements) in enumerate(groups)]
