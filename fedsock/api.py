"""What ``Hub()`` and ``connect()`` return: a session on an embedded or a stand-alone hub, and virtual workers."""

from __future__ import annotations

import asyncio
import os
import secrets
from abc import abstractmethod
from collections import deque
from collections.abc import Awaitable, Callable, Generator, Iterable, Mapping, Sequence
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from fedsock.errors import Closed, ConfigError
from fedsock.federated.arrays import FederatedArray
from fedsock.federated.parts import Choice
from fedsock.federated.source import federated
from fedsock.federation import Federation
from fedsock.hub.server import DRAIN_SECONDS, HubServer
from fedsock.peer.peer import Peer
from fedsock.session.handle import WorkerHandle
from fedsock.session.multi import MultiPointer
from fedsock.session.pointer import Pointer
from fedsock.session.session import Session
from fedsock.transport.base import Transport
from fedsock.transport.memory import memory_pair
from fedsock.transport.websocket import dial
from fedsock.worker.datasets import datasets_from_mapping
from fedsock.worker.names import SESSION_PREFIX, worker_name_fault
from fedsock.worker.policies import answering_of, policy_of_virtual
from fedsock.worker.tasks import tasks_of_virtual
from fedsock.worker.virtual import VirtualWorker

DEFAULT_PORT = 8765
MAX_FETCH_BYTES = 1 << 30

Dial = Callable[[], Awaitable[Transport]]


class Connection(Federation):
    """A scientist's side of a hub. Enter it with ``async with``, or await it and close it later.

    Attributes:
        url: where the hub listens.
    """

    def __init__(self, *, timeout: float | None = 10.0, max_fetch_bytes: int = MAX_FETCH_BYTES) -> None:
        self._max_fetch_bytes = max_fetch_bytes
        self.url = ""
        self._timeout = timeout
        self._session: Session | None = None
        self._virtual: dict[Peer, VirtualWorker] = {}
        self._opening, self._leaving = asyncio.Lock(), asyncio.Lock()
        self._closed = False

    def __repr__(self) -> str:
        """Show what is known here: where it is, whether it is open, and who is there."""
        if self._session is None:
            state = "closed" if self._closed else "not open yet"
        else:
            state = f"workers: {', '.join(self._session.workers) or 'none'}"
        return f"<fedsock.{self._made_by} {self._place}, {state}>"

    @property
    @abstractmethod
    def _made_by(self) -> str:
        """What a user called to make it."""

    @property
    def _place(self) -> str:
        return _without_secrets(self.url)

    # ---- opening and closing

    async def _open(self) -> Self:
        async with self._opening:
            if self._session is None:
                await self._begin()
        return self

    async def _begin(self) -> None:
        self._check_not_closed()
        await self._reach()
        name = SESSION_PREFIX + secrets.token_hex(4)
        session = Session(name=name, max_fetch_bytes=self._max_fetch_bytes)
        peer = Peer(name, "session", self._dial, session, token=self._token())
        session.attach(peer)
        try:
            await peer.start(self._timeout)
            self._check_not_closed()
        except BaseException:
            await self._close_at_once(peer)
            raise
        self._session = session

    def _check_not_closed(self) -> None:
        if self._closed:
            raise Closed(f"this hub was closed here; make a new one with fedsock.{self._made_by}(…)")

    async def _close_at_once(self, peer: Peer) -> None:
        try:
            await peer.close(0)
        finally:
            await self._leave(0)

    @abstractmethod
    async def _reach(self) -> None:
        """Prepare what ``_dial`` needs."""

    @abstractmethod
    async def _leave(self, drain: float | None = None) -> None:
        """Take down what ``_reach`` set up; again is harmless.

        Args:
            drain: seconds that others have to read what is queued for them; None means the usual ones.
        """

    @abstractmethod
    async def _dial(self) -> Transport:
        """Return a new socket to the hub."""

    def _token(self) -> str | None:
        return None

    def __await__(self) -> Generator[Any, None, Self]:
        """Open it: ``hub = await fedsock.Hub()``."""
        return self._open().__await__()

    async def __aenter__(self) -> Self:
        return await self._open()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Send what is queued (at most 5 s), say bye, and end virtual workers and an embedded hub.

        Cancelling leaves at once.

        Raises:
            WrongLoop: called from another thread or event loop.
        """
        if self._session is not None:
            self._session.check_loop()
        self._closed = True
        async with self._leaving:
            await self._end()

    async def _end(self) -> None:
        session, self._session = self._session, None
        virtual, self._virtual = self._virtual, {}
        drain: float | None = 0.0  # nobody is waited for if this is cut short
        try:
            if session is not None:
                await session.close()
            await asyncio.gather(*(peer.close() for peer in virtual))
            drain = None
        finally:
            for worker in virtual.values():
                worker.close()
            try:
                await asyncio.gather(*(peer.close(0) for peer in virtual))
            finally:
                await self._leave(drain)

    @property
    def _open_session(self) -> Session:
        if self._session is None:
            self._check_not_closed()
            raise Closed("this hub is not open: use it inside `async with`, or `await` it first")
        return self._session

    @property
    def max_fetch_bytes(self) -> int:
        """Values above this many bytes are not fetched; may be set at any time."""
        return self._max_fetch_bytes

    @max_fetch_bytes.setter
    def max_fetch_bytes(self, nbytes: int) -> None:
        self._max_fetch_bytes = nbytes
        if self._session is not None:
            self._session.max_fetch_bytes = nbytes

    # ---- workers and values

    @property
    def workers(self) -> Mapping[str, WorkerHandle]:
        """The workers that are there, by name; live and read-only."""
        return self._open_session.workers

    @property
    def failures(self) -> deque[Any]:
        """The last 1,000 failures, awaited or not."""
        return self._open_session.failures

    async def worker(self, name: str, timeout: float | None = 10.0) -> WorkerHandle:
        """Return a worker's handle once it has joined.

        Args:
            name: the worker's name.
            timeout: seconds; None waits for ever.

        Raises:
            WorkerTimeout: it didn't join in time; names who is there.

        Cancelling ends the wait only.
        """
        return await self._open_session.worker(name, timeout)

    async def wait_for_workers(self, n: int, timeout: float | None = 10.0) -> Sequence[WorkerHandle]:
        """Return the handles of all workers once at least n are there.

        Args:
            n: how many.
            timeout: seconds; None waits for ever.

        Raises:
            WorkerTimeout: fewer joined in time.

        Cancelling ends the wait only.
        """
        return await self._open_session.wait_for_workers(n, timeout)

    def send(self, value: Any, *workers: WorkerHandle, **options: Any) -> MultiPointer:
        """Send a value to several workers.

        Args:
            value: what travels.
            workers: handles.
            options: tags, description and copy, as for a handle's send.
        """
        return self._open_session.send(value, *workers, **options)

    async def search(self, *tags: str) -> dict[str, list[Pointer]]:
        """Return pointers to all that has all the tags: owners' data and this session's own objects.

        Args:
            tags: such as "#digits".

        Cancelling ends the wait only.
        """
        return await self._open_session.search(*tags)

    def federated(
        self,
        *names: str,
        workers: Iterable[WorkerHandle | str] | None = None,
        on_missing: Choice = "raise",
        on_denied: Choice = "raise",
        timeout: float | None = None,
    ) -> FederatedArray:
        """Return one array whose rows live at many workers, in worker-name order; see ``federated.source``."""
        return federated(self._open_session, names, workers, on_missing, on_denied, timeout)

    async def virtual_worker(
        self,
        name: str,
        data: Mapping[str, Any] | None = None,
        private: bool = True,
        policy: Any = None,
        mock: bool = False,
        state: str | os.PathLike[str] | None = None,
        tasks: Mapping[str, Callable[..., Any]] | None = None,
    ) -> WorkerHandle:
        """Start a worker in this process: the same engine and the same bytes.

        Args:
            name: its name.
            data: its owner's data: name -> array.
            private: whether they stay there.
            policy: what may leave: a mode ("deny", the default, "public", "aggregate", "dp", "ask"), or a dict of what
                a worker's TOML has under ``[policy]``, with ``datasets`` for single ones and ``answer``, a
                function that answers requests (``worker.policies.answering_of``).
            mock: offer made-up data of the same names, shapes and dtypes beside them (``.mock.datasets``).
            state: folder of what it must remember where something private may leave: budgets and queries spent,
                requests and answers, the audit file; None: all that is forgotten with this process.
            tasks: functions that it offers: name -> ``def task(data, …)`` (``worker.tasks`` says how they are called).

        Raises:
            ConfigError: name, data, policy, state or tasks are wrong, or another worker uses the folder.
            NameTaken: another worker has the name.

        Cancelling leaves no worker.
        """
        session = self._open_session
        session.check_loop()
        if wrong := worker_name_fault(name):
            raise ConfigError(f"name={name!r}: {wrong}")
        datasets = datasets_from_mapping(data or {}, private, policy, mock)
        offered = tasks_of_virtual(tasks, datasets, policy_of_virtual(policy)[0])
        worker = VirtualWorker(name, datasets, answering_of(policy), state, offered)
        peer = Peer(name, "worker", self._dial, worker.service, token=self._token())
        worker.service.attach(peer)
        self._virtual[peer] = worker
        try:
            await peer.start(self._timeout)
            return await session.worker(name, self._timeout)
        except BaseException:
            self._virtual.pop(peer, None)
            worker.close()
            await peer.close(0)
            raise


class Hub(Connection):
    """An embedded hub and a session on it.

    Args:
        host: where to listen; without a token file, loopback only.
        port: 0 takes any free port.
        token_file: peers must present a token of it.
        tls_cert: certificate chain, for wss://.
        tls_key: its key.
        origins: browser origins to let in.
        max_fetch_bytes: values above this many bytes are not fetched.
    """

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = DEFAULT_PORT,
        token_file: Any = None,
        tls_cert: Any = None,
        tls_key: Any = None,
        origins: Sequence[str] = (),
        max_fetch_bytes: int = MAX_FETCH_BYTES,
    ) -> None:
        super().__init__(max_fetch_bytes=max_fetch_bytes)
        self._server = HubServer(
            host=host, port=port, token_file=token_file, tls_cert=tls_cert, tls_key=tls_key, origins=origins
        )

    async def _reach(self) -> None:
        await self._server.start()
        self.url = self._server.url

    async def _leave(self, drain: float | None = None) -> None:
        await self._server.close(DRAIN_SECONDS if drain is None else drain)

    @property
    def _made_by(self) -> str:
        return "Hub"

    @property
    def _place(self) -> str:
        return self._server.url

    async def _dial(self) -> Transport:
        self._check_not_closed()
        ours, theirs = memory_pair(at_once=True)
        await self._server.attach(theirs)
        return ours


class Remote(Connection):
    """A session on a stand-alone hub; made by ``connect``."""

    def __init__(self, url: str, *, token: str | None, timeout: float | None, max_fetch_bytes: int) -> None:
        super().__init__(timeout=timeout, max_fetch_bytes=max_fetch_bytes)
        self.url = url
        self._secret = token

    async def _reach(self) -> None:
        """Nothing: a stand-alone hub is there, or isn't."""

    async def _leave(self, drain: float | None = None) -> None:
        """Nothing: a stand-alone hub stays."""

    @property
    def _made_by(self) -> str:
        return "connect"

    def _token(self) -> str | None:
        return self._secret

    async def _dial(self) -> Transport:
        self._check_not_closed()
        return await dial(self.url, timeout=10.0)


def _without_secrets(url: str) -> str:
    """Return a URL without user, password and query: a repr ends in logs and notebooks."""
    try:
        parts = urlsplit(url)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
    except ValueError:
        return "at no URL"


def connect(
    url: str,
    *,
    token: str | None = None,
    timeout: float | None = 10.0,
    max_fetch_bytes: int = MAX_FETCH_BYTES,
) -> Remote:
    """Return a connection to a stand-alone hub, to be awaited or entered.

    Args:
        url: such as ws://127.0.0.1:8765.
        token: what the hub's token file asks for.
        timeout: seconds to reach the hub; None tries for ever.
        max_fetch_bytes: values above this many bytes are not fetched.
    """
    return Remote(url, token=token, timeout=timeout, max_fetch_bytes=max_fetch_bytes)
