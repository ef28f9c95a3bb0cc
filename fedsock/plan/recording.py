"""Gradients that come again and again: followed through autograd at first, then done again from a tape."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fedsock.errors import FedsockError
from fedsock.ops.quiet import silence
from fedsock.plan.gradient import like, value_and_gradient, value_and_slopes
from fedsock.plan.numbers import NUMBERS
from fedsock.plan.steps import Plan
from fedsock.plan.tapes import Tape, Unrecorded
from fedsock.plan.watching import Inside, Watch

MOST_TAPES = 64
"""Kinds of calls that a gradient remembers; past it all are forgotten."""

Found = tuple[Any, list[Any]]
"""A plan's result and its gradients."""


def kinds(leaves: Sequence[Any]) -> tuple[Any, ...] | None:
    """Return what a call's success, shapes and dtypes follow from where no step depends on values.

    Args:
        leaves: a plan's inputs.

    Returns:
        Of arrays dtype and shape, of the rest all; None: that would be too much.
    """
    parts: list[Any] = []
    for leaf in leaves:
        kind = type(leaf)
        if kind is np.ndarray:
            parts += (leaf.dtype, leaf.shape)
        elif kind in NUMBERS:
            parts += (kind, leaf)
        elif isinstance(leaf, np.generic):
            parts.append(kind)
        else:
            return None
    return tuple(parts)


@dataclass(frozen=True, slots=True)
class Known:
    """What a checked run found out, and holds for all whose inputs are of the same kinds.

    Attributes:
        nbytes: bytes that its values took at most at one time, beside the inputs.
        seconds: how long it is expected to take.
        steady: no step depends on values: the next run needs no check.
    """

    nbytes: int
    seconds: float
    steady: bool


class _Seen:
    """What is known of calls of one kind.

    Attributes:
        tape: what they do; None: there is none yet, or never will be.
        over: how it is decided: do it again from the tape, or never.
    """

    __slots__ = ("over", "tape")

    def __init__(self, steady: bool) -> None:
        self.tape: Tape | None = None
        self.over = not steady


class Gradient:
    """A plan's value and gradients, as ``value_and_gradient`` gives them, faster when inputs of one kind come again.

    The first call of a kind finds out whether anything depends on values; behind the second a tape is made, of zeros,
    for it serves whoever comes next: nothing of anybody's values can be on it. The third is done both ways, and only
    if both have the same bits is the tape used from then on.

    Args:
        plan: of one result, a real scalar.
        argnums: by which inputs.
    """

    def __init__(self, plan: Plan, argnums: Sequence[int]) -> None:
        self._plan = plan
        self._argnums = tuple(argnums)
        self._seen: dict[tuple[Any, ...], _Seen] = {}
        self._known: dict[tuple[Any, ...], Known] = {}

    def known(self, leaves: Sequence[Any]) -> Known | None:
        """Return what is known of a call like this, if somebody found it out.

        Args:
            leaves: the plan's inputs.
        """
        key = kinds(leaves)
        return None if key is None else self._known.get(key)

    def know(self, leaves: Sequence[Any], known: Known) -> None:
        """Keep what a checked run found out.

        Args:
            leaves: its inputs.
            known: what it takes, there and back.
        """
        if (key := kinds(leaves)) is not None:
            if len(self._known) >= MOST_TAPES:
                self._known.clear()
            self._known[key] = known

    def __call__(self, leaves: Sequence[Any]) -> Found:
        """Return the value and the gradients.

        Args:
            leaves: the plan's inputs; what they hold isn't changed.

        Raises:
            NotDifferentiable, ConfigError, OpFailed, or what numpy raises: as ``value_and_gradient`` does.
        """
        # A float that isn't an array stands in a tape as it is, and one key holds 0.0 and -0.0.
        key = None if any(isinstance(leaf, (float, complex)) for leaf in leaves) else kinds(leaves)
        if key is None:
            return value_and_gradient(self._plan, leaves, self._argnums)
        seen = self._seen.get(key)
        if seen is None:
            return self._first(key, leaves)
        if seen.over:
            again = None if seen.tape is None else self._again(seen.tape, leaves)
            return again or value_and_gradient(self._plan, leaves, self._argnums)
        if seen.tape is None:
            return self._record(seen, leaves)
        found, again = value_and_gradient(self._plan, leaves, self._argnums), self._again(seen.tape, leaves)
        if again is None or not _equal(found, again):
            seen.tape = None
        seen.over = True
        return found

    def _first(self, key: tuple[Any, ...], leaves: Sequence[Any]) -> Found:
        inside = Inside(Watch())
        fixed = {place for place, leaf in enumerate(leaves) if type(leaf) in NUMBERS}
        found = value_and_gradient(self._plan, leaves, self._argnums, inside, fixed)
        if len(self._seen) >= MOST_TAPES:
            self._seen.clear()
        self._seen[key] = _Seen(inside.steady)
        return found

    def _record(self, seen: _Seen, leaves: Sequence[Any]) -> Found:
        tape, found = Tape(), value_and_gradient(self._plan, leaves, self._argnums)
        try:
            boxes = [
                tape.input(_zeros(leaf)) if isinstance(leaf, (np.ndarray, np.generic)) else leaf for leaf in leaves
            ]
            value, slopes = value_and_slopes(self._plan, boxes, self._argnums)
            tape.finish([value, *slopes])
        except (Unrecorded, FedsockError, ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
            seen.over = True
        else:
            seen.tape = tape
        return found

    def _again(self, tape: Tape, leaves: Sequence[Any]) -> Found | None:
        """Return what the tape gives; None: it failed, as the gradient may too, which tells why."""
        inputs = [leaf for leaf in leaves if isinstance(leaf, (np.ndarray, np.generic))]
        try:
            with np.errstate(all="ignore"), silence():
                value, *slopes = tape.run(inputs)
        except Exception:
            return None
        return value, self._like(leaves, slopes)

    def _like(self, leaves: Sequence[Any], slopes: Sequence[Any]) -> list[Any]:
        return [like(leaves[number], slope) for number, slope in zip(self._argnums, slopes, strict=True)]


def _zeros(leaf: Any) -> Any:
    return np.zeros(leaf.shape, leaf.dtype) if isinstance(leaf, np.ndarray) else type(leaf)()


def _equal(one: Found, other: Found) -> bool:
    """Say whether two results are the same, bit for bit."""
    pairs = zip((one[0], *one[1]), (other[0], *other[1]), strict=True)
    return all(
        type(a) is type(b)
        and np.asarray(a).dtype == np.asarray(b).dtype
        and np.shape(a) == np.shape(b)
        and np.asarray(a).tobytes() == np.asarray(b).tobytes()
        for a, b in pairs
    )
