"""Gradients of plans."""

from __future__ import annotations

import numpy as np
import pytest

from fedsock.errors import NotDifferentiable
from fedsock.plan.gradient import value_and_gradient
from fedsock.plan.program import Program


def test_there_is_none_yet() -> None:
    with pytest.raises(NotDifferentiable):
        value_and_gradient(Program(lambda x: x * x).trace(1.0).plan, [np.float64(2)], (0,))
