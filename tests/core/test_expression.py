"""Expressions read and count; nothing else can be said in them."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_vcr_nb.core.encoding import encode
from agent_vcr_nb.core.errors import UsageError
from agent_vcr_nb.core.expression import Expression, ExpressionError, plain

STATE = {
    "messages": [
        {"role": "user", "content": "hi", "tokens": 3},
        {"role": "tool", "content": "4", "tokens": 5},
    ],
    "plan": ["a", "b", "c"],
    "n": 7,
    "text": "Hello",
    "empty": None,
    "with-dash": 1,
}
NAMES = {"state": "", "frame": "", "x": ""}


def value(text, **names):
    return Expression(text, NAMES).evaluate({"state": STATE, "frame": 4, "x": 1.5} | names)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("frame", 4),
        ("state.n", 7),
        ("state['with-dash']", 1),
        ("state.plan[-1]", "c"),
        ("state.plan[1:]", ["b", "c"]),
        ("state.messages[0].content", "hi"),
        ("len(state.messages)", 2),
        ("sum(m.tokens for m in state.messages)", 8),
        ("[m.content for m in state.messages if m.role == 'tool']", ["4"]),
        ("[a + b for a in state.plan for b in ['1', '2'] if a != 'b']", ["a1", "a2", "c1", "c2"]),
        ("'tool' in [m.role for m in state.messages]", True),
        ("'plan' in state and not 'x' in state", True),
        ("max(m.tokens for m in state.messages) - min(1, 2)", 4),
        ("max(state.plan)", "c"),
        ("state.empty is None or state.empty > 3", True),
        ("state.n > 5 > 1", True),
        ("'big' if state.n >= 7 else 'small'", "big"),
        ("lower(state.text) + '!'", "hello!"),
        ("7 // 2 + 7 % 4 - -1", 7),
        ("round(state.n / 3, 2)", 2.33),
        ("float('1.5') == x", True),
        ("keys(state)[0]", "messages"),
        ("any(m.tokens > 4 for m in state.messages), all([])", [True, True]),
        ("sorted([3, 1, 2])", [1, 2, 3]),
        ("true and not null", True),
    ],
)
def test_an_expression_has_the_value_that_python_gives_it(text, expected):
    assert value(text) == expected


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("state.missing", "state has no key 'missing'; it has empty, messages, n, plan, text, with-dash"),
        ("state.n.x", "state.n is a number: it has no keys, so no x"),
        ("state.plan[9]", "state.plan has 3 items: no [9]"),
        ("state.plan['a']", "state.plan is a list: ['a'] is no place in it"),
        ("state.text + 1", "a string is no number"),
        ("1 / 0", "division by zero"),
        ("len(4)", "len(): object of type 'int' has no len()"),
        ("[m for m in state.n]", "state.n is a number: expected a list or an object to go through"),
        ("max([])", "max(): "),
        ("state.empty > 3", "'>' not supported"),
        ("float('x')", "float(): could not convert string to float: 'x'"),
    ],
)
def test_a_value_that_is_not_there_is_told_with_what_is(text, said):
    with pytest.raises(ExpressionError) as caught:
        value(text)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1 +",
        "a = 1",
        "import os",
        "unknown",
        "len",
        "open('x')",
        "__import__('os').system('true')",
        "().__class__.__bases__[0].__subclasses__()",
        "state.__class__()",
        "(lambda: 1)()",
        "[].append(1)",
        "state.get('n')",
        "2 ** 2",
        "2 << 9",
        "f'{state}'",
        "b'x'",
        "1j",
        "...",
        "(x := 1)",
        "[*state.plan]",
        "{k: 1 for k in state}",
        "{1}",
        "len(obj=1)",
        "sorted([1], key=len)",
        "[y for y, z in state.plan]",
        "[len for len.x in state.plan]",
        "await x",
        "yield",
        "state.plan[0] if x",
        "x" * 3000,
        "(" * 300 + "1" + ")" * 300,
        "1\x00",
    ],
)
def test_what_is_no_question_about_values_is_refused_before_it_runs(text):
    with pytest.raises(UsageError):
        Expression(text, NAMES)


@pytest.mark.parametrize("name", ["__class__", "__globals__", "mro", "format", "__init__", "keys"])
def test_an_attribute_is_a_key_and_never_one_of_pythons(name):
    for held in ("state", "state.text", "state.plan", "state.n", "frame"):
        with pytest.raises(ExpressionError):
            value(f"{held}.{name}")


@pytest.mark.parametrize(
    "text",
    [
        "state.text * 1000000000",
        "state.plan * 1000000000",
        "1000000000 * [1]",
        "'%1000000000d' % 1",
        "[0 for a in many for b in many for c in many]",
        "sum(sum(b for b in many) for a in many)",
        "[many + many for a in many]",
        "len([a in many for a in many])",
        "*".join(["99999999999999999999"] * 95),
        "int('9' + '9') * int(long)",
    ],
)
def test_an_expression_that_would_hang_or_fill_the_memory_is_stopped(text):
    names = NAMES | {"many": "", "long": ""}
    began = time.perf_counter()
    with pytest.raises(ExpressionError):
        Expression(text, names).evaluate({"state": STATE, "many": list(range(5000)), "long": "9" * 100_000})
    assert time.perf_counter() - began < 10  # a machine under load; unbounded, these take hours


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(), st.lists))
def test_a_recorded_value_is_read_as_it_was(value_recorded):
    def unwrapped(tree):
        tree = plain(tree)
        return [unwrapped(item) for item in tree] if isinstance(tree, list) else tree

    assert unwrapped(encode(value_recorded)) == value_recorded


def test_typed_values_are_read_as_what_they_hold():
    import datetime as dt
    from dataclasses import dataclass
    from decimal import Decimal

    @dataclass
    class Message:
        role: str
        when: dt.date

    tree = encode({"m": Message("user", dt.date(2026, 1, 2)), "pair": (1, 2), "cost": Decimal("0.25"), "big": 2**70})
    assert value("state.m.role + ' ' + state.m.when", state=tree) == "user 2026-01-02"
    assert value("sum(state.pair) + state.cost", state=tree) == 3.25
    assert value("state.big // 2", state=tree) == 2**69
