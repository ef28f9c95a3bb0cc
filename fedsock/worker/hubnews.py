"""What a worker tells its owner about the way to the hub: one line when it is gone, one when it is back."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

from fedsock.errors import ProtocolError
from fedsock.transport.base import TransportClosed

CALM_SECONDS = 10.0
"""A hub that is lost again within this, for the same reason, is not told of again."""

MOST_CHARACTERS = 300
"""Of a reason, which may be a stranger's text."""


class HubNews:
    """Tells of tries to reach a hub: the first that fails, those that fail for another reason, and the end of it.

    Args:
        name: the worker's.
        url: the hub's.
        write: takes a line.
        clock: seconds.
    """

    def __init__(
        self,
        name: str,
        url: str,
        write: Callable[[str], object] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._name = name
        self._url = url
        self._write = write or _to_stderr
        self._clock = clock
        self._said: str | None = None
        self._waiting = False
        self._reached: float | None = None

    def __call__(self, error: Exception | None) -> None:
        """Take in how a try ended.

        Args:
            error: why it failed; None when the hub was reached.
        """
        now = self._clock()
        if error is None:
            if self._waiting and self._reached is not None:
                self._write(f"worker {self._name} is back at {self._url}")
            self._waiting, self._reached = False, now
            return
        reason = self._reason(error)
        calm = not self._waiting and self._reached is not None and now - self._reached >= CALM_SECONDS
        if reason != self._said or calm:
            self._said, self._waiting = reason, True
            self._write(f"fedsock.worker: {reason}; trying on")

    def _reason(self, error: Exception) -> str:
        text = "".join(mark if mark.isprintable() else " " for mark in str(error)[:MOST_CHARACTERS])
        if isinstance(error, ProtocolError):
            return f"what answers at {self._url} says what no hub of this version says ({text})"
        if isinstance(error, TransportClosed):
            return f"{self._url} hung up ({text})"
        if isinstance(error, TimeoutError) and not text:
            return f"what answers at {self._url} doesn't say whether {self._name} may come in"
        return text or type(error).__name__


def _to_stderr(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
