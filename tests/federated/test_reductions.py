"""What is known of all rows, against numpy on the rows put together."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import AsyncIterator, Callable, Coroutine
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import pytest_asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import fedsock
from fedsock import errors
from fedsock.federated.reductions import OVER_ROWS, RoundedMeans
from tests.contract.house import options, process
from tests.federated.owners import NAMES, named, split, workers

loop = pytest.mark.asyncio(loop_scope="module")
REPEATED = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def hub() -> AsyncIterator[fedsock.Hub]:
    async with workers({name: {} for name in NAMES}) as hub:
        yield hub


def run(hub: fedsock.Hub, parts: list[Any], expression: Callable[[Any], Any]) -> Coroutine[Any, Any, tuple[Any, Any]]:
    """Return what an expression gives of rows that were sent to workers, and of all in one place."""
    kept = [hub.workers[name].send(part, tags=["#x"]) for name, part in zip(sorted(NAMES), parts, strict=False)]
    fx = hub.federated("#x")

    async def both() -> tuple[Any, Any]:
        try:
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", "Degrees of freedom|invalid value|divide by zero")
                due = expression(np.concatenate(parts))
            return await expression(fx), due
        finally:
            for pointer in kept:
                pointer.release()

    return both()


def rows(elements: Any, dtype: Any = np.float64) -> Any:
    return st.lists(
        hnp.arrays(dtype, st.tuples(st.integers(1, 6), st.just(2)), elements=elements), min_size=1, max_size=4
    )


EXPRESSIONS: dict[str, Callable[[Any], Any]] = {
    "sum": lambda a: a.sum(axis=0),
    "all": lambda a: np.sum(a, keepdims=True),
    "mean": lambda a: np.mean(a, axis=(0, 1)),
    "means": lambda a: a.mean(axis=0, keepdims=True),
    "var": lambda a: a.var(axis=0),
    "var, ddof": lambda a: np.var(a, ddof=1.5),
    "std": lambda a: np.std(a, axis=0, correction=0, keepdims=True),
    "product": lambda a: a.T @ a,
    "dot": lambda a: np.dot(a[:, 0], a[:, 1]),
    "max": lambda a: a.max(axis=0),
    "min": lambda a: np.min(a),
    "median": lambda a: np.median(a, axis=0),
    "percentile": lambda a: np.percentile(a, [10, 50], axis=0),
}


@loop
@pytest.mark.parametrize("name", EXPRESSIONS)
async def test_floats(hub: fedsock.Hub, name: str) -> None:
    rng = np.random.default_rng(len(name))
    for sizes in ((1, 9), (3, 1, 30, 2), (7,)):
        found, due = await run(hub, [rng.normal(size=(n, 2)) for n in sizes], EXPRESSIONS[name])
        assert type(found) is type(due) and found.dtype == due.dtype and np.shape(found) == np.shape(due)
        np.testing.assert_allclose(found, due, rtol=1e-12)


@loop
@pytest.mark.parametrize("dtype", ["bool", "uint8", "int16", "int64", "float32", "complex64", "complex128"])
@pytest.mark.parametrize("name", ["sum", "mean", "var", "std", "product"])
async def test_dtypes_are_numpys(hub: fedsock.Hub, name: str, dtype: str) -> None:
    rng = np.random.default_rng(0)
    parts = [rng.integers(0, 2, (n, 2)).astype(dtype) for n in (1, 5, 20)]
    found, due = await run(hub, parts, EXPRESSIONS[name])
    assert found.dtype == due.dtype
    np.testing.assert_allclose(found, due, rtol=1e-6 if dtype in ("float32", "complex64") else 1e-12)


@loop
async def test_single_precision_is_added_up_in_double(hub: fedsock.Hub) -> None:
    parts = [np.array([[1e4, 1e4], [1, 1]], np.float32), np.array([[-1e4, 1e4]], np.float32)]
    for expression in (lambda a: a[:, 0] @ a[:, 1], lambda a: (a[:, 0] * a[:, 1]).sum()):
        found, _ = await run(hub, parts, expression)
        assert found.dtype == np.float32 and found == 1


@REPEATED
@given(parts=rows(st.integers(-(2**53), 2**53), np.int64))
def test_integers_are_exact(hub: fedsock.Hub, parts: list[Any]) -> None:
    async def check() -> None:
        for name in ("sum", "all", "product", "dot", "max"):
            found, due = await run(hub, parts, EXPRESSIONS[name])
            np.testing.assert_array_equal(found, due)
            assert found.dtype == due.dtype
        found, due = await run(hub, parts, EXPRESSIONS["mean"])
        assert abs(found - due) <= 1e-12 * np.abs(np.concatenate(parts).astype(float)).mean()

    hub._open_session.loop.run_until_complete(check())


@REPEATED
@given(parts=rows(st.floats(-1, 1)), power=st.integers(-6, 8), ddof=st.integers(0, 3))
def test_variances_with_huge_offsets(hub: fedsock.Hub, parts: list[Any], power: int, ddof: int) -> None:
    async def check() -> None:
        shifted = [part + 10.0**power for part in parts]
        found, _ = await run(hub, shifted, lambda a: a.var(axis=0, ddof=ddof))
        whole = np.concatenate(shifted)
        for column, value in zip(whole.T, np.atleast_1d(found), strict=True):
            exact = [Fraction(float(one)) for one in column]
            squares = sum((one - sum(exact) / len(exact)) ** 2 for one in exact)
            if len(exact) <= ddof:
                assert not np.isfinite(value)
                continue
            due = float(squares / (len(exact) - ddof))
            noise = ((10.0**power + 1) * 2**-50) ** 2
            assert abs(value - due) <= 1e-12 * due + noise

    hub._open_session.loop.run_until_complete(check())


@REPEATED
@given(parts=rows(st.floats(-1, 1)), offset=st.sampled_from([0.0, 1e3, 1e8]), rowvar=st.booleans())
def test_covariances(hub: fedsock.Hub, parts: list[Any], offset: float, rowvar: bool) -> None:
    async def check() -> None:
        shifted = [part + np.array([offset, -offset]) for part in parts]
        whole = np.concatenate(parts)
        found, _ = await run(hub, shifted, lambda a: np.cov(a.T if rowvar else a, rowvar=rowvar, ddof=0))
        exact = np.concatenate(shifted) - np.array([offset, -offset])
        due = np.cov(exact, rowvar=False, ddof=0)
        scale = np.sqrt(np.outer(np.diagonal(due), np.diagonal(due)))
        assert (np.abs(found - due) <= 1e-12 * scale + (offset * 2**-48) ** 2 + 1e-30).all(), len(whole)

    hub._open_session.loop.run_until_complete(check())


@loop
@pytest.mark.parametrize(
    "expression",
    [
        lambda a: np.cov(a, rowvar=False),
        lambda a: np.cov(a[:, 0]),
        lambda a: np.cov(a[:, 0], a[:, 1], bias=True),
        lambda a: np.cov(a, a[:, 0], rowvar=False),
        lambda a: np.cov(a.T, a[:, 0] * 2, ddof=3),
        lambda a: np.corrcoef(a, rowvar=False),
        lambda a: np.corrcoef(a[:, 0], a[:, 1]),
        lambda a: np.corrcoef(a[:, 0]),
        lambda a: np.cov(a * (1 + 2j), rowvar=False),
    ],
)
async def test_covariances_of_all_forms(hub: fedsock.Hub, expression: Callable[[Any], Any]) -> None:
    rng = np.random.default_rng(0)
    found, due = await run(hub, [rng.normal(size=(n, 2)) for n in (1, 4, 20)], expression)
    assert np.shape(found) == np.shape(due) and found.dtype == due.dtype
    np.testing.assert_allclose(found, due, rtol=1e-12)


@REPEATED
@given(
    parts=st.lists(hnp.arrays(np.int64, st.integers(1, 8), elements=st.integers(0, 9)), min_size=1, max_size=4),
    minlength=st.integers(0, 12),
)
def test_tables(hub: fedsock.Hub, parts: list[Any], minlength: int) -> None:
    async def check() -> None:
        found, due = await run(hub, parts, lambda a: np.bincount(a, minlength=minlength))
        np.testing.assert_array_equal(found, due)
        for expression in (
            lambda a: np.histogram(a, bins=[0, 1, 2.5, 9]),
            lambda a: np.histogram(a, 7, (0.3, 8)),
            lambda a: np.histogram(a, bins=4, range=(-1, 12), density=True),
        ):
            (counts, edges), (due, due_edges) = await run(hub, parts, expression)
            np.testing.assert_array_equal(edges, due_edges)
            if counts.dtype == np.int64:
                np.testing.assert_array_equal(counts, due)
            else:
                np.testing.assert_allclose(counts, due, rtol=1e-12)

    hub._open_session.loop.run_until_complete(check())


@loop
async def test_methods_and_workers_without_rows(hub: fedsock.Hub) -> None:
    parts = [np.zeros((0, 2)), np.array([[1.0, 2], [3, 5]]), np.array([[4.0, 4]])]
    whole = np.concatenate(parts)
    kept = [hub.workers[name].send(part, tags=["#m"]) for name, part in zip(sorted(NAMES), parts, strict=False)]
    fx = hub.federated("#m")
    assert await fx.count() == 3 and await fx.min() == 1 and await fx.mean() == whole.mean()
    np.testing.assert_allclose(await fx.cov(), np.cov(whole, rowvar=False), rtol=1e-12)
    np.testing.assert_allclose(await fx.T.cov(ddof=0), np.cov(whole, rowvar=False, ddof=0), rtol=1e-12)
    np.testing.assert_allclose(await fx.corrcoef(), np.corrcoef(whole, rowvar=False), rtol=1e-12)
    assert await fx.quantile(0.25) == np.quantile(whole, 0.25) and await fx.median() == np.median(whole)
    assert (await fx.histogram(2, range=(0, 4)))[0].tolist() == [1, 4]
    assert (await fx[:, 0].astype(int).bincount(minlength=6)).tolist() == [0, 1, 0, 1, 1, 0]
    for pointer in kept:
        pointer.release()


RNG = np.random.default_rng(7)
TABLE = RNG.normal(size=(400, 3))
WARDS = RNG.integers(0, 3, 400)
OWNERS = {"export": "aggregate", "datasets": {"ward": {"group_by": 3}, "x": {}}}


async def test_under_the_aggregate_mode() -> None:
    """What the mode lists needs nothing more; it counts every part."""
    parts = {
        name: {"x": x, "ward": ward}
        for (name, x), ward in zip(split(TABLE, 150, 250).items(), split(WARDS, 150, 250).values(), strict=True)
    }
    async with workers(parts, {**OWNERS, "max_queries": 100}) as hub:
        fx = hub.federated("x")
        for expression in (
            lambda a: a.sum(axis=0), lambda a: a.mean(), lambda a: a.var(axis=0, ddof=1), lambda a: np.std(a),
            lambda a: np.cov(a, rowvar=False), lambda a: np.corrcoef(a.T), lambda a: a.T @ a,
            lambda a: ((a - np.array([1.0, 2, 3])) * 2).T @ a, lambda a: (a * a).sum(axis=0),
        ):  # fmt: skip
            np.testing.assert_allclose(await expression(fx), expression(TABLE), rtol=1e-11)
        assert await fx.count() == 400
        counts = await hub.federated("ward").bincount(minlength=3)
        assert (np.abs(counts - np.bincount(WARDS)) <= 2 * 2).all() and (counts % 5 == 0).all()
        for refused in (lambda a: np.exp(a).sum(), lambda a: a, lambda a: (a > 0).mean(), lambda a: a.max()):
            with pytest.raises(errors.ExportDenied):
                await refused(fx)


async def test_histograms_under_the_aggregate_mode() -> None:
    edges = (-3.0, -1.0, 0.0, 1.0, 3.0)
    policy = {"export": "aggregate", "datasets": {"x": {"group_by": list(edges)}}}
    async with workers(named("x", split(TABLE[:, 0], 150, 250)), policy) as hub:
        counts, found = await hub.federated("x").histogram(edges)
        assert found.tolist() == list(edges)
        assert (np.abs(counts - np.histogram(TABLE[:, 0], edges)[0]) <= 2 * 10).all() and (counts % 5 == 0).all()
        with pytest.raises(errors.ExportDenied, match="use the edges"):
            await hub.federated("x").histogram(4, range=(-3, 3))


async def test_means_are_taken_again_within_the_aggregate_mode() -> None:
    """A shift of up to 2**30 is allowed there; beyond it the result says what it lost."""
    for offset, told in ((1e8, False), (1e10, True)):
        values = TABLE + offset
        async with workers(named("x", split(values, 150, 250)), "aggregate") as hub:
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                result = hub.federated("x", on_denied="skip").var(axis=0)
                found = await result
            assert result.workers == ["alice", "carol"] and result.missing == {}
            assert [one.category for one in caught] == [RoundedMeans] * told
            exact = (values - offset).var(axis=0)
            np.testing.assert_allclose(found, exact, rtol=1e-4 if told else 1e-12)


async def test_real_workers(tmp_path: Any) -> None:
    parts = split(TABLE, 150, 249, 1)
    async with fedsock.Hub(port=0) as hub:
        command = ("fedsock.worker", "--hub", hub.url, "--name")
        folders = {name: tmp_path / name for name in parts}
        for folder in folders.values():
            folder.mkdir()
        started = [(*command, name, *options(folders[name], "--public", {"x": part})) for name, part in parts.items()]
        with process(*started[0]), process(*started[1]), process(*started[2]):
            await hub.wait_for_workers(3, timeout=60)
            fx = hub.federated("x")
            mean, cov, table = await asyncio.gather(
                (fx * 2).mean(axis=0), np.cov(fx, rowvar=False), fx.histogram(5, range=(-2, 2))
            )
            np.testing.assert_allclose(mean, (TABLE * 2).mean(axis=0), rtol=1e-12)
            np.testing.assert_allclose(cov, np.cov(TABLE, rowvar=False), rtol=1e-12)
            np.testing.assert_array_equal(table[0], np.histogram(TABLE, 5, (-2, 2))[0])
            np.testing.assert_array_equal(await fx, TABLE)


def test_the_list() -> None:
    assert set(OVER_ROWS) == {
        "sum", "mean", "var", "std", "cov", "corrcoef", "histogram", "bincount", "min", "max", "matmul",
        "linalg.matmul", "dot", "median", "quantile", "percentile",
    }  # fmt: skip
