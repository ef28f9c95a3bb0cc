"""methods: a call in any of numpy's spellings becomes one op that gives what the call gives."""

from __future__ import annotations

import inspect
import operator
from typing import Any

import numpy as np
import pytest

from fedsock.errors import InPlaceRefused, UnsupportedValue
from fedsock.ops import (
    METHODS,
    NAMES,
    OPERATORS,
    TABLE,
    Call,
    call_function,
    call_method,
    call_ufunc,
    dtype_argument,
)
from tests.ops.oracle import run, same

X = np.arange(6.0).reshape(2, 3)


def result(call: Call | None) -> Any:
    assert call is not None
    return run(TABLE[call.name], call.args, call.kwargs)


CALLS: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = [
    ("sum", (0,), {}),
    ("sum", (0, float, None), {"keepdims": True}),
    ("mean", (), {"axis": 1, "dtype": "f4"}),
    ("std", (0, None, None, 1), {}),
    ("var", (), {"ddof": 1, "out": None}),
    ("min", (0, None), {}),
    ("max", (1,), {"keepdims": True}),
    ("prod", (), {}),
    ("all", (), {"axis": 0}),
    ("any", (), {}),
    ("argmax", (0,), {}),
    ("argmin", (), {"axis": 1}),
    ("argsort", (), {}),
    ("argpartition", (1,), {}),
    ("astype", (int,), {}),
    ("astype", ("f4",), {"copy": False, "casting": "unsafe"}),
    ("astype", (np.int8, "K", "unsafe"), {"subok": True}),
    ("clip", (1, 3), {}),
    ("clip", (), {"min": 1}),
    ("compress", ([True, False],), {"axis": 0}),
    ("compress", (), {"condition": [True, False]}),
    ("conj", (), {}),
    ("conjugate", (), {}),
    ("cumsum", (0,), {}),
    ("cumprod", (), {}),
    ("diagonal", (1,), {}),
    ("dot", (X.T,), {}),
    ("flatten", (), {}),
    ("flatten", ("F",), {}),
    ("nonzero", (), {}),
    ("ravel", (), {}),
    ("repeat", (2,), {"axis": 0}),
    ("reshape", (3, 2), {}),
    ("reshape", ((3, 2),), {"order": "F"}),
    ("reshape", (-1,), {}),
    ("round", (1,), {}),
    ("squeeze", (), {}),
    ("swapaxes", (0, 1), {}),
    ("take", ([0, 1],), {"axis": 1}),
    ("trace", (), {}),
    ("transpose", (), {}),
    ("transpose", (1, 0), {}),
    ("transpose", ((1, 0),), {}),
    ("transpose", (None,), {}),
]


@pytest.mark.parametrize(("name", "args", "kwargs"), CALLS)
def test_methods(name: str, args: Any, kwargs: Any) -> None:
    assert same(result(call_method(name, (X, *args), kwargs)), getattr(X, name)(*args, **kwargs))


def test_methods_of_lines_and_scalars() -> None:
    line = np.arange(3)
    assert same(result(call_method("searchsorted", (line, 1), {"side": "right"})), line.searchsorted(1, side="right"))
    assert same(result(call_method("choose", (line % 2, [line, -line]), {})), (line % 2).choose([line, -line]))


@pytest.mark.parametrize("name", [name for name, method in METHODS.items() if method.is_property])
def test_properties(name: str) -> None:
    assert same(result(call_method(name, (X * 1j,), {})), getattr(X * 1j, name))


def test_every_method_is_an_op_of_numpy() -> None:
    assert all(TABLE[method.op].numpy and hasattr(np.ndarray, name) for name, method in METHODS.items())
    with pytest.raises(KeyError):
        call_method("sort", (X,), {})


@pytest.mark.parametrize(
    ("function", "args", "kwargs"),
    [
        (np.sum, (X, 0, None, None, True), {}),
        (np.sum, (X,), {"keepdims": np._NoValue}),
        (np.max, (X, 1, None, True), {}),
        (np.concatenate, ([X, X], 1, None), {"casting": "same_kind"}),
        (np.full_like, (X, 3, float, "K", True), {"device": "cpu"}),
        (np.nan_to_num, (X, True, 5), {}),
        (np.where, (X > 2,), {}),
        (np.where, (X > 2, 1, 0), {}),
        (np.meshgrid, (X[0], X[1]), {"indexing": "ij"}),
        (np.amin, (X,), {}),
        (np.permute_dims, (X, (1, 0)), {}),
        (np.round, (X, 1, None), {}),
        (np.around, (X,), {}),
        (np.broadcast_to, (X, (2, 2, 3), False), {}),
        (np.copy, (X,), {"subok": False}),
        (np.linspace, (0, X, 3), {"dtype": "f4", "device": None}),
        (np.astype, (X, np.int64), {"copy": True}),
    ],
)
def test_functions(function: Any, args: Any, kwargs: Any) -> None:
    expected = function(*args, **{key: value for key, value in kwargs.items() if value is not np._NoValue})
    assert same(result(call_function(function, args, kwargs)), expected)


def test_functions_that_are_no_op() -> None:
    assert call_function(np.save, (X,), {}) is None
    with pytest.raises(InPlaceRefused):
        call_function(np.sum, (X,), {"out": X})
    with pytest.raises(InPlaceRefused):
        call_function(np.sum, (X, 0, None, X), {})
    with pytest.raises(UnsupportedValue):
        call_function(np.sum, (X,), {"dtype": object})
    with pytest.raises(TypeError, match="at most"):
        call_function(np.sum, (X, 0, None, None, False, 0, True, 1), {})
    assert call_function(np.add.reduce, (X,), {}) is None


def test_ufuncs() -> None:
    assert same(result(call_ufunc(np.add, "__call__", (X, 1), {"out": None})), X + 1)
    assert same(result(call_ufunc(np.add, "reduce", (X,), {"axis": 0, "out": (None,)})), X.sum(0))
    assert same(result(call_ufunc(np.multiply, "outer", (X, X), {})), np.multiply.outer(X, X))
    assert same(
        result(call_ufunc(np.add, "__call__", (X, 1), {"dtype": "f4", "subok": True})),
        np.add(X, 1, dtype="f4"),
    )
    assert call_ufunc(np.sin, "reduce", (X,), {}) is None
    assert call_ufunc(np.frompyfunc(abs, 1, 1), "__call__", (X,), {}) is None
    for method, options in (("at", {}), ("__call__", {"out": (X,)})):
        with pytest.raises(InPlaceRefused):
            call_ufunc(np.add, method, (X, 1), options)


def test_operators() -> None:
    a, b = np.array([6, 3]), np.array([2, 5])
    for name, op in OPERATORS.items():
        if name in ("neg", "pos", "abs", "invert"):
            assert same(run(TABLE[op], (a,), {}), getattr(operator, name)(a)), name
        elif name == "divmod":
            assert same(run(TABLE[op], (a, b), {}), divmod(a, b))
        elif name not in ("itruediv", "imatmul"):
            python = getattr(operator, name, None) or getattr(operator, f"{name}_")
            assert same(run(TABLE[op], (a, b), {}), python(a.copy(), b)), name


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (float, "float64"),
        (int, "int64"),
        (bool, "bool"),
        ("f4", "float32"),
        (np.int8, "int8"),
        (np.dtype("U3"), "str96"),
    ],
)
def test_dtype_arguments(value: Any, name: str) -> None:
    made = dtype_argument(value)
    assert made is not None
    assert made.name == name


@pytest.mark.parametrize("value", [object, "O", "i4,i4", "nonsense", ">f8", "S3", np.longdouble, 7])
def test_dtype_arguments_that_values_cannot_have(value: Any) -> None:
    with pytest.raises(UnsupportedValue):
        dtype_argument(value)
    assert dtype_argument(None) is None


def test_signatures_begin_as_numpys_do() -> None:
    """Positional arguments beyond the row's are found by numpy's signature."""
    renamed = {"empty_like", "array"}
    for function, name in NAMES.items():
        row = TABLE[name]
        if isinstance(function, np.ufunc) or row.variadic or name in renamed or name.startswith("random."):
            continue
        names = [p.name for p in row.positional]
        assert names == list(inspect.signature(function).parameters)[: len(names)], name
