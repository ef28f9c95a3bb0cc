"""What an op makes of rows, from shapes and dtypes alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from fedsock.errors import OpTypeError, OpValueError, UnknownOp
from fedsock.federated.passing import FEW, GROUP, Kind, kept_apart, row_of, tried

X = Kind((5, 3), 0, np.dtype(np.uint8))
TURNED = Kind((3, 5), 1, np.dtype(np.float64))


def kind_of(value: Any) -> Kind | None:
    return value if isinstance(value, Kind) else None


@pytest.mark.parametrize(
    ("name", "args", "axis"),
    [
        ("add", (X, 1), 0),
        ("add", (X, np.ones(3)), 0),
        ("add", (np.ones((1, 3)), X), 0),
        ("add", (X, X), 0),
        ("add", (X, np.ones((5, 3))), None),
        ("add", (X, np.ones((FEW, 1))), None),
        ("add", (X, TURNED), None),
        ("transpose", (X,), 1),
        ("matmul", (X, np.ones((3, 2))), 0),
        ("matmul", (TURNED, X), None),
        ("sum", (X, 1), 0),
        ("sum", (X, 0), None),
        ("sum", (TURNED, 0), 0),
        ("getitem", (X, (slice(None), 1)), 0),
        ("getitem", (X, 1), None),
        ("sort", (X, 1), 0),
        ("sort", (X, 0), None),
    ],
)
def test_kept_apart(name: str, args: tuple[Any, ...], axis: int | None) -> None:
    assert kept_apart(name, args, {}, kind_of) == axis


def test_tried() -> None:
    [like] = tried("divide", (X, 2), {}, kind_of)
    assert (like.shape, like.dtype) == ((FEW, 3), np.float64)
    whole, rest = tried("divmod", (TURNED, 2), {}, kind_of)
    assert whole.shape == rest.shape == (3, FEW)
    assert tried("iadd", (X, np.uint8(1)), {}, kind_of)[0].shape == (FEW, 3)
    with pytest.raises(OpValueError, match=r"add on 2 rows.*the same for every row"):
        tried("add", (X, np.ones(7)), {}, kind_of)
    with pytest.raises(OpTypeError, match="bitwise_and"):
        tried("bitwise_and", (TURNED, 1), {}, kind_of)


def test_kinds() -> None:
    assert X.sized(9) == (9, 3) and TURNED.sized(9) == (3, 9)
    assert GROUP.rows > 1_000_000
    with pytest.raises(UnknownOp, match="nope"):
        row_of("nope")
