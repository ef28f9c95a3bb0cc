"""More ops that keep rows apart, against numpy on the rows put together."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from fedsock import errors
from fedsock.federated import FederatedArray
from fedsock.federated.rowmaps import ROW_MAPS
from fedsock.ops import TABLE
from tests.federated.owners import named, split, workers

X = np.random.default_rng(2).normal(size=(20, 3))

KEPT: dict[str, list[Callable[[Any], Any]]] = {
    "digitize": [lambda a: np.digitize(a, np.array([-1.0, 0, 1]))],
    "isin": [lambda a: np.isin(np.round(a), [0.0, 1.0])],
    "interp": [lambda a: np.interp(a, np.array([-1.0, 1]), np.array([0.0, 5]))],
    "linalg.norm": [lambda a: np.linalg.norm(a, axis=1), lambda a: np.linalg.norm(a.T, 1, 0, True)],
    "linalg.vector_norm": [lambda a: np.linalg.vector_norm(a, axis=-1, keepdims=True, ord=1)],
    "cumsum": [lambda a: np.cumsum(a, axis=1), lambda a: a.T.cumsum(0)],
    "cumprod": [lambda a: np.cumprod(a, -1)],
    "concatenate": [lambda a: np.concatenate([a, a * 2], axis=1), lambda a: np.concatenate((a.T, a.T))],
    "stack": [
        lambda a: np.stack([a[:, 0], a[:, 1]], axis=1),
        lambda a: np.stack([a, a]),
        lambda a: np.stack([a, a], -1),
    ],
    "column_stack": [lambda a: np.column_stack([a[:, 0], a, a[:, 2]])],
    "hstack": [lambda a: np.hstack([a, a])],
}

MIXED: list[Callable[[Any], Any]] = [
    lambda a: np.linalg.norm(a),
    lambda a: np.linalg.norm(a, axis=0),
    lambda a: np.cumsum(a, axis=0),
    lambda a: np.cumsum(a),
    lambda a: np.concatenate([a, a]),
    lambda a: np.concatenate([a, a], axis=None),
    lambda a: np.concatenate([a, np.ones((20, 3))], axis=1),
    lambda a: np.stack([a.T, a.T[:1].T.T]),
    lambda a: np.hstack([a[:, 0], a[:, 1]]),
    lambda a: np.column_stack([a.T, a.T]),
    lambda a: np.digitize(X[0], np.sort(a[:, 0])),
    lambda a: np.isin(a, a),
]


@pytest.mark.parametrize(("name", "at"), [(name, at) for name, forms in KEPT.items() for at in range(len(forms))])
async def test_kept_apart(name: str, at: int) -> None:
    async with workers(named("x", split(X, 1, 12, 7))) as hub:
        found, due = KEPT[name][at](hub.federated("x")), KEPT[name][at](X)
        assert isinstance(found, FederatedArray)
        assert (found.shape, found.dtype) == (due.shape, due.dtype)
        np.testing.assert_allclose(await found, due, rtol=1e-14)


@pytest.mark.parametrize("at", range(len(MIXED)))
async def test_mixed(at: int) -> None:
    async with workers(named("x", split(X, 12, 8))) as hub:
        with pytest.raises((errors.PointersApart, errors.OpValueError)):
            MIXED[at](hub.federated("x"))


async def test_a_policy_keeps_what_it_calls_mixed() -> None:
    async with workers(named("x", split(X, 12, 8)), "aggregate") as hub:
        fx = hub.federated("x")
        with pytest.raises(errors.ExportDenied, match="directly from values that keep each row apart"):
            await np.column_stack([fx, fx]).mean(axis=0)


def test_each_is_an_op_and_tried_here() -> None:
    assert set(KEPT) == set(ROW_MAPS) <= set(TABLE)
