"""Two data sets of one shape and dtype look the same: replies, their order, what is charged, counted and predicted."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from fedsock.protocol import messages as m
from fedsock.worker.service import INLINE_SECONDS
from tests.worker.driver import PEER, Driver, op, ref

FIT = {"x": np.array([3]), "f": np.array([1.5, 2.5, 0.5])}
FAR = {"x": np.array([700]), "f": np.array([np.nan, -np.inf, 1e300])}


def array(*values: object) -> dict[str, object]:
    return {"$tuple": list(values)}


def seen(data: dict[str, Any], *messages: m.Message, **options: Any) -> list[Any]:
    """Say messages one by one; return all that the session could see, and what each op was predicted to take."""
    driver = Driver(data, **options)
    told: list[Any] = []
    for number, message in enumerate(messages):
        computes = list(driver.engine.receive(PEER, [message]))
        while computes:
            compute = computes.pop(0)
            told.append(compute.seconds)
            with np.errstate(all="ignore"):
                computes = [*driver.engine.computed(compute, *compute.run()), *computes]
        told += map(str, driver.run(()))
        told += map(str, driver.say(m.Ask(10_000 + number, "stats")))
        driver.engine._sessions[PEER].last_id = 0
    return told


def same(*messages: m.Message, **options: Any) -> list[Any]:
    """Assert that a script sees the same of both data sets; return what."""
    told = seen(FIT, *messages, **options)
    assert told == seen(FAR, *messages, **options)
    return told


PICK = (op(1, "zeros", array(5)), op(2, "getitem.array", ref(1), ref("x")))
"""Object 2 is there in one world, and failed in the other."""


def test_what_is_counted_and_charged() -> None:
    told = same(*PICK, op(3, "add", ref(2), 1.0), op(4, "add", ref(3), ref(2)))
    assert "'ops_run': 4" in told[-1]


def test_a_full_quota_is_told_in_both_worlds() -> None:
    told = same(*PICK, op(3, "add.outer", ref(2), ref(2)), op(4, "tile", ref(2), array(9, 9)), quota_bytes=200)
    assert any("quota" in str(one) for one in told)


def test_what_is_predicted_is_taken_from_what_is_public() -> None:
    told = same(*PICK, op(3, "ones", array(20_000)), op(4, "add.outer", ref(3), ref(2)))
    assert any(isinstance(one, float) and one > INLINE_SECONDS for one in told)


def test_the_order_of_replies() -> None:
    def order(data: dict[str, Any]) -> list[Any]:
        driver = Driver(data)
        driver.say(op(1, "zeros", array(5)), op(2, "ones", array(20_000)), hold=True)
        for compute in driver.held:
            driver.run(driver.engine.computed(compute, *compute.run()))
        # Both ops are given to threads, so what comes behind them is answered first.
        driver.held.clear()
        at_once = driver.say(
            op(3, "getitem.array", ref(1), ref("x")), op(4, "add.outer", ref(2), ref(3)), m.Ask(5, "ping"), hold=True
        )
        later: list[Any] = []
        while driver.held:
            compute = driver.held.pop(0)
            later += driver.run(driver.engine.computed(compute, *compute.run()), hold=True)
        return [*at_once, *later]

    assert order(FIT) == order(FAR) == [m.Answer(5), m.Done(3, withheld=True), m.Done(4, withheld=True)]


def test_a_failure_that_was_told_is_told_again_beside_what_is_withheld() -> None:
    told = same(*PICK, op(3, "reshape", 1.0, array(2, 2)), op(4, "add", ref(2), ref(3)))
    assert "code='op_value'" in told[-2] and "was not run" in told[-2]


def test_what_is_given_up_with_a_failed_op_is_given_up() -> None:
    same(
        *PICK,
        op(3, "iadd", ref(2), 1.0, last=[2]),
        m.Get(4, 2),
        op(5, "setitem", ref(1), 0, ref(3), last=[1]),
        m.Get(6, 1),
    )


FUNCTIONS = ("add", "multiply", "getitem.array", "zeros", "repeat", "unique", "sort", "sum", "reshape", "astype",
             "iadd", "setitem.array", "linalg.inv", "outer", "where", "concatenate", "power", "nothing")  # fmt: skip
PLACES = st.one_of(
    st.sampled_from([ref("x"), ref("f")]),
    st.integers(1, 9).map(ref),
    st.sampled_from([0, 1, 2.5, array(2, 2), array(ref("x"), 2), [ref("f"), ref("f")], "float32", array(ref(3))]),
)
OPS = st.lists(st.tuples(st.sampled_from(FUNCTIONS), st.lists(PLACES, min_size=1, max_size=3)), min_size=1, max_size=8)


@given(script=OPS, quota=st.sampled_from([300, 10**9]))
def test_any_script_sees_the_same(script: list[tuple[str, list[Any]]], quota: int) -> None:
    ops = [op(3 + at, fn, *args) for at, (fn, args) in enumerate(script)]
    same(*PICK, *ops, quota_bytes=quota)
