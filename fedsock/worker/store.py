"""What a worker holds: entries, and each session's table of them with its quotas. Pure data, no I/O."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from enum import Enum
from itertools import takewhile
from typing import TYPE_CHECKING, Any

import numpy as np

from fedsock.errors import QuotaExceeded
from fedsock.policy.facts import OPEN, Facts
from fedsock.protocol.arrays import Incoming, dtype_name
from fedsock.protocol.messages import Described, Failure
from fedsock.protocol.values import RemoteRecord

if TYPE_CHECKING:
    from fedsock.worker.jobs import Job, Waiting
    from fedsock.worker.lineage import Lineage

LEAF_BYTES = 64
"""What a Python object counts as, beside the bytes of arrays."""


MOST_RECEIVERS = 1_000
"""Workers that one session may have values delivered to. Each takes a link, whether there is such a worker or not."""


SHORT_RANGE = 1_000
"""Ids of a range that are looked up one by one."""


class Tally:
    """Counts the ops that a session's lineages hold on to, whether their results are still there or not.

    A session may keep the last of many ops and release all the others, which then count for nothing else.

    Args:
        most: so many at a time.
    """

    __slots__ = ("_made", "_most", "gone")

    def __init__(self, most: int) -> None:
        self._most = most
        self._made = 0
        self.gone: list[None] = []  # appended to by any thread, for the collector runs in any

    def add(self) -> bool:
        """Count one more; False when there are too many already."""
        if self._made >= self._most or len(self.gone) > SHORT_RANGE:
            count = len(self.gone)
            del self.gone[:count]
            self._made -= count
            if self._made >= self._most:
                return False
        self._made += 1
        return True


class State(Enum):
    """Where an entry stands."""

    PENDING = "pending"
    READY = "ready"
    FAILED = "failed"
    GIVEN_UP = "given up"
    """An op is overwriting its value: nothing new may read it. Should that op fail, it is ready again."""


PENDING, READY, FAILED, GIVEN_UP = State.PENDING, State.READY, State.FAILED, State.GIVEN_UP


class Run:
    """One run of a plan or a task: however many of its results leave, it counts once.

    Attributes:
        counted: it was.
    """

    __slots__ = ("counted",)

    def __init__(self) -> None:
        self.counted = False


class Entry:
    """One stored value, or the place where one will be.

    Attributes:
        id: its id in its session's numbering, or its data set's name.
        state: pending, ready, failed or given up.
        value: the value, once ready.
        failure: why there is none, once failed.
        facts: where it came from.
        withheld: its dtype, shape and failure could tell something private.
        run: which made it, of a plan or a task with private data.
        share: how much of a sum its two largest rows make up; 0 where that can't decide anything.
        counted: an export of it was counted as a query.
        lineage: how it was made; None for most open values.
        charge: bytes it counts for.
        hidden: bytes that it takes and that aren't told of.
        limit_shape: withheld: a shape with at least as many elements, known from public shapes.
        waiting: what goes on when it is no longer pending.
        holds: how many jobs still need it.
        shared: its memory was given out (it is being streamed, or is the owner's): never written in place.
        listed: a session can still name it.
        maker: the op that makes it, while it is pending.
        arriving: the streams that haven't arrived whole, if it waits for any: who sends each, and its number.
        words: bytes of tags and description.
        tags: words it can be searched by.
        description: free text.
    """

    # What most entries never need stands in the class: an op's entry is made with two assignments, not with seventeen.
    state = PENDING
    value: Any = None
    failure: Failure | None = None
    facts: Facts = OPEN
    withheld = False
    share = 0.0
    counted = False
    run: Run | None = None
    lineage: Lineage | None = None
    charge = 0
    hidden = 0
    limit_shape: tuple[int, ...] = ()
    waiting: list[Waiting] | None = None
    holds = 0
    shared = False
    listed = True
    maker: Job | None = None
    arriving: set[tuple[str, int]] | None = None
    words = 0
    tags: tuple[str, ...] = ()
    description = ""

    def __init__(self, id: int | str, facts: Facts = OPEN) -> None:
        self.id = id
        if facts is not OPEN:
            self.facts = facts

    def describe(self) -> Described:
        """Return what is told of this entry in listings; its caller leaves withheld ones out."""
        value = self.value
        is_array = isinstance(value, (np.ndarray, np.generic))
        return Described(
            id=self.id,
            dtype=dtype_name(value.dtype) if is_array else None,
            shape=list(value.shape) if is_array else None,
            nbytes=value.nbytes if is_array else self.charge - self.words,
            kind=kind_of(value),
            tags=list(self.tags),
            description=self.description,
            private=self.facts.private,
        )


def kind_of(value: Any) -> str:
    """Return "array", "scalar" (numpy's), "pointer", or the name of a value's Python type."""
    if isinstance(value, np.ndarray):
        return "array"
    if isinstance(value, np.generic):
        return "scalar"
    if isinstance(value, RemoteRecord):
        return "pointer"
    return "none" if value is None else type(value).__name__


def size_of(value: Any) -> int:
    """Return how many bytes a value counts for.

    Args:
        value: an array, a scalar or a tree of them.
    """
    if isinstance(value, (np.ndarray, np.generic)):
        return value.nbytes
    if isinstance(value, (list, tuple)):
        return LEAF_BYTES + sum(map(size_of, value))
    if isinstance(value, dict):
        return LEAF_BYTES + sum(len(key) + size_of(part) for key, part in value.items())
    if isinstance(value, str):
        return LEAF_BYTES + len(value)
    return LEAF_BYTES


class Filling:
    """A stream on its way into an entry.

    Attributes:
        incoming: the array it fills.
        entry: what is ready when all its streams are.
        store: whose entry it is.
    """

    __slots__ = ("entry", "incoming", "store")

    def __init__(self, incoming: Incoming, entry: Entry, store: SessionStore) -> None:
        self.incoming = incoming
        self.entry = entry
        self.store = store


class SessionStore:
    """One session's objects at a worker.

    Args:
        address: the session's address.
        quota_bytes: how many bytes it may hold.
        quota_objects: how many objects.
        user: whose session it is.

    Attributes:
        user: whose session it is, as the hub says; "" while it didn't say: who has no grant.
        entries: id -> entry.
        expected: id -> the worker's address that may deliver it, and its entry, listed or still needed.
        last_id: the highest id used; ids rise, so that none is used twice.
        nbytes: bytes charged.
        hidden: bytes that aren't told of, beside those.
        objects: entries that count, listed or still needed.
        over: the session is gone.
        mocks: names of made-up data that it used, which count for it as long as it lives.
        receivers: addresses of workers that values were delivered to.
        tally: of what its values' lineages hold on to.
        approved: ids for which an approval was used: it holds as long as the session holds the value.
        refused: how often an export was refused, by what was refused and why.
    """

    __slots__ = (
        "_rising",
        "address",
        "approved",
        "entries",
        "expected",
        "hidden",
        "last_id",
        "mocks",
        "nbytes",
        "objects",
        "over",
        "quota_bytes",
        "quota_objects",
        "receivers",
        "refused",
        "tally",
        "user",
    )

    def __init__(self, address: str, quota_bytes: int, quota_objects: int, user: str = "") -> None:
        self.address = address
        self.user = user
        self.quota_bytes = quota_bytes
        self.quota_objects = quota_objects
        self.entries: dict[int, Entry] = {}
        self.expected: dict[int, tuple[str, Entry]] = {}
        self.last_id = 0
        self.nbytes = 0
        self.hidden = 0
        self.objects = 0
        self.over = False
        self.refused: dict[tuple[Any, ...], int] = {}
        self._rising: list[int] = []
        self.receivers: set[str] = set()
        self.mocks: set[str] = set()
        self.tally = Tally(quota_objects)
        self.approved: set[int | str] = set()

    def stats(self) -> dict[str, int]:
        """Return what it holds, and may hold."""
        return {
            "objects": self.objects,
            "bytes": self.nbytes,
            "quota_bytes": self.quota_bytes,
            "quota_objects": self.quota_objects,
        }

    def reaches(self, address: str) -> bool:
        """Return whether values may be delivered to a worker: to one of before, or while they aren't too many."""
        if address not in self.receivers and len(self.receivers) >= MOST_RECEIVERS:
            return False
        self.receivers.add(address)
        return True

    def add(self, id: int, facts: Facts = OPEN) -> Entry:
        """Return a new pending entry of an id."""
        entry = self.entries[id] = Entry(id, facts)
        self.objects += 1
        return entry

    def charge(self, entry: Entry, nbytes: int) -> None:
        """Count an entry for so many bytes, in place of what it counted for.

        Raises:
            QuotaExceeded: it would be more than the session may hold; nothing changed.
        """
        if entry.charge < 0:
            return  # It counts for nothing any more.
        more = nbytes - entry.charge
        if more > 0:
            self.check_bytes(more)
        self.nbytes += more
        entry.charge = nbytes

    def hide(self, entry: Entry, nbytes: int) -> None:
        """Count an entry's bytes where a session doesn't see them, within a limit of their own.

        Raises:
            QuotaExceeded: they would be more than the session may hold; nothing changed.
        """
        if entry.charge < 0:
            return
        if self.hidden + nbytes > self.quota_bytes:
            raise QuotaExceeded(f"{nbytes:,} bytes more than this session may hold")
        self.hidden += nbytes
        entry.hidden = nbytes

    def borrow(self, mock: str, nbytes: int) -> None:
        """Count made-up data for this session once, which others may use too: it is full sooner, but refused nothing.

        Args:
            mock: its name.
            nbytes: its size.
        """
        if mock not in self.mocks:
            self.mocks.add(mock)
            self.nbytes += nbytes

    def check_bytes(self, more: int) -> None:
        """Refuse more bytes than the session may hold.

        Raises:
            QuotaExceeded: they are too many.
        """
        total = self.nbytes + more
        if total > self.quota_bytes:
            raise QuotaExceeded(
                f"{more:,} bytes more would make {total:,}; this session may hold {self.quota_bytes:,}: "
                "release pointers or work on parts"
            )

    def check_objects(self, count: int) -> None:
        """Refuse more objects than the session may hold.

        Raises:
            QuotaExceeded: there are too many.
        """
        if self.objects + count > self.quota_objects:
            raise QuotaExceeded(f"this session may hold {self.quota_objects:,} objects: release pointers")

    def between(self, first: int, last: int) -> list[int]:
        """Return the ids in use of an inclusive range, rising, without looking at all there are.

        Args:
            first: the lowest.
            last: the highest.
        """
        if last - first < SHORT_RANGE:
            return [id for id in range(first, last + 1) if id in self.entries]
        rising = self._known()
        start, end = bisect_left(rising, first), bisect_right(rising, last)
        found = [id for id in rising[start:end] if id in self.entries]
        if len(found) < (end - start) // 2:
            rising[start:end] = found
        return found

    def following(self, id: int) -> Iterator[Entry]:
        """Give the entries above an id, in the order of their ids; none may be added meanwhile."""
        rising = self._known()
        for place in range(bisect_right(rising, id), len(rising)):
            entry = self.entries.get(rising[place])
            if entry is not None:
                yield entry

    def _known(self) -> list[int]:
        """Return the ids in use, rising, and at most as many again that no longer are."""
        rising = self._rising
        newest = rising[-1] if rising else 0
        # New ids are above all others, so the table holds them last.
        rising.extend(reversed(list(takewhile(lambda id: id > newest, reversed(self.entries)))))
        if len(rising) > 2 * len(self.entries):
            rising[:] = self.entries
        return rising

    def unlist(self, id: int) -> Entry | None:
        """Take an id out of the table; its memory goes once no job holds it. Returns its entry, if there was one."""
        entry = self.entries.pop(id, None)
        if entry is not None:
            entry.listed = False
            if not entry.holds:
                self.expected.pop(id, None)
            self.settle(entry)
        return entry

    def settle(self, entry: Entry) -> None:
        """Give back an entry's memory and quota when neither the table nor a job needs it; not while it is made."""
        if entry.listed or entry.holds or entry.maker is not None or entry.charge < 0:
            return
        self.nbytes -= entry.charge
        self.hidden -= entry.hidden
        self.objects -= 1
        entry.charge = -1
        if entry.state is not PENDING:
            entry.value = None
