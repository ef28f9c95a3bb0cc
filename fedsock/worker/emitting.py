"""Values that an op streams while it runs: from its thread to the engine, one by one, as fast as they are taken.

A session that reads them says which ones it took (``Taken``), and at most ``EMITTED_MOST`` of ``EMITTED_BYTES`` in all
are on their way at a time: the op waits in ``emit`` for a slow reader, so nothing piles up, here or there, and nothing
is lost. Where nobody reads, the session takes them as they come and keeps the last.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np

from fedsock.errors import OpCancelled
from fedsock.protocol.messages import EMITTED_BYTES, EMITTED_MOST, Emitted
from fedsock.protocol.values import dumps, to_json
from fedsock.worker.exports import Exports
from fedsock.worker.jobs import Compute, Errand, Job, SendValue
from fedsock.worker.replies import Replies
from fedsock.worker.store import SessionStore, size_of

Outcome = tuple[Compute, Any, Exception | None]


class Emitter:
    """What a running function calls with each value that it streams; in any thread.

    Args:
        post: takes a value to the engine, in the order of the calls; raises RuntimeError where there is none any more.

    Attributes:
        batches: values of single batches may leave too, not only those of whole epochs: training asks.
    """

    __slots__ = ("_heard", "_nbytes", "_over", "_post", "_sizes", "_taken", "_turn", "_when_stopped", "batches")

    def __init__(self, post: Callable[[Any], None]) -> None:
        self._post = post
        self._turn = threading.Condition()
        self._sizes: deque[int] = deque()
        self._nbytes = 0
        self._taken = 0
        self._heard = True
        self._over = False
        self._when_stopped: Callable[[], None] | None = None
        self.batches = True

    @property
    def stopped(self) -> bool:
        """Whether the op was given up."""
        return self._over

    def when_stopped(self, then: Callable[[], None]) -> None:
        """Have something done once the op is given up; at once, if it was.

        Args:
            then: is called in any thread, and doesn't raise.
        """
        with self._turn:
            self._when_stopped = then
        if self._over:
            then()

    def __call__(self, value: Any) -> None:
        """Stream a value; waits while too many are on their way.

        Args:
            value: what travels; it is copied.

        Raises:
            OpCancelled: the op was given up: end it.
            UnsupportedValue, ValueTooLarge: it can't travel.
        """
        value = kept(value)
        nbytes = size_of(value)
        with self._turn:
            while self._heard and not self._over and self._sizes and self._full(nbytes):
                self._turn.wait()
            if self._over:
                raise OpCancelled("the op was given up")
            if not self._heard:
                return
            self._sizes.append(nbytes)
            self._nbytes += nbytes
            try:
                self._post(value)
            except RuntimeError:  # the loop is closed: the worker is gone
                self._over = True
                raise OpCancelled("the worker was closed") from None

    def _full(self, nbytes: int) -> bool:
        return len(self._sizes) >= EMITTED_MOST or self._nbytes + nbytes > EMITTED_BYTES

    def taken(self, number: int) -> None:
        """Values up to this number, the first being 1, are no longer on their way."""
        with self._turn:
            while self._sizes and self._taken < number:
                self._taken += 1
                self._nbytes -= self._sizes.popleft()
            self._turn.notify_all()

    def unheard(self) -> None:
        """From now on nobody is told what is streamed, and nothing waits."""
        with self._turn:
            self._heard = False
            self._turn.notify_all()

    def stop(self) -> None:
        """The op was given up: the next ``emit``, or the one that waits, raises."""
        with self._turn:
            self._over = True
            self._turn.notify_all()
            then = self._when_stopped
        if then is not None:
            then()


class Stream:
    """The engine's end of what one op streams.

    Attributes:
        emitter: the function's end.
        queue: values that wait for those before them to be written.
        number: of the last value that was given out.
        writing: it isn't written yet.
        outcome: what came of the op, told behind the last value.
    """

    __slots__ = ("emitter", "number", "outcome", "queue", "writing")

    def __init__(self, emitter: Emitter) -> None:
        self.emitter = emitter
        self.queue: deque[Any] = deque()
        self.number = 0
        self.writing = False
        self.outcome: Outcome | None = None


class Streams:
    """What the ops of a worker stream.

    Args:
        replies: where values go.
        exports: decides whether they leave, by the rule that holds for the op's result.

    Attributes:
        post: takes a value from an op's thread to where the engine is called; set by who runs that.
        due: values and outcomes whose turn has come since somebody looked.
    """

    def __init__(self, replies: Replies, exports: Exports) -> None:
        self._replies = replies
        self._exports = exports
        self._running: set[Job] = set()
        self.post: Callable[[Job, Any], None] = self.emitted
        self.due = False
        self._outcomes: list[Outcome] = []
        exports.streamed = self._streamed

    def begin(self, job: Job) -> Emitter:
        """Return what an op that begins now streams by; that it may not leave is told before, for facts say so.

        Args:
            job: the op; the facts of its results are known.
        """
        emitter = Emitter(lambda value: self.post(job, value))
        job.stream = Stream(emitter)
        self._running.add(job)
        first = job.results[0]
        metrics, refused = self._exports.decide_stream(first, job.store)
        emitter.batches = metrics == "batch"
        if refused is not None:
            emitter.unheard()
            if first.listed:
                self._replies.send(job.store.address, Emitted(job.op.id, 1, refused=refused))
        elif not first.listed:
            emitter.unheard()
        return emitter

    def emitted(self, job: Job, value: Any) -> None:
        """Take a value that an op streamed.

        Args:
            job: the op.
            value: it; nobody else holds it.
        """
        stream = job.stream
        if stream is None or job.over or job.store.over or not job.results[0].listed:
            return
        stream.queue.append(value)
        self._give(job, stream)

    def _give(self, job: Job, stream: Stream) -> None:
        """Have the next value written, when those before it are; or tell what came of the op behind the last."""
        if stream.writing:
            return
        if stream.queue:
            stream.number += 1
            first, peer = job.results[0], job.store.address
            refused = self._exports.let_stream(first, job.store)
            if refused is not None:
                stream.emitter.unheard()
                stream.queue.clear()
                self._replies.send(peer, Emitted(job.op.id, stream.number, refused=refused))
                return
            stream.writing = True
            first.holds += 1
            parcel = Emitted(job.op.id, stream.number)
            self._replies.add(SendValue(peer, stream.queue.popleft(), parcel, Errand(job.store, parcel, first)))
        elif stream.outcome is not None:
            self._outcomes.append(stream.outcome)
            job.stream = stream.outcome = None

    def _streamed(self, value: SendValue) -> None:
        """Go on behind a value that was written, or never will be."""
        job = value.errand.entry.maker
        if job is not None and job.stream is not None:
            job.stream.writing = False
            self._give(job, job.stream)
            self.due = True

    def computed(self, compute: Compute, result: Any, error: Exception | None) -> bool:
        """Return whether an op's outcome waits here until what it streamed is written.

        Args:
            compute: the instruction.
            result: what its function returned.
            error: what it raised.
        """
        job = compute.job
        stream = job.stream
        if stream is None:
            return False
        self._running.discard(job)
        if job.over or job.store.over or not (stream.queue or stream.writing):
            job.stream = None
            return False
        stream.outcome = (compute, result, error)
        return True

    def outcomes(self) -> list[Outcome]:
        """Return those outcomes that may be told now; each is returned once."""
        found, self._outcomes, self.due = self._outcomes, [], False
        return found

    def stop(self, job: Job) -> None:
        """Nothing of an op is wanted any more."""
        if job.stream is not None:
            job.stream.emitter.stop()
            job.stream.queue.clear()

    def forget(self, store: SessionStore) -> None:
        """Stop all ops of a session that is over."""
        for job in [job for job in self._running if job.store is store]:
            self.stop(job)
            self._running.discard(job)

    def close(self) -> None:
        """Stop all ops."""
        for job in list(self._running):
            self.stop(job)


def kept(value: Any) -> Any:
    """Return a value that can travel, with arrays of its own.

    Args:
        value: a tree of what travels.

    Raises:
        UnsupportedValue, ValueTooLarge: it can't.
    """
    dumps(to_json(value, lambda array: 1))
    return _copied(value)


def _copied(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return np.array(value, copy=True, order="C", subok=False)
    kind = type(value)
    if kind is list or kind is tuple:
        return kind([_copied(part) for part in value])
    if kind is dict:
        return {key: _copied(part) for key, part in value.items()}
    return value
