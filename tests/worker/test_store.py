"""What a worker holds: entries, their sizes, quotas, and when memory goes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedsock.errors import QuotaExceeded
from fedsock.policy.facts import OPEN, Facts
from fedsock.protocol.arrays import Incoming
from fedsock.protocol.values import RemoteRecord
from fedsock.worker.store import FAILED, LEAF_BYTES, PENDING, READY, Entry, Filling, SessionStore, kind_of, size_of


def store(quota_bytes: int = 1000, quota_objects: int = 10) -> SessionStore:
    """Return an empty store."""
    return SessionStore("s@1", quota_bytes, quota_objects)


@pytest.mark.parametrize(
    ("value", "kind", "size"),
    [
        (np.zeros((2, 3)), "array", 48),
        (np.float32(1), "scalar", 4),
        (RemoteRecord("w", "1", 2), "pointer", LEAF_BYTES),
        (None, "none", LEAF_BYTES),
        (3, "int", LEAF_BYTES),
        (True, "bool", LEAF_BYTES),
        ("abc", "str", LEAF_BYTES + 3),
        ([np.zeros(2, "u1"), (1,)], "list", LEAF_BYTES + 2 + LEAF_BYTES + LEAF_BYTES),
        ((), "tuple", LEAF_BYTES),
        ({"ab": "c"}, "dict", LEAF_BYTES + 2 + LEAF_BYTES + 1),
    ],
)
def test_kinds_and_sizes(value: Any, kind: str, size: int) -> None:
    assert kind_of(value) == kind
    assert size_of(value) == size


def test_describe() -> None:
    entry = Entry("ages", Facts(frozenset({"ages"})))
    assert entry.state is PENDING and entry.listed and not entry.holds
    entry.value, entry.tags, entry.description = np.zeros((2, 0), ">i2"), ("a",), "text"
    told = entry.describe()
    assert (told.id, told.dtype, told.shape, told.nbytes, told.kind) == ("ages", "int16", [2, 0], 0, "array")
    assert told.tags == ["a"] and told.description == "text" and told.private
    scalar = Entry(1)
    scalar.value = np.float64(1)
    assert scalar.facts is OPEN
    assert (scalar.describe().dtype, scalar.describe().shape, scalar.describe().kind) == ("float64", [], "scalar")
    tree = Entry(2)
    tree.value, tree.charge = [1], 128
    assert (tree.describe().dtype, tree.describe().shape, tree.describe().nbytes) == (None, None, 128)


def test_a_store_without_a_user_has_none() -> None:
    assert store().user == ""
    assert SessionStore("s-1@0001", 1, 1, "ann").user == "ann"


def test_filling() -> None:
    incoming, entry = Incoming(np.dtype("u1"), (2,)), Entry(1)
    store = SessionStore("s-1@0001", 100, 10)
    filling = Filling(incoming, entry, store)
    assert (filling.incoming, filling.entry, filling.store) == (incoming, entry, store)


def test_hidden_bytes_are_limited_and_given_back_and_seen_by_nobody() -> None:
    held = store()
    one, two = held.add(1), held.add(2)
    held.hide(one, held.quota_bytes)
    with pytest.raises(QuotaExceeded):
        held.hide(two, 1)
    assert held.stats()["bytes"] == 0
    one.state = two.state = READY
    held.unlist(1)
    held.hide(one, 1)  # it is gone
    held.hide(two, 1)
    held.unlist(2)
    assert held.hidden == 0


def test_bytes_are_limited_and_a_refusal_changes_nothing() -> None:
    held = store()
    one, two = held.add(1), held.add(2)
    held.charge(one, 1000)
    with pytest.raises(QuotaExceeded, match="1,001"):
        held.charge(two, 1)
    assert (held.nbytes, two.charge) == (1000, 0)
    held.charge(one, 999)
    held.charge(two, 1)
    assert held.nbytes == 1000
    held.quota_bytes = 10
    held.charge(one, 500)  # less than before is never refused
    assert held.nbytes == 501


def test_objects_are_limited() -> None:
    held = store(quota_objects=2)
    held.add(1)
    held.check_objects(1)
    with pytest.raises(QuotaExceeded, match="2 objects"):
        held.check_objects(2)


@pytest.mark.parametrize("state", [PENDING, READY, FAILED])
def test_unlisting_gives_memory_back(state: Any) -> None:
    held = store()
    entry = held.add(1)
    held.expected[1] = ("w@1", held.entries[1])
    entry.value, entry.state = "value", state
    held.charge(entry, 100)
    assert held.unlist(1) is entry
    assert (held.nbytes, held.objects, held.entries, held.expected) == (0, 0, {}, {})
    assert entry.value == ("value" if state is PENDING else None)
    held.settle(entry)  # a second time changes nothing
    assert (held.nbytes, held.objects) == (0, 0)
    assert held.unlist(1) is None


def test_a_held_entry_keeps_its_memory() -> None:
    held = store()
    entry = held.add(1, Facts(frozenset({"a"})))
    entry.state, entry.value, entry.holds = READY, "value", 1
    held.charge(entry, 100)
    held.unlist(1)
    assert (held.nbytes, held.objects, entry.value, entry.listed) == (100, 1, "value", False)
    entry.holds = 0
    held.settle(entry)
    assert (held.nbytes, held.objects, entry.value) == (0, 0, None)


@given(steps=st.lists(st.tuples(st.sampled_from(["add", "charge", "unlist", "hold", "let go"]), st.integers(0, 400))))
def test_the_books_always_balance(steps: list[tuple[str, int]]) -> None:
    held = store()
    known: list[Entry] = []
    for what, number in steps:
        entry = known[number % len(known)] if known else None
        if what == "add":
            known.append(held.add(len(known) + 1))
        elif entry is None or entry.charge < 0:
            continue
        elif what == "charge":
            try:
                held.charge(entry, number)
            except QuotaExceeded:
                assert held.nbytes - entry.charge + number > 1000
        elif what == "unlist":
            held.unlist(int(entry.id))
        else:
            entry.holds = int(what == "hold")
            held.settle(entry)
        alive = [entry for entry in known if entry.charge >= 0]
        assert held.nbytes == sum(entry.charge for entry in alive) <= 1000
        assert held.objects == len(alive)


@given(
    ids=st.lists(st.integers(1, 5_000), unique=True, max_size=60),
    steps=st.lists(st.tuples(st.integers(0, 6_000), st.integers(0, 6_000), st.booleans()), max_size=12),
)
def test_ranges_of_ids(ids: list[int], steps: list[tuple[int, int, bool]]) -> None:
    here, waiting = store(quota_objects=100), sorted(ids)
    for first, last, released in steps:
        for id in waiting[:7]:
            here.add(id)
        waiting = waiting[7:]
        found = here.between(first, last)
        assert found == [id for id in here.entries if first <= id <= last]
        assert [entry.id for entry in here.following(first)] == [id for id in here.entries if id > first]
        if released:
            for id in found:
                here.unlist(id)


def test_looking_again_for_what_was_released_is_quick() -> None:
    here = store(quota_objects=10**5)
    for id in range(1, 5_001):
        here.add(id)
    for id in here.between(1, 4_000):
        here.unlist(id)
    assert here.between(1, 4_000) == []
    assert len(here._rising) <= 2 * len(here.entries)


def test_an_entry_counts_while_it_is_made() -> None:
    here = store()
    entry = here.add(1)
    entry.maker = object()  # type: ignore[assignment]
    here.charge(entry, 100)
    here.unlist(1)
    assert (here.objects, here.nbytes) == (1, 100)
    entry.maker = None
    here.settle(entry)
    assert (here.objects, here.nbytes) == (0, 0)
    here.charge(entry, 50)
    here.settle(entry)
    assert (here.objects, here.nbytes) == (0, 0)
