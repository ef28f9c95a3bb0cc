"""What a worker has to say to one peer, as much of it as its link has room for, and what it reads from it meanwhile."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator

from fedsock.errors import BadMessage
from fedsock.protocol.arrays import INLINE_BYTES
from fedsock.protocol.link import Link
from fedsock.worker.jobs import Compute, SendValue
from fedsock.worker.store import size_of

QUEUE_BYTES = 4 << 20
"""Messages queued on a link; with more, no other value is written, and nothing more is read from the peer."""

STREAM_BYTES = 16 << 20
"""Bytes of streams queued on a link; with more, no other stream begins. With fewer, one of any size does."""

MOST_WAITING = 10_000
"""Values that wait for room; with more, nothing more is read from the peer."""

HELD_BYTES = 32 << 20
"""Frames that came although nothing was acknowledged; of a peer that keeps to its window they are far fewer."""

Reading = Iterator[Compute | None]
"""Messages of a peer under way: what the engine gives for them."""


def full(link: Link) -> bool:
    """Return whether a link's queue has no room for more messages."""
    return link.queued_bytes > QUEUE_BYTES


def fits(link: Link, large: bool) -> bool:
    """Return whether a value can be written now.

    Args:
        link: the link.
        large: it becomes streams.
    """
    return not full(link) and not (large and link.queued_stream_bytes > STREAM_BYTES)


def is_large(value: SendValue) -> bool:
    """Return whether a value is counted among those that become streams."""
    return size_of(value.value) > INLINE_BYTES


class Outbox:
    """Values that wait for room on a link, and frames of its peer that wait until they are written.

    So nobody who asks for much and reads little makes a worker hold much: values become messages one by one, and what
    the peer says next stays with itself, for it is not acknowledged. Small values pass large ones.

    Args:
        link: the link.
    """

    __slots__ = ("_held", "_held_bytes", "_large", "_small", "link")

    def __init__(self, link: Link) -> None:
        self.link = link
        self._small: deque[SendValue] = deque()
        self._large: deque[SendValue] = deque()
        self._held: deque[tuple[Callable[[], Reading], int]] = deque()
        self._held_bytes = 0

    @property
    def full(self) -> bool:
        """Whether nothing more should be read from the peer."""
        return len(self._small) + len(self._large) > MOST_WAITING or full(self.link)

    @property
    def holding(self) -> bool:
        """Whether frames of the peer wait, so that all that follow have to."""
        return bool(self._held)

    @property
    def empty(self) -> bool:
        """Whether nothing waits."""
        return not (self._small or self._large or self._held)

    def add(self, value: SendValue) -> None:
        """Keep a value until there is room."""
        (self._large if is_large(value) else self._small).append(value)

    def values(self) -> Iterator[SendValue]:
        """Give the values that wait."""
        yield from self._small
        yield from self._large

    def next_value(self) -> SendValue | None:
        """Return a value that can be written now, or None."""
        if self._small and fits(self.link, large=False):
            return self._small.popleft()
        if self._large and fits(self.link, large=True):
            return self._large.popleft()
        return None

    def hold(self, read: Callable[[], Reading], nbytes: int) -> None:
        """Keep a frame of the peer until it can be read.

        Args:
            read: begins to.
            nbytes: its size.

        Raises:
            BadMessage: the peer doesn't keep to its window.
        """
        self._held_bytes += nbytes
        if self._held_bytes > HELD_BYTES:
            raise BadMessage("frames go on although none is acknowledged")
        self._held.append((read, nbytes))

    def hold_first(self, reading: Reading) -> None:
        """Keep what is left of a frame, to be read before all others."""
        self._held.appendleft((lambda: reading, 0))

    def next_frame(self) -> Callable[[], Reading] | None:
        """Return what reads a frame of the peer, if one can be read now."""
        if not self._held or self.full:
            return None
        read, nbytes = self._held.popleft()
        self._held_bytes -= nbytes
        return read
