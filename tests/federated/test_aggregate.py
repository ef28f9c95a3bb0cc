"""Folding and validation of updates, against numpy on stacked arrays and against what a liar could send."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from fedsock.errors import ConfigError, UpdateRejected
from fedsock.federated import aggregate
from fedsock.federated.aggregate import Update, WeightedMean

LIKE: Any = {"b": np.zeros(2, np.float32), "a": [np.zeros((2, 2)), (np.zeros(()),)]}


def params(given: float) -> Any:
    value = float(given)
    return {"b": np.full(2, value, np.float32), "a": [np.full((2, 2), value), (np.full((), value),)]}


@given(st.data())
def test_the_mean_is_numpys(data: Any) -> None:
    dtype = data.draw(st.sampled_from([np.float16, np.float32, np.float64]))
    shape = data.draw(npst.array_shapes(min_dims=0, max_side=4))
    count = data.draw(st.integers(1, 6))
    elements = st.floats(-100, 100, width=16)
    arrays = [data.draw(npst.arrays(dtype, shape, elements=elements)) for _ in range(count)]
    weights = data.draw(st.lists(st.integers(1, 1000), min_size=count, max_size=count))
    updates = [Update(str(n), [array], w) for n, (array, w) in enumerate(zip(arrays, weights, strict=True))]
    (mean,) = aggregate.weighted_mean(updates, [arrays[0]])
    want = np.average(np.stack(arrays).astype(np.float64), axis=0, weights=weights)
    assert mean.dtype == dtype and mean.shape == shape
    np.testing.assert_allclose(mean, want.astype(dtype), rtol=2 * np.finfo(dtype).eps, atol=1e-6)


def test_forms_and_dtypes_stay() -> None:
    mean = aggregate.weighted_mean([Update("a", params(1), 1), Update("b", params(4), 2)], LIKE)
    assert aggregate.same_form(mean, LIKE) and list(mean) == ["b", "a"]
    assert [leaf.dtype for leaf in aggregate.flatten(mean)] == [np.float64, np.float64, np.float32]
    assert all(np.all(leaf == 3) for leaf in aggregate.flatten(mean))
    assert all(isinstance(leaf, np.ndarray) and not leaf.flags.writeable for leaf in aggregate.flatten(mean))


def test_sums_are_in_float64() -> None:
    big = np.full(3, 2**24, np.float32)  # where float32 can't count by one any more
    folded = WeightedMean([big])
    for value in (big, np.ones(3, np.float32), -big):
        folded.add([value], 1)
    assert folded.mean()[0].tolist() == [np.float32(1 / 3)] * 3


def test_many_numbers_give_the_bits_that_one_sum_gives() -> None:
    rng = np.random.default_rng(0)
    shape = (3, aggregate.BLOCK // 2 + 5)  # the last block is a part only, and the rows begin within blocks
    leaves = [rng.normal(size=shape).astype(dtype) for dtype in (np.float32, np.float64, np.float16)]
    like = {"one": leaves[0], "other": np.zeros((), np.float64), "none": np.zeros((0, 2), np.float32)}
    folded, total = WeightedMean(like), np.zeros(shape)
    for n, leaf in zip((7, 100, 13), leaves, strict=True):
        folded.add({"one": leaf, "other": np.float64(n), "none": np.zeros((0, 2), np.float32)}, n)
        total += np.multiply(leaf, n, dtype=np.float64)
    mean = folded.mean()
    assert np.array_equal(mean["one"], (total / 120).astype(np.float32))
    assert mean["other"] == (7 * 7 + 100 * 100 + 13 * 13) / 120 and mean["none"].shape == (0, 2)


def test_adding_takes_no_memory() -> None:
    size = 1 << 20
    folded, update = WeightedMean([np.zeros(size)]), np.ones(size)
    tracemalloc.start()
    folded.add([update], 3)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < update.nbytes // 8


def test_it_holds_one_accumulator_however_many_updates() -> None:
    size = 1 << 17
    like = [np.zeros(size)]

    def peak(count: int) -> int:
        tracemalloc.start()
        folded = WeightedMean(like)
        for number in range(count):
            folded.add([np.full(size, float(number))], 1)
        folded.mean()
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    assert peak(40) - peak(4) < size  # bytes, an eighth of a model


@given(st.recursive(st.just(0.0), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=10))
def test_taking_apart_and_rebuilding_are_inverse(tree: Any) -> None:
    count = len(aggregate.flatten(tree))
    numbered = aggregate.rebuilt(tree, range(count))
    assert aggregate.same_form(numbered, tree) and aggregate.flatten(numbered) == list(range(count))


@pytest.mark.parametrize(
    ("one", "other"), [([1], (1,)), ([1], [1, 2]), ({"a": 1}, {"b": 1}), ([1], 1), ({"a": [1]}, {"a": 1}), (1, {})]
)
def test_other_forms(one: Any, other: Any) -> None:
    assert not aggregate.same_form(one, other) and not aggregate.same_form(other, one)


def test_a_good_update_passes() -> None:
    found = aggregate.check(Update("bob", params(1), np.int64(3), np.float32(0.5), {"acc": np.array(1)}), LIKE)
    assert (found.n, found.loss, found.metrics) == (3, 0.5, {"acc": 1.0})
    assert type(found.n) is int and type(found.loss) is float
    assert aggregate.check(Update("bob", params(1), 3), LIKE).loss is None


def changed(**parts: Any) -> Update:
    return Update(**{"worker": "mallory", "params": params(1), "n": 3, "loss": 0.5, "metrics": {}, **parts})


def leaf(value: Any) -> Any:
    return params(1) | {"b": value}


@pytest.mark.parametrize(
    ("update", "said"),
    [
        (changed(params=None), "another form"),
        (changed(params={"b": 1}), "another form"),
        (changed(params=leaf([1.0, 2.0])), "another form"),
        (changed(params=leaf(1.0)), "no array but a float"),
        (changed(params=leaf("x")), "no array but a str"),
        (changed(params=leaf(np.zeros(3, np.float32))), r"shape \(3,\), not float32 of shape \(2,\)"),
        (changed(params=leaf(np.zeros(2))), "float64"),
        (changed(params=leaf(np.zeros(2, "U1"))), "<U1"),
        (changed(params=leaf(np.array([0, np.nan], np.float32))), "NaN"),
        (changed(params=leaf(np.array([0, np.inf], np.float32))), "NaN"),
        (changed(params=leaf(np.array([-np.inf, 0], np.float32))), "NaN"),
        (changed(params=params(1) | {"a": [np.full((2, 2), 1e300), (np.zeros(()),)]}), "absurdly large"),
        (changed(n=0), "is 0"),
        (changed(n=-3), "is -3"),
        (changed(n=10**12), "1 to 1000000000"),
        (changed(n=True), "a bool"),
        (changed(n=3.0), "a float"),
        (changed(n=None), "a NoneType"),
        (changed(loss=np.nan), "loss is NaN"),
        (changed(loss=-1e271), "loss is NaN, infinite or absurd"),
        (changed(loss="low"), "loss is no number"),
        (changed(loss=np.zeros(2)), "loss is no number"),
        (changed(loss=np.array("x")), "loss is no number"),
        (changed(loss=10**400), "loss is no number"),
        (changed(metrics=[1]), "metrics are no dict"),
        (changed(metrics={f"m{n}": 1 for n in range(101)}), "at most 100"),
        (changed(metrics={1: 1}), "name of a metric"),
        (changed(metrics={"x" * 101: 1}), "name of a metric"),
        (changed(metrics={"acc": np.inf}), "'acc' is NaN, infinite or absurd"),
        (changed(metrics={"acc": None}), "'acc' is no number"),
    ],
)
def test_what_cant_be_averaged_is_refused_and_named(update: Update, said: str) -> None:
    with pytest.raises(UpdateRejected, match=f"mallory: .*{said}"):
        aggregate.check(update, LIKE)


def test_params_to_begin_with() -> None:
    mine = np.ones(2)
    (made,) = aggregate.checked_params([mine])
    mine[0] = 5
    assert made.tolist() == [1, 1] and not made.flags.writeable
    for wrong, said in (
        ([], "no array"),
        ({"a": [1.0]}, r"params\['a'\]\[0\]: .*a float"),
        (np.ones(2, int), "one of int64"),
        ([np.array([np.nan])], r"params\[0\]: holds NaN"),
        ({1: mine}, "a dict"),
    ):
        with pytest.raises(ConfigError, match=said):
            aggregate.checked_params(wrong)


def test_the_mean_loss_is_weighted() -> None:
    updates = [Update("a", None, 1, 1.0), Update("b", None, 3, 2.0), Update("c", None, 9)]
    assert aggregate.mean_loss(updates) == 1.75
    assert aggregate.mean_loss(updates[2:]) is None
    # What may be told gives a mean, whatever the workers' weights.
    worst = [aggregate.check(Update(f"w{k}", params(1), 10**9, 1e140), LIKE) for k in range(1000)]
    assert aggregate.mean_loss(worst) == 1e140
