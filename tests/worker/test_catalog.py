from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

import fedsock
from fedsock.protocol import messages as m
from fedsock.protocol.outgoing import MESSAGE_LIMIT
from fedsock.worker.catalog import PAGE_CHARS, RECORD_CHARS, Catalog
from fedsock.worker.store import READY, Entry, SessionStore
from fedsock.worker.tasks import Task


def entry(id: int | str, tags: tuple[str, ...] = (), description: str = "") -> Entry:
    made = Entry(id)
    made.state, made.value, made.tags, made.description = READY, 1.0, tags, description
    return made


def pages(catalog: Catalog, store: SessionStore, about: Any, *tags: str) -> list[m.Answer]:
    answers = [catalog.page(store, m.Ask(1, about, list(tags)))]
    while answers[-1].next is not None:
        answers.append(catalog.page(store, m.Ask(1, about, list(tags), answers[-1].next)))
    return answers


@given(
    named=st.lists(st.tuples(st.text(max_size=3), st.booleans()), unique_by=lambda one: one[0], max_size=9),
    held=st.lists(st.tuples(st.integers(1, 10**6), st.booleans()), unique_by=lambda one: one[0], max_size=30),
    long=st.booleans(),
)
def test_pages_tell_each_object_once_and_in_order(named: Any, held: Any, long: bool) -> None:
    text = "x" * 10_000 if long else ""
    catalog = Catalog({name: entry(name, ("#a",) * tagged, text) for name, tagged in named})
    store = SessionStore("s-1@0001", 10**9, 100)
    store.entries = {id: entry(id, ("#a",) * tagged, text) for id, tagged in sorted(held)}
    told = [one.id for answer in pages(catalog, store, "objects") for one in answer.records]
    assert told == sorted(id for id, _ in held)
    found = [one.id for answer in pages(catalog, store, "search", "#a") for one in answer.records]
    assert found == [name for name, tagged in named if tagged] + sorted(id for id, tagged in held if tagged)


def test_a_page_fits_into_a_message() -> None:
    store = SessionStore("s-1@0001", 10**9, 10**6)
    # What JSON escapes takes six bytes a letter.
    worst = entry(1, tuple("\1" * 200 for _ in range(100)), "\1" * 10_000)
    store.entries = {id: worst for id in range(1, 40)} | {id: entry(id) for id in range(40, 3000)}
    for id, one in store.entries.items():
        one.id = id
    answers = pages(Catalog({}), store, "objects")
    assert len(answers) > 3
    assert max(len(m.encode(answer)) for answer in answers) < MESSAGE_LIMIT


def test_a_page_that_finds_nothing_takes_a_bounded_time() -> None:
    store = SessionStore("s-1@0001", 10**9, 10**6)
    one = entry(1)
    store.entries = dict.fromkeys(range(1, 100_001), one)
    first = Catalog({}).page(store, m.Ask(1, "search", ["#none"]))
    assert first.records == []
    assert first.next is not None


def test_many_data_sets_are_offered_in_several_messages() -> None:
    count = 3 * PAGE_CHARS // RECORD_CHARS
    catalog = Catalog({f"x/{number}": entry(f"x/{number}") for number in range(count)})
    offers = list(catalog.offers())
    assert [offer.more for offer in offers] == [True] * (len(offers) - 1) + [False]
    assert len(offers) > 2
    assert [one.id for offer in offers for one in offer.datasets] == [f"x/{number}" for number in range(count)]
    assert list(Catalog({}).offers()) == [m.Offer([])]
    assert msgspec.to_builtins(m.Offer([])) == {"t": "offer", "datasets": []}


async def test_more_objects_and_data_sets_than_a_message_takes() -> None:
    data = {f"column/{number}": np.zeros(1) for number in range(9_000)}
    async with fedsock.Hub(port=0) as hub:
        bob = await hub.virtual_worker("bob", data=data)
        assert len(bob.datasets) == 9_000
        pointers = [bob.send(float(at), tags=["#t"], description="d" * 600) for at in range(3_000)]
        assert len(await bob.objects()) == 3_000
        assert len(await bob.search("#t")) == 3_000
        assert await pointers[7] == 7.0


def test_mocks_are_offered_behind_the_data_sets_and_found_by_no_search() -> None:
    catalog = Catalog({"x": entry("x", ("#a",))}, [entry("mock:x", ("#a",))])
    assert [one.id for offer in catalog.offers() for one in offer.datasets] == ["x", "mock:x"]
    store = SessionStore("s-1@0001", 10**9, 100)
    assert [one.id for answer in pages(catalog, store, "search", "#a") for one in answer.records] == ["x"]
    count = 3 * PAGE_CHARS // RECORD_CHARS
    offers = list(Catalog({}, [entry(f"mock:{number}") for number in range(count)]).offers())
    assert len(offers) > 2 and sum(len(offer.datasets) for offer in offers) == count


def test_tasks_are_offered_behind_data_sets_in_as_many_messages_as_they_need() -> None:
    def fit(data: Any) -> None:
        """Fit it.

        And more.
        """

    count = 250
    tasks = {f"t{number}": Task(name=f"t{number}", function=fit) for number in range(count)}
    offers = list(Catalog({"x": entry("x")}, (), tasks).offers())
    assert [offer.more for offer in offers] == [True] * (len(offers) - 1) + [False]
    assert [task.name for offer in offers for task in offer.tasks] == list(tasks)
    assert {task.about for offer in offers for task in offer.tasks} == {"Fit it."}
    assert [one.id for offer in offers for one in offer.datasets] == ["x"]
