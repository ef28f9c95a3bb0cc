"""A hub with bob and alice, both virtual or both real processes: every line of the contract holds on either."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

import fedsock
from fedsock.session.handle import WorkerHandle
from fedsock.transport.memory import MemoryTransport
from fedsock.transport.websocket import WebSocketTransport
from tests.contract.house import ALICES, BOBS, House, options, process
from tests.contract.wiretap import Wiretap, tapped


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["virtual", "process"])
async def house(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    async with fedsock.Hub(port=0) as hub:
        if request.param == "virtual":
            bob = await hub.virtual_worker("bob", data=BOBS)
            alice = await hub.virtual_worker("alice", data=ALICES, private=False)
            yield House(hub, bob, alice, "virtual")
            return
        folder = tmp_path_factory.mktemp("owners")
        command = ("fedsock.worker", "--hub", hub.url, "--name")
        with (
            process(*command, "bob", *options(folder, "--data", BOBS)) as one,
            process(*command, "alice", *options(folder, "--public", ALICES)) as other,
        ):
            bob, alice = await hub.worker("bob", timeout=60), await hub.worker("alice", timeout=60)
            yield House(hub, bob, alice, "process", {"bob": one, "alice": other})


@pytest.fixture
def hub(house: House) -> fedsock.Hub:
    return house.hub


@pytest.fixture
def bob(house: House) -> WorkerHandle:
    return house.bob


@pytest.fixture
def alice(house: House) -> WorkerHandle:
    return house.alice


@pytest.fixture
def wire(monkeypatch: pytest.MonkeyPatch) -> Wiretap:
    return tapped(monkeypatch, MemoryTransport, WebSocketTransport)
