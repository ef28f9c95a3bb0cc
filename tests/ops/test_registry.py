"""registry: calls are checked against signatures, results flattened, and privacy of arguments judged."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from fedsock.errors import OpTypeError
from fedsock.ops.bounds import like
from fedsock.ops.registry import (
    Bound,
    Row,
    argument,
    assemble,
    check,
    depends_on_values,
    flatten,
    numpy_names,
    own,
    seconds,
    template_of,
)
from fedsock.ops.schema import signature


def row(text: str, name: str = "f", **more: Any) -> Row:
    settings = {"function": lambda *a, **k: a, "family": "tests", "bound": like} | more
    return Row(name=name, parameters=signature(text), **settings)


def test_bound_counts_in_python_integers() -> None:
    assert Bound((2**32, 2**32), 8).nbytes == 2**67
    assert Bound((2, 3), 4, 2).nbytes == 48
    assert Bound((), 8).nbytes == 8


def test_plain_calls_pass_as_they_are() -> None:
    add = row("x1:array x2:array / * dtype:dtype?=None")
    args = [np.zeros(3), 1]
    checked, options = check(add, args, {})
    assert checked is args
    assert options == {}


@pytest.mark.parametrize(
    ("args", "kwargs", "message"),
    [
        ([1], {}, "needs 'x2'"),
        ([1, 2, 3], {}, "at most 2"),
        ([1, 2], {"out": 3}, "no argument 'out'"),
        ([1, 2], {"x2": 3}, "no argument 'x2'"),
        ([1, None], {}, "x2 must be an array"),
        ([1, 2], {"dtype": "object"}, "dtype must be"),
    ],
)
def test_calls_that_do_not_fit(args: list[Any], kwargs: dict[str, Any], message: str) -> None:
    with pytest.raises(OpTypeError, match=message) as caught:
        check(row("x1:array x2:array / * dtype:dtype?=None"), args, kwargs)
    assert caught.value.op == "f"


def test_arguments_by_name() -> None:
    f = row("a:array axis:int=0 * keep:bool")
    assert check(f, [1], {"axis": np.int8(2), "keep": True}) == ([1, 2], {"keep": True})
    assert check(f, [], {"keep": False, "a": 1}) == ([1], {"keep": False})
    gap = row("a:array axis:int=0 n:int=1")
    assert check(gap, [1], {"n": 5}) == ([1], {"n": 5})
    with pytest.raises(OpTypeError, match="twice"):
        check(f, [1, 2], {"axis": 1, "keep": True})
    with pytest.raises(OpTypeError, match="needs 'keep'"):
        check(f, [1], {})


def test_any_number_of_arguments() -> None:
    f = row("first:int *rest:array sparse:bool=False")
    assert check(f, [1, 2.5, [3]], {"sparse": True})[0][:2] == [1, 2.5]
    with pytest.raises(OpTypeError, match="rest must be"):
        check(f, [1, None], {})


def test_summaries_come_from_numpy() -> None:
    assert row("x:array", numpy=(np.sqrt,)).about.startswith("Return the non-negative square-root")
    assert row("x:array", function=np.sort).about == "Return a sorted copy of an array."
    assert row("x:array", summary="S.").about == "S."
    assert row("x:array").about == ""


def test_seconds_grow_with_bytes() -> None:
    f = row("x:array")
    bound = Bound((10**9,), 1)
    assert seconds(f, bound, [], {}) == pytest.approx(1)
    assert seconds(f, bound, [np.zeros(10**6)], {}) > seconds(f, bound, [1], {})
    assert seconds(f, bound, [[np.zeros(10**6)]], {}) > 1
    assert seconds(row("x:array", cost=lambda x: 7.0), bound, [1], {}) == 7


PRIVATE = np.ones(3)


@pytest.mark.parametrize(
    ("args", "kwargs", "private", "depends"),
    [
        ([PRIVATE, 1], {}, [0], False),
        ([PRIVATE, np.float64(1)], {}, [0, 1], False),
        ([[1], 2.5], {}, [1], True),
        ([PRIVATE, np.int64(0)], {"axis": np.int64(1)}, ["axis"], True),
        ([PRIVATE, np.int64(0)], {"axis": 1}, [0], False),
        ([np.array(["a"]), 1], {}, [0], True),
        ([PRIVATE, "a"], {}, [0], True),
        ([PRIVATE, [1, np.datetime64("2020")]], {}, [0], True),
        ([PRIVATE, 1, PRIVATE], {}, [2], False),
        ([PRIVATE, 1, [PRIVATE]], {}, [2], False),
        ([PRIVATE, 1, [PRIVATE, 1]], {}, [2], True),
        ([PRIVATE, 1], {}, [], False),
        ([PRIVATE, PRIVATE], {}, ["y"], False),
        ([PRIVATE, 1], {"indices": PRIVATE}, [0], False),
        ([PRIVATE, 1], {"indices": PRIVATE}, ["indices"], True),
        ([PRIVATE, 1], {"dtype": np.dtype("f4")}, [0], False),
        ([PRIVATE, 1], {"dtype": np.dtype("U4")}, [0], True),
    ],
)
def test_what_a_result_tells(args: list[Any], kwargs: dict[str, Any], private: list[Any], depends: bool) -> None:
    f = row("x:array y:array *more:array axis:int=0 indices:deciding=0 dtype:dtype?=None", value_dependent=False)
    assert depends_on_values(f, args, kwargs, private) is depends


def test_rows_that_depend_on_values() -> None:
    assert depends_on_values(row("x:array"), [1], {}, [])
    assert depends_on_values(row("shape:shape", value_dependent=False), [3], {}, [0])
    careful = row("x:array n:int=1", unless=lambda x, n=1: n > 0)
    assert not depends_on_values(careful, [PRIVATE], {}, [0])
    assert depends_on_values(careful, [PRIVATE, -1], {}, [0])


def test_flatten_gives_arrays_their_own_memory() -> None:
    x = np.arange(6.0).reshape(2, 3)
    (view,) = flatten(row("x:array"), x[0])
    assert view.base is None
    assert not np.shares_memory(view, x)
    nested = flatten(row("x:array", results=3), (1, [x.T, np.float32(2)]))
    assert [type(part) for part in nested] == [int, np.ndarray, np.float32]
    x = np.arange(3)
    first, second = flatten(row("x:array", results=2), (x, x))
    assert not np.shares_memory(first, second)
    tree = [1, {"a": 2}]
    assert flatten(row("x:array"), tree) == [tree]


@pytest.mark.parametrize("dtype", ["O", "V3", "S2", "i4,i4", "g"])
def test_flatten_refuses_dtypes(dtype: str) -> None:
    with pytest.raises(OpTypeError, match="can't have"):
        flatten(row("x:array"), np.zeros(2, dtype))


def test_templates() -> None:
    assert template_of(row("x:array"), [1], {}, np.shape) is None
    assert template_of(row("x:array", results=2), [1], {}, np.shape) == (None, None)
    by_shape = row("x:array", results=lambda args, kwargs, shape_of: [None] * shape_of(args[0])[0])
    assert template_of(by_shape, [np.zeros(3)], {}, np.shape) == [None] * 3


def test_argument() -> None:
    assert argument([1, 2], {"b": 3}, 1, "b", 4) == 2
    assert argument([1], {"b": 3}, 1, "b", 4) == 3
    assert argument([1], {}, 1, "b", 4) == 4


def test_own_copies_an_argument_that_comes_back() -> None:
    x = np.ones(2)
    assert own(np.atleast_1d)(x) is not x
    first, second = own(np.broadcast_arrays)(x, x)
    assert not any(np.shares_memory(part, x) for part in (first, second) if part.base is None)
    assert own(abs)(3) == 3


def test_assemble_refuses_what_is_there_twice() -> None:
    one = row("x:array", numpy=(np.sin,))
    table = assemble([one], [row("x:array", "g")])
    assert list(table) == ["f", "g"]
    with pytest.raises(TypeError):
        table["h"] = one  # type: ignore[index]
    with pytest.raises(ValueError, match="two ops are named f"):
        assemble([one], [one])
    assert numpy_names(table) == {np.sin: "f"}
    with pytest.raises(ValueError, match="both mean"):
        numpy_names({"f": one, "g": row("x:array", "g", numpy=(np.sin,))})
