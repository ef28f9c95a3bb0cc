"""How facts pass through ops: what each op makes of rowwise inputs. An op that isn't listed makes mixed values.

A rule is called with what is known of the inputs and with the op's arguments, zeros of the right shape and dtype
in place of private values. It returns the form of the results (or a form, or None, for each), None for mixed. A
private input that a rule doesn't ask about makes the results mixed, whatever it returns.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np

from fedsock.ops.bounds import broadcast, shape_of, size_of
from fedsock.policy.facts import FUNCTION, Aggregate, Form, Group, Rowwise

Passed = Form | None | tuple[Form | None, ...]


class Inputs:
    """What is known of an op's private arguments, all of which are rowwise.

    Args:
        forms: the form of each, by the identity of what stands in for it.
    """

    __slots__ = ("_asked", "_forms")

    def __init__(self, forms: Mapping[int, Rowwise]) -> None:
        self._forms = forms
        self._asked: set[int] = set()

    def form(self, arg: Any) -> Rowwise | None:
        """Return the form of an argument; None when it is not private."""
        form = self._forms.get(id(arg))
        if form is not None:
            self._asked.add(id(arg))
        return form

    @property
    def all_asked(self) -> bool:
        """Whether a rule asked about every private argument."""
        return len(self._asked) == len(self._forms)


Rule = Callable[..., Passed]
"""(inputs, *args, **kwargs) -> the form of the results."""


def passed(name: str, forms: Mapping[int, Rowwise], args: Sequence[Any], kwargs: Mapping[str, Any]) -> Passed:
    """Return the form of an op's results, or one for each of them; None: mixed.

    Args:
        name: the op's.
        forms: the form of each private argument, by the identity of what stands in for it.
        args: checked arguments, zeros in place of private values.
        kwargs: the same by name.
    """
    rule = RULES.get(name)
    if rule is None:
        return None
    inputs = Inputs(forms)
    try:
        form = rule(inputs, *args, **kwargs)
    except (TypeError, ValueError, IndexError):
        # Arguments that the rule doesn't know, or that the op itself will refuse.
        return None
    return form if inputs.all_asked else None


# --- element by element -------------------------------------------------------------------------------------


def _along(inputs: Inputs, operands: Iterable[Any], degree: int) -> Rowwise | None:
    """Return the form of what operands make that broadcast together, with a degree that is given.

    All private ones must have their rows on the same axis of the result, and it must have them all.
    """
    found: Rowwise | None = None
    from_end = 0
    weighted = False
    shapes = []
    others = []
    for operand in operands:
        form = inputs.form(operand)
        shape = shape_of(operand)
        shapes.append(shape)
        if form is None:
            others.append(shape)
            continue
        if found is None:
            found, from_end = form, len(shape) - form.axis
        elif form.group != found.group or len(shape) - form.axis != from_end:
            return None
        weighted = weighted or form.weighted
    if found is None:
        return None
    shape = broadcast(*shapes)
    if shape[-from_end] != found.group.rows:
        return None
    weighted = weighted or any(len(other) >= from_end and other[-from_end] != 1 for other in others)
    return Rowwise(found.group, len(shape) - from_end, min(degree, FUNCTION), weighted)


def _exact(*operands: Any) -> bool:
    """Whether arithmetic is of floating-point numbers of 32 bits or more: integers wrap, and few digits round."""
    dtypes = [operand.dtype for operand in operands if isinstance(operand, (np.ndarray, np.generic))]
    numbers = [operand for operand in operands if type(operand) in (int, float, complex)]
    if len(dtypes) + len(numbers) < len(operands):
        return False
    dtype = np.result_type(*dtypes, *numbers)
    return dtype.kind in "fc" and dtype.itemsize >= 4 * (1 + (dtype.kind == "c"))


def _function(inputs: Inputs, *operands: Any, where: Any = True, dtype: Any = None) -> Passed:
    return _along(inputs, (*operands, where), FUNCTION)


def _polynomial(degree_of: Callable[..., int]) -> Rule:
    """Return the rule of arithmetic, whose degree follows from those of its operands (0: it isn't private)."""

    def rule(inputs: Inputs, *operands: Any, where: Any = True, dtype: Any = None) -> Passed:
        if where is not True or dtype is not None or not _exact(*operands):
            return _function(inputs, *operands, where=where)
        forms = [inputs.form(operand) for operand in operands]
        return _along(inputs, operands, degree_of(*(0 if form is None else form.degree for form in forms)))

    return rule


def _divided(inputs: Inputs, x1: Any, x2: Any, *, where: Any = True, dtype: Any = None) -> Passed:
    # Integers become floats before they are divided, so nothing wraps.
    if where is True and dtype is None and inputs.form(x2) is None and shape_of(x1) != ():
        exact = _exact(x1, x2) or getattr(x1, "dtype", np.dtype("U")).kind in "biu"
        form = inputs.form(x1)
        return _along(inputs, (x1, x2), form.degree if exact and form is not None else FUNCTION)
    return _function(inputs, x1, x2, where=where)


def _in_place(rule: Rule) -> Rule:
    """Return the rule of an operator in place, whose results are rounded to the dtype of its target."""

    def own(inputs: Inputs, x1: Any, x2: Any) -> Passed:
        return rule(inputs, x1, x2) if _exact(x1) else _function(inputs, x1, x2)

    return own


def _powered(inputs: Inputs, x1: Any, x2: Any, *, where: Any = True, dtype: Any = None) -> Passed:
    form = inputs.form(x1)
    if form is not None and where is True and dtype is None and type(x2) in (int, float) and _exact(x1, x2):
        return _along(inputs, (x1,), form.degree * int(x2) if x2 in (1, 2) else FUNCTION)
    return _function(inputs, x1, x2, where=where)


def _first(inputs: Inputs, x: Any, *_: Any, **__: Any) -> Passed:
    """Pass what works on each element of its first argument; others that are arrays are asked about, or mixed."""
    return _along(inputs, (x,), FUNCTION)


def _between(inputs: Inputs, *operands: Any, dtype: Any = None, **more: Any) -> Passed:
    operands = tuple(operand for operand in (*operands, *more.values()) if operand is not None)
    form = _along(inputs, operands, FUNCTION)
    # The result of nan_to_num has its first argument's shape, whatever stands beside it.
    return form if broadcast(*map(shape_of, operands)) == shape_of(operands[0]) else None


def _real(inputs: Inputs, x: Any) -> Passed:
    form = inputs.form(x)
    return _along(inputs, (x,), form.degree) if form is not None and x.dtype.kind != "c" else _first(inputs, x)


def _converted(inputs: Inputs, x: Any, dtype: np.dtype[Any]) -> Passed:
    form = inputs.form(x)
    if form is None:
        return None
    if dtype.kind in "fc" and dtype.itemsize >= 4 and np.can_cast(x.dtype, dtype, "safe"):
        return Rowwise(form.group, form.axis, form.degree, form.weighted)
    return Rowwise(form.group, form.axis, FUNCTION, form.weighted)


def _same(inputs: Inputs, x: Any, *_: Any, **__: Any) -> Passed:
    return inputs.form(x)


# --- axes ---------------------------------------------------------------------------------------------------


def _axes_of(axis: Any, ndim: int) -> frozenset[int]:
    """Return the axes that an axis argument names, counted from the first; raises IndexError for none."""
    if axis is None:
        return frozenset(range(ndim))
    return frozenset(range(ndim)[one] for one in ((axis,) if isinstance(axis, int) else axis))


def _moved(form: Rowwise, axis: int) -> Rowwise:
    return Rowwise(form.group, axis, form.degree, form.weighted, form.raw if axis == form.axis else "")


def _reduced(form: Rowwise, axes: frozenset[int], keepdims: bool, degree: int) -> Rowwise:
    axis = form.axis if keepdims else form.axis - sum(one < form.axis for one in axes)
    return Rowwise(form.group, axis, min(degree, FUNCTION), form.weighted)


_MOMENTS = frozenset({"ddof", "correction"})
"""Arguments of a variance that are public numbers."""


def _reduction(template: str = "", power: int = FUNCTION) -> Rule:
    """Return the rule of a reduction: over other axes it keeps rows apart, over all rows it may be a template.

    Args:
        template: its name as one; "" if it is none.
        power: what it takes each element to: 1 for a sum, 2 for a variance.
    """

    def rule(inputs: Inputs, a: Any, axis: Any = None, *more: Any, keepdims: bool = False, **options: Any) -> Passed:
        form = inputs.form(a)
        if form is None:
            return None
        where = options.pop("where", True)
        plain = where is True and all(option is None for option in more) and options.keys() <= _MOMENTS
        axes = _axes_of(axis, a.ndim)
        if form.axis not in axes:
            if any(not _fits_beside(form, a, part) for part in (where, *more, *options.values())):
                form = Rowwise(form.group, form.axis, FUNCTION, True)
            return _reduced(form, axes, keepdims is True, form.degree * power if plain and power == 1 else FUNCTION)
        if not template or not plain:
            return None
        # Sums of integers may wrap where their elements didn't, but no table of an owner is that large.
        degree = min(form.degree * power, FUNCTION)
        return Aggregate(form.group, template, degree, form.weighted)

    return rule


def _fits_beside(form: Rowwise, a: Any, part: Any) -> bool:
    """Whether an argument beside an array is the same for every row."""
    shape, from_end = shape_of(part), a.ndim - form.axis
    return len(shape) < from_end or shape[-from_end] == 1


def _sorted(inputs: Inputs, a: Any, axis: Any = -1, **options: Any) -> Passed:
    form = inputs.form(a)
    if form is None or axis is None or form.axis in _axes_of(axis, a.ndim):
        return None
    return Rowwise(form.group, form.axis, FUNCTION, form.weighted)


def _by_row(inputs: Inputs, a: Any, order: tuple[int, ...]) -> Rowwise | None:
    form = inputs.form(a)
    return None if form is None else _moved(form, order.index(form.axis))


def _transposed(inputs: Inputs, a: Any, axes: Any = None) -> Passed:
    order = tuple(reversed(range(a.ndim))) if axes is None else tuple(range(a.ndim)[axis] for axis in axes)
    return _by_row(inputs, a, order)


def _swapped(inputs: Inputs, a: Any, axis1: int = -1, axis2: int = -2) -> Passed:
    order = list(range(a.ndim))
    order[axis1], order[axis2] = order[axis2], order[axis1]
    return _by_row(inputs, a, tuple(order))


def _moved_axes(inputs: Inputs, a: Any, source: Any, destination: Any) -> Passed:
    tags = np.moveaxis(np.broadcast_to(0, tuple(range(1, a.ndim + 1))), source, destination).shape
    return _by_row(inputs, a, tuple(size - 1 for size in tags))


def _expanded(inputs: Inputs, a: Any, axis: Any) -> Passed:
    form = inputs.form(a)
    if form is None:
        return None
    new = _axes_of(axis, a.ndim + size_of(axis))
    kept = [one for one in range(a.ndim + len(new)) if one not in new]
    return _moved(form, kept[form.axis])


def _squeezed(inputs: Inputs, a: Any, axis: Any = None) -> Passed:
    form = inputs.form(a)
    if form is None:
        return None
    gone = {one for one, size in enumerate(a.shape) if size == 1} if axis is None else _axes_of(axis, a.ndim)
    return None if form.axis in gone else _reduced(form, frozenset(gone), False, form.degree)


def _reshaped(inputs: Inputs, a: Any, shape: Any, order: str = "C", **_: Any) -> Passed:
    """Keep rows that stay the leading axis."""
    form = inputs.form(a)
    sizes = (shape,) if isinstance(shape, int) else tuple(shape)
    if form is None or form.axis or order != "C" or not sizes or not a.size:
        return None
    if sizes[0] == -1 and len(sizes) > 1:
        sizes = (a.size // (size_of(np.broadcast_to(0, sizes[1:])) or 1), *sizes[1:])
    if sizes == (-1,) and a.size == form.group.rows:
        sizes = (a.size,)
    return _moved(form, 0) if sizes[0] == form.group.rows else None


def _subscripted(inputs: Inputs, x: Any, index: Any) -> Passed:
    """Keep rows whose axis is taken whole: columns may be chosen, by one list of places at most."""
    form = inputs.form(x)
    if form is None:
        return None
    parts = list(index) if isinstance(index, tuple) else [index]
    taken = sum(part is not None and part is not Ellipsis for part in parts)
    if not any(part is Ellipsis for part in parts):
        parts.append(Ellipsis)
    place = next(at for at, part in enumerate(parts) if part is Ellipsis)
    parts[place : place + 1] = [slice(None)] * (x.ndim - taken)
    axis, lists, result = 0, 0, 0
    found: int | None = None
    for part in parts:
        if part is None:
            result += 1
            continue
        if axis == form.axis:
            if not isinstance(part, slice) or part != slice(None):
                return None
            found = result
        if isinstance(part, np.ndarray) and part.ndim == 1 and part.dtype.kind in "iu":
            lists += 1
        elif not isinstance(part, (slice, int)) or isinstance(part, bool):
            return None
        result += not isinstance(part, int)
        axis += 1
    # Beside a list of places, numbers are places too, and numpy may put their axis first.
    if found is None or lists > 1 or (lists and any(isinstance(part, int) for part in parts)):
        return None
    return _moved(form, found) if found == form.axis and result == x.ndim else _fresh(form, found)


def _fresh(form: Rowwise, axis: int) -> Rowwise:
    return Rowwise(form.group, axis, form.degree, form.weighted)


# --- products and tables ------------------------------------------------------------------------------------


def _product(inputs: Inputs, x1: Any, x2: Any) -> Passed:
    """Pass a product of vectors and matrices: over other axes it keeps rows apart, over the rows it sums them."""
    left, right = inputs.form(x1), inputs.form(x2)
    shape1, shape2 = shape_of(x1), shape_of(x2)
    if not 1 <= len(shape1) <= 2 or not 1 <= len(shape2) <= 2:
        return None
    degree = sum(form.degree for form in (left, right) if form is not None) if _exact(x1, x2) else FUNCTION
    degree = min(degree, FUNCTION)
    over_left = left is not None and left.axis == len(shape1) - 1
    over_right = right is not None and right.axis == 0
    if over_left or over_right:
        either = left if over_left else right
        assert either is not None  # noqa: S101  # one of them is over the rows
        both = over_left and over_right and left is not None and right is not None
        if (left is not None and not over_left) or (right is not None and not over_right):
            return None
        if both and left.group != right.group:  # type: ignore[union-attr]
            return None
        # Without a private partner, something that isn't private weighs each row.
        weighted = not both or left.weighted or right.weighted  # type: ignore[union-attr]
        return Aggregate(either.group, "product", degree, weighted)
    if left is not None and right is None:
        return Rowwise(left.group, 0, degree, left.weighted)
    if right is not None and left is None:
        return Rowwise(right.group, max(len(shape1) - 1, 0), degree, right.weighted)
    return None


def _covariance(template: str) -> Rule:
    def rule(inputs: Inputs, m: Any, y: Any = None, rowvar: bool = True, *more: Any, **options: Any) -> Passed:
        if any(type(option) not in (bool, int, type(None)) for option in (*more, *options.values())):
            return None
        forms = []
        for part in (m, y):
            if part is None:
                continue
            form = inputs.form(part)
            observations = part.ndim - 1 if rowvar else 0
            if form is None or form.axis != observations or part.ndim > 2:
                return None
            forms.append(form)
        if any(form.group != forms[0].group for form in forms):
            return None
        degree = min(2 * max(form.degree for form in forms), FUNCTION)
        exact = all(_exact(part) or part.dtype.kind in "biu" for part in (m, y) if part is not None)
        return Aggregate(forms[0].group, template, degree if exact else FUNCTION, any(form.weighted for form in forms))

    return rule


def _edges(bins: Any) -> tuple[float, ...] | None:
    """Return the edges that bins are, if they are a list of numbers."""
    if isinstance(bins, (list, tuple, np.ndarray)) and len(shape_of(bins)) == 1:
        array = np.asarray(bins)
        if array.dtype.kind in "biuf":
            return tuple(map(float, array))
    return None


def _table(inputs: Inputs, columns: Sequence[Any], bins: Sequence[Any]) -> tuple[Aggregate, ...] | None:
    tables = []
    group: Group | None = None
    for column, cells in zip(columns, bins, strict=True):
        form = inputs.form(column)
        edges = cells if isinstance(cells, int) else _edges(cells)
        if form is None or not form.raw or column.ndim != 1 or edges is None:
            return None
        if group is not None and group != form.group:
            return None
        group = form.group
        tables.append((form.raw, edges))
    if group is None:
        return None
    counts = Aggregate(group, "count", FUNCTION, tables=tuple(tables))
    return (counts, *(Aggregate(group, "edges", FUNCTION) for _ in columns))


def _counted(inputs: Inputs, x: Any, weights: Any = None, minlength: int = 0) -> Passed:
    found = _table(inputs, (x,), (minlength,)) if weights is None else None
    return None if found is None else found[0]


def _histogram(inputs: Inputs, a: Any, bins: Any = 10, range: Any = None, density: Any = None, *_: Any) -> Passed:
    plain = range is None and not density and not _ and not isinstance(bins, (int, str))
    return _table(inputs, (a,), (bins,)) if plain else None


def _histogram2d(inputs: Inputs, x: Any, y: Any, bins: Any = 10, range: Any = None, density: Any = None) -> Passed:
    plain = range is None and not density and isinstance(bins, (list, tuple)) and len(bins) == 2
    return _table(inputs, (x, y), bins) if plain and not any(isinstance(one, int) for one in bins) else None


# --- the list -----------------------------------------------------------------------------------------------

_FUNCTIONS = (
    "absolute", "arccos", "arccosh", "arcsin", "arcsinh", "arctan", "arctanh", "bitwise_count", "cbrt", "ceil",
    "cos", "cosh", "deg2rad", "degrees", "exp", "exp2", "expm1", "fabs", "floor", "frexp", "invert", "isfinite",
    "isinf", "isnan", "isnat", "log", "log10", "log1p", "log2", "logical_not", "modf", "rad2deg", "radians",
    "reciprocal", "rint", "sign", "signbit", "sin", "sinh", "spacing", "sqrt", "tan", "tanh", "trunc",
    "arctan2", "bitwise_and", "bitwise_or", "bitwise_xor", "copysign", "divmod", "equal", "float_power",
    "floor_divide", "fmax", "fmin", "fmod", "gcd", "greater", "greater_equal", "heaviside", "hypot", "lcm", "ldexp",
    "left_shift", "less", "less_equal", "logaddexp", "logaddexp2", "logical_and", "logical_or", "logical_xor",
    "maximum", "minimum", "nextafter", "not_equal", "remainder", "right_shift", "where", "isclose",
)  # fmt: skip
_EACH = (
    "round", "fix", "imag", "angle", "i0", "sinc", "isreal", "iscomplex", "isneginf", "isposinf",
)  # fmt: skip
_REDUCTIONS = (
    "prod", "nansum", "nanprod", "nanmean", "nanvar", "nanstd", "min", "max", "nanmin", "nanmax", "ptp",
    "argmin", "argmax", "all", "any", "count_nonzero", "median", "nanmedian",
)  # fmt: skip

RULES: Mapping[str, Rule] = MappingProxyType(
    dict.fromkeys(_FUNCTIONS, _function)
    | dict.fromkeys(_EACH, _first)
    | dict.fromkeys(_REDUCTIONS, _reduction())
    | dict.fromkeys(("negative", "positive", "conjugate"), _polynomial(lambda a: a))
    | dict.fromkeys(("add", "subtract"), _polynomial(max))
    | dict.fromkeys(("iadd", "isub"), _in_place(_polynomial(max)))
    | dict.fromkeys(("power", "pow"), _powered)
    | dict.fromkeys(("clip", "nan_to_num"), _between)
    | dict.fromkeys(("matmul", "linalg.matmul", "dot"), _product)
    | dict.fromkeys(("matrix_transpose", "linalg.matrix_transpose", "swapaxes"), _swapped)
    | dict.fromkeys(("sort", "argsort"), _sorted)
    | dict.fromkeys(("getitem", "getitem.array"), _subscripted)
    | {
        "multiply": _polynomial(operator.add),
        "imul": _in_place(_polynomial(operator.add)),
        "divide": _divided,
        "itruediv": _in_place(_divided),
        "ipow": _in_place(_powered),
        "square": _polynomial(lambda a: 2 * a),
        "copy": _same,
        "real": _real,
        "astype": _converted,
        "sum": _reduction("sum", 1),
        "mean": _reduction("mean", 1),
        "var": _reduction("var", 2),
        "std": _reduction("std", 2),
        "cov": _covariance("cov"),
        "corrcoef": _covariance("corrcoef"),
        "transpose": _transposed,
        "moveaxis": _moved_axes,
        "expand_dims": _expanded,
        "squeeze": _squeezed,
        "reshape": _reshaped,
        "bincount": _counted,
        "histogram": _histogram,
        "histogram2d": _histogram2d,
    }
)
"""The rule of each op that has one; read-only."""
