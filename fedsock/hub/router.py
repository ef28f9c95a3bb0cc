"""Who is here and where frames go: all that a hub decides, without sockets, tasks or clocks.

Events come in as calls (``join``, ``route``, ``taken``, ``leave``, ``drop``, ``close``); what is to be sent
lies in the members' outboxes afterwards, and a ``Shell`` is told whose outbox to look into.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Generic, Protocol, TypeVar

from fedsock.errors import BadFrame, NameTaken, Superseded
from fedsock.hub.lives import Lives
from fedsock.hub.member import Member
from fedsock.protocol.frames import Frame, is_binary, link_head, split
from fedsock.protocol.hubmessages import (
    Bye,
    Closing,
    FromPeer,
    Go,
    Hello,
    Hold,
    HubMessage,
    Joined,
    Left,
    Probe,
    Reason,
    Refused,
    Unreachable,
    Watch,
    encode,
    from_peer,
    is_from_peer,
    welcome,
)
from fedsock.transport.base import BAD_DATA, GOING_AWAY, NORMAL, POLICY, TRY_AGAIN

OUTBOX_BYTES = 16 * 1024 * 1024
"""Bytes of frames that may wait for one peer; beyond it their senders are told to hold."""

GO_BYTES = OUTBOX_BYTES // 2
"""Bytes at which they are told to go on: far enough below, so that holds don't follow each other closely."""

OWN_BYTES = 1024 * 1024
"""Bytes above OUTBOX_BYTES for the hub's own messages; a peer that doesn't read those either is dropped."""


class ForeignSender(BadFrame):
    """A frame's ``from`` is not the address of the peer that sent it."""


M = TypeVar("M", bound=Member)
_Told = TypeVar("_Told", bound=Member, contravariant=True)


class Shell(Protocol[_Told]):
    """Whom a router tells what to look at; called from within the router's methods, and must not call it."""

    def wake(self, member: _Told) -> None:
        """An outbox that was empty isn't any more, or ``farewell`` was set."""

    def alive(self, member: _Told) -> None:
        """A probed member gave a sign of life."""

    def left(self, member: _Told, reason: Reason) -> None:
        """A member is not here any more."""


class Router(Generic[M]):
    """The members of a hub, and what they say to each other and to it.

    Args:
        shell: who writes what the router queues.
    """

    def __init__(self, shell: Shell[M]) -> None:
        self._shell = shell
        self._by_address: dict[str, M] = {}
        self._by_name: dict[str, M] = {}
        self._sessions: set[M] = set()
        self._watchers: dict[str, set[M]] = {}
        # Whose outbox is full -> who was told to hold.
        self._holders: dict[M, set[M]] = {}
        self._lives = Lives()

    def __len__(self) -> int:
        return len(self._by_address)

    def __iter__(self) -> Iterator[M]:
        return iter(list(self._by_address.values()))

    # Coming and going

    def rival(self, hello: Hello) -> M | None:
        """Return who must be asked before a newcomer gets its name: a holder of it with another secret.

        Args:
            hello: what the newcomer said.
        """
        holder = self._by_name.get(hello.name)
        return None if holder is None or holder.knows(hello.secret) else holder

    def impostor(self, hello: Hello, user: str) -> bool:
        """Return whether a newcomer's address is another's, who may be away: what is sent to it is not for this one.

        Args:
            hello: what the newcomer said.
            user: who it is by its token.
        """
        return self._lives.another(f"{hello.name}@{hello.epoch}", hello.secret, user)

    def join(self, member: M, secret: str) -> None:
        """Let a peer in; who had its name until now is out.

        Args:
            member: the newcomer.
            secret: its own; a holder of the name that shares it is told that it was superseded.
        """
        holder = self._by_name.get(member.name)
        if holder is not None:
            self._replace(holder, member, same_process=holder.knows(secret))
        workers = [other.address for other in self if other.role == "worker"] if member.role == "session" else []
        member.present = True
        self._lives.note(member.address, secret, member.user)
        for frame in welcome(member.address, workers):
            self._put(member, frame)
        if member.role == "worker":
            self._announce(member, Joined(member.address, member.role))
        else:
            for watcher in tuple(self._watchers.get(member.address, ())):
                self._present(member, watcher)
        self._by_address[member.address] = member
        self._by_name[member.name] = member
        if member.role == "session":
            self._sessions.add(member)

    def _replace(self, holder: M, member: M, *, same_process: bool) -> None:
        if same_process:
            holder_told = Refused(Superseded.code, "a newer socket of the same process took over")
        else:
            holder_told = Refused(NameTaken.code, "this process did not answer, and another one took its name")
        # The same life on a new socket is gone for a moment only: links replay what the old socket lost.
        same_life = holder.address == member.address
        reason: Reason = "superseded" if same_process and not same_life else "gone"
        self.drop(holder, POLICY, holder_told, reason)

    def leave(self, member: M, reason: Reason) -> None:
        """Take a peer out and tell whom it concerns; again is harmless.

        Args:
            member: who leaves.
            reason: why; told to the others.
        """
        if not member.present:
            return
        member.present = False
        member.outbox.clear()
        del self._by_address[member.address]
        del self._by_name[member.name]
        self._sessions.discard(member)
        self._unwatch(member)
        member.part()
        self._let_go(member)
        for holders in self._holders.values():
            holders.discard(member)
        self._shell.left(member, reason)
        self._announce(member, Left(member.address, reason))

    def drop(self, member: M, code: int, last: Refused, reason: Reason = "gone") -> None:
        """Take a peer out and have its socket closed after a last message; what waits for it is forgotten.

        Args:
            member: who must go.
            code: the close code.
            last: told to it before.
            reason: told to the others.
        """
        if not member.present:
            return
        self.leave(member, reason)
        member.outbox.put(encode(last))
        member.farewell = (code, last.code)
        self._shell.wake(member)

    def close(self) -> None:
        """Tell everybody that the hub goes: outboxes get ``closing`` at their end and then a farewell."""
        frame = encode(Closing())
        for member in self:
            member.present = False
            member.part()
            member.outbox.put(frame)
            member.farewell = (GOING_AWAY, "the hub closes")
            self._shell.wake(member)
            self._shell.left(member, "gone")
        self._by_address.clear()
        self._by_name.clear()
        self._sessions.clear()
        self._watchers.clear()
        self._holders.clear()

    # Frames

    def route(self, sender: M, frame: Frame) -> None:
        """Forward a peer's frame, or do what it says to the hub itself.

        Args:
            sender: who sent it.
            frame: as it came.

        Raises:
            ForeignSender: it claims to come from somebody else.
            BadFrame: its head, or its text, is malformed.
        """
        if not sender.present:
            # Out already, though its socket isn't closed yet; links replay what is lost here.
            return
        if sender.probed:
            sender.probed = False
            self._shell.alive(sender)
        if is_from_peer(frame):
            self._obey(sender, from_peer(frame))
            return
        head, _ = split(frame)
        if "to" not in head:
            raise BadFrame('a head has "to", or begins with "t"')
        link_head(head)
        if head["from"] != sender.address:
            raise ForeignSender(f"a frame of {sender.address} says that it comes from somebody else")
        binary = is_binary(head)
        if not binary and not frame.isascii():
            # Its receiver may be one that closes the socket over bad text: that must not be its trouble.
            _check_text(frame)
        self._forward(sender, head["to"], frame, binary)

    def _forward(self, sender: M, to: str, frame: Frame, binary: bool) -> None:
        target = self._by_address.get(to)
        if target is None:
            self._tell(sender, Unreachable(to))
        elif self._holders and sender in self._holders.get(target, ()):
            # It was told to hold and will send this again: letting it pass now would only make a gap.
            return
        elif target.outbox.size + len(frame) > OUTBOX_BYTES:
            self._holders.setdefault(target, set()).add(sender)
            self._tell(sender, Hold(to))
        else:
            if target not in sender.met:
                # As the frame fits, so does this: there is room of its own for what the hub says.
                self._introduce(sender, target)
            self._put(target, frame, binary)

    def taken(self, member: M) -> None:
        """Note that frames were taken out of an outbox: who holds may go on once half of it is free.

        Args:
            member: whose.
        """
        if member in self._holders and member.outbox.size <= GO_BYTES:
            self._let_go(member)

    def _let_go(self, member: M) -> None:
        holders = self._holders.pop(member, ())
        for sender in holders:
            self._tell(sender, Go(member.address))

    # What peers say to the hub

    def _obey(self, sender: M, message: FromPeer) -> None:
        if isinstance(message, Watch):
            self._watch(sender, message.peers)
        elif isinstance(message, Bye):
            self.leave(sender, "bye")
            sender.farewell = (NORMAL, "bye")
            self._shell.wake(sender)
        elif isinstance(message, Hello):
            raise BadFrame("a second hello on one socket")
        # A Pong has done its work by coming.

    def probe(self, member: M, nonce: str) -> None:
        """Ask a peer whether it lives; ``Shell.alive`` is called when anything comes from it.

        Args:
            member: whom.
            nonce: returned in its answer.
        """
        member.probed = True
        self._tell(member, Probe(nonce))

    def _watch(self, member: M, peers: Iterable[str]) -> None:
        self._unwatch(member)
        member.watching = frozenset(peers)
        for address in member.watching:
            self._watchers.setdefault(address, set()).add(member)
        # Not in one loop: telling may drop the member, and then nothing of it may stay behind.
        for address in member.watching:
            found = self._by_address.get(address)
            if found is None:
                self._tell(member, Left(address, "gone"))
            else:
                self._present(found, member)

    def _unwatch(self, member: M) -> None:
        for address in member.watching:
            watchers = self._watchers[address]
            watchers.discard(member)
            if not watchers:
                del self._watchers[address]
        member.watching = frozenset()

    # What the hub says

    def _announce(self, about: M, news: Joined | Left) -> None:
        told = set(self._watchers.get(about.address, ()))
        if about.role == "worker":
            told |= self._sessions
        if told:
            frame = encode(news)
            for member in told:
                self._put_own(member, frame)

    def _introduce(self, one: M, other: M) -> None:
        """Let two meet, whose frames have not passed here yet: of a session and a worker, the worker hears whose."""
        if one.role == other.role:
            one.meet(other)
        elif one.role == "session":
            self._present(one, other)
        else:
            self._present(other, one)

    def _present(self, about: M, to: M) -> None:
        """Tell one that another is here. Whose session it is, is for workers only."""
        if not to.present:
            return
        user = None
        if about.role == "session" and to.role == "worker":
            user = about.user
            about.meet(to)
        self._tell(to, Joined(about.address, about.role, user))

    def _tell(self, member: M, message: HubMessage) -> None:
        self._put_own(member, encode(message))

    def _put_own(self, member: M, frame: bytes) -> None:
        if not member.present:
            return
        if member.outbox.size + len(frame) > OUTBOX_BYTES + OWN_BYTES:
            self.drop(member, TRY_AGAIN, Refused("slow", "this peer doesn't read what the hub sends it; come back"))
        else:
            self._put(member, frame)

    def _put(self, member: M, frame: Frame, binary: bool = False) -> None:
        outbox = member.outbox
        outbox.put(frame, binary)
        if len(outbox.frames) == 1:
            self._shell.wake(member)


def close_code(error: BadFrame) -> int:
    """Return the code to close the socket of a peer with that sent such a frame."""
    return POLICY if isinstance(error, ForeignSender) else BAD_DATA


def _check_text(frame: Frame) -> None:
    try:
        frame.decode()
    except UnicodeDecodeError:
        raise BadFrame("a frame that is no chunk must be UTF-8 text") from None
