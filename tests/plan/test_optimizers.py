"""Optimizers against loops over single numbers, closed forms and, where it is installed, torch."""

from __future__ import annotations

import importlib.util
import math
from typing import Any

import numpy as np
import pytest

from fedsock.errors import OpTypeError, OpValueError
from fedsock.plan import optimizers
from fedsock.plan.optimizers import State, adam, clipped, proximal, sgd, step
from fedsock.plan.settings import Training
from fedsock.typing import Array

CASES = [
    Training(learning_rate=0.1),
    Training(learning_rate=0.1, weight_decay=0.2),
    Training(learning_rate=0.1, momentum=0.9),
    Training(learning_rate=0.1, momentum=0.5, weight_decay=0.2),
    Training(optimizer="adam", learning_rate=0.05),
    Training(optimizer="adam", learning_rate=0.05, weight_decay=0.3, betas=(0.5, 0.7), epsilon=1e-3),
    Training(optimizer="adamw", learning_rate=0.05, weight_decay=0.3),
    Training(optimizer="adamw", learning_rate=0.05, weight_decay=0.3, betas=(0.0, 0.0)),
]


def label(settings: Training) -> str:
    return f"{settings.optimizer}-{settings.momentum}-{settings.weight_decay}-{settings.betas}"


def gradient(w: float) -> float:
    """Of a function with bends: the sum of (w - 1)^4 / 4 and cos(3 w)."""
    return (w - 1) ** 3 - 3 * math.sin(3 * w)


def looped(settings: Training, w: float, steps: int) -> float:
    """Train one number, by the papers' lines in plain Python."""
    velocity = mean = square = 0.0
    for t in range(1, steps + 1):
        g = gradient(w)
        if settings.optimizer != "adamw":
            g += settings.weight_decay * w
        if settings.optimizer == "sgd":
            velocity = settings.momentum * velocity + g
            w -= settings.learning_rate * velocity
            continue
        first, second = settings.betas
        mean = first * mean + (1 - first) * g
        square = second * square + (1 - second) * g**2
        unbiased_mean, unbiased_square = mean / (1 - first**t), square / (1 - second**t)
        decay = settings.learning_rate * settings.weight_decay * w if settings.optimizer == "adamw" else 0.0
        w = w - decay - settings.learning_rate * unbiased_mean / (math.sqrt(unbiased_square) + settings.epsilon)
    return w


def run(settings: Training, params: list[Array], steps: int) -> tuple[list[Array], State]:
    state = State.start(settings, params)
    for _ in range(steps):
        params, state = step(settings, params, [np.vectorize(gradient)(leaf) for leaf in params], state)
    return params, state


@pytest.mark.parametrize("settings", CASES, ids=label)
def test_steps_are_those_of_a_loop_over_numbers(settings: Training) -> None:
    start = [np.array([[0.3, -0.2, 2.0], [1.5, 0.0, -1.0]]), np.array(0.7), np.array([0.1])]
    found, state = run(settings, start, 20)
    expected = [np.vectorize(lambda w: looped(settings, w, 20))(leaf) for leaf in start]
    for one, other, before in zip(found, expected, start, strict=True):
        assert isinstance(one, np.ndarray)
        assert one.shape == before.shape
        np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-13)
    assert state.step == 20
    assert start[0][0, 0] == 0.3, "the parameters given were written to"


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("settings", CASES, ids=label)
def test_dtypes_stay(settings: Training, dtype: Any) -> None:
    params = [np.ones((2, 3), dtype), np.array(1, dtype)]
    gradients = [np.ones((2, 3)), np.array(1.0)]  # whatever theirs is
    state = State.start(settings, params)
    for _ in range(2):
        params, state = step(settings, params, gradients, state)
    assert {leaf.dtype for leaves in (params, *state.moments) for leaf in leaves} == {np.dtype(dtype)}


def test_momentum_on_a_quadratic_is_the_linear_recurrence() -> None:
    """For g = a w the pair (w, v) is multiplied by one matrix in each step."""
    a, lr, mu = 0.7, 0.3, 0.8
    settings = Training(learning_rate=lr, momentum=mu)
    params, state = [np.array([5.0])], State.start(settings, [np.zeros(1)])
    for _ in range(30):
        params, state = step(settings, params, [a * params[0]], state)
    matrix = np.array([[1 - lr * a, -lr * mu], [a, mu]])
    expected = np.linalg.matrix_power(matrix, 30) @ [5.0, 0.0]
    np.testing.assert_allclose([params[0][0], state.moments[0][0][0]], expected, rtol=1e-12)


def test_the_first_step_of_adam_is_as_long_as_the_learning_rate() -> None:
    new, mean, square = adam(np.array([1.0]), np.array([-123.0]), np.zeros(1), np.zeros(1), 1, learning_rate=0.01)
    np.testing.assert_allclose(new, [1.01], rtol=1e-9)
    np.testing.assert_allclose(mean, [-12.3])
    np.testing.assert_allclose(square, [15.129])


def test_decay_is_coupled_in_adam_and_not_in_adamw() -> None:
    zero = np.zeros(1)
    given: dict[str, Any] = {"learning_rate": 0.1, "weight_decay": 0.5}
    assert adam(np.ones(1), zero, zero, zero, 1, decoupled=True, **given)[0] == 0.95
    np.testing.assert_allclose(adam(np.ones(1), zero, zero, zero, 1, **given)[0], 0.9)
    assert sgd(np.ones(1), zero, **given)[0] == 0.95


@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="torch is not installed")
@pytest.mark.parametrize("settings", CASES, ids=label)
def test_steps_are_torchs(settings: Training) -> None:
    torch: Any = importlib.import_module("torch")
    start = np.array([0.3, -0.2, 2.0, 1.5])
    weights = torch.tensor(start, requires_grad=True)
    common = {"lr": settings.learning_rate, "weight_decay": settings.weight_decay}
    if settings.optimizer == "sgd":
        optimizer = torch.optim.SGD([weights], momentum=settings.momentum, **common)
    else:
        kind = torch.optim.Adam if settings.optimizer == "adam" else torch.optim.AdamW
        optimizer = kind([weights], betas=settings.betas, eps=settings.epsilon, **common)
    for _ in range(20):
        weights.grad = torch.tensor(np.vectorize(gradient)(weights.detach().numpy()))
        optimizer.step()
    np.testing.assert_allclose(run(settings, [start], 20)[0][0], weights.detach().numpy(), rtol=1e-10)


def test_the_proximal_terms_gradient_is_that_of_its_formula() -> None:
    rng = np.random.default_rng(0)
    w, w0 = rng.normal(size=(2, 3)), rng.normal(size=(2, 3))
    found = proximal([np.zeros((2, 3))], [w], [w0], 0.6)[0]
    for place in np.ndindex(2, 3):
        nudge = np.zeros((2, 3))
        nudge[place] = 1e-6
        slope = (0.3 * ((w + nudge - w0) ** 2).sum() - 0.3 * ((w - nudge - w0) ** 2).sum()) / 2e-6
        assert found[place] == pytest.approx(slope, rel=1e-6)


def test_clipping_is_by_the_norm_of_all_together() -> None:
    gradients = [np.array([3.0, 0.0]), np.array([[4.0]]), np.array(12.0)]  # of norm 13
    halved = clipped(gradients, 6.5)
    assert [leaf.tolist() for leaf in halved] == [[1.5, 0.0], [[2.0]], 6.0]
    assert [leaf.tolist() for leaf in clipped(gradients, 13.0)] == [leaf.tolist() for leaf in gradients]
    # Squares that no float16 can hold.
    assert clipped([np.array([300.0, 400.0], np.float16)], 5.0)[0].tolist() == [3.0, 4.0]


def test_a_gradient_of_another_shape_is_refused() -> None:
    settings = Training()
    with pytest.raises(OpValueError, match="shape"):
        step(settings, [np.zeros(3)], [np.zeros((3, 1))], State())


def test_a_state_travels_as_a_tree() -> None:
    params = [np.array([1.0, 2.0]), np.array(3.0)]
    for settings in CASES:
        _, state = run(settings, params, 3)
        back = State.from_tree(state.to_tree(), settings, params)
        assert back.step == 3
        assert str(back) == str(state)
        assert len(state.moments) == optimizers.moments_of(settings)


def test_plain_descent_remembers_nothing() -> None:
    assert State.start(Training(), [np.zeros(2)]) == State(0, ())


ADAM = Training(optimizer="adam")
ONE = [np.zeros(2)]


@pytest.mark.parametrize(
    "tree",
    [
        None,
        {},
        {"step": 1},
        {"step": -1, "moments": [ONE, ONE]},
        {"step": True, "moments": [ONE, ONE]},
        {"step": 1 << 63, "moments": [ONE, ONE]},
        {"step": 1, "moments": (ONE, ONE)},
        {"step": 1, "moments": [ONE]},
        {"step": 1, "moments": [ONE, []]},
        {"step": 1, "moments": [ONE, [np.zeros(3)]]},
        {"step": 1, "moments": [ONE, [np.zeros(2, np.float32)]]},
        {"step": 1, "moments": [ONE, [[0.0, 0.0]]]},
        {"step": 1, "moments": [ONE, np.zeros((1, 2))]},
        {"step": 1, "moments": [ONE, ONE], "more": 1},
    ],
)
def test_a_state_that_is_none_is_refused(tree: Any) -> None:
    assert State.from_tree({"step": 1, "moments": [ONE, ONE]}, ADAM, ONE).step == 1
    with pytest.raises((OpTypeError, OpValueError), match="state: "):
        State.from_tree(tree, ADAM, ONE)
