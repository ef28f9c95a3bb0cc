"""refusals: what is no op is named, and says what to write instead."""

from __future__ import annotations

import types
from typing import Any

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


PASSED_BY = {
    "it makes a local array, or looks at one": (
        "asanyarray asarray_chkfinite ascontiguousarray asfortranarray asmatrix bmat isfortran iterable require"
    ),
    "it is about dtypes, numbers or texts, not arrays": (
        "base_repr binary_repr datetime_data format_float_positional format_float_scientific issubdtype mintypecode "
        "typename"
    ),
    "it reads files or foreign memory": "from_dlpack frombuffer fromfile fromregex fromstring genfromtxt",
    "it calls a function of the user's, or walks along": "fromiter frompyfunc mask_indices nested_iters",
    "it is about numpy in this process": (
        "get_include get_printoptions getbufsize geterr geterrcall info printoptions set_printoptions setbufsize "
        "seterr seterrcall show_config show_runtime test linalg.test fft.test"
    ),
    "it is an old name of vstack": "row_stack",
    "values can't be bytes": "random.Generator.bytes",
}
"""Functions that pointers never meet (numpy doesn't ask its arguments) and no worker has, by the reason."""


def public(space: Any, prefix: str = "") -> dict[str, Any]:
    """Every public function of a namespace of numpy by its dotted name; classes and modules are none."""
    found = {name: getattr(space, name) for name in dir(space) if not name.startswith("_")}
    apart = (type, types.ModuleType)
    return {prefix + name: one for name, one in found.items() if callable(one) and not isinstance(one, apart)}


NUMPYS = {
    **public(np),
    **public(np.linalg, "linalg."),
    **public(np.fft, "fft."),
    **public(np.random.Generator, "random.Generator."),
}
EXPLAINED = set(" ".join(PASSED_BY.values()).split())


def test_every_function_of_numpy_is_an_op_or_has_a_reason() -> None:
    answered = {name for name, one in NUMPYS.items() if one in NAMES or one in LOCAL or one in REFUSED_FUNCTIONS}
    assert set(NUMPYS) - answered == EXPLAINED & set(NUMPYS)
    assert not answered & EXPLAINED


def test_numpy_asks_no_pointer_about_what_is_passed_by() -> None:
    assert [name for name in EXPLAINED if hasattr(NUMPYS.get(name), "_implementation")] == []


def test_the_state_of_the_process_draws_nothing() -> None:
    legacy = public(np.random)
    assert not [name for name, one in legacy.items() if one in NAMES and name != "default_rng"]


def test_texts_say_what_to_do() -> None:
    for text in (*REFUSED_METHODS.values(), *REFUSED_FUNCTIONS.values()):
        assert len(text) > 20
        assert "task" not in text, "there are none yet"
