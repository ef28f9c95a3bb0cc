"""Questions that are open at a worker: fetches, asks, and the steps of a transfer."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from fedsock.errors import FedsockError, WorkerTimeout
from fedsock.protocol import messages
from fedsock.protocol.arrays import Incoming
from fedsock.session.records import Record

if TYPE_CHECKING:
    from fedsock.session.station import Station


class Request:
    """A question by its id: exactly one of ``answer`` and ``fail`` is called, once."""

    __slots__ = ("ticket",)

    ticket: int

    def answer(self, message: Any) -> None:
        """Take what the worker answered."""
        raise NotImplementedError

    def fail(self, error: FedsockError) -> None:
        """Take why there is no answer."""
        raise NotImplementedError


class Step(Request):
    """A question whose answer has consequences here, whoever waits."""

    __slots__ = ("_failed", "_then")

    def __init__(self, then: Callable[[Any], None], failed: Callable[[FedsockError], None]) -> None:
        self._then = then
        self._failed = failed

    def answer(self, message: Any) -> None:
        """Go on."""
        self._then(message)

    def fail(self, error: FedsockError) -> None:
        """Give up."""
        self._failed(error)


class Question(Request):
    """A question that somebody awaits."""

    __slots__ = ("future",)

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.future: asyncio.Future[Any] = loop.create_future()

    def answer(self, message: Any) -> None:
        """Give the answer to who waits."""
        if not self.future.done():
            self.future.set_result(message)

    def fail(self, error: FedsockError) -> None:
        """Give the failure to who waits."""
        if not self.future.done():
            # An Exception set on a future that nobody awaits any more would be logged.
            self.future.set_result(_Failed(error))


class _Failed:
    __slots__ = ("error",)

    def __init__(self, error: FedsockError) -> None:
        self.error = error


class Fetch(Question):
    """A value on its way home.

    Attributes:
        limit: bytes that were asked for at most.
        number: the request's, once the value was announced.
        streams: the streams that still fill arrays of it.
        value: what was announced.
    """

    __slots__ = ("limit", "number", "streams", "value")

    def __init__(self, loop: asyncio.AbstractEventLoop, limit: int) -> None:
        super().__init__(loop)
        self.limit = limit
        self.number = 0
        self.streams: dict[int, Incoming] = {}
        self.value: Any = None


class Hold:
    """Somebody still needs a record's value: counts in its ``holds`` until it is let go, or nobody has it any more."""

    __slots__ = ("_record",)

    def __init__(self, record: Record) -> None:
        record.home.check_thread()
        record.home.usable(record)
        record.holds += 1
        self._record: Record | None = record

    def let_go(self) -> None:
        """The value isn't needed any more; again is harmless."""
        record, self._record = self._record, None
        if record is not None:
            record.holds -= 1

    def __del__(self) -> None:
        # Of a fetch that was never awaited; the collector may come by in any thread, and when all is over.
        if (record := getattr(self, "_record", None)) is not None:
            if record.home.in_own_thread:
                self.let_go()
            else:
                with contextlib.suppress(RuntimeError):  # the loop is closed
                    record.home.loop.call_soon_threadsafe(_let_go, record)


def _let_go(record: Record) -> None:
    record.holds -= 1


async def fetch(record: Record, hold: Hold, timeout: float | None, release: bool, most_bytes: int | None = None) -> Any:
    """Return a record's value; cancelling, or the timeout, ends this wait only.

    Args:
        record: of the value.
        hold: let go at the end.
        timeout: seconds; None waits as long as it takes.
        release: free the value at the worker once it is here.
        most_bytes: what is taken at most; None, or more than that: ``max_fetch_bytes``.

    Raises:
        WorkerTimeout: it took longer.
        RemoteError, WorkerLost, …: why there is no value.
    """
    try:
        if timeout is None:
            value = await _fetched(record, most_bytes)
        else:
            try:
                async with asyncio.timeout(timeout) as limit:
                    value = await _fetched(record, most_bytes)
            except TimeoutError as error:
                if isinstance(error, FedsockError) or not limit.expired():
                    raise
                text = f"object {record.id} at {record.home.name} is not here within {timeout} s; it goes on there, and"
                raise WorkerTimeout(f"{text} can be awaited again") from None
    finally:
        hold.let_go()
    if release:
        record.free()
    return value


async def _fetched(record: Record, most_bytes: int | None) -> Any:
    station = record.home
    station.check_loop()
    station.usable(record)
    if record.failure is not None:
        raise record.failure.with_traceback(None)
    most = station.session.max_fetch_bytes
    request = Fetch(station.loop, most if most_bytes is None else min(most, most_bytes))
    number = station.get(record, request)
    try:
        value = await request.future
    except asyncio.CancelledError:
        station.abandon(number, request)
        raise
    if type(value) is _Failed:
        # The op's own failure says more than that of the request for its result.
        raise (record.failure or value.error).with_traceback(None)
    return value


async def ask(
    station: Station,
    about: str,
    tags: tuple[str, ...] = (),
    after: int | str | None = None,
    ref: int | str | None = None,
) -> messages.Answer:
    """Return a worker's answer about itself, its data or this session's objects; cancelling ends the wait only.

    Raises:
        WorkerLost, …: why there is none.
    """
    station.check_loop()
    request = Question(station.loop)
    station.ask(about, request, tags=list(tags), after=after, ref=ref)
    answer = await request.future
    if type(answer) is _Failed:
        raise answer.error.with_traceback(None)
    return answer  # type: ignore[no-any-return]


async def question(station: Station, message: Callable[[int], messages.Message]) -> Any:
    """Return a worker's answer to a message with a number; cancelling ends the wait only.

    Args:
        station: the worker's.
        message: number -> message.

    Raises:
        RemoteError, WorkerLost, …: why there is none.
    """
    station.check_loop()
    request = Question(station.loop)
    number = station.numbers(1)
    station.request(number, request, messages.encode(message(number)))
    answer = await request.future
    if type(answer) is _Failed:
        raise answer.error.with_traceback(None)
    return answer


async def ask_all(station: Station, about: str, tags: tuple[str, ...] = ()) -> list[messages.Described]:
    """Return all that a worker lists, page after page; cancelling ends the wait only.

    Raises:
        WorkerLost, …: why there is no answer.
    """
    records: list[messages.Described] = []
    after: int | str | None = None
    while True:
        answer = await ask(station, about, tags, after)
        records += answer.records
        after = answer.next
        if after is None:
            return records
