"""rpyc: a service of its own in a server process, called through ``rpyc.async_`` so that calls don't wait.

Results stay in the service under numbers that the caller chooses, so no netref is made or freed for them. Arrays
travel as bytes, the one way that needs no pickle, a piece at a time, for a single large message costs rpyc's stream a
copy of the rest for each part it writes. Compression is off, Nagle's delay too, and a frame is written at once.
"""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import rpyc
from rpyc.core.channel import Channel
from rpyc.core.stream import SocketStream
from rpyc.utils.server import ThreadedServer

from tests.benchmarks.peers.peer import Peer, server

PACKAGE = "rpyc"
PIECE = 1 << 20
CONFIG = {"sync_request_timeout": None}

# Both are the library's own settings, kept on its classes; both ends load this module.
SocketStream.MAX_IO_CHUNK = 2 * PIECE
Channel.COMPRESSION_THRESHOLD = 1 << 62


class Arrays(rpyc.Service):
    """Arrays by number."""

    def __init__(self) -> None:
        self._held: dict[int, Any] = {0: np.arange(10.0)}

    def exposed_add(self, result: int, operand: int, number: float) -> None:
        """Hold the sum of an array and a number."""
        self._held[result] = self._held[operand] + number

    def exposed_get(self, name: int, start: int, stop: int) -> bytes:
        """Return some bytes of an array."""
        piece: bytes = self._held[name].view(np.uint8)[start:stop].tobytes()
        return piece

    def exposed_make(self, name: int, length: int) -> None:
        """Make room for an array."""
        self._held[name] = np.empty(length)

    def exposed_put(self, name: int, start: int, piece: bytes) -> None:
        """Fill some bytes of an array."""
        self._held[name].view(np.uint8)[start : start + len(piece)] = np.frombuffer(piece, np.uint8)

    def exposed_forget(self) -> None:
        """Hold the first array only."""
        self._held = {0: self._held[0]}


class Rpyc(Peer):
    """The near end.

    Args:
        root: the service, as the connection shows it.
    """

    def __init__(self, root: Any) -> None:
        self._add, self._get, self._put = rpyc.async_(root.add), rpyc.async_(root.get), rpyc.async_(root.put)
        self._get_now, self._make, self.forget = root.get, root.make, root.forget
        self._length = 0

    def op_and_fetch(self) -> Any:
        self._add(1, 0, 1)
        return np.frombuffer(self._get_now(1, 0, 80))

    def independent(self, count: int) -> None:
        for asked in [self._add(number + 1, 0, number) for number in range(count)]:
            asked.wait()

    def chained(self, count: int) -> None:
        for asked in [self._add(number + 1, number, 1) for number in range(count)]:
            asked.wait()

    def up(self, array: Any) -> None:
        self._length = len(array)
        self._make(1, self._length)
        octets = array.view(np.uint8)
        starts = range(0, octets.nbytes, PIECE)
        for asked in [self._put(1, start, octets[start : start + PIECE].tobytes()) for start in starts]:
            asked.wait()

    def down(self) -> Any:
        array = np.empty(self._length)
        octets = array.view(np.uint8)
        starts = range(0, octets.nbytes, PIECE)
        for start, asked in [(start, self._get(1, start, start + PIECE)) for start in starts]:
            octets[start : start + PIECE] = np.frombuffer(asked.value, np.uint8)
        return array


@contextmanager
def opening() -> Iterator[Peer]:
    """Start a server process and connect."""
    with server(__spec__.name) as line:
        stream = SocketStream.connect("127.0.0.1", int(line), nodelay=True)
        connection = rpyc.connect_stream(stream, config=CONFIG)
        try:
            yield Rpyc(connection.root)
        finally:
            connection.close()


def serve() -> None:
    """Be the server process."""
    serving = ThreadedServer(Arrays(), hostname="127.0.0.1", port=0, protocol_config=CONFIG)
    # Accepted sockets inherit it; without it a second small reply waits 40 ms for an acknowledgement.
    serving.listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    print(serving.port, flush=True)
    serving.start()


if __name__ == "__main__" and sys.argv[1:] == ["serve"]:
    serve()
