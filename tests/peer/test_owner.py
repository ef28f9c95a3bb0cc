from __future__ import annotations

import inspect

import pytest

from fedsock.peer.owner import Owner
from fedsock.session.session import Session
from fedsock.worker.service import WorkerService


@pytest.mark.parametrize("kind", [Session, WorkerService])
@pytest.mark.parametrize("name", [name for name in vars(Owner) if not name.startswith("_")])
def test_owners_take_what_a_peer_brings(kind: type, name: str) -> None:
    wanted = list(inspect.signature(getattr(Owner, name)).parameters)
    assert list(inspect.signature(getattr(kind, name)).parameters) == wanted
