"""Pyro5: an exposed object in a daemon process, its calls in batches (``BatchProxy``), msgpack as serializer.

A batch is one message each way, so an op and its fetch are one. msgpack carries bytes as they are, and it alone of the
fast serializers takes batches. Arrays travel as bytes, a piece at a time, which is several times faster than at once.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from Pyro5 import api, config

from tests.benchmarks.peers.peer import Peer, server

PACKAGE = "Pyro5"
PIECE = 1 << 20
BATCH = 1_000
"""Calls a message: more are no faster."""

config.SERIALIZER = "msgpack"
config.SOCK_NODELAY = True


@api.expose
class Arrays:
    """Arrays by number."""

    def __init__(self) -> None:
        self._held: dict[int, Any] = {0: np.arange(10.0)}

    def add(self, result: int, operand: int, number: float) -> None:
        """Hold the sum of an array and a number."""
        self._held[result] = self._held[operand] + number

    def get(self, name: int, start: int, stop: int) -> bytes:
        """Return some bytes of an array."""
        piece: bytes = self._held[name].view(np.uint8)[start:stop].tobytes()
        return piece

    def make(self, name: int, length: int) -> None:
        """Make room for an array."""
        self._held[name] = np.empty(length)

    def put(self, name: int, start: int, piece: bytes) -> None:
        """Fill some bytes of an array."""
        self._held[name].view(np.uint8)[start : start + len(piece)] = np.frombuffer(piece, np.uint8)

    def forget(self) -> None:
        """Hold the first array only."""
        self._held = {0: self._held[0]}


class Pyro(Peer):
    """The near end.

    Args:
        proxy: of the object.
    """

    def __init__(self, proxy: Any) -> None:
        self._proxy = proxy
        self._length = 0

    def op_and_fetch(self) -> Any:
        batch = api.BatchProxy(self._proxy)
        batch.add(1, 0, 1)
        batch.get(1, 0, 80)
        _, value = batch()
        return np.frombuffer(value)

    def independent(self, count: int) -> None:
        self._adds((number + 1, 0, number) for number in range(count))

    def chained(self, count: int) -> None:
        self._adds((number + 1, number, 1) for number in range(count))

    def _adds(self, calls: Iterator[tuple[int, int, int]]) -> None:
        batch, waiting = api.BatchProxy(self._proxy), 0
        for call in calls:
            batch.add(*call)
            waiting += 1
            if waiting == BATCH:
                for _ in batch():
                    pass
                waiting = 0
        for _ in batch():
            pass

    def up(self, array: Any) -> None:
        self._length = len(array)
        self._proxy.make(1, self._length)
        octets = array.view(np.uint8)
        for start in range(0, octets.nbytes, PIECE):
            self._proxy.put(1, start, octets[start : start + PIECE].tobytes())

    def down(self) -> Any:
        array = np.empty(self._length)
        octets = array.view(np.uint8)
        for start in range(0, octets.nbytes, PIECE):
            octets[start : start + PIECE] = np.frombuffer(self._proxy.get(1, start, start + PIECE), np.uint8)
        return array

    def forget(self) -> None:
        self._proxy.forget()


@contextmanager
def opening() -> Iterator[Peer]:
    """Start a daemon process and connect."""
    with server(__spec__.name) as line, api.Proxy(line) as proxy:
        yield Pyro(proxy)


def serve() -> None:
    """Be the daemon process."""
    daemon = api.Daemon(host="127.0.0.1", port=0)
    print(daemon.register(Arrays()), flush=True)
    daemon.requestLoop()


if __name__ == "__main__" and sys.argv[1:] == ["serve"]:
    serve()
