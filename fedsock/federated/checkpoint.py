"""Checkpoints: one .npz file without pickle, with the parameters, the strategy's state and JSON about the rounds.

A file is written beside the last one, made sure to be on disk, and takes its place in one step: at any moment there
is a whole one, the last or the new.
"""

from __future__ import annotations

import contextlib
import hashlib
import math
import os
import tempfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import orjson

from fedsock.errors import CheckpointCorrupt, CheckpointUnwritable, ConfigError
from fedsock.federated.result import Dropped, Evaluation, Round, WorkerReport
from fedsock.typing import Array

VERSION = 2

ABOUT, PARAMS, STATE = "about", "params", "state"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A fit after a round.

    Attributes:
        seed: the fit's.
        strategy: the name of its class.
        training: what the workers train, as ``Trainer.about`` tells it; None: that isn't known yet.
        rounds: so far, without parameters.
        names: of the parameters, such as ``params['w']``.
        leaves: of the parameters.
        state: the strategy's.
    """

    seed: int
    strategy: str
    training: str | None
    rounds: Sequence[Round]
    names: Sequence[str]
    leaves: Sequence[Array]
    state: Mapping[str, Array]

    def differences(self, other: Checkpoint) -> Iterator[str]:
        """Give what makes this one of another fit.

        Args:
            other: of the fit that is to go on.
        """
        for what in ("strategy", "training", "seed"):
            if (mine := getattr(self, what)) != (theirs := getattr(other, what)):
                yield f"its {what} is {mine}, this fit's is {theirs}"
        if (mine := self._parameters()) != (theirs := other._parameters()):
            yield f"its parameters are {mine}, this fit's are {theirs}"

    def _parameters(self) -> str:
        told = [f"{name} {one.dtype}{list(one.shape)}" for name, one in zip(self.names, self.leaves, strict=True)]
        return ", ".join(told)


def save(path: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint in place of the last one, all or nothing.

    Args:
        path: of the file.
        checkpoint: what is in it.

    Raises:
        CheckpointUnwritable: it can't be written; the last one stays as it was.
    """
    arrays = {f"{PARAMS}/{place}": leaf for place, leaf in enumerate(checkpoint.leaves)}
    arrays |= {f"{STATE}/{name}": part for name, part in checkpoint.state.items()}
    about = {
        "version": VERSION,
        "digest": _digest(arrays),
        "seed": str(checkpoint.seed),  # JSON's integers end at 64 bits
        "strategy": checkpoint.strategy,
        "training": checkpoint.training,
        "rounds": [_plain(one) for one in checkpoint.rounds],
        "names": list(checkpoint.names),
    }
    arrays[ABOUT] = np.frombuffer(orjson.dumps(about), np.uint8)
    try:
        _replace(path, arrays)
    except OSError as error:
        number = len(checkpoint.rounds)
        last = f"that of round {number - 1} is as it was; " if number > 1 else ""
        raise CheckpointUnwritable(
            f"round {number} can't be kept: {path} can't be written ({error.strerror or error}); {last}"
            "make room for it, then fit with resume=True"
        ) from error


def _digest(arrays: Mapping[str, Array]) -> str:
    """Return the SHA-256 of named arrays: an archive whose directory is damaged can look whole, and have fewer."""
    digest = hashlib.sha256()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        digest.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        digest.update(array.reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


def _replace(path: Path, arrays: Mapping[str, Array]) -> None:
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
        ConfigError: it can't be read.
    """
    try:
        # Opened here: numpy would leave a file open that it can't make sense of.
        opened = open(path, "rb")  # noqa: SIM115  # closed below
    except FileNotFoundError:
        raise
    except OSError as error:
        raise ConfigError(f"{path} can't be read as a checkpoint: {error.strerror or error}") from error
    with opened:
        return _read(path, opened)


def _read(path: Path, opened: BinaryIO) -> Checkpoint:
    try:
        if not zipfile.is_zipfile(opened):
            raise ValueError("it is no .npz archive, or not all of one")
        opened.seek(0)
        with np.load(opened, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        if ABOUT not in arrays:
            raise ValueError("it is an archive of something else")
        about = orjson.loads(arrays.pop(ABOUT).tobytes())
        if about["version"] != VERSION:
            raise ValueError(f"version {about['version']}")
        if about["digest"] != _digest(arrays):
            raise ValueError("its arrays are not those that were written")
        found: dict[str, dict[str, Array]] = {PARAMS: {}, STATE: {}}
        for name, array in arrays.items():
            kind, _, rest = name.partition("/")
            found[kind][rest] = array
        leaves = [found[PARAMS][str(place)] for place in range(len(found[PARAMS]))]
        if not all(np.isfinite(leaf).all() for leaf in leaves):
            raise ValueError("parameters that are NaN or infinite")
        rounds = [_round(one) for one in about["rounds"]]
        names = [str(name) for name in about["names"]]
        if len(names) != len(leaves):
            raise ValueError("another number of parameters than it says")
        fit = int(about["seed"]), str(about["strategy"]), str(about["training"])
        return Checkpoint(*fit, rounds, names, leaves, found[STATE])
    except Exception as error:  # whatever a damaged archive has zipfile, numpy and this stumble over
        told = "take a copy of it that is, or begin anew with another checkpoint path"
        raise CheckpointCorrupt(f"{path} is no whole checkpoint ({type(error).__name__}: {error}); {told}") from error


def check_place(path: Path) -> None:
    """Look before the first round whether a checkpoint can be written at all.

    Args:
        path: of the file.

    Raises:
        ConfigError: there is no such folder, or nothing may be written there.
    """
    folder = path.parent
    if not folder.is_dir():
        raise ConfigError(f"checkpoint={str(path)!r}: there is no folder {folder}; make it first")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise ConfigError(f"checkpoint={str(path)!r}: nothing may be written to {folder}")


def _plain(one: Round) -> dict[str, Any]:
    return {
        "number": one.number,
        "loss": one.loss,
        "metrics": dict(one.metrics),
        "workers": {name: asdict(report) for name, report in one.workers.items()},
        "dropped": [[gone.name, gone.reason] for gone in one.dropped],
        "seconds": one.seconds,
        "evaluated": {name: asdict(found) for name, found in one.evaluated.items()},
    }


def _round(plain: Mapping[str, Any]) -> Round:
    workers = {name: WorkerReport(**report) for name, report in plain["workers"].items()}
    dropped = [Dropped(name, reason) for name, reason in plain["dropped"]]
    # JSON has no NaN, which a metric is where no worker told any: null stands for it.
    metrics = {name: math.nan if value is None else value for name, value in plain["metrics"].items()}
    evaluated = {name: Evaluation(**found) for name, found in plain["evaluated"].items()}
    return Round(plain["number"], None, plain["loss"], metrics, workers, dropped, plain["seconds"], evaluated)
