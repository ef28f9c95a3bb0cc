from __future__ import annotations

import asyncio
import threading
from typing import Any

import numpy as np
import pytest

from fedsock import errors
from fedsock.protocol import messages
from fedsock.session import station as stations


async def test_wrong_thread_and_loop(house: Any) -> None:
    p = house.bob.send(1.0)
    caught: list[BaseException] = []

    def elsewhere() -> None:
        for write in (lambda: p + 1, lambda: asyncio.run(p.get()), lambda: house.bob.send(1)):
            try:
                write()
            except errors.WrongLoop as error:
                caught.append(error)

    thread = threading.Thread(target=elsewhere)
    thread.start()
    await asyncio.to_thread(thread.join)
    assert len(caught) == 3


async def test_pointers_apart(house: Any) -> None:
    p, q = house.bob.send(np.ones(2)), house.alice.send(np.ones(2))
    with pytest.raises(errors.PointersApart, match=r"bob.*alice.*copy\(") as told:
        p + q
    assert "copy(alice)" in str(told.value)
    with pytest.raises(errors.PointersApart):
        np.concatenate([p, q])


async def test_cancel(house: Any) -> None:
    house.bobs.expected.add(1)
    p = house.bob.send(1.0)
    house.bobs.expected.clear()
    house.bobs.link.held = True
    y = p + 1
    y.cancel()
    house.bobs.link.held = False
    assert await p == 1.0
    assert house.bobs.named(messages.Cancel)[0].ids == [y.id_at_location]


async def test_backlog(house: Any, monkeypatch: Any) -> None:
    p = await house.bob.send(1.0).wait()
    house.bobs.link.held = True
    monkeypatch.setattr(stations, "MAX_QUEUED", 10)
    kept = [p + n for n in range(10)]
    with pytest.raises(errors.BacklogFull, match="await"):
        p + 1
    with pytest.raises(errors.BacklogFull):
        house.bob.send(1)
    kept.clear()
    assert (p + 1) is not None
    monkeypatch.setattr(stations, "MAX_QUEUED_BYTES", 1)
    keep = p + 1 if not house.bobs.link.queue else None
    with pytest.raises(errors.BacklogFull):
        _ = (p + 1, p + 1, keep)
