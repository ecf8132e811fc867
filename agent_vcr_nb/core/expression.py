"""Expressions over recorded values: a small part of Python's syntax, which can read and count and nothing else.

Values are JSON as it was recorded; nothing of the user's or of Python's objects can be reached. ``a.b`` reads the key
``b`` of a mapping. There are no powers, no repetition of strings and lists, no names but those given, and each
evaluation has a bounded number of steps and size of results, so that none can hang or fill the memory.
"""

from __future__ import annotations

import ast
import base64
import operator
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from agent_vcr_nb.core.encoding import TAG
from agent_vcr_nb.core.errors import UsageError

MOST_CHARACTERS = 2_000
"""Of an expression's text."""
MOST_STEPS = 100_000
"""Of one evaluation: nodes of the expression and items of what functions and comprehensions go through."""
MOST_SIZE = 1_000_000
"""Characters or items of a result that is put together."""
MOST_BITS = 4_096
"""Of a whole number."""


class ExpressionError(UsageError):
    """An expression that has no value for one frame; the message says why."""


class Expression:
    """A checked expression; `evaluate` gives its value for given names."""

    def __init__(self, text: str, names: Mapping[str, str]) -> None:
        """Raises UsageError that says what is wrong with the text; `names` are those it may use, with what they are."""
        self.text = text
        if len(text) > MOST_CHARACTERS:
            raise UsageError(f"the expression has {len(text):,} characters: {MOST_CHARACTERS:,} are allowed")
        try:
            self._root = ast.parse(text.strip(), mode="eval").body
            self._check(self._root, frozenset(names))
        except SyntaxError as error:
            raise UsageError(f"{text!r} is no expression: {error.msg} at character {error.offset or 1}") from None
        except (RecursionError, MemoryError, ValueError) as error:
            raise UsageError(f"the expression cannot be read: {type(error).__name__}: {error}") from None
        found = {node.id for node in ast.walk(self._root) if isinstance(node, ast.Name)}
        self.uses = frozenset(found & names.keys())
        """The names it uses."""

    def _check(self, node: ast.AST, names: frozenset[str]) -> None:
        if not isinstance(node, _NODES):
            raise UsageError(f"{self.text!r}: {_called(node)} cannot be used in an expression")
        if isinstance(node, ast.Call):
            self._check_call(node, names)
            return
        if isinstance(node, ast.GeneratorExp | ast.ListComp):
            for each in node.generators:
                if not isinstance(each.target, ast.Name) or each.is_async:
                    raise UsageError(f"{self.text!r}: 'for' takes one name, as in: for m in state.messages")
                self._check(each.iter, names)
                names = names | {each.target.id}
                for condition in each.ifs:
                    self._check(condition, names)
            self._check(node.elt, names)
            return
        if isinstance(node, ast.Name) and node.id not in names | _CONSTANTS.keys():
            hint = "a function: call it" if node.id in _FUNCTIONS else f"no name here. There are: {_list(names)}"
            raise UsageError(f"{self.text!r}: {node.id} is {hint}")
        if isinstance(node, ast.Constant) and not isinstance(node.value, str | int | float | bool | None):
            raise UsageError(f"{self.text!r}: {node.value!r} cannot be used in an expression")
        for child in ast.iter_child_nodes(node):
            if not isinstance(child, ast.expr_context):
                self._check(child, names)

    def _check_call(self, node: ast.Call, names: frozenset[str]) -> None:
        if not isinstance(node.func, ast.Name) or node.func.id not in _FUNCTIONS:
            said = ast.unparse(node.func)[:60]
            raise UsageError(f"{self.text!r}: {said} cannot be called. Functions: {_list(_FUNCTIONS)}")
        if node.keywords:
            raise UsageError(f"{self.text!r}: {node.func.id} takes no arguments by name")
        for argument in node.args:
            self._check(argument, names)

    def evaluate(self, names: Mapping[str, Any]) -> Any:
        """Return the value for these names; raises ExpressionError that says why there is none."""
        try:
            return _Evaluation(names).value(self._root)
        except ExpressionError:
            raise
        except RecursionError:
            raise ExpressionError("the expression is nested too deep") from None
        except (ArithmeticError, TypeError, ValueError, LookupError) as error:
            raise ExpressionError(str(error) or type(error).__name__) from None


class _Evaluation:
    """One evaluation, with what is left of its steps."""

    def __init__(self, names: Mapping[str, Any]) -> None:
        self._names: dict[str, Any] = {**_CONSTANTS, **names}
        self._steps = MOST_STEPS

    def value(self, node: ast.AST) -> Any:
        self._spend(1)
        return plain(getattr(self, f"_{type(node).__name__}")(node))

    def _spend(self, steps: int) -> None:
        self._steps -= steps
        if self._steps < 0:
            raise ExpressionError(f"more than {MOST_STEPS:,} steps: look at less of the state")

    def _Constant(self, node: ast.Constant) -> Any:  # noqa: N802 - these are named after the nodes of ast
        return node.value

    def _Name(self, node: ast.Name) -> Any:  # noqa: N802
        found = self._names[node.id]
        if isinstance(found, ExpressionError):
            raise found
        return found

    def _Attribute(self, node: ast.Attribute) -> Any:  # noqa: N802
        return _key(self.value(node.value), node.attr, ast.unparse(node.value))

    def _Subscript(self, node: ast.Subscript) -> Any:  # noqa: N802
        held, where = self.value(node.value), ast.unparse(node.value)
        if isinstance(node.slice, ast.Slice):
            ends = (node.slice.lower, node.slice.upper, node.slice.step)
            if not isinstance(held, str | list):
                raise ExpressionError(f"{where} is {_kind(held)}: only a list or a string has slices")
            part = held[slice(*(None if end is None else self.value(end) for end in ends))]
            self._spend(len(part) // 64)
            return part
        key = self.value(node.slice)
        if isinstance(held, dict):
            return _key(held, key, where)
        if not isinstance(held, str | list):
            raise ExpressionError(f"{where} is {_kind(held)}: it has no [{key!r}]")
        if not isinstance(key, int) or isinstance(key, bool):
            raise ExpressionError(f"{where} is {_kind(held)}: [{key!r}] is no place in it")
        if not -len(held) <= key < len(held):
            raise ExpressionError(f"{where} has {len(held)} items: no [{key}]")
        return held[key]

    def _UnaryOp(self, node: ast.UnaryOp) -> Any:  # noqa: N802
        operand = self.value(node.operand)
        if isinstance(node.op, ast.Not):
            return not operand
        number = _number(operand)
        return -number if isinstance(node.op, ast.USub) else number

    def _BinOp(self, node: ast.BinOp) -> Any:  # noqa: N802
        left, right = self.value(node.left), self.value(node.right)
        if isinstance(node.op, ast.Add) and type(left) is type(right) and isinstance(left, str | list):
            if len(left) + len(right) > MOST_SIZE:
                raise ExpressionError(f"a result of more than {MOST_SIZE:,} characters or items")
            self._spend((len(left) + len(right)) // 64)
            return left + right
        return _bounded(_OPERATORS[type(node.op)](_number(left), _number(right)))

    def _BoolOp(self, node: ast.BoolOp) -> Any:  # noqa: N802
        stop = isinstance(node.op, ast.Or)
        found: Any = None
        for operand in node.values:
            found = self.value(operand)
            if bool(found) is stop:
                break
        return found

    def _Compare(self, node: ast.Compare) -> Any:  # noqa: N802
        left = self.value(node.left)
        for comparison, operand in zip(node.ops, node.comparators, strict=True):
            right = self.value(operand)
            self._spend(_weight(left) + _weight(right))
            if not _COMPARISONS[type(comparison)](left, right):
                return False
            left = right
        return True

    def _IfExp(self, node: ast.IfExp) -> Any:  # noqa: N802
        return self.value(node.body if self.value(node.test) else node.orelse)

    def _List(self, node: ast.List | ast.Tuple) -> Any:  # noqa: N802
        return [self.value(item) for item in node.elts]

    _Tuple = _List

    def _ListComp(self, node: ast.ListComp | ast.GeneratorExp) -> Any:  # noqa: N802
        before = self._names
        try:
            return list(self._each(node, 0))
        finally:
            self._names = before

    _GeneratorExp = _ListComp

    def _each(self, node: ast.ListComp | ast.GeneratorExp, depth: int) -> Iterator[Any]:
        if depth == len(node.generators):
            yield self.value(node.elt)
            return
        each = node.generators[depth]
        assert isinstance(each.target, ast.Name)
        for item in _items(self.value(each.iter), ast.unparse(each.iter)):
            self._spend(1)
            self._names = {**self._names, each.target.id: plain(item)}
            if all(self.value(condition) for condition in each.ifs):
                yield from self._each(node, depth + 1)

    def _Call(self, node: ast.Call) -> Any:  # noqa: N802
        assert isinstance(node.func, ast.Name)
        arguments = [self.value(argument) for argument in node.args]
        self._spend(sum(len(argument) for argument in arguments if isinstance(argument, list | dict)))
        self._spend(sum(len(argument) // 64 for argument in arguments if isinstance(argument, str)))
        try:
            return _bounded(_FUNCTIONS[node.func.id](*arguments))
        except (TypeError, ValueError) as error:
            raise ExpressionError(f"{node.func.id}(): {error}") from None


def plain(value: Any) -> Any:
    """Return a recorded value without its tag: what a datetime, a tuple or an object holds, as JSON."""
    for _ in range(8):
        if type(value) is not dict or TAG not in value or "v" not in value:
            return value
        tag, held = value[TAG], value["v"]
        if tag == "int" and isinstance(held, str) and len(held) <= MOST_BITS // 4:
            return int(held, 16)
        if tag in ("float", "Decimal") and isinstance(held, str) and len(held) <= MOST_BITS // 4:
            return float(held)
        if tag == "str" and isinstance(held, str):
            return base64.b64decode(held).decode("utf-8", "replace")
        if tag == "dict" and isinstance(held, list):
            return {str(pair[0]): pair[1] for pair in held if isinstance(pair, list) and len(pair) == 2}
        value = held
    return value


def _key(held: Any, key: Any, where: str) -> Any:
    if not isinstance(held, dict):
        raise ExpressionError(f"{where} is {_kind(held)}: it has no keys, so no {key}")
    if not isinstance(key, str) or key not in held:
        raise ExpressionError(f"{where} has no key {key!r}; it has {_list(held) or 'none'}")
    return held[key]


def _items(value: Any, where: str) -> list[Any]:
    if not isinstance(value, list | dict):
        raise ExpressionError(f"{where} is {_kind(value)}: expected a list or an object to go through")
    return list(value)


def _number(value: Any) -> int | float:
    if not isinstance(value, int | float):
        raise ExpressionError(f"{_kind(value)} is no number")
    return value


def _bounded(value: Any) -> Any:
    if isinstance(value, int) and value.bit_length() > MOST_BITS:
        raise ExpressionError(f"a number of more than {MOST_BITS:,} bits")
    if isinstance(value, str | list) and len(value) > MOST_SIZE:
        raise ExpressionError(f"a result of more than {MOST_SIZE:,} characters or items")
    return value


def _weight(value: Any) -> int:
    """Return what looking through a value costs, in steps."""
    return len(value) // 64 if isinstance(value, str) else len(value) if isinstance(value, list | dict) else 0


def _kind(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "a string", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")


def _list(words: Any) -> str:
    shown = sorted(map(str, words))
    return ", ".join(shown[:20]) + (" …" if len(shown) > 20 else "")


def _called(node: ast.AST) -> str:
    known = {"Pow": "**", "Lambda": "lambda", "JoinedStr": "an f-string", "Starred": "*", "NamedExpr": ":="}
    return known.get(type(node).__name__, type(node).__name__)


def _text(value: Any) -> str:
    if isinstance(value, list | dict):
        raise ValueError("only of a single value")
    return str(value)


def _letters(change: Callable[[str], str]) -> Callable[[Any], str]:
    def changed(value: Any) -> str:
        if not isinstance(value, str):
            raise ValueError(f"{_kind(value)} is no string")
        return change(value)

    return changed


def _values(value: Any) -> list[Any]:
    if not isinstance(value, dict):
        raise ValueError(f"{_kind(value)} has no values")
    return [plain(item) for item in value.values()]


def _rounded(value: Any, digits: Any = None) -> Any:
    if digits is not None and not (isinstance(digits, int) and -20 <= digits <= 20):
        raise ValueError("digits: a whole number from -20 to 20")
    return round(_number(value), digits)


def _total(value: Any) -> Any:
    if not isinstance(value, list):
        raise ValueError(f"{_kind(value)} is no list")
    return sum(_number(plain(item)) for item in value)


def _extreme(choose: Callable[..., Any]) -> Callable[..., Any]:
    def chosen(*values: Any) -> Any:
        found = values[0] if len(values) == 1 else list(values)
        return choose([plain(item) for item in _items(found, "it")])

    return chosen


_CONSTANTS: dict[str, Any] = {"true": True, "false": False, "null": None}
_NODES = (
    *(ast.Constant, ast.Name, ast.Attribute, ast.Subscript, ast.Slice, ast.UnaryOp, ast.BinOp, ast.BoolOp),
    *(ast.Compare, ast.IfExp, ast.List, ast.Tuple, ast.ListComp, ast.GeneratorExp, ast.Call),
    *(ast.Add, ast.Sub, ast.Mult, ast.Div, ast.FloorDiv, ast.Mod, ast.UAdd, ast.USub, ast.Not, ast.And, ast.Or),
    *(ast.Eq, ast.NotEq, ast.Lt, ast.LtE, ast.Gt, ast.GtE, ast.In, ast.NotIn, ast.Is, ast.IsNot),
)
_OPERATORS: dict[type[ast.AST], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
}
_COMPARISONS: dict[type[ast.AST], Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.In: lambda item, held: item in held,
    ast.NotIn: lambda item, held: item not in held,
    ast.Is: lambda one, other: one is other if one is None or other is None else one == other,
    ast.IsNot: lambda one, other: one is not other if one is None or other is None else one != other,
}
_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "len": len,
    "sum": _total,
    "min": _extreme(min),
    "max": _extreme(max),
    "sorted": _extreme(sorted),
    "any": lambda items: any(map(plain, _items(items, "it"))),
    "all": lambda items: all(map(plain, _items(items, "it"))),
    "abs": lambda value: abs(_number(value)),
    "round": _rounded,
    "int": lambda value: int(value) if isinstance(value, str) else int(_number(value)),
    "float": lambda value: float(value) if isinstance(value, str) else float(_number(value)),
    "str": _text,
    "bool": bool,
    "lower": _letters(str.lower),
    "upper": _letters(str.upper),
    "keys": lambda value: list(_items(value, "it")),
    "values": _values,
}
FUNCTIONS = tuple(_FUNCTIONS)
"""What may be called."""
