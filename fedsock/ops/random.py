"""Seeded random numbers: ``random.default_rng`` and the draws of numpy's Generator.

A generator is an immutable value like any other. A draw copies its state, draws, and gives (what was drawn,
the advanced generator); numpy's legacy functions are not here, for their state is the process's.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from fedsock.ops import limits
from fedsock.ops.bounds import broadcast, broadcast_of, itemsize_of, nbytes_of, shape_of, size_of
from fedsock.ops.finite import is_finite
from fedsock.ops.linalg_bounds import SECONDS_PER_PRODUCT
from fedsock.ops.registry import Bound, Row, Template
from fedsock.ops.schema import signature

Generator = np.random.Generator

_CALL_SECONDS = 4e-5
"""What copying a generator's state costs."""

_SECONDS_PER_BYTE = 5e-9
"""A float64 of the slower distributions takes some 40 ns."""

_DRAW_BYTES = 8
_GENERATOR_BYTES = 1024
"""About what a generator with its seed sequence takes."""


def _advanced(generator: Generator) -> Generator:
    """Return a generator in the same state; both share the seed sequence, which no draw writes."""
    bits: Any = generator.bit_generator
    copied = np.random.PCG64(bits.seed_seq)
    copied.state = bits.state
    return Generator(copied)


def default_rng(seed: Any = None) -> Generator:
    """Return a generator (PCG64).

    Args:
        seed: None for entropy of the machine, an int of 0 or more, an array of them, or a generator to copy.

    Raises:
        ValueError: a negative seed.
        TypeError: a seed that is no integer.
    """
    return _advanced(seed) if isinstance(seed, Generator) else np.random.default_rng(seed)


def drawing(method: Callable[..., Any]) -> Callable[..., tuple[Any, Generator]]:
    """Return the pure form of a Generator's method.

    Args:
        method: a method as it stands in the class, taking the generator first.

    Returns:
        A function that gives (what was drawn, the advanced generator) and leaves its generator as it was.
    """

    def draw(generator: Generator, *args: Any, **kwargs: Any) -> tuple[Any, Generator]:
        advanced = _advanced(generator)
        return method(advanced, *args, **kwargs), advanced

    return draw


def _shuffle(generator: Generator, x: Any, axis: int = 0) -> Any:
    shuffled = np.array(x)
    generator.shuffle(shuffled, axis)
    return shuffled


def _integers(generator: Generator, low: Any, high: Any = None, size: Any = None, *rest: Any, **options: Any) -> Any:
    empty = any(0 in shape_of(end) for end in (low, high))
    if empty and size is not None and _count(size) > 0:
        # numpy draws all the same, between ends that it reads beyond the empty array.
        raise ValueError("Output size is not compatible with broadcast dimensions of inputs: one is empty")
    return generator.integers(low, high, size, *rest, **options)


def _multivariate_normal(
    generator: Generator,
    mean: Any,
    cov: Any,
    size: Any = None,
    check_valid: Any = "warn",
    tol: float = 1e-8,
    **method: Any,
) -> Any:
    # "warn" differs from "ignore" by its warning alone, which nobody would see.
    checked: Any = "ignore" if check_valid == "warn" else check_valid
    draw = generator.multivariate_normal
    if method.get("method", "svd") == "svd" and not is_finite(cov):
        draw(mean, np.zeros_like(cov), size, checked, tol)  # so that whatever else is wrong is told first
        raise np.linalg.LinAlgError("SVD did not converge: the covariance holds NaN or infinity")
    return draw(mean, cov, size, checked, tol, **method)


def spawn(generator: Generator, n_children: int) -> tuple[list[Generator], Generator]:
    """Return independent generators, and the one they were spawned from as it is afterwards.

    Args:
        generator: their parent.
        n_children: how many.

    Raises:
        ValueError: n_children is negative, or above ``limits.MOST_PARTS``.
    """
    if n_children > limits.MOST_PARTS:
        raise ValueError(f"a generator spawns at most {limits.MOST_PARTS} others at a time")
    parent = copy.deepcopy(generator)  # spawning counts in the seed sequence, which other copies share
    return parent.spawn(n_children), parent


# --- bounds -------------------------------------------------------------------------------------------------


def _count(size: Any) -> int:
    """Return how many draws a size asks for."""
    if size is None:
        return 1
    sizes = (size,) if isinstance(size, (int, np.integer)) else size
    return math.prod(max(int(n), 0) for n in sizes)


def _bytes(count: int) -> Bound:
    return Bound((count * _DRAW_BYTES + _GENERATOR_BYTES,), 1)


def _drawn(arrays: int) -> Callable[..., Bound]:
    """Return the bound of a draw that takes some arrays of parameters, then a size."""

    def bound(generator: Any, *args: Any, size: Any = None, **named: Any) -> Bound:
        if len(args) > arrays:
            size = args[arrays]
        if size is not None:
            return _bytes(_count(size))
        return _bytes(math.prod(broadcast_of(*args[:arrays], *named.values())))

    return bound


def _vectors(first: str) -> Callable[..., Bound]:
    """Return the bound of a draw of vectors as long as its first parameter; the third is the size."""

    def bound(generator: Any, *args: Any, size: Any = None, **named: Any) -> Bound:
        vector = args[0] if args else named[first]
        return _bytes(_count(args[2] if len(args) > 2 else size) * size_of(vector))

    return bound


def _dirichlet(generator: Any, alpha: Any, size: Any = None) -> Bound:
    return _bytes(_count(size) * size_of(alpha))


def _multinomial(generator: Any, n: Any, pvals: Any, size: Any = None) -> Bound:
    shape = shape_of(pvals)
    count = math.prod(broadcast(shape_of(n), shape[:-1])) if size is None else _count(size)
    return _bytes(count * math.prod(shape[-1:]))


def _choice(
    generator: Any,
    a: Any,
    size: Any = None,
    replace: Any = True,
    p: Any = None,
    axis: Any = 0,
    *_: Any,
    **__: Any,
) -> Bound:
    shape, count = shape_of(a), _count(size)
    # Without replacement numpy lays out the indices of the whole population when a 50th of it is asked for.
    laid_out = 0 if replace else 8 * 51 * count
    if not shape:
        return _bytes(count + laid_out // 8)
    others = math.prod(shape) // max(shape[axis], 1) if -len(shape) <= axis < len(shape) else 1
    return Bound((count * others * itemsize_of(a) + laid_out + _GENERATOR_BYTES,), 1)


def _rearranged(generator: Any, x: Any, *_: Any, **__: Any) -> Bound:
    return Bound((nbytes_of(x) + _GENERATOR_BYTES,), 1)


def _permutation(generator: Any, x: Any, *_: Any, **__: Any) -> Bound:
    if not shape_of(x):
        # permutation takes a number for the integers below it.
        return _bytes(max(int(x), 0) if isinstance(x, (int, np.integer)) else 1)
    return _rearranged(generator, x)


def _spawned(generator: Any, n_children: int) -> Bound:
    return Bound((max(n_children, 0) + 1, _GENERATOR_BYTES), 1)


def _decomposed(generator: Any, mean: Any, *_: Any, **__: Any) -> float:
    """Return the seconds it takes to decompose the covariance."""
    return 40 * size_of(mean) ** 3 * SECONDS_PER_PRODUCT


# --- rows ---------------------------------------------------------------------------------------------------

_SIZE = "size:shape|none=None"

_DISTRIBUTIONS = {
    "beta": "a:array b:array",
    "binomial": "n:array p:array",
    "chisquare": "df:array",
    "exponential": "scale:array=1.0",
    "f": "dfnum:array dfden:array",
    "gamma": "shape:array scale:array=1.0",
    "geometric": "p:array",
    "gumbel": "loc:array=0.0 scale:array=1.0",
    "hypergeometric": "ngood:array nbad:array nsample:array",
    "laplace": "loc:array=0.0 scale:array=1.0",
    "logistic": "loc:array=0.0 scale:array=1.0",
    "lognormal": "mean:array=0.0 sigma:array=1.0",
    "logseries": "p:array",
    "negative_binomial": "n:array p:array",
    "noncentral_chisquare": "df:array nonc:array",
    "noncentral_f": "dfnum:array dfden:array nonc:array",
    "normal": "loc:array=0.0 scale:array=1.0",
    "pareto": "a:array",
    "poisson": "lam:array=1.0",
    "power": "a:array",
    "rayleigh": "scale:array=1.0",
    "standard_t": "df:array",
    "triangular": "left:array mode:array right:array",
    "uniform": "low:array=0.0 high:array=1.0",
    "vonmises": "mu:array kappa:array",
    "wald": "mean:array scale:array",
    "weibull": "a:array",
    "zipf": "a:array",
}
"""Distributions whose parameters broadcast, and are followed by a size."""


def _row(
    name: str,
    text: str,
    bound: Callable[..., Bound],
    *,
    function: Callable[..., Any] | None = None,
    more_seconds: Callable[..., float] = lambda *_, **__: 0.0,
    value_dependent: bool = True,
) -> Row:
    meant = getattr(Generator, name)

    def cost(*args: Any, **kwargs: Any) -> float:
        return _CALL_SECONDS + bound(*args, **kwargs).nbytes * _SECONDS_PER_BYTE + more_seconds(*args, **kwargs)

    return Row(
        name=f"random.Generator.{name}",
        function=drawing(function or meant),
        family="random",
        parameters=signature(f"generator:generator / {text}"),
        bound=bound,
        cost=cost,
        results=2,
        value_dependent=value_dependent,
        numpy=(meant,),
    )


def _spawn_results(args: Any, kwargs: Any, shape_of: Any) -> Template:
    children = args[1] if len(args) > 1 else kwargs["n_children"]
    return ([None] * children, None)


ROWS: tuple[Row, ...] = (
    Row(
        name="random.default_rng",
        function=default_rng,
        family="random",
        parameters=signature("seed:none|int|ints|generator=None"),
        bound=lambda *_, **__: Bound((_GENERATOR_BYTES,), 1),
        value_dependent=False,
        numpy=(np.random.default_rng,),
    ),
    *(_row(name, f"{text} {_SIZE}", _drawn(text.count(":array"))) for name, text in _DISTRIBUTIONS.items()),
    _row("random", f"{_SIZE} dtype:dtype=float64", _drawn(0), value_dependent=False),
    _row("standard_normal", f"{_SIZE} dtype:dtype=float64", _drawn(0), value_dependent=False),
    _row(
        "standard_exponential",
        f"{_SIZE} dtype:dtype=float64 method:text=zig",
        _drawn(0),
        value_dependent=False,
    ),
    _row("standard_cauchy", _SIZE, _drawn(0), value_dependent=False),
    _row("standard_gamma", f"shape:array {_SIZE} dtype:dtype=float64", _drawn(1)),
    _row(
        "integers",
        f"low:array high:array|none=None {_SIZE} dtype:dtype=int64 endpoint:bool=False",
        _drawn(2),
        function=_integers,
    ),
    _row("dirichlet", f"alpha:array {_SIZE}", _dirichlet),
    _row("multinomial", f"n:array pvals:array {_SIZE}", _multinomial),
    _row(
        "multivariate_hypergeometric",
        f"colors:array nsample:int {_SIZE} method:marginals=marginals",
        _vectors("colors"),
    ),
    _row(
        "multivariate_normal",
        f"mean:array cov:array {_SIZE} check_valid:text=warn tol:real=1e-08 * method:text=svd",
        _vectors("mean"),
        function=_multivariate_normal,
        more_seconds=_decomposed,
    ),
    _row(
        "choice",
        f"a:array {_SIZE} replace:bool=True p:array|none=None axis:int=0 shuffle:bool=True",
        _choice,
    ),
    _row("permutation", "x:array axis:int=0", _permutation),
    _row("permuted", "x:array * axis:axis=None", _rearranged, value_dependent=False),
    _row("shuffle", "x:array axis:int=0", _rearranged, function=_shuffle, value_dependent=False),
    Row(
        name="random.Generator.spawn",
        function=spawn,
        family="random",
        parameters=signature("generator:generator / n_children:int"),
        bound=_spawned,
        cost=lambda _, n_children: max(n_children, 1) * 10 * limits.PART_SECONDS,
        results=_spawn_results,
        value_dependent=False,
        numpy=(Generator.spawn,),
    ),
)
