"""What a rule of ``fedsock.ops.passing`` is told of an op's private arguments."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from fedsock.policy.facts import Form, Rowwise

Passed = Form | None | tuple[Form | None, ...]
"""The form of an op's results, or one for each of them; None: mixed."""


class Inputs:
    """What is known of an op's private arguments, all of which are rowwise.

    Args:
        forms: the form of each, by the identity of what stands in for it.
    """

    __slots__ = ("_asked", "_forms")

    def __init__(self, forms: Mapping[int, Rowwise]) -> None:
        self._forms = forms
        self._asked: set[int] = set()

    def form(self, arg: Any) -> Rowwise | None:
        """Return the form of an argument; None when it is not private."""
        form = self._forms.get(id(arg))
        if form is not None:
            self._asked.add(id(arg))
        return form

    @property
    def all_asked(self) -> bool:
        """Whether a rule asked about every private argument."""
        return len(self._asked) == len(self._forms)


Rule = Callable[..., Passed]
"""(inputs, *args, **kwargs) -> the form of the results."""


def exponents(operand: Any) -> tuple[int, int] | None:
    """Return the powers of 2 that the smallest and the largest number of an operand are near, zeros aside.

    Args:
        operand: numbers that are not private.

    Returns:
        None where one isn't finite.
    """
    if type(operand) in (int, float):
        if not math.isfinite(operand):
            return None
        power = math.frexp(operand)[1] if operand else 0
        return power, power
    sizes = np.abs(np.asarray(operand))
    if not np.isfinite(sizes).all():
        return None
    sizes = sizes[sizes > 0]
    return (math.frexp(sizes.min())[1], math.frexp(sizes.max())[1]) if sizes.size else (0, 0)


def exact(*operands: Any) -> bool:
    """Return whether arithmetic is of floats of 32 bits or more: integers wrap, and few digits round."""
    dtypes = [operand.dtype for operand in operands if isinstance(operand, (np.ndarray, np.generic))]
    numbers = [operand for operand in operands if type(operand) in (int, float, complex)]
    if len(dtypes) + len(numbers) < len(operands):
        return False
    dtype = np.result_type(*dtypes, *numbers)
    return dtype.kind in "fc" and dtype.itemsize >= 4 * (1 + (dtype.kind == "c"))
