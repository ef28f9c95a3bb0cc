"""One timer for many deadlines."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class Alarm:
    """Rings at the earliest deadline it was told; a later one costs a comparison.

    Args:
        loop: whose clock the deadlines are on.
        ring: called once the earliest deadline has passed; it tells those that are still due.
    """

    __slots__ = ("_at", "_loop", "_ring", "_timer")

    def __init__(self, loop: asyncio.AbstractEventLoop, ring: Callable[[], None]) -> None:
        self._loop = loop
        self._ring = ring
        self._at = float("inf")
        self._timer: asyncio.TimerHandle | None = None

    def by(self, deadline: float | None) -> None:
        """Ring at a deadline, if not before; None asks for nothing.

        Args:
            deadline: seconds on the loop's clock.
        """
        if deadline is not None and deadline < self._at:
            self.cancel()
            self._at = deadline
            self._timer = self._loop.call_at(deadline, self._rings)

    def cancel(self) -> None:
        """Don't ring."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._at = float("inf")

    def _rings(self) -> None:
        self._timer = None
        self._at = float("inf")
        self._ring()
