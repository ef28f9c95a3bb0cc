"""Values on their way to a worker: uploads and deliveries, and the streams that fill their arrays. No I/O."""

from __future__ import annotations

from typing import Any

from fedsock.errors import BadMessage, QuotaExceeded, WorkerLost
from fedsock.protocol.arrays import Incoming
from fedsock.protocol.messages import Stop
from fedsock.protocol.values import from_json
from fedsock.worker.replies import Replies
from fedsock.worker.runner import Runner
from fedsock.worker.store import PENDING, READY, Entry, Filling, SessionStore, size_of


class Arrivals:
    """Puts what arrives into entries, and stops the streams of what is not wanted.

    Args:
        name: the worker's name, for error texts.
        replies: where answers go.
        runner: goes on with what waited for a value.
    """

    def __init__(self, name: str, replies: Replies, runner: Runner) -> None:
        self._name = name
        self._replies = replies
        self._runner = runner
        self._filling: dict[tuple[str, int], Filling] = {}

    def take(self, store: SessionStore, entry: Entry, tree: Any, peer: str) -> None:
        """Read a value into its entry.

        Args:
            store: whose entry it is.
            entry: a pending one.
            tree: the value as JSON brought it.
            peer: whose streams carry its arrays.

        Raises:
            BadMessage: it is no value; the entry has failed.
        """
        arriving: set[tuple[str, int]] = set()
        entry.arriving = arriving

        def announced(dtype: Any, shape: tuple[int, ...], nbytes: int, stream: int) -> Any:
            key = (peer, stream)
            if key in self._filling:
                raise BadMessage("a stream is announced twice")
            store.charge(entry, entry.charge + nbytes)
            filling = self._filling[key] = Filling(Incoming(dtype, shape), entry, store)
            arriving.add(key)
            return filling.incoming.array

        try:
            entry.value = from_json(tree, None, announced)
            store.charge(entry, size_of(entry.value) + entry.words)
        except (QuotaExceeded, MemoryError) as error:
            self._forget_streams(entry)
            text = str(error) if isinstance(error, QuotaExceeded) else "the worker has no memory for it"
            self._runner.fail_entry(store, entry, QuotaExceeded.code, f"{self._name}: {text}")
            self.refuse(tree, peer)
        except BadMessage as error:
            self.abandon(entry)
            self._runner.fail_entry(store, entry, BadMessage.code, f"{self._name}: {error}")
            raise
        else:
            if not arriving:
                self._arrived(store, entry)

    def refuse(self, tree: Any, peer: str) -> None:
        """Stop the streams of a value that is not taken.

        Args:
            tree: the value as JSON brought it.
            peer: whose streams they are.

        Raises:
            BadMessage: it is no value.
        """

        def announced(dtype: Any, shape: tuple[int, ...], nbytes: int, stream: int) -> Any:
            self._replies.send(peer, Stop(stream))

        from_json(tree, None, announced)

    def chunk(self, peer: str, stream: int, at: int, data: memoryview) -> None:
        """Take a chunk of a stream; one that nobody waits for any more is dropped.

        Args:
            peer: the sender's address.
            stream: the stream's number on that link.
            at: offset in bytes.
            data: the bytes; they are copied.

        Raises:
            BadMessage: it doesn't fit its stream.
        """
        key = (peer, stream)
        filling = self._filling.get(key)
        if filling is None:
            return
        filling.incoming.write(at, data)
        if filling.incoming.complete:
            del self._filling[key]
            entry = filling.entry
            if entry.arriving is not None:
                entry.arriving.discard(key)
            if not entry.arriving:
                self._arrived(filling.store, entry)

    def abandon(self, entry: Entry) -> None:
        """Take no more of the streams that fill an entry, and say so to who sends them."""
        for peer, stream in self._forget_streams(entry):
            self._replies.send(peer, Stop(stream))

    def lost(self, peer: str, store: SessionStore | None) -> None:
        """Note that a link is over: what was on its way over it fails, what was on its way to its session is dropped.

        Args:
            peer: the address at its other end.
            store: that session's, if it was one.
        """
        for key, filling in list(self._filling.items()):
            entry = filling.entry
            if filling.store is store:
                self.abandon(entry)
            elif key[0] == peer:
                self._forget_streams(entry)
                if entry.state is PENDING:
                    text = f"{peer} was lost while it sent the value"
                    self._runner.fail_entry(filling.store, entry, WorkerLost.code, text)

    def _arrived(self, store: SessionStore, entry: Entry) -> None:
        entry.state = READY
        if entry.listed:
            self._replies.done(store.address, entry)
        self._runner.released(store, entry)

    def _forget_streams(self, entry: Entry) -> list[tuple[str, int]]:
        """Return the streams that an entry waited for; it waits no longer."""
        keys = sorted(entry.arriving or ())
        entry.arriving = None
        for key in keys:
            self._filling.pop(key, None)
        return keys
