"""Rules of reductions, products and tables: over all rows of a group they may be listed aggregates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fedsock.ops.bounds import shape_of
from fedsock.ops.inputs import Inputs, Passed, Rule, exact, exponents
from fedsock.ops.rowwise import axes_of, reduced_form, spanned
from fedsock.policy.facts import FUNCTION, Aggregate, Group, Rowwise
from fedsock.policy.terms import MOST_CELLS

# --- reductions ---------------------------------------------------------------------------------------------

_MOMENTS = frozenset({"ddof", "correction"})
"""Arguments of a variance that are public numbers."""


def reduction(template: str = "", power: int = FUNCTION) -> Rule:
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
        axes = axes_of(axis, a.ndim)
        if form.axis not in axes:
            if any(not _fits_beside(form, a, part) for part in (where, *more, *options.values())):
                form = Rowwise(form.group, form.axis, FUNCTION, True)
            return reduced_form(form, axes, keepdims is True, form.degree * power if plain and power == 1 else FUNCTION)
        if not template or not plain:
            return None
        # Sums of integers may wrap where their elements didn't, but no table of an owner is that large.
        degree = min(form.degree * power, FUNCTION)
        return Aggregate(form.group, template, degree, form.weighted)

    return rule


def _fits_beside(form: Rowwise, a: Any, part: Any) -> bool:
    """Whether an argument beside an array is the same for every row."""
    shape, from_end = shape_of(part), a.ndim - form.axis
    return len(shape) < from_end or bool(shape[-from_end] == 1)


# --- products and tables ------------------------------------------------------------------------------------


def product(inputs: Inputs, x1: Any, x2: Any) -> Passed:
    """Pass a product of vectors and matrices: over other axes it keeps rows apart, over the rows it sums them."""
    left, right = inputs.form(x1), inputs.form(x2)
    shape1, shape2 = shape_of(x1), shape_of(x2)
    if not 1 <= len(shape1) <= 2 or not 1 <= len(shape2) <= 2:
        return None
    private = [form for form in (left, right) if form is not None]
    degree = min(sum(form.degree for form in private), FUNCTION) if exact(x1, x2) else FUNCTION
    summed = [form for form, axis in ((left, len(shape1) - 1), (right, 0)) if form is not None and form.axis == axis]
    if summed:
        # Rows that stand along another axis would be mixed with those that are summed.
        if len(summed) < len(private) or any(form.group != summed[0].group for form in summed):
            return None
        # Without a private partner, something that isn't private weighs each row.
        weighted = len(summed) == 1 or any(form.weighted for form in summed)
        return Aggregate(summed[0].group, "product", degree, weighted)
    if len(private) == 2:
        return None
    if left is not None:
        return _mapped(left, 0, degree, x1, x2)
    return None if right is None else _mapped(right, max(len(shape1) - 1, 0), degree, x2, x1)


def _mapped(form: Rowwise, axis: int, degree: int, rows: Any, matrix: Any) -> Rowwise | None:
    """Return the form of rows that a matrix, which isn't private, maps one by one."""
    span = exponents(matrix)
    made = Rowwise(form.group, axis, degree if span is not None else FUNCTION, form.weighted)
    low, high = (0, 0) if span is None else span
    return spanned(made, np.result_type(rows, matrix), form.low + low, form.high + high)


def covariance(template: str) -> Rule:
    """Return the rule of covariances: between variables whose observations are the rows, none of them weighted."""

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
        kept = all(exact(part) or part.dtype.kind in "biu" for part in (m, y) if part is not None)
        return Aggregate(forms[0].group, template, degree if kept else FUNCTION, any(form.weighted for form in forms))

    return rule


def _edges(bins: Any) -> tuple[float, ...] | None:
    """Return the edges that bins are, if they are a list of numbers, and not more than an owner could list."""
    if isinstance(bins, (list, tuple, np.ndarray)) and len(shape_of(bins)) == 1 and len(bins) <= MOST_CELLS + 1:
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
    assert group is not None  # noqa: S101  # there is a column
    counts = Aggregate(group, "count", FUNCTION, tables=tuple(tables))
    return (counts, *(Aggregate(group, "edges", FUNCTION) for _ in columns))


def counted(inputs: Inputs, x: Any, weights: Any = None, minlength: int = 0) -> Passed:
    """Pass how often each category of a data set occurs."""
    found = _table(inputs, (x,), (minlength,)) if weights is None else None
    return None if found is None else found[0]


def histogram(inputs: Inputs, a: Any, bins: Any = 10, range: Any = None, density: Any = None, *_: Any) -> Passed:
    """Pass how many rows of a data set lie between public edges."""
    plain = range is None and not density and not _ and not isinstance(bins, (int, str))
    return _table(inputs, (a,), (bins,)) if plain else None


def histogram2d(inputs: Inputs, x: Any, y: Any, bins: Any = 10, range: Any = None, density: Any = None) -> Passed:
    """Pass how many rows of two data sets lie between public edges of each."""
    plain = range is None and not density and isinstance(bins, (list, tuple)) and len(bins) == 2
    return _table(inputs, (x, y), bins) if plain and not any(isinstance(one, int) for one in bins) else None
