"""Runs an op as a worker would and holds it against numpy: results, kinds, dtypes, shapes, errors, bounds."""

from __future__ import annotations

import copy
import warnings
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.errors import UnsatisfiedAssumption
from hypothesis.extra import numpy as hnp

from fedsock.errors import OpFailed
from fedsock.ops.registry import Row, check, fill, flatten, leaves, seconds, template_of
from fedsock.ops.schema import ALLOWED_CHARS
from fedsock.worker.failures import op_error_class

NUMBERS = [np.dtype(code) for code in "?bhilBHILefdFD"]
REALS = [np.dtype(code) for code in "?bhilBHILefd"]
DATES = [np.dtype("M8[D]"), np.dtype("m8[s]")]
TEXTS = [np.dtype("U3")]
EVERY = NUMBERS + DATES + TEXTS


def arrays(
    dtypes: list[np.dtype[Any]] = NUMBERS, shape: Any = None, *, side: int = 4, dims: int = 3
) -> st.SearchStrategy[Any]:
    """Arrays of any of some dtypes, with NaN and infinities, 0-d and empty ones unless a shape is given."""
    if shape is None:
        shape = hnp.array_shapes(min_dims=0, max_dims=dims, min_side=0, max_side=side)
    # Small numbers are drawn too, for few that are drawn from all of int64 meet.
    return st.sampled_from(dtypes).flatmap(lambda dtype: hnp.arrays(dtype, shape, elements=elements(dtype)))


def elements(dtype: np.dtype[Any]) -> st.SearchStrategy[Any]:
    """Elements of a dtype, half of them small."""
    if dtype.kind in "iu":
        return st.one_of(st.integers(0 if dtype.kind == "u" else -3, 5), hnp.from_dtype(dtype))
    if dtype.kind == "U":
        return st.text("abc1", max_size=3)
    if dtype.kind == "f":
        return st.one_of(st.integers(-3, 5).map(float), hnp.from_dtype(dtype))
    return hnp.from_dtype(dtype)


def same(result: Any, expected: Any) -> bool:
    """Whether two results are one value: type, dtype, shape, and elements with NaN equal to itself."""
    if type(result) is not type(expected):
        return False
    if isinstance(expected, (tuple, list)):
        return len(result) == len(expected) and all(map(same, result, expected))
    if isinstance(expected, np.random.Generator):
        return _condition(result) == _condition(expected)
    if isinstance(expected, (np.ndarray, np.generic)):
        if result.dtype != expected.dtype or result.shape != expected.shape:
            return False
        return np.array_equal(result, expected, equal_nan=expected.dtype.kind in "fcmM")
    return bool(result == expected or (result != result and expected != expected))


def _condition(generator: np.random.Generator) -> Any:
    bits: Any = generator.bit_generator
    seeds = copy.deepcopy(bits.seed_seq)
    return bits.state, seeds.n_children_spawned, seeds.generate_state(2).tolist()


def nbytes(values: list[Any]) -> int:
    """Bytes of a row's results."""
    return sum(value.nbytes if isinstance(value, (np.ndarray, np.generic)) else 8 for value in values)


def run(row: Row, args: tuple[Any, ...], options: dict[str, Any]) -> Any:
    """What a session gets back from an op; asserts what a worker relies on."""
    before = copy.deepcopy((args, options))
    checked, named = check(row, args, options)
    bound = row.bound(*checked, **named)
    assert all(type(size) is int and size >= 0 for size in bound.shape)
    assert 0 <= seconds(row, bound, checked, named) < 10
    with np.errstate(all="ignore"):
        values = flatten(row, row.function(*checked, **named))
    assert nbytes(values) <= bound.nbytes, (values, bound)
    assert same(list(args), list(before[0])), "an argument was written"
    made = [value for value in values if isinstance(value, np.ndarray)]
    others = [arg for arg in args if isinstance(arg, np.ndarray)]
    for value in made:
        assert not any(np.shares_memory(value, other) for other in others), "a result is an argument's memory"
        others.append(value)
    template = template_of(row, args, options, np.shape)
    assert leaves(template) == len(values)
    return fill(template, values)


def unlike_values(result: Any) -> bool:
    """Whether numpy's result has a dtype that no value may have."""
    if isinstance(result, (tuple, list)):
        return any(map(unlike_values, result))
    return isinstance(result, (np.ndarray, np.generic)) and result.dtype.char not in ALLOWED_CHARS


def agree(row: Row, *args: Any, oracle: Any = None, **options: Any) -> Any:
    """Assert that an op gives what numpy gives, or raises what it raises; return the result or the error."""
    oracle = oracle or row.numpy[0]
    failure: Exception | None = None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            expected = oracle(*copy.deepcopy(args), **copy.deepcopy(options))
        except UnsatisfiedAssumption:  # the draw isn't one of the test's
            raise
        except Exception as error:
            failure = error
    if failure is None and unlike_values(expected):
        failure = TypeError("numpy gives objects or records")
    if failure is None:
        result = run(row, args, options)
        assert same(result, expected), (row.name, args, options, result, expected)
        return result
    try:
        result = run(row, args, options)
    except Exception as error:
        kind = type(error) if isinstance(error, OpFailed) else op_error_class(error)
        assert issubclass(kind, op_error_class(failure)), (row.name, args, options, error, failure)
        return failure
    raise AssertionError(f"{row.name} gives {result!r} where numpy raises {failure!r} for {args} {options}")
