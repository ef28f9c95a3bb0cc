"""What keeps the rows of private values apart, and what mixes them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from fedsock.policy.facts import FUNCTION, Aggregate, Group, Rowwise
from tests.ops.forms import COLUMN, XT, V, X, form_of, rowwise


@pytest.mark.parametrize(
    ("name", "args", "kwargs", "axis", "degree", "weighted"),
    [
        ("add", (X, 1.5), {}, 0, 1, False),
        ("add", (X, np.ones(4)), {}, 0, 1, False),
        ("subtract", (X, X), {}, 0, 1, False),
        ("multiply", (X, X), {}, 0, 2, False),
        ("multiply", (X, COLUMN), {}, 0, 1, True),
        ("divide", (X, 2.0), {}, 0, 1, False),
        ("divide", (1.0, X), {}, 0, FUNCTION, False),
        ("square", (X,), {}, 0, 2, False),
        ("pow", (X, 2), {}, 0, 2, False),
        ("pow", (X, 3), {}, 0, FUNCTION, False),
        ("greater", (X, 0.0), {}, 0, FUNCTION, False),
        ("where", (X, 1.0, X), {}, 0, FUNCTION, False),
        ("exp", (X,), {}, 0, FUNCTION, False),
        ("clip", (X, 0.0, 1.0), {}, 0, FUNCTION, False),
        ("astype", (rowwise((50,), np.int8), np.dtype("f8")), {}, 0, 1, False),
        ("astype", (X, np.dtype("i8")), {}, 0, FUNCTION, False),
        ("multiply", (rowwise((50,), np.int64), 2), {}, 0, FUNCTION, False),
        ("matmul", (X, np.ones((4, 2))), {}, 0, 1, False),
        ("matmul", (np.ones((2, 4)), XT), {}, 1, 1, False),
        ("transpose", (X,), {}, 1, 1, False),
        ("swapaxes", (X, 0, 1), {}, 1, 1, False),
        ("moveaxis", (rowwise((2, 50, 3), axis=1), 1, -1), {}, 2, 1, False),
        ("expand_dims", (X, 0), {}, 1, 1, False),
        ("squeeze", (rowwise((1, 50, 1), axis=1),), {}, 0, 1, False),
        ("reshape", (X, (50, 2, 2)), {}, 0, 1, False),
        ("reshape", (X, (-1, 2, 2)), {}, 0, 1, False),
        ("sum", (X,), {"axis": 1}, 0, 1, False),
        ("mean", (XT,), {"axis": 0, "keepdims": True}, 1, 1, False),
        ("max", (X,), {"axis": 1}, 0, FUNCTION, False),
        ("sort", (X,), {"axis": 1}, 0, FUNCTION, False),
        ("getitem", (X, (slice(None), 2)), {}, 0, 1, False),
        ("getitem", (XT, 1), {}, 0, 1, False),
        ("getitem", (X, (Ellipsis, None, slice(1, 3))), {}, 0, 1, False),
        ("getitem.array", (X, (slice(None), np.array([0, 2]))), {}, 0, 1, False),
        ("iadd", (X, 1.0), {}, 0, 1, False),
    ],
)
def test_what_keeps_rows_apart(name: str, args: Any, kwargs: Any, axis: int, degree: int, weighted: bool) -> None:
    form = form_of(name, *args, **kwargs)
    assert (form.axis, form.degree, form.weighted) == (axis, degree, weighted) and form.group == Group("subjects", 50)


@pytest.mark.parametrize(
    ("name", "args", "kwargs"),
    [
        ("getitem", (X, 5), {}),
        ("getitem", (X, slice(0, 49)), {}),
        ("getitem", (X, slice(None, None, -1)), {}),
        ("getitem.array", (X, np.array([0] * 50)), {}),
        ("getitem.array", (X, (slice(None), 0, np.array([0]))), {}),
        ("repeat", (X, 2, 0), {}),
        ("tile", (X, (1, 2)), {}),
        ("concatenate", ([X[0], X[0]],), {}),
        ("pad", (X, 1), {}),
        ("cumsum", (X,), {"axis": 0}),
        ("diff", (X,), {"axis": 0}),
        ("sort", (X,), {"axis": 0}),
        ("roll", (X, 1, 0), {}),
        ("add.reduceat", (X, np.array([0, 1])), {}),
        ("subtract.outer", (V, V), {}),
        (
            "add",
            (X, rowwise((50, 1), axis=0)),
            {"where": np.ones(50, bool)[:, None], "dtype": None} | {"dtype": np.dtype("f8")},
        ),
        ("add", (rowwise((50, 50)), rowwise((50, 50), axis=1)), {}),
        ("add", (X, (np.zeros((50, 1)), Rowwise(Group("others", 50), 0))), {}),
        ("matmul", (X, XT), {}),
        ("sum", (X,), {"where": np.arange(50)[:, None] == 5}),
        ("sum", (X,), {"initial": 3.0}),
        ("mean", (X,), {"dtype": np.dtype("i8")}),
        ("average", (X,), {}),
        ("max", (X,), {}),
        ("median", (X,), {"axis": 0}),
        ("reshape", (X, (4, 50)), {}),
        ("reshape", (XT, (50, 4)), {}),
        ("cov", (X,), {}),
        ("cov", (V,), {"fweights": np.arange(50)}),
        ("bincount", (rowwise((50,), np.int64),), {"minlength": 9}),
        ("bincount", (rowwise((50,), np.int64, raw="ages"), np.ones(50)), {}),
        ("histogram", (V,), {"bins": 5}),
        ("einsum", ("ij->i", X), {}),
    ],
)
def test_what_mixes_rows(name: str, args: Any, kwargs: Any) -> None:
    assert not isinstance(form_of(name, *args, **kwargs), Aggregate)
    if name != "add" or "where" not in kwargs:
        assert form_of(name, *args, **kwargs) is None
