"""Values for the storage tests, and what "equal in type too" means, worked out without the code under test."""

import collections

from hypothesis import settings
from hypothesis import strategies as st

# How fast this machine is at the moment is no property of a value.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")


def exact(value, *, ordered=False):
    """A form of a value in which equal means equal in type too; the order of a dict's keys counts if `ordered`."""
    kind = type(value)
    if isinstance(value, dict):
        pairs = [(exact(k, ordered=ordered), exact(v, ordered=ordered)) for k, v in value.items()]
        return (kind, pairs if ordered else sorted(pairs, key=repr))
    if isinstance(value, (list, tuple, collections.deque)):
        return (kind, [exact(item, ordered=ordered) for item in value])
    if isinstance(value, (set, frozenset)):
        return (kind, sorted(map(repr, map(exact, value))))
    return (kind, value if kind is int else repr(value))


leaves = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(),
    st.text(st.characters(categories=["Cs", "Lu"]), max_size=3),
    st.binary(max_size=5),
    st.decimals(),
    st.uuids(),
    st.datetimes(timezones=st.none() | st.timezones()),
    st.times(),
    st.timedeltas(),
    st.complex_numbers(),
    st.sampled_from([0.0, -0.0, 1, True, 1.0, "$t", "a/b", "~0"]),
)
hashable = st.one_of(st.integers(), st.text(max_size=3), st.booleans(), st.tuples(st.integers(), st.text(max_size=2)))
values = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.tuples(inner, inner),
        st.dictionaries(st.text(max_size=3) | st.sampled_from(["$t", "v", "type"]), inner, max_size=4),
        st.dictionaries(hashable, inner, max_size=3),
        st.sets(hashable, max_size=3),
        st.frozensets(hashable, max_size=3),
    ),
    max_leaves=12,
)

small = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-2, 2),
    st.sampled_from([0.0, -0.0, 1.0, float("nan"), 0.5, "", "a/b", "~0", "$t", "\ud800", b"x", (1,), (True,), {1}]),
    st.text(max_size=4),
)
parts = st.recursive(
    small,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.sampled_from(["a", "b", "a/b", "~1", "", "-", "0", "$t"]), inner, max_size=4),
        st.tuples(inner, inner),
        st.dictionaries(st.integers(0, 2), inner, max_size=2),
    ),
    max_leaves=8,
)
"""Parts of a state that often equal each other by `==` and seldom in type."""
