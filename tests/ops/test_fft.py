"""fft: equal to numpy for every length, axis and norm, and no larger than predicted."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from fedsock.errors import OpTypeError
from fedsock.ops.fft import ROWS
from fedsock.ops.registry import check
from tests.ops.harness import few
from tests.ops.oracle import EVERY, NUMBERS, agree, arrays

TABLE = {row.name.removeprefix("fft."): row for row in ROWS}
LINES = ["fft", "ifft", "rfft", "irfft", "hfft", "ihfft"]
GRIDS = ["fftn", "ifftn", "rfftn", "irfftn", "fft2", "ifft2", "rfft2", "irfft2"]


@pytest.mark.parametrize("name", [*LINES, *GRIDS, "fftshift", "ifftshift"])
@few
@given(data=st.data())
def test_of_an_array(name: str, data: Any) -> None:
    agree(TABLE[name], data.draw(arrays(EVERY)))


@pytest.mark.parametrize("name", LINES)
@few
@given(data=st.data())
def test_lengths_and_axes(name: str, data: Any) -> None:
    options = data.draw(
        st.fixed_dictionaries(
            {},
            optional={
                "n": st.none() | st.integers(-1, 9),
                "axis": st.integers(-3, 3),
                "norm": st.sampled_from([None, "ortho", "forward", "backward", "no"]),
            },
        )
    )
    agree(TABLE[name], data.draw(arrays(NUMBERS)), oracle=real(name, TABLE[name].numpy[0]), **options)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("name", GRIDS)
@few
@given(data=st.data())
def test_shapes_of_grids(name: str, data: Any) -> None:
    axes = st.lists(st.integers(-2, 2), max_size=3)
    options = data.draw(
        st.fixed_dictionaries(
            {},
            optional={
                "s": st.none() | st.lists(st.integers(-1, 6), max_size=3),
                "axes": st.none() | axes,
                "norm": st.sampled_from([None, "ortho"]),
            },
        )
    )
    agree(TABLE[name], data.draw(arrays(NUMBERS)), oracle=real(name, TABLE[name].numpy[0]), **options)


@pytest.mark.parametrize("name", ["fftshift", "ifftshift"])
@few
@given(data=st.data())
def test_shifted_axes(name: str, data: Any) -> None:
    axes = st.none() | st.integers(-3, 3) | st.lists(st.integers(-2, 2), max_size=2).map(tuple)
    agree(TABLE[name], data.draw(arrays(EVERY)), axes=data.draw(axes))


@pytest.mark.parametrize("name", ["fftfreq", "rfftfreq"])
@pytest.mark.parametrize("n", [0, 1, 2, 5, 8, -3])
@pytest.mark.parametrize("d", [1.0, 0.5, 0, np.float32(2), np.array([0.5])])
def test_frequencies(name: str, n: int, d: Any) -> None:
    agree(TABLE[name], n, d)


def test_a_grid_that_grows_before_it_is_cut_is_counted_as_grown() -> None:
    bound = TABLE["fftn"].bound(np.ones((10**4, 1)), s=(1, 10**4))
    assert bound.nbytes >= 10**8 * 16


def test_out_is_refused() -> None:
    with pytest.raises(OpTypeError, match="out"):
        check(TABLE["fft"], [np.ones(3)], {"out": np.ones(3, complex)})


BACK = ["irfft", "hfft", "irfftn", "irfft2"]


@pytest.mark.parametrize("dtype", ["c8", "c16"])
@pytest.mark.parametrize("name", BACK)
def test_no_freed_memory_is_shown(name: str, dtype: str) -> None:
    a = np.zeros((3, 0), dtype)
    options = {"n": 4} if name in LINES else {"s": (3, 4), "axes": (0, 1)}
    for secret in range(200):
        freed = np.full(12, 1e9 + secret, dtype)
        del freed
        result = TABLE[name].function(a, **options)
        assert result.shape == (3, 4) and not result.any()
    assert result.dtype == ("f4" if dtype == "c8" else "f8")


def real(name: str, function: Any) -> Any:
    """numpy's function, where it reads no freed memory."""

    def oracle(a: Any, **options: Any) -> Any:
        # Of an axis without elements numpy's own result is chance; the test above says what it is here.
        assume(name not in BACK or np.size(a))
        return function(a, **options)

    return oracle
