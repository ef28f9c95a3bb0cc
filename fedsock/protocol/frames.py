r"""Frames: one WebSocket message is a head (a JSON object), a newline, and a body (floor 1, no I/O).

- a batch of messages:  ``{"to":"bob@3f2a","from":"s-5f1c@91d0","seq":41,"ack":17}\n[{"t":...},...]``
- a chunk of a stream:  ``{"to":...,"from":...,"seq":42,"ack":17,"stream":5,"at":1048576}\n<bytes>``
- an ack alone:         ``{"to":...,"from":...,"ack":17}\n``
- the end of a link:    ``{"to":...,"from":...,"ack":0,"reset":"bad_message"}\n``
- a peer and its hub:   ``{"t":"hello",...}\n``, without "to"

Chunks travel as binary WebSocket messages, all other frames as text. In code a frame is always ``bytes``.
The hub reads heads only, so a head is validated without looking at the body.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Annotated, Any

import msgspec
import orjson

from fedsock.errors import BadFrame

FRAME_LIMIT = 1024 * 1024 + 64 * 1024
"""Bytes of the longest frame; every transport closes a socket that brings a longer one."""

HEAD_LIMIT = 1024
"""Bytes within which a head's newline must stand; two longest addresses and all numbers need 340."""

BODY_LIMIT = FRAME_LIMIT - HEAD_LIMIT
"""Bytes of the longest body that fits into a frame behind any head."""

CHUNK_BYTES = 512 * 1024
"""Bytes of a stream in one frame at most; larger ones cost the socket more than they save."""

JSON_BATCH_BYTES = 64 * 1024
"""A batch of messages is cut before it grows past this, so that no frame delays the next for long."""

CONVERSATION = 1 << 32
"""Numbers that the frames of one conversation have. A conversation that two lives of peers begin anew, after one of
them gave the last one up, numbers its frames from the next multiple on: what is left of the old one under way can't be
taken for a part of it."""

Frame = bytes | bytearray
"""A frame that arrived; nobody writes into it."""

_NAME = r"[a-z0-9][a-z0-9_.-]{0,62}"
ADDRESS_PATTERN = rf"({_NAME})@([0-9a-f]{{4,32}})"
"""What an address looks like."""

_ADDRESS = re.compile(ADDRESS_PATTERN)
_RESET_CODE = re.compile(r"[a-z][a-z_]{0,31}")

# Numbers stay below 2**53 so that every JSON reader, a browser's too, keeps them exact.
_Number = Annotated[int, msgspec.Meta(ge=0, lt=2**53)]
_Ordinal = Annotated[int, msgspec.Meta(ge=1, lt=2**53)]


class Head(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """The head of a frame of a link.

    Attributes:
        to: the address the frame goes to.
        sender: the address it comes from (key ``from`` on the wire).
        seq: the frame's number, 1 and up in each direction (behind a multiple of ``CONVERSATION`` in a conversation
            that was begun anew); None outside of the order (ack alone, reset).
        ack: the highest number that the sender received in order; for none the number before the first, as in a
            reset, where it says which conversation ends.
        stream: the number of the stream that the body is a chunk of; None when the body is a batch.
        at: the chunk's offset in its stream, bytes.
        reset: why the link ends, a short word; None on all other frames.
    """

    to: str
    sender: str = msgspec.field(name="from")
    seq: _Ordinal | None = None
    ack: _Number = 0
    stream: _Ordinal | None = None
    at: _Number | None = None
    reset: str | None = None

    @property
    def base(self) -> int:
        """The number before the first one of this frame's conversation."""
        number = self.ack if self.seq is None else self.seq - 1
        return number - number % CONVERSATION


_KEYS = frozenset(
    frozenset({"to", "from"} | keys)
    for keys in ({"seq", "ack"}, {"seq", "ack", "stream", "at"}, {"ack"}, {"ack", "reset"})
)
"""The four kinds of link frames, by the keys of their heads."""


def split(frame: Frame) -> tuple[dict[str, Any], memoryview]:
    """Return a frame's head object and its body (a view, nothing is copied).

    Args:
        frame: what a transport received.

    Raises:
        BadFrame: it is too long, has no newline within ``HEAD_LIMIT`` bytes, or the head isn't a JSON object, or
            one of a link frame that names a key twice.
    """
    if len(frame) > FRAME_LIMIT:
        raise BadFrame(f"a frame may have {FRAME_LIMIT} bytes, this one has {len(frame)}")
    end = frame.find(b"\n", 0, HEAD_LIMIT)
    if end < 0:
        raise BadFrame(f"a frame's head must end in a newline within {HEAD_LIMIT} bytes")
    try:
        head = orjson.loads(frame[:end])
    except orjson.JSONDecodeError:
        raise BadFrame("a frame's head must be JSON in UTF-8") from None
    if type(head) is not dict:
        raise BadFrame("a frame's head must be a JSON object")
    # No value of a link frame's head has a colon. Of a key that comes twice two readers could take different ones.
    if "to" in head and frame.count(b":", 0, end) != len(head):
        raise BadFrame("a link frame's head names each key once, and its values have no colon")
    return head, memoryview(frame)[end + 1 :]


def link_head(head: dict[str, Any]) -> Head:
    """Return the typed head of a link frame.

    Args:
        head: a head object that has "to", from ``split``.

    Raises:
        BadFrame: the keys aren't those of one of the four kinds of link frames, or a value is not of its type
            or range.
    """
    if frozenset(head) not in _KEYS:
        raise BadFrame("a link frame's head has other keys than those of a batch, chunk, ack or reset")
    try:
        typed = msgspec.convert(head, Head)
    except msgspec.ValidationError as error:
        raise BadFrame(f"a link frame's head is wrong: {error}") from None
    if None in head.values():
        raise BadFrame("a link frame's head holds a null")
    split_address(typed.to)
    split_address(typed.sender)
    if typed.reset is not None and not _RESET_CODE.fullmatch(typed.reset):
        raise BadFrame("a reset code is a short word of lower case letters")
    return typed


def build(
    to: str,
    sender: str,
    ack: int,
    *,
    seq: int | None = None,
    stream: int | None = None,
    at: int | None = None,
    reset: str | None = None,
    body: Frame | memoryview = b"",
) -> bytes:
    """Return a link frame; the arguments are taken as valid (addresses come from ``address``).

    Args:
        to: the address it goes to.
        sender: the address it comes from.
        ack: the highest number received in order; of a reset, a number of the conversation that ends.
        seq: the frame's number, for batches and chunks.
        stream: the stream that the body is a chunk of; then ``at`` and ``seq`` are due too.
        at: the chunk's offset in its stream, bytes.
        reset: the code of a reset.
        body: the batch as JSON, or the chunk's bytes (contiguous); copied.
    """
    if stream is not None:
        head = f'{{"to":"{to}","from":"{sender}","seq":{seq},"ack":{ack},"stream":{stream},"at":{at}}}\n'
    elif seq is not None:
        head = f'{{"to":"{to}","from":"{sender}","seq":{seq},"ack":{ack}}}\n'
    elif reset is not None:
        head = f'{{"to":"{to}","from":"{sender}","ack":{ack},"reset":"{reset}"}}\n'
    else:
        head = f'{{"to":"{to}","from":"{sender}","ack":{ack}}}\n'
    return head.encode() + body


def is_binary(head: dict[str, Any]) -> bool:
    """Return whether a frame with this head travels as a binary WebSocket message (chunks do)."""
    return "stream" in head


def carries_chunk(frame: bytes) -> bool:
    """Return whether a whole frame, as ``build`` made it, carries a chunk of a stream and so travels as binary."""
    return frame.find(b'"stream":', 0, frame.index(b"\n")) > 0


def address(name: str, epoch: str) -> str:
    """Return the address of one life of a peer, ``name@epoch``.

    Args:
        name: 1 to 63 of ``a-z 0-9 _ . -``, the first a letter or a digit.
        epoch: 4 to 32 lower case hexadecimal digits.

    Raises:
        BadFrame: name or epoch is not of that form.
    """
    text = f"{name}@{epoch}"
    split_address(text)
    return text


# Cached, because each hop checks the same few addresses in every frame.
@lru_cache(maxsize=4096)
def split_address(text: str) -> tuple[str, str]:
    """Return the name and the epoch of an address.

    Args:
        text: ``name@epoch``.

    Raises:
        BadFrame: it is no address.
    """
    match = _ADDRESS.fullmatch(text)
    if match is None:
        raise BadFrame(
            f"not an address: {text[:100]!r}; it is name@epoch, the name 1 to 63 of a-z 0-9 _ . -"
            " (the first a letter or a digit), the epoch 4 to 32 of 0-9 a-f"
        )
    return match[1], match[2]
