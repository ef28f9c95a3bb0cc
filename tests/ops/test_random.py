"""random: draws equal numpy's of the same seed, and never touch the generator they are given."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedsock.errors import OpTypeError
from fedsock.ops.random import ROWS
from fedsock.ops.registry import check, depends_on_values
from tests.ops.harness import few
from tests.ops.oracle import EVERY, agree, arrays, same

TABLE = {row.name.removeprefix("random.").removeprefix("Generator."): row for row in ROWS}


def drawn(name: str, *args: Any, **options: Any) -> Any:
    """Assert that a draw is numpy's, with the generator as numpy leaves it, and that a second one goes on."""

    def oracle(generator: Any, *args: Any, **options: Any) -> Any:
        method = getattr(generator, name)
        return method(*args, **options), generator

    rng = np.random.default_rng(7)
    rng.integers(5)  # leaves half of a draw of 64 bits for the next
    result = agree(TABLE[name], rng, *args, oracle=oracle, **options)
    if isinstance(result, tuple):
        agree(TABLE[name], result[1], *args, oracle=oracle, **options)
    return result


ARGUMENTS: dict[str, tuple[Any, ...]] = {
    "beta": (2.0, 3.0),
    "binomial": (10, 0.5),
    "chisquare": (3,),
    "exponential": (2.0,),
    "f": (2.0, 3.0),
    "gamma": (2.0, 3.0),
    "geometric": (0.3,),
    "gumbel": (1.0, 2.0),
    "hypergeometric": (5, 6, 7),
    "laplace": (1.0, 2.0),
    "logistic": (1.0, 2.0),
    "lognormal": (1.0, 2.0),
    "logseries": (0.4,),
    "negative_binomial": (4, 0.5),
    "noncentral_chisquare": (3.0, 2.0),
    "noncentral_f": (3.0, 2.0, 1.0),
    "normal": (1.0, 2.0),
    "pareto": (3.0,),
    "poisson": (4.0,),
    "power": (3.0,),
    "rayleigh": (2.0,),
    "standard_t": (3.0,),
    "triangular": (0.0, 1.0, 2.0),
    "uniform": (1.0, 2.0),
    "vonmises": (0.5, 1.0),
    "wald": (1.0, 2.0),
    "weibull": (3.0,),
    "zipf": (3.0,),
    "standard_gamma": (2.0,),
    "integers": (2, 9),
}
SIZES: list[Any] = [None, 3, (), (2, 3), (0, 2), -1, (2, -1), [2, 2], np.int64(2)]


def parameters(name: str) -> list[list[Any]]:
    """Good parameters of a distribution, as numbers and arrays, and bad ones."""
    good = ARGUMENTS[name]
    return [
        list(good),
        [np.full((3, 2), value) for value in good],
        [good[0], *(np.full((2, 1), value) for value in good[1:])],
        *([[np.full((0,), value) for value in good]] if name != "integers" else []),  # a test of its own
        [-value for value in good],
        [np.float32(value) for value in good],
        [np.full(2, np.nan) for _ in good],
        [np.array(["a"]) for _ in good],
        [np.full((2, 3), good[0]), *(np.full((4,), value) for value in good[1:])],
    ]


@pytest.mark.parametrize("name", sorted(ARGUMENTS))
def test_distributions(name: str) -> None:
    for arguments in parameters(name):
        drawn(name, *arguments)
        drawn(name, *arguments, (3, 2))
        drawn(name, *arguments, size=())
        drawn(name, *arguments, size=-1)


@pytest.mark.parametrize("name", ["beta", "integers", "poisson"])
@pytest.mark.parametrize("size", SIZES, ids=repr)
def test_sizes(name: str, size: Any) -> None:
    for arguments in parameters(name):
        drawn(name, *arguments, size=size)


@pytest.mark.parametrize("name", ["random", "standard_normal", "standard_exponential", "standard_cauchy"])
@pytest.mark.parametrize("size", SIZES, ids=repr)
def test_standard_draws(name: str, size: Any) -> None:
    drawn(name, size)
    if name != "standard_cauchy":
        for dtype in (np.dtype("f4"), np.dtype("f8"), np.dtype("i8")):
            drawn(name, size, dtype=dtype)
    if name == "standard_exponential":
        drawn(name, size, method="inv")


@pytest.mark.parametrize("dtype", ["?", "i1", "u1", "i4", "u8", "f8"])
@pytest.mark.parametrize("high", [None, 1, 100, 10**6, np.array([3, 5])])
def test_integers(dtype: str, high: Any) -> None:
    drawn("integers", 1, high, 4, dtype=np.dtype(dtype), endpoint=True)
    drawn("integers", 1, high, dtype=np.dtype(dtype))


@pytest.mark.parametrize("size", [None, 2, (2, 3), (0,), -1])
def test_draws_of_vectors(size: Any) -> None:
    drawn("dirichlet", np.array([1.0, 2.0, 3.0]), size)
    drawn("dirichlet", np.array([-1.0, 2.0]), size=size)
    drawn("multinomial", 5, np.array([0.2, 0.3, 0.5]), size)
    drawn("multinomial", np.array([5, 6]), np.array([[0.2, 0.8]]), size=size)
    drawn("multinomial", np.array([5, 6]), np.array([0.7, 0.8]))
    drawn("multivariate_hypergeometric", np.array([5, 6, 7]), 4, size)
    drawn("multivariate_hypergeometric", nsample=99, colors=np.array([5, 6, 7]), size=size)
    mean, cov = np.array([1.0, 2.0]), np.array([[2.0, 0.5], [0.5, 1.0]])
    for method in ("svd", "eigh", "cholesky"):
        drawn("multivariate_normal", mean, cov, size, method=method)
    drawn("multivariate_normal", mean=mean, cov=cov, size=size)
    for check_valid in ("warn", "ignore", "raise", "no"):
        drawn("multivariate_normal", mean, -cov, size, check_valid)


@pytest.mark.parametrize("options", [{}, {"replace": False}, {"shuffle": False, "replace": False}, {"axis": 1}])
@pytest.mark.parametrize("size", [None, 2, (1, 2), 0, -1])
@pytest.mark.parametrize("a", [5, 1, 0, -2, np.arange(4), np.eye(3), np.array("a"), np.array(["a", "b"]), 2.5])
def test_choice(a: Any, size: Any, options: dict[str, Any]) -> None:
    drawn("choice", a, size, **options)


@pytest.mark.parametrize("p", [[0.5, 0.25, 0.25], [0.5, 0.5], [1.0, -1.0, 1.0], [np.nan, 0.5, 0.5], [1.0, 0, 0]])
@pytest.mark.parametrize("replace", [True, False])
def test_weighted_choice(p: Any, replace: bool) -> None:
    drawn("choice", 3, 2, replace, np.array(p))


@pytest.mark.parametrize("name", ["permutation", "permuted"])
@few
@given(data=st.data())
def test_reordered(name: str, data: Any) -> None:
    axis = data.draw(st.integers(-2, 2))
    drawn(name, data.draw(arrays(EVERY)), axis=axis)


@pytest.mark.parametrize("n", [0, 5, -3, np.int32(4)])
def test_permutation_of_a_number(n: Any) -> None:
    drawn("permutation", n)


@few
@given(arrays(EVERY), st.integers(-2, 2))
def test_shuffle_gives_what_numpy_leaves(x: Any, axis: int) -> None:
    def oracle(generator: Any, x: Any, axis: int) -> Any:
        generator.shuffle(x, axis)
        return x, generator

    agree(TABLE["shuffle"], np.random.default_rng(3), x, axis, oracle=oracle)


@pytest.mark.parametrize("n", [0, 1, 3, -1])
def test_spawn(n: int) -> None:
    rng = np.random.default_rng(3)
    result = agree(TABLE["spawn"], rng, n, oracle=lambda generator, n: (generator.spawn(n), generator))
    if n > 0:
        children, parent = result
        assert not same(children[0], rng)
        again = TABLE["spawn"].function(parent, n)[0]
        assert not same(again[0], children[0]), "the parent forgot what it had spawned"


@pytest.mark.parametrize("seed", [0, 7, [1, 2], np.int64(4), -1])
def test_default_rng(seed: Any) -> None:
    agree(TABLE["default_rng"], seed, oracle=lambda seed: np.random.default_rng(seed))


def test_default_rng_without_seed_is_not_the_same_twice() -> None:
    function = TABLE["default_rng"].function
    assert not same(function(), function())


def test_default_rng_copies_a_generator() -> None:
    rng = np.random.default_rng(3)
    before = copy.deepcopy(rng)
    copied = TABLE["default_rng"].function(rng)
    copied.normal(size=3)
    assert copied is not rng and same(rng, before)


@pytest.mark.parametrize("seed", [1.5, "a", np.array([0.5])])
def test_seeds_that_are_none(seed: Any) -> None:
    with pytest.raises(OpTypeError):
        check(TABLE["default_rng"], [seed], {})


@pytest.mark.parametrize("ends", [(np.array([], int), 5), (0, np.array([], int))])
@pytest.mark.parametrize("size", [(), 1])
def test_integers_reads_no_memory_that_is_not_its_argument(ends: Any, size: Any) -> None:
    with pytest.raises(ValueError, match="empty"):
        TABLE["integers"].function(np.random.default_rng(1), *ends, size)


@pytest.mark.parametrize(
    ("name", "arguments", "nbytes"),
    [
        ("normal", (0, 1, 10**9), 8 * 10**9),
        ("normal", (np.zeros((1000, 1)), np.zeros(1000)), 8 * 10**6),
        ("choice", (10**9, 10**9), 8 * 10**9),
        ("choice", (10**9, 10**6, False), 8 * 5 * 10**7),
        ("permutation", (10**9,), 8 * 10**9),
        ("dirichlet", (np.ones(1000), 10**6), 8 * 10**9),
        ("multinomial", (1, np.ones(1000), 10**6), 8 * 10**9),
    ],
)
def test_sizes_are_counted_before_anything_is_drawn(name: str, arguments: Any, nbytes: int) -> None:
    assert TABLE[name].bound(np.random.default_rng(1), *arguments).nbytes >= nbytes


def test_what_a_draw_tells() -> None:
    rng = np.random.default_rng(1)
    assert depends_on_values(TABLE["normal"], [rng, 0, np.ones(3)], {}, [2])
    assert not depends_on_values(TABLE["shuffle"], [rng, np.ones(3)], {}, [1])
    assert depends_on_values(TABLE["random"], [rng, 5], {}, [1])


@pytest.mark.parametrize("name", ["shuffle", "permuted"])
def test_a_number_is_not_shuffled_whatever_it_is(name: str) -> None:
    rng = np.random.default_rng(1)
    assert TABLE[name].bound(rng, np.int64(2)) == TABLE[name].bound(rng, np.int64(10**9))


def test_count_of_colours_by_laying_them_out_is_refused() -> None:
    rng = np.random.default_rng(1)
    with pytest.raises(OpTypeError, match="marginals"):
        check(TABLE["multivariate_hypergeometric"], [rng, np.array([10**12]), 1, None, "count"], {})


def test_a_covariance_takes_long_to_decompose() -> None:
    cost = TABLE["multivariate_normal"].cost
    assert cost is not None
    rng, mean = np.random.default_rng(1), np.zeros(1000)
    assert 1 < cost(rng, mean, np.empty((1000, 1000))) < 100
    assert cost(rng, mean[:2], np.eye(2)) < 1e-3
