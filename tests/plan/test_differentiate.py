"""grad and value_and_grad: programs of programs, trees, several arguments, gradients of gradients, refusals."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

import fedsock
from fedsock.errors import NotDifferentiable, PlanMismatch
from fedsock.plan import Program, grad, plan, value_and_grad
from tests.plan.test_gradient import by_hand, mlp, network


def loss(params: Any, x: Any, y: Any) -> Any:
    (w1, b1), (w2, b2) = params["in"], params["out"]
    return mlp(w1, b1, w2, b2, x, y)


def arguments(rows: int = 7) -> tuple[Any, Any, Any]:
    w1, b1, w2, b2, x, y = network(rows=rows)
    return {"out": (w2, b2), "in": [w1, b1]}, x, y


def test_a_gradient_is_a_tree_like_its_argument() -> None:
    value, found = value_and_grad(plan(loss))(*arguments())
    hand = by_hand(*network())
    assert value == pytest.approx(loss(*arguments()), rel=1e-14)
    assert found.keys() == {"in", "out"}
    assert type(found["in"]) is list and type(found["out"]) is tuple
    for here, there in zip([*found["in"], *found["out"]], hand, strict=True):
        np.testing.assert_allclose(here, there, rtol=1e-11, atol=1e-13)


def test_one_plan_serves_any_number_of_rows() -> None:
    gradient = grad(loss)
    gradient(*arguments(7))
    digest = gradient.digest
    assert gradient(*arguments(300))["in"][0].shape == (4, 5)
    assert gradient.digest == digest
    assert grad(loss).trace(*arguments(12)).digest == digest


def test_it_is_a_plan_that_travels() -> None:
    gradient = value_and_grad(loss).trace(*arguments())
    again = Program.from_json(gradient.to_json())
    assert again.digest == gradient.digest
    assert [step.op for step in gradient.plan.steps] == ["gradient"]
    here, there = gradient(*arguments()), again(*arguments())
    assert here[0] == there[0]
    np.testing.assert_array_equal(here[1]["out"][0], there[1]["out"][0])


def test_several_arguments_and_names() -> None:
    def f(a: Any, b: Any, *, scale: Any = 2.0) -> Any:
        return (a * a * b).sum() * scale

    a, b = np.array([1.0, 2.0]), np.array([3.0, 5.0])
    by_a, by_b = grad(f, (0, 1))(a, b)
    assert by_a.tolist() == [12.0, 40.0]
    assert by_b.tolist() == [2.0, 8.0]
    assert grad(f, 1)(a, b).tolist() == [2.0, 8.0]
    assert grad(f, -1)(a, b, scale=1.0) == pytest.approx(23.0)
    assert grad(f, (0,))(a, b)[0].tolist() == [12.0, 40.0]


def test_gradients_of_gradients() -> None:
    assert grad(grad(lambda x: x**4))(2.0) == pytest.approx(48.0)
    assert grad(grad(grad(lambda x: np.sin(2 * x))))(np.float64(0.3)) == pytest.approx(-8 * np.cos(0.6))

    def penalty(x: Any) -> Any:
        slope = grad(lambda z: (np.tanh(z) * z).sum())(x)
        return (slope * slope).sum()

    x = np.array([0.3, -1.2])
    found = grad(penalty)(x)
    for k in range(2):
        step = np.zeros(2)
        step[k] = 1e-6
        there = (plan(penalty)(x + step) - plan(penalty)(x - step)) / 2e-6
        assert found[k] == pytest.approx(there, rel=1e-6)


def test_a_gradient_inside_a_plan() -> None:
    gradient = value_and_grad(loss)

    @plan
    def step(params: Any, x: Any, y: Any, rate: Any) -> Any:
        value, slopes = gradient(params, x, y)
        (w1, b1), (s1, t1) = params["in"], slopes["in"]
        return value, [w1 - rate * s1, b1 - rate * t1]

    value, (w1, _) = step(*arguments(), 0.5)
    expected = network()[0] - 0.5 * by_hand(*network())[0]
    assert value == pytest.approx(loss(*arguments()))
    np.testing.assert_allclose(w1, expected)
    assert Program.from_json(step.to_json()).digest == step.digest


def test_descent_goes_down() -> None:
    params, x, y = arguments(50)
    step = value_and_grad(loss)
    values = []
    for _ in range(30):
        value, slopes = step(params, x, y)
        values.append(value)
        params = {
            key: type(part)(p - 0.5 * s for p, s in zip(part, slopes[key], strict=True)) for key, part in params.items()
        }
    assert all(later < earlier for earlier, later in itertools.pairwise(values))


@pytest.mark.parametrize(
    ("function", "args", "said"),
    [
        (lambda x: np.unique(x).sum(), [np.ones(2)], "unique has no gradient, written at test_differentiate.py"),
        (lambda x: x * 2.0, [np.ones(2)], "float64 with 1 axes: return a loss"),
        (lambda x: {"a": x.sum()}, [np.ones(2)], "return the loss alone"),
        (lambda x: (x * 1.5).sum(), [np.arange(2)], r"x is int64\[:\]: .* give it as another argument"),
        (lambda x: (x["k"] * 1.5).sum(), [{"k": np.array([True])}], r"x\['k'\] is bool"),
        (lambda x: np.median(x, axis=0), [np.ones((2, 2))], "1 axes"),
        (lambda x: np.convolve(np.pad(x, 1, mode="mean"), x).sum(), [np.ones(3)], "pad with mode='mean'"),
    ],
)
def test_refused_when_it_is_made(function: Any, args: Any, said: str) -> None:
    with pytest.raises(NotDifferentiable, match=said):
        grad(function).trace(*args)


@pytest.mark.parametrize("argnums", [2, -3, (), (0, 0), (0, -2), "x", True, (0, 7)])
def test_argnums_that_no_parameter_has(argnums: Any) -> None:
    with pytest.raises(PlanMismatch, match="argnums"):
        grad(lambda x, y: x, argnums)


def test_arguments_of_another_form() -> None:
    gradient = grad(lambda p, x: (p["w"] * x).sum()).trace({"w": 1.0}, np.ones(2))
    with pytest.raises(PlanMismatch):
        gradient({"v": 1.0}, np.ones(2))
    with pytest.raises(PlanMismatch):
        gradient({"w": 1}, np.ones(2))
    again = grad(Program.from_json(plan(lambda x: (x * x).sum()).trace(np.ones(2)).to_json()))
    assert again(np.array([3.0])).tolist() == [6.0]
    with pytest.raises(PlanMismatch):
        grad(Program.from_json(again.to_json())).trace(np.ones(2, np.float32))


def test_names() -> None:
    assert fedsock.grad is grad
    assert fedsock.value_and_grad is value_and_grad
    assert grad(loss).__name__ == "grad(loss)"


async def test_at_a_worker() -> None:
    async with fedsock.Hub(port=0) as hub:
        bob = await hub.virtual_worker("bob", data={})
        params, x, y = arguments()
        sent = {key: type(part)(bob.send(one) for one in part) for key, part in params.items()}
        value, slopes = bob.run(value_and_grad(loss), sent, bob.send(x), bob.send(y))
        assert await value == pytest.approx(loss(params, x, y))
        np.testing.assert_allclose(await slopes["in"][0], by_hand(*network())[0], rtol=1e-11, atol=1e-13)
