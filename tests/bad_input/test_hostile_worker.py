"""What a hostile worker says to an honest session: a typed error at its awaits, and it goes on with bob."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

import fedsock
from fedsock import errors
from fedsock.protocol.frames import build
from tests.bad_input.parts import WAIT_SECONDS, House, Raw, raw

EIGHT = base64.b64encode(bytes(8)).decode()


def array(dtype: str, shape: str, rest: str = f'"data":"{EIGHT}"') -> str:
    """Return the value of an array with this header."""
    return f'{{"$array":{{"dtype":{dtype},"shape":{shape},{rest}}}}}'


ANSWERS: dict[str, Callable[[int], str]] = {
    "no JSON": lambda id: "[{",
    "no list": lambda id: "{}",
    "an unknown kind": lambda id: '[{"t":"run","id":1}]',
    "a kind that only sessions say": lambda id: f'[{{"t":"get","id":{id},"ref":1}}]',
    "a null as an id": lambda id: '[{"t":"done","id":null}]',
    "an id that was never given out": lambda id: '[{"t":"done","id":1000000}]',
    "a million ids": lambda id: f'[{{"t":"done","id":{id},"n":1000000}}]',
    "a negative shape": lambda id: f'[{{"t":"done","id":{id},"dtype":"float64","shape":[-1]}}]',
    "an object dtype": lambda id: f'[{{"t":"done","id":{id},"dtype":"object","shape":[null]}}]',
    **{
        case: lambda id, value=value: f'[{{"t":"value","id":{id},"value":{value}}}]'  # type: ignore[misc]
        for case, value in {
            "a bare NaN": "NaN",
            "a lone surrogate": '"\\ud800"',
            "a value nested deep": "[" * 10_000 + "]" * 10_000,
            "an unknown tag": '{"$pickle":"gASVAAAA"}',
            "a reference": '{"$":1}',
            "an array of objects": array('"O"', "[1]"),
            "a negative size": array('"float64"', "[-1]"),
            "sizes that overflow": array('"float64"', "[4294967296,4294967296]"),
            "fewer bytes than announced": array('"float64"', "[2]"),
            "no base64": array('"float64"', "[1]", '"data":"!!!"'),
            "a stream larger than any memory": array('"int8"', "[281474976710656]", '"stream":1'),
            "a stream larger than was asked for": array('"int8"', "[100000000]", '"stream":1'),
        }.items()
    },
}
"""What is wrong -> the answer to a get of this id."""


@asynccontextmanager
async def asked(house: House, hub: Any) -> AsyncIterator[tuple[Raw, str, int, asyncio.Task[Any]]]:
    """A hostile worker whom an honest session asked for a sum: the worker, the session, the id of its get, its task."""
    async with raw(house.url, "mallory", "worker") as worker:
        summed = asyncio.create_task(_sum(hub))
        async with asyncio.timeout(WAIT_SECONDS):
            peer, number = await worker.wanted()
        yield worker, peer, number, summed


async def _sum(hub: Any) -> Any:
    mallory = await hub.worker("mallory", timeout=WAIT_SECONDS)
    return await (mallory.send(1.0) + 1)


async def honest(hub: Any) -> None:
    """Get a right answer from bob."""
    bob = await hub.worker("bob")
    assert await (bob.datasets["x"] + 1).sum() == 21.0


async def test_its_answers_that_are_none(house: House) -> None:
    async with fedsock.connect(house.url, max_fetch_bytes=10_000_000) as hub:
        for case, answer in ANSWERS.items():
            async with asked(house, hub) as (worker, peer, number, summed):
                await worker.batch(peer, answer(number).encode(), seq=2)
                done, _ = await asyncio.wait({summed}, timeout=WAIT_SECONDS)
                assert done, f"{case}: neither an answer nor an error"
                error = summed.exception()
                assert type(error) is errors.WorkerLost, (case, error)
                assert "mallory" in str(error) and "same fedsock" in str(error), (case, error)
                assert await worker.reset() == errors.BadMessage.code, case
                await honest(hub)


async def test_its_chunks_that_do_not_fit(house: House) -> None:
    cases: dict[str, list[tuple[int, int]]] = {
        "beyond the end": [(0, 10_001)],
        "not at the beginning": [(1, 1000)],
        "out of order": [(0, 1000), (2000, 1000)],
        "overlapping": [(0, 1000), (500, 1000)],
        "without bytes": [(0, 0)],
    }
    async with fedsock.connect(house.url) as hub:
        for case, chunks in cases.items():
            async with asked(house, hub) as (worker, peer, number, summed):
                value = array('"int8"', "[10000]", '"stream":1')
                await worker.batch(peer, f'[{{"t":"value","id":{number},"value":{value}}}]'.encode(), seq=2)
                for seq, (at, size) in enumerate(chunks, 3):
                    await worker.chunk(peer, bytes(size), seq=seq, stream=1, at=at)
                async with asyncio.timeout(WAIT_SECONDS):
                    with pytest.raises(errors.WorkerLost):
                        await summed
                assert await worker.reset() == errors.BadMessage.code, case
            await honest(hub)


async def test_an_error_of_a_code_that_nobody_knows(house: House) -> None:
    async with fedsock.connect(house.url) as hub:
        async with asked(house, hub) as (worker, peer, number, summed):
            told = f'[{{"t":"error","id":{number},"code":"SystemExit","message":"no"}}]'
            await worker.batch(peer, told.encode(), seq=2)
            with pytest.raises(errors.RemoteError, match="mallory") as caught:
                await summed
            assert type(caught.value) is errors.RemoteError
        await honest(hub)


async def test_its_frames_that_are_none_end_its_socket_only(house: House) -> None:
    async with fedsock.connect(house.url) as hub:
        async with asked(house, hub) as (worker, peer, _, summed):
            await worker.write(build(peer, "bob@aaaa", 0, seq=2, body=b"[]"))
            assert (await worker.refused())[1] == 1008
            summed.cancel()
            await asyncio.gather(summed, return_exceptions=True)
        await honest(hub)


async def test_a_value_that_bob_does_not_expect_from_it(house: House) -> None:
    async with raw(house.url) as session, raw(house.url, "mallory", "worker") as worker:
        deliver = f'[{{"t":"deliver","session":"{session.address}","id":1,"value":1}}]'
        await worker.batch(session.bob, deliver.encode())
        await session.batch(session.bob, b'[{"t":"get","id":9,"ref":1}]')
        told = await session.message("error", "value")
        assert told["code"] == errors.UnknownObject.code
