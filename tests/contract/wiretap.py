"""Counts the frames that really go over the transports of this process: memory pairs and WebSockets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson
import pytest

from fedsock.protocol.frames import Frame
from fedsock.transport.base import Transport


class Wiretap:
    """Notes every frame that is handed to a transport.

    Attributes:
        frames: (the transport, the head, the body) of each.
        listener: called with the body of each.
    """

    def __init__(self) -> None:
        self.frames: list[tuple[Transport, dict[str, Any], bytes]] = []
        self.listener: Callable[[bytes], None] | None = None

    def note(self, transport: Transport, frame: Frame) -> None:
        head, _, body = bytes(frame).partition(b"\n")
        self.frames.append((transport, orjson.loads(head), body))
        if self.listener is not None:
            self.listener(body)

    def to(self, name: str) -> list[tuple[Transport, bytes]]:
        """Return (transport, body) of the frames of messages to a peer, in order; acks alone don't count."""
        return [
            (transport, body)
            for transport, head, body in self.frames
            if head.get("to", "").partition("@")[0] == name and "seq" in head
        ]


def tapped(monkeypatch: pytest.MonkeyPatch, *kinds: type[Transport]) -> Wiretap:
    """Return a tap on all transports of some kinds, until the test ends."""
    tap = Wiretap()
    for kind in kinds:
        write = kind.write  # ``send`` ends in it too

        def noted(self: Transport, frame: Frame, *, binary: bool = False, write: Any = write) -> bool:
            written: bool = write(self, frame, binary=binary)
            if written:
                tap.note(self, frame)
            return written

        monkeypatch.setattr(kind, "write", noted)
    return tap
