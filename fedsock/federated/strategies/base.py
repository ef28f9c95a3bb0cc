"""What every strategy is: a choice of workers, and a way to make one of their updates."""

from __future__ import annotations

import hashlib
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from fedsock.errors import CheckpointCorrupt, ConfigError
from fedsock.federated.aggregate import Update, flatten, frozen, rebuilt
from fedsock.typing import Array, Tree


@dataclass(frozen=True, slots=True)
class Updates(Sequence[Update]):
    """The updates of one round, in the order of the workers' names.

    Attributes:
        round: counted from 1.
        params: the parameters that the round began with.
        mean: the updates' mean, weighted by rows; None for a strategy that needs all updates.
        each: the updates; their ``params`` are there only for a strategy that needs all updates.
    """

    round: int
    params: Tree
    mean: Tree
    each: tuple[Update, ...]

    def __len__(self) -> int:
        return len(self.each)

    def __getitem__(self, place: Any) -> Any:
        return self.each[place]


class Strategy(ABC):
    """Decides on a fit's rounds. A fit works with a copy of it, so one may serve many fits.

    Attributes:
        needs_all: whether ``aggregate`` looks at each update's parameters. Then all of them are held at once; otherwise
            it gets their mean, folded as they come.
        min_workers: updates below which a round doesn't count.
        seed: the fit's; set before the first round.
    """

    needs_all: ClassVar[bool] = True
    min_workers: int = 1
    seed: int = 0

    @abstractmethod
    def select(self, workers: Sequence[str], round: int) -> Sequence[str]:
        """Return who takes part.

        Args:
            workers: names of those that are there, in order.
            round: counted from 1.
        """

    @abstractmethod
    def aggregate(self, updates: Updates) -> Tree:
        """Return the next parameters.

        Args:
            updates: at least ``min_workers`` of them.
        """

    def local(self) -> Mapping[str, Any]:
        """Return what it changes in the workers' training: field of ``LocalSGD`` -> value."""
        return {}

    def state(self) -> dict[str, Array]:
        """Return what it must remember from round to round: name -> array, kept in checkpoints."""
        return {}

    def restore(self, state: Mapping[str, Array]) -> None:
        """Take back what ``state`` gave.

        Args:
            state: name -> array.

        Raises:
            ConfigError: there is some, but this strategy remembers nothing.
        """
        if state:
            raise ConfigError(f"{type(self).__name__} remembers nothing, but was given {min(state)!r}")


class Sampled(Strategy):
    """A strategy that takes a fraction of the workers, drawn anew in each round.

    Args:
        fraction: C, of the workers that are there; at least ``min_workers`` take part.
        min_workers: updates below which a round doesn't count.

    Raises:
        ConfigError: a number can't be.
    """

    def __init__(self, *, fraction: float = 1.0, min_workers: int = 1) -> None:
        if not 0 < fraction <= 1:
            raise ConfigError(f"fraction={fraction!r}: expected a number above 0, at most 1")
        if type(min_workers) is not int or min_workers < 1:
            raise ConfigError(f"min_workers={min_workers!r}: expected a whole number, 1 or more")
        self.fraction = fraction
        self.min_workers = min_workers

    def select(self, workers: Sequence[str], round: int) -> Sequence[str]:
        """Return a fraction of the workers, drawn without replacement; depends on seed, round and names only.

        Args:
            workers: names, in order.
            round: counted from 1.
        """
        # Half up, not to even: a fraction of 0.5 of 5 workers are 3, as one would say.
        count = min(max(math.floor(self.fraction * len(workers) + 0.5), self.min_workers), len(workers))
        if count == len(workers):
            return list(workers)
        digest = hashlib.sha256(f"{self.seed}/{round}".encode()).digest()
        rng = np.random.default_rng(int.from_bytes(digest[:8], "big"))
        return sorted(workers[int(place)] for place in rng.choice(len(workers), count, replace=False))


class ServerOptimizer(Sampled):
    """A strategy that takes a step with the workers' mean change, and remembers moments of it.

    Args:
        learning_rate: eta, of its step.
        fraction: as ``Sampled``.
        min_workers: as ``Sampled``.
    """

    needs_all = False

    def __init__(self, *, learning_rate: float, fraction: float = 1.0, min_workers: int = 1) -> None:
        super().__init__(fraction=fraction, min_workers=min_workers)
        self.learning_rate = positive("learning_rate", learning_rate)
        self._moments: dict[str, list[Array]] = {}

    def aggregate(self, updates: Updates) -> Tree:
        """Return the next parameters, in the dtypes of the last.

        Args:
            updates: of which the mean is used.
        """
        before = flatten(updates.params)
        change = [
            np.subtract(mean, old, dtype=np.float64) for mean, old in zip(flatten(updates.mean), before, strict=True)
        ]
        steps = self.step(change)
        return rebuilt(
            updates.params,
            [frozen(np.asarray(old + step, old.dtype)) for old, step in zip(before, steps, strict=True)],
        )

    @abstractmethod
    def step(self, change: list[Array]) -> list[Array]:
        """Return what is added to the parameters.

        Args:
            change: float64, of each parameter: the workers' mean minus what they began with.
        """

    def moments(self, name: str, change: list[Array], first: float = 0.0) -> list[Array]:
        """Return moments that were remembered, or their first value in the shapes of a change.

        Args:
            name: which.
            change: of each parameter.
            first: the value before the first round.

        Raises:
            CheckpointCorrupt: those that were taken back are of other parameters.
        """
        found = self._moments.get(name) or [np.full(part.shape, first) for part in change]
        if [(part.shape, part.dtype.kind) for part in found] != [(part.shape, "f") for part in change]:
            raise CheckpointCorrupt(f"{type(self).__name__}: moments {name!r} of other parameters were taken back")
        return found

    def remember(self, **moments: list[Array]) -> None:
        """Keep moments for the next round.

        Args:
            moments: name -> of each parameter.
        """
        self._moments.update(moments)

    def state(self) -> dict[str, Array]:
        """Return the moments: "name/place" -> array."""
        return {f"{name}/{place}": part for name, parts in self._moments.items() for place, part in enumerate(parts)}

    def restore(self, state: Mapping[str, Array]) -> None:
        """Take back what ``state`` gave.

        Args:
            state: "name/place" -> array.
        """
        found: dict[str, dict[int, Array]] = {}
        for key, part in state.items():
            name, _, place = key.rpartition("/")
            found.setdefault(name, {})[int(place)] = part
        self._moments = {name: [parts[place] for place in sorted(parts)] for name, parts in found.items()}


class Robust(Sampled):
    """A strategy that looks at all updates, coordinate by coordinate, each with the same weight."""

    def aggregate(self, updates: Updates) -> Tree:
        """Return what ``combine`` makes of each parameter, in the dtypes of the last.

        Args:
            updates: of which each is used.
        """
        leaves = [flatten(update.params) for update in updates]
        combined = [
            frozen(np.asarray(self.combine(np.stack(parts).astype(np.float64)), parts[0].dtype))
            for parts in zip(*leaves, strict=True)
        ]
        return rebuilt(updates.params, combined)

    @abstractmethod
    def combine(self, stacked: Array) -> Array:
        """Return one parameter made of the workers'.

        Args:
            stacked: (workers, …) float64.
        """


def positive(name: str, value: float) -> float:
    """Return a number above 0.

    Args:
        name: what it is called.
        value: the number.

    Raises:
        ConfigError: it is none.
    """
    return _within(name, value, lambda number: number > 0, "above 0")


def fraction_below_one(name: str, value: float) -> float:
    """Return a number from 0 on and below 1.

    Args:
        name: what it is called.
        value: the number.

    Raises:
        ConfigError: it is none.
    """
    return _within(name, value, lambda number: 0 <= number < 1, "from 0 on and below 1")


def _within(name: str, value: float, fits: Callable[[float], bool], told: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value) or not fits(value):
        raise ConfigError(f"{name}={value!r}: expected a number {told}")
    return value
