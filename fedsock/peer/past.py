"""Which conversations of a peer are over, and what begins a new one."""

from __future__ import annotations

from collections import OrderedDict

from fedsock.protocol.frames import CONVERSATION, Head
from fedsock.protocol.link import UNKNOWN_LINK, Link

LINK_OVER = "link_over"
"""The code of a reset by a peer that gave the conversation up."""

REMEMBERED = 1000
"""Addresses whose last conversation is remembered."""


class Past:
    """The last conversation with each address, as far as it is over.

    A session that a worker gave up may write its first frame again, not knowing: taken for a new one, its ops would
    run twice. So a conversation that begins anew has higher numbers, and what has those of an old one is refused.
    """

    __slots__ = ("_last",)

    def __init__(self) -> None:
        self._last: OrderedDict[str, int] = OrderedDict()

    def over(self, link: Link) -> None:
        """Note that a link is no more."""
        self._last[link.remote] = link.base
        self._last.move_to_end(link.remote)
        if len(self._last) > REMEMBERED:
            self._last.popitem(last=False)

    def base(self, remote: str) -> int:
        """Return the number before the first of a conversation that begins here and now.

        Args:
            remote: with whom.
        """
        last = self._last.get(remote)
        return 0 if last is None else last + CONVERSATION

    def begins(self, head: Head, link: Link | None) -> bool:
        """Return whether a frame is the first one of a newer conversation than there is or was with its sender.

        Args:
            head: the frame's.
            link: the one there is.
        """
        # Its sender can't have received anything in it yet.
        if head.seq is None or head.seq != head.base + 1 or head.ack != head.base:
            return False
        last = self._last.get(head.sender, -1) if link is None else link.base
        return head.base > last

    def refusal(self, head: Head) -> str:
        """Return the code of the reset that answers a frame of no conversation that there is.

        Args:
            head: the frame's.
        """
        return LINK_OVER if head.base <= self._last.get(head.sender, -1) else UNKNOWN_LINK
