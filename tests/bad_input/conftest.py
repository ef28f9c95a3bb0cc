"""Hub and worker that all tests of the folder share: that they live through all of it is what is tested."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from tests.bad_input import parts


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[parts.House]:
    with parts.started(tmp_path_factory.mktemp("bob")) as made:
        yield made


@pytest.fixture
async def house(shared: parts.House) -> AsyncIterator[parts.House]:
    """Hub and bob, with a bystander that must notice nothing."""
    async with parts.bystander(shared):
        yield shared
