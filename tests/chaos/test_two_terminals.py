"""The owner's worker is started first, in a terminal of its own; scripts with a hub come and go."""

from __future__ import annotations

import socket
from pathlib import Path

import numpy as np
import pytest

from tests.chaos.children import Child, child

SCRIPT = """
import asyncio, sys
import fedsock

async def main(port):
    async with fedsock.Hub(port=port) as hub:
        bob = await hub.worker("bob", timeout=30)
        y = await (bob.datasets["x"] + bob.send(1.0)).wait()
        print("bob joined:", y.shape, flush=True)
        await asyncio.sleep(600)

asyncio.run(main(int(sys.argv[1])))
"""


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


class Script(Child):
    """A program in a file."""

    def __init__(self, path: Path, *arguments: str) -> None:
        super().__init__("", *arguments)
        self._command = (self._command[0], str(path), *arguments)


@pytest.mark.timeout(200)
async def test_bob_joins_whichever_script_has_a_hub(tmp_path: Path) -> None:
    np.save(tmp_path / "numbers.npy", np.arange(5.0))
    program = tmp_path / "script.py"
    program.write_text(SCRIPT, encoding="utf-8")
    port = free_port()
    data = f"x={tmp_path / 'numbers.npy'}"
    async with child(
        "fedsock.worker", "--name", "bob", "--data", data, "--hub", f"ws://127.0.0.1:{port}", wait=False
    ) as worker:
        for number in range(3):
            script = Script(program, str(port))
            try:
                await script.start()
                assert script.line == "bob joined: (5,)"
                if not number:
                    assert "joined" in await worker.announced()
            finally:
                await script.kill()
