"""Gradients of plans, computed where the plan runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fedsock.errors import NotDifferentiable
from fedsock.plan.steps import Plan


def value_and_gradient(plan: Plan, leaves: Sequence[Any], argnums: Sequence[int]) -> tuple[Any, list[Any]]:
    """Return a plan's result and its gradients by some inputs.

    Args:
        plan: of one result, a scalar.
        leaves: its inputs.
        argnums: by which of them.

    Raises:
        NotDifferentiable: there is no such gradient.
    """
    raise NotDifferentiable("gradients are not there yet")
