"""moves: where elements come from, blanks, dtypes; test_gradients holds each op's rewrite against differences."""

from __future__ import annotations

import autograd
import autograd.numpy as anp
import numpy as np
import pytest

from fedsock.ops import moves


def test_an_element_that_is_moved_to_two_places_gets_both_gradients() -> None:
    weights = np.array([[1.0, 2.0], [4.0, 8.0]])
    tiled = moves.moved(np.tile, 0)
    found = autograd.grad(lambda x: anp.sum(weights * tiled(anp, x, (2, 1))))(np.ones(2))
    assert found.tolist() == [5.0, 10.0]


def test_blanks_are_zeros_of_the_dtype_of_what_is_beside_them() -> None:
    found = moves.moved(np.diag, 0, blank=True)(anp, np.array([1.0, 2.0], np.float32))
    assert found.dtype == np.float32
    assert found.tolist() == [[1.0, 0.0], [0.0, 2.0]]


def test_trees_keep_their_form_and_all_arguments_are_sources_unless_some_are_named() -> None:
    assert [part.tolist() for part in moves.moved(np.split, 0)(anp, np.arange(4.0), 2)] == [[0, 1], [2, 3]]
    assert moves.moved(np.add)(anp, np.zeros(1), np.zeros(1)).tolist() == [0.0]


def test_the_last_assignment_to_an_element_has_the_gradient() -> None:
    found = autograd.grad(lambda v: anp.sum(moves.setitem(anp, np.zeros(3), np.array([1, 1]), v)))(np.ones(2))
    assert found.tolist() == [0.0, 1.0]
    lost = autograd.grad(lambda x: anp.sum(moves.setitem(anp, x, 1, 5.0)))(np.ones(3))
    assert lost.tolist() == [1.0, 0.0, 1.0]


def test_what_where_leaves_out_has_gradient_0_whatever_it_is() -> None:
    mask = np.array([True, False])
    found = autograd.grad(lambda y: anp.sum(moves.where(anp, mask, 2.0, y)))(np.array([np.nan, 1.0]))
    assert found.tolist() == [0.0, 1.0]


def test_cast_and_spread_leave_alone_what_is_right() -> None:
    x = np.ones(2)
    assert moves.cast(anp, x, np.dtype("f8")) is x
    assert moves.cast(anp, x, None) is x
    assert moves.spread(anp, x, (2,)) is x
    assert moves.cast(anp, x, np.dtype("f4")).dtype == np.float32
    assert moves.spread(anp, np.float32(1), (2, 1)).dtype == np.float32


@pytest.mark.parametrize(("mode", "more"), [("mean", {}), ("linear_ramp", {}), ("reflect", {"reflect_type": "odd"})])
def test_modes_of_pad_without_a_gradient(mode: str, more: dict[str, str]) -> None:
    with pytest.raises(NotImplementedError):
        moves.pad(anp, np.ones(3), 1, mode, **more)
