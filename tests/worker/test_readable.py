"""Lineages as their owner reads them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from fedsock.plan.program import Program
from fedsock.protocol import messages as m
from fedsock.protocol.values import to_json
from fedsock.worker.datasets import datasets_from_mapping
from fedsock.worker.engine import Engine
from fedsock.worker.lineage import digest, flat
from fedsock.worker.readable import MOST_CHARS, Readable
from tests.worker.driver import PEER, Driver, op, put, ref


def read(*messages: m.Message, data: dict[str, Any] | None = None) -> Readable:
    """What an owner reads of what the last of some ops makes."""
    driver = Driver({"x": np.arange(20.0).reshape(10, 2), "people/age": np.zeros(10)} if data is None else data)
    driver.say(*messages)
    entry = driver.engine._sessions[PEER].entries[messages[-1].id]  # type: ignore[attr-defined]
    assert entry.lineage is not None
    order = flat(entry.lineage)
    assert order is not None
    return Readable(order)


AXIS = {"axis": 0}
PART = {"$slice": [None, 3, None]}


@pytest.mark.parametrize(
    ("messages", "text"),
    [
        ([op(1, "sum", ref("x"), kw=AXIS)], "np.sum(data['x'], axis=0)"),
        ([op(1, "add", ref("x"), -1.5), op(2, "multiply", 2, ref(1))], "2 * (data['x'] + (-1.5))"),
        ([op(1, "less", ref("x"), 1), op(2, "invert", ref(1))], "~(data['x'] < 1)"),
        ([op(1, "negative", ref("x")), op(2, "power", ref(1), 2)], "(-data['x']) ** 2"),
        ([op(1, "getitem", ref("x"), {"$tuple": [PART, 0]})], "data['x'][:3, 0]"),
        ([op(1, "getitem", ref("x"), -1)], "data['x'][-1]"),
        ([op(1, "getitem", ref("x"), {"$ellipsis": True})], "data['x'][...]"),
        ([op(1, "linalg.svd", ref("x"), n=3)], "np.linalg.svd(data['x'])[0]"),
        ([op(1, "concatenate", [ref("x"), ref("x")])], "np.concatenate([data['x'], data['x']])"),
        ([put(1, 4), op(2, "less", ref("people/age"), ref(1))], "data['people/age'] < 4"),
        ([op(1, "add", ref("x"), 1), op(2, "matmul", ref(1), ref(1))], "v1 = data['x'] + 1\nv1 @ v1"),
        ([op(1, "einsum", "ij,ij->", ref("x"), ref("x"))], "np.einsum('ij,ij->', data['x'], data['x'])"),
        ([op(1, "copy", ref("x"), kw={"order": "C"})], "np.copy(data['x'], order='C')"),
    ],
)
def test_how_it_reads(messages: list[m.Message], text: str) -> None:
    found = read(*messages)
    assert (found.text, found.flagged) == (text, 0)


def test_what_is_used_twice_or_is_long_has_a_line_of_its_own() -> None:
    steps = [op(id, "add", ref(id - 1 or "x"), 1.25) for id in range(1, 21)]
    lines = (read(*steps).text or "").split("\n")
    assert len(lines) > 1 and lines[0].startswith("v1 = ") and "v1" in lines[-1]
    assert all(len(line) < 140 for line in lines)


MASK = np.eye(10)[3]


@pytest.mark.parametrize(
    ("constant", "shown"),
    [
        (to_json(MASK), "<float64[10]: [0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0] AS LONG AS THE ROWS>"),
        (to_json(MASK.astype(bool)), "AS LONG AS THE ROWS"),
        (to_json(np.ones((2, 10))), "AS LONG AS THE ROWS"),
        ([0] * 10, "AS LONG AS THE ROWS"),
        (to_json(np.ones((50, 10))), "<float64[50, 10]: 1.0, 1.0, 1.0, … AS LONG AS THE ROWS>"),
    ],
)
def test_constants_as_long_as_the_rows_are_flagged(constant: Any, shown: str) -> None:
    for messages in (
        [put(1, constant), op(2, "matmul", ref(1), ref("x"))],
        [op(2, "matmul", constant, ref("x"))],
    ):
        found = read(*messages)
        assert found.flagged == 1 and shown in (found.text or "")


def test_other_constants_are_not() -> None:
    found = read(put(1, to_json(np.ones(4))), op(2, "outer", ref(1), ref("people/age")), op(3, "add", ref(2), 10))
    assert found.flagged == 0
    assert found.text == "np.outer(<float64[4]: [1.0, 1.0, 1.0, 1.0]>, data['people/age']) + 10"


@pytest.mark.parametrize("shape", [(9,), (5,), (5, 2), (2, 5), (300,)])
def test_nearly_as_long_is_as_good_as_as_long(shape: tuple[int, ...]) -> None:
    """A mask over most rows, or one in another shape, picks a row too."""
    assert read(put(1, to_json(np.ones(shape))), op(2, "outer", ref(1), ref("people/age"))).flagged == 1


def test_nothing_in_it_obeys_a_scientist() -> None:
    evil = "\x1b[2Jv1 = 1\nnothing\u202e"
    found = read(op(1, "full_like", ref("x"), evil), data={"x": np.array(["a", "b"])})
    assert found.text is not None and found.text.isprintable() and "\\x1b" in found.text and "\\u202e" in found.text


def test_names_are_shown_whole_and_as_they_are_spelled() -> None:
    long = "a" * 59
    texts = {read(op(1, "sum", ref(long + last)), data={long + last: np.zeros(9)}).text for last in ("bc", "bd")}
    assert texts == {f"np.sum(data['{long}bc'])", f"np.sum(data['{long}bd'])"}
    keys = read(op(1, "equal", ref("x"), "b\u3164\ufe0f\u05d0"), data={"x": np.array(["a", "b"])})
    assert "'b\\u3164\\ufe0f\\u05d0'" in (keys.text or "") and keys.flagged == 0


@pytest.mark.parametrize(
    "constant",
    [
        to_json(np.arange(100)),
        to_json(np.arange(449) * 2),
        to_json(np.array(["y" * 100])),
        "y" * 1_100,
        "y" * 999,
        [7] * 100,
    ],
    ids=str,
)
def test_what_is_not_shown_whole_is_flagged(constant: Any) -> None:
    """Shorter than the rows, it picks some of them all the same, or is joined to what is as long."""
    data = {"x": np.zeros(900), "text": np.array(["a"] * 900)}
    name = "text" if "y" in str(constant) else "x"
    found = read(put(1, constant), op(2, "append", ref(name), ref(1)), data=data)
    assert found.flagged == 1 and " NOT SHOWN WHOLE" in (found.text or ""), found.text


def test_what_is_shown_whole_is_not() -> None:
    data = {"x": np.zeros(900)}
    for constant in (to_json(np.random.default_rng(1).normal(size=32)), to_json(np.arange(32)), "sum"):
        found = read(put(1, constant), op(2, "append", ref("x"), ref(1)), data=data)
        assert found.flagged == 0 and "…" not in (found.text or "")


def test_what_nobody_would_read_has_no_text() -> None:
    name = "a" * 190
    wide = [op(1 + k, "stack", [ref(name)] * 500) for k in range(2)]
    found = read(*wide, op(500, "stack", [ref(1), ref(2)]), data={name: np.zeros(3)})
    assert found.text is None and MOST_CHARS == 100_000


def test_a_plan_is_named_by_its_digest_whoever_wrote_it_where() -> None:
    def engine() -> Driver:
        driver = Driver()
        driver.engine = Engine("bob", datasets_from_mapping({"x": np.arange(200.0)}, True, "ask"))
        driver.engine.introduce(PEER, "ann")
        return driver

    def loss(w: Any, x: Any) -> Any:
        return np.mean((x - w) ** 2)

    plan = Program(loss).trace(np.zeros(()), np.zeros(3)).plan
    settings = to_json({"epochs": 2})
    found = []
    for text in (plan.to_json(), plan.to_json().replace("test_readable.py:", "other.py:").replace('"loss"', '"mean"')):
        driver = engine()
        driver.say(put(1, text), op(2, "train", ref(1), [to_json(np.zeros(()))], [ref("x")], settings, n=2))
        driver.say(op(4, "run", ref(1), to_json(np.zeros(())), ref("x")), op(5, "multiply", ref(4), 2))
        for id, said in (
            (2, f"train(plan {plan.digest}, [array(0.)], [data['x']], {{'epochs': 2}})[0]"),
            (5, f"v1 = run(plan {plan.digest}, <float64[]: 0.0>, data['x'])\nv1 * 2"),
        ):
            entry = driver.engine._sessions[PEER].entries[id]
            order = flat(entry.lineage)  # type: ignore[arg-type]
            assert order is not None
            readable = Readable(order)
            assert (readable.text, readable.flagged) == (said, 0)
            found.append(digest(order))
            assert driver.say(m.Request(10 + id, id, "why"))[-1].state == "waiting"
    assert found[:2] == found[2:] and found[0] != found[1]
