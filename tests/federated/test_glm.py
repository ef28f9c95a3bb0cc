"""Generalised linear models over many workers, against scikit-learn on the rows put together."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.linear_model import LinearRegression, LogisticRegression, PoissonRegressor

from fedsock import errors
from fedsock.federated import Model, NotConverged, Separated, glm
from tests.federated.owners import split, workers

RNG = np.random.default_rng(5)
N = 600
X = RNG.normal(size=(N, 4)) * [1, 3, 0.2, 1] + [0, 5, 0, -2]
LINEAR = (X - X.mean(axis=0)) @ np.array([0.5, -0.2, 2.0, 0.7]) + 0.3
YS = {
    "binomial": (RNG.random(N) < 1 / (1 + np.exp(-LINEAR))).astype(np.int64),
    "poisson": RNG.poisson(np.exp(LINEAR)),
    "gaussian": LINEAR + RNG.normal(size=N),
}
ANY = {"export": "aggregate", "row_functions": "any"}


def data(x: Any, y: Any, *sizes: int) -> dict[str, dict[str, Any]]:
    ys = split(y, *sizes)
    return {name: {"x": part, "y": ys[name]} for name, part in split(x, *sizes).items()}


def reference(family: str, x: Any, y: Any, intercept: bool = True) -> Any:
    if family == "gaussian":
        return LinearRegression(fit_intercept=intercept).fit(x, y)
    if family == "poisson":
        return PoissonRegressor(
            alpha=0, tol=1e-12, max_iter=1000, solver="newton-cholesky", fit_intercept=intercept
        ).fit(x, y)
    return LogisticRegression(
        C=np.inf, tol=1e-12, max_iter=1000, solver="newton-cholesky", fit_intercept=intercept
    ).fit(x, y)


def assert_equal(fit: Model, due: Any) -> None:
    np.testing.assert_allclose(fit.coef, np.ravel(due.coef_), rtol=1e-6, atol=1e-6)
    intercept = float(np.ravel(due.intercept_)[0])
    np.testing.assert_allclose(fit.intercept, intercept, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("policy", ["public", ANY])
@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("family", ["binomial", "poisson", "gaussian"])
async def test_as_scikit_learn(family: Any, intercept: bool, policy: Any) -> None:
    sizes = (60, 140, 400) if policy != "public" else (1, 199, 400)
    async with workers(data(X, YS[family], *sizes), policy) as hub:
        fit = await glm(hub.federated("x"), hub.federated("y"), family, intercept=intercept)
        due = reference(family, X, YS[family], intercept)
        assert_equal(fit, due)
        assert (fit.n, fit.workers, fit.missing) == (N, ("alice", "bob", "carol"), {})
        expected = due.predict_proba(X)[:, 1] if family == "binomial" else due.predict(X)
        np.testing.assert_allclose(fit.predict(X), expected, rtol=1e-5, atol=1e-6)
        there = fit.predict(hub.federated("x"))
        np.testing.assert_allclose(await there.mean(), fit.predict(X).mean(), rtol=1e-9)


async def test_gaussian_needs_nothing_beyond_aggregate() -> None:
    async with workers(data(X, YS["gaussian"], 200, 400), "aggregate") as hub:
        assert_equal(
            await glm(hub.federated("x"), hub.federated("y"), "gaussian"), reference("gaussian", X, YS["gaussian"])
        )
        fit = await glm(hub.federated("x"), hub.federated("y"), "gaussian", intercept=False)
        assert_equal(fit, reference("gaussian", X, YS["gaussian"], False))


@pytest.mark.parametrize("family", ["binomial", "poisson"])
async def test_functions_of_rows_need_a_policy(family: Any) -> None:
    """Weights depend on rows and coefficients: functions before the sum, which "aggregate" alone keeps."""
    policies: dict[str, Any] = {"alice": ANY, "carol": "aggregate"}
    async with workers(data(X, YS[family], 200, 400), policies) as hub:
        x, y = hub.federated("x"), hub.federated("y")
        before = (await hub.workers["carol"].stats()).ops_run
        with pytest.raises(errors.ExportDenied, match="row_functions = \"any\", for 'x'; at carol") as caught:
            await glm(x, y, family)
        assert caught.value.worker == "carol"
        assert (await hub.workers["carol"].stats()).ops_run == before
        weights = (x @ np.ones(4) > 0).astype("float64")
        with pytest.raises(errors.ExportDenied, match="carol keeps object"):
            await ((weights[:, None] * x).T @ x)
        lenient = [hub.federated(name, on_denied="skip") for name in ("x", "y")]
        fit = await glm(*lenient, family)
        assert (fit.workers, list(fit.missing), fit.n) == (("alice",), ["carol"], 200)
        assert_equal(fit, reference(family, X[:200], YS[family][:200]))


async def test_digits_with_columns_that_depend_on_each_other() -> None:
    digits = load_digits()
    x, y = digits.data, (digits.target % 2).astype(float)
    async with workers(data(x, y, 900, 897), "public") as hub:
        fit = await glm(hub.federated("x"), hub.federated("y"), "gaussian")
        assert_equal(fit, LinearRegression().fit(x, y))
        assert (x.std(axis=0) == 0).any() and np.abs(fit.coef[x.std(axis=0) == 0]).max() < 1e-12
        doubled = np.hstack([X, X[:, :1] * 2])
    async with workers(data(doubled, YS["binomial"], 200, 400), "public") as hub:
        fit = await glm(hub.federated("x"), hub.federated("y"), intercept=False)
        np.testing.assert_allclose(fit.coef[4], 2 * fit.coef[0], rtol=1e-6)
        single = reference("binomial", X, YS["binomial"], False)
        np.testing.assert_allclose(fit.predict(doubled), single.predict_proba(X)[:, 1], rtol=1e-5)


@pytest.mark.parametrize("nearly", [False, True])
@pytest.mark.parametrize("intercept", [True, False])
async def test_separable(nearly: bool, intercept: bool) -> None:
    y = (X[:, 0] > 0).astype(float)
    x = X
    if nearly:  # one column tells a part of the rows apart, and says nothing of the others
        y = YS["binomial"].astype(float)
        x = np.column_stack([X, (y > 0) & (X[:, 1] > 6)]).astype(float)
    async with workers(data(x, y, 200, 400), "public") as hub:
        with pytest.raises(Separated, match="no unpenalised fit"):
            await glm(hub.federated("x"), hub.federated("y"), intercept=intercept)


async def test_poisson_of_zeros() -> None:
    async with workers(data(X, np.zeros(N), 200, 400), "public") as hub:
        with pytest.raises(Separated, match="all values of y are 0"):
            await glm(hub.federated("x"), hub.federated("y"), "poisson")


async def test_no_fit_within_the_iterations() -> None:
    async with workers(data(X, YS["binomial"], 200, 400), "public") as hub:
        with pytest.raises(NotConverged, match="within 2 iterations") as caught:
            await glm(hub.federated("x"), hub.federated("y"), iterations=2)
        assert not isinstance(caught.value, Separated)


@pytest.mark.parametrize(("family", "wrong", "said"), [("binomial", 2, "0 and 1"), ("poisson", -1, "not below 0")])
async def test_values_that_a_family_cant_have(family: Any, wrong: float, said: str) -> None:
    y = YS["binomial"].astype(float)
    y[250] = wrong
    async with workers(data(X, y, 200, 400), "public") as hub:
        with pytest.raises(errors.ConfigError, match=f"{said}; at carol not all"):
            await glm(hub.federated("x"), hub.federated("y"), family)


@pytest.mark.parametrize("family", ["binomial", "gaussian", "poisson"])
@pytest.mark.parametrize("wrong", [np.nan, np.inf])
async def test_what_isnt_finite(family: Any, wrong: float) -> None:
    x = X.copy()
    x[17, 2] = wrong
    async with workers(data(x, YS[family], 200, 400), "public") as hub:
        with pytest.raises(NotConverged, match="finite"):
            await glm(hub.federated("x"), hub.federated("y"), family)


async def test_ill_conditioned_columns_are_no_separation() -> None:
    x = np.column_stack([X[:, 0], X[:, 0] + 1e-4 * RNG.normal(size=N), X[:, 1]])
    async with workers(data(x, YS["binomial"], 200, 400), "public") as hub:
        fit = await glm(hub.federated("x"), hub.federated("y"))
        due = reference("binomial", x, YS["binomial"])
        np.testing.assert_allclose(fit.predict(x), due.predict_proba(x)[:, 1], rtol=1e-6)


async def test_a_policy_that_keeps_sums_of_few_rows_halves_the_step() -> None:
    """Newton's first step for these counts goes so far that a few rows would make up most of the sums."""
    async with workers(data(X, YS["poisson"], 60, 140, 400), ANY) as hub:
        fit = await glm(hub.federated("x"), hub.federated("y"), "poisson", intercept=False)
        assert_equal(fit, reference("poisson", X, YS["poisson"], False))
    limited = ANY | {"max_queries": 12}
    async with workers(data(X, YS["poisson"], 200, 400), limited) as hub:
        with pytest.raises(errors.QueriesSpent):
            await glm(hub.federated("x"), hub.federated("y"), "poisson", intercept=False)


async def test_arguments() -> None:
    async with workers(data(X, YS["binomial"], 200, 400), "public") as hub:
        x, y = hub.federated("x"), hub.federated("y")
        with pytest.raises(errors.ConfigError, match="family is"):
            await glm(x, y, "gamma")  # type: ignore[arg-type]
        with pytest.raises(errors.ConfigError, match="federated arrays"):
            await glm(X, YS["binomial"])  # type: ignore[arg-type]
        with pytest.raises(errors.PointersApart, match="the same rows"):
            await glm(x, x)
        with pytest.raises(errors.PointersApart, match="the same rows"):
            await glm(x, hub.federated("y", workers=["alice"]))
