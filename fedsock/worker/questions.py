"""Answers to a session's questions about the worker, the owner's data and its own objects. No I/O."""

from __future__ import annotations

import time
from collections.abc import Callable

from fedsock.protocol import messages as m
from fedsock.worker.catalog import Catalog
from fedsock.worker.exports import Exports
from fedsock.worker.replies import Replies
from fedsock.worker.store import Entry, SessionStore

Find = Callable[[SessionStore, int | str], Entry | None]
"""A session's object or data set by its ref; None: there is none."""


class Questions:
    """Answers questions.

    Args:
        catalog: lists.
        exports: knows what may leave.
        replies: where answers go.
        find: finds what a question is about.
        counters: what there is to count beside a session's own: name -> number.
    """

    def __init__(
        self,
        catalog: Catalog,
        exports: Exports,
        replies: Replies,
        find: Find,
        counters: Callable[[], dict[str, int]],
    ) -> None:
        self._catalog = catalog
        self._exports = exports
        self._replies = replies
        self._find = find
        self._counters = counters
        self._started = time.time()

    def ask(self, store: SessionStore, ask: m.Ask) -> None:
        """Answer a question.

        Args:
            store: whose it is.
            ask: it.
        """
        answer = m.Answer(ask.id)
        if ask.about == "stats":
            answer = m.Answer(ask.id, stats=self._stats(store))
        elif ask.about == "objects" or ask.about == "search":
            answer = self._catalog.page(store, ask)
        elif ask.about == "policy" or ask.about == "export":
            entry = None if ask.ref is None else self._find(store, ask.ref)
            if entry is None:
                self._exports.unknown(store, ask.id, ask.ref or 0)
                return
            tell = self._exports.terms if ask.about == "policy" else self._exports.verdict
            answer = m.Answer(ask.id, policy=tell(store, entry))
        self._replies.send(store.address, answer)

    def _stats(self, store: SessionStore) -> dict[str, int]:
        uptime = int(time.time() - self._started)
        return {**store.stats(), **self._counters(), "uptime_seconds": uptime}
