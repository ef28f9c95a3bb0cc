r"""What a peer and its hub say to each other: frames without "to" (floor 1, no I/O).

    {"t":"hello","name":"bob","epoch":"3f2a","role":"worker","secret":"...","version":"fedsock/1"}\n

The message is the frame's head, its first key is "t", a newline ends it and nothing follows. A hub's own messages
keep within HEAD_LIMIT like every head; a peer's ``watch`` may be as long as a frame. Unknown fields and unknown
values of "t" are refused.

A conversation: the peer says ``hello`` first; the hub answers ``welcome``, or ``refused`` and closes. From then
on sessions hear of every worker that joins and leaves, workers of those peers that they ``watch``. A hub answers
a frame to nobody with ``unreachable``, one to a peer whose queue is full with ``hold`` and later ``go``, and asks
with ``probe`` whether a silent peer lives when another process wants its name. ``bye`` is a peer's farewell for
good, ``closing`` the hub's for now.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
import orjson

from fedsock.errors import BadFrame

VERSION = "fedsock/1"

Address = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9_.-]{0,62}@[0-9a-f]{4,32}$")]
Name = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9_.-]{0,62}$")]
Epoch = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{4,32}$")]
Short = Annotated[str, msgspec.Meta(max_length=256)]
Role = Literal["worker", "session"]


class HubMessage(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True, omit_defaults=True, tag_field="t"):
    """What every message between a peer and its hub is."""


class Hello(HubMessage, frozen=True, tag="hello"):
    """Peer -> hub, the first frame on a socket.

    Attributes:
        name: the peer's name.
        epoch: this life of it.
        role: worker or session.
        secret: known to this process only; the same name and secret takes over.
        token: what the hub's token file asks for.
        version: of the protocol.
    """

    name: Name
    epoch: Epoch
    role: Role
    secret: Short
    token: Short | None = None
    version: Short = VERSION

    def __repr__(self) -> str:
        """Return the message without its secrets."""
        return f"Hello(name={self.name!r}, epoch={self.epoch!r}, role={self.role!r})"


class Watch(HubMessage, frozen=True, tag="watch"):
    """Worker -> hub: tell me of these peers; replaces the list before."""

    peers: Annotated[list[Address], msgspec.Meta(max_length=10_000)]


class Bye(HubMessage, frozen=True, tag="bye"):
    """Peer -> hub: I leave for good."""


class Pong(HubMessage, frozen=True, tag="pong"):
    """Peer -> hub: the answer to a probe."""

    nonce: Short


class Welcome(HubMessage, frozen=True, tag="welcome"):
    """Hub -> peer: you are in.

    Attributes:
        address: the peer's own.
        workers: who is there (told to sessions).
    """

    address: Address
    workers: list[Address] = []


class Refused(HubMessage, frozen=True, tag="refused"):
    """Hub -> peer: you are not, or no longer, in; the socket closes."""

    code: Short
    message: Annotated[str, msgspec.Meta(max_length=2000)]


class Joined(HubMessage, frozen=True, tag="joined"):
    """Hub -> peer: a peer is there."""

    peer: Address
    role: Role


class Left(HubMessage, frozen=True, tag="left"):
    """Hub -> peer: a peer is gone."""

    peer: Address
    reason: Literal["gone", "bye", "superseded"]


class Unreachable(HubMessage, frozen=True, tag="unreachable"):
    """Hub -> peer: a frame to that address found nobody of that epoch."""

    peer: Address


class Hold(HubMessage, frozen=True, tag="hold"):
    """Hub -> peer: that peer's queue is full and frames were dropped; wait for Go, then send them again."""

    peer: Address


class Go(HubMessage, frozen=True, tag="go"):
    """Hub -> peer: send to that peer again."""

    peer: Address


class Probe(HubMessage, frozen=True, tag="probe"):
    """Hub -> peer: are you alive?"""

    nonce: Short


class Closing(HubMessage, frozen=True, tag="closing"):
    """Hub -> peer: the hub goes; keep trying to come back."""


FromPeer = Hello | Watch | Bye | Pong
FromHub = Welcome | Refused | Joined | Left | Unreachable | Hold | Go | Probe | Closing


def encode(message: HubMessage) -> bytes:
    """Return the frame of a message."""
    return orjson.dumps(msgspec.to_builtins(message)) + b"\n"


def from_peer(head: dict[str, Any]) -> FromPeer:
    """Return what a peer said.

    Args:
        head: the head of its frame.

    Raises:
        BadFrame: no message that a peer sends.
    """
    try:
        return msgspec.convert(head, FromPeer)  # type: ignore[no-any-return]
    except msgspec.ValidationError as error:
        raise BadFrame(f"not what a peer says to its hub: {error}") from None


def decode(head: dict[str, Any]) -> FromHub:
    """Return what a hub said.

    Args:
        head: the head of its frame.

    Raises:
        BadFrame: no message that a hub sends.
    """
    try:
        return msgspec.convert(head, FromHub)  # type: ignore[no-any-return]
    except msgspec.ValidationError as error:
        raise BadFrame(f"not what a hub says: {error}") from None
