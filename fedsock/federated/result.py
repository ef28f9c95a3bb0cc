"""What a fit tells: of each round, of each worker in it, and at the end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fedsock.federated import frames, pictures
from fedsock.typing import Tree


@dataclass(frozen=True, slots=True)
class WorkerReport:
    """One worker's part in a round.

    Attributes:
        n: rows it trained on.
        loss: the mean over them; None when it told none.
        metrics: name -> number.
        seconds: from the start of the round until its update was here.
        bytes_down: of the parameters that it was sent.
        bytes_up: of the parameters that it gave.
    """

    n: int
    loss: float | None
    metrics: Mapping[str, float]
    seconds: float
    bytes_down: int
    bytes_up: int


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What a plan found at one worker.

    Attributes:
        n: rows it was evaluated on.
        metrics: name -> number.
    """

    n: int
    metrics: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Dropped:
    """A worker that was asked and didn't count.

    Attributes:
        name: the worker's.
        reason: why.
    """

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class Round:
    """One round of a fit.

    Attributes:
        number: counted from 1.
        params: after it; None in ``FitResult.rounds``, which would hold as many models as rounds.
        loss: mean training loss, weighted by rows; None when no worker told one.
        metrics: what ``evaluate`` gave, by its names; of a plan the mean over the workers, NaN where none told any.
        workers: name -> report of those that counted.
        dropped: those that didn't, of every try of the round, and of its evaluation.
        seconds: that it took, evaluation included.
        evaluated: name -> what a plan found there.
    """

    number: int
    params: Tree
    loss: float | None
    metrics: Mapping[str, float]
    workers: Mapping[str, WorkerReport]
    dropped: Sequence[Dropped]
    seconds: float
    evaluated: Mapping[str, Evaluation] = field(default_factory=dict)

    def value(self, name: str) -> float | None:
        """Return a metric, or the training loss for "loss" unless a metric is called so; None: there is none.

        Args:
            name: which.
        """
        return self.metrics.get(name, self.loss if name == "loss" else None)


@dataclass(frozen=True, slots=True)
class FitResult:
    """What a fit gave.

    Attributes:
        params: after the last round.
        rounds: all of them, without their parameters.
    """

    params: Tree
    rounds: Sequence[Round]

    def __repr__(self) -> str:
        """Return a line: a notebook shows it for ``await hub.fit(…)``."""
        told = [f"{len(self.rounds)} rounds"]
        if self.rounds:
            last = self.rounds[-1]
            told += [f"loss {last.loss:.4g}"] if last.loss is not None else []
            told += [f"{name} {value:.4g}" for name, value in last.metrics.items()]
        return f"<FitResult of {', '.join(told)}>"

    def to_frame(self) -> Any:
        """Return a polars data frame with a row for each round.

        Raises:
            ConfigError: polars (extra "tables") is not installed.
        """
        return frames.frame([_row(one) for one in self.rounds])

    def plot(self) -> Any:
        """Return a matplotlib Figure by round: the training loss and each metric, of all together and of each worker.

        In a notebook it is shown where it is a cell's last value; ``.savefig(path)`` writes it to a file.

        Raises:
            ConfigError: matplotlib (extra "plot") is not installed.
        """
        return pictures.by_round(_panels(self.rounds))


def _panels(rounds: Sequence[Round]) -> dict[str, pictures.Panel]:
    """Return what is drawn: a panel for the training loss and for each metric, those with nothing to draw left out."""
    panels = {"training loss": pictures.Panel()}  # the first

    def add(number: int, values: Mapping[str, float | None], worker: str | None = None) -> None:
        for name, value in values.items():
            if value is not None:
                panel = panels.setdefault(name, pictures.Panel())
                points = panel.all if worker is None else panel.each.setdefault(worker, [])
                points.append((number, value))

    for one in rounds:
        add(one.number, {"training loss": one.loss, **one.metrics})
        for worker, report in one.workers.items():
            add(one.number, {"training loss": report.loss, **report.metrics}, worker)
        for worker, found in one.evaluated.items():
            add(one.number, found.metrics, worker)
    return {name: panel for name, panel in panels.items() if panel.all or panel.each}


def _row(one: Round) -> dict[str, Any]:
    row: dict[str, Any] = {"round": one.number, "loss": one.loss, "seconds": one.seconds}
    row |= {"workers": len(one.workers), "dropped": len(one.dropped)}
    return row | {name if name not in row else f"metrics.{name}": value for name, value in one.metrics.items()}
