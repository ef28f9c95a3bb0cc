"""The threads that a worker's large ops run in: shared fairly by its sessions, and never in the way of an exit."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter, deque
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any

SPARE = 8
"""Threads beyond the others, for sessions of which none is running anything: long ops of one shut out no other."""

Task = tuple[str, Callable[[], Any], Callable[[Any], None]]


class Threads:
    """Daemon threads: the interpreter ends without waiting for what runs in them. All methods are called on the loop.

    Args:
        count: how many tasks run at a time, but for ``SPARE``.
        name: of the threads.
    """

    def __init__(self, count: int, name: str) -> None:
        self._count = count
        self._name = name
        self._waiting: dict[str, deque[Task]] = {}
        self._running: Counter[str] = Counter()
        self._idle = 0
        self._tasks: SimpleQueue[Task | None] = SimpleQueue()
        self._closed = False
        self.busy = 0
        """Tasks that are running."""

    def run(self, session: str, function: Callable[[], Any], then: Callable[[Any], None]) -> None:
        """Have a function run, in turn with those of other sessions.

        Args:
            session: whose it is.
            function: runs in a thread; doesn't raise.
            then: takes what it returned; is called on the loop, unless that is closed or this is.
        """
        self._waiting.setdefault(session, deque()).append((session, function, then))
        self._start()

    def close(self) -> None:
        """Start nothing more; what runs can't be stopped, is not waited for and not told."""
        self._closed = True
        self._waiting.clear()
        for _ in range(self._idle):
            self._tasks.put(None)

    def _start(self) -> None:
        """Hand to threads what may run now."""
        while (session := self._next()) is not None:
            tasks = self._waiting.pop(session)
            task = tasks.popleft()
            if tasks:
                self._waiting[session] = tasks  # behind the others
            self._running[session] += 1
            self.busy += 1
            if self._idle:
                self._idle -= 1
                self._tasks.put(task)
            else:
                loop = asyncio.get_running_loop()
                threading.Thread(target=self._serve, args=(loop, task), name=self._name, daemon=True).start()

    def _next(self) -> str | None:
        """Return the session whose turn it is, if there is a thread for it."""
        if self.busy < self._count:
            return next(iter(self._waiting), None)
        if self.busy < self._count + SPARE:
            return next((session for session in self._waiting if not self._running[session]), None)
        return None

    def _serve(self, loop: asyncio.AbstractEventLoop, task: Task | None) -> None:
        while task is not None:
            session, function, then = task
            result = function()
            try:
                loop.call_soon_threadsafe(self._finished, session, then, result)
            except RuntimeError:
                return  # The loop is closed: nobody waits for this.
            # Nothing is kept alive by a thread that waits.
            del task, function, then, result
            task = self._tasks.get()

    def _finished(self, session: str, then: Callable[[Any], None], result: Any) -> None:
        self.busy -= 1
        self._running[session] -= 1
        if not self._running[session]:
            del self._running[session]
        if self._closed or self._idle >= self._count:
            self._tasks.put(None)
        else:
            self._idle += 1
        if not self._closed:
            self._start()
            then(result)
