from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from fedsock.worker.trees import apart, arrays_in, call_apart

LEAVES = st.one_of(st.integers(), st.none(), st.builds(np.zeros, st.integers(0, 3)))
TREES = st.recursive(
    LEAVES, lambda inner: st.one_of(st.lists(inner), st.lists(inner).map(tuple), st.dictionaries(st.text(), inner))
)


@given(TREES)
def test_what_a_function_gives_shares_no_array_with_what_is_held(tree: object) -> None:
    held = list(arrays_in(tree))
    result = call_apart(lambda value: value, [tree], tree)
    assert repr(result) == repr(tree)
    assert type(result) is type(tree)
    assert not {id(array) for array in held} & {id(array) for array in arrays_in(result)}


def test_only_what_is_held_is_copied() -> None:
    held, made = np.zeros(3), np.ones(3)
    first, second = apart([held, made], {id(held)})
    assert first is not held
    assert second is made
