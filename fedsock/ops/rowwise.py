"""Rules of ops that keep the rows of private values apart: element by element, and over other axes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import numpy as np

from fedsock.ops.bounds import broadcast, shape_of, size_of
from fedsock.ops.inputs import Inputs, Passed, Rule, exact, exponents
from fedsock.policy.facts import FUNCTION, Rowwise

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


def function(inputs: Inputs, *operands: Any, where: Any = True, dtype: Any = None) -> Passed:
    """Pass any function of each element, or of elements that broadcast together."""
    return _along(inputs, (*operands, where), FUNCTION)


SPANS = {4: (8, 24), 8: (30, 128)}
"""Bytes of a float -> how many powers of 2 its terms may lie apart, and how far from 1 they may lie: beyond it adding
and taking away rounds, and multiplying overflows, and both are functions that pick rows."""


def spanned(form: Rowwise | None, dtype: np.dtype[Any], low: int, high: int) -> Rowwise | None:
    """Return a form with the powers of 2 that its terms were multiplied by; too far apart they make it a function.

    Args:
        form: of the result.
        dtype: of the result.
        low: the smallest.
        high: the largest.
    """
    if form is None or form.degree == FUNCTION:
        return form
    apart, away = SPANS[8 if dtype.itemsize // (1 + (dtype.kind == "c")) >= 8 else 4]
    tame = high - low <= apart and -away <= low and high <= away
    return replace(form, degree=form.degree if tame else FUNCTION, low=low, high=high)


def _spans(inputs: Inputs, operands: Iterable[Any]) -> list[tuple[int, int]] | None:
    """Return the powers of 2 of each operand's terms; None where one isn't finite."""
    found = []
    for operand in operands:
        form = inputs.form(operand)
        span = exponents(operand) if form is None else (form.low, form.high)
        if span is None:
            return None
        found.append(span)
    return found


def _arithmetic(degree_of: Callable[..., int], span_of: Callable[..., tuple[int, int]]) -> Rule:
    def rule(inputs: Inputs, *operands: Any, where: Any = True, dtype: Any = None) -> Passed:
        spans = None if where is not True or dtype is not None or not exact(*operands) else _spans(inputs, operands)
        if spans is None:
            return function(inputs, *operands, where=where)
        forms = [inputs.form(operand) for operand in operands]
        form = _along(inputs, operands, degree_of(*(0 if form is None else form.degree for form in forms)))
        private = [form is not None for form in forms]
        return spanned(form, np.result_type(*operands), *span_of(*spans, private=private))

    return rule


def _same_span(a: tuple[int, int], **_: Any) -> tuple[int, int]:
    return a


def _sum_span(a: tuple[int, int], b: tuple[int, int], private: list[bool]) -> tuple[int, int]:
    low = min(span[0] for span, known in zip((a, b), private, strict=True) if known)
    return min(low, a[1], b[1]), max(a[1], b[1])


def _product_span(a: tuple[int, int], b: tuple[int, int], **_: Any) -> tuple[int, int]:
    return a[0] + b[0], a[1] + b[1]


unchanged = _arithmetic(lambda a: a, _same_span)
"""The rule of what changes signs only."""

added = _arithmetic(max, _sum_span)
"""The rule of sums and differences."""

multiplied = _arithmetic(lambda a, b: a + b, _product_span)
"""The rule of products."""

squared = _arithmetic(lambda a: 2 * a, lambda a, **_: (2 * a[0], 2 * a[1]))
"""The rule of squares."""


def divided(inputs: Inputs, x1: Any, x2: Any, *, where: Any = True, dtype: Any = None) -> Passed:
    """Pass a quotient: by what is not private, and not 0, it keeps the degree."""
    form, by = inputs.form(x1), None if inputs.form(x2) is not None else exponents(x2)
    # Integers become floats before they are divided, so nothing wraps.
    kept = exact(x1, x2) or getattr(x1, "dtype", np.dtype("U")).kind in "biu"
    if where is not True or dtype is not None or form is None or by is None or not kept or not np.all(x2):
        return function(inputs, x1, x2, where=where)
    result = np.result_type(x1, x2, np.float32)
    return spanned(_along(inputs, (x1, x2), form.degree), result, form.low - by[1], form.high - by[0])


def in_place(rule: Rule) -> Rule:
    """Return the rule of an operator in place, whose results are rounded to the dtype of its target."""

    def own(inputs: Inputs, x1: Any, x2: Any) -> Passed:
        return rule(inputs, x1, x2) if exact(x1) else function(inputs, x1, x2)

    return own


def powered(inputs: Inputs, x1: Any, x2: Any, *, where: Any = True, dtype: Any = None) -> Passed:
    """Pass a power: public ones of 1 and 2 have a degree."""
    if where is True and dtype is None and type(x2) in (int, float) and x2 in (1, 2) and exact(x1, x2):
        return (unchanged if x2 == 1 else squared)(inputs, x1)
    return function(inputs, x1, x2, where=where)


def first(inputs: Inputs, x: Any, *_: Any, **__: Any) -> Passed:
    """Pass what works on each element of its first argument; others that are arrays are asked about, or mixed."""
    return _along(inputs, (x,), FUNCTION)


def between(inputs: Inputs, *operands: Any, dtype: Any = None, **more: Any) -> Passed:
    """Pass a function of its first argument's elements beside others that broadcast to them."""
    operands = tuple(operand for operand in (*operands, *more.values()) if operand is not None)
    form = _along(inputs, operands, FUNCTION)
    # The result of nan_to_num has its first argument's shape, whatever stands beside it.
    return form if broadcast(*map(shape_of, operands)) == shape_of(operands[0]) else None


def real(inputs: Inputs, x: Any) -> Passed:
    """Pass the real part, which of real numbers is all of them."""
    form = inputs.form(x)
    return _fresh(form, form.axis) if form is not None and x.dtype.kind != "c" else first(inputs, x)


def converted(inputs: Inputs, x: Any, dtype: np.dtype[Any]) -> Passed:
    """Pass a conversion: one to floating-point numbers that loses nothing keeps the degree."""
    form = inputs.form(x)
    if form is None:
        return None
    if dtype.kind in "fc" and dtype.itemsize >= 4 and np.can_cast(x.dtype, dtype, "safe"):
        return _fresh(form, form.axis)
    return Rowwise(form.group, form.axis, FUNCTION, form.weighted)


def same(inputs: Inputs, x: Any, *_: Any, **__: Any) -> Passed:
    """Pass a copy."""
    return inputs.form(x)


# --- axes ---------------------------------------------------------------------------------------------------


def axes_of(axis: Any, ndim: int) -> frozenset[int]:
    """Return the axes that an axis argument names, counted from the first; raises IndexError for none."""
    if axis is None:
        return frozenset(range(ndim))
    return frozenset(range(ndim)[one] for one in ((axis,) if isinstance(axis, int) else axis))


def _moved(form: Rowwise, axis: int) -> Rowwise:
    return form if axis == form.axis else _fresh(form, axis)


def reduced_form(form: Rowwise, axes: frozenset[int], keepdims: bool, degree: int) -> Rowwise:
    """Return the form of what is left when other axes than the rows' are reduced."""
    axis = form.axis if keepdims else form.axis - sum(one < form.axis for one in axes)
    return replace(form, axis=axis, degree=min(degree, FUNCTION), raw="")


def sorted_apart(inputs: Inputs, a: Any, axis: Any = -1, **options: Any) -> Passed:
    """Pass a sort along another axis than the rows'."""
    form = inputs.form(a)
    if form is None or axis is None or form.axis in axes_of(axis, a.ndim):
        return None
    return Rowwise(form.group, form.axis, FUNCTION, form.weighted)


def _by_row(inputs: Inputs, a: Any, order: tuple[int, ...]) -> Rowwise | None:
    form = inputs.form(a)
    return None if form is None else _moved(form, order.index(form.axis))


def transposed(inputs: Inputs, a: Any, axes: Any = None) -> Passed:
    """Pass a permutation of axes, reversed by default."""
    order = tuple(reversed(range(a.ndim))) if axes is None else tuple(range(a.ndim)[axis] for axis in axes)
    return _by_row(inputs, a, order)


def swapped(inputs: Inputs, a: Any, axis1: int = -1, axis2: int = -2) -> Passed:
    """Pass the exchange of two axes, by default the last two."""
    order = list(range(a.ndim))
    order[axis1], order[axis2] = order[axis2], order[axis1]
    return _by_row(inputs, a, tuple(order))


def moved_axes(inputs: Inputs, a: Any, source: Any, destination: Any) -> Passed:
    """Pass axes that move elsewhere."""
    tags = np.moveaxis(np.broadcast_to(0, tuple(range(1, a.ndim + 1))), source, destination).shape
    return _by_row(inputs, a, tuple(size - 1 for size in tags))


def expanded(inputs: Inputs, a: Any, axis: Any) -> Passed:
    """Pass new axes."""
    form = inputs.form(a)
    if form is None:
        return None
    new = axes_of(axis, a.ndim + size_of(axis))
    kept = [one for one in range(a.ndim + len(new)) if one not in new]
    return _moved(form, kept[form.axis])


def squeezed(inputs: Inputs, a: Any, axis: Any = None) -> Passed:
    """Pass the loss of axes of one element."""
    form = inputs.form(a)
    if form is None:
        return None
    gone = {one for one, size in enumerate(a.shape) if size == 1} if axis is None else axes_of(axis, a.ndim)
    return None if form.axis in gone else reduced_form(form, frozenset(gone), False, form.degree)


def reshaped(inputs: Inputs, a: Any, shape: Any, order: str = "C", **_: Any) -> Passed:
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


def subscripted(inputs: Inputs, x: Any, index: Any) -> Passed:
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
    """Return a form of computed values along another axis."""
    return replace(form, axis=axis, raw="")
