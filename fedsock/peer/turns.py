"""Whose streams are written next, and how much of them may be under way (of the peer's room; no I/O)."""

from __future__ import annotations

from fedsock.protocol.flow import LAST_WINDOW
from fedsock.protocol.link import Link

UNDER_WAY_BYTES = LAST_WINDOW
"""Bytes under way on all links together, above which no further chunk is cut: what a peer keeps for replay is bounded
by this, to however many it sends. One link alone can have as much; what waits for one socket doesn't pass it sooner by
waiting behind it."""

QUANTUM_BYTES = 4 * 1024 * 1024
"""Bytes that one link may cut in a row: values of usual sizes arrive one after the other, not all at the end, and
their chunks are large; a larger one leaves others their turns."""


class Turns:
    """Links that have chunks to be cut, in the order of their turns.

    A link that cut chunks is counted with what is under way on it as long as it may write: one whose peer is away, or
    on hold, takes nothing from others; one whose peer hangs does until its link notices, within seconds.

    Attributes:
        counted: link -> bytes under way on it, as they were last looked at.
        under_way: bytes on all of them together.
    """

    def __init__(self) -> None:
        self._waiting: dict[Link, None] = {}
        self.counted: dict[Link, int] = {}
        self._left = QUANTUM_BYTES
        self.under_way = 0

    def add(self, link: Link) -> None:
        """Let a link have its turn when it comes; again is harmless.

        Args:
            link: that has streams.
        """
        self._waiting.setdefault(link)

    def count(self, link: Link) -> None:
        """Note what is under way on a link now.

        Args:
            link: that cut a chunk; or is counted, and wrote or had news.
        """
        now = link.in_flight_bytes
        self.under_way += now - self.counted.pop(link, 0)
        if now:
            self.counted[link] = now

    def forget(self, link: Link) -> None:
        """Leave a link out.

        Args:
            link: that is over.
        """
        self._waiting.pop(link, None)
        self.under_way -= self.counted.pop(link, 0)

    def next_frame(self, now: float) -> tuple[Link, bytes] | None:
        """Return the next frame and its link; None when nobody has one, or too much is under way.

        Args:
            now: seconds.
        """
        while self._waiting and self.under_way < UNDER_WAY_BYTES:
            link = next(iter(self._waiting))
            frame = link.next_frame(now)
            if frame is not None:
                self.count(link)
                self._left -= len(frame)
            if frame is None or self._left <= 0:
                # Its window is full, or it has nothing more; or it had its turn, and stands behind the others.
                del self._waiting[link]
                self._left = QUANTUM_BYTES
            if frame is not None:
                self._waiting.setdefault(link)
                return link, frame
        return None
