"""The real digits that are learned from, and the model: 64-32-10 with ReLU."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

import fedsock
from fedsock.typing import Array

DATA = Path(__file__).resolve().parents[2] / "workers" / "data"


@fedsock.plan
def loss(params: Any, x: Any, y: Any) -> Any:
    """Return the mean cross-entropy of the softmax."""
    z = np.maximum(x @ params["w1"] + params["b1"], 0) @ params["w2"] + params["b2"]
    z = z - z.max(axis=1, keepdims=True)
    return (np.log(np.exp(z).sum(axis=1)) - (z * (y[:, None] == np.arange(10))).sum(axis=1)).mean()


def digits() -> tuple[Array, Array]:
    """Return all images, and what they show."""
    halves = [np.load(DATA / f"{name}_digits.npz") for name in ("alice", "bob")]
    pixels, labels = (np.concatenate([half[key] for half in halves]) for key in ("pixels", "labels"))
    return pixels / 16, labels.astype(np.int64)


def parameters() -> dict[str, Array]:
    """Return parameters to begin with."""
    rng = np.random.default_rng(0)
    w1, w2 = (rng.normal(size=(wide, out)) * np.sqrt(2 / wide) for wide, out in ((64, 32), (32, 10)))
    return {"w1": w1, "b1": np.zeros(32), "w2": w2, "b2": np.zeros(10)}
