"""Columns: each is measured by a fresh process of its own, which says what it found a line at a time."""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from tests.benchmarks import loops
from tests.benchmarks.column import LONG_SECONDS, column
from tests.benchmarks.figures import Figure
from tests.benchmarks.peers.peer import installed, measure
from tests.benchmarks.processes import END_SECONDS, last_words
from tests.benchmarks.rounds import FULL, QUICK

PEERS = {
    "rpyc": ("rpyc", "tests.benchmarks.peers.rpyc"),
    "Pyro5": ("Pyro5", "tests.benchmarks.peers.pyro5"),
    "dask": ("distributed", "tests.benchmarks.peers.dask"),
    "ray": ("ray", "tests.benchmarks.peers.ray"),
}
"""A peer's column -> the package it needs, and the module that measures it."""

MARK = "figure "
"""Begins the lines that hold figures: some libraries print, too."""


@dataclass(frozen=True, slots=True)
class Request:
    """What a column's process is to do.

    Attributes:
        name: a loop's, for fedsock's own figures, or a peer's.
        only: the cases.
        quick: a smoke test.
    """

    name: str
    only: tuple[str, ...]
    quick: bool = False

    @property
    def seconds(self) -> float:
        """After which it is ended."""
        longer = sum(seconds for case, seconds in LONG_SECONDS.items() if case in self.only)
        return 90.0 if self.name in PEERS else 600.0 + longer

    @property
    def missing(self) -> bool:
        """Whether what it needs isn't installed."""
        return not (installed(PEERS[self.name][0]) if self.name in PEERS else loops.available(self.name))

    @property
    def arguments(self) -> list[str]:
        """The command line of its process."""
        kind = "--peer" if self.name in PEERS else "--loop"
        quick = ["--quick"] if self.quick else []
        return ["-m", "tests.benchmarks", "--one-column", kind, self.name, "--only", ",".join(self.only), *quick]


async def measured(request: Request) -> AsyncIterator[Figure]:
    """Give a column's figures as its process finds them; what goes wrong is a figure that says so."""
    if request.missing:
        yield Figure("all", note="not installed")
        return
    loop = {} if request.name in PEERS else {loops.VARIABLE: request.name}
    with tempfile.TemporaryFile() as errors:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *request.arguments,
            env={**os.environ, **loop},
            stdout=asyncio.subprocess.PIPE,
            stderr=errors,
            start_new_session=True,
        )
        assert process.stdout is not None
        try:
            async with asyncio.timeout(request.seconds):
                async for line in process.stdout:
                    if line.startswith(MARK.encode()):
                        yield Figure.from_json(json.loads(line[len(MARK) :]))
                await process.wait()
            if process.returncode:
                errors.seek(0)
                yield Figure("the rest", note=f"failed: {last_words(errors.read())}")
        except TimeoutError:
            yield Figure("the rest", note=f"failed: took more than {request.seconds:g} s")
        finally:
            await _end(process)


async def _end(process: asyncio.subprocess.Process) -> None:
    """End a column's process and all that it started: they are a session of their own, named by its id."""
    if process.returncode is None:
        os.killpg(process.pid, signal.SIGTERM)
        with suppress(TimeoutError):
            async with asyncio.timeout(END_SECONDS):
                await process.wait()
    with suppress(ProcessLookupError):  # as a rule nobody was left behind
        os.killpg(process.pid, signal.SIGKILL)
    await process.wait()


def one_column(request: Request) -> None:
    """Be a column's process: measure, and print each figure."""
    effort = QUICK if request.quick else FULL
    if request.name in PEERS:
        peer: Any = importlib.import_module(PEERS[request.name][1])
        _say(measure(peer.opening, set(request.only), effort))
        return

    async def own() -> None:
        async for figure in column(request.only, effort):
            _say([figure])

    loops.run(own())


def _say(figures: Iterable[Figure]) -> None:
    for figure in figures:
        print(MARK + json.dumps(figure.to_json()), flush=True)
