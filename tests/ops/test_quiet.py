"""quiet: no warning gets out, the filters come back, threads may overlap."""

from __future__ import annotations

import threading
import warnings

import numpy as np
import pytest

from fedsock.ops.quiet import quiet, quiet_if_complex, silence


def test_what_numpy_warns_of_is_silent_and_filters_come_back() -> None:
    before = list(warnings.filters)
    with np.errstate(all="ignore"):
        assert np.isnan(quiet(np.nanmean)([]))
        with pytest.warns(RuntimeWarning):
            np.nanmean([])
    assert list(warnings.filters) == before


def test_threads_overlap() -> None:
    before = list(warnings.filters)
    inside, go = threading.Event(), threading.Event()

    def first() -> None:
        with silence():
            inside.set()
            go.wait(10)

    thread = threading.Thread(target=first)
    thread.start()
    assert inside.wait(10)
    with silence():
        go.set()
        thread.join(10)
        # The other thread has left, this one still needs silence.
        warnings.warn("nobody hears this", RuntimeWarning, stacklevel=1)
    assert list(warnings.filters) == before
    with pytest.raises(RuntimeWarning):
        warnings.warn("everybody hears this", RuntimeWarning, stacklevel=1)


def test_complex_arguments_are_silent() -> None:
    total = quiet_if_complex(np.sum)
    assert total(np.array([1 + 1j]), dtype=np.dtype("f8")) == 1
    assert total(1 + 1j, dtype=np.dtype("f8")) == 1
    assert total(np.ones(3)) == 3
