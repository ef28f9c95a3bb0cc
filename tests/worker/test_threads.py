from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable
from itertools import count

import pytest
import pytest_asyncio

from fedsock.worker.threads import SPARE, Threads

WAIT_SECONDS = 20.0


class Gate:
    """Tasks that run until they are let go, and what came of them."""

    names = count()
    """Of each one's threads: those of the test before may still be ending."""

    def __init__(self) -> None:
        self.name = f"test {next(self.names)}"
        self.pool = Threads(2, self.name)
        self.open = threading.Event()
        self.running: list[str] = []
        self.done: list[str] = []
        self.changed = asyncio.Event()
        self.loop = asyncio.get_running_loop()

    def long(self, session: str, until: threading.Event | None = None) -> None:
        def function() -> None:
            self.loop.call_soon_threadsafe(self._began, session)
            (until or self.open).wait(WAIT_SECONDS)

        self.pool.run(session, function, lambda _: self._over(session))

    def short(self, session: str) -> None:
        self.pool.run(session, lambda: None, lambda _: self._over(session))

    def _began(self, session: str) -> None:
        self.running.append(session)
        self.changed.set()

    def _over(self, session: str) -> None:
        self.done.append(session)
        self.changed.set()

    async def until(self, true: Callable[[], bool]) -> None:
        async with asyncio.timeout(WAIT_SECONDS):
            while not true():
                self.changed.clear()
                await self.changed.wait()


@pytest_asyncio.fixture
async def gate() -> AsyncIterator[Gate]:
    made = Gate()
    yield made
    made.open.set()
    made.pool.close()


async def test_long_tasks_of_one_session_shut_out_no_other(gate: Gate) -> None:
    for _ in range(5):
        gate.long("one")
    await gate.until(lambda: len(gate.running) == 2)
    gate.short("other")
    await gate.until(lambda: gate.done == ["other"])
    assert gate.running == ["one", "one"]
    gate.open.set()
    await gate.until(lambda: len(gate.done) == 6)
    assert gate.pool.busy == 0


async def test_sessions_take_turns(gate: Gate) -> None:
    first = threading.Event()
    gate.long("first", first)
    for number in range(SPARE + 1):
        gate.long(f"spare {number}")
    await gate.until(lambda: len(gate.running) == 2 + SPARE)
    for session in ("a", "a", "a", "b", "c"):
        gate.short(session)
    first.set()
    await gate.until(lambda: len(gate.done) == 6)
    assert gate.done == ["first", "a", "b", "c", "a", "a"]


async def test_threads_are_used_again_and_end_when_closed(gate: Gate) -> None:
    for _ in range(20):
        gate.short("one")
    await gate.until(lambda: len(gate.done) == 20)
    mine = [thread for thread in threading.enumerate() if thread.name == gate.name]
    assert len(mine) <= 2
    gate.pool.close()
    for thread in mine:
        await asyncio.to_thread(thread.join, WAIT_SECONDS)
        assert not thread.is_alive()


async def test_what_ends_after_the_closing_is_not_told(gate: Gate) -> None:
    gate.long("one")
    await gate.until(lambda: gate.running == ["one"])
    [thread] = [thread for thread in threading.enumerate() if thread.name == gate.name]
    gate.pool.close()
    gate.open.set()
    await asyncio.to_thread(thread.join, WAIT_SECONDS)
    assert gate.done == []


SCRIPT = """
import asyncio, threading
from fedsock.worker.threads import Threads

async def main(began):
    Threads(1, "test").run("s", lambda: (began.set(), threading.Event().wait()), print)
    await asyncio.to_thread(began.wait)

asyncio.run(main(threading.Event()))
print("over")
"""


def test_a_thread_that_never_ends_keeps_no_process_alive() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=WAIT_SECONDS, check=True
    )
    assert done.stdout == "over\n"


def test_a_loop_that_is_closed_is_told_nothing() -> None:
    hold = threading.Event()

    async def main() -> threading.Thread:
        began = threading.Event()
        Threads(1, "closed loop").run("s", lambda: (began.set(), hold.wait(WAIT_SECONDS)), pytest.fail)
        await asyncio.to_thread(began.wait, WAIT_SECONDS)
        return next(thread for thread in threading.enumerate() if thread.name == "closed loop")

    thread = asyncio.run(main())
    hold.set()
    thread.join(WAIT_SECONDS)
    assert not thread.is_alive()
