"""Training on the rows of one worker: a generator of metrics. Plain numpy; what the gradient is, is the caller's.

NaN and infinities are not looked for: who asked for the training sees them in the metrics and in the parameters.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fedsock.errors import OpTypeError, OpValueError
from fedsock.plan import optimizers
from fedsock.plan.batches import ALL, batches
from fedsock.plan.optimizers import State
from fedsock.plan.settings import Training
from fedsock.typing import Array

ValueAndGrad = Callable[[Sequence[Array], Sequence[Array]], tuple[Any, Sequence[Array]]]
"""(leaves of the parameters, leaves of a batch) -> (mean loss over the batch's rows, a gradient for each parameter)."""

Metrics = dict[str, Any]
"""epoch (from 1), rows and loss; batch (from 1) too, where they are of one batch."""


@dataclass(frozen=True, slots=True)
class Trained:
    """What a training gave.

    Attributes:
        params: the new parameters.
        n: rows of the data (n_k).
        metrics: name -> value, of the last epoch; the loss is the mean over rows, each with the parameters of its step.
        state: of the optimizer, for the next training.
    """

    params: list[Array]
    n: int
    metrics: dict[str, float]
    state: State


def check_params(params: Sequence[Any]) -> None:
    """Refuse parameters that can't be trained.

    Args:
        params: leaves.

    Raises:
        OpTypeError: there are none, or not all of them are arrays of real floating-point numbers.
    """
    if not params or not all(isinstance(leaf, np.ndarray) and leaf.dtype.kind == "f" for leaf in params):
        raise OpTypeError("params: expected arrays of floating-point numbers")


def rows_of(data: Sequence[Any]) -> int:
    """Return how many rows the leaves of data have.

    Args:
        data: leaves: arrays whose first axis are the rows.

    Raises:
        OpTypeError: there are none, or not all of them are arrays with a first axis.
        OpValueError: they have different numbers of rows, or none.
    """
    if not data or not all(isinstance(leaf, np.ndarray) and leaf.ndim for leaf in data):
        raise OpTypeError("data: expected arrays with one row for each example")
    n = len(data[0])
    if any(len(leaf) != n for leaf in data):
        raise OpValueError("data: its arrays have different numbers of rows")
    if not n:
        raise OpValueError("there are no rows to train on: leave this worker out, or name other data")
    return n


def train(
    value_and_grad: ValueAndGrad,
    params: Sequence[Array],
    data: Sequence[Array],
    settings: Training,
    state: State | None = None,
) -> Generator[Metrics, None, Trained]:
    """Train parameters; gives the metrics of each epoch when it is over, and of each batch where settings say so.

    It may be stopped between batches, by ``close`` where it gave the last batch's metrics.

    Args:
        value_and_grad: gives the mean loss over the rows of a batch, and its gradients.
        params: leaves of the parameters, float arrays; they stay as they are.
        data: leaves of the data; the first axis of each are the rows.
        settings: how.
        state: of the optimizer, from a training of parameters like these; None: it begins anew.

    Returns:
        What it gave.

    Raises:
        OpTypeError, OpValueError: parameters or data that can't be.
        Exception: whatever ``value_and_grad`` raises.

    Source: McMahan et al., "Communication-Efficient Learning of Deep Networks from Decentralized Data", 2017,
        algorithm 1, ClientUpdate.
    """
    check_params(params)
    n = rows_of(data)
    weights, anchor = list(params), list(params)
    state = state or State.start(settings, weights)
    loss = 0.0
    for epoch in range(settings.epochs):
        total = 0.0
        order = batches(n, settings.batch_size, seed=settings.seed, epoch=epoch, min_rows=settings.min_rows)
        for number, rows in enumerate(order, 1):
            batch = [leaf if rows is ALL else leaf[rows] for leaf in data]
            value, gradients = value_and_grad(weights, batch)
            if settings.proximal:
                gradients = optimizers.proximal(gradients, weights, anchor, settings.proximal)
            if settings.clip_norm is not None:
                gradients = optimizers.clipped(gradients, settings.clip_norm)
            weights, state = optimizers.step(settings, weights, gradients, state)
            total += float(value) * len(batch[0])
            if settings.per_batch:
                yield {"epoch": epoch + 1, "batch": number, "rows": len(batch[0]), "loss": float(value)}
        loss = total / n
        yield {"epoch": epoch + 1, "rows": n, "loss": loss}
    return Trained(weights, n, {"loss": loss}, state)
