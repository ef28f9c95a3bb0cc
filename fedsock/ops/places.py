"""Arguments given by name in their places: a bound or cost serves functions that name their arguments otherwise."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from fedsock.ops.schema import Parameter

_Result = TypeVar("_Result")


def placed(parameters: Sequence[Parameter], function: Callable[..., _Result]) -> Callable[..., _Result]:
    """Return a function that takes a row's arguments by place or by name, whatever the original calls them.

    Args:
        parameters: the row's, in order.
        function: takes the same arguments by place; those after one that is left out, by name.
    """
    names = [parameter.name for parameter in parameters if parameter.mode in ("positional", "both")]

    def in_place(*args: Any, **options: Any) -> _Result:
        if options:
            given = list(args)
            for name in names[len(args) :]:
                if name not in options:
                    break
                given.append(options.pop(name))
            return function(*given, **options)
        return function(*args)

    return in_place
