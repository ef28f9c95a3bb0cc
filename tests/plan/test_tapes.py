"""Tapes: calls are done again on other inputs, and what would get around them is refused."""

from __future__ import annotations

from typing import Any

import autograd.numpy as anp
import numpy as np
import pytest
from autograd.core import VSpace, vspace

from fedsock.ops import TABLE
from fedsock.plan.tapes import Tape, Unrecorded, noted, untaped


def test_primitives_and_ops_are_done_again() -> None:
    tape = Tape()
    x = tape.input(np.arange(3.0))
    y = tape.input(np.array([2, 0, 1]))
    [order] = noted(TABLE["argsort"], [y], {})
    [several] = noted(TABLE["stack"], [[x, anp.tanh(x) * 2]], {"axis": 0})
    parts = noted(TABLE["divmod"], [x, 2.0], {})
    assert len(parts) == 2
    tape.finish([anp.sum(x), order, several, *parts, np.ones(2)])
    for values in (np.arange(3.0), np.array([4.0, -1.0, 7.5])):
        places = np.argsort(values)
        total, *rest = tape.run([values, places])
        assert total == values.sum()
        expected = [np.argsort(places), np.stack([values, np.tanh(values) * 2]), *divmod(values, 2.0), np.ones(2)]
        for found, value in zip(rest, expected, strict=True):
            np.testing.assert_array_equal(found, value)


def test_a_constant_that_is_given_is_a_copy() -> None:
    tape = Tape()
    x = tape.input(np.ones(2))
    tape.finish([x * 1.0, np.zeros(2), 3.0])
    tape.run([np.ones(2)])[1][:] = 9
    assert tape.run([np.ones(2)])[1].tolist() == [0, 0]
    assert tape.run([np.ones(2)])[2] == 3.0


def test_registers_are_dropped_when_nothing_reads_them_any_more() -> None:
    tape = Tape()
    x = tape.input(np.ones(2))
    first = anp.exp(x)
    second = first + first
    anp.sin(second)  # read by nothing
    tape.finish([second])
    assert [len(call[-1]) for call in tape._calls] == [0, 1, 1]


@pytest.mark.parametrize("tree", [lambda x: [x, 1], lambda x: (1, [x])])
def test_a_box_that_is_hidden_in_an_argument_is_refused(tree: Any) -> None:
    tape = Tape()
    x = tape.input(np.ones(2))
    with pytest.raises(Unrecorded):
        tape.take(np.stack, [tree(x)], {})
    with pytest.raises(Unrecorded):
        tape.take(np.stack, [], {"arrays": tree(x)})


def test_a_constant_that_would_be_added_to_in_place_is_refused() -> None:
    x = Tape().input(np.ones(2))
    with pytest.raises(Unrecorded):
        vspace(np.ones(2)).mut_add(np.zeros(2), x)
    assert isinstance(vspace(np.ones(2)), VSpace)


def test_what_has_no_box_is_refused() -> None:
    tape = Tape()
    with pytest.raises(Unrecorded):
        tape.input(np.int64(3))
    with pytest.raises(TypeError):
        anp.any(tape.input(np.ones(2)))


def test_what_is_untaped_is_no_box() -> None:
    assert untaped(3) == 3
    with pytest.raises(Unrecorded):
        untaped(Tape().input(np.ones(1)))
