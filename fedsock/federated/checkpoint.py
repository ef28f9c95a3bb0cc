"""Checkpoints: one .npz file without pickle, with the parameters, the strategy's state and JSON about the rounds.

A file is written beside the last one, made sure to be on disk, and takes its place in one step: at any moment there
is a whole one, the last or the new.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from fedsock.errors import CheckpointCorrupt
from fedsock.federated.result import Dropped, Round, WorkerReport
from fedsock.typing import Array

VERSION = 1

ABOUT, PARAMS, STATE = "about", "params", "state"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A fit after a round.

    Attributes:
        seed: the fit's.
        strategy: the name of its class.
        rounds: so far, without parameters.
        leaves: of the parameters.
        state: the strategy's.
    """

    seed: int
    strategy: str
    rounds: Sequence[Round]
    leaves: Sequence[Array]
    state: Mapping[str, Array]


def save(path: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint in place of the last one, all or nothing.

    Args:
        path: of the file.
        checkpoint: what is in it.

    Raises:
        OSError: it can't be written; the last one stays as it was.
    """
    about = {"version": VERSION, "seed": checkpoint.seed, "strategy": checkpoint.strategy}
    about["rounds"] = [_plain(one) for one in checkpoint.rounds]
    arrays = {ABOUT: np.frombuffer(orjson.dumps(about), np.uint8)}
    arrays |= {f"{PARAMS}/{place}": leaf for place, leaf in enumerate(checkpoint.leaves)}
    arrays |= {f"{STATE}/{name}": part for name, part in checkpoint.state.items()}
    descriptor, beside = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            np.savez(file, **arrays)  # type: ignore[arg-type]  # names are as they are, none is "allow_pickle"
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(beside)
        raise
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    """Make the renaming last; not every system lets a folder be opened."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def load(path: Path) -> Checkpoint:
    """Return what ``save`` wrote.

    Args:
        path: of the file.

    Raises:
        FileNotFoundError: there is none.
        CheckpointCorrupt: it is none, or was damaged; names it.
    """
    try:
        # Opened here: numpy would leave a file open that it can't make sense of.
        with open(path, "rb") as opened, np.load(opened, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        about = orjson.loads(arrays.pop(ABOUT).tobytes())
        if about["version"] != VERSION:
            raise ValueError(f"version {about['version']}")
        found: dict[str, dict[str, Array]] = {PARAMS: {}, STATE: {}}
        for name, array in arrays.items():
            kind, _, rest = name.partition("/")
            found[kind][rest] = array
        leaves = [found[PARAMS][str(place)] for place in range(len(found[PARAMS]))]
        if not all(np.isfinite(leaf).all() for leaf in leaves):
            raise ValueError("parameters that are NaN or infinite")
        rounds = [_round(one) for one in about["rounds"]]
        return Checkpoint(int(about["seed"]), str(about["strategy"]), rounds, leaves, found[STATE])
    except FileNotFoundError:
        raise
    except Exception as error:  # whatever a damaged archive has zipfile, numpy and this stumble over
        told = "take another file, or begin anew with another checkpoint path"
        raise CheckpointCorrupt(f"{path} is no whole checkpoint ({type(error).__name__}: {error}); {told}") from error


def _plain(one: Round) -> dict[str, Any]:
    return {
        "number": one.number,
        "loss": one.loss,
        "metrics": dict(one.metrics),
        "workers": {name: asdict(report) for name, report in one.workers.items()},
        "dropped": [[gone.name, gone.reason] for gone in one.dropped],
        "seconds": one.seconds,
    }


def _round(plain: Mapping[str, Any]) -> Round:
    workers = {name: WorkerReport(**report) for name, report in plain["workers"].items()}
    dropped = [Dropped(name, reason) for name, reason in plain["dropped"]]
    return Round(plain["number"], None, plain["loss"], plain["metrics"], workers, dropped, plain["seconds"])
