"""Who is there, and where a frame goes. Pure: no I/O, no clock, no asyncio."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import Literal

from fedsock.errors import BadFrame
from fedsock.protocol import hubmessages as m
from fedsock.protocol.frames import link_head, split

OUTBOX_BYTES = 16 << 20
"""What may wait for one peer; beyond it senders are told to hold."""


class Member:
    """One peer at the hub, and what waits to be written to it.

    Attributes:
        address: ``name@epoch``.
        name: its name.
        role: worker or session.
        secret: its process's secret.
        outbox: frames to be written, in order.
        queued_bytes: their bytes.
        holding: senders that were told to hold.
        watching: addresses whose presence it asked for.
        wake: called when something was put in an empty outbox.
        gone: it has left; nothing is put in its outbox any more.
    """

    __slots__ = (
        "address", "gone", "holding", "name", "outbox", "queued_bytes", "role", "secret", "wake", "watching",
    )  # fmt: skip

    def __init__(self, address: str, role: Literal["worker", "session"], secret: str, wake: Callable[[], None]) -> None:
        self.address = address
        self.name = address.partition("@")[0]
        self.role: Literal["worker", "session"] = role
        self.secret = secret
        self.wake = wake
        self.outbox: deque[bytes] = deque()
        self.queued_bytes = 0
        self.holding: set[str] | None = None
        self.watching: frozenset[str] = frozenset()
        self.gone = False

    def put(self, frame: bytes) -> None:
        """Queue a frame, whatever waits already (the hub's own messages are small)."""
        if self.gone:
            return
        self.outbox.append(frame)
        self.queued_bytes += len(frame)
        if len(self.outbox) == 1:
            self.wake()


class Router:
    """The members of a hub by address and by name."""

    def __init__(self) -> None:
        self._by_address: dict[str, Member] = {}
        self._by_name: dict[str, Member] = {}
        self._watchers: dict[str, set[str]] = {}

    def __len__(self) -> int:
        return len(self._by_address)

    def named(self, name: str) -> Member | None:
        """Return who has a name."""
        return self._by_name.get(name)

    def members(self) -> Iterable[Member]:
        """Return all who are there."""
        return list(self._by_address.values())

    def join(self, member: Member) -> None:
        """Let a peer in: welcome it and tell those who want to know."""
        workers = [m.address for m in self._by_address.values() if m.role == "worker"]
        self._by_address[member.address] = member
        self._by_name[member.name] = member
        member.put(m.encode(m.Welcome(address=member.address, workers=workers if member.role == "session" else [])))
        self._announce(member, m.encode(m.Joined(peer=member.address, role=member.role)))

    def leave(self, member: Member, reason: Literal["gone", "bye", "superseded"]) -> None:
        """Take a peer out and tell those who want to know; again is harmless."""
        if member.gone:
            return
        member.gone = True
        member.outbox.clear()
        member.queued_bytes = 0
        if self._by_address.get(member.address) is member:
            del self._by_address[member.address]
        if self._by_name.get(member.name) is member:
            del self._by_name[member.name]
        self._unwatch(member)
        self._announce(member, m.encode(m.Left(peer=member.address, reason=reason)))
        self._let_go(member)

    def watch(self, member: Member, peers: Iterable[str]) -> None:
        """Tell a member from now on of these peers, and how they stand now."""
        self._unwatch(member)
        member.watching = frozenset(peers)
        for address in member.watching:
            self._watchers.setdefault(address, set()).add(member.address)
            found = self._by_address.get(address)
            if found is None:
                member.put(m.encode(m.Left(peer=address, reason="gone")))
            else:
                member.put(m.encode(m.Joined(peer=address, role=found.role)))

    def route(self, sender: Member, frame: bytes) -> m.FromPeer | None:
        """Forward a frame of a peer; returns what it said to the hub itself, if it did.

        Args:
            sender: who it came from.
            frame: as it came; its body is not looked at.

        Raises:
            BadFrame: its head is none, or its ``from`` is not the sender's own address.
        """
        head, _ = split(frame)
        to = head.get("to")
        if to is None:
            return m.from_peer(head)
        link_head(head)
        if head["from"] != sender.address:
            raise BadFrame("a frame in another peer's name")
        target = self._by_address.get(to)
        if target is None:
            sender.put(m.encode(m.Unreachable(peer=to)))
        elif target.queued_bytes + len(frame) > OUTBOX_BYTES:
            if target.holding is None:
                target.holding = set()
            target.holding.add(sender.address)
            sender.put(m.encode(m.Hold(peer=to)))
        else:
            target.put(frame)
        return None

    def written(self, member: Member, frame: bytes) -> None:
        """Take note that the first frame of an outbox was written."""
        member.queued_bytes -= len(frame)
        if member.holding is not None and member.queued_bytes <= OUTBOX_BYTES // 2:
            self._let_go(member)

    def _let_go(self, member: Member) -> None:
        holding, member.holding = member.holding, None
        for address in holding or ():
            if (sender := self._by_address.get(address)) is not None:
                sender.put(m.encode(m.Go(peer=member.address)))

    def _announce(self, about: Member, frame: bytes) -> None:
        told = set(self._watchers.get(about.address, ()))
        if about.role == "worker":
            told |= {one.address for one in self._by_address.values() if one.role == "session"}
        told.discard(about.address)
        for address in told:
            if (member := self._by_address.get(address)) is not None:
                member.put(frame)

    def _unwatch(self, member: Member) -> None:
        for address in member.watching:
            watchers = self._watchers.get(address)
            if watchers is not None:
                watchers.discard(member.address)
                if not watchers:
                    del self._watchers[address]
        member.watching = frozenset()
