"""tape: a gradient takes no more than was said, by what numpy and autograd really allocate."""

from __future__ import annotations

import tracemalloc
from typing import Any

import autograd
import autograd.numpy as anp
import numpy as np
import pytest

from fedsock.ops import TABLE
from fedsock.ops.tape import tape_bytes
from tests.ops.differences import bound, differentiable, floats, get, parts_of, put

R = np.random.default_rng(0).normal

CALLS: list[tuple[str, list[Any], dict[str, Any]]] = [
    ("add", [R(size=(300, 1)), R(size=(1, 300))], {}),
    ("tanh", [R(size=100_000)], {}),
    ("sum", [R(size=(300, 300))], {"axis": 0}),
    ("prod", [R(size=100_000)], {}),
    ("var", [R(size=(300, 300))], {"axis": 1}),
    ("max", [R(size=(300, 300))], {"axis": 1}),
    ("cumprod", [R(size=30_000)], {}),
    ("maximum.accumulate", [R(size=30_000)], {}),
    ("diff", [R(size=20_000), 30], {}),
    ("median", [R(size=(300, 300))], {"axis": 0}),
    ("sort", [R(size=(300, 300))], {}),
    ("concatenate", [[R(size=50_000), R(size=50_000)]], {}),
    ("stack", [[R(size=50_000), R(size=50_000)]], {}),
    ("take", [R(size=50_000), np.arange(50_000) % 7], {}),
    ("getitem", [R(size=(300, 300)), (slice(None), slice(1, None))], {}),
    ("matmul", [R(size=(200, 300)), R(size=(300, 200))], {}),
    ("matmul", [R(size=(40, 1, 1, 300)), R(size=(1, 40, 300, 1))], {}),
    ("vecdot", [R(size=(40, 1, 300)), R(size=(1, 40, 300))], {}),
    ("matvec", [R(size=(40, 1, 3, 300)), R(size=(1, 40, 300))], {}),
    ("vecmat", [R(size=(40, 1, 300)), R(size=(1, 40, 300, 3))], {}),
    ("linalg.solve", [np.eye(30) + 0.01 * R(size=(20, 1, 30, 30)), R(size=(1, 20, 30, 2))], {}),
    ("convolve", [R(size=2000), R(size=300)], {}),
    ("correlate", [R(size=300), R(size=2000)], {"mode": "full"}),
    ("polyval", [R(size=300), R(size=1000)], {}),
    ("linalg.svd", [R(size=(900, 3))], {"full_matrices": False}),
    ("linalg.svdvals", [R(size=(900, 3))], {}),
    ("linalg.pinv", [R(size=(900, 3))], {}),
    ("linalg.norm", [R(size=(900, 3)), "nuc"], {}),
    ("linalg.norm", [R(size=100_000)], {}),
    ("linalg.matrix_norm", [R(size=(3, 900))], {"ord": 2}),
    ("linalg.matrix_power", [np.eye(100) + 0.01 * R(size=(100, 100)), 60], {}),
    ("linalg.eigh", [np.eye(100) + 0.01 * R(size=(100, 100))], {}),
    ("linalg.cholesky", [100 * np.eye(100)], {}),
    ("einsum", ["ij,ik->jk", R(size=(300, 40)), R(size=(300, 50))], {}),
    ("kron", [R(size=(20, 20)), R(size=(20, 20))], {}),
    ("cov", [R(size=(300, 100))], {}),
    ("setitem", [R(size=(300, 300)), 0, R(size=300)], {}),
    ("pad", [R(size=(300, 300)), 2], {}),
    ("logaddexp.reduce", [R(size=(300, 300))], {}),
    ("quantile", [R(size=(300, 30)), np.linspace(0, 1, 50)], {"axis": 0}),
    ("interp", [R(size=30_000), np.arange(10.0), R(size=10)], {}),
    ("where", [R(size=(300, 1)) > 0, R(size=(1, 300)), 1.0], {}),
    ("triu", [R(size=(300, 300))], {}),
]


@pytest.mark.parametrize(("name", "args", "options"), CALLS, ids=[name for name, *_ in CALLS])
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_gradient_takes_no_more_than_was_said(name: str, args: list[Any], options: dict[str, Any]) -> None:
    row = TABLE[name]
    args, options = bound(row, args, options)
    said = tape_bytes(row, row.bound(*args, **options), args, options)
    function = differentiable(row)
    path = floats(args)[0]

    def loss(x: Any) -> Any:
        return sum(anp.sum(part) for part in parts_of(function(*put(args, path, x), **options)))

    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        autograd.grad(loss)(get(args, path))
        taken = tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()
    assert taken <= said + 300_000, f"{taken:,} of {said:,}"


def test_a_long_vectors_norm_needs_no_square_of_it() -> None:
    row = TABLE["linalg.norm"]
    x = np.zeros(10**6)
    assert tape_bytes(row, row.bound(x), [x], {}) < 100 * x.nbytes
