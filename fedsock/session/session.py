"""Session: what a peer speaks for on the scientist's side; it knows the workers, and nothing of sockets."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any, TypeVar

import numpy as np

from fedsock.errors import Closed, FedsockError, PointerReleased, PointersApart, WorkerLost, WorkerTimeout, WrongLoop
from fedsock.peer.peer import Peer
from fedsock.protocol import messages, values
from fedsock.protocol.link import Link, LinkEnd
from fedsock.session.handle import WorkerHandle
from fedsock.session.inbox import Inbox
from fedsock.session.losses import loss_of
from fedsock.session.multi import MultiPointer
from fedsock.session.pointer import Pointer, pointer_of
from fedsock.session.records import OWNER, READY, Record, meta_from_wire
from fedsock.session.station import Station
from fedsock.session.uploads import Copies

T = TypeVar("T")

MAX_FAILURES = 1000
"""How many of the last failures are kept."""

_OPEN = messages.encode(messages.Open())


class Session:
    """The workers that a scientist computes with, and everything that is known of their objects.

    Attributes:
        name: the session's, among the hub's peers.
        max_fetch_bytes: what ``await p`` fetches at most; the worker checks it.
        failures: the last exceptions of ops, oldest first, awaited or not.
        workers: name -> handle of the workers that are there now; live and read-only.
    """

    def __init__(self, *, name: str, max_fetch_bytes: int = 2**30) -> None:
        self.name = name
        self.max_fetch_bytes = max_fetch_bytes
        self.failures: deque[FedsockError] = deque(maxlen=MAX_FAILURES)
        self.copies = Copies()
        self._handles: dict[str, WorkerHandle] = {}
        self._present: dict[str, WorkerHandle] = {}
        self.workers: Mapping[str, WorkerHandle] = MappingProxyType(self._present)
        self._stations: dict[str, Station] = {}
        self._inboxes: dict[Station, Inbox] = {}
        self._changes: list[asyncio.Future[None]] = []
        self._peer: Peer | None = None
        self._closed: Closed | None = None
        self._thread = threading.get_ident()
        self._loop: asyncio.AbstractEventLoop | None = None

    def attach(self, peer: Peer) -> None:
        """Take the peer that carries the links; called in the event loop that the session belongs to."""
        self._peer = peer
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()
        for address in sorted(peer.present):
            self.joined(address, "worker", None)

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The event loop that the session belongs to."""
        if self._loop is None:
            raise WrongLoop("the session has no peer yet; await fedsock.Hub() or fedsock.connect(…) first")
        return self._loop

    def check_loop(self) -> None:
        """Raise WrongLoop in another thread or event loop, Closed after ``close``."""
        if threading.get_ident() != self._thread or asyncio.get_running_loop() is not self.loop:
            raise WrongLoop("a hub and its pointers belong to one event loop; this is another one")
        if self._closed is not None:
            raise self._closed.with_traceback(None)

    # --- what a user calls ----------------------------------------------------------------------------------

    async def worker(self, name: str, timeout: float | None = 10) -> WorkerHandle:
        """Return a worker's handle once it has joined and told its data sets; cancelling ends the wait only.

        Args:
            name: the worker's.
            timeout: seconds; None waits as long as it takes.

        Raises:
            WorkerTimeout: it did not join in time; names who is there.
        """
        return await self._until(
            lambda: self._present.get(name),
            timeout,
            lambda: f"worker {name} has not joined within {timeout} s",
        )

    async def wait_for_workers(self, n: int, timeout: float | None = 10) -> list[WorkerHandle]:
        """Return the handles of all workers once there are so many; cancelling ends the wait only.

        Args:
            n: how many, at least.
            timeout: seconds; None waits as long as it takes.

        Raises:
            WorkerTimeout: fewer joined in time; names who is there.
        """

        def ready() -> list[WorkerHandle] | None:
            return list(self._present.values()) if len(self._present) >= n else None

        return await self._until(ready, timeout, lambda: f"{len(self._present)} of {n} workers within {timeout} s")

    async def _until(self, ready: Callable[[], T | None], timeout: float | None, missing: Callable[[], str]) -> T:
        self.check_loop()
        try:
            async with asyncio.timeout(timeout):
                while True:
                    self.check_loop()
                    found = ready()
                    if found is not None:
                        return found
                    change = self.loop.create_future()
                    self._changes.append(change)
                    await change
        except TimeoutError:
            there = ", ".join(sorted(self._present)) or "nobody"
            raise WorkerTimeout(f"{missing()}; there: {there}") from None

    def _changed(self) -> None:
        changes, self._changes = self._changes, []
        for change in changes:
            if not change.done():
                change.set_result(None)

    def send(
        self,
        value: Any,
        *workers: WorkerHandle | str,
        tags: Iterable[str] = (),
        description: str = "",
        copy: bool = True,
    ) -> MultiPointer:
        """Return a MultiPointer to a value that goes to several workers; at once.

        Args:
            value: as for ``WorkerHandle.send``; large arrays are copied once for all workers.
            workers: handles or names.
            tags: words to search it by.
            description: free words.
            copy: False lends large arrays, which must not change until they are sent.

        Raises:
            UnsupportedValue, BacklogFull: as for ``WorkerHandle.send``.
            ValueError: no worker is given.
        """
        handles = [self._own(worker) for worker in workers]
        words = (tags,) if isinstance(tags, str) else tuple(tags)
        shared = _snapshot(value) if copy else value
        return MultiPointer(
            {handle.name: handle.keep(shared, words, description, copy=False, counted=copy) for handle in handles}
        )

    async def search(self, *tags: str) -> dict[str, list[Pointer]]:
        """Return what has all the tags, by worker: owners' data and the session's; cancelling ends the wait.

        Raises:
            WorkerLost: a worker went away meanwhile.
        """
        self.check_loop()
        names = list(self._present)
        found = await asyncio.gather(*(self._present[name].search(*tags) for name in names))
        return {name: pointers for name, pointers in zip(names, found, strict=True) if pointers}

    async def close(self, timeout: float = 5) -> None:
        """Send what is queued, for at most so many seconds, and leave; what is still open fails with Closed.

        Cancelling leaves at once.
        """
        if self._closed is not None or self._peer is None:
            return
        for station in self._stations.values():
            station.tick()
        self._closed = Closed("this hub was closed here")
        try:
            await self._peer.close(timeout)
        finally:
            for station in self._stations.values():
                station.lose(self._closed)
            self._present.clear()
            self._changed()

    # --- what the rooms beside this one use -----------------------------------------------------------------

    def handle(self, name: str) -> WorkerHandle:
        """Return the handle of a worker that has been seen.

        Raises:
            WorkerLost: no such worker was ever here.
        """
        found = self._handles.get(name)
        if found is None:
            there = ", ".join(sorted(self._present)) or "nobody"
            raise WorkerLost(f"no worker {name}; write await hub.worker({name!r}); there: {there}", ran="no")
        return found

    def station(self, worker: WorkerHandle | str) -> Station:
        """Return the present life of a worker, given by handle or name.

        Raises:
            WorkerLost: no such worker was ever here.
            PointersApart: the handle is of another hub.
            TypeError: neither a handle nor a name.
        """
        return self._own(worker).station

    def _own(self, worker: WorkerHandle | str) -> WorkerHandle:
        if isinstance(worker, str):
            return self.handle(worker)
        if not isinstance(worker, WorkerHandle):
            raise TypeError(f"a worker is a handle or a name, not {type(worker).__name__}")
        if self._handles.get(worker.name) is not worker:
            raise PointersApart(f"the handle of {worker.name} is another hub's; values don't travel from hub to hub")
        return worker

    def inbox(self, station: Station) -> Inbox:
        """Return what takes the messages of a station."""
        return self._inboxes[station]

    def flush(self, link: Link) -> None:
        """Write what was queued on a link."""
        if self._peer is not None:
            self._peer.flush(link)

    def pointer_at(self, place: values.RemoteRecord) -> Pointer:
        """Return the pointer to what a worker's record of a pointer means.

        Raises:
            PointerReleased: the session holds it no more.
        """
        station = self._stations.get(place.worker)
        if station is not None and station.epoch == place.epoch:
            if isinstance(place.id, str):
                named = station.mocks if place.id.startswith(messages.MOCK) else station.datasets
                if (pointer := named.get(place.id.removeprefix(messages.MOCK))) is not None:
                    return pointer  # type: ignore[no-any-return]
            elif (reference := station.table.get(place.id)) is not None:
                record = reference()
                if record is not None:
                    return pointer_of(record)
        raise PointerReleased(f"what it points to, {place.id} at {place.worker}, is gone")

    # --- what the peer calls --------------------------------------------------------------------------------

    def joined(self, address: str, role: str, user: str | None) -> None:
        """A worker's life is there: a new one is asked for its data sets."""
        if role != "worker" or self._peer is None or self._closed is not None:
            return
        name, _, epoch = address.partition("@")
        known = self._stations.get(name)
        if known is not None and known.address == address and known.lost is None:
            handle = self._handles.get(name)
            if handle is not None and handle.station is known:  # its data sets were told before it went
                self._present[name] = handle
                self._changed()
            return
        if known is not None:
            known.lose(WorkerLost(f"worker {name} is lost: it was started anew"))
            self._peer.forget(known.address)
            self._inboxes.pop(known, None)
            self._present.pop(name, None)
        station = Station(self, name, epoch, self._peer.link(address))
        self._stations[name] = station
        self._inboxes[station] = Inbox(self, station)
        station.send(_OPEN)

    def left(self, address: str, reason: str) -> None:
        """A worker's life isn't there now; it may come back, and what is open waits for it."""
        name = address.partition("@")[0]
        station = self._stations.get(name)
        if station is not None and station.address == address:
            self._present.pop(name, None)
            self._changed()

    def offered(self, station: Station, datasets: Iterable[messages.Described]) -> None:
        """A worker told its data sets: its handle is complete."""
        found: dict[str, Pointer] = {}
        mocks: dict[str, Pointer] = {}
        for one in datasets:
            record = Record(station, one.id, values.dumps({"$": one.id}).decode(), "data set", OWNER, used=True)
            withheld = one.kind == "array" and one.shape is None
            record.meta = meta_from_wire(one.kind, one.shape, one.dtype, withheld, one.nbytes)
            record.state = READY
            more = record.extra()
            more.tags, more.description = tuple(one.tags), one.description
            name = str(one.id)
            named = mocks if name.startswith(messages.MOCK) else found
            named[name.removeprefix(messages.MOCK)] = pointer_of(record)
        station.datasets, station.mocks = found, mocks
        handle = self._handles.get(station.name)
        if handle is None:
            handle = self._handles[station.name] = WorkerHandle(self, station)
        else:
            handle.follow(station)
        self._present[station.name] = handle
        self._changed()

    def batch(self, remote: str, body: memoryview) -> None:
        """A frame's messages came from a worker; raises BadMessage when they break the protocol."""
        inbox = self._inbox_of(remote)
        if inbox is not None:
            inbox.batch(body)

    def chunk(self, remote: str, stream: int, at: int, data: memoryview) -> None:
        """Bytes of a stream came from a worker; raises BadMessage when they don't fit."""
        inbox = self._inbox_of(remote)
        if inbox is not None:
            inbox.chunk(stream, at, data)

    def _inbox_of(self, remote: str) -> Inbox | None:
        station = self._stations.get(remote.partition("@")[0])
        return self._inboxes.get(station) if station is not None and station.address == remote else None

    def progressed(self, remote: str) -> None:
        """Do nothing: the session's own bound holds before anything is queued."""

    def sent(self, remote: str, stream: int) -> None:
        """A stream arrived whole at a worker."""
        station = self._stations.get(remote.partition("@")[0])
        if station is not None and station.address == remote:
            station.outbox.sent(stream)

    def ended(self, remote: str, end: LinkEnd) -> None:
        """The link with a worker's life is over: what was open fails."""
        name = remote.partition("@")[0]
        station = self._stations.get(name)
        if station is None or station.address != remote:
            return
        station.lose(loss_of(name, end))
        self._present.pop(name, None)
        if self._peer is not None:
            self._peer.forget(remote)
            handle = self._handles.get(name)
            # It is there and only forgot the conversation: begin a new one. A life that never told its data
            # sets would refuse again.
            if end.reason == "reset" and remote in self._peer.present and handle and handle.station is station:
                self.joined(remote, "worker", None)
        self._changed()

    def hub_up(self) -> None:
        """The hub is there (again); links go on by themselves."""

    def hub_down(self) -> None:
        """The hub is away; links wait for it."""


def _snapshot(value: Any) -> Any:
    """Return a value with its arrays copied, so that the caller may change his."""
    if isinstance(value, np.ndarray):
        return np.array(value, copy=True, order="C")
    if type(value) is list:
        return [_snapshot(part) for part in value]
    if type(value) is tuple:
        return tuple(_snapshot(part) for part in value)
    if type(value) is dict:
        return {key: _snapshot(part) for key, part in value.items()}
    return value
