"""Trees of leaves."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedsock.errors import UnsupportedValue
from fedsock.plan.trees import filled, flatten, mapped, paths, references
from fedsock.protocol.values import Reference

LEAVES = st.integers() | st.floats(allow_nan=False) | st.booleans()
TREES: st.SearchStrategy[Any] = st.recursive(
    LEAVES | st.none() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=12,
)


@given(TREES)
def test_a_tree_is_filled_again_from_its_leaves(tree: Any) -> None:
    found, form = flatten(tree)
    assert filled(form, found) == tree
    assert type(filled(form, found)) is type(tree)
    assert list(references(form)) == list(range(len(found)))
    assert len(list(paths(tree, "p"))) == len(found)


def test_dicts_have_the_same_leaves_whatever_order_they_were_written_in() -> None:
    assert flatten({"b": 1, "a": 2})[0] == flatten({"a": 2, "b": 1})[0] == [2, 1]
    assert list(filled(flatten({"b": 1, "a": 2})[1], [5, 6])) == ["b", "a"]


def test_leaves_have_names() -> None:
    assert list(paths({"w": [1, (2, None)], "b": 3, "kind": "relu"}, "params")) == [
        "params['b']",
        "params['w'][0]",
        "params['w'][1][0]",
    ]


def test_references_stand_in_slices_too() -> None:
    assert list(references([slice(Reference(3), None, Reference(1)), {"k": Reference(7)}])) == [3, 1, 7]


def test_what_is_no_tree_is_refused() -> None:
    with pytest.raises(UnsupportedValue, match="keys"):
        flatten({1: 2})
    deep: Any = 1
    for _ in range(70):
        deep = [deep]
    with pytest.raises(UnsupportedValue, match="deeper"):
        mapped(deep, lambda leaf: leaf)
