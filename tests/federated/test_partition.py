"""Partitions: each row goes to exactly one worker, the same seed gives the same, and each kind is what it says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedsock.errors import ConfigError
from fedsock.federated import partition

LABELS = np.random.default_rng(3).integers(0, 10, 1000)

Kind = Callable[[Any, int, int], Any]

KINDS: dict[str, Kind] = {
    "iid": lambda labels, workers, seed: partition.iid(len(labels), workers, seed=seed),
    "dirichlet": lambda labels, workers, seed: partition.dirichlet(labels, workers, alpha=0.3, min_rows=0, seed=seed),
    "shards": lambda labels, workers, seed: partition.shards(labels, workers, seed=seed),
    "by_label": lambda labels, workers, seed: partition.by_label(labels, workers, each=3, min_rows=0, seed=seed),
    "by_size": lambda labels, workers, seed: partition.by_size(
        len(labels), np.arange(1.0, workers + 1), min_rows=0, seed=seed
    ),
    "natural": lambda labels, workers, seed: partition.natural(labels % workers),
}


@pytest.mark.parametrize("kind", KINDS)
@given(rows=st.integers(40, 200), workers=st.integers(1, 20), seed=st.integers(0, 2**32))
def test_each_row_is_in_exactly_one_part(kind: str, rows: int, workers: int, seed: int) -> None:
    labels = np.random.default_rng(seed).integers(0, 3, rows)
    labels[:3] = 0, 1, 2
    parts = KINDS[kind](labels, workers, seed)
    np.testing.assert_array_equal(np.sort(np.concatenate(parts)), np.arange(rows))
    assert all(np.all(np.diff(part) > 0) for part in parts)
    if kind != "natural":
        assert len(parts) == workers


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "natural"])
def test_the_seed_decides(kind: str) -> None:
    first, again, other = (KINDS[kind](LABELS, 7, seed) for seed in (5, 5, 6))
    assert all(map(np.array_equal, first, again))
    assert not all(map(np.array_equal, first, other))


def test_iid_is_even_and_mixed() -> None:
    parts = partition.iid(1000, 7)
    assert {len(part) for part in parts} == {142, 143}
    assert partition.counts(LABELS, parts).min() > 3


def test_a_smaller_alpha_is_more_skewed() -> None:
    def spread(alpha: float) -> float:
        table = partition.counts(LABELS, partition.dirichlet(LABELS, 10, alpha=alpha))
        return float(np.mean(table.max(axis=1) / table.sum(axis=1)))

    assert spread(0.1) > spread(1.0) + 0.1 > spread(100.0) + 0.2


def test_a_draw_that_leaves_one_too_few_is_drawn_anew() -> None:
    # Seen with min_rows=0: of these seeds some leave a worker nothing.
    seeds = range(20)
    loose = [min(map(len, partition.dirichlet(LABELS, 20, alpha=0.1, min_rows=0, seed=seed))) for seed in seeds]
    assert min(loose) == 0
    strict = [min(map(len, partition.dirichlet(LABELS, 20, alpha=0.1, seed=seed))) for seed in seeds]
    assert min(strict) >= 1
    with pytest.raises(ConfigError, match="none of 1000 draws"):
        partition.dirichlet(np.arange(20) % 2, 10, alpha=0.001, min_rows=2)


def test_shards_hold_few_labels() -> None:
    parts = partition.shards(LABELS, 10)
    assert {len(part) for part in parts} == {100}
    assert np.all(np.count_nonzero(partition.counts(LABELS, parts), axis=1) <= 4)  # each shard touches two at most


def test_each_worker_has_its_labels_only() -> None:
    table = partition.counts(LABELS, partition.by_label(LABELS, 15, each=2))
    assert np.all(np.count_nonzero(table, axis=1) == 2)
    with pytest.raises(ConfigError, match="10 labels don't fit 4 workers with 2 of them each"):
        partition.by_label(LABELS, 4, each=2)


def test_sizes_are_relative() -> None:
    assert [len(part) for part in partition.by_size(1000, [1, 1, 8])] == [100, 100, 800]
    with pytest.raises(ConfigError, match="fewer than min_rows"):
        partition.by_size(100, [1, 1e6])
    for sizes in ([1, 0], [], [1, np.nan]):
        with pytest.raises(ConfigError, match="above 0"):
            partition.by_size(100, sizes)


def test_by_nature_one_part_an_id() -> None:
    parts = partition.natural(np.array(["eve", "dan", "eve", "ann"]))
    assert [part.tolist() for part in parts] == [[3], [1], [0, 2]]


@pytest.mark.parametrize(("rows", "workers", "least"), [(3, 4, 1), (0, 1, 0), (10, 0, 1), (10, 2, 6), (5, 2, -1)])
def test_too_few_rows(rows: int, workers: int, least: int) -> None:
    with pytest.raises(ConfigError):
        partition.iid(rows, workers, min_rows=least)


def test_parts_of_data() -> None:
    data = {"x": np.arange(8).reshape(4, 2), "y": [1, 2, 3, 4]}
    first, second = partition.parts(data, [np.array([0, 3]), np.array([1, 2])])
    assert first["x"].tolist() == [[0, 1], [6, 7]] and second["y"].tolist() == [2, 3]
    with pytest.raises(ConfigError, match="one length"):
        partition.parts({"x": np.arange(3), "y": np.arange(4)}, [])


def test_labels_are_one_a_row() -> None:
    with pytest.raises(ConfigError, match=r"shape \(2, 2\)"):
        partition.shards(np.ones((2, 2)), 1)


def test_its_picture() -> None:
    labels = np.array([0, 0, 0, 0, 1, 1])
    shown = partition.picture(labels, [np.array([0, 1, 4, 5]), np.array([2, 3])], width=8)
    assert shown == "   0 00001111 4\n   1 0000     2"


def test_it_is_plotted() -> None:
    labels = np.array(["a", "a", "a", "a", "b", "b"])
    figure = partition.plot(labels, [np.array([0, 1, 4, 5]), np.array([2, 3])])
    (axes,) = figure.axes
    assert [[(bar.get_y(), bar.get_height()) for bar in bars] for bars in axes.containers] == [
        [(0, 2), (0, 2)],
        [(2, 2), (2, 0)],
    ]
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.texts] == ["b", "a"]
