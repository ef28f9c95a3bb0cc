"""When a fit is over before its last round."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from fedsock.errors import ConfigError
from fedsock.federated.result import Round


@dataclass(frozen=True, slots=True, kw_only=True)
class EarlyStop:
    """Stops when a number hasn't got better for a while.

    Attributes:
        metric: of ``evaluate``, or "loss".
        patience: rounds without a better value after which it stops; NaN is none.
        mode: whether smaller ("min") or larger ("max") is better.
        min_delta: what a better value is better by, at least.
    """

    metric: str = "loss"
    patience: int = 5
    mode: Literal["min", "max"] = "min"
    min_delta: float = 0.0

    def __call__(self, rounds: Sequence[Round]) -> bool:
        """Return whether to stop after these rounds.

        Args:
            rounds: so far.

        Raises:
            ConfigError: a round has no such number.
        """
        best, since = None, 0
        for one in rounds:
            value = one.value(self.metric)
            if value is None:
                raise ConfigError(f"stop: round {one.number} has no {self.metric!r} to stop by")
            gain = math.inf if best is None else (best - value if self.mode == "min" else value - best)
            if not math.isnan(value) and gain > self.min_delta:
                best, since = value, 0
            else:
                since += 1
        return since >= self.patience
