"""What the session knows of one id at a worker, and who may free it."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

import numpy as np

from fedsock.errors import FedsockError, PointerReleased, PointersMixed
from fedsock.protocol.arrays import dtype_named

if TYPE_CHECKING:
    from fedsock.session.emissions import Emissions
    from fedsock.session.station import Station

PENDING, READY, FAILED = range(3)

OWNER = -1
"""The ticket of a data set's record: it was never sent, and is never freed."""


class Meta(NamedTuple):
    """What is known of a value without its data.

    Attributes:
        kind: "array", "scalar" (numpy's), or the name of a Python type.
        shape: sizes; None for what is no array, or withheld.
        dtype: None likewise.
        withheld: shape and dtype could tell something private, so the worker doesn't tell.
        nbytes: bytes held, where the worker said so.
    """

    kind: str
    shape: tuple[int, ...] | None = None
    dtype: np.dtype[Any] | None = None
    withheld: bool = False
    nbytes: int | None = None


def meta_from_wire(
    kind: str, shape: list[int] | None, dtype: str | None, withheld: bool, nbytes: int | None = None
) -> Meta:
    """Return the metadata that a message tells."""
    return Meta(
        kind,
        None if shape is None else tuple(shape),
        None if dtype is None else dtype_named(dtype),
        withheld,
        nbytes,
    )


class Elsewhere:
    """What stands for the station of a record that can't be used in ops: every use raises, saying why."""

    __slots__ = ("error", "text")

    def __init__(self, error: type[FedsockError], text: str) -> None:
        self.error = error
        self.text = text

    def refusal(self, record: Record) -> FedsockError:
        """Return the exception that a use of the record raises."""
        return self.error(f"object {record.id} at {record.home.name} {self.text}")

    def op(self, name: str, args: tuple[Any, ...], kwargs: Mapping[str, Any], last: Record | None = None) -> NoReturn:
        """Refuse an op on a record that is not usable."""
        for value in args:
            if isinstance(value, Holder) and value._record.station is self:
                raise self.refusal(value._record)
        raise self.error(f"an operand {self.text}")

    def ops(self, name: str, args: tuple[Any, ...], kwargs: Mapping[str, Any], count: int) -> NoReturn:
        """Refuse an op on a record that is not usable."""
        self.op(name, args, kwargs)


RELEASED = Elsewhere(PointerReleased, "was released; keep the pointer as long as you use it")
MOVED = Elsewhere(PointerReleased, "was moved; use the pointer that move() returned")
NESTED = Elsewhere(PointersMixed, "is a pointer to a pointer: use it with pointers to pointers only, or await pp.get()")


class More:
    """What few records need: words to search by, the value before an assignment, a target, callbacks, a stream."""

    __slots__ = ("before", "description", "emissions", "gave_up", "pointer", "tags", "target", "then")

    def __init__(self) -> None:
        self.tags: tuple[str, ...] = ()
        self.description = ""
        self.pointer: weakref.ref[Any] | None = None
        self.before: Record | None = None
        self.gave_up = False
        self.target: Record | None = None
        self.then: Callable[[Record], None] | None = None
        self.emissions: Emissions | None = None


class Record:
    """One id at one life of a worker.

    Attributes:
        home: the station it was made at.
        station: the same while it may be used in ops, else what says why not.
        id: its number, or the name of an owner's data set.
        text: the reference to it in JSON.
        op: the op, "send" or so that made it.
        ticket: of the message that makes it; OWNER for a data set.
        used: another message refers to it.
        state: PENDING, READY or FAILED.
        meta: None while unknown.
        failure: why it has no value.
        waiters: futures that end when the state leaves PENDING.
        holds: fetches, transfers and pointers to pointers that still need this value.
        more: None for most.
    """

    __slots__ = (
        "__weakref__", "failure", "holds", "home", "id", "meta", "more", "op", "state", "station", "text",
        "ticket", "used", "waiters",
    )  # fmt: skip

    def __init__(self, home: Station, id: int | str, text: str, op: str, ticket: int, used: bool = False) -> None:
        self.home = home
        self.station: Station | Elsewhere = home
        self.id = id
        self.text = text
        self.op = op
        self.ticket = ticket
        self.used = used
        self.state = PENDING
        self.meta: Meta | None = None
        self.failure: FedsockError | None = None
        self.waiters: list[asyncio.Future[None]] | None = None
        self.holds = 0
        self.more: More | None = None

    def __del__(self) -> None:
        # May run on any thread, inside any code, at shutdown: an append and a flag, nothing that can fail.
        home = self.home
        if self.station is not RELEASED and self.station is not MOVED and self.ticket != OWNER:
            home.dead.append((self.id, 0 if self.used else self.ticket))  # type: ignore[arg-type]
            if not home.ticking:
                home.stir()

    def extra(self) -> More:
        """Return ``more``, made when first asked for."""
        if self.more is None:
            self.more = More()
        return self.more

    def succeed(self, meta: Meta) -> None:
        """The value is there."""
        if self.state != PENDING:
            return
        self.state = READY
        self.meta = meta
        if self.more is not None:
            self._finished(self.more, True)
        if self.waiters is not None:
            self._wake()

    def fail(self, error: FedsockError) -> bool:
        """There is no value, and why; False when that was known."""
        if self.state == FAILED:
            return False
        self.state = FAILED
        self.failure = error
        if self.more is not None:
            self._finished(self.more, False)
        if self.waiters is not None:
            self._wake()
        return True

    def _finished(self, more: More, done: bool) -> None:
        if done and more.before is not None:
            if more.gave_up:
                more.before.station = RELEASED  # the worker dropped it when the op ran
            more.before = None
        if more.emissions is not None:
            more.emissions.wake()
        then, more.then = more.then, None
        if then is not None:
            then(self)

    def _wake(self) -> None:
        waiters, self.waiters = self.waiters, None
        for waiter in waiters or ():
            if not waiter.done():
                waiter.set_result(None)

    async def settled(self) -> None:
        """Wait until the value is there; cancelling ends this wait only.

        Raises:
            FedsockError: why it has none.
        """
        self.home.check_loop()
        if self.state == PENDING:
            waiter: asyncio.Future[None] = self.home.loop.create_future()
            if self.waiters is None:
                self.waiters = []
            self.waiters.append(waiter)
            await waiter
        if self.failure is not None:
            raise self.failure.with_traceback(None)

    def free(self) -> None:
        """Give the id up at the worker; nothing for a data set, which is the owner's."""
        if self.station is self.home or self.station is NESTED:
            if self.ticket == OWNER:
                return
            self.station = RELEASED
            self.home.dead.append((int(self.id), 0 if self.used else self.ticket))
            self.home.stir()


class Holder:
    """What holds a record, and stands for it in an op's arguments."""

    __slots__ = ("__weakref__", "_record")

    _record: Record


def ranges(ids: Iterable[int]) -> list[int | list[int]]:
    """Return ids as a release says them: alone, or as inclusive [first, last] for three or more in a row."""
    found: list[int | list[int]] = []
    run: list[int] = []
    for number in sorted(ids):
        if run and number != run[-1] + 1:
            found += run if len(run) < 3 else [[run[0], run[-1]]]
            run = []
        run.append(number)
    return found + (run if len(run) < 3 else [[run[0], run[-1]]])
