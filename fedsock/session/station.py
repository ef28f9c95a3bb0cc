"""One life of a worker as the session sees it: ids, ops on their way out, and what is to be freed there."""

from __future__ import annotations

import asyncio
import weakref
from asyncio import _get_running_loop
from collections import deque
from collections.abc import Mapping
from threading import get_ident
from typing import TYPE_CHECKING, Any, Literal

import msgspec
import numpy as np
import orjson

from fedsock.errors import BacklogFull, Closed, FedsockError, WorkerLost, WrongLoop
from fedsock.protocol import messages, values
from fedsock.protocol.frames import JSON_BATCH_BYTES
from fedsock.protocol.link import Link
from fedsock.session.encoding import described, encode
from fedsock.session.losses import apart
from fedsock.session.records import FAILED, NESTED, Elsewhere, Holder, Meta, Record, ranges
from fedsock.session.requests import Fetch, Request
from fedsock.session.uploads import Outbox

if TYPE_CHECKING:
    from fedsock.session.emissions import Slot
    from fedsock.session.session import Session

MAX_QUEUED = 100_000
"""Ops that may wait to be written."""

MAX_QUEUED_BYTES = 64 << 20
"""Bytes of JSON that may wait to be written."""

RELEASE_SECONDS = 0.1
"""Releases wait at most so long for a frame to travel with."""

RELEASES_A_MESSAGE = 5_000
"""Ids or ranges in one message, which keeps it well below a frame."""

_MAX = float(np.finfo(np.float64).max)
_INT_MIN, _INT_MAX = values.INT64_MIN, values.INT64_MAX


def _key(name: str) -> str:
    return f'"{name}"' if name.isidentifier() and name.isascii() else orjson.dumps(name).decode()


class Station:
    """One life of a worker.

    Attributes:
        name: the worker's.
        epoch: of this life.
        address: name@epoch.
        table: id -> weak record of every object the session holds there.
        requests: id -> open question.
        dead: (id, ticket or 0) of records that are gone; filled by ``Record.__del__``.
        ticking: a tick of the loop that looks after ``dead`` and the queue is due.
        lost: why nothing can be sent any more.
        next_id: the first id that was not given out yet.
    """

    def __init__(self, session: Session, name: str, epoch: str, link: Link) -> None:
        self.session = session
        self.name = name
        self.epoch = epoch
        self.address = f"{name}@{epoch}"
        self.link = link
        self.loop = session.loop
        self.table: dict[int, weakref.ref[Record]] = {}
        self.requests: dict[int, Request] = {}
        self.datasets: dict[str, Any] = {}
        self.mocks: dict[str, Any] = {}
        self.tasks: dict[str, str] = {}
        self.plans: dict[str, Any] = {}  # digest -> Pointer
        self.outbox = Outbox(link, session.copies)
        self.dead: deque[tuple[int, int]] = deque()
        self.ticking = False
        self.lost: FedsockError | None = None
        self._releases: list[int] = []
        # Somebody waits for an answer that is queued; the tick has been put off once already.
        self._awaited = self._put_off = False
        self._timer: asyncio.TimerHandle | None = None
        self.next_id = 1
        self._thread = get_ident()
        self._owner = self._thread

    # --- ops ------------------------------------------------------------------------------------------------

    def op(self, name: str, args: tuple[Any, ...], kwargs: Mapping[str, Any], last: Record | None = None) -> Record:
        """Queue an op with one result and return the record of it.

        Args:
            name: of a row with one result.
            args: local values, and holders of records here.
            kwargs: the same by name.
            last: a record that is used for the last time, so that the worker may write in place.

        Raises:
            PointersApart, PointersMixed, PointerReleased, UnsupportedValue: an argument can't be used here.
            BacklogFull: too much is queued.
            WrongLoop: called from another thread.
        """
        if get_ident() != self._thread:
            return self._unsendable(name)
        if not self.ticking:
            self.check_thread()  # once a tick is enough to notice another loop, and costs nothing
        link = self.link
        if link.queued_messages >= MAX_QUEUED or link.queued_bytes >= MAX_QUEUED_BYTES:
            self._make_room()
        texts = []
        kept: list[Record] | None = None
        for value in args:
            kind = value.__class__
            if isinstance(value, Holder):
                record = value._record
                if record.station is not self:
                    raise self.refusal(record)
                record.used = True
                texts.append(record.text)
            elif (kind is float and -_MAX <= value <= _MAX) or (kind is int and _INT_MIN <= value <= _INT_MAX):
                texts.append(repr(value))
            else:
                kept = [] if kept is None else kept
                texts.append(encode(value, self._refer, self._upload, kept))
        more = "" if not kwargs else f',"kw":{self._named(kwargs)}'
        if last is not None:
            more += f',"last":[{last.id}]'
        number = self.next_id
        self.next_id = number + 1
        ticket = link.send(f'{{"t":"op","id":{number},"fn":"{name}","args":[{",".join(texts)}]{more}}}'.encode())
        record = Record(self, number, f'{{"$":{number}}}', name, ticket)
        self.table[number] = weakref.ref(record)
        if not self.ticking:
            self.ticking = True
            self.loop.call_soon(self.tick)
        return record

    def ops(self, name: str, args: tuple[Any, ...], kwargs: Mapping[str, Any], count: int) -> list[Record]:
        """Queue an op with several results and return their records; raises as ``op``."""
        self.check_thread()
        if self.lost is not None:
            return [self._unsendable(name) for _ in range(count)]
        self._make_room()
        kept: list[Record] = []
        texts = ",".join(encode(value, self._refer, self._upload, kept) for value in args)
        more = "" if not kwargs else f',"kw":{self._named(kwargs)}'
        first = self.numbers(count)
        text = f'{{"t":"op","id":{first},"fn":"{name}","args":[{texts}],"n":{count}{more}}}'
        ticket = self.send(text.encode())
        return [self._enter(number, name, ticket, used=True) for number in range(first, first + count)]

    def _named(self, kwargs: Mapping[str, Any]) -> str:
        kept: list[Record] = []
        return "{%s}" % ",".join(  # noqa: UP031 (braces would need doubling)
            f"{_key(name)}:{encode(value, self._refer, self._upload, kept)}" for name, value in kwargs.items()
        )

    def _refer(self, record: Record) -> values.Reference:
        if record.station is not self:
            raise self.refusal(record)
        record.used = True
        return values.Reference(record.id)

    def _upload(self, array: np.ndarray[Any, Any]) -> Record:
        return self.put(array, (), "", copy=True)

    def refusal(self, record: Record) -> FedsockError:
        """Return why a record can't be used in an op here."""
        station = record.station
        return station.refusal(record) if isinstance(station, Elsewhere) else apart(self.name, record)

    def _unsendable(self, name: str) -> Record:
        """Return a failed record when the worker is lost; raise in a wrong thread and after close."""
        self.check_thread()
        if isinstance(self.lost, Closed):
            raise self.lost.with_traceback(None)
        record = self._enter(self.numbers(1), name, 0)
        record.fail(self.loss("no"))
        return record

    # --- other messages -------------------------------------------------------------------------------------

    def put(self, value: Any, tags: tuple[str, ...], description: str, *, copy: bool, counted: bool = False) -> Record:
        """Queue a value and return the record of it.

        Args:
            value: a tree of what travels.
            tags: words it can be searched by.
            description: free words.
            copy: large arrays are copied now; otherwise they must stay as they are until sent.
            counted: large arrays are a copy that nobody else writes, to be counted as one.

        Raises:
            UnsupportedValue, ValueTooLarge: it can't travel.
            BacklogFull: too much is queued, or copied.
        """
        self.check_thread()
        if self.lost is not None:
            return self._unsendable("send")
        self._make_room()
        number = self.next_id
        with self.outbox.opening(copy=copy, counted=counted) as stream:
            tree = msgspec.Raw(values.dumps(values.to_json(value, stream)))
            encoded = messages.encode(messages.Put(number, tree, list(tags), description))
            self.next_id = number + 1
            ticket = self.send(encoded)
        record = self._enter(number, "send", ticket, used=stream.opened > 0)
        record.meta = Meta(*described(value))
        if tags or description:
            more = record.extra()
            more.tags, more.description = tags, description
        return record

    def get(self, record: Record, request: Fetch) -> int:
        """Ask for a value and return the number of the request."""
        record.used = True
        number = self.numbers(1)
        reference = orjson.dumps(record.id).decode()
        text = f'{{"t":"get","id":{number},"ref":{reference},"limit":{request.limit}}}'
        return self.request(number, request, text.encode())

    def ask(self, about: str, request: Request, **more: Any) -> int:
        """Ask the worker about itself, its data or this session's objects; returns the number of the request."""
        number = self.numbers(1)
        message = messages.Ask(number, about, **more)  # type: ignore[arg-type]  # callers write it out
        return self.request(number, request, messages.encode(message))

    def request(self, number: int, request: Request, encoded: bytes) -> int:
        """Queue a question; its answer, or its failure, goes to ``request``."""
        if self.lost is not None:
            request.fail(self.lost if isinstance(self.lost, Closed) else self.loss("no"))
            return number
        request.ticket = self.send(encoded)
        self.requests[number] = request
        self._awaited = True
        return number

    def abandon(self, number: int, request: Fetch | Slot) -> None:
        """Nobody waits for a value any more: stop its streams."""
        for stream in request.streams:
            self.session.inbox(self).drop(stream)
            self.send(messages.encode(messages.Stop(stream)))
        if request.streams:
            request.streams.clear()
            self.requests.pop(number, None)

    def expect(self, sender: Station) -> Record:
        """Announce a value that another worker will deliver and return its record here."""
        number = self.numbers(1)
        ticket = self.send(messages.encode(messages.Expect(number, sender.address)))
        return self._enter(number, "transfer", ticket, used=True)

    def send(self, encoded: bytes) -> int:
        """Queue an encoded message and return its ticket; on a lost worker it goes nowhere."""
        if self.lost is not None:
            return 0
        ticket = self.link.send(encoded)
        self.stir()
        return ticket

    def numbers(self, count: int) -> int:
        """Return the first of some new ids in a row."""
        first = self.next_id
        self.next_id += count
        return first

    def _enter(self, number: int, op: str, ticket: int, used: bool = False) -> Record:
        record = Record(self, number, f'{{"$":{number}}}', op, ticket, used)
        self.table[number] = weakref.ref(record)
        if self.lost is not None:
            record.fail(self.loss("no"))
        return record

    # --- checks ---------------------------------------------------------------------------------------------

    @property
    def in_own_thread(self) -> bool:
        """Whether this is the session's thread."""
        return get_ident() == self._owner

    def check_thread(self) -> None:
        """Raise WrongLoop when called from another thread than the session's, or while another loop runs."""
        if not self.in_own_thread:
            raise WrongLoop("a hub and its pointers belong to one event loop; this is another thread")
        if not self.loop.is_running() and _get_running_loop() is not None:
            raise WrongLoop("a hub and its pointers belong to one event loop; this is another one")

    def check_loop(self) -> None:
        """Raise WrongLoop when awaited in another event loop than the session's."""
        self.check_thread()
        if asyncio.get_running_loop() is not self.loop:
            raise WrongLoop("a hub and its pointers belong to one event loop; this is another one")

    def usable(self, record: Record) -> None:
        """Raise when a record was released or moved."""
        station = record.station
        if isinstance(station, Elsewhere) and station is not NESTED:
            raise station.refusal(record)

    def _make_room(self) -> None:
        link = self.link
        if link.queued_messages < MAX_QUEUED and link.queued_bytes < MAX_QUEUED_BYTES:
            return
        self._settle_dead()
        if link.queued_messages >= MAX_QUEUED or link.queued_bytes >= MAX_QUEUED_BYTES:
            raise BacklogFull(
                f"{link.queued_messages} messages of {link.queued_bytes} bytes wait for {self.name}; "
                "await something before you send more"
            )

    # --- ticks and releases ---------------------------------------------------------------------------------

    def stir(self) -> None:
        """See to it that a tick is due; safe from any thread and at any time."""
        if self.ticking:
            return
        self.ticking = True
        try:
            if self.in_own_thread:
                self.loop.call_soon(self.tick)
            else:
                self.loop.call_soon_threadsafe(self.tick)
        except (RuntimeError, TypeError):
            self.ticking = False  # the loop is closed, or the interpreter is going

    def tick(self) -> None:
        """Withdraw what nobody needs, free what is gone, and have the rest written."""
        if self.lost is not None:
            self.ticking = self._put_off = False
            self._forget_dead()
            return
        if not (self._awaited or self._put_off) and self.link.queued_bytes < JSON_BATCH_BYTES:
            # Tasks made for these ops, as gather makes them, begin after this and ask for values: one frame for all.
            self._put_off = True
            self.loop.call_soon(self.tick)
            return
        self.ticking = self._put_off = self._awaited = False
        if self.dead:
            self._settle_dead()
        if self._releases:
            if self.link.queued_messages:
                self._queue_releases()  # travel with what is to be written anyway, behind it
            elif self._timer is None:
                self._timer = self.loop.call_later(RELEASE_SECONDS, self.release)
        self.session.flush(self.link)

    def _settle_dead(self) -> None:
        dead, link, table = self.dead, self.link, self.table
        while dead:
            number, ticket = dead.popleft()
            table.pop(number, None)
            if not (ticket and ticket > link.written_tickets and link.withdraw(ticket)):
                self._releases.append(number)

    def _forget_dead(self) -> None:
        while self.dead:
            self.table.pop(self.dead.popleft()[0], None)
        self._releases.clear()

    def release(self) -> None:
        """Queue the releases that are due."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self.lost is not None:
            return
        self._settle_dead()
        self._queue_releases()
        self.session.flush(self.link)

    def _queue_releases(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        entries = ranges(self._releases) if len(self._releases) > 2 else self._releases
        self._releases = []
        for start in range(0, len(entries), RELEASES_A_MESSAGE):
            self.link.send(orjson.dumps({"t": "release", "ids": entries[start : start + RELEASES_A_MESSAGE]}))

    # --- the end --------------------------------------------------------------------------------------------

    def loss(self, ran: Literal["no", "maybe"]) -> FedsockError:
        """Return the exception of what this worker won't answer any more."""
        if self.lost is None or not isinstance(self.lost, WorkerLost):
            return self.lost or WorkerLost(f"worker {self.name} is lost", ran=ran)
        return WorkerLost(str(self.lost), ran=ran)

    def lose(self, error: FedsockError) -> None:
        """Nothing comes from here any more: every open future ends, every object is gone.

        Args:
            error: why; of a WorkerLost each gets one of its own that says whether the request may have run.
        """
        if self.lost is not None:
            return
        self.lost = error
        self._thread = 0  # ops leave the fast path
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        written = self.link.written_tickets
        outcomes: dict[bool, FedsockError] = {True: self.loss("no"), False: self.loss("maybe")}
        for record in self.live():
            if record.state != FAILED:
                record.fail(outcomes[record.ticket > written])
        requests, self.requests = self.requests, {}
        for request in requests.values():
            request.fail(outcomes[request.ticket > written])
        self.outbox.drop()
        self._forget_dead()

    def live(self) -> list[Record]:
        """Return the records that somebody still holds, data sets among them."""
        found = [record for reference in list(self.table.values()) if (record := reference()) is not None]
        return found + [pointer._record for pointer in (*self.datasets.values(), *self.mocks.values())]
