"""Batches: each row once an epoch, the same order everywhere."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedsock.errors import OpValueError
from fedsock.plan.batches import ALL, batches, edges, permutation, sizes

SEEDS = st.integers(0, 2**64 - 1) | st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=4).map(tuple)


@given(
    n=st.integers(1, 300),
    batch_size=st.none() | st.integers(1, 400),
    min_rows=st.integers(1, 400),
    seed=SEEDS,
    epoch=st.integers(0, 1000),
)
def test_each_row_is_taken_once_an_epoch(
    n: int, batch_size: int | None, min_rows: int, seed: int | tuple[int, ...], epoch: int
) -> None:
    rows = np.arange(n)
    taken = [rows[batch] for batch in batches(n, batch_size, seed=seed, epoch=epoch, min_rows=min_rows)]
    assert sorted(np.concatenate(taken).tolist()) == list(range(n))
    size = min(batch_size or n, n)
    assert all(len(batch) == size for batch in taken[:-1])
    # The last one has a remainder of min_rows or more, or is a whole batch that a smaller remainder joined.
    rest = n % size
    if rest == 0:
        assert len(taken[-1]) == size
    elif rest < min_rows:
        assert len(taken[-1]) == size + rest
    else:
        assert len(taken[-1]) == rest


@given(n=st.integers(1, 300), batch_size=st.none() | st.integers(1, 400), min_rows=st.integers(1, 400))
def test_sizes_are_those_of_the_batches(n: int, batch_size: int | None, min_rows: int) -> None:
    rows, counts = np.unique(np.diff(edges(n, batch_size, min_rows)), return_counts=True)
    assert sizes(n, batch_size, min_rows) == dict(zip(rows.tolist(), counts.tolist(), strict=True))


def test_sizes_of_many_rows_take_no_memory() -> None:
    assert sizes(10**15, 1) == {1: 10**15}
    with pytest.raises(OpValueError):
        sizes(0, 5)


@given(n=st.integers(2, 200), seed=SEEDS, epoch=st.integers(0, 50))
def test_orders_are_by_seed_and_epoch_alone(n: int, seed: int | tuple[int, ...], epoch: int) -> None:
    order = permutation(n, seed, epoch)
    assert np.array_equal(order, permutation(n, seed, epoch))
    parts = [seed] if isinstance(seed, int) else list(seed)
    words = [len(parts)]
    for part in parts:
        words += [part % 2**32, part // 2**32]
    bits = np.random.PCG64(np.random.SeedSequence(words, spawn_key=(epoch,)))
    draws = [(int(bits.random_raw()), i) for i in range(n)]
    assert order.tolist() == [i for _, i in sorted(draws)]


def test_an_order_is_the_same_on_every_machine() -> None:
    # Worked out once, by PCG64's and SeedSequence's published streams; numpy promises to keep both.
    assert permutation(10, 7, 0).tolist() == [3, 9, 7, 2, 5, 0, 6, 4, 1, 8]
    assert permutation(10, 7, 1).tolist() == [1, 0, 2, 5, 3, 4, 6, 9, 7, 8]
    assert permutation(10, (7, 2), 1).tolist() == [1, 7, 2, 3, 6, 4, 0, 5, 8, 9]


def test_epochs_and_seeds_differ() -> None:
    orders = {tuple(permutation(50, seed, epoch)) for seed in (0, 1, (1, 0), (0, 1), 2**32) for epoch in range(10)}
    assert len(orders) == 50


def test_every_place_is_equally_likely() -> None:
    counts = np.zeros((5, 5))
    for epoch in range(5_000):
        counts[np.arange(5), permutation(5, 0, epoch)] += 1
    # Chi-squared with 16 degrees of freedom is above 39.3 once in a thousand times.
    assert ((counts - 1000) ** 2 / 1000).sum() < 39.3


@pytest.mark.parametrize(
    ("n", "batch_size", "min_rows", "expected"),
    [
        (10, None, 1, [0, 10]),
        (10, 10, 1, [0, 10]),
        (10, 11, 1, [0, 10]),
        (10, 2**63, 1, [0, 10]),
        (10, 5, 1, [0, 5, 10]),
        (10, 4, 1, [0, 4, 8, 10]),
        (10, 4, 2, [0, 4, 8, 10]),
        (10, 4, 3, [0, 4, 10]),
        (10, 9, 2, [0, 10]),
        (1, 1, 100, [0, 1]),
        (3, 1, 1, [0, 1, 2, 3]),
    ],
)
def test_a_small_remainder_joins_the_batch_before(
    n: int, batch_size: int | None, min_rows: int, expected: list[int]
) -> None:
    assert edges(n, batch_size, min_rows).tolist() == expected


def test_a_full_batch_is_the_rows_as_they_are() -> None:
    assert list(batches(10, None, seed=1, epoch=3)) == [ALL]
    assert list(batches(10, 9, seed=1, epoch=3, min_rows=2)) == [ALL]


def test_no_rows_are_refused() -> None:
    with pytest.raises(OpValueError, match="no rows"):
        list(batches(0, 10, seed=0, epoch=0))
    with pytest.raises(OpValueError, match="no rows"):
        edges(0, None)
