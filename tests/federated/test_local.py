"""Settings of the local training, and seeds."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from fedsock.errors import ConfigError
from fedsock.federated.local import LocalSGD, seed_of


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("epochs", 0),
        ("epochs", 1.5),
        ("batch_size", 0),
        ("learning_rate", -1),
        ("momentum", float("nan")),
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


def test_seeds_are_what_is_documented() -> None:
    digest = hashlib.sha256(b"7/3/bob").digest()
    assert seed_of(7, 3, "bob") == int.from_bytes(digest[:8], "big") >> 1 < 2**63
    seeds = {seed_of(seed, round, worker) for seed in (0, 1) for round in (1, 2, 11) for worker in ("a", "b")}
    assert len(seeds) == 12
