"""Which rows are in which batch: the same on every machine, by the seed alone.

The order of the n rows in epoch e (counted from 0) is the stable argsort of the first n raw 64-bit outputs of
``PCG64(SeedSequence(words, spawn_key=(e,)))``, words being how many numbers the seed has, then of each its lower and
its upper 32 bits. numpy promises that these outputs stay what they are (NEP 19), on every platform and in every
version, which it doesn't of ``Generator.permutation``.

Source: O'Neill, "PCG: A Family of Simple Fast Space-Efficient Statistically Good Algorithms for Random Number
Generation", 2014.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from fedsock.errors import OpValueError
from fedsock.typing import Array

ALL = slice(None)
"""All rows, in their order."""


def permutation(n: int, seed: int | tuple[int, ...], epoch: int) -> Array:
    """Return the order in which an epoch takes rows.

    Args:
        n: how many rows.
        seed: an int of 0 or more, or several.
        epoch: counted from 0.

    Returns:
        order: (n,) int64, each of 0 … n-1 once.
    """
    parts = seed if isinstance(seed, tuple) else (seed,)
    # The words as they are would be the same for 1 and (1, 0), and for 2**32 and (0, 1).
    words = [len(parts), *(half for part in parts for half in (part & 0xFFFFFFFF, part >> 32))]
    bits = np.random.PCG64(np.random.SeedSequence(words, spawn_key=(epoch,)))
    return np.argsort(bits.random_raw(n), kind="stable")


def edges(n: int, batch_size: int | None, min_rows: int = 1) -> Array:
    """Return where batches begin and end: batch i has places edges[i] … edges[i+1] of the epoch's order.

    Args:
        n: how many rows.
        batch_size: rows of a batch; None, or more than n: one batch.
        min_rows: a remainder of fewer rows joins the batch before.

    Returns:
        edges: (batches + 1,) int64, from 0 to n.

    Raises:
        OpValueError: there are no rows.
    """
    found = sizes(n, batch_size, min_rows)  # the usual size first, then that of the remainder
    return np.append(0, np.cumsum(np.repeat(list(found), list(found.values()))))


def sizes(n: int, batch_size: int | None, min_rows: int = 1) -> dict[int, int]:
    """Return how many rows the batches of an epoch have: rows -> so many batches; worked out without any array.

    Args:
        n: how many rows.
        batch_size: as for ``edges``.
        min_rows: as for ``edges``.

    Raises:
        OpValueError: there are no rows.
    """
    if n < 1:
        raise OpValueError("there are no rows to train on")
    size = n if batch_size is None else min(batch_size, n)
    whole, rest = divmod(n, size)
    if not rest:
        return {size: whole}
    if rest >= min_rows:
        return {size: whole, rest: 1}
    return {size: whole - 1, size + rest: 1} if whole > 1 else {n: 1}


def batches(
    n: int, batch_size: int | None, *, seed: int | tuple[int, ...], epoch: int, min_rows: int = 1
) -> Iterator[Array | slice]:
    """Give the rows of each batch of an epoch, in turn; one full batch is the rows in their own order.

    Args:
        n: how many rows.
        batch_size: rows of a batch; None, or more than n: one batch.
        seed: an int of 0 or more, or several.
        epoch: counted from 0.
        min_rows: a remainder of fewer rows joins the batch before.

    Raises:
        OpValueError: there are no rows.
    """
    ends = edges(n, batch_size, min_rows)
    if len(ends) == 2:
        yield ALL
        return
    order = permutation(n, seed, epoch)
    for start, stop in pairwise(ends):
        yield order[start:stop]
