"""What is kept of failures: it must keep nothing else alive."""

from __future__ import annotations

import copy
from typing import TypeVar

from fedsock.errors import FedsockError

E = TypeVar("E", bound=BaseException)


def untraced(error: E) -> E:
    """Return an exception like another, for keeping.

    What was raised has a traceback, with all that the frames in it hold: the caller's arrays, and the pointers.
    """
    made = copy.copy(error)
    if isinstance(error.__cause__, FedsockError):
        made.__cause__ = untraced(error.__cause__)
    return made
