"""elementwise: every ufunc, its methods, operators in place and their kin are numpy's own."""

from __future__ import annotations

import operator
import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedsock.errors import OpFailed
from fedsock.ops.elementwise import ROWS, astype
from fedsock.ops.registry import Row, check, depends_on_values
from fedsock.worker.failures import op_error_class
from tests.ops.harness import DTYPES, SCALARS, broadcastable, few, operands
from tests.ops.oracle import DATES, EVERY, NUMBERS, REALS, agree, arrays, run, same

TABLE = {row.name: row for row in ROWS}
UFUNCS = [row for row in ROWS if row.numpy and isinstance(row.numpy[0], np.ufunc)]
UNARY = [row.name for row in UFUNCS if row.numpy[0].nin == 1]
GENERALIZED = ["matmul", "vecdot", "matvec", "vecmat"]
BINARY = [row.name for row in UFUNCS if row.numpy[0].nin == 2 and row.name not in GENERALIZED]
METHODS = [row.name for row in ROWS if "." in row.name]
IN_PLACE = [row.name for row in ROWS if row.in_place]


def zeros_elsewhere(ufunc: np.ufunc, *args: Any, where: Any, dtype: Any = None) -> Any:
    """What numpy gives where a mask is true, and zeros elsewhere."""
    full = ufunc(*args, where=where, dtype=dtype)
    parts = full if isinstance(full, tuple) else (full,)
    zeroed = [np.where(where, part, np.zeros((), part.dtype)).astype(part.dtype) for part in parts]
    outs = tuple(part[()] for part in zeroed)
    return outs if ufunc.nout > 1 else outs[0]


@pytest.mark.parametrize("name", UNARY)
@few
@given(data=st.data())
def test_of_one_array(name: str, data: Any) -> None:
    agree(TABLE[name], data.draw(operands()))


@pytest.mark.parametrize("name", BINARY)
@few
@given(data=st.data())
def test_of_two_arrays(name: str, data: Any) -> None:
    agree(TABLE[name], *data.draw(broadcastable()))


@pytest.mark.parametrize("name", ["add", "sqrt", "divide", "divmod", "modf", "power", "less", "absolute"])
@few
@given(data=st.data())
def test_where_and_dtype(name: str, data: Any) -> None:
    row = TABLE[name]
    ufunc = row.numpy[0]
    *args, mask = data.draw(broadcastable(NUMBERS, ufunc.nin + 1))
    options = {"where": np.asarray(mask, bool)}
    dtype = data.draw(DTYPES)
    if dtype is not None:
        options["dtype"] = dtype
        args = [np.asarray(arg) for arg in args]
    agree(row, *args, oracle=lambda *a, **o: zeros_elsewhere(ufunc, *a, **o), **options)
    agree(row, *args, dtype=dtype)


@pytest.mark.parametrize("name", ["less", "less_equal", "greater", "greater_equal", "equal", "not_equal"])
@pytest.mark.parametrize("beyond", [2**31, -(2**63), 2**64 - 1, 1])
def test_integers_beyond_a_dtype_are_compared_under_a_mask(name: str, beyond: int) -> None:
    x = np.array([-1, 1], "i2")
    result = agree(TABLE[name], x, beyond, where=True)
    assert run(TABLE[name], (x, beyond), {"where": np.array([True, False])}).tolist() == [result[0], False]
    assert run(TABLE[name], (beyond, x), {"where": np.array([[False]])}).tolist() == [[False, False]]
    with pytest.raises(TypeError):
        run(TABLE[name], (x, beyond), {"where": np.array([1, 0])})


def test_sums_of_texts_are_bounded() -> None:
    x = np.array([2**63, 1], "u8")
    for oracle, name in ((np.add, "add"), (np.add.outer, "add.outer")):
        agree(TABLE[name], x, x, oracle=oracle, dtype=np.dtype("U"))
        agree(TABLE[name], x, x, oracle=oracle, dtype=np.dtype("U50"))


def test_a_power_of_floats_never_raises() -> None:
    floats, whole = np.ones(3), np.arange(3)
    for name in ("power", "pow", "ipow", "power.outer"):
        assert not depends_on_values(TABLE[name], [floats, whole], {}, [0, 1])
        assert depends_on_values(TABLE[name], [whole, whole], {}, [0])
    assert not depends_on_values(TABLE["pow"], [whole, 2.0], {}, [0])
    assert not depends_on_values(TABLE["power.reduce"], [floats], {}, [0])
    assert depends_on_values(TABLE["power.reduce"], [floats, 0, np.dtype("i8")], {}, [0])


def test_where_shows_no_freed_memory() -> None:
    row = TABLE["add"]
    for _ in range(20):
        np.full(1000, 123456.789)
        assert run(row, (np.ones(1000), 1), {"where": False}).sum() == 0
    assert type(run(row, (1, 2), {"where": True})) is np.int64
    assert type(run(row, (1, 2), {"where": np.array(False)})) is np.int64


@pytest.mark.parametrize("name", METHODS)
@few
@given(data=st.data())
def test_methods(name: str, data: Any) -> None:
    row = TABLE[name]
    ufunc, method = name.split(".")
    oracle = getattr(getattr(np, ufunc), method)
    if method == "outer":
        agree(row, data.draw(arrays(EVERY, dims=2)), data.draw(operands()), oracle=oracle)
        return
    array = data.draw(arrays(NUMBERS + DATES))
    options = {"axis": data.draw(st.integers(-2, 2))} if data.draw(st.booleans()) else {}
    if method == "reduceat":
        indices = data.draw(st.lists(st.integers(0, 3), max_size=3))
        agree(row, array, np.array(indices, int), oracle=oracle, **options)
        return
    if method == "reduce":
        options |= data.draw(
            st.fixed_dictionaries(
                {},
                optional={"keepdims": st.booleans(), "initial": SCALARS, "axis": st.none() | st.just((0, 1))},
            )
        )
    if data.draw(st.booleans()):
        options["dtype"] = data.draw(DTYPES)
    agree(row, array, oracle=oracle, **options)


@few
@given(array=arrays(REALS), data=st.data())
def test_reduce_where(array: Any, data: Any) -> None:
    mask = data.draw(arrays([np.dtype(bool)], array.shape))
    agree(TABLE["add.reduce"], array, oracle=np.add.reduce, where=mask)


@pytest.mark.parametrize("name", IN_PLACE)
@few
@given(data=st.data(), overwrite=st.booleans())
def test_operators_in_place(name: str, data: Any, overwrite: bool) -> None:
    row = TABLE[name]
    x1, x2 = data.draw(broadcastable(NUMBERS))
    x1 = np.array(x1)
    kept = x1.copy()
    update = getattr(operator, name)
    agree(row, x1, x2, oracle=lambda a, b: np.asarray(update(a, b)))
    with np.errstate(all="ignore"):
        try:
            result = row.function(x1, x2, overwrite=overwrite)
        except Exception:
            assert same(x1, kept)
        else:
            if overwrite and name != "ipow":
                assert result is x1
            else:
                assert same(x1, kept)


def test_operators_in_place_on_scalars_and_owner_data() -> None:
    assert run(TABLE["iadd"], (2, 3), {}) == 5
    owners = np.ones(3)
    owners.flags.writeable = False
    result = TABLE["iadd"].function(owners, 1, overwrite=True)
    assert owners.sum() == 3
    assert result.sum() == 6


@few
@given(data=st.data())
def test_power_operator(data: Any) -> None:
    x1, x2 = data.draw(broadcastable(NUMBERS))
    x2 = data.draw(st.sampled_from([x2, 2, 0.5, -1, 3.0]))
    if isinstance(x1, (np.ndarray, np.generic)):
        agree(TABLE["pow"], x1, x2, oracle=operator.pow)
    assert run(TABLE["pow"], (2, 3), {}) == 8


@pytest.mark.parametrize("name", GENERALIZED)
@few
@given(data=st.data())
def test_products_of_matrices(name: str, data: Any) -> None:
    n, m, k = data.draw(st.tuples(*[st.integers(0, 3)] * 3))
    batch = data.draw(st.sampled_from([(), (2,), (1, 2)]))
    shapes = {
        "matmul": [(n, m), (m, k)],
        "vecdot": [(m,), (m,)],
        "matvec": [(n, m), (m,)],
        "vecmat": [(m,), (m, k)],
    }[name]
    left = data.draw(arrays(NUMBERS, batch + shapes[0]) | arrays(NUMBERS))
    right = data.draw(arrays(NUMBERS, shapes[1]) | arrays(NUMBERS))
    agree(TABLE[name], left, right)
    if name == "vecdot":
        agree(TABLE[name], left, right, axis=0)


@pytest.mark.parametrize("name", ["real", "imag", "i0", "sinc", "isreal", "iscomplex", "fix", "real_if_close"])
@few
@given(data=st.data())
def test_functions_of_one_array(name: str, data: Any) -> None:
    agree(TABLE[name], data.draw(operands(NUMBERS)))


@pytest.mark.parametrize("name", ["isneginf", "isposinf"])
@few
@given(data=st.data())
def test_signed_infinities(name: str, data: Any) -> None:
    agree(TABLE[name], data.draw(arrays(NUMBERS)))


@few
@given(x=operands(NUMBERS), decimals=st.integers(-2, 3))
def test_round(x: Any, decimals: int) -> None:
    agree(TABLE["round"], x, decimals)


@few
@given(x=operands(NUMBERS), deg=st.booleans())
def test_angle(x: Any, deg: bool) -> None:
    agree(TABLE["angle"], x, deg=deg)


@few
@given(data=st.data())
def test_clip(data: Any) -> None:
    a, low, high = data.draw(broadcastable(NUMBERS + DATES, 3))
    agree(TABLE["clip"], a, low, high)
    agree(TABLE["clip"], a, None, high)
    agree(TABLE["clip"], a, min=low)
    agree(TABLE["clip"], a)
    agree(TABLE["clip"], a, low, high, dtype=np.dtype("f8"))


@few
@given(data=st.data())
def test_where(data: Any) -> None:
    condition, x, y = data.draw(broadcastable(EVERY, 3))
    agree(TABLE["where"], condition, x, y)


@few
@given(x=operands(NUMBERS), nan=SCALARS)
def test_nan_to_num(x: Any, nan: Any) -> None:
    agree(TABLE["nan_to_num"], x)
    agree(TABLE["nan_to_num"], x, nan=nan, posinf=1, neginf=-1)


@few
@given(p=arrays(REALS), axis=st.integers(-2, 1))
def test_unwrap(p: Any, axis: int) -> None:
    agree(TABLE["unwrap"], p, axis=axis)
    agree(TABLE["unwrap"], p, discont=1.5, period=4)


@pytest.mark.parametrize("name", ["isclose", "allclose", "array_equal", "array_equiv"])
@few
@given(data=st.data())
def test_comparisons(name: str, data: Any) -> None:
    a, b = data.draw(broadcastable(NUMBERS))
    agree(TABLE[name], a, b)
    agree(TABLE[name], a, a)
    if name != "array_equiv":
        agree(TABLE[name], a, a, equal_nan=True)
    if name.endswith("close"):
        agree(TABLE[name], a, b, 0.5, 0.25)
        agree(TABLE[name], a, b, 0.5, np.ones((2, 1, 1, 1)))
        agree(TABLE[name], a, b, atol=np.ones((2, 1, 1, 1)))


@few
@given(x=operands(EVERY), dtype=st.sampled_from([*EVERY, np.dtype(str), np.dtype("M8[ns]")]))
def test_astype(x: Any, dtype: Any) -> None:
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        agree(
            TABLE["astype"],
            x,
            dtype,
            oracle=lambda a, d: np.asarray(a)[()].astype(d) if not isinstance(a, np.ndarray) else a.astype(d),
        )


def test_astype_drops_imaginary_parts_in_silence() -> None:
    assert astype(np.array([1 + 2j]), np.dtype("f4")).dtype == "f4"


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_no_op_takes_what_it_should_not(row: Row) -> None:
    for name, value in {"out": np.zeros(3), "casting": "unsafe", "subok": True, "like": 1}.items():
        with pytest.raises(OpFailed) as caught:
            check(row, (np.zeros(3),) * max(row.required, 1), {name: value})
        assert op_error_class(caught.value) is op_error_class(TypeError())


def test_every_ufunc_of_numpy_is_there() -> None:
    ufuncs = {value for value in vars(np).values() if isinstance(value, np.ufunc)}
    assert ufuncs == {row.numpy[0] for row in UFUNCS}
    assert all(row.family == "elementwise" and row.about for row in ROWS)
