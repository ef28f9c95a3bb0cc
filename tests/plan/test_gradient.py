"""Gradients of plans: against difference quotients and a gradient written by hand, refusals, threads, levels."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from autograd.numpy import numpy_vjps

from fedsock.errors import ConfigError, NotDifferentiable
from fedsock.ops import TABLE
from fedsock.plan import boxes
from fedsock.plan.gradient import require_gradient, value_and_gradient
from fedsock.plan.program import Program
from fedsock.plan.steps import GRADIENT, Plan


def planned(function: Any, *examples: Any) -> Plan:
    return Program(function).trace(*examples).plan


def mlp(w1: Any, b1: Any, w2: Any, b2: Any, x: Any, y: Any) -> Any:
    """The mean cross entropy of a network of one hidden layer; y is one-hot."""
    hidden = np.maximum(x @ w1 + b1, 0)
    scores = hidden @ w2 + b2
    scores = scores - scores.max(axis=1, keepdims=True)
    logs = scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))
    return -(logs * y).sum() / x.shape[0]


def by_hand(w1: Any, b1: Any, w2: Any, b2: Any, x: Any, y: Any) -> list[Any]:
    """Its gradient by the first four, as textbooks have it."""
    before = x @ w1 + b1
    hidden = np.maximum(before, 0)
    scores = np.exp(hidden @ w2 + b2)
    out = (scores / scores.sum(axis=1, keepdims=True) - y) / len(x)
    back = (out @ w2.T) * (before > 0)
    return [x.T @ back, back.sum(axis=0), hidden.T @ out, out.sum(axis=0)]


def network(seed: int = 0, rows: int = 7, dtype: Any = np.float64) -> list[Any]:
    rng = np.random.default_rng(seed)
    shapes = [(4, 5), (5,), (5, 3), (3,), (rows, 4)]
    return [rng.normal(size=shape).astype(dtype) for shape in shapes] + [
        np.eye(3)[rng.integers(0, 3, rows)].astype(dtype)
    ]


def test_a_network_by_hand() -> None:
    plan = planned(mlp, *network())
    for seed, rows in ((0, 7), (1, 1), (2, 30)):
        leaves = network(seed, rows)
        value, slopes = value_and_gradient(plan, leaves, (0, 1, 2, 3))
        assert value == pytest.approx(mlp(*leaves), rel=1e-14)
        for found, expected in zip(slopes, by_hand(*leaves), strict=True):
            np.testing.assert_allclose(found, expected, rtol=1e-11, atol=1e-13)


def test_a_network_by_difference_quotients() -> None:
    leaves = network()
    _, slopes = value_and_gradient(planned(mlp, *leaves), leaves, (0, 2, 4))
    for number, slope in zip((0, 2, 4), slopes, strict=True):
        for index in np.ndindex(*slope.shape):
            ends = []
            for step in (1e-6, -1e-6):
                moved = [leaf.copy() for leaf in leaves]
                moved[number][index] += step
                ends.append(mlp(*moved))
            assert slope[index] == pytest.approx((ends[0] - ends[1]) / 2e-6, rel=1e-5, abs=1e-8)


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_gradients_have_the_dtype_of_what_they_are_by(dtype: Any) -> None:
    leaves = network(dtype=dtype)
    value, slopes = value_and_gradient(planned(mlp, *leaves), leaves, (0, 1))
    assert value.dtype == dtype
    assert [slope.dtype for slope in slopes] == [dtype, dtype]
    assert [slope.shape for slope in slopes] == [(4, 5), (5,)]


def test_the_way_back_of_float32_is_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    real = numpy_vjps.matmul_adjoint_1

    def spy(a: Any, slope: Any, *more: Any) -> Any:
        seen.append(np.result_type(slope))
        return real(a, slope, *more)

    monkeypatch.setattr(numpy_vjps, "matmul_adjoint_1", spy)
    leaves = network(dtype=np.float32)
    value_and_gradient(planned(mlp, *leaves), leaves, (0, 1, 2, 3))
    assert seen == [np.float32, np.float32]


@pytest.mark.parametrize("leaf", [2.0, np.float64(2.0), np.array(2.0), np.float32(2.0)])
def test_a_gradient_is_of_the_kind_of_what_it_is_by(leaf: Any) -> None:
    value, [slope] = value_and_gradient(planned(lambda x: x * x + x * 3, leaf), [leaf], (0,))
    assert value == 10.0
    assert type(slope) is type(leaf)
    assert np.asarray(slope).dtype == np.asarray(leaf).dtype
    assert slope == 7.0


def test_what_the_result_does_not_need_has_gradient_0() -> None:
    x, y = np.ones(2), np.ones((2, 3))
    _, slopes = value_and_gradient(planned(lambda x, y: x.sum() + (y > 0).sum(), x, y), [x, y], (0, 1))
    assert [slope.tolist() for slope in slopes] == [[1.0, 1.0], [[0.0] * 3] * 2]


def test_inputs_are_not_changed_and_constants_of_the_plan_neither() -> None:
    constant = np.array([1.0, 2.0])
    plan = planned(lambda x: (x * constant).sum() + x[0] + x[0], np.ones(2))
    x = np.array([3.0, 4.0])
    for _ in range(2):
        _, [slope] = value_and_gradient(plan, [x], (0,))
        assert slope.tolist() == [3.0, 2.0]
        slope += 7
    assert x.tolist() == [3.0, 4.0]


def test_masks_positions_and_sizes_are_flat() -> None:
    def loss(x: Any, y: Any) -> Any:
        best = np.argmax(x, axis=1)
        right = np.mean(best == y)
        return np.where(x > 0, x * x, 0.0).sum() / x.shape[0] + right + np.floor(x).sum()

    x = np.array([[1.5, -2.0], [0.5, 3.0]])
    _, [slope] = value_and_gradient(planned(loss, x, np.array([0, 1])), [x, np.array([0, 1])], (0,))
    np.testing.assert_allclose(slope, np.where(x > 0, x, 0))


def test_ops_of_several_results_and_arguments_by_name() -> None:
    def loss(x: Any) -> Any:
        first, second = np.split(x, 2)
        sign, size = np.linalg.slogdet(np.eye(2) * 3 + np.outer(first, second))
        return size * sign + np.sum(x, where=np.array([True, False, True, True])) + np.linalg.norm(x, axis=0)

    x = np.array([0.1, 0.4, -0.3, 0.2])
    _, [slope] = value_and_gradient(planned(loss, x), [x], (0,))
    for k in range(4):
        step = np.zeros(4)
        step[k] = 1e-6
        assert slope[k] == pytest.approx((loss(x + step) - loss(x - step)) / 2e-6, rel=1e-6)


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (lambda x: x * 2, "float64 with 1 axes"),
        (lambda x: (x.sum(), x), "a tree"),
        (lambda x: (x > 0).sum(), "int64"),
        (lambda x: x.sum() * 1j, "complex128"),
        (lambda x: np.unique(x).sum(), r"unique has no gradient.*test_gradient.py:\d+"),
        (lambda x: np.sort(np.fft.fft(x).real).sum(), "fft.fft has no gradient"),
        (lambda x: np.average(np.pad(x, 1, mode="mean")), r"pad with mode='mean' has no gradient"),
    ],
)
def test_refusals(function: Any, said: str) -> None:
    with pytest.raises(NotDifferentiable, match=said):
        value_and_gradient(planned(function, np.ones(3)), [np.ones(3)], (0,))


@pytest.mark.parametrize("leaf", [np.arange(3), np.array([True]), 3, True, np.ones(2, np.complex128), 1j])
def test_a_gradient_is_by_real_floating_point_numbers(leaf: Any) -> None:
    with pytest.raises(NotDifferentiable, match="give it as another argument"):
        value_and_gradient(planned(lambda n: np.sum(np.absolute(n * 1.0)), leaf), [leaf], (0,))


def test_an_op_without_a_gradient_matters_on_the_path_only() -> None:
    plan = planned(lambda x, y: (np.unique(y).sum() * x).sum() + (np.unique(x) > 0).sum(), np.ones(2), np.ones(2))
    require_gradient(plan, (0,))
    with pytest.raises(NotDifferentiable, match="unique"):
        require_gradient(plan, (1,))
    with pytest.raises(NotDifferentiable, match="tree"):
        require_gradient(planned(lambda x: [x.sum()], np.ones(2)), (0,))


def test_a_step_that_fails_says_which_and_where() -> None:
    plan = planned(lambda x: np.linalg.inv(x).sum(), np.eye(2))
    with pytest.raises(np.linalg.LinAlgError) as caught:
        value_and_gradient(plan, [np.zeros((2, 2))], (0,))
    assert "in linalg.inv, written at test_gradient.py" in caught.value.__notes__[0]


def test_its_step_is_no_op_of_the_table() -> None:
    assert GRADIENT not in TABLE
    plan = planned(lambda x: np.gradient(x).sum(), np.ones(3))
    assert Plan.from_json(plan.to_json()).digest == plan.digest
    with pytest.raises(NotDifferentiable, match="gradient has no gradient"):
        value_and_gradient(plan, [np.ones(3)], (0,))


def test_gradients_in_threads_do_not_meet() -> None:
    plan = planned(mlp, *network())
    alone = [value_and_gradient(plan, network(seed), (0, 2))[1] for seed in range(4)]
    with ThreadPoolExecutor(4) as threads:
        several = list(threads.map(lambda seed: value_and_gradient(plan, network(seed % 4), (0, 2))[1], range(40)))
    for seed, found in enumerate(several):
        assert all(np.array_equal(a, b) for a, b in zip(found, alone[seed % 4], strict=True))


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    boxes.autograd.cache_clear()
    monkeypatch.setitem(sys.modules, "autograd", None)
    try:
        with pytest.raises(ConfigError, match=r"fedsock\[learn\]"):
            value_and_gradient(planned(lambda x: x * x, 1.0), [1.0], (0,))
    finally:
        boxes.autograd.cache_clear()
