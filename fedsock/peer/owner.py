"""Whom a peer speaks for: a session or a worker."""

from __future__ import annotations

from typing import Protocol

from fedsock.protocol.link import LinkEnd


class Owner(Protocol):
    """Whom a peer speaks for; all methods are plain and quick, and called on the loop."""

    def batch(self, remote: str, body: memoryview) -> None:
        """A frame's messages arrived (a ProtocolError raised here resets that link)."""

    def chunk(self, remote: str, stream: int, at: int, data: memoryview) -> None:
        """A chunk of a stream arrived (a ProtocolError raised here resets that link)."""

    def progressed(self, remote: str) -> None:
        """A frame arrived, and what it brought was taken: the link may have room again."""

    def sent(self, remote: str, stream: int) -> None:
        """An outgoing stream was acknowledged whole."""

    def ended(self, remote: str, end: LinkEnd) -> None:
        """The link with an address is over."""

    def joined(self, address: str, role: str, user: str | None) -> None:
        """A peer is there; a worker hears who the user of a session is, before anything else of it."""

    def left(self, address: str, reason: str) -> None:
        """A peer is gone."""

    def hub_up(self) -> None:
        """The hub answered."""

    def hub_down(self) -> None:
        """The socket to the hub broke."""
