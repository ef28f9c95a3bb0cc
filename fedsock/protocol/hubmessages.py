r"""What a peer and its hub say to each other: frames without "to" (floor 1, no I/O).

    {"t":"hello","name":"bob","epoch":"3f2a","role":"worker","secret":"...","version":"fedsock/1"}\n

The message is the frame's head, its first key is "t", a newline ends it and nothing follows. A hub's own
messages keep within HEAD_LIMIT like every head; a peer's ``watch`` may be as long as a frame. Unknown fields
and unknown values of "t" are refused.

A conversation: the peer says ``hello`` first; the hub answers ``welcome``, or ``refused`` and closes. From
then on sessions hear of every worker that joins and leaves, and everybody of those peers that it watches. A
hub answers a frame to nobody with ``unreachable``, one to a peer whose queue is full with ``hold`` and later
``go``, and asks with ``probe`` whether a silent peer lives when another process wants its name. ``bye`` is a
peer's farewell for good, ``closing`` the hub's for now.

A worker hears who the user of a session is, by a ``joined`` with ``user``, before the first frame that the hub
forwards between the two, and anew when either has another socket. The hub takes the user from the token that the
session showed, never from a name that it gives itself. Sessions are told of no users.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, Literal

import msgspec

from fedsock.errors import BadFrame
from fedsock.protocol.frames import HEAD_LIMIT, Frame, split

VERSION = "fedsock/1"
"""The protocol that both ends must speak."""

WATCH_LIMIT = 10_000
"""Peers that one peer may watch; the longest list fits into a frame."""

ANONYMOUS = "anonymous"
"""The user of every peer that its hub can't tell from others: without tokens, or with one that stands for any name."""

Role = Literal["worker", "session"]
"""What a peer is."""

Reason = Literal["gone", "bye", "superseded"]
"""Why a peer is not here."""

# \Z, because $ would let a trailing newline pass.
_Name = Annotated[str, msgspec.Meta(pattern=r"\A[a-z0-9][a-z0-9_.-]{0,62}\Z")]
_Epoch = Annotated[str, msgspec.Meta(pattern=r"\A[0-9a-f]{4,32}\Z")]
_Address = Annotated[str, msgspec.Meta(pattern=r"\A[a-z0-9][a-z0-9_.-]{0,62}@[0-9a-f]{4,32}\Z")]
_Secret = Annotated[str, msgspec.Meta(min_length=16, max_length=128)]
_Token = Annotated[str, msgspec.Meta(min_length=1, max_length=512)]
_Nonce = Annotated[str, msgspec.Meta(max_length=64)]
_Text = Annotated[str, msgspec.Meta(max_length=1000)]
_Code = Annotated[str, msgspec.Meta(pattern=r"\A[a-z][a-z_]{0,31}\Z")]


class HubMessage(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True, omit_defaults=True, tag_field="t"):
    """What every message between a peer and its hub is: frozen, and strict about its fields."""


class Hello(HubMessage, frozen=True, tag="hello"):
    """Peer -> hub, first on a socket: let me in.

    Attributes:
        name: what the peer is called.
        epoch: this life of it, random hexadecimal digits.
        role: worker or session.
        secret: made by the process, shown to its hub only: who shows it again may take the name over.
        version: the protocol that the peer speaks.
        token: what the owner of the hub gave out, where the hub asks for one.
    """

    name: _Name
    epoch: _Epoch
    role: Role
    secret: _Secret
    # A factory, so that the version stands on the wire: plain defaults are left out.
    version: Annotated[str, msgspec.Meta(max_length=32)] = msgspec.field(default_factory=lambda: VERSION)
    token: _Token | None = None

    def __repr__(self) -> str:
        """Show no secret: a repr ends in logs."""
        return f"Hello(name={self.name!r}, epoch={self.epoch!r}, role={self.role!r}, version={self.version!r})"


class Watch(HubMessage, frozen=True, tag="watch"):
    """Peer -> hub: tell me whether these are here, now and whenever it changes; replaces the list before."""

    peers: Annotated[list[_Address], msgspec.Meta(max_length=WATCH_LIMIT)]


class Bye(HubMessage, frozen=True, tag="bye"):
    """Peer -> hub: I leave for good."""


class Pong(HubMessage, frozen=True, tag="pong"):
    """Peer -> hub: I live; answers Probe."""

    nonce: _Nonce


class Welcome(HubMessage, frozen=True, tag="welcome"):
    """Hub -> peer: you are in.

    Attributes:
        address: under which the hub knows the peer.
        workers: for a session, the workers present; those for whom there is no room follow as ``joined``.
    """

    address: _Address
    workers: list[_Address] = msgspec.field(default_factory=list)


class Refused(HubMessage, frozen=True, tag="refused"):
    """Hub -> peer: out; the hub closes the socket.

    Attributes:
        code: not_authorized, name_taken, bad_frame, superseded (codes of ``fedsock.errors``) or version.
        message: why, and what to do.
    """

    code: _Code
    message: _Text


class Joined(HubMessage, frozen=True, tag="joined"):
    """Hub -> peer: a peer is here.

    Attributes:
        peer: who.
        role: worker or session.
        user: whose session it is, as the hub's own tokens have it; told to workers, of sessions, only.
    """

    peer: _Address
    role: Role
    user: _Name | None = None


class Left(HubMessage, frozen=True, tag="left"):
    """Hub -> peer: a peer is not here.

    Attributes:
        peer: who.
        reason: "gone" may come back; "bye" and "superseded" (there is another epoch of it) never do.
    """

    peer: _Address
    reason: Reason


class Unreachable(HubMessage, frozen=True, tag="unreachable"):
    """Hub -> peer: your frame to that address found nobody and was dropped."""

    peer: _Address


class Hold(HubMessage, frozen=True, tag="hold"):
    """Hub -> peer: the queue for that peer is full; your frames to it are dropped until ``go``."""

    peer: _Address


class Go(HubMessage, frozen=True, tag="go"):
    """Hub -> peer: there is room again; send what was dropped, and go on."""

    peer: _Address


class Probe(HubMessage, frozen=True, tag="probe"):
    """Hub -> peer: are you alive? Answered with Pong, at once."""

    nonce: _Nonce


class Closing(HubMessage, frozen=True, tag="closing"):
    """Hub -> peer: the hub goes; keep trying to come back."""


FromPeer = Hello | Watch | Bye | Pong
"""What a peer may say."""

FromHub = Welcome | Refused | Joined | Left | Unreachable | Hold | Go | Probe | Closing
"""What a hub may say."""

_from_peer = msgspec.json.Decoder(FromPeer)
_encoder = msgspec.json.Encoder()


def encode(message: HubMessage) -> bytes:
    """Return the frame of a message."""
    return _encoder.encode(message) + b"\n"


def is_from_peer(frame: Frame) -> bool:
    """Return whether a peer's frame is for the hub itself: whether its head begins with the key "t".

    Args:
        frame: what a peer sent.
    """
    return frame.startswith(b'{"t":')


def from_peer(frame: Frame) -> FromPeer:
    """Return the message in a frame that a peer sent its hub.

    Args:
        frame: the whole frame, of at most FRAME_LIMIT bytes.

    Raises:
        BadFrame: it is not one of the messages a peer may say; the text repeats no value of it.
    """
    # Not by ``split``: a list of watched peers may be longer than a link frame's head.
    if not frame or frame.find(b"\n") != len(frame) - 1:
        raise BadFrame("a message for the hub is one line of JSON and its newline")
    try:
        message: FromPeer = _from_peer.decode(frame)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadFrame(f"no message a peer may send its hub: {error}") from None
    return message


def decode(head: dict[str, Any]) -> FromHub:
    """Return the message in a head without "to" that a hub sent.

    Args:
        head: from ``frames.split``.

    Raises:
        BadFrame: it is not one of the messages a hub may say.
    """
    try:
        message: FromHub = msgspec.convert(head, FromHub)
    except msgspec.ValidationError as error:
        raise BadFrame(f"no message a hub may send its peer: {error}") from None
    return message


def version_of(frame: Frame) -> str | None:
    """Return the version that a hello names, also where the rest of it is of another version's form.

    Args:
        frame: the first frame on a socket.

    Returns:
        None when it is no hello, or names no version.
    """
    try:
        head, _ = split(frame)
    except BadFrame:
        return None
    version = head.get("version")
    return version if head.get("t") == "hello" and isinstance(version, str) else None


def welcome(address: str, workers: Iterable[str]) -> list[bytes]:
    """Return the frames that greet a peer: a Welcome within HEAD_LIMIT, a Joined for each worker beyond it.

    Args:
        address: the peer's own.
        workers: addresses of the workers present, if the peer is a session.
    """
    room = HEAD_LIMIT - len(encode(Welcome(address))) - len(',"workers":[]')
    listed: list[str] = []
    more: list[bytes] = []
    for worker in workers:
        room -= len(worker) + 3
        if room >= 0:
            listed.append(worker)
        else:
            more.append(encode(Joined(worker, "worker")))
    return [encode(Welcome(address, listed)), *more]
