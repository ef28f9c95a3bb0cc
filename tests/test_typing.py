"""The shared names of types are what they say."""

from __future__ import annotations

from typing import get_args, get_origin

import numpy as np

from fedsock import typing as names


def test_names() -> None:
    assert get_origin(names.Array) is np.ndarray
    assert set(get_args(names.Scalar)) == {bool, int, float, complex, str, type(None)}
    assert get_args(names.Shape) == (int, ...)
    assert names.Address is str and names.ObjectId is int


def test_floor_zero_imports_nothing_of_fedsock() -> None:
    assert not [name for name in vars(names) if getattr(vars(names)[name], "__module__", "").startswith("fedsock")]
