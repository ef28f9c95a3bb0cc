"""How much a link may have in flight (floor 1, no I/O): the congestion window.

The window follows delay, not loss: sockets lose nothing, they queue. It grows while acks come back about as
fast as they ever did and shrinks when they come back ``LATE`` seconds later than that, so that a slow line
never holds more than about a tenth of a second of waiting bytes, and a fast one is full. The two peers'
distance is not held against them: what counts is the delay above the shortest one seen (as LEDBAT does,
RFC 6817, section 2.4.2).
"""

from __future__ import annotations

from fedsock.protocol.frames import CHUNK_BYTES

FIRST_WINDOW = 256 * 1024
"""Bytes in flight at first: enough for most conversations, little for a slow line."""

LAST_WINDOW = 8 * 1024 * 1024
"""Bytes in flight at most, and so what a link keeps for replay."""

LEAST_WINDOW = 16 * 1024
"""Bytes in flight that are always allowed; 0.13 s at 1 Mbit/s."""

LEAST_CHUNK = LEAST_WINDOW // 4
"""Bytes of the smallest chunk that a stream is cut to."""

LATE = 0.1
"""Seconds above the shortest delay at which an ack says that too much is in flight."""

PROMPT = 0.01
"""Seconds above the shortest delay within which an ack says that more would be taken.

Above this the line is full already, and a larger window would only make small messages wait. A far line is
given half of its shortest delay instead, up to ``LATE``: what it holds when it is full takes that long to write.
"""

_FARTHEST = 0.25
"""Seconds that the line itself is believed to take, at first, before an ack has come back."""


class Window:
    """The congestion window of one direction of a link.

    Attributes:
        size: bytes that may be in flight; one more frame is written while less is.
    """

    __slots__ = ("_eager", "_fence", "_shortest", "size")

    def __init__(self) -> None:
        self.renew()

    def renew(self) -> None:
        """Start afresh: the road to the peer is another one now."""
        self.size = FIRST_WINDOW
        self._shortest = _FARTHEST
        self._eager = True
        self._fence = 0

    @property
    def chunk(self) -> int:
        """Bytes to cut of a stream: a quarter of the window, so that several chunks are under way."""
        return min(max(self.size >> 2, LEAST_CHUNK), CHUNK_BYTES)

    def acknowledged(self, amount: int, in_flight: int, delay: float, *, acked: int, written: int) -> None:
        """Take in what an ack tells.

        Args:
            amount: bytes that it acknowledges.
            in_flight: bytes that were in flight before it.
            delay: seconds since the newest frame it acknowledges was written.
            acked: the number of that frame.
            written: the number of the last frame that was written.
        """
        if delay < self._shortest:
            self._shortest = delay
        # What doesn't fill the window says nothing about its size.
        if in_flight < self.size >> 1:
            return
        late = delay - self._shortest
        if late <= min(max(PROMPT, self._shortest / 2), LATE):
            # Doubles each round trip at first, then grows by an eighth.
            self.size = min(self.size + (amount if self._eager else amount >> 3), LAST_WINDOW)
        elif late > LATE and acked > self._fence:
            # Once a round trip: the frames in flight now were written with the old size.
            self._fence = written
            self._eager = False
            if self.size == LEAST_WINDOW:
                # It isn't our bytes that make it late; the line is that slow.
                self._shortest = delay
            else:
                allowed = self._shortest + LATE
                self.size = max(int(self.size * max(allowed / delay, 0.125)), LEAST_WINDOW)

    def halve(self) -> None:
        """Shrink because the hub's queue for the peer ran full."""
        self.size = max(self.size >> 1, LEAST_WINDOW)
        self._eager = False

    def collapse(self) -> None:
        """Shrink to the least because nothing came back for long."""
        self.size = LEAST_WINDOW
        self._eager = False
