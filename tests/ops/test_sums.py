"""sums: zeros in products, NaN, float32, what has no gradient; test_gradients holds each against differences."""

from __future__ import annotations

import autograd
import autograd.numpy as anp
import numpy as np
import pytest

from fedsock.ops import sums


def test_a_product_with_zeros_has_the_gradient_of_the_others() -> None:
    found = autograd.grad(lambda x: sums.prod(anp, x))(np.array([0.0, 2.0, 3.0, 5.0, 7.0]))
    assert found.tolist() == [210.0, 0.0, 0.0, 0.0, 0.0]


def test_an_empty_product_is_one_and_an_empty_logaddexp_nothing() -> None:
    assert sums.prod(anp, np.zeros((0, 2)), 0).tolist() == [1.0, 1.0]
    assert sums.halved("logaddexp")(anp, np.zeros(0)) == -np.inf


def test_root_has_slope_0_at_0() -> None:
    assert autograd.grad(lambda x: sums.root(anp, x))(0.0) == 0.0
    assert autograd.grad(lambda x: sums.root(anp, x))(4.0) == 0.25


def test_nan_has_no_share() -> None:
    x = np.array([1.0, np.nan, 3.0])
    found = autograd.grad(lambda x: sums.without_nan(sums.mean)(anp, x))(x)
    assert found.tolist() == [0.5, 0.0, 0.5]
    none = sums.nan_extreme(sums.max_, -1.0)(anp, np.full((2, 2), np.nan), 0)
    assert np.isnan(none).all()


@pytest.mark.parametrize("name", ["mean", "var", "std", "prod", "sum_", "median", "max_"])
def test_float32_stays(name: str) -> None:
    function = vars(sums)[name]
    x = np.array([[1.0, 2.0, 4.0]], np.float32)
    assert function(anp, x, 1).dtype == np.float32


def test_quantiles_by_weights_or_by_q_have_none() -> None:
    with pytest.raises(NotImplementedError, match="weights"):
        sums.quantile(anp, np.ones(3), 0.5, weights=np.ones(3))
    with pytest.raises(NotImplementedError, match="q"):
        autograd.grad(lambda q: sums.quantile(anp, np.ones(3), q))(0.5)


def test_a_quantile_of_nan_is_nan() -> None:
    assert np.isnan(sums.median(anp, np.array([1.0, np.nan])))
