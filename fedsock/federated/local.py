"""What each worker does in a round: the local training, and the seeds that it draws with."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, fields
from typing import Any, Literal

import numpy as np

from fedsock.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalSGD:
    """Stochastic gradient descent at the worker.

    Attributes:
        epochs: E, times that the worker goes through its rows in a round.
        batch_size: B, rows of a step; None: all of them in one.
        learning_rate: of a step.
        momentum: of the steps of a round; with ``keep_state``, of the worker's last round too.
        weight_decay: pull towards zero.
        proximal: FedProx's mu: pull towards the parameters that the round began with.
        clip_norm: the longest gradient of a step; None: any.
        keep_state: the optimizer's state (momentum, or Adam's moments where ``config`` says ``optimizer="adam"``) stays
            at each worker, which goes on from it in its next round.
        on_state_lost: what to do where a worker no longer has it: "raise" WorkerStateLost, or begin with a "fresh" one.
    """

    epochs: int = 1
    batch_size: int | None = None
    learning_rate: float = 0.1
    momentum: float = 0.0
    weight_decay: float = 0.0
    proximal: float = 0.0
    clip_norm: float | None = None
    keep_state: bool = False
    on_state_lost: Literal["raise", "fresh"] = "raise"

    def __post_init__(self) -> None:
        for name, low in (("epochs", 1), ("batch_size", 1)):
            value = getattr(self, name)
            if (name, value) == ("batch_size", None):
                continue
            if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < low:
                raise ConfigError(f"{name}={value!r}: expected a whole number, {low} or more")
            object.__setattr__(self, name, int(value))
        for name in ("learning_rate", "momentum", "weight_decay", "proximal", "clip_norm"):
            value = getattr(self, name)
            if (name, value) == ("clip_norm", None):
                continue
            number = isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)
            if not number or not math.isfinite(value) or value < 0:
                raise ConfigError(f"{name}={value!r}: expected a number, 0 or more")
            object.__setattr__(self, name, float(value))
        if type(self.keep_state) is not bool or self.on_state_lost not in ("raise", "fresh"):
            raise ConfigError('expected keep_state=True or False, and on_state_lost="raise" or "fresh"')

    def to_dict(self) -> dict[str, Any]:
        """Return it as keyword arguments of a worker's training, without what is said of its state."""
        told = {field.name: getattr(self, field.name) for field in fields(self)}
        del told["keep_state"], told["on_state_lost"]
        return {"optimizer": "sgd", **told}


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
