"""refusals: what is no op is named, and says what to write instead."""

from __future__ import annotations

import numpy as np

from fedsock.ops import LOCAL, METHODS, NAMES, REFUSED_FUNCTIONS, REFUSED_METHODS

# What a pointer answers itself, without an op.
OWN = {"copy", "device", "dtype", "itemsize", "nbytes", "ndim", "shape", "size", "to_device"}


def test_every_public_name_of_ndarray_has_an_answer() -> None:
    names = {name for name in dir(np.ndarray) if not name.startswith("_")}
    assert names == set(METHODS) | set(REFUSED_METHODS) | OWN
    assert not set(METHODS) & set(REFUSED_METHODS)


def test_no_function_is_both_op_and_refused() -> None:
    ops = set(NAMES)
    assert not ops & LOCAL
    assert not ops & set(REFUSED_FUNCTIONS)


def test_texts_say_what_to_do() -> None:
    for text in (*REFUSED_METHODS.values(), *REFUSED_FUNCTIONS.values()):
        assert len(text) > 20
        assert "task" not in text, "there are none yet"
