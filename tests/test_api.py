"""Hub() and connect() end to end with processes that end or are killed; what they promise is in tests/contract/."""

from __future__ import annotations

import asyncio
import inspect
import os
import signal
import subprocess

import pytest

import fedsock
from fedsock.hub.__main__ import parser
from tests.contract.house import process


def test_hub_takes_the_options_of_the_command() -> None:
    named = {"origin": "origins"}
    command = {named.get(action.dest, action.dest): action.default for action in parser()._actions}
    del command["help"]
    own = {name: one.default for name, one in inspect.signature(fedsock.Hub).parameters.items()}
    assert command.keys() <= own.keys()
    assert (own["host"], own["port"]) == (command["host"], command["port"]) == ("127.0.0.1", 8765)


def test_waits_take_ten_seconds_unless_told_otherwise() -> None:
    for waits in (fedsock.connect, fedsock.Hub.worker, fedsock.Hub.wait_for_workers):
        assert inspect.signature(waits).parameters["timeout"].default == 10


def _announced(hub: subprocess.Popen[str]) -> str:
    assert hub.stdout is not None
    return hub.stdout.readline().split()[-1]


@pytest.mark.skipif(os.name == "nt", reason="signals")
@pytest.mark.parametrize("module", ["fedsock.hub", "fedsock.worker"])
async def test_sigterm_ends_with_0(module: str) -> None:
    loop = asyncio.get_running_loop()
    with process("fedsock.hub", "--port", "0") as hub:
        url = await loop.run_in_executor(None, _announced, hub)
        with process("fedsock.worker", "--name", "bob", "--hub", url) as worker:
            async with fedsock.connect(url) as connection:
                await connection.worker("bob", timeout=30)
                ended = hub if module == "fedsock.hub" else worker
                ended.send_signal(signal.SIGTERM)
                assert await loop.run_in_executor(None, ended.wait, 5) == 0
