"""Generalised linear models of all workers' rows, by Newton's method, from sums that each worker gives.

Source: McCullagh, Nelder, Generalized Linear Models, 2nd edition, 1989, section 2.5.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal, cast

import numpy as np

from fedsock.errors import ConfigError, ExportDenied, FedsockError, PointersApart, QueriesSpent
from fedsock.federated import moments
from fedsock.federated.arrays import FederatedArray
from fedsock.federated.parts import Parts, Result, Tolerance
from fedsock.federated.reductions import crossed
from fedsock.session.handle import WorkerHandle
from fedsock.typing import Array

Family = Literal["binomial", "gaussian", "poisson"]

STEP = 1e-10
"""The search is over when the next step moves a typical row's linear predictor by less, by any coefficient or by all:
where columns depend on each other, single coefficients are known less exactly than what they give together."""

GAIN = 1e-8
"""What a step hardly gains, a row. Newton's steps shrink faster and faster near a fit; where they gain so little and
don't shrink, coefficients grow without a limit."""

IDLE = 3
"""So many such steps in a row are believed."""

HALVINGS = 30
"""A Newton step that makes the fit worse is halved at most so often."""


NOT_FINITE = "glm: the sums aren't finite: x or y holds NaN or infinity, or numbers too large; scale the columns of x"


class NotConverged(FedsockError, RuntimeError):
    """Newton's method found no fit within the iterations that it had."""

    code = "not_converged"


class Separated(NotConverged):
    """The rows are told apart (almost) perfectly, so the coefficients have no limit: there is no unpenalised fit."""

    code = "separated"


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
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
) -> Model:
    """Return the unpenalised maximum-likelihood fit of ``y`` by ``x``; cancelling ends it.

    "gaussian" is made of means and covariances (of products, without an intercept), which the policies "aggregate" and
    "public" let leave. The others are made of sums of functions of rows, ``x.T @ (w * x)`` with weights that depend on
    the row and on the coefficients: every worker's policy must be "public", or "aggregate" with
    ``row_functions = "any"``, and the owners should know that someone who chooses the coefficients can then single
    out rows. It is asked for before anything is sent. Each iteration counts as 6 results, or 3 without an intercept.

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
    if family == "gaussian":
        return await _gaussian(_wide(x), _wide(y), intercept)
    return await _Newton(x, y, family, intercept).fit(iterations)


def _wide(array: FederatedArray) -> FederatedArray:
    return array if array.dtype == np.float64 else array.astype("float64")


async def _gaussian(x: FederatedArray, y: FederatedArray, intercept: bool) -> Model:
    """Return the fit by least squares: of means and covariances, or of products without an intercept."""
    if intercept:
        result = Result(x, crossed([x, y], rowvar=False))
        n, means, squares = await result
    else:

        def products(place: str) -> list[Any]:
            here, values = (cast(Any, one.at(place)) for one in (x, y))
            return [here.T @ here, here.T @ values]

        async def run(parts: Parts) -> tuple[int, Array, Array]:
            found = await parts.ask(products)
            square, right = (moments.total(some) for some in zip(*found.values(), strict=True))
            return (
                sum(x.rows[place] for place in parts.left),
                np.zeros(len(right) + 1),
                np.column_stack([square, right]),
            )

        result = Result(x, run)
        n, means, squares = await result
    if not np.isfinite(squares).all():
        raise NotConverged(NOT_FINITE)
    width = x.shape[1]
    coef = _solved(squares[:width, :width], squares[:width, width])
    return _model("gaussian", coef, float(means[width] - means[:width] @ coef), n, 1, result.workers, result.missing)


def _model(
    family: Family, coef: Array, constant: float, n: int, iterations: int, workers: list[str], missing: dict[str, Any]
) -> Model:
    return Model(
        family=family,
        coef=coef,
        intercept=constant,
        n=n,
        iterations=iterations,
        workers=tuple(workers),
        missing=dict(missing),
    )


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
        self._family = family
        self._intercept = intercept
        self._parts = Parts(self)

    @property
    def rows(self) -> dict[str, int]:
        """Worker name -> how many rows live there."""
        return self._x.rows

    @property
    def tolerance(self) -> Tolerance:
        """What is done about workers that give no part."""
        return self._x.tolerance

    @property
    def sources(self) -> dict[str, frozenset[str]]:
        """Worker name -> names of the data sets there of both arrays, whose policies are asked."""
        return {place: names | self._y.sources[place] for place, names in self._x.sources.items()}

    def handle(self, place: str) -> WorkerHandle:
        """Return a worker's handle."""
        return self._x.handle(place)

    async def fit(self, iterations: int) -> Model:
        """Return the fit; raises as ``glm``."""
        await self._parts.need(f"glm({self._family})", 'use family="gaussian"', functions=True)
        self._x, self._y = _wide(self._x), _wide(self._y)
        await self._check()
        beta, (loss, slope, curve) = await self._begun()
        if not math.isfinite(loss):
            raise NotConverged(NOT_FINITE)
        scale = np.sqrt(np.abs(np.diagonal(curve)) / max(self._n, 1))
        moves, idle = math.inf, 0
        for number in range(1, iterations + 1):
            step = _solved(curve, slope)
            before, moves = moves, float(np.max(np.abs(step) * scale, initial=0.0))
            gain = float(slope @ step) / max(self._n, 1)
            if moves < STEP or gain < STEP**2:
                return self._found(beta + step, number)
            idle = idle + 1 if gain < GAIN and moves > before / 2 else 0
            if idle == IDLE:
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

    def _found(self, beta: Array, iterations: int) -> Model:
        coef, constant = (beta[:-1], float(beta[-1])) if self._intercept else (beta, 0.0)
        return _model(self._family, coef, constant, self._n, iterations, self._parts.left, self._parts.missing)

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
        loss, slope, curve = sums[:3]
        if self._intercept:
            slope = np.append(slope, sums[3])
            curve = np.block([[curve, sums[4][:, None]], [sums[4], sums[5]]])
        finite = all(np.isfinite(one).all() for one in sums)
        return (float(loss) if finite else math.inf), slope, curve

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
