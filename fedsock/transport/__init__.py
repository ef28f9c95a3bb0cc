"""How frames travel between two ends (floor 2: imports errors and protocol only).

``base`` says what a transport is, ``memory`` joins two ends of one process, ``websocket`` (the only file
of fedsock that imports websockets) dials and listens. A transport carries whole frames, in order, until it
breaks; it knows nothing of what they say, and it mends nothing: links do that, whatever transports do. One
contract test runs on all of them, and another kind of transport is one more file here.
"""

from __future__ import annotations

from fedsock.transport.base import Transport, TransportClosed
from fedsock.transport.memory import memory_pair

__all__ = ["Transport", "TransportClosed", "memory_pair"]
