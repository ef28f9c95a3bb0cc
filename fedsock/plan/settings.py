"""The settings of a local training: what may be chosen, and checks of every value, for they come over the wire."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from fedsock.errors import OpTypeError, OpValueError

OPTIMIZERS = ("sgd", "adam", "adamw")
"""Names of the optimizers; ``fedsock.plan.optimizers`` has their mathematics."""

SEED_BITS = 64
SEED_PARTS = 8
"""A seed is so many numbers at most, of so many bits each: enough for (seed, round, worker, …)."""

MOST = 1e300
"""Numbers are at most this: a larger one is no setting that makes sense."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """How parameters are trained on the rows of one worker.

    Attributes:
        optimizer: "sgd", "adam" or "adamw".
        learning_rate: above 0.
        batch_size: rows in a step (B); None, or more than there are: one batch of all rows, in their order.
        epochs: how often each row is used (E).
        momentum: of SGD, from 0 to below 1; not Nesterov's.
        weight_decay: added to the gradient by "sgd" and "adam" (coupled), taken from the parameters by "adamw".
        betas: Adam's decay rates of the two moments, each from 0 to below 1.
        epsilon: Adam's, above 0.
        proximal: FedProx's mu: the loss gets mu/2 ||w - w0||^2, w0 being the parameters at the start.
        clip_norm: largest norm of all gradients together; None: they aren't clipped.
        seed: of the order of rows: an int of 0 or more, or several; ``fedsock.plan.batches`` says how it is used.
        min_rows: a last batch with fewer rows joins the one before.
        per_batch: metrics are given for each batch too.

    Raises:
        OpTypeError, OpValueError: a setting that can't be; the text names it.
    """

    optimizer: str = "sgd"
    learning_rate: float = 0.1
    batch_size: int | None = None
    epochs: int = 1
    momentum: float = 0.0
    weight_decay: float = 0.0
    betas: tuple[float, float] = (0.9, 0.999)
    epsilon: float = 1e-8
    proximal: float = 0.0
    clip_norm: float | None = None
    seed: int | tuple[int, ...] = 0
    min_rows: int = 1
    per_batch: bool = False

    def __post_init__(self) -> None:
        if type(self.optimizer) is not str or self.optimizer not in OPTIMIZERS:
            raise OpValueError(f"optimizer: one of {', '.join(OPTIMIZERS)}")
        _number("learning_rate", self.learning_rate, above=0)
        _number("momentum", self.momentum, below=1)
        _number("weight_decay", self.weight_decay)
        _number("epsilon", self.epsilon, above=0)
        _number("proximal", self.proximal)
        if self.clip_norm is not None:
            _number("clip_norm", self.clip_norm, above=0)
        if not isinstance(self.betas, tuple) or len(self.betas) != 2:
            raise OpTypeError("betas: expected two numbers")
        for beta in self.betas:
            _number("betas", beta, below=1)
        for name in ("epochs", "min_rows") if self.batch_size is None else ("epochs", "min_rows", "batch_size"):
            _whole(name, getattr(self, name), least=1)
        seeds = self.seed if isinstance(self.seed, tuple) else (self.seed,)
        if not 1 <= len(seeds) <= SEED_PARTS:
            raise OpValueError(f"seed: expected one number, or up to {SEED_PARTS}")
        for seed in seeds:
            _whole("seed", seed, least=0)
        if type(self.per_batch) is not bool:
            raise OpTypeError("per_batch: expected a bool")

    @classmethod
    def from_dict(cls, given: Any) -> Training:
        """Return the settings that a value from the wire stands for.

        Args:
            given: a dict of fields by name, as ``to_dict`` makes it; those left out have their defaults.

        Raises:
            OpTypeError, OpValueError: it isn't one, has a field that there isn't, or a value that can't be.
        """
        if type(given) is not dict:
            raise OpTypeError("settings: expected a dict")
        unknown = given.keys() - {field.name for field in fields(cls)}
        if unknown:
            told = ", ".join(field.name for field in fields(cls))
            raise OpTypeError(f"settings: there is no {min(map(str, unknown))[:40]!r}; there are {told}")
        return cls(**{key: _plain(value) for key, value in given.items()})

    def to_dict(self) -> Mapping[str, Any]:
        """Return the fields by name, as they travel."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


def _plain(value: Any) -> Any:
    """Return what a setting stands for: lists and tuples are both lists in JSON, numpy's scalars are numbers too."""
    if isinstance(value, np.generic):
        return value.item()
    return tuple(value) if type(value) is list else value


def _number(name: str, value: Any, *, above: float | None = None, below: float = math.inf) -> None:
    """Check a finite number: above a limit (else 0 or more), and below one."""
    if type(value) not in (float, int):
        raise OpTypeError(f"{name}: expected a number, not {type(value).__name__}")
    if not (0 <= value <= MOST and value != above and value < below):
        limits = f"{'0 or more' if above is None else f'above {above}'}{f', below {below}' * (below < math.inf)}"
        raise OpValueError(f"{name}: expected a finite number {limits}")


def _whole(name: str, value: Any, *, least: int) -> None:
    if type(value) is not int:
        raise OpTypeError(f"{name}: expected an int, not {type(value).__name__}")
    if not least <= value < 1 << SEED_BITS:
        raise OpValueError(f"{name}: expected {least} or more, in {SEED_BITS} bits")
