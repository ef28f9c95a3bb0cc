"""Whole local trainings against torch: the same loss, batches and optimizer; where torch is not installed, skipped."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from fedsock.plan.batches import batches
from fedsock.plan.gradient import value_and_gradient
from fedsock.plan.program import Program
from fedsock.plan.settings import Training
from fedsock.plan.training import train

torch: Any = pytest.importorskip("torch")

ROWS, COLUMNS, HIDDEN, CLASSES = 103, 8, 16, 4
RNG = np.random.default_rng(0)
X = RNG.normal(size=(ROWS, COLUMNS))
Y = np.eye(CLASSES)[RNG.integers(0, CLASSES, ROWS)]
SHAPES = [(COLUMNS, HIDDEN), (HIDDEN,), (HIDDEN, CLASSES), (CLASSES,)]
START = [RNG.normal(size=shape) / 4 for shape in SHAPES]


def loss(params: Any, x: Any, y: Any) -> Any:
    w, b, v, c = params
    scores = np.maximum(x @ w + b, 0) @ v + c
    top = scores.max(axis=1, keepdims=True)
    return -np.mean(np.sum(y * (scores - top - np.log(np.exp(scores - top).sum(axis=1, keepdims=True))), axis=1))


CASES = [
    Training(learning_rate=0.1, batch_size=10, epochs=5),
    Training(learning_rate=0.1, momentum=0.9, weight_decay=0.01, batch_size=10, epochs=5, min_rows=5),
    Training(learning_rate=0.01, optimizer="adam", weight_decay=0.01, batch_size=25, epochs=5),
    Training(learning_rate=0.01, optimizer="adamw", weight_decay=0.1, epochs=20),
]


def torchs(settings: Training, dtype: Any) -> list[Any]:
    """Return the parameters that torch's modules, losses and optimizers give."""
    leaves = [torch.tensor(part.astype(dtype), requires_grad=True) for part in START]
    x, y = torch.tensor(X.astype(dtype)), torch.tensor(Y.argmax(1))
    common: dict[str, Any] = {"lr": settings.learning_rate, "weight_decay": settings.weight_decay}
    if settings.optimizer == "sgd":
        optimizer = torch.optim.SGD(leaves, momentum=settings.momentum, **common)
    else:
        optimizer = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[settings.optimizer](leaves, **common)
    for epoch in range(settings.epochs):
        for rows in batches(ROWS, settings.batch_size, seed=3, epoch=epoch, min_rows=settings.min_rows):
            w, b, v, c = leaves
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(torch.relu(x[rows] @ w + b) @ v + c, y[rows]).backward()
            optimizer.step()
    return [leaf.detach().numpy() for leaf in leaves]


@pytest.mark.parametrize(("dtype", "within"), [(np.float64, 1e-10), (np.float32, 1e-4)])
@pytest.mark.parametrize("settings", CASES, ids=lambda one: f"{one.optimizer}-{one.momentum}")
def test_a_network_trained_here_is_the_one_trained_by_torch(settings: Training, dtype: Any, within: float) -> None:
    params, data = [part.astype(dtype) for part in START], [X.astype(dtype), Y.astype(dtype)]
    plan = Program(loss).trace(params, *data).plan
    given = Training(**{**settings.to_dict(), "seed": 3})
    running = train(lambda w, batch: value_and_gradient(plan, [*w, *batch], range(len(w))), params, data, given)
    while True:
        try:
            next(running)
        except StopIteration as end:
            trained = end.value
            break
    for mine, theirs, before in zip(trained.params, torchs(settings, dtype), START, strict=True):
        assert mine.dtype == dtype and np.abs(mine - before).max() > 0.01
        np.testing.assert_allclose(mine, theirs, rtol=0, atol=within)
