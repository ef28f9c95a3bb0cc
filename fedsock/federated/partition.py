"""How rows are shared out among simulated workers: each row goes to exactly one.

A partition is a list of index arrays, one a worker, each rising. ``parts`` turns it into what
``hub.virtual_workers(data=…)`` takes. The same seed gives the same partition.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from fedsock.errors import ConfigError
from fedsock.federated import pictures
from fedsock.typing import Array

MOST_DRAWS = 1_000
"""How often a partition is drawn anew before it is said that its smallest part stays too small."""


def iid(rows: int, workers: int, *, min_rows: int = 1, seed: int = 0) -> list[Array]:
    """Return a partition of shuffled rows, their numbers as even as can be.

    Args:
        rows: how many there are.
        workers: how many parts.
        min_rows: that each part has at least.
        seed: of the shuffle.

    Raises:
        ConfigError: there are too few rows.
    """
    _check(rows, workers, min_rows)
    return _sorted(np.array_split(np.random.default_rng(seed).permutation(rows), workers))


def dirichlet(labels: Any, workers: int, *, alpha: float, min_rows: int = 1, seed: int = 0) -> list[Array]:
    """Return a partition in which each label is shared out in proportions drawn from a Dirichlet distribution.

    Args:
        labels: (n,), of each row.
        workers: how many parts.
        alpha: the smaller, the fewer workers have most of a label.
        min_rows: that each part has at least; it is drawn anew until it is so.
        seed: of all draws.

    Raises:
        ConfigError: there are too few rows, or no draw of 1,000 left each part enough.

    Source: Hsu, Qi and Brown, "Measuring the effects of non-identical data distribution" (2019); Li et al.,
        "Federated learning on non-IID data silos" (2022), for the proportions by label.
    """
    labels = _labels(labels)
    _check(len(labels), workers, min_rows)
    if not (np.isfinite(alpha) and alpha > 0):
        raise ConfigError(f"alpha={alpha!r}: expected a number above 0")
    rng = np.random.default_rng(seed)

    def draw() -> list[Array]:
        shares: list[list[Array]] = [[] for _ in range(workers)]
        for label in np.unique(labels):
            rows = rng.permutation(np.flatnonzero(labels == label))
            shares_of_label = rng.dirichlet(np.full(workers, alpha))
            cuts = (np.cumsum(shares_of_label)[:-1] * len(rows)).astype(np.int64)
            for share, part in zip(shares, np.split(rows, cuts), strict=True):
                share.append(part)
        return [np.concatenate(share) for share in shares]

    return _redrawn(draw, min_rows)


def shards(labels: Any, workers: int, *, per_worker: int = 2, min_rows: int = 1, seed: int = 0) -> list[Array]:
    """Return a partition of rows sorted by label and cut into equal shards, some to each worker.

    Args:
        labels: (n,), of each row.
        workers: how many parts.
        per_worker: shards of each.
        min_rows: that each part has at least.
        seed: of who gets which.

    Raises:
        ConfigError: there are fewer rows than shards, or a part would have too few.

    Source: McMahan et al., "Communication-efficient learning of deep networks from decentralized data" (2017),
        section 3.
    """
    labels = _labels(labels)
    _check(len(labels), workers, max(min_rows, per_worker))
    if per_worker < 1:
        raise ConfigError(f"per_worker={per_worker!r}: expected 1 or more")
    pieces = np.array_split(np.argsort(labels, kind="stable"), workers * per_worker)
    order = np.random.default_rng(seed).permutation(len(pieces)).reshape(workers, per_worker)
    return _enough(_sorted(np.concatenate([pieces[shard] for shard in mine]) for mine in order), min_rows)


def by_label(labels: Any, workers: int, *, each: int = 1, min_rows: int = 1, seed: int = 0) -> list[Array]:
    """Return a partition in which each worker has rows of a few labels only, a label's rows split among who has it.

    Args:
        labels: (n,), of each row.
        workers: how many parts.
        each: labels a worker.
        min_rows: that each part has at least.
        seed: of who gets which.

    Raises:
        ConfigError: there are more labels than places for them, fewer than ``each``, or a part would have too few rows.
    """
    labels = _labels(labels)
    _check(len(labels), workers, min_rows)
    names = np.unique(labels)
    if not 1 <= each <= len(names) or workers * each < len(names):
        told = f"{len(names)} labels don't fit {workers} workers with {each} of them each"
        raise ConfigError(f"each={each!r}: {told}")
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(names))
    held = [{int(order[(worker * each + place) % len(names)]) for place in range(each)} for worker in range(workers)]
    shares: list[list[Array]] = [[] for _ in range(workers)]
    for number, name in enumerate(names):
        holders = [worker for worker in range(workers) if number in held[worker]]
        rows = rng.permutation(np.flatnonzero(labels == name))
        for worker, part in zip(holders, np.array_split(rows, len(holders)), strict=True):
            shares[worker].append(part)
    return _enough(_sorted(np.concatenate(share) for share in shares), min_rows)


def by_size(rows: int, sizes: Sequence[float], *, min_rows: int = 1, seed: int = 0) -> list[Array]:
    """Return a partition of shuffled rows into parts of given relative sizes.

    Args:
        rows: how many there are.
        sizes: one number above 0 for each worker, such as [1, 1, 8].
        min_rows: that each part has at least.
        seed: of the shuffle.

    Raises:
        ConfigError: a size can't be, or a part would have too few rows.
    """
    shares = np.asarray(sizes, np.float64)
    if shares.ndim != 1 or not len(shares) or not np.all(np.isfinite(shares) & (shares > 0)):
        raise ConfigError("sizes: expected a number above 0 for each worker")
    _check(rows, len(shares), min_rows)
    cuts = np.rint(np.cumsum(shares)[:-1] / shares.sum() * rows).astype(np.int64)
    return _enough(_sorted(np.split(np.random.default_rng(seed).permutation(rows), cuts)), min_rows)


def natural(ids: Any) -> list[Array]:
    """Return the partition that the data have by nature: one part for each id, in the ids' order.

    Args:
        ids: (n,), of each row: a writer, a hospital, …

    Raises:
        ConfigError: there are none.
    """
    ids = _labels(ids)
    _check(len(ids), 1, 1)
    return [np.flatnonzero(ids == one) for one in np.unique(ids)]


def parts(data: Mapping[str, Any], partition: Sequence[Array]) -> list[dict[str, Array]]:
    """Return the data of each worker: {name: its rows of the array}.

    Args:
        data: name -> array; row i of each is the same example.
        partition: the rows of each worker.

    Raises:
        ConfigError: the arrays have different numbers of rows.
    """
    arrays = {name: np.asarray(value) for name, value in data.items()}
    if any(not array.ndim for array in arrays.values()) or len({len(array) for array in arrays.values()}) > 1:
        raise ConfigError("data: expected arrays with one row for each example, all of them of one length")
    return [{name: array[rows] for name, array in arrays.items()} for rows in partition]


def counts(labels: Any, partition: Sequence[Array]) -> Array:
    """Return how many rows of each label each worker has: (workers, labels) int64, labels in rising order.

    Args:
        labels: (n,), of each row.
        partition: the rows of each worker.
    """
    names, numbers = np.unique(_labels(labels), return_inverse=True)
    return np.stack([np.bincount(numbers[rows], minlength=len(names)) for rows in partition])


def picture(labels: Any, partition: Sequence[Array], width: int = 60) -> str:
    """Return a picture of a partition in text: a line for each worker, as long as its rows, a sign for each label.

    Args:
        labels: (n,), of each row; the first 36 labels have signs of their own.
        partition: the rows of each worker.
        width: signs of the longest line.
    """
    table = counts(labels, partition)
    longest = max(int(table.sum(axis=1).max()), 1)
    lines = []
    for number, row in enumerate(table):
        ends = np.rint(np.cumsum(row) / longest * width).astype(int)
        signs = "".join(
            SIGNS[min(label, len(SIGNS) - 1)] * int(end - start)
            for label, (start, end) in enumerate(zip([0, *ends], ends, strict=False))
        )
        lines.append(f"{number:>4} {signs:<{width}} {row.sum()}")
    return "\n".join(lines)


def plot(labels: Any, partition: Sequence[Array]) -> Any:
    """Return a matplotlib Figure of a partition: a bar for each worker, as high as its rows, a colour for each label.

    In a notebook it is shown where it is a cell's last value; ``.savefig(path)`` writes it to a file.

    Args:
        labels: (n,), of each row.
        partition: the rows of each worker.

    Raises:
        ConfigError: matplotlib (extra "plot") is not installed.
    """
    return pictures.stacked(counts(labels, partition), np.unique(_labels(labels)).tolist())


SIGNS = "0123456789abcdefghijklmnopqrstuvwxyz+"
"""Of the labels in a picture, in their order; the last one stands for all others."""


def _labels(labels: Any) -> Array:
    array = np.asarray(labels)
    if array.ndim != 1:
        raise ConfigError(f"labels: expected one for each row, not an array of shape {array.shape}")
    return array


def _check(rows: int, workers: int, min_rows: int) -> None:
    if workers < 1 or min_rows < 0:
        raise ConfigError(f"expected at least one worker and min_rows of 0 or more, not {workers} and {min_rows}")
    if rows < max(workers * min_rows, 1):
        raise ConfigError(f"{rows} rows are too few for {workers} workers with at least {min_rows} each")


def _sorted(partition: Any) -> list[Array]:
    return [np.sort(part) for part in partition]


def _enough(partition: list[Array], min_rows: int) -> list[Array]:
    smallest = min(map(len, partition))
    if smallest < min_rows:
        raise ConfigError(f"a worker would have {smallest} rows, fewer than min_rows={min_rows}")
    return partition


def _redrawn(draw: Callable[[], list[Array]], min_rows: int) -> list[Array]:
    for _ in range(MOST_DRAWS):
        partition = draw()
        if min(map(len, partition)) >= min_rows:
            return _sorted(partition)
    told = f"none of {MOST_DRAWS} draws left each worker {min_rows} rows"
    raise ConfigError(f"{told}; take a larger alpha, fewer workers or a smaller min_rows")
