"""What was measured: the rounds of one figure, what bare websockets did in the same rounds, and the goal."""

from __future__ import annotations

import statistics
from dataclasses import asdict, dataclass
from typing import Any

QUARTERS = 4


@dataclass(frozen=True, slots=True)
class Goal:
    """A bound that the issue sets.

    Attributes:
        bound: on the ratio to bare, or on the value where there is no bare.
        most: it is an upper bound.
        worst: it holds for every round, not for their median.
    """

    bound: float
    most: bool = False
    worst: bool = False

    def __str__(self) -> str:
        return f"{'<=' if self.most else '>='} {self.bound:g}"


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure of one column.

    Attributes:
        case: which case, and on which hub.
        unit: of the values.
        values: one for each round.
        bare: what bare websockets did in the same rounds; empty where it has no such thing.
        goal: None where the issue sets none.
        note: why there are no values, or how they were come by.
    """

    case: str
    unit: str = ""
    values: tuple[float, ...] = ()
    bare: tuple[float, ...] = ()
    goal: Goal | None = None
    note: str = ""

    @property
    def value(self) -> float:
        """The median, or the worst round where the goal holds for each."""
        if self.goal is not None and self.goal.worst:
            return max(self.values) if self.goal.most else min(self.values)
        return statistics.median(self.values)

    @property
    def beside(self) -> float:
        """The median of bare."""
        return statistics.median(self.bare)

    @property
    def ratios(self) -> tuple[float, ...]:
        """Value to bare, of each round."""
        return tuple(value / bare for value, bare in zip(self.values, self.bare, strict=True)) if self.bare else ()

    @property
    def of_medians(self) -> float | None:
        """The ratio of the medians."""
        return statistics.median(self.values) / self.beside if self.bare else None

    @property
    def quartiles(self) -> tuple[float, float, float]:
        """What a quarter, half and three quarters of the rounds stay below: of their ratios if there are any."""
        spread = sorted(self.ratios or self.values)
        if len(spread) == 1:
            return spread[0], spread[0], spread[0]
        low, middle, high = statistics.quantiles(spread, n=QUARTERS, method="inclusive")
        return low, middle, high

    @property
    def measure(self) -> float:
        """What the goal bounds: the median of the rounds' ratios if there are any, else the value.

        A round's own ratio is free of what changes from round to round, so its median is surer than the ratio of
        the medians, which is reported too.
        """
        return self.quartiles[1] if self.bare else self.value

    @property
    def met(self) -> bool | None:
        """Whether the goal is met; None if there is none, or nothing was measured."""
        if self.goal is None or not self.values:
            return None
        return self.measure <= self.goal.bound if self.goal.most else self.measure >= self.goal.bound

    @property
    def verdict(self) -> str:
        """In a word; "narrowly" when more than a quarter of the rounds say otherwise."""
        if self.met is None or self.goal is None:
            return ""
        low, _, high = self.quartiles
        narrowly = not self.goal.worst and low < self.goal.bound < high
        return ("met" if self.met else "missed") + (", narrowly" if narrowly else "")

    def to_json(self) -> dict[str, Any]:
        """Return it as an object, with what is reckoned from it."""
        found: dict[str, Any] = asdict(self)
        if self.values:
            low, middle, high = self.quartiles
            found |= {"value": self.value, "quartiles": [low, middle, high], "met": self.met}
        if self.bare:
            found |= {"bare_value": self.beside, "ratio_of_medians": self.of_medians}
        return found

    @classmethod
    def from_json(cls, found: dict[str, Any]) -> Figure:
        """Return the figure that ``to_json`` described."""
        goal = found["goal"] and Goal(**found["goal"])
        values, bare = tuple(found["values"]), tuple(found["bare"])
        return cls(found["case"], found["unit"], values, bare, goal, found["note"])


def failed(case: str, error: BaseException) -> Figure:
    """Return the row of a case that raised."""
    what = f"{type(error).__name__}: {error}".strip().rstrip(":")
    return Figure(case, note=f"failed: {' '.join(what.split())}")
