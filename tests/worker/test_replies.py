"""Replies: runs of Done are one message, and the order is kept."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedsock.protocol.messages import Done, Stop
from fedsock.worker.jobs import Send, Stopped
from fedsock.worker.replies import Replies
from fedsock.worker.store import Entry


def entry(value: Any, withheld: bool = False) -> Entry:
    """Return a stored value."""
    made = Entry(5)
    made.value, made.withheld = value, withheld
    return made


@pytest.mark.parametrize(
    ("value", "withheld", "told"),
    [
        (np.zeros((2, 3), "f4"), False, ("float32", [2, 3], "array", False)),
        (np.int8(1), False, ("int8", [], "scalar", False)),
        (np.array(1.0), False, ("float64", [], "array", False)),
        ([1], False, (None, None, "list", False)),
        (None, False, (None, None, "none", False)),
        (np.zeros(3), True, (None, None, "array", True)),
        (3, True, (None, None, "array", True)),
    ],
)
def test_what_is_told(value: Any, withheld: bool, told: tuple[Any, ...]) -> None:
    replies = Replies()
    replies.done("s@1", entry(value, withheld))
    [sent] = replies.take()
    assert isinstance(sent, Send) and isinstance(sent.message, Done) and sent.peer == "s@1"
    done = sent.message
    assert (done.id, done.n) == (5, 1)
    assert (done.dtype, done.shape, done.kind, done.withheld) == told
    assert replies.take() == []


def test_runs_are_merged_and_order_is_kept() -> None:
    replies, plain = Replies(), entry(np.zeros(2))
    for id in (1, 2, 3):
        replies.done("s@1", plain, id)
    replies.send("s@1", Stop(stream=1))
    replies.done("s@1", plain, 4)
    replies.add(Stopped("s@1", 2))
    done = {"dtype": "float64", "shape": [2]}
    assert replies.take() == [
        Send("s@1", Done(id=1, n=3, **done)),
        Send("s@1", Stop(stream=1)),
        Send("s@1", Done(id=4, **done)),
        Stopped("s@1", 2),
    ]


VALUES = [np.zeros(2), np.zeros(2, "f4"), np.zeros(3), np.float64(1), np.array(1.0), 3, "x", None]


@given(
    said=st.lists(
        st.tuples(st.sampled_from(["a@1", "b@1"]), st.integers(1, 2), st.integers(0, len(VALUES) - 1), st.booleans())
    )
)
def test_merging_tells_the_same(said: list[tuple[str, int, int, bool]]) -> None:
    together, told, id = Replies(), [], 0
    for peer, step, which, withheld in said:
        id += step
        made = entry(VALUES[which], withheld)
        together.done(peer, made, id)
        alone = Replies()
        alone.done(peer, made, id)
        told += alone.take()
    spread = [
        Send(sent.peer, Done(first + at, 1, sent.message.dtype, sent.message.shape, sent.message.kind, withheld))
        for sent in together.take()
        for first, withheld in [(sent.message.id, sent.message.withheld)]
        for at in range(sent.message.n)
    ]
    assert spread == told
