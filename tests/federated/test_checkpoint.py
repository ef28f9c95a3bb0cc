"""Checkpoints: what was written comes back, what was damaged is told, and the last one is never lost."""

from __future__ import annotations

import errno
import math
import os
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fedsock.errors import CheckpointCorrupt, CheckpointUnwritable, ConfigError
from fedsock.federated import checkpoint
from fedsock.federated.checkpoint import Checkpoint
from fedsock.federated.result import Dropped, Evaluation, Round, WorkerReport

REPORT = WorkerReport(12, 0.1 + 0.2, {"acc": 1 / 3}, 0.5, 24, 24)
FOUND = {"zoe": Evaluation(3, {"mse": 2 / 3})}
ROUNDS = [Round(1, None, 0.1, {"mse": 2 / 3}, {"bob": REPORT}, [Dropped("eve", "gone")], 0.7, FOUND)]
LEAVES = [np.arange(3.0), np.zeros((2, 2), np.float32)]
NAMES = ["params['b']", "params['w']"]
MADE = Checkpoint(7, "FedAdam", "task train", ROUNDS, NAMES, LEAVES, {"m/0": np.ones(3)})


def same(one: Checkpoint, other: Checkpoint) -> bool:
    arrays = [[*c.leaves, *c.state.values()] for c in (one, other)]
    if (list(one.rounds), list(one.state)) != (list(other.rounds), list(other.state)) or [*one.differences(other)]:
        return False
    return all(a.dtype == b.dtype and np.array_equal(a, b) for a, b in zip(*arrays, strict=True))


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
    for place in range(len(whole)):
        for damaged in (whole[:place], whole[:place] + bytes([whole[place] ^ 0x41]) + whole[place + 1 :]):
            path.write_bytes(damaged)
            try:
                assert same(checkpoint.load(path), MADE)
            except CheckpointCorrupt as error:
                assert "a.npz is no whole checkpoint" in str(error)
                told += 1
    assert told > len(whole)


def test_no_pickle_is_loaded(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, about=np.array([{}], object))
    with pytest.raises(CheckpointCorrupt, match="allow_pickle"):
        checkpoint.load(path)


@pytest.mark.parametrize("change", ["another value", "one fewer", "one more", "another dtype", "another place"])
def test_arrays_that_are_not_those_that_were_written(tmp_path: Path, change: str) -> None:
    path = tmp_path / "a.npz"
    checkpoint.save(path, MADE)
    with np.load(path) as file:
        arrays = dict(file)
    if change == "another value":
        arrays["params/0"] = arrays["params/0"] + 1e-9
    elif change == "one fewer":
        del arrays["state/m/0"]
    elif change == "one more":
        arrays["state/m/1"] = np.ones(3)
    elif change == "another dtype":
        arrays["params/0"] = arrays["params/0"].view(np.int64)
    else:
        arrays["params/0"], arrays["params/1"] = arrays["params/1"], arrays["params/0"]
    np.savez(path, **arrays)
    with pytest.raises(CheckpointCorrupt, match="its arrays are not those that were written"):
        checkpoint.load(path)


def test_an_archive_of_something_else(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", w=np.ones(3))
    with pytest.raises(CheckpointCorrupt, match=r"a\.npz .*it is an archive of something else"):
        checkpoint.load(tmp_path / "a.npz")


OTHERS: dict[str, tuple[dict[str, Any], str]] = {
    "seed": ({"seed": 8}, "its seed is 7, this fit's is 8"),
    "strategy": ({"strategy": "FedAvg"}, "its strategy is FedAdam, this fit's is FedAvg"),
    "training": ({"training": "task test"}, "its training is task train, this fit's is task test"),
    "a name": ({"names": ["params[0]", NAMES[1]]}, r"this fit's are params\[0\] float64\[3\], params"),
    "a shape": ({"leaves": [LEAVES[0], np.zeros(4, np.float32)]}, r"this fit's are .*float32\[4\]"),
    "a dtype": ({"leaves": [LEAVES[0], np.zeros((2, 2))]}, r"this fit's are .*float64\[2, 2\]"),
}


@pytest.mark.parametrize(("changed", "told"), OTHERS.values(), ids=list(OTHERS))
def test_another_fits_is_told_by_what_differs(changed: dict[str, Any], told: str) -> None:
    [said] = MADE.differences(replace(MADE, **changed))
    assert re.search(told, said)
    assert [*MADE.differences(replace(MADE, rounds=[], state={}))] == []


def test_what_cant_be_read_is_not_called_damaged(tmp_path: Path) -> None:
    (tmp_path / "a.npz").mkdir()
    with pytest.raises(ConfigError, match=r"a\.npz can't be read as a checkpoint: Is a directory"):
        checkpoint.load(tmp_path / "a.npz")


def test_a_seed_may_be_of_any_size(tmp_path: Path) -> None:
    made = replace(MADE, seed=1 << 200)
    checkpoint.save(tmp_path / "a.npz", made)
    assert same(checkpoint.load(tmp_path / "a.npz"), made)


def test_where_nothing_can_be_written_is_told_before_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoint.check_place(tmp_path / "a.npz")
    with pytest.raises(ConfigError, match=r"no folder .*b; make it first"):
        checkpoint.check_place(tmp_path / "b" / "a.npz")
    monkeypatch.setattr(os, "access", lambda *_: False)  # whoever runs this as root may write anywhere
    with pytest.raises(ConfigError, match="nothing may be written to"):
        checkpoint.check_place(tmp_path / "a.npz")


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_failed_save_leaves_the_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    path = tmp_path / "a.npz"
    checkpoint.save(path, MADE)

    def fails(*_: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, step, fails)
    with pytest.raises(CheckpointUnwritable, match=r"^round 2 .*a\.npz .*No space left.*that of round 1 is as it was"):
        checkpoint.save(path, replace(MADE, rounds=[*ROUNDS, replace(ROUNDS[0], number=2)]))
    monkeypatch.undo()
    assert same(checkpoint.load(path), MADE)
    assert [one.name for one in tmp_path.iterdir()] == ["a.npz"]
