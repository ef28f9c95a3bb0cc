"""finite: nothing that is not finite comes to LAPACK's singular values, which it may never give."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from fedsock.errors import OpFailed
from fedsock.ops import TABLE, check
from fedsock.ops.finite import is_finite
from fedsock.worker.failures import op_error_class

NAN = np.full((2, 2), np.nan)
INF = np.array([[1.0, np.inf], [2.0, 3.0]])

ENDS = """
import numpy as np
from fedsock.ops import TABLE
endless = np.array([[np.inf, 1, 2], [3, 4, 5], [6, 7, 8]])
rng = np.random.default_rng(1)
calls = [(name, (), {}) for name in ("svd", "svdvals", "pinv", "cond", "matrix_rank")]
calls += [("svd", (False, False), {}), ("lstsq", (np.ones(3),), {}), ("norm", (2,), {}), ("norm", ("nuc",), {})]
calls += [("norm", (-2, (0, 1)), {}), ("matrix_norm", (), {"ord": 2}), ("cond", (-2,), {})]
for dtype in "fdFD":
    for value in (np.inf, -np.inf, np.nan):
        a = np.where(np.isinf(endless), value, endless).astype(dtype)
        for name, args, options in calls:
            for matrix in (a, np.stack([np.eye(3, dtype=dtype), a])):
                if len(matrix.shape) == 3 and name in ("lstsq", "norm"):
                    continue
                try:
                    print(name, TABLE["linalg." + name].function(matrix, *args, **options))
                except np.linalg.LinAlgError:
                    pass
    try:
        print(TABLE["random.Generator.multivariate_normal"].function(rng, np.zeros(3), endless))
    except np.linalg.LinAlgError:
        pass
"""


def test_singular_values_of_infinity_end_and_write_nothing() -> None:
    # In a process of its own: where LAPACK goes on for ever, nothing but a signal from outside ends it.
    done = subprocess.run([sys.executable, "-c", ENDS], capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout, done.stderr, done.returncode) == ("", "", 0)


@pytest.mark.parametrize("matrix", [NAN, INF, INF.astype("F")], ids=["nan", "inf", "complex"])
@pytest.mark.parametrize(
    ("name", "args", "options"),
    [
        ("svd", (True, True), {"hermitian": True}),
        ("pinv", (None, True), {}),
        ("matrix_rank", (None, True), {}),
        ("cond", (1,), {}),
        ("norm", (), {}),
        ("norm", (2, 0), {}),
        ("norm", (2, (1,)), {}),
        ("matrix_norm", (), {"ord": 1}),
        ("det", (), {}),
    ],
)
def test_what_takes_no_singular_values_is_numpys(name: str, args: Any, options: Any, matrix: Any) -> None:
    def outcome(function: Any) -> Any:
        try:
            return function(matrix, *args, **options)
        except np.linalg.LinAlgError as error:
            return type(error)

    row = TABLE[f"linalg.{name}"]
    with np.errstate(all="ignore"):
        np.testing.assert_equal(outcome(row.function), outcome(row.numpy[0]))


def test_vectors_have_no_singular_values() -> None:
    assert TABLE["linalg.norm"].function(np.array([np.inf, 1.0]), 2) == np.inf
    assert TABLE["linalg.matrix_rank"].function(np.array([np.nan, 1.0])) == 1


@pytest.mark.parametrize(
    ("name", "args", "kind"),
    [
        ("svd", [INF.astype("e")], TypeError),
        ("svd", [INF[0]], np.linalg.LinAlgError),
        ("norm", [np.stack([INF] * 2), 2], ValueError),
        ("norm", [INF, 2, (0, 5)], np.exceptions.AxisError),
        ("lstsq", [INF, np.ones(7)], np.linalg.LinAlgError),
        ("svd", [float("inf")], np.linalg.LinAlgError),
    ],
)
def test_what_else_is_wrong_is_told_first(name: str, args: Any, kind: type[Exception]) -> None:
    row = TABLE[f"linalg.{name}"]
    with pytest.raises(kind) as raised:
        row.function(*check(row, args, {})[0])
    assert "SVD did not converge" not in str(raised.value)


def test_the_error_says_why() -> None:
    with pytest.raises(np.linalg.LinAlgError, match="holds NaN or infinity") as raised:
        TABLE["linalg.svd"].function(INF)
    assert issubclass(op_error_class(raised.value), OpFailed)
    rng = np.random.default_rng(1)
    draw = TABLE["random.Generator.multivariate_normal"].function
    with pytest.raises(np.linalg.LinAlgError, match="holds NaN or infinity"):
        draw(rng, np.zeros(2), INF)
    with pytest.raises(ValueError, match="same length"):
        draw(rng, np.zeros(3), INF)


def test_whole_numbers_and_texts_are_none_of_lapacks_business() -> None:
    assert is_finite(np.array([1, 2])) and is_finite(np.array(["a"])) and is_finite(np.array([np.inf], "e"))
    assert is_finite([[1.0, 2.0]]) and not is_finite([[1.0, float("nan")]])
