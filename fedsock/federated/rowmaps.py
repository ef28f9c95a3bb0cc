"""More ops that keep rows apart: those of which the op table's rules say nothing, for what they make is mixed there.

Each is called as those of ``fedsock.ops.passing`` are. Where a policy lets nothing mixed leave, neither does it what
these make.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from fedsock.ops.inputs import Inputs, Rule
from fedsock.ops.rowwise import axes_of, reduced_form
from fedsock.policy.facts import FUNCTION, Rowwise


def _each(inputs: Inputs, x: Any, *_: Any, **__: Any) -> Rowwise | None:
    """Keep what works on each element of the first argument, beside others that are the same for all."""
    return inputs.form(x)


def _norm(inputs: Inputs, x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Rowwise | None:
    """Keep lengths along other axes."""
    form = inputs.form(x)
    if form is None or axis is None or form.axis in axes_of(axis, x.ndim):
        return None
    return reduced_form(form, axes_of(axis, x.ndim), keepdims, FUNCTION)


def _running(inputs: Inputs, a: Any, axis: Any = None, *_: Any, **__: Any) -> Rowwise | None:
    """Keep running totals along other axes."""
    form = inputs.form(a)
    return None if form is None or axis is None or form.axis in axes_of(axis, a.ndim) else form


def _beside(inputs: Inputs, arrays: Sequence[Any], axis: int) -> Rowwise | None:
    """Keep arrays that are put beside each other along another axis, all of the same rows."""
    forms = [inputs.form(array) for array in arrays]
    first = forms[0]
    if first is None or any(form is None or form.axis != first.axis for form in forms):
        return None
    return None if axis == first.axis else first


def _concatenated(inputs: Inputs, arrays: Sequence[Any], axis: Any = 0, *_: Any, **__: Any) -> Rowwise | None:
    return None if axis is None else _beside(inputs, arrays, axis % arrays[0].ndim)


def _stacked(inputs: Inputs, arrays: Sequence[Any], axis: int = 0, *_: Any, **__: Any) -> Rowwise | None:
    form = _beside(inputs, arrays, -1)
    at = axis % (arrays[0].ndim + 1)
    return None if form is None else replace(form, axis=form.axis + (at <= form.axis))


def _columns(inputs: Inputs, arrays: Sequence[Any], *_: Any, **__: Any) -> Rowwise | None:
    form = _beside(inputs, arrays, 1)
    return form if form is None or form.axis == 0 else None


def _flat_columns(inputs: Inputs, arrays: Sequence[Any], *_: Any, **__: Any) -> Rowwise | None:
    # One-dimensional arrays would be put behind each other.
    return _columns(inputs, arrays) if all(array.ndim > 1 for array in arrays) else None


ROW_MAPS: Mapping[str, Rule] = MappingProxyType(
    {
        "digitize": _each,
        "isin": _each,
        "interp": _each,
        "linalg.norm": _norm,
        "linalg.vector_norm": lambda inputs, x, axis=None, keepdims=False, ord=2: _norm(inputs, x, ord, axis, keepdims),
        "cumsum": _running,
        "cumprod": _running,
        "concatenate": _concatenated,
        "stack": _stacked,
        "column_stack": _columns,
        "hstack": _flat_columns,
    }
)
"""The rule of each; read-only."""
