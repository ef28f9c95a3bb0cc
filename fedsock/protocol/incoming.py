"""Which frames of the peer a link takes, and when it owes an ack (floor 1, no I/O)."""

from __future__ import annotations

from fedsock.protocol.flow import LEAST_CHUNK

ACK_DELAY = 0.05
"""Seconds that an ack waits for a frame it can ride on."""

LARGE_ACK_DELAY = 0.01
"""Seconds that an ack of a large frame waits for the next one: a lone chunk, such as a stream's last, isn't long taken
for one that is under way, which others may have to wait for."""

ACK_BYTES = 256 * 1024
"""Bytes received in smaller frames than the next ones after which an ack waits no longer."""

ACK_LARGE = 2
"""Frames of ``LEAST_CHUNK`` or more received after which an ack waits no longer.

Chunks are a quarter of the sender's window, so that it hears of them twice a window and never stands still
for ``ACK_DELAY``, however small its window is; nor does it hear of each, however large they are.
"""


class Incoming:
    """The order of the frames that arrive.

    Attributes:
        received: the highest number taken; all up to it were, once each.
        told: the number that acks tell: ``received``, but for what came since ``pause``.
        ack_at: when an ack goes out alone, seconds; None while none is owed.
    """

    __slots__ = ("_bytes", "_gap", "_large", "_paused", "ack_at", "received", "told")

    def __init__(self, base: int = 0) -> None:
        """Begin with nothing received.

        Args:
            base: the number before the first.
        """
        self.received = self.told = base
        self._paused = False
        self.ack_at: float | None = None
        # Whether the present gap has been answered.
        self._gap = False
        # Taken since the last ack: bytes of small frames, and how many large ones.
        self._bytes = 0
        self._large = 0

    def take(self, seq: int, size: int, now: float) -> bool:
        """Return whether a frame is the next one in order; any other one is to be dropped.

        Args:
            seq: its number.
            size: bytes of its body.
            now: seconds.
        """
        if seq != self.received + 1:
            # A frame seen already means that our ack was lost. A gap is answered once, not for each frame
            # behind it.
            if seq <= self.received or not self._gap:
                self.ack_at = now
            self._gap = self._gap or seq > self.received
            return False
        self.received = seq
        self._gap = False
        if self._paused:
            return True
        self.told = seq
        if size >= LEAST_CHUNK:
            self._large += 1
        else:
            self._bytes += size
        if self._bytes >= ACK_BYTES or self._large >= ACK_LARGE:
            self.ack_at = now
        else:
            due = now + (LARGE_ACK_DELAY if size >= LEAST_CHUNK else ACK_DELAY)
            self.ack_at = due if self.ack_at is None else min(self.ack_at, due)
        return True

    def ack_written(self) -> None:
        """Note that a new frame told the peer what was received."""
        self.ack_at = None
        self._bytes = self._large = 0

    def pause(self, paused: bool, now: float) -> None:
        """Acknowledge nothing more, so that the peer stops once its window is full; or all again, at once.

        Args:
            paused: which of both.
            now: seconds.
        """
        if self._paused and not paused:
            self.told = self.received
            self.ack_at = now
        self._paused = paused
