"""Checkpoints: what was written comes back, what was damaged is told, and the last one is never lost."""

from __future__ import annotations

import math
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fedsock.errors import CheckpointCorrupt
from fedsock.federated import checkpoint
from fedsock.federated.checkpoint import Checkpoint
from fedsock.federated.result import Dropped, Evaluation, Round, WorkerReport

REPORT = WorkerReport(12, 0.1 + 0.2, {"acc": 1 / 3}, 0.5, 24, 24)
FOUND = {"zoe": Evaluation(3, {"mse": 2 / 3})}
ROUNDS = [Round(1, None, 0.1, {"mse": 2 / 3}, {"bob": REPORT}, [Dropped("eve", "gone")], 0.7, FOUND)]
MADE = Checkpoint(7, "FedAdam", ROUNDS, [np.arange(3.0), np.zeros((2, 2), np.float32)], {"m/0": np.ones(3)})


def same(one: Checkpoint, other: Checkpoint) -> bool:
    arrays = [[*c.leaves, *c.state.values()] for c in (one, other)]
    return (one.seed, one.strategy, list(one.rounds), list(one.state)) == (
        other.seed,
        other.strategy,
        list(other.rounds),
        list(other.state),
    ) and all(a.dtype == b.dtype and np.array_equal(a, b) for a, b in zip(*arrays, strict=True))


def test_it_comes_back_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    checkpoint.save(path, MADE)
    assert same(checkpoint.load(path), MADE)
    assert [one.name for one in tmp_path.iterdir()] == ["a.npz"]
    with pytest.raises(FileNotFoundError):
        checkpoint.load(tmp_path / "b.npz")


def test_a_metric_that_nobody_told_stays_nan(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    checkpoint.save(path, replace(MADE, rounds=[replace(ROUNDS[0], metrics={"mse": math.nan})]))
    assert math.isnan(checkpoint.load(path).rounds[0].metrics["mse"])


def test_what_is_damaged_is_told_or_makes_no_difference(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    checkpoint.save(path, MADE)
    whole = path.read_bytes()
    told = 0
    for place in range(0, len(whole), 3):
        for damaged in (whole[:place], whole[:place] + bytes([whole[place] ^ 0x41]) + whole[place + 1 :]):
            path.write_bytes(damaged)
            try:
                assert same(checkpoint.load(path), MADE)
            except CheckpointCorrupt as error:
                assert "a.npz is no whole checkpoint" in str(error)
                told += 1
    assert told > len(whole) / 3


def test_no_pickle_is_loaded(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, about=np.array([{}], object))
    with pytest.raises(CheckpointCorrupt, match="allow_pickle"):
        checkpoint.load(path)


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_failed_save_leaves_the_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    path = tmp_path / "a.npz"
    checkpoint.save(path, MADE)

    def fails(*_: Any) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(os, step, fails)
    with pytest.raises(OSError, match="disk full"):
        checkpoint.save(path, Checkpoint(8, "FedAvg", [], [], {}))
    monkeypatch.undo()
    assert same(checkpoint.load(path), MADE)
    assert [one.name for one in tmp_path.iterdir()] == ["a.npz"]
