"""What an op's results look like to the caller: numpy's own tuples, lists and named tuples around flat results."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

Template = Any
"""None for one result, else numpy's own tuple, list or named tuple with a template for each part."""


def leaves(template: Template) -> int:
    """Return how many results a template has."""
    return 1 if template is None else sum(map(leaves, template))


def fill(template: Template, values: Iterable[Any]) -> Any:
    """Return a template with its places filled, in order, from values.

    Args:
        template: what ``template_of`` gave.
        values: at least ``leaves(template)`` of them.
    """
    return _fill(template, iter(values))


def _fill(template: Template, values: Any) -> Any:
    if template is None:
        return next(values)
    parts = [_fill(part, values) for part in template]
    make = getattr(type(template), "_make", type(template))
    return make(parts)
