"""Frames that are none: their sender is told why and its socket is closed, with a code; nobody else notices."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

from websockets.asyncio.client import connect

from fedsock import errors
from fedsock.protocol.frames import FRAME_LIMIT, build
from fedsock.transport.websocket import SUBPROTOCOL
from tests.bad_input.parts import WAIT_SECONDS, House, Raw, raw

BOB = "bob@aaaa"

GARBAGE, WRONG_PEER, TOO_LONG = 1007, 1008, 1009


def head(rest: bytes) -> Callable[[Raw], bytes]:
    """Return what makes a frame of a link with this end of its head."""
    return lambda peer: b'{"to":"bob@aaaa","from":"' + peer.address.encode() + b'",' + rest + b"}\n"


FRAMES: dict[str, tuple[Callable[[Raw], bytes], int, str]] = {
    "empty": (lambda peer: b"", GARBAGE, "newline"),
    "no head": (lambda peer: b"hello", GARBAGE, "newline"),
    "no JSON": (lambda peer: b"hello\n", GARBAGE, "JSON"),
    "no object": (lambda peer: b"[1]\n", GARBAGE, "object"),
    "no newline": (lambda peer: b'{"to":"bob@aaaa"}', GARBAGE, "newline"),
    "a head too long": (lambda peer: b'{"to":"' + b"b" * 2000 + b'"}\n', GARBAGE, "newline within 1024 bytes"),
    "a head nested deep": (lambda peer: b'{"to":' + b"[" * 900 + b"\n", GARBAGE, "JSON"),
    "a frame nested deep": (lambda peer: b"[" * 1_000_000, GARBAGE, "newline"),
    "a key twice": (head(b'"ack":0,"ack":1'), GARBAGE, "once"),
    "a key too many": (head(b'"ack":0,"x":1'), GARBAGE, "keys"),
    "a text as a number": (head(b'"ack":"1"'), GARBAGE, "int"),
    "NaN as a number": (head(b'"ack":NaN'), GARBAGE, "JSON"),
    "null as a number": (head(b'"ack":null'), GARBAGE, "int"),
    "a negative number": (lambda peer: build(BOB, peer.address, -1, seq=1), GARBAGE, ">= 0"),
    "a number beyond any": (lambda peer: build(BOB, peer.address, 2**53, seq=1), GARBAGE, "int"),
    "a number beyond 64 bits": (lambda peer: build(BOB, peer.address, 2**64, seq=1), GARBAGE, "int"),
    "a negative offset": (lambda peer: build(BOB, peer.address, 0, seq=1, stream=1, at=-1), GARBAGE, ">= 0"),
    "no address": (lambda peer: build("bob", peer.address, 0), GARBAGE, "name@epoch"),
    "somebody else's": (lambda peer: build(BOB, "s-9@aaaa", 0), WRONG_PEER, "from"),
    "an unknown word for the hub": (lambda peer: b'{"t":"shutdown"}\n', GARBAGE, "no message a peer may send"),
    "a hello again": (lambda peer: b'{"t":"hello"}\n', GARBAGE, "no message a peer may send"),
    "no UTF-8 in its head": (lambda peer: b'{"to":"\xff"}\n', GARBAGE, ""),
    "no UTF-8 in its body": (lambda peer: build(BOB, peer.address, 0, seq=1, body=b'["\xff"]'), GARBAGE, ""),
    "longer than a frame may be": (lambda peer: bytes(FRAME_LIMIT + 1), TOO_LONG, ""),
}  # fmt: skip
"""What is wrong -> the frame, the code of the close, a word of the refusal (none where the socket itself refuses)."""


async def test_its_sender_is_told_why_and_its_socket_is_closed(house: House) -> None:
    for case, (make, code, word) in FRAMES.items():
        async with raw(house.url) as peer:
            await peer.write(make(peer))
            told, closed = await peer.refused()
            assert closed == code, case
            assert word in told.get("message", ""), (case, told)
            assert not word or issubclass(errors.BY_CODE[told["code"]], errors.FedsockError), case


async def test_a_binary_frame_without_a_stream(house: House) -> None:
    async with raw(house.url) as peer:
        await peer.write(build(peer.bob, peer.address, 0, seq=1, body=b"[]"), binary=True)
        await peer.write(build(peer.bob, peer.address, 0, seq=2, body=b"bytes"))
        assert await peer.reset() == errors.BadMessage.code


async def test_bytes_that_are_no_websocket(house: House) -> None:
    for garbage in (b"\x00" * 1000, b"\xff" * 100_000, b"GET / HTTP/1.1\r\n\r\n", b"GET " + b"x" * 100_000):
        reader, writer = await asyncio.open_connection("127.0.0.1", house.port)
        async with asyncio.timeout(WAIT_SECONDS):
            with suppress(ConnectionError):
                writer.write(garbage)
                writer.write_eof()
                while await reader.read(1000):
                    pass
            assert reader.at_eof()  # the hub ended it
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()


async def test_websocket_data_that_breaks_its_rules(house: House) -> None:
    async with connect(house.url, subprotocols=[SUBPROTOCOL], proxy=None) as socket:
        socket.transport.write(b"\xff\xff\xff\xff")
        async with asyncio.timeout(WAIT_SECONDS):
            await socket.wait_closed()
        assert socket.close_code == 1002
