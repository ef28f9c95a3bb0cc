"""The shell around the engine: feeds it what links bring, runs its Computes, and writes what it says."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from functools import partial
from typing import Any

import msgspec
import numpy as np

from fedsock.errors import FedsockError, RemoteError, UserChanged
from fedsock.peer.peer import Peer
from fedsock.protocol import messages as m
from fedsock.protocol.arrays import raw
from fedsock.protocol.link import Link, LinkEnd
from fedsock.protocol.values import dumps, to_json
from fedsock.typing import Array
from fedsock.worker.engine import Engine
from fedsock.worker.jobs import Compute, Instruction, Job, Send, SendValue, Stopped
from fedsock.worker.outbox import Outbox, Reading, fits, full, is_large
from fedsock.worker.threads import Threads

INLINE_SECONDS = 50e-6
"""Ops predicted to take less run at once: a thread costs about as much."""

LOOK_SECONDS = 0.25
"""How often to see whether the owner has answered, while somebody waits for that."""

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
        self._threads = Threads(threads, f"fedsock {engine.name}")
        # What streams may run for hours, or wait for who reads: it takes no thread from other ops.
        self._streaming = Threads(threads, f"fedsock {engine.name}, streaming")
        self._outboxes: dict[str, Outbox] = {}
        self._looking: asyncio.TimerHandle | None = None

    @property
    def busy(self) -> int:
        """Computes under way in threads."""
        return self._threads.busy + self._streaming.busy

    def attach(self, peer: Peer) -> None:
        """Speak through a peer; called once, on the loop."""
        self._peer = peer
        self._loop = asyncio.get_running_loop()
        self._engine.streams.post = self._post

    def close(self) -> None:
        """Take no more; ops that run in threads can't be stopped and are not waited for."""
        self._threads.close()
        self._streaming.close()
        self._engine.streams.close()
        if self._looking is not None:
            self._looking.cancel()

    # ---- what the peer brings

    def batch(self, remote: str, body: memoryview) -> None:
        """Take the body of a frame.

        Raises:
            BadMessage: it makes no sense; the peer resets that link.
        """
        self._take(remote, lambda: self._engine.receive(remote, m.to_worker(body)), len(body))

    def chunk(self, remote: str, stream: int, at: int, data: memoryview) -> None:
        """Take a chunk of a stream.

        Raises:
            BadMessage: it doesn't fit its stream.
        """
        self._take(remote, lambda: iter(self._engine.chunk(remote, stream, at, data)), len(data))

    def progressed(self, remote: str) -> None:
        """Go on with what waited for room on a link: its peer may have acknowledged something."""
        if remote in self._outboxes:
            self._go_on(remote)

    def sent(self, remote: str, stream: int) -> None:
        """Do nothing: values are immutable, so a sent stream needs no care."""

    def ended(self, remote: str, end: LinkEnd) -> None:
        """Forget a session whose link is over."""
        log.info("link with %s is over: %s", remote, end.reason)
        outbox = self._outboxes.pop(remote, None)
        forgotten = self._engine.forget(remote)
        for value in outbox.values() if outbox is not None else ():
            self._engine.written(value)
        self._perform(iter(forgotten))
        self._flush()

    def joined(self, address: str, role: str, user: str | None) -> None:
        """Take in whose session it is; the link begins with its first frame."""
        if role != "session" or user is None:
            return
        log.info("%s is a session of %s", address, user)
        if not self._engine.introduce(address, user):
            if self._peer is not None:
                self._peer.fail(address, UserChanged(f"{address} was another user's and is {user}'s now"))
            self._engine.introduce(address, user)

    def left(self, address: str, reason: str) -> None:
        """Do nothing: the link knows when its peer has been away too long."""

    def hub_up(self) -> None:
        """Say so in the log."""
        log.info("%s joined its hub", self._engine.name)

    def hub_down(self) -> None:
        """Say so in the log."""
        log.info("%s lost its hub, trying again", self._engine.name)

    # ---- reading, as far as there is room for what follows from it

    def _must_wait(self, remote: str) -> bool:
        outbox = self._outboxes.get(remote)
        if outbox is not None:
            return outbox.holding or outbox.full
        peer = self._peer
        return peer is not None and peer.has_link(remote) and full(peer.link(remote))

    def _take(self, remote: str, read: Callable[[], Reading], nbytes: int) -> None:
        """Read a frame now, or keep it until there is room."""
        if self._must_wait(remote):
            outbox = self._outbox(remote)
            outbox.hold(read, nbytes)
            outbox.link.pause(True, self._now())
        else:
            self._read(remote, read)

    def _read(self, remote: str, read: Callable[[], Reading]) -> None:
        try:
            left = self._perform(read(), remote)
        finally:
            self._flush(remote)
        if left is not None:
            outbox = self._outbox(remote)
            outbox.hold_first(left)
            outbox.link.pause(True, self._now())

    def _go_on(self, remote: str) -> None:
        """Write what there is room for now, then read a frame, and come again for the next."""
        outbox = self._outboxes.get(remote)
        if outbox is None or self._peer is None:
            return
        try:
            while (value := outbox.next_value()) is not None:
                self._send_value(outbox.link, value)
            self._see_to_streams()
            read = outbox.next_frame()
            if read is not None:
                self._read(remote, read)
        except Exception as error:
            self._peer.fail(remote, error)
            return
        if self._outboxes.get(remote) is not outbox:
            return
        if read is not None and self._loop is not None:
            self._loop.call_soon(self._go_on, remote)
        if not (outbox.holding or outbox.full):
            outbox.link.pause(False, self._now())
        if outbox.empty:
            del self._outboxes[remote]
        self._peer.flush(outbox.link)

    def _outbox(self, remote: str) -> Outbox:
        assert self._peer is not None  # noqa: S101  # attached before anything arrives
        return self._outboxes.get(remote) or self._outboxes.setdefault(remote, Outbox(self._peer.link(remote)))

    def _now(self) -> float:
        return 0.0 if self._loop is None else self._loop.time()

    # ---- carrying out

    def _perform(self, instructions: Reading, reading: str = "") -> Reading | None:
        """Run Computes: small ones here, large ones in a thread; in the order in which they become ready.

        Args:
            instructions: Computes, and None wherever one may stop.
            reading: whose messages they are for.

        Returns:
            What is left of them, if its link has no room for more answers.
        """
        computed = self._engine.computed
        with np.errstate(all="ignore"):
            for first in instructions:
                if first is None:
                    self._flush(reading)
                    if self._peer is not None and not self._peer.has_link(reading):
                        return None
                    if self._must_wait(reading):
                        return instructions
                    continue
                todo = [first]
                while todo:
                    compute = todo.pop()
                    streams = compute.job.stream is not None
                    if streams or compute.seconds > INLINE_SECONDS:
                        session = compute.job.store.address
                        threads = self._streaming if streams else self._threads
                        threads.run(session, partial(_run_quietly, compute), partial(self._finished, compute))
                    elif more := computed(compute, *compute.run()):
                        todo.extend(reversed(more))
        return None

    def _finished(self, compute: Compute, outcome: tuple[Any, Exception | None]) -> None:
        try:
            self._perform(iter(self._engine.computed(compute, *outcome)))
        except Exception as error:
            if self._peer is not None:
                self._peer.fail(compute.job.store.address, error)
        self._flush()

    def _post(self, job: Job, value: Any) -> None:
        """Take a value that an op streams, in the op's thread."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._emitted, job, value)

    def _emitted(self, job: Job, value: Any) -> None:
        self._engine.streams.emitted(job, value)
        self._flush()

    def _see_to_streams(self) -> None:
        """After values were written, have those written that ops streamed behind them, and what came of the ops."""
        if self._engine.streams.due and self._loop is not None:
            self._engine.streams.due = False
            self._loop.call_soon(self._go_on_streaming)

    def _go_on_streaming(self) -> None:
        self._perform(iter(self._engine.go_on()))
        self._flush()

    def _flush(self, reading: str = "") -> None:
        """Write what the engine has to say; the peer itself writes on the link that it reads, once that is done.

        What can't be said ends its own link only.
        """
        peer = self._peer
        if peer is None:
            return
        links: dict[Link, None] = {}
        failed: dict[str, Exception] = {}
        for instruction in self._engine.replies():
            remote = instruction.peer
            if peer.has_link(remote) or _opens(instruction):
                try:
                    link = peer.link(remote)
                    self._carry_out(link, instruction)
                    if remote != reading:
                        links[link] = None
                except Exception as error:
                    failed[remote] = error
            elif type(instruction) is SendValue:
                self._engine.written(instruction)
        if links:
            peer.flush(*links)
        for remote, reason in failed.items():
            peer.fail(remote, reason)
        self._see_to_streams()
        if self._engine.awaits_owner and self._looking is None and self._loop is not None:
            self._looking = self._loop.call_later(LOOK_SECONDS, self._look)

    def _look(self) -> None:
        """See whether the owner has answered, and come again while somebody waits."""
        self._looking = None
        self._engine.look()
        self._flush()

    def _carry_out(self, link: Link, instruction: Instruction) -> None:
        if type(instruction) is Send:
            link.send(m.encode(instruction.message))
        elif type(instruction) is Stopped:
            link.stop_stream(instruction.stream)
        elif type(instruction) is SendValue:
            if fits(link, is_large(instruction)):
                self._send_value(link, instruction)
            else:
                self._outbox(instruction.peer).add(instruction)

    def _send_value(self, link: Link, instruction: SendValue) -> None:
        request = instruction.request
        self._engine.written(instruction)
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
            link.send(m.encode(msgspec.structs.replace(request, value=value)))


def _opens(instruction: Any) -> bool:
    """Whether an instruction may open a link: only what is delivered to another worker does."""
    return isinstance(instruction, SendValue) and isinstance(instruction.request, m.Deliver)


def _run_quietly(compute: Compute) -> tuple[Any, Exception | None]:
    if compute.job.over:
        return None, None  # Cancelled while it waited for a thread.
    with np.errstate(all="ignore"):
        return compute.run()
