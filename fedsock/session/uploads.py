"""Large arrays on their way out: streams, and the memory that copies of them take."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from fedsock.errors import BacklogFull
from fedsock.protocol import arrays
from fedsock.protocol.link import Link

COPY_BYTES = 1 << 30
"""Copies of uploaded arrays that may wait at a time; one value of any size is taken when none waits."""


class Copies:
    """What the copies take that wait to be sent; an array that goes to several workers counts once."""

    def __init__(self) -> None:
        self.nbytes = 0
        self._held: dict[int, int] = {}

    def check(self, waiting: int, nbytes: int) -> None:
        """Raise BacklogFull when a value doesn't fit.

        Args:
            waiting: bytes that waited before the value came.
            nbytes: bytes of the value's copies.
        """
        if waiting and waiting + nbytes > COPY_BYTES:
            raise BacklogFull(
                f"copies of {waiting} bytes wait to be sent; await a result first, or send(…, copy=False) to "
                "lend an array that you don't change until it is sent"
            )

    def holds(self, array: np.ndarray[Any, Any]) -> bool:
        """Return whether an array is counted already."""
        return id(array) in self._held

    def take(self, array: np.ndarray[Any, Any]) -> None:
        """Count an array that stays alive until as many ``give`` as ``take``."""
        count = self._held.get(id(array), 0)
        self._held[id(array)] = count + 1
        if not count:
            self.nbytes += array.nbytes

    def give(self, array: np.ndarray[Any, Any]) -> None:
        """One stream less needs an array."""
        count = self._held.get(id(array), 0)
        if count > 1:
            self._held[id(array)] = count - 1
        elif count:
            del self._held[id(array)]
            self.nbytes -= array.nbytes


class Opening:
    """Opens streams for the arrays of one value."""

    __slots__ = ("_copy", "_counted", "_new", "_outbox", "_waiting", "opened", "streams")

    def __init__(self, outbox: Outbox, copy: bool, counted: bool) -> None:
        self._outbox = outbox
        self._copy = copy
        self._counted = copy or counted
        self._waiting = outbox.copies.nbytes
        self._new = 0
        self.streams: list[int] = []
        self.opened = 0

    def __call__(self, array: np.ndarray[Any, Any]) -> int:
        """Open a stream for a portable array and return its number."""
        copies = self._outbox.copies
        if self._counted and not copies.holds(array):
            self._new += array.nbytes
            copies.check(self._waiting, self._new)
        if self._copy:
            array = array.copy()
        number = self._outbox.link.send_stream(arrays.raw(array))
        self._outbox.streams[number] = array
        if self._counted:
            copies.take(array)
        self.streams.append(number)
        self.opened += 1
        return number


class Outbox:
    """The streams of one link that are not sent whole yet."""

    def __init__(self, link: Link, copies: Copies) -> None:
        self.link = link
        self.copies = copies
        self.streams: dict[int, np.ndarray[Any, Any]] = {}

    @contextmanager
    def opening(self, *, copy: bool, counted: bool) -> Iterator[Opening]:
        """Give what opens the streams of one value; when the value is refused after all, they are stopped.

        Args:
            copy: copy each array first.
            counted: the arrays are copies already.
        """
        stream = Opening(self, copy, counted)
        try:
            yield stream
        except BaseException:
            for number in stream.streams:
                self.stop(number)
            raise

    def sent(self, number: int) -> None:
        """A stream arrived whole: its array is not needed any more."""
        array = self.streams.pop(number, None)
        if array is not None:
            self.copies.give(array)

    def stop(self, number: int) -> None:
        """Send no more of a stream."""
        self.link.stop_stream(number)
        self.sent(number)

    def drop(self) -> None:
        """The link is over: no array is needed any more."""
        for number in list(self.streams):
            self.sent(number)
