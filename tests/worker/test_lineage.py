"""What is kept of how a private value was made, and its digest."""

from __future__ import annotations

import gc
import random
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedsock.policy.facts import known
from fedsock.protocol import messages as m
from fedsock.protocol.values import to_json
from fedsock.worker.lineage import MOST_BYTES, MOST_OPS, TOO_LONG, Constant, Lineage, Made, _hashed, _of, digest, flat
from fedsock.worker.store import Entry, Tally
from tests.worker.driver import PEER, Driver, op, put, ref

AGES = np.array([30.0, 40.0, 50.0])


def lineage(driver: Driver, id: int | str, peer: str = PEER) -> Lineage | None:
    return driver.engine._find(driver.engine._sessions[peer], id).lineage  # type: ignore[union-attr]


def signed(driver: Driver, id: int | str, peer: str = PEER) -> str:
    made = lineage(driver, id, peer)
    assert made is not None
    order = flat(made)
    assert order is not None
    return digest(order)


def signature(*messages: m.Message, data: dict[str, Any] | None = None) -> str:
    """The digest of what the last of some ops makes."""
    driver = Driver({"x": AGES} if data is None else data)
    driver.say(*messages)
    return signed(driver, messages[-1].id)  # type: ignore[attr-defined]


# What a digest says


STEPS = st.lists(st.tuples(st.sampled_from(["add", "multiply", "subtract", "maximum"]), st.floats(-4, 4)), max_size=8)


@given(STEPS, STEPS, st.integers(1, 1000), st.randoms(use_true_random=False))
def test_it_depends_on_no_id_no_session_and_no_order(
    left: list[Any], right: list[Any], start: int, chance: random.Random
) -> None:
    """Two chains from one data set, combined; sent one behind the other, and shuffled under other ids."""

    def chains(number: int, order: list[int], peer: str) -> str:
        driver, ends = Driver({"x": AGES}), [ref("x"), ref("x")]
        waiting = [list(left), list(right)]
        for which in order:
            fn, value = waiting[which].pop(0)
            driver.say(op(number, fn, ends[which], value), peer=peer)
            ends[which] = ref(number)
            number += 3
        driver.say(op(number, "add", *ends), peer=peer)
        return signed(driver, number, peer)

    order = [0] * len(left) + [1] * len(right)
    shuffled = list(order)
    chance.shuffle(shuffled)
    assert chains(1, order, PEER) == chains(start, shuffled, "s-other@0009")


@given(STEPS, st.data())
def test_another_op_constant_or_order_of_ops_has_another(steps: list[Any], data: st.DataObject) -> None:
    def chain(said: list[Any]) -> str:
        ops = [op(2 + place, fn, ref(1 + place), value) for place, (fn, value) in enumerate(said)]
        return signature(op(1, "negative", ref("x")), *ops)

    other = list(steps)
    place = data.draw(st.integers(0, len(steps)))
    match data.draw(st.sampled_from(["op", "constant", "more", "swap"])):
        case "op" if place < len(other):
            other[place] = ("power", other[place][1])
        case "constant" if place < len(other):
            other[place] = (other[place][0], other[place][1] + 8.5)
        case "swap" if len(other) > 1:
            other.reverse()
        case _:
            other.insert(place, ("minimum", 1.0))
    # -0.0 and 0.0 are two constants, and read so.
    assert (chain(steps) == chain(other)) is (repr(steps) == repr(other))


@pytest.mark.parametrize(
    "other",
    [
        op(1, "add", ref("x"), 1),
        op(1, "add", ref("x"), True),
        op(1, "add", 1.0, ref("x")),
        op(1, "add", ref("x"), 1.0, kw={"dtype": {"$dtype": "float32"}}),
        op(1, "add", ref("x"), {"$scalar": ["float64", "AAAAAAAA8D8="]}),
        op(1, "add", ref("x"), [1.0]),
        op(1, "add", ref("x"), {"$tuple": [1.0]}),
        op(1, "add", ref("x"), ref("x")),
    ],
)
def test_types_places_and_names_count(other: m.Op) -> None:
    assert signature(op(1, "add", ref("x"), 1.0)) != signature(other)


def test_the_data_its_name_and_its_rows_count() -> None:
    said = op(1, "sum", ref("x"))
    first = signature(said)
    assert first == signature(said, data={"x": AGES.copy()})
    assert first != signature(said, data={"x": np.nextafter(AGES, 0)})
    assert first != signature(said, data={"x": AGES.astype(np.float32)})
    assert first != signature(said, data={"x": AGES.reshape(3, 1)})
    assert first != signature(op(1, "sum", ref("y")), data={"y": AGES})
    # The same array among others of another length is a group of another name.
    assert first != signature(said, data={"x": AGES, "z": np.ones(7)})


def test_an_uploaded_constant_is_what_it_holds() -> None:
    said = signature(op(1, "add", ref("x"), 2.5))
    assert signature(put(1, 2.5), op(2, "add", ref("x"), ref(1))) == said
    large = np.arange(300.0)
    for array, same in ((large, True), (large + 1, False)):
        two = [
            signature(put(1, to_json(one)), op(2, "add", ref("x"), ref(1)), data={"x": large}) for one in (large, array)
        ]
        assert (two[0] == two[1]) is same


def test_a_generator_counts_by_its_state() -> None:
    def drawn(seed: int) -> str:
        rng = op(1, "random.default_rng", seed)
        return signature(rng, op(2, "random.Generator.permutation", ref(1), ref("x"), n=2))

    assert drawn(7) == drawn(7) != drawn(8)


def test_each_of_several_results_has_its_own() -> None:
    driver = Driver({"x": np.eye(3)})
    driver.say(op(1, "linalg.svd", ref("x"), n=3))
    assert len({signed(driver, id) for id in (1, 2, 3)}) == 3


def test_a_constant_that_is_overwritten_later_counts_as_it_was() -> None:
    driver = Driver({"x": AGES})
    driver.say(put(1, to_json(np.zeros(3))), op(2, "add", ref("x"), ref(1)), op(3, "iadd", ref(1), 9.0, last=[1]))
    assert signed(driver, 2) == signature(put(1, to_json(np.zeros(3))), op(2, "add", ref("x"), ref(1)))


# What is kept


def test_nothing_is_kept_where_nothing_is_private() -> None:
    driver = Driver()
    driver.say(put(1, 1.0), op(2, "add", ref(1), 1), op(3, "add", ref(2), ref(2)))
    assert [lineage(driver, id) for id in (1, 2, 3)] == [None] * 3


def test_a_large_value_is_not_kept() -> None:
    driver = Driver({"x": np.zeros(1000)})
    driver.say(put(1, to_json(np.arange(1000.0))), op(2, "dot", ref("x"), ref(1)))
    made = lineage(driver, 2)
    assert isinstance(made, Made)
    constant = made.args[1]
    assert isinstance(constant, Constant)
    assert (constant.value, constant.head, constant.nbytes) == (None, (0.0, 1.0, 2.0), 8000)


def test_a_value_that_is_shared_counts_once() -> None:
    driver = Driver({"x": AGES})
    driver.say(*(op(id, "add", ref(id - 1 or "x"), ref(id - 1 or "x")) for id in range(1, 101)))
    order = flat(lineage(driver, 100))  # type: ignore[arg-type]
    assert order is not None and len(order) == 101
    signed(driver, 100)


@pytest.mark.parametrize(("ops", "is_too_long"), [(MOST_OPS, False), (MOST_OPS + 1, True)])
def test_so_many_ops_can_be_read_in_a_row(ops: int, is_too_long: bool) -> None:
    driver = Driver({"x": AGES})
    driver.say(*(op(id, "add", ref(id - 1 or "x"), 1) for id in range(1, ops + 1)))
    assert (lineage(driver, ops) is TOO_LONG) is is_too_long


@pytest.mark.parametrize(("ops", "is_too_long"), [(MOST_OPS - 1, False), (MOST_OPS, True)])
def test_so_many_ops_can_be_read_side_by_side(ops: int, is_too_long: bool) -> None:
    driver = Driver({"x": AGES})
    driver.say(*(op(id, "add", ref("x"), id) for id in range(1, ops + 1)))
    driver.say(op(ops + 1, "stack", [ref(id) for id in range(1, ops + 1)]))
    assert (flat(lineage(driver, ops + 1)) is None) is is_too_long  # type: ignore[arg-type]


def test_so_many_bytes_of_constants_can_be_read() -> None:
    driver = Driver({"x": np.zeros(1)})
    half = to_json(np.zeros(MOST_BYTES // 16))
    driver.say(put(1, half), put(2, half), put(3, 1.0), op(4, "add", ref("x"), ref(1)), op(5, "add", ref(4), ref(2)))
    driver.say(op(6, "add", ref(5), ref(2)), op(7, "add", ref(6), ref(3)))
    assert flat(lineage(driver, 6)) is not None  # type: ignore[arg-type]
    assert flat(lineage(driver, 7)) is None  # type: ignore[arg-type]
    driver.say(op(8, "zeros", {"$tuple": [MOST_BYTES // 8 + 1]}), op(9, "add", ref("x"), ref(8)))
    assert lineage(driver, 9) is TOO_LONG
    driver.say(op(10, "sum", ref(9)))
    assert lineage(driver, 10) is TOO_LONG


def test_what_a_session_lets_go_is_bounded_too() -> None:
    # One value is held, but all that it was made of is kept with it.
    driver = Driver({"x": AGES}, quota_objects=50)
    for id in range(1, 61):
        driver.say(op(id, "add", ref(id - 1 or "x"), 1))
        driver.say(m.Release([id - 1] if id > 1 else []))
    assert isinstance(lineage(driver, 60), type(TOO_LONG))
    driver.say(m.Release([60]))
    gc.collect()
    driver.say(op(61, "add", ref("x"), 1))
    assert isinstance(lineage(driver, 61), Made)


def test_a_tally_counts_what_lives() -> None:
    tally = Tally(3)
    assert [tally.add() for _ in range(4)] == [True, True, True, False]
    tally.gone.append(None)
    assert [tally.add() for _ in range(2)] == [True, False]


def test_what_failed_or_has_no_shape_has_one_all_the_same() -> None:
    driver = Driver({"x": AGES})
    driver.say(op(1, "greater", ref("x"), 35.0), op(2, "getitem.array", ref("x"), ref(1)), op(3, "sum", ref(2)))
    assert signed(driver, 3)


def test_nothing_private_is_ever_a_constant() -> None:
    entry = Entry(1, known(frozenset({"x"})))
    entry.value = 5.0
    assert _of(entry) is TOO_LONG and _of(Entry(2)) is not TOO_LONG


def test_no_two_lists_of_parts_read_the_same() -> None:
    assert len({_hashed(b"k", *parts) for parts in ([b"a", b"bc"], [b"ab", b"c"], [b"abc"], [b"a", b"b", b"c"])}) == 4


def test_what_would_take_long_to_walk_is_too_long() -> None:
    """As many ops as may be, but of so many arguments that to go through them would keep others waiting."""
    driver = Driver({"x": AGES})
    driver.say(
        *(op(id, "stack", [ref("x")] * 990) for id in range(1, 21)), op(50, "stack", [ref(id) for id in range(1, 21)])
    )
    driver.say(
        *(op(60 + id, "stack", [ref("x")] * 990) for id in range(1, 30)),
        op(100, "stack", [ref(60 + id) for id in range(1, 30)]),
    )
    assert flat(lineage(driver, 50) or TOO_LONG) is not None
    assert flat(lineage(driver, 100) or TOO_LONG) is None
