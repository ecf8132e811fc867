"""Take IPython's own syntax out of a notebook's cell and leave Python, line for line.

A magic, shell or help line becomes an expression of the names that it mentions: what it uses counts as used.
"""

from __future__ import annotations

import ast
import keyword
import re
import warnings

_SIGN = re.compile(r"^[ \t]*[%!?,;/]|\?[ \t]*$|=[ \t]*[%!]", re.M)
_CELL_MAGIC = re.compile(r"\s*%%(\w+)([^\n]*)")
_PYTHON_CELLS = frozenset({"time", "timeit", "capture", "prun", "debug", "python", "python3", "vcr"})
_OTHER_CELLS = frozenset({"writefile", "file", "cython", "python2", "markdown", "latex", "html", "script"})
_LINE = re.compile(r"([ \t]*)(?:[%!?,;/]([^\n]*)|([^#'\"\n]*)\?{1,2}[ \t]*)$")
_VALUE = re.compile(r"([ \t]*[\w., \t\[\]*]+=[ \t]*)[%!]([^\n=][^\n]*)$")
_NAME = re.compile(r"(?<![\w.])[A-Za-z_]\w*")
_SHELL_NAME = re.compile(r"\{\s*([A-Za-z_]\w*)|\$\{?([A-Za-z_]\w*)")
_LEXEME = re.compile(r"#.*|\"\"\"|'''|\"(?:[^\"\\\n]|\\.)*\"|'(?:[^'\\\n]|\\.)*'|[()\[\]{}]")
_DEPTH = {"(": 1, "[": 1, "{": 1, ")": -1, "]": -1, "}": -1}


def without_magics(source: str) -> str:
    """A cell's Python; of a cell in another language as many empty lines."""
    if _SIGN.search(source) is None:
        return source
    cell = _CELL_MAGIC.match(source)
    if cell is None:
        return source if _parses(source) else _without_lines(source)
    first = source.count("\n", 0, cell.end())
    body = source[cell.end() :]
    python = body if _parses(body) else _without_lines(body)
    if cell[1] in _OTHER_CELLS or (cell[1] not in _PYTHON_CELLS and not _parses(python)):
        return "\n" * source.count("\n")
    return "\n" * first + _names(cell[2]) + python


def _parses(source: str) -> bool:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True


def _without_lines(source: str) -> str:
    """Replace the lines that are IPython's; what stands in a string or in brackets is none."""
    result: list[str] = []
    quote, depth, continued, in_magic = "", 0, False, False
    for line in source.split("\n"):
        ends_open = line.endswith("\\")
        if in_magic:
            result.append("")
            in_magic = ends_open
            continue
        if not (quote or depth or continued):
            replaced = _replaced(line)
            if replaced is not None:
                result.append(replaced)
                in_magic = ends_open
                continue
        quote, depth = _after(line, quote, depth)
        continued = ends_open and not quote
        result.append(line)
    return "\n".join(result)


def _replaced(line: str) -> str | None:
    """What stands for a line of IPython's; None for Python."""
    if value := _VALUE.match(line):
        return value[1] + (_names(value[2], is_shell=line[value.end(1)] == "!") or "None")
    if found := _LINE.match(line):
        is_shell = line.lstrip().startswith("!")
        return found[1] + (_names(found[2] or found[3] or "", is_shell=is_shell) or "pass")
    return None


def _names(text: str, *, is_shell: bool = False) -> str:
    """The names in the text of a magic as an expression; of a shell line those it inserts."""
    inserted = (one or other for one, other in _SHELL_NAME.findall(text))
    names = inserted if is_shell else _NAME.findall(text)
    return ", ".join(name for name in names if not keyword.iskeyword(name))


def _after(line: str, quote: str, depth: int) -> tuple[str, int]:
    """The open triple quote and the depth of brackets after a line."""
    at = 0
    while True:
        if quote:
            at = line.find(quote, at)
            if at < 0:
                return quote, depth
            at, quote = at + 3, ""
        found = _LEXEME.search(line, at)
        if found is None:
            return "", depth
        at = found.end()
        if found[0] in ('"""', "'''"):
            quote = found[0]
        else:
            depth = max(0, depth + _DEPTH.get(found[0], 0))
