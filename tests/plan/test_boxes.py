"""Boxes: what is looked for in an argument, and what is found in the innermost."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from fedsock.plan.boxes import autograd, boxed, is_box, is_recorded, levels, on_path, plain, unboxed
from fedsock.plan.tapes import Tape


@pytest.fixture
def recorded() -> Any:
    return Tape().input(np.arange(3.0))


@pytest.fixture
def followed(recorded: Any) -> Any:
    """A gradient's box around a recording's."""
    library = autograd()
    return library.tracer.new_box(recorded, 1, library.core.VJPNode.new_root())


def test_values_have_no_history() -> None:
    for value in (np.ones(2), 3.0, "text", None, slice(1, 2), [np.ones(1), (2, 3)]):
        assert not is_box(value)
        assert not boxed(value)
        assert not on_path(value)
        assert levels(value) == 0
    assert plain([1, (2, "x")]) == unboxed([1, (2, "x")]) == [1, (2, "x")]


def test_a_recording_is_on_no_path(recorded: Any) -> None:
    assert is_box(recorded)
    assert is_recorded(recorded)
    assert boxed([1, (recorded,)])
    assert not on_path([1, (recorded,)])
    assert levels(recorded) == 0
    assert unboxed(recorded) is recorded
    assert plain([recorded])[0].tolist() == [0, 1, 2]


def test_a_gradient_around_a_recording_is(recorded: Any, followed: Any) -> None:
    assert is_box(followed)
    assert not is_recorded(followed)
    assert on_path([1, (followed,)])
    assert levels([followed, 1]) == 1
    assert unboxed([followed])[0] is recorded
    assert plain(followed).tolist() == [0, 1, 2]
