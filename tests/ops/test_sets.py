"""sets: unique values, membership and set operations equal numpy's, and are no larger than predicted."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedsock.errors import OpTypeError
from fedsock.ops.registry import check, depends_on_values
from fedsock.ops.sets import ROWS
from tests.ops.harness import few
from tests.ops.oracle import EVERY, agree, arrays

TABLE = {row.name: row for row in ROWS}


@few
@given(data=st.data())
def test_unique(data: Any) -> None:
    flags = ["return_index", "return_inverse", "return_counts", "equal_nan", "sorted"]
    options = data.draw(
        st.fixed_dictionaries(
            {},
            optional={flag: st.booleans() for flag in flags} | {"axis": st.sampled_from([None, 0, -1, 1, 5])},
        )
    )
    agree(TABLE["unique"], data.draw(arrays(EVERY)), **options)


@pytest.mark.parametrize("flags", [(False, True), (True, False, True), (True, True, True)])
def test_flags_of_unique_may_stand_by_place(flags: Any) -> None:
    agree(TABLE["unique"], np.array([3, 1, 3]), *flags)


@pytest.mark.parametrize("name", ["unique_all", "unique_counts", "unique_inverse", "unique_values"])
@few
@given(data=st.data())
def test_unique_by_the_standard(name: str, data: Any) -> None:
    agree(TABLE[name], data.draw(arrays(EVERY)))


@pytest.mark.parametrize("name", ["intersect1d", "setdiff1d", "setxor1d", "union1d", "isin"])
@few
@given(data=st.data())
def test_of_two_sets(name: str, data: Any) -> None:
    first = data.draw(arrays(EVERY, dims=2))
    second = data.draw(arrays([first.dtype], dims=2) | arrays(EVERY))
    agree(TABLE[name], first, second)
    if name != "union1d":
        agree(TABLE[name], np.unique(first), np.unique(second), assume_unique=True)


@few
@given(arrays(EVERY, dims=2), arrays(EVERY, dims=2), st.booleans())
def test_indices_of_an_intersection(first: Any, second: Any, indices: bool) -> None:
    agree(TABLE["intersect1d"], first, second, return_indices=indices)
    agree(TABLE["intersect1d"], np.unique(first), np.unique(second), True, indices)


@few
@given(arrays(EVERY), arrays(EVERY), st.booleans(), st.sampled_from([None, "sort"]))
def test_membership(element: Any, others: Any, invert: bool, kind: Any) -> None:
    agree(TABLE["isin"], element, others, invert=invert, kind=kind)


def test_a_table_of_all_integers_between_is_refused() -> None:
    with pytest.raises(OpTypeError, match="sort"):
        check(TABLE["isin"], [np.array([0]), np.array([0, 2**40])], {"kind": "table"})


def test_how_many_there_are_tells_something() -> None:
    x = np.arange(3)
    assert depends_on_values(TABLE["unique"], [x], {}, [0])
    assert depends_on_values(TABLE["union1d"], [x, x], {}, [1])
    assert not depends_on_values(TABLE["isin"], [x, x], {}, [0, 1])
