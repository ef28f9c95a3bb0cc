"""Gradients from tapes: the same bits as those that autograd follows, for every op; and when there is no tape."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from fedsock.ops import TABLE, check, flatten
from fedsock.plan import recording
from fedsock.plan.boxes import plain
from fedsock.plan.gradient import value_and_gradient
from fedsock.plan.recording import Gradient
from fedsock.plan.steps import GRADIENT, Plan, Step, spec_of
from fedsock.plan.tapes import Tape
from fedsock.protocol.values import Reference
from tests.attacks.programs import array, at, step, text
from tests.ops.gradientcases import CASES
from tests.plan.test_gradient import mlp, network, planned

# Ops that fail by values, or look at values that autograd makes no boxes of, for all or some of their arguments.
UNTAPED = {
    "average", "choose", "compress", "extract", "getitem.array", "hypot", "hypot.outer", "interp", "item", "mean",
    "linalg.cond", "linalg.det", "linalg.inv", "linalg.matrix_norm", "linalg.matrix_power", "linalg.norm",
    "linalg.pinv", "linalg.qr", "linalg.slogdet", "linalg.solve", "linalg.svd", "linalg.svdvals", "linalg.tensorinv",
    "linalg.tensorsolve", "median", "nan_to_num", "nanmax", "nanmean", "nanmin", "nanstd", "nanvar", "partition",
    "percentile", "quantile", "real_if_close", "select", "setitem.array", "sort", "std", "take", "take_along_axis",
    "unwrap", "var",
}  # fmt: skip

CALLS = [(name, k) for name, cases in CASES.items() for k in range(len(cases))]


def calls(gradient: Gradient, *several: list[Any]) -> list[Any]:
    return [gradient(leaves) for leaves in several]


def taped(gradient: Gradient) -> bool:
    [seen] = gradient._seen.values()
    return seen.over and seen.tape is not None


def same(one: Any, other: Any) -> None:
    for a, b in zip((one[0], *one[1]), (other[0], *other[1]), strict=True):
        assert type(a) is type(b)
        assert np.asarray(a).dtype == np.asarray(b).dtype
        np.testing.assert_array_equal(a, b)


def loss_of(name: str, args: list[Any], options: dict[str, Any]) -> tuple[Plan, list[Any]] | None:
    """Return a plan of an op and the sum of the squares of its results, and its inputs: all arrays it is given."""
    row, leaves = TABLE[name], []

    def taken(tree: Any) -> Any:
        if type(tree) in (list, tuple):
            return type(tree)([taken(part) for part in tree])
        if not isinstance(tree, np.ndarray):
            return tree
        leaves.append(tree)
        return Reference(len(leaves) - 1)

    places = tuple(taken(arg) for arg in args)
    named = {key: taken(value) for key, value in options.items()}
    checked, by_name = check(row, args, options)
    more = {"overwrite": False} if row.in_place else {}
    found = flatten(row, row.function(*checked, **by_name, **more))
    steps, register, total = [Step(name, places, named, len(found))], len(leaves), None
    at = register + len(found)
    for number, part in enumerate(found):
        if np.asarray(part).dtype.kind != "f":
            continue
        one = Reference(register + number)
        steps += [Step("multiply", (one, one), {}, 1), Step("sum", (Reference(at),), {}, 1)]
        at += 2
        if total is not None:
            steps.append(Step("add", (total, Reference(at - 1)), {}, 1))
            at += 1
        total = Reference(at - 1)
    if total is None or not any(leaf.dtype.kind == "f" for leaf in leaves):
        return None
    inputs = tuple(spec_of(f"x{k}", leaf) for k, leaf in enumerate(leaves))
    return Plan(inputs, tuple((f"x{k}", Reference(k)) for k in range(len(leaves))), tuple(steps), total, "loss"), leaves


def moved(leaves: list[Any], seed: int) -> list[Any]:
    rng = np.random.default_rng(seed)
    return [leaf * (1 + rng.uniform(-0.02, 0.02, leaf.shape)) if leaf.dtype.kind == "f" else leaf for leaf in leaves]


@pytest.mark.parametrize(("name", "k"), CALLS, ids=[f"{name}-{k}" for name, k in CALLS])
def test_an_op_from_a_tape_has_the_same_gradient(name: str, k: int) -> None:
    made = loss_of(name, *CASES[name][k])
    if made is None:
        pytest.skip("no arrays among its arguments")
    plan, leaves = made
    by = tuple(number for number, leaf in enumerate(leaves) if leaf.dtype.kind == "f")
    gradient = Gradient(plan, by)
    for seed in range(5):
        inputs = moved(leaves, seed)
        same(gradient(inputs), value_and_gradient(plan, inputs, by))
    assert taped(gradient) or name in UNTAPED


def test_a_mean_over_rows_has_a_tape() -> None:
    for options in ({}, {"axis": 0}, {"axis": 1, "keepdims": True}):
        plan, leaves = loss_of("mean", [np.arange(6.0).reshape(2, 3)], options) or pytest.fail()
        gradient = Gradient(plan, (0,))
        calls(gradient, leaves, leaves, leaves)
        assert taped(gradient)


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16])
def test_a_network_from_a_tape(dtype: Any) -> None:
    plan = planned(mlp, *network(dtype=dtype))
    gradient = Gradient(plan, (0, 1, 2, 3))
    for seed in range(8):
        for rows in (7, 3, 1):
            leaves = network(seed, rows, dtype)
            same(gradient(leaves), value_and_gradient(plan, leaves, (0, 1, 2, 3)))
    assert len(gradient._seen) == 3
    assert all(seen.tape is not None for seen in gradient._seen.values())


def test_from_a_tape_autograd_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = planned(mlp, *network())
    gradient = Gradient(plan, (0, 2))
    calls(gradient, network(0), network(1), network(2))
    expected = value_and_gradient(plan, network(3), (0, 2))
    monkeypatch.setattr(recording, "value_and_gradient", None)
    same(gradient(network(3)), expected)


def test_inputs_stay_as_they_are_and_results_own_their_memory() -> None:
    gradient = Gradient(planned(lambda x, y: (x + y).sum(), np.ones(3), np.ones(3)), (0, 1))
    x, y = np.arange(3.0), np.arange(3.0, 6.0)
    for _ in range(5):
        _, slopes = gradient([x, y])
        for slope in slopes:
            assert not np.shares_memory(slope, x)
            assert not np.shares_memory(slope, y)
    assert [*x, *y] == list(range(6))
    slopes[0][:] = 7  # ours: what a tape holds stays
    np.testing.assert_array_equal(gradient([x, y])[1][0], np.ones(3))


def test_gradients_of_gradients_from_a_tape() -> None:
    inner = planned(lambda x, y: (np.tanh(x) * y).sum() ** 2, np.ones(3), np.ones(3))
    slope = Step(GRADIENT, (Reference(0), Reference(1)), {}, 2, inner, (0,))
    squares = [Step("multiply", (Reference(3), Reference(3)), {}, 1), Step("sum", (Reference(4),), {}, 1)]
    inputs = tuple(spec_of(name, np.ones(3)) for name in "xy")
    takes = (("x", Reference(0)), ("y", Reference(1)))
    outer = Plan(inputs, takes, (slope, *squares), Reference(5), "outer")
    gradient, rng = Gradient(outer, (0, 1)), np.random.default_rng(0)
    for _ in range(6):
        leaves = [rng.normal(size=3), rng.normal(size=3)]
        same(gradient(leaves), value_and_gradient(outer, leaves, (0, 1)))
    assert taped(gradient)


def test_what_is_flat_follows_the_values() -> None:
    """Comparisons, positions and integers aren't on the path, and yet are other ones each time."""

    def loss(x: Any, labels: Any) -> Any:
        wanted = (labels[:, None] == np.arange(3)) & (x > -9)
        return ((x * wanted).sum(axis=1) * x.argmax(axis=1) * np.floor(np.abs(x)).sum(axis=1) * labels.sum()).mean()

    rng = np.random.default_rng(1)
    plan = planned(loss, rng.normal(size=(4, 3)), rng.integers(0, 3, 4))
    gradient = Gradient(plan, (0,))
    for _ in range(8):
        leaves = [3 * rng.normal(size=(4, 3)), rng.integers(0, 3, 4)]
        same(gradient(leaves), value_and_gradient(plan, leaves, (0,)))


def test_a_tape_that_gives_something_else_is_never_used(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = planned(mlp, *network())
    gradient = Gradient(plan, (0,))
    monkeypatch.setattr(Tape, "run", lambda tape, inputs: [np.float64(1.0), np.zeros((4, 5))])
    for seed in range(6):
        same(gradient(network(seed)), value_and_gradient(plan, network(seed), (0,)))
    assert not taped(gradient)


def test_what_fails_is_said_as_without_a_tape(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = planned(mlp, *network())
    gradient = Gradient(plan, (0,))
    calls(gradient, network(0), network(1), network(2))

    def fails(tape: Any, inputs: Any) -> Any:
        raise MemoryError

    monkeypatch.setattr(Tape, "run", fails)
    same(gradient(network(3)), value_and_gradient(plan, network(3), (0,)))


def test_nothing_of_anybodys_values_gets_on_a_tape(monkeypatch: pytest.MonkeyPatch) -> None:
    """It serves whoever runs the same plan next, on data of their own: a value that got around the boxes would tell."""
    seen: list[Any] = []
    slopes = recording.value_and_slopes

    def watched(plan: Any, leaves: Any, *more: Any) -> Any:
        seen.extend(plain(leaf) for leaf in leaves)
        return slopes(plan, leaves, *more)

    monkeypatch.setattr(recording, "value_and_slopes", watched)
    leaves = [np.full(3, 123.456), np.array(123.456)]
    gradient = Gradient(planned(lambda x, k: (x * x).sum() * k, *leaves), (0,))
    found = calls(gradient, *[leaves] * 4)
    assert taped(gradient) and all(one[0] == found[0][0] for one in found)
    assert len(seen) == 2 and not any(np.any(one) for one in seen)


def test_large_constants_are_on_no_tape() -> None:
    """It outlives who made it, and nobody's quota counts it."""
    for size, kept in ((1_000, True), (100_000, False)):
        steps = [step("zeros", size), step("sum", at(0)), step("add", at(1), at(2)), step("sum", at(3))]
        gradient = Gradient(Plan.from_json(text([array()], steps, at(4))), (0,))
        calls(gradient, *[[np.ones(3)]] * 3)
        assert taped(gradient) is kept


def test_a_mask_that_picks_rows_has_no_tape() -> None:
    plan = planned(lambda x: x[x > 0].sum(), np.ones(4))
    gradient = Gradient(plan, (0,))
    for seed in range(6):
        leaf = np.random.default_rng(seed).normal(size=4)
        same(gradient([leaf]), value_and_gradient(plan, [leaf], (0,)))
    assert not taped(gradient)


def test_zeros_of_either_sign_are_not_taken_for_each_other() -> None:
    plan = planned(lambda x, c: np.arctan2(x * 0.0, c).sum(), np.ones(2), 0.0)
    gradient = Gradient(plan, (0,))
    for number in (0.0, 0.0, 0.0, -0.0):
        value, _ = gradient([np.ones(2), number])
        assert value == (2 * np.pi if np.signbit(number) else 0.0)


def test_kinds_of_calls_are_forgotten_past_the_most(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording, "MOST_TAPES", 2)
    gradient = Gradient(planned(lambda x: (x * x).sum(), np.ones(2)), (0,))
    for rows in range(1, 6):
        for _ in range(4):
            gradient([np.ones(rows)])
        assert len(gradient._seen) <= 2


def test_gradients_from_tapes_in_several_threads() -> None:
    plan = planned(mlp, *network())
    gradient = Gradient(plan, (0, 1, 2, 3))
    alone = [value_and_gradient(plan, network(seed), (0, 1, 2, 3)) for seed in range(4)]
    with ThreadPoolExecutor(8) as threads:
        for seed, found in enumerate(threads.map(lambda seed: gradient(network(seed % 4)), range(80))):
            same(found, alone[seed % 4])
