"""A worker's replies before they are written: runs of Done are merged into one message."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np

from fedsock.protocol.arrays import dtype_name
from fedsock.protocol.messages import Done, Error, Message
from fedsock.worker.failures import TEXT_CHARS, cut
from fedsock.worker.jobs import Instruction, Send
from fedsock.worker.store import Entry, kind_of


class Replies:
    """Instructions in the order in which they are to be carried out."""

    __slots__ = ("_dtype", "_first", "_kind", "_n", "_out", "_peer", "_shape", "_withheld")

    def __init__(self) -> None:
        self._out: list[Instruction] = []
        self._n = 0
        self._first = 0
        self._peer = ""
        self._dtype: np.dtype[Any] | None = None
        self._shape: tuple[int, ...] | None = None
        self._kind = ""
        self._withheld = False

    def done(self, peer: str, entry: Entry, request: int | None = None) -> None:
        """Say that a value is there.

        Args:
            peer: the session's address.
            entry: what is told of it.
            request: the id of the request that this answers; None: the entry's own.
        """
        id = int(entry.id) if request is None else request
        value = entry.value
        if entry.withheld:
            dtype, shape, kind = None, None, "array"
        elif type(value) is np.ndarray:
            dtype, shape, kind = value.dtype, value.shape, "array"
        elif isinstance(value, np.generic):
            dtype, shape, kind = value.dtype, (), "scalar"
        else:
            dtype, shape, kind = None, None, kind_of(value)
        if (
            self._n
            and id == self._first + self._n
            and shape == self._shape
            and dtype == self._dtype
            and kind == self._kind
            and peer == self._peer
            and entry.withheld is self._withheld
        ):
            self._n += 1
            return
        self._close_run()
        self._peer, self._first, self._n = peer, id, 1
        self._dtype, self._shape, self._kind, self._withheld = dtype, shape, kind, entry.withheld

    def send(self, peer: str, message: Message) -> None:
        """Write another message after what was said before; the text of an error is cut to what can be sent."""
        self._close_run()
        if type(message) is Error and len(message.message) > TEXT_CHARS:
            message = msgspec.structs.replace(message, message=cut(message.message))
        self._out.append(Send(peer, message))

    def add(self, instruction: Instruction) -> None:
        """Carry out an instruction after what was said before."""
        self._close_run()
        self._out.append(instruction)

    def take(self) -> list[Instruction]:
        """Return all instructions so far; they are forgotten here."""
        self._close_run()
        out, self._out = self._out, []
        return out

    def _close_run(self) -> None:
        if self._n:
            done = Done(
                id=self._first,
                n=self._n,
                dtype=None if self._dtype is None else dtype_name(self._dtype),
                shape=None if self._shape is None else list(self._shape),
                kind=self._kind,
                withheld=self._withheld,
            )
            self._out.append(Send(self._peer, done))
            self._n = 0
