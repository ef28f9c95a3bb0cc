"""Ops that work element by element: numpy's ufuncs and their methods, operators in place, and their kin."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from fedsock.ops import bounds, limits
from fedsock.ops.bounds import broadcast, itemsize_of, product, reduced, shape_of
from fedsock.ops.quiet import quiet_if_complex
from fedsock.ops.registry import Bound, Row, own
from fedsock.ops.schema import signature

FAMILY = "elementwise"

_UNARY = (
    "absolute", "arccos", "arccosh", "arcsin", "arcsinh", "arctan", "arctanh", "bitwise_count",
    "cbrt", "ceil", "conjugate", "cos", "cosh", "deg2rad", "degrees", "exp", "exp2", "expm1",
    "fabs", "floor", "frexp", "invert", "isfinite", "isinf", "isnan", "isnat", "log", "log10",
    "log1p", "log2", "logical_not", "modf", "negative", "positive", "rad2deg", "radians",
    "reciprocal", "rint", "sign", "signbit", "sin", "sinh", "spacing", "sqrt", "square", "tan",
    "tanh", "trunc",
)  # fmt: skip
_BINARY = (
    "add", "arctan2", "bitwise_and", "bitwise_or", "bitwise_xor", "copysign", "divide", "divmod",
    "equal", "float_power", "floor_divide", "fmax", "fmin", "fmod", "gcd", "greater",
    "greater_equal", "heaviside", "hypot", "lcm", "ldexp", "left_shift", "less", "less_equal",
    "logaddexp", "logaddexp2", "logical_and", "logical_or", "logical_xor", "maximum", "minimum",
    "multiply", "nextafter", "not_equal", "power", "remainder", "right_shift", "subtract",
)  # fmt: skip

_TRUTHS = frozenset(
    {
        "equal", "greater", "greater_equal", "isfinite", "isinf", "isnan", "isnat", "less",
        "less_equal", "logical_and", "logical_not", "logical_or", "logical_xor", "not_equal", "signbit",
    }
)  # fmt: skip
_WIDE = frozenset({"float_power"})
_BY_VALUE = frozenset({"power"})
"""Integers to negative integer powers raise; whether there is one depends on values."""


def _inexact(*operands: Any, **options: Any) -> bool:
    """Whether a power is one of floating-point numbers, which never raises."""
    asked = [x for x in (*operands, *options.values()) if isinstance(x, np.dtype)]
    inexact = any(isinstance(x, (float, complex)) or (_is_array(x) and x.dtype.kind in "fc") for x in operands)
    return inexact and all(dtype.kind in "fc" for dtype in asked)


def _is_array(value: Any) -> bool:
    return isinstance(value, (np.ndarray, np.generic))


_UNARY_SIGNATURE = signature("x:array / * where:array=True dtype:dtype?=None")
_BINARY_SIGNATURE = signature("x1:array x2:array / * where:array=True dtype:dtype?=None")
_REDUCE = signature(
    "array:array / axis:axes=0 dtype:dtype?=None * keepdims:bool=False initial:none|deciding=none where:array=True"
)
_ACCUMULATE = signature("array:array / axis:int=0 dtype:dtype?=None")
_REDUCEAT = signature("array:array indices:deciding / axis:int=0 dtype:dtype?=None")
_OUTER = signature("A:array B:array / * dtype:dtype?=None")


_COMPARISONS = frozenset({np.equal, np.not_equal, np.less, np.less_equal, np.greater, np.greater_equal})


def masked(ufunc: np.ufunc, args: tuple[Any, ...], where: Any, dtype: Any = None) -> Any:
    """Return a ufunc's results where a mask is true and zeros elsewhere (numpy shows freed memory there).

    Args:
        ufunc: the function.
        args: its inputs.
        where: a mask; it broadcasts with the inputs.
        dtype: the dtype argument, or None.
    """
    kinds = tuple(type(a) if type(a) in (int, float, complex) else np.asarray(a).dtype for a in args)
    asked: Any = (*kinds, *(None,) * ufunc.nout)
    if dtype is None:
        found = ufunc.resolve_dtypes(asked)
    else:
        found = ufunc.resolve_dtypes(asked, signature=(*(None,) * ufunc.nin, *(dtype,) * ufunc.nout))
    shape = np.broadcast_shapes(*map(np.shape, args), np.shape(where))
    outs = tuple(np.zeros(shape, one) for one in found[ufunc.nin :])
    if ufunc in _COMPARISONS:
        # numpy 2.4 crashes where an array is compared under a mask with an integer beyond its dtype.
        np.copyto(outs[0], ufunc(*args, dtype=dtype), where=where)
    else:
        ufunc(*args, out=outs, where=where, dtype=dtype)
    results = tuple(out[()] for out in outs)
    return results if ufunc.nout > 1 else results[0]


def _call(ufunc: np.ufunc) -> Callable[..., Any]:
    """Return a ufunc that takes ``where`` and ``dtype``; its arguments are spelled out, for that is faster."""

    def unary(x: Any, /, *, where: Any = True, dtype: Any = None) -> Any:
        if where is not True:
            return masked(ufunc, (x,), where, dtype)
        return ufunc(x) if dtype is None else ufunc(x, dtype=dtype)

    def binary(x1: Any, x2: Any, /, *, where: Any = True, dtype: Any = None) -> Any:
        if where is not True:
            return masked(ufunc, (x1, x2), where, dtype)
        return ufunc(x1, x2) if dtype is None else ufunc(x1, x2, dtype=dtype)

    return unary if ufunc.nin == 1 else binary


def _ufunc(name: str) -> Row:
    ufunc = getattr(np, name)
    bound = bounds.elementwise
    if ufunc.nout > 1:
        bound = bounds.twice
    elif name in _TRUTHS:
        bound = bounds.truths
    elif name in _WIDE:
        bound = bounds.wide
    return Row(
        name=name,
        function=_call(ufunc),
        family=FAMILY,
        parameters=_UNARY_SIGNATURE if ufunc.nin == 1 else _BINARY_SIGNATURE,
        bound=bound,
        results=1 if ufunc.nout == 1 else 2,
        value_dependent=name in _BY_VALUE,
        unless=_inexact,
        numpy=(ufunc,),
    )


def _accumulated(array: Any, axis: int = 0, dtype: Any = None) -> Bound:
    return Bound(shape_of(array), bounds.computed(array, dtype=dtype))


def _gathered(array: Any, indices: Any, axis: int = 0, dtype: Any = None) -> Bound:
    rest = bounds.reduced(shape_of(array), axis)
    return Bound((*shape_of(indices), *rest), bounds.computed(array, dtype=dtype))


def _outer(A: Any, B: Any, dtype: Any = None) -> Bound:
    return Bound(product(shape_of(A), shape_of(B)), bounds.computed(A, B, dtype=dtype))


def _outer_twice(A: Any, B: Any, **__: Any) -> Bound:
    return Bound(product(shape_of(A), shape_of(B)), max(bounds.WIDE, itemsize_of(A, B)), 2)


def _methods(name: str) -> list[Row]:
    """Return the rows of a binary ufunc's methods (``at`` writes into its argument, so it has none)."""
    ufunc = getattr(np, name)

    def row(method: str, parameters: Any, bound: Any, summary: str, results: int = 1) -> Row:
        return Row(
            name=f"{name}.{method}",
            function=getattr(ufunc, method) if method == "outer" else quiet_if_complex(getattr(ufunc, method)),
            family=FAMILY,
            parameters=parameters,
            bound=bound,
            results=results,
            value_dependent=name in _BY_VALUE,
            unless=_inexact,
            summary=f"{summary} {name}.",
        )

    if ufunc.nout > 1:
        return [row("outer", _OUTER, _outer_twice, "All pairs of elements by", 2)]
    return [
        row("reduce", _REDUCE, bounds.ufunc_reduction, "Reduce axes by"),
        row("accumulate", _ACCUMULATE, _accumulated, "Accumulate along an axis by"),
        row("reduceat", _REDUCEAT, _gathered, "Reduce slices of an axis by"),
        row("outer", _OUTER, _outer, "All pairs of elements by"),
    ]


# --- operators ----------------------------------------------------------------------------------------------


def _pow(x1: Any, x2: Any) -> Any:
    """Return ``x1 ** x2``, which for some exponents (2, 0.5, -1) is another computation than np.power."""
    if _is_array(x1) or _is_array(x2):
        return operator.pow(x1, x2)
    return np.power(x1, x2)


_IN_PLACE = {
    "iadd": "add", "isub": "subtract", "imul": "multiply", "itruediv": "divide", "ifloordiv": "floor_divide",
    "imod": "remainder", "ipow": "power", "iand": "bitwise_and", "ior": "bitwise_or", "ixor": "bitwise_xor",
    "ilshift": "left_shift", "irshift": "right_shift", "imatmul": "matmul",
}  # fmt: skip


def _in_place(name: str) -> Row:
    ufunc = getattr(np, _IN_PLACE[name])
    update = getattr(operator, name)
    # An integer power may raise after some elements are written.
    whole = name != "ipow"

    def function(x1: Any, x2: Any, *, overwrite: bool = False) -> Any:
        if type(x1) is not np.ndarray:
            return ufunc(x1, x2)
        target = x1 if overwrite and whole and x1.flags.writeable else x1.copy("K")
        return update(target, x2)

    return Row(
        name=name,
        function=function,
        family=FAMILY,
        parameters=signature("x1:array x2:array /"),
        bound=bounds.matrix_product if name == "imatmul" else bounds.elementwise,
        value_dependent=name == "ipow",
        unless=_inexact,
        in_place=True,
        summary=f"What x1 holds after x1 {_SYMBOLS[name]} x2: the shape and dtype stay those of x1.",
    )


_SYMBOLS = {
    "iadd": "+=", "isub": "-=", "imul": "*=", "itruediv": "/=", "ifloordiv": "//=", "imod": "%=",
    "ipow": "**=", "iand": "&=", "ior": "|=", "ixor": "^=", "ilshift": "<<=", "irshift": ">>=",
    "imatmul": "@=",
}  # fmt: skip


# --- products of matrices -----------------------------------------------------------------------------------


def _vecdot(x1: Any, x2: Any, axis: int = -1) -> Bound:
    # Vectors of no elements have a product too, so their axis counts as one.
    shape = broadcast(reduced(shape_of(x1), axis), reduced(shape_of(x2), axis))
    return Bound(shape, max(8, itemsize_of(x1, x2)))


def _matvec(x1: Any, x2: Any) -> Bound:
    left = shape_of(x1)
    return Bound((*broadcast(left[:-2], shape_of(x2)[:-1]), *left[-2:-1]), max(8, itemsize_of(x1, x2)))


def _vecmat(x1: Any, x2: Any) -> Bound:
    right = shape_of(x2)
    return Bound((*broadcast(shape_of(x1)[:-1], right[:-2]), *right[-1:]), max(8, itemsize_of(x1, x2)))


FLOPS = 1e9
"""Multiplications a second of a product on one core, at least."""


def _product_seconds(x1: Any, x2: Any, **__: Any) -> float:
    left, right = shape_of(x1), shape_of(x2)
    elements = bounds.count(left) * (right[-1] if len(right) > 1 else 1)
    return (elements + bounds.count(right)) / FLOPS


def _matrix(name: str, parameters: str, bound: Any, method: str | None = None) -> Row:
    ufunc = getattr(np, name)
    return Row(
        name=name,
        function=ufunc,
        family=FAMILY,
        parameters=signature(parameters),
        bound=bound,
        cost=_product_seconds,
        value_dependent=False,
        numpy=(ufunc,),
        method=method,
    )


# --- other functions ----------------------------------------------------------------------------------------


def _row(name: str, parameters: str, bound: Any = bounds.elementwise, **more: Any) -> Row:
    function = getattr(np, name)
    settings = {"function": function, "value_dependent": False, "numpy": (function,)} | more
    return Row(name=name, family=FAMILY, parameters=signature(parameters), bound=bound, **settings)


def _where_bound(condition: Any, x: Any, y: Any) -> Bound:
    return Bound(bounds.broadcast_of(condition, x, y), itemsize_of(x, y))


def _clip_bound(*values: Any, dtype: Any = None, **ends: Any) -> Bound:
    # What is clipped is made an array first, so that a Python number counts in full beside a small dtype.
    clipped = values[0] if _is_array(values[0]) else np.asarray(values[0])
    arrays = [value for value in (clipped, *values[1:], ends.get("min"), ends.get("max")) if value is not None]
    return bounds.elementwise(*arrays) if dtype is None else bounds.wide(*arrays)


def _clip(a: Any, *ends: Any, **options: Any) -> Any:
    result = np.clip(a, *ends, **options)
    return result.copy("K") if result is a and isinstance(a, np.ndarray) else result


def _nan_to_num(x: Any, nan: Any = 0.0, posinf: Any = None, neginf: Any = None) -> Any:
    return np.nan_to_num(x, nan=nan, posinf=posinf, neginf=neginf)


def astype(x: Any, dtype: np.dtype[Any]) -> Any:
    """Return x with its elements converted to dtype.

    Args:
        x: an array or numpy scalar; a Python number stands for its numpy scalar.
        dtype: the dtype.

    Raises:
        ValueError: a text that is no number.
    """
    array = x if _is_array(x) else np.asarray(x)[()]
    if array.dtype.kind == "c" and dtype.kind in "iuf":
        # numpy drops the imaginary part too, with a warning.
        array = array.real
    return array.astype(dtype)


def _converted(x: Any, dtype: np.dtype[Any]) -> Bound:
    text = max(itemsize_of(x, ""), 256) if dtype.kind == "U" and dtype.itemsize == 0 else 0
    return Bound(shape_of(x), max(dtype.itemsize, text))


def _unwrapped(p: Any, *_: Any, **__: Any) -> Bound:
    return Bound(shape_of(p), max(bounds.WIDE, itemsize_of(p)))


ROWS: tuple[Row, ...] = (
    *(_ufunc(name) for name in sorted(_UNARY + _BINARY)),
    *(row for name in _BINARY for row in _methods(name)),
    Row(
        name="pow",
        function=_pow,
        family=FAMILY,
        parameters=signature("x1:array x2:array /"),
        bound=bounds.elementwise,
        unless=_inexact,
        summary="The operator x1 ** x2, which computes squares, roots and reciprocals in their own way.",
    ),
    *(_in_place(name) for name in _IN_PLACE),
    _matrix("matmul", "x1:array x2:array /", bounds.matrix_product),
    _matrix("vecdot", "x1:array x2:array / * axis:int=-1", _vecdot),
    _matrix("matvec", "x1:array x2:array /", _matvec),
    _matrix("vecmat", "x1:array x2:array /", _vecmat),
    _row(
        "clip",
        "a:array a_min:none|array=None a_max:none|array=None * min:none|array=None max:none|array=None "
        "dtype:dtype?=None",
        _clip_bound,
        function=_clip,
        method="clip",
    ),
    _row("where", "condition:array x:array y:array /", _where_bound),
    _row("round", "a:array decimals:int=0", function=limits.round_, numpy=(np.round, np.around), method="round"),
    _row("fix", "x:array"),
    _row("real", "val:array", function=own(np.real), method="real"),
    _row("imag", "val:array", method="imag"),
    _row("real_if_close", "a:array tol:real=100", function=own(np.real_if_close), value_dependent=True),
    _row("angle", "z:array deg:bool=False", bounds.wide),
    _row(
        "nan_to_num",
        "x:array * nan:array=0.0 posinf:none|array=None neginf:none|array=None",
        bounds.like,
        function=_nan_to_num,
        value_dependent=True,
    ),
    _row("i0", "x:array", bounds.wide),
    _row("sinc", "x:array", bounds.wide),
    _row("unwrap", "p:array discont:none|real=None axis:int=-1 * period:real=6.283185307179586", _unwrapped),
    _row("isclose", "a:array b:array rtol:array=1e-05 atol:array=1e-08 equal_nan:bool=False", bounds.truths),
    _row("allclose", "a:array b:array rtol:array=1e-05 atol:array=1e-08 equal_nan:bool=False", bounds.scalar),
    _row("array_equal", "a1:array a2:array equal_nan:bool=False", bounds.scalar),
    _row("array_equiv", "a1:array a2:array", bounds.scalar),
    _row("isreal", "x:array"),
    _row("iscomplex", "x:array"),
    _row("isneginf", "x:array", bounds.truths),
    _row("isposinf", "x:array", bounds.truths),
    _row(
        "astype",
        "x:array dtype:dtype",
        _converted,
        function=astype,
        method="astype",
    ),
)
