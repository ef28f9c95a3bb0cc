"""Singular values of what is not finite: refused, for with an infinity LAPACK may go on for ever.

numpy gives an infinity to LAPACK as it is, whose iteration then ends as it likes: with numbers that mean nothing, with
"did not converge", or never; least squares write a line to the process's output as well. A NaN always fails.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Final

import numpy as np

_LAPACK: Final = "fdFD"
"""dtype letters that LAPACK takes; numpy makes float64 of whole numbers, which are finite, and refuses float16."""


def always(*_: Any, **__: Any) -> bool:
    """Return True: a function that takes singular values whatever its arguments are."""
    return True


def unless_hermitian(place: int) -> Callable[..., bool]:
    """Return whether a function takes singular values, where its argument ``hermitian`` says that it needn't.

    Args:
        place: the argument's position.
    """

    def needed(*args: Any, **options: Any) -> bool:
        return not (args[place] if len(args) > place else options.get("hermitian", False))

    return needed


def is_finite(a: Any) -> bool:
    """Return whether LAPACK would see neither NaN nor infinities in an array."""
    values = np.asarray(a)
    return values.dtype.char not in _LAPACK or bool(np.isfinite(values).all())


def converging(function: Callable[..., Any], needed: Callable[..., bool] = always) -> Callable[..., Any]:
    """Return a function that does the same for finite numbers, and raises LinAlgError for others.

    Args:
        function: one of numpy's, its first argument a matrix.
        needed: same arguments -> whether it takes the matrix's singular values.
    """

    @functools.wraps(function)
    def careful(a: Any, *args: Any, **options: Any) -> Any:
        if needed(a, *args, **options) and not is_finite(a):
            function(np.zeros_like(a), *args, **options)  # so that whatever else is wrong is told first
            raise np.linalg.LinAlgError("SVD did not converge: the matrix holds NaN or infinity")
        return function(a, *args, **options)

    return careful
