"""The scientist's side of the hub: pointers, worker handles, multi-pointers (floor 7).

A pointer (``pointer``) holds a record of one id (``records``) at one life of a worker (``station``). Ops
leave as JSON the moment they are written down; what workers answer comes in by ``inbox``. The session
(``session``) is what a peer speaks for: it knows the workers, and nothing of sockets.

Imports floors 0 to 4 (errors, protocol, peer, the op table, expression); never a hub's or a worker's room:
the three meet in messages.
"""

from __future__ import annotations

from fedsock.session.generator import RemoteGenerator
from fedsock.session.handle import ObjectInfo, Stats, WorkerHandle
from fedsock.session.multi import MultiPointer, combine
from fedsock.session.pointer import NestedPointer, Pointer
from fedsock.session.session import Session

__all__ = [
    "MultiPointer",
    "NestedPointer",
    "ObjectInfo",
    "Pointer",
    "RemoteGenerator",
    "Session",
    "Stats",
    "WorkerHandle",
    "combine",
]
