"""gradients: which ops have which, each against central differences, and the stated subgradients."""

from __future__ import annotations

from typing import Any

import autograd
import autograd.numpy as anp
import numpy as np
import pytest

from fedsock.ops import TABLE
from fedsock.ops.gradients import CONSTANT, GRADIENTS, kind_of
from tests.ops.differences import bound, differentiable, floats, gradients, parts_of
from tests.ops.gradientcases import CASES
from tests.ops.gradientkinds import LISTED

# Their gradients are among symmetric matrices: see below.
SYMMETRIC = {"linalg.cholesky", "linalg.eigh", "linalg.eigvalsh"}
CALLS = [(name, k) for name, cases in CASES.items() for k in range(len(cases))]


def test_every_op_with_a_gradient_is_tried() -> None:
    smooth = {name for name, row in TABLE.items() if kind_of(row) in ("autograd", "rewrite")}
    assert smooth == CASES.keys() | SYMMETRIC


@pytest.mark.parametrize(("name", "k"), CALLS, ids=[f"{name}-{k}" for name, k in CALLS])
@pytest.mark.filterwarnings("ignore::RuntimeWarning", "ignore:Output seems independent")
def test_a_gradient_is_the_difference_quotient(name: str, k: int) -> None:
    row = TABLE[name]
    args, options = bound(row, *CASES[name][k])
    here = row.function(*args, **options, **({"overwrite": False} if row.in_place else {}))
    there = differentiable(row)(*args, **options)
    for expected, part in zip(parts_of(here), parts_of(there), strict=True):
        assert np.shape(part) == np.shape(expected)
        np.testing.assert_allclose(part, expected, rtol=1e-12, atol=1e-12)
    assert floats(args)
    for path in floats(args):
        if name in ("quantile", "percentile") and path == (1,):
            continue
        found, slopes = gradients(row, args, options, path)
        np.testing.assert_allclose(np.asarray(found), slopes, rtol=2e-5, atol=2e-6, err_msg=str(path))


def _grad(name: str, at: Any, *rest: Any, **options: Any) -> Any:
    function = differentiable(TABLE[name])
    return autograd.grad(lambda x: anp.sum(function(x, *rest, **options)))(np.asarray(at, np.float64))


@pytest.mark.parametrize(
    ("name", "args", "options", "subgradient"),
    [
        ("absolute", ([-2.0, 0.0, 3.0],), {}, [-1, 0, 1]),
        ("fabs", ([0.0],), {}, [0]),
        ("maximum", ([-1.0, 0.0, 1.0], 0.0), {}, [0, 0.5, 1]),
        ("minimum", ([-1.0, 0.0, 1.0], 0.0), {}, [1, 0.5, 0]),
        ("clip", ([-1.0, 0.0, 0.5, 1.0, 2.0], 0.0, 1.0), {}, [0, 0.5, 1, 0.5, 0]),
        ("max", ([3.0, 1.0, 3.0],), {}, [0.5, 0, 0.5]),
        ("median", ([1.0, 1.0, 4.0],), {}, [0, 1, 0]),
        ("hypot", ([0.0, 3.0], [0.0, 4.0]), {}, [0, 0.6]),
        ("linalg.norm", ([0.0, 0.0],), {}, [0, 0]),
        ("linalg.norm", ([[0.0, 0.0]],), {}, [[0, 0]]),
        ("linalg.vector_norm", ([[0.0, 0.0], [3.0, 4.0]],), {"axis": 1}, [[0, 0], [0.6, 0.8]]),
        ("linalg.vector_norm", ([0.0, 0.0],), {"ord": 3}, [0, 0]),
        ("std", ([2.0, 2.0],), {}, [0, 0]),
        ("sign", ([0.0, 2.0],), {}, None),
        ("interp", ([1.0], [0.0, 1.0, 2.0], [0.0, 5.0, 7.0]), {}, [2.0]),
    ],
)
def test_subgradients_at_kinks_are_as_stated(name: str, args: Any, options: Any, subgradient: Any) -> None:
    if subgradient is None:
        assert TABLE[name].gradient == CONSTANT
    else:
        np.testing.assert_allclose(_grad(name, *args[:1], *map(np.asarray, args[1:]), **options), subgradient)


@pytest.mark.parametrize(
    ("name", "pick"),
    [
        ("linalg.cholesky", lambda found: found),
        ("linalg.cholesky", lambda found: found),
        ("linalg.eigh", lambda found: found[0]),
        ("linalg.eigh", lambda found: found[1]),
        ("linalg.eigvalsh", lambda found: found),
    ],
)
@pytest.mark.parametrize("shape", [(3, 3), (2, 2, 2)])
def test_gradients_among_symmetric_matrices(name: str, pick: Any, shape: Any) -> None:
    function = differentiable(TABLE[name])
    options: Any = {"upper": True} if shape == (3, 3) and name == "linalg.cholesky" else {}
    rng = np.random.default_rng(1)
    at = rng.normal(size=shape)
    weights = rng.normal(size=(*shape[:-2], *shape[-2:]) if name != "linalg.eigvalsh" else shape[:-1])
    if name == "linalg.eigh" and np.ndim(pick(TABLE[name].function(at))) < len(shape):
        weights = weights[..., 0]

    def symmetric(x: Any) -> Any:
        return x + anp.swapaxes(x, -1, -2) + 8 * np.eye(shape[-1])

    found = autograd.grad(lambda x: anp.sum(weights * pick(function(symmetric(x), **options))))(at)
    for index in np.ndindex(*shape):
        step = np.zeros(shape)
        step[index] = 1e-6
        ends = [np.sum(weights * pick(TABLE[name].function(symmetric(at + s), **options))) for s in (step, -step)]
        assert found[index] == pytest.approx((ends[0] - ends[1]) / 2e-6, rel=1e-4, abs=1e-5)


@pytest.mark.parametrize(
    "name",
    [
        "tanh",
        "sum",
        "var",
        "std",
        "prod",
        "max",
        "median",
        "sinc",
        "linalg.vector_norm",
        "cumprod",
        "linalg.inv",
        "getitem",
        "pow",
        "matmul",
        "where",
    ],
)
def test_second_derivatives(name: str) -> None:
    function = differentiable(TABLE[name])
    rest: tuple[Any, ...] = {
        "getitem": (0,), "pow": (3,), "matmul": (np.ones((3, 3)),),
    }.get(name, ())  # fmt: skip

    def loss(x: Any) -> Any:
        done = function(x > 0, x * x, x**3) if name == "where" else function(x, *rest)
        return anp.sum(done**2)

    at = np.random.default_rng(3).normal(size=(3, 3))
    slope = autograd.grad(loss)
    second = autograd.grad(lambda x: anp.sum(slope(x) * np.cos(np.arange(9.0)).reshape(3, 3)))(at)
    for index in np.ndindex(3, 3):
        step = np.zeros((3, 3))
        step[index] = 1e-6
        ends = [np.sum(slope(at + s) * np.cos(np.arange(9.0)).reshape(3, 3)) for s in (step, -step)]
        assert second[index] == pytest.approx((ends[0] - ends[1]) / 2e-6, rel=1e-3, abs=1e-4)


def test_a_gradient_names_a_function_that_autograd_has() -> None:
    for name, gradient in GRADIENTS.items():
        if isinstance(gradient, str) and gradient != CONSTANT:
            assert callable(differentiable(TABLE[name]))


def test_what_is_constant_gives_no_share_of_the_data() -> None:
    rounded = {name for name, row in TABLE.items() if kind_of(row) == CONSTANT and "." not in name}
    assert {"floor", "greater", "argmax", "isnan", "sign"} <= rounded
    assert not rounded & {"where", "clip", "copysign", "remainder", "unique", "histogram", "trim_zeros"}


def test_the_list_of_gradients() -> None:
    found: dict[str, list[str]] = {}
    for name, row in TABLE.items():
        found.setdefault(kind_of(row), []).append(name)
    found["none"] = [name for name in found["none"] if not name.startswith("random.")]
    assert {kind: sorted(names) for kind, names in found.items()} == {
        kind: sorted(names.split()) for kind, names in LISTED.items()
    }
