"""What one life of a worker says: results, failures, values, answers."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from fedsock import errors
from fedsock.errors import BadMessage, FedsockError
from fedsock.protocol import messages, values
from fedsock.protocol.arrays import Incoming
from fedsock.session.emissions import Slot, emissions_of
from fedsock.session.failures import untraced
from fedsock.session.records import FAILED, PENDING, Record, meta_from_wire
from fedsock.session.requests import Fetch
from fedsock.session.station import Station

if TYPE_CHECKING:
    from fedsock.session.session import Session

KNOWN_FAILURES = 1000
"""First failures whose exceptions are kept: all that depends on one shows the same object as its cause."""

MOST_DATASETS = 1_000_000
"""No worker offers more."""


class Inbox:
    """Takes the messages and chunks of one station."""

    def __init__(self, session: Session, station: Station) -> None:
        self._session = session
        self._station = station
        self._incoming: dict[int, tuple[Incoming, Fetch | Slot]] = {}
        self._announced = 0
        self._known: OrderedDict[int, FedsockError] = OrderedDict()
        self._offered: list[messages.Described] = []
        self._tasks: dict[str, str] = {}
        self._take: dict[type, Callable[[Any], None]] = {
            messages.Done: self._done,
            messages.Error: self._error,
            messages.Value: self._value,
            messages.Emitted: self._emitted,
            messages.Answer: self._answer,
            messages.Requested: self._answer,
            messages.Offer: self._offer,
            messages.Stop: self._stop,
        }

    def batch(self, body: memoryview) -> None:
        """Take the body of a frame.

        Raises:
            BadMessage: it breaks the protocol.
        """
        take = self._take
        for message in messages.to_session(body):
            take[type(message)](message)

    def chunk(self, stream: int, at: int, data: memoryview) -> None:
        """Take the next bytes of a stream; those of a stopped one are dropped.

        Raises:
            BadMessage: they don't fit, or were never announced.
        """
        found = self._incoming.get(stream)
        if found is None:
            if stream > self._announced:
                raise BadMessage("a chunk of a stream that no value announced")
            return
        incoming, fetch = found
        incoming.write(at, data)
        if incoming.complete:
            del self._incoming[stream]
            fetch.streams.pop(stream, None)
            if not fetch.streams:
                self._station.requests.pop(fetch.number, None)
                fetch.answer(fetch.value)

    def drop(self, stream: int) -> None:
        """Nobody needs a stream any more."""
        self._incoming.pop(stream, None)

    # --- messages -------------------------------------------------------------------------------------------

    def _done(self, message: messages.Done) -> None:
        table = self._station.table
        self._check(message)
        meta = meta_from_wire(message.kind, message.shape, message.dtype, message.withheld)
        for number in range(message.id, message.id + message.n):
            reference = table.get(number)
            if reference is not None:
                record = reference()
                if record is not None:
                    record.succeed(meta)
            elif message.n == 1:
                request = self._station.requests.pop(number, None)
                if request is not None:
                    request.answer(message)

    def _check(self, message: messages.Done | messages.Error) -> None:
        """Refuse ids that were never given out: a short message could name a million of them."""
        if message.id + message.n > self._station.next_id:
            raise BadMessage("an answer about ids that were never given out")

    def _error(self, message: messages.Error) -> None:
        self._check(message)
        request = self._station.requests.pop(message.id, None)
        error = self._exception(message)
        if request is not None:
            request.fail(error)
            return
        kept = untraced(error)
        new = False
        for number in range(message.id, message.id + message.n):
            record = self._record(number)
            new |= record is None or record.fail(error)
            if record is None or record.failure is error:
                self._remember(number, kept)
        if new:
            self._session.failures.append(kept)

    def _record(self, number: int) -> Record | None:
        reference = self._station.table.get(number)
        return reference() if reference is not None else None

    def _exception(self, message: messages.Error) -> FedsockError:
        error = self._built(message.code, message.message, message.op, message.object or message.id)
        if message.cause is not None:
            cause = message.cause
            first = self._first(cause.id)
            if first is None:
                first = self._built(cause.code, cause.message, cause.op, cause.id)
                self._remember(cause.id, first)
            error.__cause__ = first
        return error

    def _built(self, code: str, text: str, op: str | None, object_id: int | str) -> FedsockError:
        name = self._station.name
        if name not in text:
            text = f"{text} (op {op} at {name})" if op else f"{text} (at {name})"
        return errors.from_wire(code, text, op=op, object_id=object_id, worker=name)

    def _first(self, number: int) -> FedsockError | None:
        record = self._record(number)
        if record is not None and record.state == FAILED:
            return record.failure
        return self._known.get(number)

    def _remember(self, number: int, error: FedsockError) -> None:
        self._known[number] = error
        if len(self._known) > KNOWN_FAILURES:
            self._known.popitem(last=False)

    def _value(self, message: messages.Value) -> None:
        fetch = self._station.requests.get(message.id)
        wanted = isinstance(fetch, Fetch) and not fetch.future.done()
        value, opened = self._read(message.value, fetch.limit if isinstance(fetch, Fetch) and wanted else None)
        # Not before: if it is no value, the request is open still and fails with the link.
        self._station.requests.pop(message.id, None)
        if not isinstance(fetch, Fetch) or not wanted:
            return
        if isinstance(value, values.RemoteRecord):
            try:
                value = self._session.pointer_at(value)
            except FedsockError as error:
                fetch.fail(error)
                return
        fetch.value = value
        fetch.streams = opened
        for stream, incoming in opened.items():
            self._incoming[stream] = (incoming, fetch)
        if opened:
            fetch.number = message.id
            self._station.requests[message.id] = fetch  # open until the last chunk is here
        else:
            fetch.answer(value)

    def _read(self, tree: Any, limit: int | None) -> tuple[Any, dict[int, Incoming]]:
        """Return a value, and the streams that fill its arrays; None as limit: nobody waits for it."""
        opened: dict[int, Incoming] = {}
        due = 0

        def announced(dtype: np.dtype[Any], shape: tuple[int, ...], nbytes: int, stream: int) -> Any:
            nonlocal due
            due += nbytes
            if stream <= self._announced:
                raise BadMessage("a stream announced twice, or out of turn")
            if limit is not None and due > limit:
                raise BadMessage("a value larger than was asked for")
            self._announced = stream
            # Of what nobody waits for no memory is taken; its streams are stopped.
            opened[stream] = Incoming(np.dtype(np.bool_), (0,)) if limit is None else Incoming(dtype, shape)
            return opened[stream].array

        value = values.from_json(tree, None, announced)
        if limit is None:
            for stream in opened:
                self._station.send(messages.encode(messages.Stop(stream)))
        return value, opened

    def _emitted(self, message: messages.Emitted) -> None:
        record = self._record(message.id)
        if message.id >= self._station.next_id:
            raise BadMessage("a streamed value of an id that was never given out")
        if record is None or record.state != PENDING:
            self._read(message.value, None)
            return
        emissions = emissions_of(record)
        if message.refused is not None:
            refused = message.refused
            emissions.refuse(self._built(refused.code, refused.message, record.op, message.id))
            return
        value, opened = self._read(message.value, messages.EMITTED_LARGEST)
        slot = Slot(emissions, value, opened)
        emissions.arrive(message.number, slot)
        for stream in slot.streams:
            self._incoming[stream] = (opened[stream], slot)

    def _answer(self, message: messages.Answer) -> None:
        request = self._station.requests.pop(message.id, None)
        if request is not None:
            request.answer(message)

    def _offer(self, message: messages.Offer) -> None:
        self._offered += message.datasets
        self._tasks |= {task.name: task.about for task in message.tasks}
        if len(self._offered) + len(self._tasks) > MOST_DATASETS:
            raise BadMessage("more data sets, or tasks, than a worker can have")
        if not message.more:
            offered, self._offered = self._offered, []
            self._station.tasks, self._tasks = self._tasks, {}
            self._session.offered(self._station, offered)

    def _stop(self, message: messages.Stop) -> None:
        self._station.outbox.stop(message.stream)
