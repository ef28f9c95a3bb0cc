"""ExportRequest: what was asked of a worker's owner, and the owner's answer."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, Any

from fedsock.errors import FedsockError, UnsupportedValue
from fedsock.protocol import messages
from fedsock.session.requests import Hold, question

if TYPE_CHECKING:
    from fedsock.session.pointer import Pointer

MAX_WHY_CHARS = 2_000


class ExportRequest:
    """A request that an owner lets a value leave; ``await`` it for the answer.

    Attributes:
        number: the owner's number of it; 0 where nobody need be asked.
        state: "waiting", "approved" or "denied", as far as it is known here.
        pointer: to the value.
    """

    __slots__ = ("number", "pointer", "state")

    def __init__(self, pointer: Pointer, number: int, state: str) -> None:
        self.pointer = pointer
        self.number = number
        self.state = state

    def __await__(self) -> Generator[Any, None, Pointer]:
        """Wait for the owner's answer; returns the pointer, whose value may leave then. Cancelling ends the wait only.

        Raises:
            ExportDenied: the owner denied it, and why; or the approval has expired, or was used up.
            WorkerLost: the worker went away; the request is still with its owner: build the same expression again.
        """
        return self._answered().__await__()

    async def _answered(self) -> Pointer:
        if self.state != "approved":
            station = self.pointer._described().home
            try:
                told = await question(station, lambda id: messages.Outcome(id, self.number))
            except FedsockError as error:
                self.state = "denied" if error.code == "export_denied" else self.state
                raise
            self.state = told.state
        return self.pointer

    def __repr__(self) -> str:
        return f"<ExportRequest {self.number} at {self.pointer._described().home.name}, {self.state}>"


async def requested(pointer: Pointer, why: str) -> ExportRequest:
    """Ask a worker's owner to let a value leave; returns once the worker has written that down.

    Args:
        pointer: to the value.
        why: what it is needed for, for the owner to read.

    Raises:
        ExportDenied: the owner takes no requests for it, or it was made of too much to be read.
        UnsupportedValue: no such text.
        WorkerLost, PointerReleased: it is gone.
    """
    if not isinstance(why, str) or not 0 < len(why) <= MAX_WHY_CHARS or not why.strip():
        raise UnsupportedValue(f"say what the value is needed for, in 1 to {MAX_WHY_CHARS:,} characters")
    record = pointer._described()
    hold = Hold(record)
    try:
        record.used = True
        told = await question(record.home, lambda id: messages.Request(id, record.id, why))
    finally:
        hold.let_go()
    return ExportRequest(pointer, told.number, told.state)
