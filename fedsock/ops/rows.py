"""Rows of ops that are numpy functions of the same name, as most are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from fedsock.ops.registry import Bound, Row
from fedsock.ops.schema import Kind, signature

_NO_KINDS: Mapping[str, Kind] = {}


def numpy_row(
    home: Any,
    family: str,
    name: str,
    text: str,
    bound: Callable[..., Bound],
    cost: Callable[..., float] | None = None,
    *,
    function: Callable[..., Any] | None = None,
    results: Any = 1,
    value_dependent: bool = True,
    unless: Callable[..., bool] | None = None,
    method: str | None = None,
    kinds: Mapping[str, Kind] = _NO_KINDS,
) -> Row:
    """Return the row of a function of numpy.

    Args:
        home: the module that has it: np, np.linalg or np.fft.
        family: the module of ops that declares it; outside of np the op's name begins with it.
        name: the function's name, a literal of that module.
        text: its arguments, in the words of ``schema.signature``.
        bound: see Row.
        cost: see Row.
        function: what runs in its place; None: the function itself.
        results: see Row.
        value_dependent: see Row.
        unless: see Row.
        method: see Row.
        kinds: kinds of single arguments that signatures have no word for, by the arguments' names.
    """
    meant = getattr(home, name)
    parameters = signature(text)
    if kinds:
        parameters = tuple(replace(p, kind=kinds.get(p.name, p.kind)) for p in parameters)
    return Row(
        name=name if home is np else f"{family}.{name}",
        function=function or meant,
        family=family,
        parameters=parameters,
        bound=bound,
        cost=cost,
        results=results,
        value_dependent=value_dependent,
        unless=unless,
        numpy=(meant,),
        method=method,
    )
