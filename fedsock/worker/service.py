"""The shell around the engine: feeds it what links bring, runs its Computes, and writes what it says."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec
import numpy as np

from fedsock.errors import FedsockError, RemoteError
from fedsock.peer.peer import Peer
from fedsock.protocol import messages as m
from fedsock.protocol.arrays import raw
from fedsock.protocol.link import Link, LinkEnd
from fedsock.protocol.values import dumps, to_json
from fedsock.typing import Array
from fedsock.worker.engine import Engine
from fedsock.worker.jobs import Compute, Send, SendValue, Stopped

INLINE_SECONDS = 50e-6
"""Ops predicted to take less run at once: a thread costs about as much."""

log = logging.getLogger("fedsock.worker")


class WorkerService:
    """A worker: an engine behind a peer. It is the peer's Owner.

    Args:
        engine: the behaviour.
        threads: how many large ops run at a time.
    """

    def __init__(self, engine: Engine, *, threads: int = 2) -> None:
        self._engine = engine
        self._peer: Peer | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix=f"fedsock-{engine.name}")
        self.busy = 0
        """Computes under way in threads."""

    def attach(self, peer: Peer) -> None:
        """Speak through a peer; called once, on the loop."""
        self._peer = peer
        self._loop = asyncio.get_running_loop()

    def close(self) -> None:
        """Take no more; ops that run in threads can't be stopped and are not waited for."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    # ---- what the peer brings

    def batch(self, remote: str, body: memoryview) -> None:
        """Take the body of a frame.

        Raises:
            BadMessage: it makes no sense; the peer resets that link.
        """
        messages = m.to_worker(body)
        try:
            self._perform(self._engine.receive(remote, messages))
        finally:
            self._flush(remote)

    def chunk(self, remote: str, stream: int, at: int, data: memoryview) -> None:
        """Take a chunk of a stream.

        Raises:
            BadMessage: it doesn't fit its stream.
        """
        self._perform(self._engine.chunk(remote, stream, at, data))
        self._flush(remote)

    def sent(self, remote: str, stream: int) -> None:
        """Do nothing: values are immutable, so a sent stream needs no care."""

    def ended(self, remote: str, end: LinkEnd) -> None:
        """Forget a session whose link is over."""
        log.info("link with %s is over: %s", remote, end.reason)
        self._perform(self._engine.forget(remote))
        self._flush()

    def joined(self, address: str, role: str) -> None:
        """Do nothing: links begin with their first frame."""

    def left(self, address: str, reason: str) -> None:
        """Do nothing: the link knows when its peer has been away too long."""

    def hub_up(self) -> None:
        """Say so in the log."""
        log.info("%s joined its hub", self._engine.name)

    def hub_down(self) -> None:
        """Say so in the log."""
        log.info("%s lost its hub, trying again", self._engine.name)

    # ---- carrying out

    def _perform(self, instructions: Iterable[Compute]) -> None:
        """Run Computes: small ones here, large ones in a thread; in the order in which they become ready."""
        computed = self._engine.computed
        with np.errstate(all="ignore"):
            for first in instructions:
                todo = [first]
                while todo:
                    compute = todo.pop()
                    if compute.seconds > INLINE_SECONDS:
                        self._start(compute)
                    elif more := computed(compute, *compute.run()):
                        todo.extend(reversed(more))

    def _start(self, compute: Compute) -> None:
        assert self._loop is not None  # noqa: S101  # attached before anything arrives
        self.busy += 1
        future = self._loop.run_in_executor(self._pool, _run_quietly, compute)
        future.add_done_callback(lambda done: self._finished(compute, done))

    def _finished(self, compute: Compute, done: asyncio.Future[tuple[Any, Exception | None]]) -> None:
        self.busy -= 1
        if done.cancelled():
            return
        result, error = done.result()
        self._perform(self._engine.computed(compute, result, error))
        self._flush()

    def _flush(self, reading: str = "") -> None:
        """Write what the engine has to say; the peer itself writes on the link that it reads, once that is done."""
        peer = self._peer
        if peer is None:
            return
        links: dict[Link, None] = {}
        for instruction in self._engine.replies():
            if not (peer.has_link(instruction.peer) or _opens(instruction)):
                continue
            link = peer.link(instruction.peer)
            if instruction.peer != reading:
                links[link] = None
            if type(instruction) is Send:
                link.send(m.encode(instruction.message))
            elif type(instruction) is Stopped:
                link.stop_stream(instruction.stream)
            else:
                self._send_value(instruction)  # type: ignore[arg-type]
        if links:
            peer.flush(*links)

    def _send_value(self, instruction: SendValue) -> None:
        assert self._peer is not None  # noqa: S101  # only called by _flush
        link, request = self._peer.link(instruction.peer), instruction.request
        streams: list[int] = []

        def stream(array: Array) -> int:
            streams.append(link.send_stream(raw(array)))
            return streams[-1]

        try:
            value = msgspec.Raw(dumps(to_json(instruction.value, stream)))
        except FedsockError as error:
            for number in streams:
                link.stop_stream(number)
            if isinstance(request, m.Get):
                link.send(m.encode(m.Error(request.id, RemoteError.code, str(error), object=request.ref)))
            return
        if isinstance(request, m.Get):
            link.send(m.encode(m.Value(request.id, value)))
        else:
            link.send(m.encode(m.Deliver(request.session, request.id, value)))


def _opens(instruction: Any) -> bool:
    """Whether an instruction may open a link: only what is delivered to another worker does."""
    return isinstance(instruction, SendValue) and isinstance(instruction.request, m.Deliver)


def _run_quietly(compute: Compute) -> tuple[Any, Exception | None]:
    with np.errstate(all="ignore"):
        return compute.run()
