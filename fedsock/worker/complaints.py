"""Wording that all complaints about configuration and files share."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from fedsock.errors import ConfigError


def suggestion(word: str, allowed: Iterable[str]) -> str:
    """Return what to add to "unknown …": the nearest allowed word, if one is near, and all of them.

    Args:
        word: what was written.
        allowed: what may be.
    """
    words = sorted(allowed)
    near = difflib.get_close_matches(word, words, n=1)
    meant = f"; did you mean {near[0]!r}?" if near else ""
    return f"{meant} (allowed: {', '.join(words) or 'none'})"


def choose(only: tuple[str, ...], present: Iterable[str], unknown: str) -> list[str]:
    """Return the keys to take: all that are present, or those named, in the order named.

    Args:
        only: keys named; empty for all.
        present: keys there are.
        unknown: how a complaint about a key that isn't there begins, such as "x.npz: no array".

    Raises:
        ConfigError: a key named isn't there.
    """
    there = list(present)
    for key in only:
        if key not in there:
            raise ConfigError(f"{unknown} {key!r}{suggestion(key, there)}")
    return list(only) or there
