"""How long a user waits before anything happens: importing fedsock, and a fresh script's first result."""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path

from tests.benchmarks.figures import Figure, Goal
from tests.benchmarks.rounds import Effort, rounds

INTERPRETERS = 9
"""Fresh ones, at least, for each figure."""

END_SECONDS = 60.0

TIMED = "import time; start = time.perf_counter(); import {}; print(time.perf_counter() - start)"


def _compiled_once() -> dict[str, str]:
    """Return the environment of an interpreter that keeps compiled modules, as what is installed has them."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return kept | {"PYTHONPYCACHEPREFIX": str(Path(tempfile.gettempdir()) / f"fedsock-benchmarks-{os.getuid()}")}


async def interpreter(*arguments: str) -> tuple[str, float]:
    """Run a fresh interpreter to its end; return its first line, and the seconds from its start to that."""
    start = time.perf_counter()
    process = await asyncio.create_subprocess_exec(
        sys.executable, *arguments, stdout=asyncio.subprocess.PIPE, env=_compiled_once()
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(END_SECONDS):
            line = await process.stdout.readline()
            took = time.perf_counter() - start
            await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, f"{arguments} ended with {process.returncode}"
    return line.decode().strip(), took


async def importing(module: str) -> float:
    """Return the milliseconds of an import in a fresh interpreter."""
    line, _ = await interpreter("-c", TIMED.format(module))
    return 1e3 * float(line)


async def first_result() -> float:
    """Return the seconds from a process's start until it printed its first result."""
    line, took = await interpreter("-m", "tests.benchmarks.first")
    assert line == "18.0"
    return took


async def startup(effort: Effort) -> AsyncIterator[Figure]:
    """Both figures, their interpreters taking turns."""
    fresh = Effort(INTERPRETERS, INTERPRETERS, 0.0) if effort.share == 1 else effort
    numpy, ours, first = await rounds(fresh, lambda: importing("numpy"), lambda: importing("fedsock"), first_result)
    beyond = tuple(mine - its for mine, its in zip(ours, numpy, strict=True))
    yield Figure("import fedsock, beyond numpy's own", "ms", beyond, goal=Goal(150, most=True))
    yield Figure("first result of a fresh script", "s", first, goal=Goal(1, most=True))
