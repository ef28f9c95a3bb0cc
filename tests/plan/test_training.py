"""Training against plain loops, closed forms and central gradient descent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

from fedsock.errors import OpTypeError, OpValueError
from fedsock.plan.batches import permutation
from fedsock.plan.settings import Training
from fedsock.plan.training import Trained, train
from fedsock.typing import Array


def softmax(params: Sequence[Array], data: Sequence[Array]) -> tuple[float, list[Array]]:
    """Give the mean cross entropy of a linear model, with a ridge, and its gradients."""
    (w, b), (x, y) = params, data
    scores = x @ w + b
    scores = scores - scores.max(axis=1, keepdims=True)
    likely = np.exp(scores)
    likely /= likely.sum(axis=1, keepdims=True)
    loss = -np.log(likely[np.arange(len(y)), y]).mean()
    slope = likely
    slope[np.arange(len(y)), y] -= 1
    slope /= len(y)
    return loss, [x.T @ slope, slope.sum(axis=0)]


def quadratic(params: Sequence[Array], data: Sequence[Array]) -> tuple[float, list[Array]]:
    """Give half the mean squared distance of w from the rows."""
    (w,), (x,) = params, data
    return 0.5 * float(((w - x) ** 2).sum(axis=1).mean()), [w - x.mean(axis=0)]


def finish(training: Any) -> tuple[list[dict[str, Any]], Trained]:
    metrics = []
    while True:
        try:
            metrics.append(next(training))
        except StopIteration as end:
            return metrics, end.value


@pytest.fixture(scope="module")
def digits() -> tuple[Array, Array]:
    pixels, labels = load_digits(return_X_y=True)
    return pixels / 16, labels


def start() -> list[Array]:
    return [np.zeros((64, 10)), np.zeros(10)]


def test_it_is_mcmahans_loop(digits: tuple[Array, Array]) -> None:
    x, y = digits[0][:105], digits[1][:105]
    settings = Training(learning_rate=0.5, batch_size=10, epochs=3, seed=4, momentum=0.9, per_batch=True)
    metrics, trained = finish(train(softmax, start(), [x, y], settings))

    w, b = start()
    vw, vb = np.zeros((64, 10)), np.zeros(10)
    expected = []
    for epoch in range(3):
        order = permutation(105, 4, epoch)
        losses = []
        for number, at in enumerate(range(0, 105, 10), 1):
            rows = order[at : at + 10]
            loss, (gw, gb) = softmax([w, b], [x[rows], y[rows]])
            vw, vb = 0.9 * vw + gw, 0.9 * vb + gb
            w, b = w - 0.5 * vw, b - 0.5 * vb
            losses.append((loss, len(rows)))
            expected.append({"epoch": epoch + 1, "batch": number, "rows": len(rows), "loss": float(loss)})
        mean = sum(loss * rows for loss, rows in losses) / 105
        expected.append({"epoch": epoch + 1, "rows": 105, "loss": pytest.approx(mean, rel=1e-14)})
    assert metrics == expected
    assert len(metrics) == 3 * 11 + 3
    assert np.array_equal(trained.params[0], w)
    assert np.array_equal(trained.params[1], b)
    assert trained.n == 105
    assert trained.metrics == {"loss": metrics[-1]["loss"]}
    assert trained.state.step == 33


def test_two_runs_have_the_same_bits(digits: tuple[Array, Array]) -> None:
    settings = Training(optimizer="adam", learning_rate=0.01, batch_size=32, epochs=2, seed=(1, 2))
    (first_metrics, first), (second_metrics, second) = (
        finish(train(softmax, start(), list(digits), settings)) for _ in range(2)
    )
    assert first_metrics == second_metrics
    assert [leaf.tobytes() for leaf in first.params] == [leaf.tobytes() for leaf in second.params]
    other = finish(train(softmax, start(), list(digits), Training(**{**settings.to_dict(), "seed": 3})))[1]
    assert not np.array_equal(other.params[0], first.params[0])


def test_epochs_in_two_trainings_with_the_state_between_are_full_batch_descent(digits: tuple[Array, Array]) -> None:
    for name, momentum in (("sgd", 0.9), ("adam", 0.0), ("adamw", 0.0)):
        whole = Training(optimizer=name, learning_rate=0.1, momentum=momentum, weight_decay=0.01, epochs=6)
        half = Training(**{**whole.to_dict(), "epochs": 3})
        _, unbroken = finish(train(softmax, start(), list(digits), whole))
        _, first = finish(train(softmax, start(), list(digits), half))
        _, second = finish(train(softmax, first.params, list(digits), half, first.state))
        _, forgetful = finish(train(softmax, first.params, list(digits), half))
        assert np.array_equal(second.params[0], unbroken.params[0])
        assert second.state.step == 6
        assert not np.allclose(forgetful.params[0], unbroken.params[0])


def test_a_full_batch_step_on_a_quadratic_is_the_closed_form() -> None:
    x = np.random.default_rng(0).normal(size=(50, 4))
    w0 = np.array([3.0, -1.0, 0.0, 2.0])
    _, trained = finish(train(quadratic, [w0], [x], Training(learning_rate=0.2, epochs=15)))
    expected = x.mean(axis=0) + 0.8**15 * (w0 - x.mean(axis=0))
    np.testing.assert_allclose(trained.params[0], expected, rtol=1e-12)


def test_the_proximal_term_holds_parameters_near_where_they_began() -> None:
    """Its minimum is the mean of the rows' mean and mu times the start."""
    x, w0 = np.random.default_rng(1).normal(size=(50, 4)), np.array([3.0, -1.0, 0.0, 2.0])
    settings = Training(learning_rate=0.2, epochs=200, proximal=1.5)
    metrics, trained = finish(train(quadratic, [w0], [x], settings))
    np.testing.assert_allclose(trained.params[0], (x.mean(axis=0) + 1.5 * w0) / 2.5, rtol=1e-12)
    # What is told is the loss, without the term.
    assert metrics[-1]["loss"] == pytest.approx(quadratic(trained.params, [x])[0])


def test_a_clipped_step_is_as_long_as_the_clip_norm() -> None:
    x, w0 = np.zeros((5, 2)), np.array([30.0, 40.0])
    settings = Training(learning_rate=1.0, clip_norm=5.0)
    _, trained = finish(train(quadratic, [w0], [x], settings))
    np.testing.assert_allclose(trained.params[0], [27.0, 36.0])
    # The proximal term's gradient is part of what is clipped: by 5 after the second step, not 5 and more.
    two = Training(learning_rate=1.0, clip_norm=5.0, epochs=2, proximal=2.0)
    _, trained = finish(train(quadratic, [w0], [x], two))
    np.testing.assert_allclose(np.linalg.norm(trained.params[0] - [27.0, 36.0]), 5.0)


def test_it_reaches_scikit_learns_minimum(digits: tuple[Array, Array]) -> None:
    x, y = digits[0][digits[1] < 2], digits[1][digits[1] < 2]

    def ridged(params: Sequence[Array], data: Sequence[Array]) -> tuple[float, list[Array]]:
        (w, b), (x, y) = params, data
        likely = 1 / (1 + np.exp(-(x @ w + b)))
        loss = -np.log(np.where(y == 1, likely, 1 - likely)).mean() + 5 * (w @ w) / n
        return loss, [x.T @ (likely - y) / len(y) + 10 * w / n, np.array((likely - y).mean())]

    n = len(y)
    settings = Training(optimizer="sgd", momentum=0.9, learning_rate=0.5, epochs=3000)
    _, trained = finish(train(ridged, [np.zeros(64), np.array(0.0)], [x, y], settings))
    model = LogisticRegression(C=0.1, tol=1e-10, max_iter=10_000).fit(x, y)
    np.testing.assert_allclose(trained.params[0], model.coef_[0], atol=1e-5)
    np.testing.assert_allclose(trained.params[1], model.intercept_[0], atol=1e-5)


def test_a_small_remainder_joins_the_batch_before(digits: tuple[Array, Array]) -> None:
    settings = Training(batch_size=10, min_rows=6, per_batch=True)
    metrics, _ = finish(train(softmax, start(), [digits[0][:25], digits[1][:25]], settings))
    assert [one["rows"] for one in metrics] == [10, 15, 25]


def test_nan_is_left_to_the_caller() -> None:
    metrics, trained = finish(train(quadratic, [np.ones(2)], [np.array([[np.nan, 1.0]])], Training()))
    assert np.isnan(metrics[0]["loss"])
    assert np.isnan(trained.params[0][0])


def test_it_stops_between_batches() -> None:
    calls = []

    def counted(params: Sequence[Array], data: Sequence[Array]) -> tuple[float, list[Array]]:
        calls.append(len(data[0]))
        return quadratic(params, data)

    training = train(counted, [np.ones(2)], [np.zeros((10, 2))], Training(batch_size=3, per_batch=True))
    next(training)
    next(training)
    training.close()
    assert calls == [3, 3]


@pytest.mark.parametrize(
    ("params", "data", "error", "said"),
    [
        ([], [np.zeros(3)], OpTypeError, "params"),
        ([np.zeros(3, int)], [np.zeros(3)], OpTypeError, "params"),
        ([np.zeros(3, complex)], [np.zeros(3)], OpTypeError, "params"),
        ([0.5], [np.zeros(3)], OpTypeError, "params"),
        ([np.zeros(3)], [], OpTypeError, "data"),
        ([np.zeros(3)], [np.array(1.0)], OpTypeError, "data"),
        ([np.zeros(3)], [[1.0, 2.0]], OpTypeError, "data"),
        ([np.zeros(3)], [np.zeros(3), np.zeros(4)], OpValueError, "different numbers of rows"),
        ([np.zeros(3)], [np.zeros((0, 3))], OpValueError, "no rows"),
    ],
)
def test_what_cannot_be_trained_is_refused(params: Any, data: Any, error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        next(train(quadratic, params, data, Training()))
