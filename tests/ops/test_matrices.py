"""matrices: what has no gradient, sums over what stands twice; test_gradients holds each against differences."""

from __future__ import annotations

from typing import Any

import autograd.numpy as anp
import numpy as np
import pytest

from fedsock.ops import matrices


@pytest.mark.parametrize(
    ("name", "args", "options"),
    [
        ("svd", (np.ones((3, 2)),), {}),
        ("pinv", (np.ones((3, 2)), 1e-3), {}),
        ("cov", (np.ones((2, 3)),), {"aweights": np.ones(3)}),
        ("interp", (0.5, np.ones(2), np.ones(2)), {"period": 1.0}),
        ("cross", (np.ones(2), np.ones(2)), {}),
    ],
)
def test_arguments_without_a_gradient(name: str, args: Any, options: Any) -> None:
    with pytest.raises(NotImplementedError):
        vars(matrices)[name](anp, *args, **options)


@pytest.mark.parametrize("subscripts", ["ii", "iij", "iji", "i...i", "ij,ij", "iij,jj->i", "ii,ik->k"])
def test_einsum_is_numpys(subscripts: str) -> None:
    terms = subscripts.partition("->")[0].split(",")
    rng = np.random.default_rng(2)
    operands = [rng.normal(size=(3,) * len(term.replace("...", "k"))) for term in terms]
    found = matrices.einsum(anp, subscripts, *operands)
    np.testing.assert_allclose(found, np.einsum(subscripts, *operands))


def test_a_norm_that_numpy_has_not() -> None:
    with pytest.raises(ValueError, match="order"):
        matrices.matrix_norm(anp, np.ones((2, 2)), ord=3)
