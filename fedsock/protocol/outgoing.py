"""What a link has yet to write: the queue of messages and the streams to cut (floor 1, no I/O).

Messages leave in the order they came, many to a batch. Streams are cut chunk by chunk, one of each in turn.
"""

from __future__ import annotations

from collections import deque

from fedsock.errors import ValueTooLarge
from fedsock.protocol.frames import BODY_LIMIT, JSON_BATCH_BYTES

MESSAGE_LIMIT = BODY_LIMIT - 2
"""Bytes of the longest message that fits into a frame of its own, in brackets."""

_COMPACT_AT = 4096
"""Places that the front of the list moves before the list is cut there; cutting moves all that follow."""


class Queue:
    """Encoded JSON messages in the order they were given, each under a ticket (1, 2, ...).

    A list with a moving front: adding is an append, withdrawing leaves a hole, and the list costs eight bytes
    a message, with no container that the garbage collector would have to visit.

    Attributes:
        bytes: of the messages that wait.
        written: every ticket up to this one was written or withdrawn.
    """

    __slots__ = ("_closed", "_front", "_holes", "_messages", "bytes", "written")

    def __init__(self) -> None:
        self._messages: list[bytes | None] = []
        self._front = 0
        self._holes = 0
        self._closed = False
        self.bytes = 0
        self.written = 0

    def __len__(self) -> int:
        """Return how many messages wait."""
        return len(self._messages) - self._front - self._holes

    def add(self, message: bytes) -> int:
        """Queue one message and return its ticket.

        Args:
            message: one JSON object.

        Raises:
            ValueTooLarge: it is longer than ``MESSAGE_LIMIT``.
        """
        size = len(message)
        if size > MESSAGE_LIMIT:
            raise ValueTooLarge(f"a message may have {MESSAGE_LIMIT} bytes of JSON, this one has {size}")
        messages = self._messages
        if self._closed:
            messages.append(None)
            self._holes += 1
        else:
            messages.append(message)
            self.bytes += size
        return self.written - self._front + len(messages)

    def withdraw(self, ticket: int) -> bool:
        """Take a message back; return whether it still waited.

        Args:
            ticket: what ``add`` returned.
        """
        place = ticket - 1 - self.written + self._front
        if not self._front <= place < len(self._messages):
            return False
        message = self._messages[place]
        if message is None:
            return False
        self._messages[place] = None
        self._holes += 1
        self.bytes -= len(message)
        if len(self._messages) == self._front + self._holes and not self._closed:
            self._forget(len(self._messages))
        return True

    def cut(self) -> bytes:
        """Return the next batch, a JSON array, and mark its messages as written; at least one must wait.

        The batch has at most ``JSON_BATCH_BYTES``, or is one larger message alone.
        """
        messages = self._messages
        if not self._front and not self._holes and self.bytes + len(messages) < JSON_BATCH_BYTES:
            body = b"[" + b",".join(messages) + b"]"  # type: ignore[arg-type]  # without holes all are bytes
            self.bytes = 0
            self._forget(len(messages))
            return body
        batch: list[bytes] = []
        room = JSON_BATCH_BYTES - 1
        place, end = self._front, len(messages)
        while place < end:
            message = messages[place]
            if message is not None:
                room -= len(message) + 1
                if room < 0 and batch:
                    break
                batch.append(message)
                self.bytes -= len(message)
            else:
                self._holes -= 1
            place += 1
        self._forget(place)
        return b"[" + b",".join(batch) + b"]"

    def close(self) -> None:
        """Drop all that waits and keep nothing that is added later; ``written`` stays as it is."""
        waiting = len(self._messages) - self._front
        self._messages = [None] * waiting
        self._front = 0
        self._holes = waiting
        self.bytes = 0
        self._closed = True

    def _forget(self, place: int) -> None:
        """Move the front to a place of the list; what stands before it was written or withdrawn."""
        self.written += place - self._front
        if place == len(self._messages):
            self._messages.clear()
            self._front = self._holes = 0
        elif place >= _COMPACT_AT:
            del self._messages[:place]
            self._front = 0
        else:
            # Written messages must not be kept alive by the list.
            self._messages[self._front : place] = [None] * (place - self._front)
            self._front = place


class Streams:
    """Large values on their way out, each under a number (1, 2, ...), cut into chunks one of each in turn.

    Attributes:
        active: number -> bytes of the streams that have some to be cut, or are empty and have their one chunk to come.
        bytes: still to be cut.
        unsent: the numbers of the streams whose end nobody was told of, by ``acknowledged`` or ``stop``.
    """

    __slots__ = ("_at", "_last", "_turn", "active", "bytes", "unsent")

    def __init__(self) -> None:
        self.active: dict[int, memoryview] = {}
        self._at: dict[int, int] = {}
        self._turn: deque[int] = deque()
        self._last = 0
        self.bytes = 0
        self.unsent: set[int] = set()

    def __len__(self) -> int:
        """Return how many streams have bytes to be cut."""
        return len(self.active)

    def add(self, data: memoryview) -> int:
        """Begin a stream and return its number.

        Args:
            data: its bytes, C-contiguous; must not change until all are cut. Of format "B" or another that
                ``memoryview.cast`` knows (numpy: pass complex numbers, text and times as a view of uint8).
        """
        flat = data.cast("B") if data.nbytes else memoryview(b"")
        self._last = number = self._last + 1
        self.active[number] = flat
        self._at[number] = 0
        self._turn.append(number)
        self.unsent.add(number)
        self.bytes += len(flat)
        return number

    def stop(self, number: int) -> bool:
        """Drop what is uncut of a stream; return whether it was unsent.

        Args:
            number: what ``add`` returned.
        """
        if number not in self.unsent:
            return False
        self.unsent.remove(number)
        data = self.active.pop(number, None)
        if data is not None:
            self.bytes -= len(data) - self._at.pop(number)
            self._turn.remove(number)
        return True

    def acknowledged(self, number: int) -> bool:
        """Note that the last chunk of a stream arrived; return whether it was unsent, and not stopped.

        Args:
            number: what ``add`` returned.
        """
        if number not in self.unsent:
            return False
        self.unsent.remove(number)
        return True

    def cut(self, limit: int) -> tuple[int, int, memoryview, bool]:
        """Return the next chunk: stream number, offset, bytes, and whether it is the stream's last one.

        At least one stream must be there. An empty stream is one empty chunk.

        Args:
            limit: bytes that the chunk may have.
        """
        number = self._turn.popleft()
        data, at = self.active[number], self._at[number]
        end = at + limit
        chunk = data[at:end]
        self.bytes -= len(chunk)
        if end < len(data):
            self._at[number] = end
            self._turn.append(number)
            return number, at, chunk, False
        del self.active[number], self._at[number]
        return number, at, chunk, True

    def close(self) -> None:
        """Drop all streams."""
        self.active.clear()
        self._at.clear()
        self._turn.clear()
        self.unsent.clear()
        self.bytes = 0
