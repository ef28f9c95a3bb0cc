from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from fedsock import errors
from fedsock.protocol import messages


async def test_metadata_is_local(house: Any) -> None:
    x = house.bob.send(np.ones((2, 3), np.float32))
    assert (x.shape, x.dtype, x.ndim, x.size, x.nbytes, len(x)) == ((2, 3), np.float32, 2, 6, 24, 2)
    assert (x.location, x.owner, x.id_at_location) == (house.bob, "s-1", 1)
    assert np.shape(x) == (2, 3)
    assert np.result_type(x, np.float64) == np.float64
    y = x + 1
    with pytest.raises(errors.MetadataNotReady, match=r"await p.wait\(\)"):
        _ = y.shape
    with pytest.raises(errors.MetadataNotReady):
        list(y)
    assert await y.wait() is y
    assert y.shape == (2, 3)
    _, second = y
    np.testing.assert_array_equal(await second, np.full(3, 2, np.float32))
    assert not house.bobs.named(messages.Get)[1:]


async def test_withheld_metadata(house: Any) -> None:
    house.bobs.link.held = True
    p = house.bob.send(1.0) + 1
    number = p.id_at_location
    house.session.batch(house.bobs.address, memoryview(b'[{"t":"done","id":%d,"withheld":true}]' % number))
    assert await p.wait() is p
    with pytest.raises(errors.ExportDenied, match="publish a data set") as caught:
        _ = p.shape
    assert "combine" not in str(caught.value), "there is no policy yet that lets combined values go"
    assert "withheld" in repr(p)


@pytest.mark.parametrize("value", [3, 2.5, True, 1j, "text", [1, 2], {"a": 1}, None])
async def test_metadata_of_what_is_no_array(house: Any, value: Any) -> None:
    p = house.bob.send(value)
    if isinstance(value, (int, float, complex)):
        assert (p.shape, p.dtype) == ((), np.dtype(type(value)))
        with pytest.raises(TypeError):
            len(p)
        return
    with pytest.raises(AttributeError, match=type(value).__name__):
        _ = p.dtype
    assert await p == value
