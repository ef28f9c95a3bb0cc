"""Hub() and connect() end to end with processes that end or are killed; what they promise is in tests/contract/."""

from __future__ import annotations

import asyncio
import inspect
import os
import signal
import subprocess
from contextlib import ExitStack

import numpy as np
import pytest

import fedsock
from fedsock import errors
from fedsock.hub.__main__ import parser
from tests.contract.house import process


def test_hub_takes_the_options_of_the_command() -> None:
    named = {"origin": "origins"}
    command = {named.get(action.dest, action.dest): action.default for action in parser()._actions}
    del command["help"]
    own = {name: one.default for name, one in inspect.signature(fedsock.Hub).parameters.items()}
    assert command.keys() <= own.keys()
    assert (own["host"], own["port"]) == (command["host"], command["port"]) == ("127.0.0.1", 8765)


def _announced(hub: subprocess.Popen[str]) -> str:
    assert hub.stdout is not None
    return hub.stdout.readline().split()[-1]


async def test_a_hub_killed_under_pipelined_ops_loses_and_repeats_nothing() -> None:
    loop = asyncio.get_running_loop()
    loop.set_debug(False)  # it notes where each of 10,000 tasks was made, which takes most of the time
    with ExitStack() as children:  # all of them outlive the connection
        first = children.enter_context(process("fedsock.hub", "--port", "0"))
        url = await loop.run_in_executor(None, _announced, first)
        children.enter_context(process("fedsock.worker", "--name", "bob", "--hub", url))
        async with fedsock.connect(url) as hub:
            bob = await hub.worker("bob", timeout=30)
            x = await bob.send(np.arange(3.0)).wait()
            before = (await bob.stats()).ops_run
            pointers = [x + number for number in range(5000)]
            await pointers[100].wait()
            first.send_signal(signal.SIGKILL)
            first.wait(10)
            second = children.enter_context(process("fedsock.hub", "--port", url.rsplit(":", 1)[1]))
            await loop.run_in_executor(None, _announced, second)
            pointers += [x + number for number in range(5000, 10_000)]
            results = await asyncio.gather(*pointers)
            assert [result[0] for result in results] == list(range(10_000))
            assert (await bob.stats()).ops_run == before + 10_000


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


async def test_a_worker_that_is_gone_ends_what_waits_for_it() -> None:
    async with fedsock.Hub(port=0) as hub:
        with process("fedsock.worker", "--name", "bob", "--hub", hub.url) as worker:
            bob = await hub.worker("bob", timeout=30)
            x = await bob.send(np.ones(3)).wait()
            worker.kill()
            worker.wait(10)
            with process("fedsock.worker", "--name", "bob", "--hub", hub.url):
                with pytest.raises(errors.WorkerLost):
                    await x.sum()
                again = await hub.worker("bob", timeout=30)
                deadline = asyncio.get_running_loop().time() + 20
                while True:
                    try:
                        assert await again.send(np.ones(2)).sum() == 2.0
                        break
                    except errors.WorkerLost:
                        assert asyncio.get_running_loop().time() < deadline
