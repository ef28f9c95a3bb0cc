"""What a running op streams, as it arrives: ``async for value in p``."""

from __future__ import annotations

import asyncio
import contextlib
import weakref
from collections import deque
from typing import TYPE_CHECKING, Any

from fedsock.errors import BadMessage, FedsockError, PointerError
from fedsock.ops import TABLE
from fedsock.protocol import messages
from fedsock.protocol.arrays import Incoming
from fedsock.session.records import PENDING, Holder, Record
from fedsock.session.requests import Request

if TYPE_CHECKING:
    from fedsock.session.station import Station

KEPT = 1_000
"""Values that are kept while nobody reads, and as many bytes as may be on their way; of more, the oldest go."""


MOST_BYTES = 2 * messages.EMITTED_LARGEST
"""What was kept and what is on its way are each one value of any size, or several of less."""


class Slot(Request):
    """One streamed value, while its arrays are filled.

    Attributes:
        number: 0: no request asked for it.
        streams: those that still fill arrays of it.
        value: it, whole when none do.
        nbytes: bytes that its streams bring.
    """

    __slots__ = ("_emissions", "nbytes", "number", "streams", "value")

    def __init__(self, emissions: Emissions, value: Any, streams: dict[int, Incoming]) -> None:
        self._emissions = emissions
        self.number = 0
        self.streams = streams
        self.value = value
        self.nbytes = sum(incoming.array.nbytes for incoming in streams.values())

    def answer(self, message: Any) -> None:
        """Its last stream is here."""
        self._emissions.wake()


class Emissions:
    """The streamed values of one record that nobody has taken yet.

    While nobody reads, values are taken from the worker as they come and the last of them kept; a reader takes each
    when it comes to it, and the op at the worker waits for one who is slow.
    """

    def __init__(self, station: Station, id: int) -> None:
        self._station = station
        self._id = id
        self._slots: deque[Slot] = deque()
        self._nbytes = 0
        self._last = 0
        self._reader: weakref.ref[Reader] | None = None
        self._waiter: asyncio.Future[None] | None = None
        self.refused: FedsockError | None = None

    def arrive(self, number: int, slot: Slot) -> None:
        """A value is announced.

        Raises:
            BadMessage: it is out of turn, or one more than a worker may send.
        """
        if number != self._last + 1:
            raise BadMessage("a streamed value out of turn")
        self._last = number
        self._slots.append(slot)
        self._nbytes += slot.nbytes
        if self._reader is None:
            self._take(number)
            while len(self._slots) > KEPT or (len(self._slots) > 1 and self._nbytes > messages.EMITTED_BYTES):
                self._station.abandon(0, self._pop())
        elif len(self._slots) > KEPT + messages.EMITTED_MOST or self._nbytes > MOST_BYTES:
            raise BadMessage("more streamed values than may be on their way")
        self.wake()

    def refuse(self, error: FedsockError) -> None:
        """No value leaves any more."""
        self.refused = error
        self.wake()

    def wake(self) -> None:
        """Something changed: a value is whole, or the op is over."""
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    def begin(self, reader: Reader) -> None:
        """Somebody reads from now on.

        Raises:
            PointerError: somebody else does already.
        """
        if self._reader is not None and self._reader() is not None:
            raise PointerError("somebody reads what this op streams already; it has one reader at a time")
        self._reader = weakref.ref(reader, self._left)

    def _left(self, reader: weakref.ref[Reader]) -> None:
        """Nobody reads any more; called in any thread."""
        with contextlib.suppress(RuntimeError):  # the loop is closed
            self._station.loop.call_soon_threadsafe(self._end, reader)

    def _end(self, reader: weakref.ref[Reader]) -> None:
        if self._reader is reader:
            self._reader = None
            self._take(self._last)

    def _take(self, number: int) -> None:
        if number:
            self._station.send(messages.encode(messages.Taken(self._id, number)))

    def _pop(self) -> Slot:
        slot = self._slots.popleft()
        self._nbytes -= slot.nbytes
        return slot

    async def next(self, record: Record) -> Any:
        """Return the next value; cancelling ends this wait only.

        Raises:
            StopAsyncIteration: the op is done, and this was all.
            FedsockError: it failed, or its owner keeps what it streams.
        """
        while True:
            if self._slots and not self._slots[0].streams:
                slot = self._pop()
                if record.state == PENDING:
                    self._take(self._last - len(self._slots))
                return slot.value
            if self.refused is not None:
                raise self.refused.with_traceback(None)
            if record.failure is not None:
                raise record.failure.with_traceback(None)
            if record.state != PENDING and not self._slots:
                raise StopAsyncIteration
            if self._station.lost is not None:
                raise self._station.loss("maybe").with_traceback(None)
            if self._waiter is None:
                self._waiter = self._station.loop.create_future()
            await asyncio.shield(self._waiter)


class Reader:
    """Goes through what an op streams."""

    __slots__ = ("__weakref__", "_emissions", "_record")

    def __init__(self, record: Record, emissions: Emissions) -> None:
        emissions.begin(self)
        self._record = record
        self._emissions = emissions

    def __aiter__(self) -> Reader:
        return self

    async def __anext__(self) -> Any:
        """Return the next value, in the order in which they were streamed."""
        self._record.home.check_loop()
        return await self._emissions.next(self._record)


class Streaming(Holder):
    """What holds a record of an op that may stream."""

    __slots__ = ()

    def __aiter__(self) -> Reader:
        """Go through what the op streams while it runs; ends when it is done, and raises its failure.

        The op waits when it is ``EMITTED_MOST`` values ahead of who reads; while nobody does, the last ``KEPT`` values
        are kept.

        Raises:
            PointerError: the op streams nothing, or somebody reads already.
        """
        record = self._record
        record.home.check_thread()
        record.home.usable(record)
        row = TABLE.get(record.op)
        if row is None or not row.streams:
            raise PointerError(f"{record.op} streams nothing; await p for its value")
        return Reader(record, emissions_of(record))


def emissions_of(record: Record) -> Emissions:
    """Return what a record's op streamed and nobody has taken yet."""
    more = record.extra()
    if more.emissions is None:
        more.emissions = Emissions(record.home, int(record.id))
    return more.emissions
