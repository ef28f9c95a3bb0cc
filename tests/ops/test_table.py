"""table: all of the array API standard, no name of numpy that a worker must not run, and numpy's results."""

from __future__ import annotations

import builtins
from typing import Any

import array_api_strict
import numpy as np
import pytest

from fedsock.errors import OpFailed
from fedsock.ops import LOCAL, NAMES, REFUSED_METHODS, TABLE, check

# Answered locally, or refused on a pointer.
LOCALLY = {"can_cast", "finfo", "iinfo", "isdtype", "result_type", "broadcast_shapes"}
# Constants, namespaces, and what belongs to the package that lists the standard.
NO_OPS = {
    "from_dlpack", "__array_namespace_info__", "__array_api_version__", "__version__", "Device", "fft",
    "linalg", "set_array_api_strict_flags", "get_array_api_strict_flags", "reset_array_api_strict_flags",
    "ArrayAPIStrictFlags", "e", "inf", "nan", "pi", "newaxis",
}  # fmt: skip


def standard() -> list[tuple[Any, str]]:
    """Every function of the standard: (numpy's namespace, name)."""
    dtypes = {name for name in array_api_strict.__all__ if name in np.sctypeDict}
    found = [(np, name) for name in array_api_strict.__all__ if name not in NO_OPS | dtypes]
    found += [(np.linalg, name) for name in array_api_strict.linalg.__all__]
    return found + [(np.fft, name) for name in array_api_strict.fft.__all__]


@pytest.mark.parametrize(("space", "name"), standard(), ids=lambda value: getattr(value, "__name__", value))
def test_the_array_api_standard_is_covered(space: Any, name: str) -> None:
    function = getattr(space, name)
    if name in LOCALLY:
        assert function in LOCAL
    else:
        assert function in NAMES


UNSAFE = (
    "load save savez savez_compressed savetxt loadtxt genfromtxt fromfile fromstring fromregex memmap "
    "DataSource frompyfunc vectorize apply_along_axis apply_over_axes piecewise fromfunction fromiter "
    "seterr geterr seterrcall errstate set_printoptions get_printoptions printoptions setbufsize "
    "getbufsize testing f2py ctypeslib lib info test show_config show_runtime ndarray frombuffer nditer "
    "nested_iters copyto put putmask place put_along_axis fill_diagonal from_dlpack may_share_memory "
    "shares_memory asmatrix matrix recarray record rec char einsum_path get_include array2string "
    "array_repr array_str format_float_positional require "
)


@pytest.mark.parametrize("name", UNSAFE.split())
def test_no_op_reads_files_calls_back_or_changes_the_process(name: str) -> None:
    assert name not in TABLE
    assert getattr(np, name, None) not in NAMES if getattr(np, name, None).__hash__ else True


@pytest.mark.parametrize(
    "name",
    [
        "__class__", "linalg.__builtins__", "linalg", "add.at", "add.__call__", "\uff45mpty", "add\0", "",
        "A" * 10**6, "random", "lib.stride_tricks.as_strided", "ndarray", "add.reduce.__self__", "ctypeslib",
        "random.seed", "Add", " add",
    ],
)  # fmt: skip
def test_lookup_is_by_exact_name(name: str) -> None:
    assert TABLE.get(name) is None


def test_names_are_plain() -> None:
    for name, row in TABLE.items():
        assert name == row.name
        assert all(part.isidentifier() and part.isascii() and not part.startswith("_") for part in name.split("."))
        assert name not in dir(builtins) or name in dir(np)
        assert row.about
        assert row.results == 1 or callable(row.results) or row.results > 1


def test_no_op_takes_callables_or_objects() -> None:
    for row in TABLE.values():
        for wrong in (len, object(), np.zeros, np.zeros(2, object)):
            arguments = (wrong,) * max(row.required, 1)
            try:
                check(row, arguments, {})
            except OpFailed:
                continue
            kinds = {p.kind.name for p in (*row.positional, row.variadic) if p is not None}
            # Arrays were checked at the door; "a value" is a tree, which only a tree's owner can have sent.
            assert isinstance(wrong, np.ndarray) or "a value" in kinds, row.name


def test_methods_that_write_are_no_ops() -> None:
    assert not any(name in TABLE and TABLE[name].in_place for name in REFUSED_METHODS)
