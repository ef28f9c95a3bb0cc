"""What each worker does in a round: the local training, and the seeds that it draws with."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, fields
from typing import Any

from fedsock.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalSGD:
    """Stochastic gradient descent at the worker.

    Attributes:
        epochs: E, times that the worker goes through its rows in a round.
        batch_size: B, rows of a step; None: all of them in one.
        learning_rate: of a step.
        momentum: of the steps of a round.
        weight_decay: pull towards zero.
        proximal: FedProx's mu: pull towards the parameters that the round began with.
        clip_norm: the longest gradient of a step; None: any.
    """

    epochs: int = 1
    batch_size: int | None = None
    learning_rate: float = 0.1
    momentum: float = 0.0
    weight_decay: float = 0.0
    proximal: float = 0.0
    clip_norm: float | None = None

    def __post_init__(self) -> None:
        for name, low in (("epochs", 1), ("batch_size", 1)):
            value = getattr(self, name)
            if (name, value) != ("batch_size", None) and (type(value) is not int or value < low):
                raise ConfigError(f"{name}={value!r}: expected a whole number, {low} or more")
        for name in ("learning_rate", "momentum", "weight_decay", "proximal", "clip_norm"):
            value = getattr(self, name)
            if (name, value) != ("clip_norm", None) and not (math.isfinite(value) and value >= 0):
                raise ConfigError(f"{name}={value!r}: expected a number, 0 or more")

    def to_dict(self) -> dict[str, Any]:
        """Return it as keyword arguments of a worker's training."""
        return {"optimizer": "sgd"} | {field.name: getattr(self, field.name) for field in fields(self)}


def seed_of(seed: int, round: int, worker: str) -> int:
    """Return the seed of one worker in one round: the first 63 bits of SHA-256 of "seed/round/worker".

    Nobody's seed depends on who else takes part, or on how often a round was tried.

    Args:
        seed: the fit's.
        round: counted from 1.
        worker: its name.
    """
    digest = hashlib.sha256(f"{seed}/{round}/{worker}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1
