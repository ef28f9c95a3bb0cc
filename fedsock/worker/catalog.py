"""What a worker tells of the values it holds: data sets it offers, and listings, a page at a time. No I/O."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType

from fedsock.protocol.messages import Answer, Ask, Described, Offer, Offered
from fedsock.worker.datasets import Dataset
from fedsock.worker.lineage import Given
from fedsock.worker.store import READY, Entry, SessionStore
from fedsock.worker.tasks import Task

PAGE_CHARS = 100_000
"""Letters of a page's records. As JSON each takes up to six bytes, and a page has to fit into one message."""

RECORD_CHARS = 150
"""Letters of a record beside its name, tags and description."""

PAGE_WORK = 20_000
"""Entries looked at for one page, so that others have their turn; one with many tags counts for several."""

TAGS_AT_ONCE = 8

TASKS_A_PAGE = 100
"""Tasks in one message."""

_NO_TASKS: Mapping[str, Task] = MappingProxyType({})


class Catalog:
    """Describes the owner's data sets and a session's values.

    Args:
        datasets: the owner's data, by name.
        mocks: what is made up beside them; it is offered, and found by no search.
        tasks: the owner's functions.
    """

    def __init__(
        self, datasets: Mapping[str, Entry], mocks: Sequence[Entry] = (), tasks: Mapping[str, Task] = _NO_TASKS
    ) -> None:
        self._datasets = list(datasets.values())
        self._mocks = mocks
        self._tasks = [Offered(name, task.about) for name, task in tasks.items()]
        self._place = {entry.id: place for place, entry in enumerate(self._datasets)}

    def offers(self) -> Iterator[Offer]:
        """Give the owner's data sets, what is made up beside them, and tasks, in as many messages as they need."""
        records: list[Described] = []
        room = PAGE_CHARS
        for entry in (*self._datasets, *self._mocks):
            if room <= 0:
                yield Offer(records, more=True)
                records, room = [], PAGE_CHARS
            records.append(entry.describe())
            room -= _letters(entry)
        for start in range(0, len(self._tasks), TASKS_A_PAGE):
            yield Offer(records, more=True, tasks=self._tasks[start : start + TASKS_A_PAGE])
            records = []
        yield Offer(records)

    def page(self, store: SessionStore, ask: Ask) -> Answer:
        """Return a page of what a session asked for: its objects, or a search's finds.

        Args:
            store: the session's.
            ask: about "objects" or "search".
        """
        wanted = set(ask.tags)
        records: list[Described] = []
        room, work = PAGE_CHARS, PAGE_WORK
        last: int | str | None = None
        for entry in self._following(store, ask):
            if room <= 0 or work <= 0:
                return Answer(ask.id, records, next=last)
            last = entry.id
            work -= 1 + len(entry.tags) // TAGS_AT_ONCE
            if entry.state is READY and not entry.withheld and wanted <= set(entry.tags):
                records.append(entry.describe())
                room -= _letters(entry)
        return Answer(ask.id, records)

    def _following(self, store: SessionStore, ask: Ask) -> Iterator[Entry]:
        after = ask.after
        if ask.about == "search" and not isinstance(after, int):
            yield from self._datasets[0 if after is None else self._place.get(after, len(self._datasets)) + 1 :]
        yield from store.following(after if isinstance(after, int) else 0)


def _letters(entry: Entry) -> int:
    name = len(entry.id) if isinstance(entry.id, str) else 0
    return RECORD_CHARS + name + len(entry.description) + sum(len(tag) + 3 for tag in entry.tags)


def owned(dataset: Dataset) -> Entry:
    """Return the entry of a data set, which all sessions have in common."""
    entry = Entry(dataset.name, facts=dataset.facts)
    entry.state, entry.value, entry.shared = READY, dataset.array, True
    entry.tags, entry.description = tuple(dataset.tags), dataset.description
    entry.lineage = Given(dataset.name, dataset.array, dataset.group)
    return entry
