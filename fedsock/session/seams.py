"""What the session needs of a peer and its links, as types."""

from __future__ import annotations

from typing import Protocol


class End(Protocol):
    """Why a link is over."""

    @property
    def reason(self) -> str:
        """lost, bye, reset, hub_lost, closed, …."""

    @property
    def code(self) -> str:
        """A short word more, or nothing."""


class Link(Protocol):
    """The sending side of the conversation with one life of a worker."""

    @property
    def queued_messages(self) -> int:
        """Messages not written yet."""

    @property
    def queued_bytes(self) -> int:
        """Their bytes."""

    @property
    def written_tickets(self) -> int:
        """Every ticket up to this one was written."""

    def send(self, message: bytes) -> int:
        """Queue a message and return its ticket."""

    def withdraw(self, ticket: int) -> bool:
        """Take a message that was not written out of the queue; False when it was written."""

    def send_stream(self, data: memoryview) -> int:
        """Queue bytes that stay unchanged until they are sent, and return the stream's number."""

    def stop_stream(self, number: int) -> None:
        """Send no more of a stream."""


class Peer(Protocol):
    """Who carries the session's links."""

    @property
    def present(self) -> set[str]:
        """Addresses of the workers that are there."""

    def link(self, remote: str) -> Link:
        """Return the link with an address, a new one if there is none."""

    def forget(self, remote: str) -> None:
        """Drop the link with an address."""

    def wake(self) -> None:
        """Something was queued."""

    async def close(self, timeout: float = 5) -> None:
        """Send what is queued and leave."""
