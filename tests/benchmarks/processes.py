"""Processes of a benchmark: started, spoken to by their first line, and ended by their own id."""

from __future__ import annotations

import asyncio
import re
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

START_SECONDS = 60.0
END_SECONDS = 6.0
"""For a process that was told to end; a worker and a hub are gone within five."""


class Child:
    """A process of a benchmark.

    Attributes:
        pid: its id.
        line: the first line it printed.
    """

    def __init__(self, process: asyncio.subprocess.Process, line: str) -> None:
        self.pid = process.pid
        self.line = line


@asynccontextmanager
async def child(module: str, *arguments: str) -> AsyncIterator[Child]:
    """Run ``python -m module`` until the block ends; entered once it has printed a line.

    Raises:
        RuntimeError: it ended before that; says its last words.
    """
    with tempfile.TemporaryFile() as errors:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", module, *arguments, stdout=asyncio.subprocess.PIPE, stderr=errors
        )
        try:
            assert process.stdout is not None
            async with asyncio.timeout(START_SECONDS):
                line = (await process.stdout.readline()).decode().strip()
            if not line:
                errors.seek(0)
                raise RuntimeError(f"{module} didn't start: {last_words(errors.read())}")
            yield Child(process, line)
        finally:
            await end(process)


async def end(process: asyncio.subprocess.Process) -> None:
    """End a process by its id: first it is asked to, then made to."""
    if process.returncode is None:
        process.terminate()
        try:
            async with asyncio.timeout(END_SECONDS):
                await process.wait()
        except TimeoutError:
            process.kill()
    await process.wait()


def last_words(errors: bytes) -> str:
    """Return the last line of what a process wrote to its stderr."""
    lines = errors.decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else "it said nothing"


def memory(pid: int, field: str = "VmRSS") -> int:
    """Return bytes of a process's memory: VmRSS is now, VmHWM the most since ``forget_peak`` (Linux)."""
    found = re.search(rf"^{field}:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    assert found is not None
    return int(found[1]) * 1024


def forget_peak(pid: int) -> int:
    """Set a process's peak to what it holds now, and return that in bytes (Linux)."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")
    return memory(pid)
