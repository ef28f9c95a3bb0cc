"""Generalised linear models of all workers' rows, by Newton's method, from sums that each worker gives.

Source: McCullagh, Nelder, Generalized Linear Models, 2nd edition, 1989, section 2.5.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from fedsock.errors import ConfigError, ExportDenied, FedsockError, PointersApart, QueriesSpent
from fedsock.federated import moments
from fedsock.federated.arrays import FederatedArray
from fedsock.federated.reductions import covariance
from fedsock.federated.results import Parts, Result
from fedsock.typing import Array

Family = Literal["binomial", "gaussian", "poisson"]

STEP = 1e-10
"""The search is over when no coefficient's next step moves a typical row's linear predictor by more."""

GAIN = 1e-8
"""Steps that gain less than this a row, and are larger than RUNAWAY, belong to coefficients without a limit."""

RUNAWAY = 0.1
"""See GAIN."""

HALVINGS = 30
"""A Newton step that makes the fit worse is halved at most so often."""


class NotConverged(FedsockError, RuntimeError):
    """Newton's method found no fit within the iterations that it had."""

    code = "not_converged"


class Separated(NotConverged):
    """The rows are told apart (almost) perfectly, so the coefficients have no limit: there is no unpenalised fit."""

    code = "separated"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """A fitted model.

    Attributes:
        family: "binomial", "gaussian" or "poisson".
        coef: (d,) float64.
        intercept: 0 where none was fitted.
        n: rows.
        iterations: of Newton's method, each one trip to all workers.
        workers: the names of those whose rows are in it.
        missing: name -> why another's aren't.
    """

    family: Family
    coef: Array
    intercept: float
    n: int
    iterations: int
    workers: tuple[str, ...]
    missing: dict[str, Exception]

    def predict(self, x: Any) -> Any:
        """Return the mean that the model expects for rows: local ones, or a pointer or federated array of them.

        Args:
            x: (n, d).
        """
        linear = x @ self.coef + self.intercept
        if self.family == "binomial":
            return 1 / (1 + np.exp(-linear))
        return np.exp(linear) if self.family == "poisson" else linear


async def glm(
    x: FederatedArray,
    y: FederatedArray,
    family: Family = "binomial",
    *,
    intercept: bool = True,
    iterations: int = 50,
) -> Fit:
    """Return the unpenalised maximum-likelihood fit of ``y`` by ``x``; cancelling ends it.

    "gaussian" is made of means and covariances (of products, without an intercept), which the policies "aggregate" and
    "public" let leave. The others are made of sums of functions of rows, ``x.T @ (w * x)`` with weights that depend on
    the row and on the coefficients: every worker's policy must be "public", or "aggregate" with
    ``row_functions = "any"``, and the owners should know that someone who chooses the coefficients can then single
    out rows. It is asked for before anything is sent. Each iteration counts as 7 results.

    Where columns of ``x`` depend on each other, it is the fit with the smallest coefficients, as scikit-learn's.

    Args:
        x: (n, d) numbers.
        y: (n,) of the same workers and rows; 0 or 1 for "binomial", not below 0 for "poisson".
        family: the distribution of y, with its canonical link.
        intercept: whether to fit one.
        iterations: of Newton's method at most.

    Raises:
        ExportDenied: an owner's policy keeps what is needed; names the worker and what would allow it.
        Separated: the coefficients have no limit.
        NotConverged: there was no fit within the iterations.
        PointersApart: x and y aren't rows of the same workers, of these shapes.
        ConfigError: no such family, or values of y that it can't have.
    """
    if family not in ("binomial", "gaussian", "poisson"):
        raise ConfigError(f'family is "binomial", "gaussian" or "poisson", not {family!r}')
    if not isinstance(x, FederatedArray) or not isinstance(y, FederatedArray):
        raise ConfigError("glm takes federated arrays: hub.federated(name)")
    if x.rows != y.rows or (x.ndim, x.axis, y.ndim) != (2, 0, 1):
        raise PointersApart(f"glm takes x (n, d) and y (n,) of the same rows, not {x!r} and {y!r}")
    x, y = x.astype("float64"), y.astype("float64")
    if family == "gaussian":
        return await _gaussian(x, y, intercept)
    return await _Newton(x, y, family, intercept).fit(iterations)


async def _gaussian(x: FederatedArray, y: FederatedArray, intercept: bool) -> Fit:
    """Return the fit by least squares, of covariances; without an intercept of products."""
    at_rows = _both(x, y)
    if not intercept:

        async def run(parts: Parts) -> Any:
            found = await parts.ask(lambda place: _products(at_rows(place)))
            return [moments.total(some) for some in zip(*found.values(), strict=True)]

        result = Result(x, run)
        squares, products = await result
        coef, constant = _solved(squares, products), 0.0
    else:
        # One set of workers for all: those that gave the covariance also give the means.
        result = covariance(x, y, rowvar=False, ddof=0)
        squares = await result
        means = await asyncio.gather(*(_mean_of(one, result.workers) for one in (x, y)))
        coef = _solved(squares[:-1, :-1], squares[:-1, -1])
        constant = float(means[1] - means[0] @ coef)
    n = sum(x.rows[place] for place in result.workers)
    return _fit("gaussian", coef, constant, n, 1, result.workers, result.missing)


async def _mean_of(array: FederatedArray, workers: list[str]) -> Any:
    """Return the mean over rows at given workers, none of which is left out."""

    async def run(parts: Parts) -> Any:
        parts.left = workers
        found = await parts.ask(lambda place: [np.mean(array.at(place), axis=0)], optional=True)
        return moments.mean([array.rows[place] for place in found], [value for (value,) in found.values()])

    return await Result(array, run)


def _fit(
    family: Family, coef: Array, constant: float, n: int, iterations: int, workers: list[str], missing: dict[str, Any]
) -> Fit:
    return Fit(
        family=family,
        coef=coef,
        intercept=constant,
        n=n,
        iterations=iterations,
        workers=tuple(workers),
        missing=dict(missing),
    )


def _both(x: FederatedArray, y: FederatedArray) -> Callable[[str], tuple[Any, Any]]:
    return lambda place: (x.at(place), y.at(place))


def _products(rows: tuple[Any, Any]) -> list[Any]:
    x, y = rows
    return [x.T @ x, x.T @ y]


def _solved(matrix: Array, right: Array) -> Array:
    """Return the smallest solution of a symmetric system, its variables scaled alike first."""
    scale = np.sqrt(np.abs(np.diagonal(matrix)))
    scale = np.where(scale > 0, scale, 1.0)
    values, vectors = np.linalg.eigh(matrix / np.outer(scale, scale))
    kept = values > values.max(initial=0.0) * len(scale) * 1e-13
    return _smallest(vectors[:, kept], values[kept], scale, right)


def _smallest(vectors: Array, values: Array, scale: Array, right: Array) -> Array:
    """Return the solution of the smallest length among those that differ by directions that were left out."""
    found = vectors @ ((vectors.T @ (right / scale)) / values) / scale
    if len(values) == len(scale):
        return np.asarray(found)
    # Its part in the span of the rows, which is that of the directions that were kept, scaled back.
    span, _ = np.linalg.qr(vectors * scale[:, None])
    return np.asarray(span @ (span.T @ found))


class _Newton:
    """Newton's method for a family whose weights depend on the row and on the coefficients.

    Args:
        x: (n, d) float64.
        y: (n,) float64.
        family: "binomial" or "poisson".
        intercept: whether there is one; it is the last coefficient.
    """

    def __init__(self, x: FederatedArray, y: FederatedArray, family: Family, intercept: bool) -> None:
        self._x, self._y = x, y
        self._both = x[:, 0] + y  # of the data sets of both, for the policies that are asked
        self._family = family
        self._intercept = intercept
        self._parts = Parts(self._both)

    async def fit(self, iterations: int) -> Fit:
        """Return the fit; raises as ``glm``."""
        await self._parts.need(f"glm({self._family})", 'use family="gaussian"', functions=True)
        await self._check()
        beta, (loss, slope, curve) = await self._begun()
        scale = np.sqrt(np.abs(np.diagonal(curve)) / max(self._n, 1))
        for number in range(1, iterations + 1):
            step = _solved(curve, slope)
            moves = float(np.max(np.abs(step) * scale, initial=0.0))
            if not math.isfinite(moves):
                raise NotConverged(f"glm: the sums overflow in iteration {number}; scale the columns of x")
            if moves < STEP:
                return self._found(beta + step, number)
            if moves > RUNAWAY and float(slope @ step) < GAIN * self._n:
                raise Separated(self._separated(number))
            beta, loss, slope, curve = await self._improved(beta, step, loss)
        raise NotConverged(
            f"glm: no fit within {iterations} iterations; a step still moves rows by {moves:.1g}: scale the columns of "
            "x, or give more iterations"
        )

    def _separated(self, number: int) -> str:
        return (
            f"glm: in iteration {number} the coefficients still grow, and the fit hardly gains: some columns tell the "
            "values of y apart perfectly, so there is no unpenalised fit. Leave such columns out, or take more rows"
        )

    @property
    def _n(self) -> int:
        return sum(self._x.rows[place] for place in self._parts.left)

    def _found(self, beta: Array, iterations: int) -> Fit:
        coef, constant = (beta[:-1], float(beta[-1])) if self._intercept else (beta, 0.0)
        return _fit(self._family, coef, constant, self._n, iterations, self._parts.left, self._parts.missing)

    async def _check(self) -> None:
        """Refuse values of y that the family can't have: a sum over rows is not 0 then."""
        binary = self._family == "binomial"

        def wanted(place: str) -> list[Any]:
            y: Any = self._y.at(place)
            return [((y * (y - 1)) ** 2 if binary else abs(y) - y).sum()]

        found = await self._parts.ask(wanted)
        wrong = [place for place, (value,) in found.items() if value != 0]
        if wrong:
            due = "0 and 1" if binary else "not below 0"
            raise ConfigError(
                f"glm: for family={self._family!r} the values of y are {due}; at {', '.join(wrong)} not all"
            )

    async def _begun(self) -> tuple[Array, tuple[float, Array, Array]]:
        """Return coefficients to begin with, and the sums there."""
        beta = np.zeros(self._x.shape[1] + self._intercept)
        if self._family == "poisson" and self._intercept:
            found = await self._parts.ask(lambda place: [self._y.at(place).sum()])
            total = sum(float(value) for (value,) in found.values())
            if total <= 0:
                raise Separated("glm: all values of y are 0, so the intercept has no limit: there is no fit")
            beta[-1] = math.log(total / self._n)
        return beta, await self._sums(beta)

    async def _improved(self, beta: Array, step: Array, loss: float) -> tuple[Array, float, Array, Array]:
        """Return coefficients a step further, halved until they fit no worse, and the sums there.

        Too far a step of a "poisson" fit leaves a few rows to dominate the sums, which a worker keeps then.
        """
        denied: ExportDenied | None = None
        for _ in range(HALVINGS):
            before = self._n
            try:
                further, slope, curve = await self._sums(beta + step, optional=True)
            except QueriesSpent:
                raise
            except ExportDenied as error:
                denied, step = error, step / 2
                continue
            # What rounds in a sum of n terms may look like a loss; of other rows nothing can be compared.
            if self._n != before or further <= loss + 1e-9 * (abs(loss) + 1):
                return beta + step, further, slope, curve
            step = step / 2
        if denied is not None:
            raise denied
        raise NotConverged("glm: no step makes the fit better; scale the columns of x")

    async def _sums(self, beta: Array, *, optional: bool = False) -> tuple[float, Array, Array]:
        """Return the negative log-likelihood but for a constant, minus its gradient, and its second derivatives.

        Args:
            beta: the coefficients.
            optional: whatever is to be done about denials, raise them.
        """
        found = await self._parts.ask(lambda place: self._wanted(place, beta), optional=optional)
        sums = [moments.total(some) for some in zip(*found.values(), strict=True)]
        with np.errstate(all="ignore"):
            loss, slope, curve = sums[:3]
        if self._intercept:
            slope = np.append(slope, sums[3])
            curve = np.block([[curve, sums[4][:, None]], [sums[4], sums[5]]])
        return (float(loss) if np.isfinite(loss) else math.inf), slope, curve

    def _wanted(self, place: str, beta: Array) -> list[Any]:
        x: Any = self._x.at(place)
        y: Any = self._y.at(place)
        linear = x @ beta[:-1] + float(beta[-1]) if self._intercept else x @ beta
        if self._family == "binomial":
            expected = 1 / (1 + np.exp(-linear))
            weights = expected * (1 - expected)
            loss = np.logaddexp(0, linear) - y * linear
        else:
            expected = weights = np.exp(linear)
            loss = expected - y * linear
        sums = [loss.sum(), x.T @ (y - expected), x.T @ (weights[:, None] * x)]
        if self._intercept:
            sums += [(y - expected).sum(), x.T @ weights, weights.sum()]
        return sums
