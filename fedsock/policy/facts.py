"""What is known of where a value came from."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Facts:
    """Where a value came from.

    Attributes:
        sources: names of the private data sets that it derives from.
    """

    sources: frozenset[str] = frozenset()

    @property
    def private(self) -> bool:
        """Whether any private data set is among its sources."""
        return bool(self.sources)


OPEN = Facts()
"""Made from public data and from what the session itself uploaded."""


def combine(inputs: Iterable[Facts]) -> Facts:
    """Return the facts of what is made from values with these facts.

    Args:
        inputs: the facts of each input; OPEN for none.
    """
    result = OPEN
    for facts in inputs:
        if facts is result or facts is OPEN:
            continue
        result = facts if result is OPEN else Facts(result.sources | facts.sources)
    return result
