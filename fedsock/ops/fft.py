"""np.fft: the transforms, their frequencies and shifts."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from fedsock.ops.bounds import WIDE as _COMPLEX
from fedsock.ops.bounds import like, shape_of
from fedsock.ops.registry import Bound, Row, own
from fedsock.ops.rows import numpy_row

_CALL_SECONDS = 1e-5
"""What a call costs before the transform itself."""

_SECONDS_PER_STEP = 2e-9
"""One element in one of the log2(n) passes of a transform."""


def _line(a: Any, n: Any = None, axis: Any = -1, norm: Any = None) -> Bound:
    """One axis becomes n long, or at most twice as long as it is (irfft, hfft)."""
    shape = list(shape_of(a))
    last = shape.pop(axis) if -len(shape) <= axis < len(shape) else 1
    return Bound((*shape, 2 * last if n is None else max(int(n), 0)), _COMPLEX)


def _grid(a: Any, s: Any = None, axes: Any = None, norm: Any = None) -> Bound:
    """Some axes may grow before others are cut, so each counts as the longer of before and after."""
    shape = list(shape_of(a))
    lengths = [*s] if s is not None else []
    if axes is None:
        axes = range(-(len(lengths) or len(shape)), 0)
    for position, axis in enumerate(axes):
        if -len(shape) <= axis < len(shape):
            asked = lengths[position] if position < len(lengths) else None
            grown = 2 * shape[axis] if asked is None else int(asked)
            shape[axis] = max(shape[axis], grown)
    return Bound(tuple(shape), _COMPLEX)


def _plane(a: Any, s: Any = None, axes: Any = (-2, -1), norm: Any = None) -> Bound:
    return _grid(a, s, axes)


def _frequencies(n: Any, d: Any = 1.0) -> Bound:
    return Bound((max(n, 0) + 1, *(max(size, 1) for size in shape_of(d))), _COMPLEX)


def _cost(bound: Callable[..., Bound]) -> Callable[..., float]:
    def cost(*args: Any, **kwargs: Any) -> float:
        count = math.prod(bound(*args, **kwargs).shape)
        return _CALL_SECONDS + count * count.bit_length() * _SECONDS_PER_STEP

    return cost


def _filled(a: Any, length: Any, last: Any) -> Any:
    """Return a with one zero where an axis without elements is to be transformed back to real numbers.

    numpy reads the first element of such an axis all the same, and so shows freed memory: what lay there may be
    private.
    """
    shape = list(shape_of(a))
    if length is None or last is None or not -len(shape) <= last < len(shape) or shape[last]:
        return a
    shape[last] = 1
    return np.zeros(shape, np.asarray(a).dtype)


def _line_back(function: Callable[..., Any]) -> Callable[..., Any]:
    def back(a: Any, n: Any = None, axis: Any = -1, norm: Any = None) -> Any:
        return function(_filled(a, n, axis), n, axis, norm)

    return back


def _grid_back(function: Callable[..., Any], usual: Any) -> Callable[..., Any]:
    def back(a: Any, s: Any = None, axes: Any = usual, norm: Any = None) -> Any:
        last = -1 if axes is None else axes[-1] if axes else None
        return function(_filled(a, s, last), s, axes, norm)

    return back


_FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "irfft": _line_back(np.fft.irfft),
    "hfft": _line_back(np.fft.hfft),
    "irfftn": _grid_back(np.fft.irfftn, None),
    "irfft2": _grid_back(np.fft.irfft2, (-2, -1)),
}
"""What runs in place of numpy's own function of the name."""

_LINE = "a:array n:none|int=None axis:int=-1 norm:text|none=None"
_GRID = "a:array s:none|ints=None axes:none|ints=None norm:text|none=None"
_PLANE = "a:array s:none|ints=None axes:none|ints=(-2,-1) norm:text|none=None"


def _row(name: str, text: str, bound: Callable[..., Bound], cost: Callable[..., float] | None = None) -> Row:
    # The transform of no axes is the argument itself.
    function = own(_FUNCTIONS.get(name) or getattr(np.fft, name))
    return numpy_row(np.fft, "fft", name, text, bound, cost, function=function, value_dependent=False)


ROWS: tuple[Row, ...] = (
    *(_row(name, _LINE, _line, _cost(_line)) for name in ("fft", "ifft", "rfft", "irfft", "hfft", "ihfft")),
    *(_row(name, _GRID, _grid, _cost(_grid)) for name in ("fftn", "ifftn", "rfftn", "irfftn")),
    *(_row(name, _PLANE, _plane, _cost(_plane)) for name in ("fft2", "ifft2", "rfft2", "irfft2")),
    *(_row(name, "n:int d:array=1.0", _frequencies) for name in ("fftfreq", "rfftfreq")),
    *(_row(name, "x:array axes:axes=None", like) for name in ("fftshift", "ifftshift")),
)
