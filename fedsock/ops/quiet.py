"""Silence for numpy's warnings, which tell a worker's owner nothing and may not become errors of an op.

numpy reports floating-point trouble through ``np.errstate``, which the engine sets for every op. A few
functions call ``warnings.warn`` instead (the mean of nothing, a slice of NaNs). Warning filters belong to
the whole process and ops run in threads, so the filters are changed once for all ops that need silence at
the same time.
"""

from __future__ import annotations

import functools
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final


class _Silence:
    """Counts the ops that need silence now; the first enters ``catch_warnings``, the last leaves it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ops = 0
        self._filters: warnings.catch_warnings[None] | None = None

    def enter(self) -> None:
        with self._lock:
            self._ops += 1
            if self._filters is None:
                self._filters = warnings.catch_warnings()
                self._filters.__enter__()
                warnings.simplefilter("ignore", RuntimeWarning)

    def leave(self) -> None:
        with self._lock:
            self._ops -= 1
            if self._ops == 0 and self._filters is not None:
                self._filters.__exit__(None, None, None)
                self._filters = None


_SILENCE: Final = _Silence()


@contextmanager
def silence() -> Iterator[None]:
    """Ignore RuntimeWarnings while the body runs; bodies in several threads may overlap."""
    _SILENCE.enter()
    try:
        yield
    finally:
        _SILENCE.leave()


def quiet(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that does the same and warns of nothing.

    Args:
        function: a numpy function that calls ``warnings.warn``.
    """

    @functools.wraps(function)
    def silent(*args: Any, **options: Any) -> Any:
        with silence():
            return function(*args, **options)

    return silent


def quiet_if_complex(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that does the same, in silence when its first argument is complex.

    Args:
        function: a numpy function that warns only when its dtype drops imaginary parts.
    """
    silent = quiet(function)

    def careful(a: Any, *args: Any, **options: Any) -> Any:
        is_complex = a.dtype.kind == "c" if hasattr(a, "dtype") else isinstance(a, complex)
        return (silent if is_complex else function)(a, *args, **options)

    careful.__doc__ = function.__doc__
    return careful
