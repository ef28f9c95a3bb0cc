"""Following a plan's steps before they run: what they take, and whether anything of them depends on values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fedsock.ops import Row, depends_on_values, seconds
from fedsock.ops.registry import SECONDS_PER_BYTE
from fedsock.ops.tape import FAILS_BY_VALUE, tape_bytes
from fedsock.plan.steps import Step

BACK = 4
"""How much longer a gradient takes than what it is of, at most; a gradient of that, as much again."""


ARITHMETIC = frozenset({"add", "subtract", "multiply", "divide", "power", "negative", "absolute", "maximum", "minimum"})
"""Ops that compute with Python's floating-point numbers of whatever value, where no dtype is asked for."""


def depends(row: Row, args: Sequence[Any], kwargs: Mapping[str, Any], unknown: Sequence[int | str]) -> bool:
    """Return whether success, failure, shape or dtype of a step may tell something of values that aren't known.

    Args:
        row: of the step's op.
        args: checked arguments.
        kwargs: the same by name.
        unknown: the places and names of those whose values aren't.
    """
    if row.name in ARITHMETIC and not kwargs:
        # A slope by a Python number is one, and parameters may be such.
        unknown = [place for place in unknown if type(args[int(place)]) is not float]
    return depends_on_values(row, args, kwargs, unknown)


class Watch:
    """Follows a checked run; a subclass refuses what takes too much, or what tells too much.

    Attributes:
        nbytes: bytes of the values held now.
        most: the most they were.
        seconds: of all steps so far.
    """

    def __init__(self) -> None:
        self.nbytes = 0
        self.most = 0
        self.seconds = 0.0

    def before(self, step: Step, nbytes: int, seconds: float) -> None:
        """Take note of a step that is about to run.

        Args:
            step: it.
            nbytes: of its results, at most.
            seconds: how long it takes.
        """
        self.nbytes += nbytes
        self.most = max(self.most, self.nbytes)
        self.seconds += seconds

    def depends(self, step: Step, reads: Sequence[int]) -> None:
        """Take note that a step's success, shape or dtype depends on values.

        Args:
            step: it.
            reads: the registers that it reads.
        """


class Inside:
    """Follows the steps of a gradient, all of whose values are kept until the way back is done.

    Args:
        watch: of the run that the gradient is part of.

    Attributes:
        steady: no step depends on values.
    """

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self.steady = True

    def row(
        self,
        row: Row,
        step: Step,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        private: Sequence[int | str],
        levels: int,
    ) -> None:
        """Have the watch see a step with an op of the table, before it runs.

        Args:
            row: of the step's op.
            step: it.
            args: its checked arguments.
            kwargs: the same by name.
            private: positions and names of those that are arrays.
            levels: of how many gradients in one another it is on the path.
        """
        bound = row.bound(*args, **kwargs)
        nbytes, took = bound.nbytes, seconds(row, bound, args, kwargs)
        if levels:
            # The way back of one gradient is on the path of the next.
            nbytes += tape_bytes(row, bound, args, kwargs) * BACK ** (levels - 1)
            took = took * BACK**levels + nbytes * SECONDS_PER_BYTE
        self._watch.before(step, nbytes, took)
        if depends(row, args, kwargs, private) or (levels and row.name in FAILS_BY_VALUE):
            self._watch.depends(step, step.reads())
            self.steady = False

    def numbers(self, step: Step) -> None:
        """Have the watch see a step on Python's numbers that don't follow from shapes."""
        self._watch.depends(step, step.reads())
        self.steady = False
