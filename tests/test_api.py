"""Hub() and connect() end to end, on virtual workers and on real worker and hub processes."""

from __future__ import annotations

import asyncio
import inspect
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

import fedsock
from fedsock import errors
from fedsock.hub.__main__ import parser
from fedsock.session.handle import WorkerHandle


@contextmanager
def process(module: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A real process; gone, by its own id, when the block ends."""
    child = subprocess.Popen([sys.executable, "-m", module, *arguments], stdout=subprocess.PIPE, text=True)
    try:
        yield child
    finally:
        child.kill()
        child.wait(10)
        assert child.stdout is not None
        child.stdout.close()


def test_hub_takes_the_options_of_the_command() -> None:
    named = {"origin": "origins"}
    command = {named.get(action.dest, action.dest): action.default for action in parser()._actions}
    del command["help"]
    own = {name: one.default for name, one in inspect.signature(fedsock.Hub).parameters.items()}
    assert command.keys() <= own.keys()
    assert (own["host"], own["port"]) == (command["host"], command["port"]) == ("127.0.0.1", 8765)


@pytest.fixture(params=["virtual", "process"])
async def bob(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[WorkerHandle]:
    data = {"x": np.arange(6.0), "ages": np.array([30.0, 40.0])}
    async with fedsock.Hub(port=0) as hub:
        if request.param == "virtual":
            yield await hub.virtual_worker("bob", data=data)
            return
        options = []
        for name, array in data.items():
            np.save(tmp_path / name, array)
            options += ["--data", f"{name}={tmp_path / name}.npy"]
        with process("fedsock.worker", "--name", "bob", "--hub", hub.url, *options):
            yield await hub.worker("bob", timeout=30)


async def test_the_first_program(bob: WorkerHandle) -> None:
    x = bob.send(np.array([1.0, 2, 3]), tags=["#demo"], description="three numbers")
    y = (x + x).sum()
    assert await y == 12.0
    assert type(await y) is np.float64


async def test_large_arrays_there_and_back(bob: WorkerHandle) -> None:
    array = np.random.default_rng(1).normal(size=(500, 1000))
    x = bob.send(array)
    doubled = await (x * 2)
    assert doubled.dtype == np.float64
    assert np.array_equal(doubled, array * 2)


async def test_values_come_back_as_they_were(bob: WorkerHandle) -> None:
    tree = {"a": (1, 2.5, None), "b": [np.float32(1.5), np.array(3), "text"], "$": float("inf")}
    back = await bob.send(tree)
    assert type(back["a"]) is tuple
    assert back["a"] == (1, 2.5, None)
    assert type(back["b"][0]) is np.float32
    assert type(back["b"][1]) is np.ndarray
    assert back["$"] == float("inf")


async def test_private_data_and_what_derives_from_it_stay(bob: WorkerHandle) -> None:
    ages = bob.datasets["ages"]
    for refused in (ages, ages + 1, ages.mean(), (ages * 0).sum(), ages[ages > 35], np.unique(ages)):
        with pytest.raises(errors.ExportDenied, match="private"):
            await refused


async def test_shapes_that_depend_on_private_values_are_not_told(bob: WorkerHandle) -> None:
    ages = bob.datasets["ages"]
    few, none = ages[ages > 35], ages[ages > 1000]
    failing = await np.linalg.inv(np.outer(ages, ages)).wait()
    for p in (await few.wait(), await none.wait(), failing):
        with pytest.raises(errors.ExportDenied):
            _ = p.shape
        with pytest.raises(errors.ExportDenied):
            await p.sum()


async def test_the_first_failure_is_the_cause_of_those_after_it(bob: WorkerHandle) -> None:
    bad = bob.send(np.ones(3)) + bob.send(np.ones(4))
    last = (bad * 2).sum()
    with pytest.raises(ValueError, match="bob") as caught:
        await last
    assert isinstance(caught.value, errors.OpFailed)
    assert isinstance(caught.value.__cause__, errors.OpValueError)
    assert "float64[3]" in str(caught.value.__cause__)


async def test_the_chain_runs_in_order_and_the_worker_counts(bob: WorkerHandle) -> None:
    before = (await bob.stats()).ops_run
    y = bob.send(np.zeros(3))
    for _ in range(1000):
        y = y + 1
    assert (await y).tolist() == [1000.0] * 3
    assert (await bob.stats()).ops_run == before + 1000


async def test_dropped_pointers_are_freed(bob: WorkerHandle) -> None:
    x = bob.send(np.ones(3))
    for number in range(2000):
        y = x + number
        if number % 100 == 0:
            await y.wait()
    del y
    deadline = asyncio.get_running_loop().time() + 5
    while (await bob.stats()).objects > 1:
        assert asyncio.get_running_loop().time() < deadline
    assert await x.sum() == 3.0


async def test_a_large_op_leaves_room_for_pings(bob: WorkerHandle) -> None:
    slow = (bob.send(np.ones((1200, 1200))) @ np.ones((1200, 1200))).sum()
    assert await bob.ping() < 5
    assert await slow == pytest.approx(1200.0**3)


async def test_unknown_workers_are_named_in_the_timeout() -> None:
    async with fedsock.Hub(port=0) as hub:
        await hub.virtual_worker("carol")
        with pytest.raises(TimeoutError, match="carol"):
            await hub.worker("bob", timeout=0.05)


async def test_values_move_between_workers() -> None:
    async with fedsock.Hub(port=0) as hub:
        bob, alice = await hub.virtual_worker("bob", data={"x": np.ones(3)}), await hub.virtual_worker("alice")
        there = bob.send(np.arange(100_000.0)).copy(alice)
        assert await there.sum() == np.arange(100_000.0).sum()
        assert there.location is alice
        with pytest.raises(errors.PointersApart, match=r"copy"):
            _ = there + bob.send(1.0)
        with pytest.raises(errors.ExportDenied):
            await bob.datasets["x"].copy(alice)


async def test_a_name_is_taken_once() -> None:
    async with fedsock.Hub(port=0) as hub:
        await hub.virtual_worker("bob")
        with pytest.raises(errors.NameTaken):
            await hub.virtual_worker("bob")


async def test_no_hub_is_a_timeout_that_says_so() -> None:
    with pytest.raises(errors.HubTimeout, match=r"0\.2 s"):
        await fedsock.connect("ws://127.0.0.1:1", timeout=0.2)


def _announced(hub: subprocess.Popen[str]) -> str:
    assert hub.stdout is not None
    return hub.stdout.readline().split()[-1]


async def test_a_hub_killed_under_pipelined_ops_loses_and_repeats_nothing(tmp_path: Path) -> None:
    loop = asyncio.get_running_loop()
    with process("fedsock.hub", "--port", "0") as first:
        url = await loop.run_in_executor(None, _announced, first)
        port = url.rsplit(":", 1)[1]
        with process("fedsock.worker", "--name", "bob", "--hub", url):
            async with fedsock.connect(url) as hub:
                bob = await hub.worker("bob", timeout=30)
                x = await bob.send(np.arange(3.0)).wait()
                before = (await bob.stats()).ops_run
                pointers = [x + number for number in range(5000)]
                await pointers[100].wait()
                first.send_signal(signal.SIGKILL)
                first.wait(10)
                with process("fedsock.hub", "--port", port) as second:
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


async def test_a_cancelled_op_and_what_depends_on_it_fail(bob: WorkerHandle) -> None:
    x = bob.send(np.ones(3))
    y = x + 1
    z = y * 2
    y.cancel()
    for cancelled in (y, z):
        with pytest.raises(errors.OpCancelled):
            await cancelled
    assert await x.sum() == 3.0


async def test_the_limit_of_a_fetch_may_be_set_at_any_time() -> None:
    async with fedsock.Hub(port=0) as hub:
        x = (await hub.virtual_worker("bob")).send(np.ones(1000))
        hub.max_fetch_bytes = 100
        with pytest.raises(errors.TooLargeToFetch, match="8,000 bytes"):
            await x
        hub.max_fetch_bytes = 8000
        assert (await x).sum() == 1000.0
