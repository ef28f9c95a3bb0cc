"""What a link tells its owner (floor 1, no I/O)."""

from __future__ import annotations

from typing import TypeAlias

import msgspec


class LinkEnd(msgspec.Struct, frozen=True):
    """Why a link ended.

    Attributes:
        reason: "lost" (the peer was absent too long), "hub_lost" (the hub was), "reset", or what
            ``Link.lose`` was given, such as "bye" or "closed".
        code: the code of a reset, such as "bad_message"; "" otherwise.
    """

    reason: str
    code: str = ""


class Batch(msgspec.Struct, frozen=True):
    """A batch of messages arrived.

    Attributes:
        body: a JSON array of messages.
    """

    body: memoryview


class Chunk(msgspec.Struct, frozen=True):
    """A chunk of a stream arrived; those of one stream come in order.

    Attributes:
        stream: the number of the stream.
        at: the chunk's offset, bytes.
        data: its bytes.
    """

    stream: int
    at: int
    data: memoryview


class StreamSent(msgspec.Struct, frozen=True):
    """All bytes of a stream were acknowledged; its buffer is the owner's again.

    Attributes:
        number: what ``Link.send_stream`` returned.
    """

    number: int


class Ended(msgspec.Struct, frozen=True):
    """The link ended; no event comes after this one, and nothing is written but a last reset.

    Attributes:
        end: why.
    """

    end: LinkEnd


Event: TypeAlias = Batch | Chunk | StreamSent | Ended
