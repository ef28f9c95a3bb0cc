"""The settings of a training: each value is checked, whoever made it."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest

from fedsock.errors import OpTypeError, OpValueError
from fedsock.plan.settings import Training


def test_they_travel_and_come_back() -> None:
    settings = Training(
        optimizer="adamw",
        learning_rate=1,
        batch_size=10,
        epochs=3,
        weight_decay=0.5,
        betas=(0.8, 0.9),
        clip_norm=2.5,
        seed=(1, 2),
        min_rows=7,
        per_batch=True,
    )
    assert Training.from_dict(json.loads(json.dumps(settings.to_dict()))) == settings
    assert Training.from_dict({}) == Training()
    assert hash(settings) == hash(Training.from_dict(settings.to_dict()))


def test_numpys_scalars_are_numbers_too() -> None:
    given = Training.from_dict({"learning_rate": np.float32(0.5), "epochs": np.int64(3), "per_batch": np.bool_(True)})
    assert given == Training(learning_rate=0.5, epochs=3, per_batch=True)
    assert type(given.learning_rate) is float and type(given.epochs) is int


WRONG: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"optimizer": "sdg"}, OpValueError, "optimizer: one of sgd, adam, adamw"),
    ({"optimizer": np.zeros(3)}, OpValueError, "optimizer"),
    ({"learning_rate": 0}, OpValueError, "learning_rate: expected a finite number above 0"),
    ({"learning_rate": -0.1}, OpValueError, "learning_rate"),
    ({"learning_rate": math.nan}, OpValueError, "learning_rate"),
    ({"learning_rate": math.inf}, OpValueError, "learning_rate"),
    ({"learning_rate": 10**400}, OpValueError, "learning_rate"),
    ({"learning_rate": True}, OpTypeError, "learning_rate: expected a number, not bool"),
    ({"learning_rate": "0.1"}, OpTypeError, "learning_rate"),
    ({"learning_rate": np.array(0.1)}, OpTypeError, "learning_rate"),
    ({"learning_rate": np.datetime64("2020-01-01")}, OpTypeError, "learning_rate"),
    ({"epochs": np.float64(2)}, OpTypeError, "epochs"),
    ({"momentum": 1.0}, OpValueError, "momentum: expected a finite number 0 or more, below 1"),
    ({"momentum": None}, OpTypeError, "momentum"),
    ({"weight_decay": -1e-9}, OpValueError, "weight_decay"),
    ({"epsilon": 0.0}, OpValueError, "epsilon"),
    ({"proximal": math.inf}, OpValueError, "proximal"),
    ({"clip_norm": 0.0}, OpValueError, "clip_norm"),
    ({"betas": [0.9]}, OpTypeError, "betas"),
    ({"betas": [0.9, 1.0]}, OpValueError, "betas"),
    ({"betas": {"0": 0.9}}, OpTypeError, "betas"),
    ({"epochs": 0}, OpValueError, "epochs: expected 1 or more"),
    ({"epochs": 1.0}, OpTypeError, "epochs: expected an int, not float"),
    ({"epochs": True}, OpTypeError, "epochs"),
    ({"epochs": 1 << 64}, OpValueError, "epochs"),
    ({"batch_size": 0}, OpValueError, "batch_size"),
    ({"batch_size": [1]}, OpTypeError, "batch_size"),
    ({"min_rows": 0}, OpValueError, "min_rows"),
    ({"seed": -1}, OpValueError, "seed"),
    ({"seed": []}, OpValueError, "seed"),
    ({"seed": [0] * 9}, OpValueError, "seed"),
    ({"seed": None}, OpTypeError, "seed"),
    ({"seed": [1, [2]]}, OpTypeError, "seed"),
    ({"per_batch": 1}, OpTypeError, "per_batch"),
    ({"nesterov": True}, OpTypeError, "there is no 'nesterov'"),
]


@pytest.mark.parametrize(("given", "error", "said"), WRONG, ids=str)
def test_what_cannot_be_is_refused_by_name(given: dict[str, Any], error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        Training.from_dict(given)


@pytest.mark.parametrize("given", [None, [], "{}", 3])
def test_settings_are_a_dict(given: Any) -> None:
    with pytest.raises(OpTypeError, match="expected a dict"):
        Training.from_dict(given)
