"""Settings of the local training, and seeds."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import pytest

from fedsock.errors import ConfigError
from fedsock.federated.local import LocalSGD, seed_of


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("epochs", 0),
        ("epochs", 1.5),
        ("epochs", True),
        ("batch_size", 0),
        ("learning_rate", -1),
        ("learning_rate", "0.1"),
        ("learning_rate", True),
        ("momentum", float("nan")),
        ("clip_norm", [1]),
        ("keep_state", 1),
        ("on_state_lost", "ignore"),
    ],
)
def test_what_cant_be_is_refused(name: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=name):
        LocalSGD(**{name: value})


def test_as_arguments() -> None:
    told = LocalSGD(epochs=5, batch_size=10).to_dict()
    assert (told["optimizer"], told["epochs"], told["batch_size"], told["proximal"]) == ("sgd", 5, 10, 0.0)
    assert LocalSGD().batch_size is None
    assert LocalSGD(keep_state=True, on_state_lost="fresh").to_dict() == LocalSGD().to_dict()


def test_numpys_numbers_become_pythons() -> None:
    told = LocalSGD(epochs=np.int64(5), learning_rate=np.float32(0.5), clip_norm=np.float64(2)).to_dict()
    assert [(type(told[name]), told[name]) for name in ("epochs", "learning_rate", "clip_norm")] == [
        (int, 5),
        (float, 0.5),
        (float, 2.0),
    ]


def test_seeds_are_what_is_documented() -> None:
    digest = hashlib.sha256(b"7/3/bob").digest()
    assert seed_of(7, 3, "bob") == int.from_bytes(digest[:8], "big") >> 1 < 2**63
    seeds = {seed_of(seed, round, worker) for seed in (0, 1) for round in (1, 2, 11) for worker in ("a", "b")}
    assert len(seeds) == 12
