from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from fedsock import errors


async def test_copies_have_a_bound(house: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr("fedsock.session.uploads.COPY_BYTES", 20_000)
    house.bobs.link.held = True
    big = np.ones(10_000)
    first = house.bob.send(big)
    with pytest.raises(errors.BacklogFull, match="copy=False"):
        house.bob.send(big)
    lent = house.bob.send(big, copy=False)
    small = first + 1
    with pytest.raises(errors.UnsupportedValue):
        house.alice.send([big, object()], copy=False)
    assert house.session.copies.nbytes == big.nbytes
    house.bobs.link.held = False
    assert await (lent + small).sum() == 30_000
    assert house.session.copies.nbytes == 0


async def test_send_to_several_copies_once(house: Any) -> None:
    house.bobs.link.held = house.alices.link.held = True
    array = np.ones(1000)
    mp = house.session.send(array, house.bob, "alice", tags="#w")
    assert house.session.copies.nbytes == array.nbytes
    array[:] = 0
    house.bobs.link.held = house.alices.link.held = False
    assert await (mp.sum() + 1) == {"bob": 1001.0, "alice": 1001.0}
    assert house.session.copies.nbytes == 0
    assert mp.at("bob").tags == ("#w",)
    lists = house.session.send([array, (array, {"a": array})], house.bob)
    np.testing.assert_array_equal((await lists)["bob"][1][1]["a"], array)
