"""One peer at a hub: who it is, and what waits to be written to it."""

from __future__ import annotations

import hmac
from collections import deque

from fedsock.protocol.frames import Frame
from fedsock.protocol.hubmessages import ANONYMOUS, Hello, Role


class Outbox:
    """What waits to be written to one peer, in order.

    Attributes:
        frames: each with whether it travels as a binary message.
        size: their bytes.
    """

    __slots__ = ("frames", "size")

    def __init__(self) -> None:
        self.frames: deque[tuple[Frame, bool]] = deque()
        self.size = 0

    def put(self, frame: Frame, binary: bool = False) -> None:
        """Queue a frame."""
        self.frames.append((frame, binary))
        self.size += len(frame)

    def take(self) -> tuple[Frame, bool]:
        """Return the first frame and whether it is binary."""
        entry = self.frames.popleft()
        self.size -= len(entry[0])
        return entry

    def clear(self) -> None:
        """Forget everything."""
        self.frames.clear()
        self.size = 0


class Member:
    """One peer at the hub, on one socket.

    Args:
        hello: what it said.
        user: who it is by its token.

    Attributes:
        address: ``name@epoch``.
        name: its name.
        role: worker or session.
        outbox: what waits to be written to it.
        present: the router knows it; what others send is queued, what it sends is routed.
        farewell: close code and reason to close its socket with, once the outbox is empty.
        probed: it was asked whether it lives; whatever it sends is the answer.
        watching: addresses whose presence it asked for.
        user: who the hub knows it to be.
        met: whom it exchanged frames with; of the two, a worker was told the other's user.
    """

    __slots__ = (
        "_secret", "address", "farewell", "met", "name", "outbox", "present", "probed", "role", "user", "watching",
    )  # fmt: skip

    def __init__(self, hello: Hello, user: str = ANONYMOUS) -> None:
        self.address = f"{hello.name}@{hello.epoch}"
        self.name = hello.name
        self.role: Role = hello.role
        self._secret = hello.secret.encode()
        self.outbox = Outbox()
        self.present = False
        self.farewell: tuple[int, str] | None = None
        self.probed = False
        self.watching: frozenset[str] = frozenset()
        self.user = user
        self.met: set[Member] = set()

    def meet(self, other: Member) -> None:
        """Note that frames pass between this member and another."""
        self.met.add(other)
        other.met.add(self)

    def part(self) -> None:
        """Be forgotten by everybody it met."""
        while self.met:
            self.met.pop().met.discard(self)

    def __repr__(self) -> str:
        """Show who it is, and no secret."""
        return f"<{type(self).__name__} {self.role} {self.address}>"

    def knows(self, secret: str) -> bool:
        """Return, in constant time, whether a secret is this member's own."""
        return hmac.compare_digest(self._secret, secret.encode())
