"""Federated arrays: written with as the rows put together, and refused where that would need them in one place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import fedsock
from fedsock import errors
from fedsock.federated import FederatedArray
from tests.federated.owners import named, split, workers

RNG = np.random.default_rng(3)
X = RNG.normal(size=(47, 3)) * 4
W = RNG.normal(size=(3, 2))


async def test_what_is_known() -> None:
    async with workers(named("x", split(X, 1, 6, 40))) as hub:
        fx = hub.federated("x")
        assert isinstance(fx, FederatedArray)
        assert (fx.shape, fx.dtype, fx.ndim, len(fx), fx.size, fx.axis) == ((47, 3), np.float64, 2, 47, 141, 0)
        assert fx.rows == {"alice": 1, "bob": 6, "carol": 40} and fx.workers == ["alice", "bob", "carol"]
        assert (fx.T.shape, fx.T.axis, (fx > 1).dtype) == ((3, 47), 1, np.bool_)
        assert fx.at("bob") is hub.workers["bob"].datasets["x"] and fx.parts.location[1] is hub.workers["bob"]
        assert fx.sources["alice"] == {"x"} and (fx + fx).sources["bob"] == {"x"}
        assert repr(fx) == "<FederatedArray (47, 3) float64 at alice (1), bob (6), carol (40)>"


@pytest.mark.parametrize(
    "expression",
    [
        lambda a: a * 2 - np.ones(3),
        lambda a: 1 / (1 + np.exp(-a @ W)),
        lambda a: a[:, 1],
        lambda a: a[:, None, [0, 2]],
        lambda a: a.sum(axis=1),
        lambda a: np.argmax(a, axis=1),
        lambda a: a.T,
        lambda a: np.where(a > 0, a, -1),
        lambda a: (a - a.mean(axis=1, keepdims=True)) ** 2,
        lambda a: a.astype("float32").reshape(-1, 3, 1),
        lambda a: np.sort(a, axis=1),
        lambda a: divmod(a, 2)[1],
        lambda a: a[:, :1].squeeze(),
        lambda a: a[:, 1:2].reshape(-1),
        lambda a: np.sum(a=a, axis=1),
        lambda a: np.clip(a, -1, 1) // 1,
    ],
)
async def test_row_maps_stay_where_the_rows_are(expression: Callable[[Any], Any]) -> None:
    async with workers(named("x", split(X, 40, 1, 6))) as hub:
        mapped, due = expression(hub.federated("x")), expression(X)
        assert isinstance(mapped, FederatedArray)
        assert (mapped.shape, mapped.dtype) == (due.shape, due.dtype)
        np.testing.assert_allclose(await mapped, due, rtol=1e-14)


async def test_several_results() -> None:
    async with workers(named("x", split(X, 40, 7))) as hub:
        fraction, whole = await np.modf(hub.federated("x"))
        np.testing.assert_array_equal(whole, np.modf(X)[1])
        np.testing.assert_array_equal(fraction, np.modf(X)[0])


async def test_ops_run_at_every_worker_and_nothing_else_is_sent() -> None:
    async with workers(named("x", split(X, 40, 7))) as hub:
        before = [(await worker.stats()).ops_run for worker in hub.workers.values()]
        result = (hub.federated("x") * 2).sum()
        assert "not awaited" in repr(result) and result.workers == []
        await result
        assert [(await worker.stats()).ops_run for worker in hub.workers.values()] == [n + 2 for n in before]
        assert result.workers == ["alice", "carol"] and result.missing == {}


@pytest.mark.parametrize(
    ("wrong", "error", "said"),
    [
        (lambda fx: fx @ fx.T, errors.PointersApart, "fx.T @ fy"),
        (lambda fx: fx[0], errors.PointersApart, r"rows at alice \(40\), carol \(7\) in one place"),
        (lambda fx: fx[fx[:, 0] > 1], errors.PointersApart, "in one place"),
        (lambda fx: np.sort(fx, axis=0), errors.PointersApart, "sort would need"),
        (lambda fx: fx + np.ones((47, 3)), errors.OpValueError, "same for every row"),
        (lambda fx: fx + np.ones((2, 3)), errors.PointersApart, "same for every row"),
        (lambda fx: np.ones(47) @ fx, errors.OpValueError, "matmul"),
        (lambda fx: np.ones(2) @ fx, errors.PointersApart, "both are federated"),
        (lambda fx: np.cov(fx), errors.PointersApart, "rowvar=False"),
        (lambda fx: fx - fx.mean(), errors.PointersMixed, "await it first"),
        (lambda fx: fx + fx.at("alice"), errors.PointersMixed, "fx.at"),
        (lambda fx: fx.parts + fx, errors.PointersMixed, "federated"),
        (lambda fx: list(fx), errors.PointersApart, "iterated"),
        (lambda fx: fx.__iadd__(1), errors.InPlaceRefused, "fx = fx"),
        (lambda fx: fx.__setitem__(0, 1), errors.InPlaceRefused, "fx = fx"),
        (lambda fx: bool(fx), errors.PointerTruthError, "federated array at alice"),
        (lambda fx: np.asarray(fx), errors.ImplicitFetch, "federated array"),
        (lambda fx: fx.sum(where=fx > 0), errors.OpTypeError, "takes no where"),
        (lambda fx: np.var(fx, mean=np.zeros(3)), errors.OpTypeError, "takes no mean"),
        (lambda fx: np.histogram(fx, bins=5), errors.OpTypeError, "needs edges, or a range"),
        (lambda fx: np.histogram(fx, bins="auto"), errors.OpTypeError, "needs edges, or a range"),
        (lambda fx: np.quantile(np.ones(3), fx), errors.PointersApart, "quantile would need"),
        (lambda fx: np.cov(np.ones(2), fx[:, 0]), errors.PointersApart, "for both of its variables"),
        (lambda fx: fx.sum(axis=5), errors.OpValueError, "axis 5"),
    ],
)
async def test_what_is_refused_at_once(wrong: Callable[[Any], Any], error: type[Exception], said: str) -> None:
    async with workers(named("x", split(X, 40, 7))) as hub:
        with pytest.raises(error, match=said):
            wrong(hub.federated("x"))


async def test_other_rows() -> None:
    data = {"alice": {"x": X[:40], "y": X[:40, 0]}, "carol": {"x": X[40:], "y": X[39:, 0]}}
    async with workers(data) as hub:
        with pytest.raises(errors.PointersApart, match=r"carol \(7\), of the other at .*carol \(8\)"):
            hub.federated("x").T @ hub.federated("y")
        with pytest.raises(errors.PointersApart, match="the same workers"):
            hub.federated("x") + hub.federated("x", workers=["alice"])


async def test_all_rows_need_a_policy_that_lets_them_leave() -> None:
    async with workers(named("x", split(X, 40, 7)), "aggregate") as hub:
        with pytest.raises(errors.ExportDenied, match="alice keeps data set 'x'") as caught:
            await hub.federated("x")
        assert "carol" in caught.value.__notes__[0]


def test_a_federated_array_is_exported() -> None:
    assert FederatedArray.__module__.startswith(fedsock.__name__)
