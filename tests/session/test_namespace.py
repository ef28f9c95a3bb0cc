from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from fedsock import errors


async def test_functions_run_there(house: Any) -> None:
    rnp = house.bob.np
    assert (await rnp.zeros((2, 3))).shape == (2, 3)
    assert await rnp.linalg.norm(np.array([3.0, 4])) == 5
    np.testing.assert_array_equal(await rnp.arange(3, dtype=rnp.float32), np.arange(3, dtype=np.float32))
    np.testing.assert_array_equal(await rnp.fft.fft(rnp.ones(4)), np.fft.fft(np.ones(4)))
    assert await rnp.add.reduce([1, 2, 3]) == 6
    np.testing.assert_array_equal(await rnp.asarray([[1, 2]]), [[1, 2]])
    assert await rnp.abs(-3) == 3
    assert rnp.zeros(2).location is house.bob


async def test_constants_and_dtypes_are_local(house: Any) -> None:
    rnp = house.bob.np
    assert rnp.pi == np.pi
    assert rnp.float32 is np.float32
    assert rnp.finfo is np.finfo


@pytest.mark.parametrize("name", ["save", "load", "apply_along_axis", "nothing", "testing", "f2py"])
async def test_nothing_else_is_reached(house: Any, name: str) -> None:
    with pytest.raises(AttributeError, match="no op"):
        getattr(house.bob.np, name)
    with pytest.raises(errors.UnknownOp):
        getattr(house.bob.np.linalg, name)
    assert not hasattr(house.bob.np, "__wrapped__")
    with pytest.raises(AttributeError):
        house.bob.np.add.at  # noqa: B018


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("load", r"np\.load is no op: a worker reads and writes no files"),
        ("apply_along_axis", r"np\.apply_along_axis is no op: .*write it with operators"),
        ("copyto", r"np\.copyto is no op: .*p\[index\] = value"),
        ("nothing", r"np\.nothing is no op; `python -m fedsock\.ops` lists them"),
    ],
)
async def test_it_says_why_and_what_to_write(house: Any, name: str, why: str) -> None:
    with pytest.raises(errors.UnknownOp, match=why) as caught:
        getattr(house.bob.np, name)
    assert type(caught.value) is errors.UnknownOp
    assert isinstance(caught.value, AttributeError)


async def test_names_are_listed(house: Any) -> None:
    names = dir(house.bob.np)
    assert {"zeros", "linalg", "pi"} <= set(names)
    assert "svd" in dir(house.bob.np.linalg)
    assert "bob" in repr(house.bob.np) + repr(house.bob.np.sin)
