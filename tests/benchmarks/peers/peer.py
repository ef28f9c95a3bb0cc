"""What a peer is asked to do, and how it is measured: the same cases as fedsock's, each as its documentation says."""

from __future__ import annotations

import gc
import importlib.util
import select
import statistics
import subprocess
import sys
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import numpy as np

from tests.benchmarks.figures import Figure, failed
from tests.benchmarks.processes import END_SECONDS, START_SECONDS, last_words
from tests.benchmarks.rounds import Effort

LATENCY = "T1 op and fetch"
INDEPENDENT = "T2 independent ops"
CHAINED = "T2 chained ops"
UP = "T3 100 MB up"
DOWN = "T3 100 MB down"

OPS = 10_000
CHAIN = 1_000
TRIPS = 100
NBYTES = 100_000_000
PROBE = 200
"""Ops of a first, short try, which tells how many a slow peer does in its time."""


class Peer(ABC):
    """A way to compute on arrays of another process.

    Where it is opened, ten numbers are put there; every op adds a number to an array there.
    """

    @abstractmethod
    def op_and_fetch(self) -> Any:
        """Add one to the ten numbers, and return what came out."""

    @abstractmethod
    def independent(self, count: int) -> None:
        """Add a number to the ten numbers, so many times; return when all is done, the results still there."""

    @abstractmethod
    def chained(self, count: int) -> None:
        """Add one to the ten numbers, one to that, and so on; return when all is done, the results still there."""

    @abstractmethod
    def up(self, array: Any) -> None:
        """Put an array there; return when it is there."""

    @abstractmethod
    def down(self) -> Any:
        """Return that array."""

    def forget(self) -> None:  # noqa: B027  # a peer that frees what is dropped has nothing to do
        """Drop results, between two turns."""


Opening = Callable[[], AbstractContextManager[Peer]]


def installed(package: str) -> bool:
    """Whether a package can be imported."""
    return importlib.util.find_spec(package) is not None


def measure(opening: Opening, only: set[str], effort: Effort) -> Iterator[Figure]:
    """Give each figure as it is measured; what fails gives a row that says why.

    Args:
        opening: opens the peer.
        only: T1, T2, T3.
        effort: how long to measure; a peer has half the time that a case of fedsock's has.
    """
    try:
        with opening() as peer:
            for case, unit, turn in turns(peer, effort):
                if case[:2] in only:
                    yield _measured(case, unit, turn, peer, effort)
    except Exception as error:
        yield failed("its server", error)


def turns(peer: Peer, effort: Effort) -> Iterator[tuple[str, str, Callable[[], float]]]:
    """Give each case: its name, its unit, and what measures it once."""
    trips, chain, seconds = effort.count(TRIPS, 5), effort.count(CHAIN), effort.seconds / 4
    array = np.ones(effort.count(NBYTES) // 8)

    def latency() -> float:
        times = []
        for _ in range(trips):
            start = time.perf_counter()
            value = peer.op_and_fetch()
            times.append(time.perf_counter() - start)
        assert np.array_equal(value, np.arange(1.0, 11))
        return 1e6 * statistics.median(times)

    def independent() -> float:
        probed = _rate(peer.independent, PROBE)
        peer.forget()
        return _rate(peer.independent, min(effort.count(OPS), max(PROBE, round(probed * seconds))))

    def down() -> float:
        peer.up(array)  # what was there before was forgotten between the turns
        start = time.perf_counter()
        back = peer.down()
        took = time.perf_counter() - start
        assert np.array_equal(back, array)
        return array.nbytes / took / 1e6

    yield LATENCY, "us", latency
    yield INDEPENDENT, "/s", independent
    yield CHAINED, "/s", lambda: _rate(peer.chained, chain)
    yield UP, "MB/s", lambda: _rate(lambda _: peer.up(array), array.nbytes) / 1e6
    yield DOWN, "MB/s", down


def _rate(action: Callable[[int], None], count: int) -> float:
    start = time.perf_counter()
    action(count)
    return count / (time.perf_counter() - start)


def _measured(case: str, unit: str, turn: Callable[[], float], peer: Peer, effort: Effort) -> Figure:
    values: list[float] = []
    start = time.perf_counter()
    try:
        # The first turn warms up and isn't counted.
        for number in range(effort.most + 1):
            if number > min(effort.least, 3) and time.perf_counter() - start > effort.seconds / 2:
                break
            gc.collect()
            values.append(turn())
            peer.forget()
    except Exception as error:
        return failed(case, error)
    return Figure(case, unit, tuple(values[1:]))


@contextmanager
def server(module: str) -> Iterator[str]:
    """Run ``python -m module serve`` until the block ends; gives the line it printed.

    Raises:
        RuntimeError: it printed none in time.
    """
    with tempfile.TemporaryFile() as errors:
        command = [sys.executable, "-m", module, "serve"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True) as process:
            try:
                assert process.stdout is not None
                ready, _, _ = select.select([process.stdout], [], [], START_SECONDS)
                line = process.stdout.readline().strip() if ready else ""
                if not line:
                    errors.seek(0)
                    raise RuntimeError(f"{module} didn't start: {last_words(errors.read())}")
                yield line
            finally:
                process.terminate()
                try:
                    process.wait(END_SECONDS)
                except subprocess.TimeoutExpired:
                    process.kill()
