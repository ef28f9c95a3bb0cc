"""How a worker may be called."""

from __future__ import annotations

import re

SESSION_PREFIX = "s-"
"""Names of sessions begin so, and names of workers don't."""

WORKER_NAME_RULE = f"1 to 63 of a-z 0-9 _ . -, the first a letter or digit, and not {SESSION_PREFIX!r} at its beginning"

_WORKER_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,62}")


def worker_name_fault(name: object) -> str | None:
    """Return what is wrong with a worker's name, and what is allowed; None when nothing is.

    Args:
        name: what somebody gave as one.
    """
    if isinstance(name, str) and _WORKER_NAME.fullmatch(name) and not name.startswith(SESSION_PREFIX):
        return None
    return f"can't name a worker; a name is {WORKER_NAME_RULE}"
