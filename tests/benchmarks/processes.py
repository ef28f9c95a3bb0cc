"""Processes of a benchmark: started, spoken to by their first line, and ended by their own id."""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

START_SECONDS = 60.0


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
    """Run ``python -m module`` until the block ends; entered once it has printed a line."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", module, *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(START_SECONDS):
            line = (await process.stdout.readline()).decode().strip()
        yield Child(process, line)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


def memory(pid: int, field: str = "VmRSS") -> int:
    """Return bytes of a process's memory: VmRSS is now, VmHWM the most since ``forget_peak`` (Linux)."""
    found = re.search(rf"^{field}:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    assert found is not None
    return int(found[1]) * 1024


def forget_peak(pid: int) -> int:
    """Set a process's peak to what it holds now, and return that in bytes (Linux)."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")
    return memory(pid)
