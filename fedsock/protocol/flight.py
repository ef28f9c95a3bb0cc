"""The numbered frames of a link that the peer has not acknowledged yet (floor 1, no I/O).

Go-back-N: all frames from the last ack on are kept, and a cursor says which one is written next. Going back
moves the cursor to the oldest; the frames are then written again, byte for byte, as the window allows. A
clock runs while bytes are under way, and says when to go back because none was acknowledged for long.
"""

from __future__ import annotations

FLIGHT_FRAMES = 16 * 1024
"""Frames unacknowledged at most; a receiver calls a number that is farther ahead impossible."""

STALL = 5.0
"""Seconds without progress after which all that is unacknowledged is written again."""

HASTE = 1.0
"""Seconds without progress when there is a reason to doubt that what is under way arrives."""

LONGEST_STALL = 20.0
"""Seconds without progress at most: the wait doubles each time, for a line that is merely slow."""


class Flight:
    """The frames from the oldest unacknowledged one to the newest.

    Attributes:
        acked: the highest number that the peer acknowledged.
        numbered: the highest number given to a frame.
        cursor: the number of the frame to write next; ``numbered + 1`` when none is to be written again.
        bytes: of the frames before the cursor: those that are believed to be under way.
    """

    __slots__ = ("_kept", "_patience", "_stalled_at", "acked", "bytes", "cursor", "numbered")

    def __init__(self, base: int = 0) -> None:
        """Begin with nothing in flight.

        Args:
            base: the number before the first.
        """
        self._kept: dict[int, tuple[bytes, float | None, int]] = {}
        self.acked = base
        self.numbered = base
        self.cursor = base + 1
        self.bytes = 0
        self._stalled_at = 0.0
        self._patience = STALL

    def __len__(self) -> int:
        """Return how many frames are unacknowledged."""
        return self.numbered - self.acked

    @property
    def replaying(self) -> bool:
        """Whether frames wait to be written again."""
        return self.cursor <= self.numbered

    @property
    def stalled_at(self) -> float | None:
        """When going back is due, seconds; None while nothing is under way."""
        return self._stalled_at if self.bytes else None

    def add(self, frame: bytes, now: float, last_of: int = 0) -> None:
        """Keep the frame that is written now under the next number.

        Args:
            frame: built with the number ``numbered + 1``.
            now: seconds.
            last_of: the stream whose last chunk it is; 0 for none.
        """
        self.numbered = seq = self.numbered + 1
        self._kept[seq] = (frame, now, last_of)
        self.cursor = seq + 1
        if not self.bytes:
            self._stalled_at = now + self._patience
        self.bytes += len(frame)

    def replay(self, now: float) -> bytes:
        """Return the frame at the cursor, to be written again, and move on.

        Args:
            now: seconds.
        """
        seq = self.cursor
        frame, _, last_of = self._kept[seq]
        # Without a time: an ack doesn't tell which of the two writings it answers (Karn's algorithm).
        self._kept[seq] = (frame, None, last_of)
        self.cursor = seq + 1
        if not self.bytes:
            self._stalled_at = now + self._patience
        self.bytes += len(frame)
        return frame

    def go_back(self) -> None:
        """Take all that is unacknowledged as lost."""
        self.cursor = self.acked + 1
        self.bytes = 0
        self._patience = STALL

    def hasten(self, now: float) -> None:
        """Go back within ``HASTE`` if nothing is acknowledged until then.

        Args:
            now: seconds.
        """
        self._stalled_at = min(self._stalled_at, now + HASTE)

    def stalled(self) -> None:
        """Go back because nothing was acknowledged for long; the next time, wait longer."""
        patience = self._patience
        self.go_back()
        self._patience = min(2 * patience, LONGEST_STALL)

    def acknowledge(self, ack: int, now: float) -> tuple[int, float | None, list[int]]:
        """Drop the frames up to a number.

        Args:
            ack: above ``acked``, not above ``numbered``.
            now: seconds.

        Returns:
            The bytes that were under way and have arrived; when the newest of the frames was written, or None
            if that can't be told; and the streams whose last chunk was among them.
        """
        kept, cursor = self._kept, self.cursor
        arrived, ended = 0, []
        written_at: float | None = None
        for seq in range(self.acked + 1, ack + 1):
            frame, written_at, last_of = kept.pop(seq)
            if seq < cursor:
                arrived += len(frame)
            if last_of:
                ended.append(last_of)
        self.acked = ack
        self._patience = STALL
        self._stalled_at = now + STALL
        self.bytes -= arrived
        if ack >= cursor:
            self.cursor = ack + 1
            written_at = None
        return arrived, written_at, ended

    def close(self) -> None:
        """Drop all frames."""
        self._kept.clear()
        self.acked = self.numbered
        self.go_back()
