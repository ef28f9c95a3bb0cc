from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from fedsock import errors
from fedsock.session import display


@pytest.mark.parametrize(
    ("nbytes", "text"),
    [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (3 << 20, "3.0 MiB"), (5 << 30, "5.0 GiB")],
)
def test_sizes(nbytes: int, text: str) -> None:
    assert display.size(nbytes) == text


async def test_a_pointer_shows_what_is_known_and_asks_nothing(house: Any) -> None:
    x = house.bob.send(np.ones((2, 3)), tags=["#<b>"], description="three & more")
    asked = len(house.bobs.log)
    assert "float64[2,3] at bob" in repr(x)
    assert "48 B" in repr(x)
    y = x + np.ones(7)
    assert "shape unknown" in repr(y)
    assert "pending" in f"{y}"
    assert len(house.bobs.log) == asked
    with pytest.raises(errors.OpValueError):
        await y
    assert "failed: OpValueError" in repr(y)
    html = x._repr_mimebundle_()["text/html"]
    assert "#&lt;b&gt;" in html
    assert "three &amp; more" in html
    pp = x.send("alice")
    assert "NestedPointer float64[2,3] at alice" in repr(pp)
    assert "points to" in repr(pp)
    moved = x.move("alice")
    assert "moved" in repr(x)
    moved.release()
    assert "released" in repr(moved)
    scalar = await house.bob.send(np.float32(1)).wait()
    assert "float32 scalar" in repr(scalar)
    assert "ready" in repr(scalar)
