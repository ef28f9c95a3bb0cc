"""Made-up data sets beside an owner's, for developing: of the same shapes and dtypes, and open.

They are made from what is public of the data sets, and only when somebody first uses one: it takes as much memory
as the data. No I/O.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from fedsock.errors import OpMemoryError
from fedsock.protocol.messages import MOCK, Failure, Op
from fedsock.worker.datasets import Dataset
from fedsock.worker.jobs import Compute, Errand, Job
from fedsock.worker.madeup import made_up
from fedsock.worker.runner import Runner
from fedsock.worker.store import FAILED, PENDING, READY, Entry, SessionStore

SECONDS_A_BYTE = 5e-9
"""Of making values up: standard normal float64 take 2e-9, bytes and float32 5e-9 (measured with numpy 2)."""


class Making(Job):
    """The making of one, as the job of a Compute. It is no op, and goes on when who asked first has gone."""


class Mocks:
    """What is made up at a worker.

    Args:
        name: the worker's name, for error texts.
        datasets: the owner's data, by name.
        runner: has values made, and goes on with what waited for them.

    Attributes:
        entries: those that are offered, by the name they are referred to; what isn't made yet is pending, and has
            a value that tells shape and dtype and takes no memory.
    """

    def __init__(self, name: str, datasets: Mapping[str, Dataset], runner: Runner) -> None:
        self._name = name
        self._runner = runner
        self._datasets = {MOCK + dataset.name: dataset for dataset in datasets.values() if dataset.mock}
        self._being_made: set[str] = set()
        self.entries: Mapping[str, Entry] = {ref: _promised(ref, one) for ref, one in self._datasets.items()}

    def find(self, store: SessionStore, ref: str) -> Entry | None:
        """Return what a name refers to, made or being made; None for no mock.

        Args:
            store: of the session that asks.
            ref: ``mock:`` and a data set's name.
        """
        entry = self.entries.get(ref)
        if entry is not None:
            store.borrow(ref, entry.value.nbytes)
        if entry is not None and entry.state is PENDING and ref not in self._being_made:
            self._being_made.add(ref)
            dataset = self._datasets[ref]
            array = dataset.array
            # The values themselves are not among them: nothing private can get into what is made up.
            public = (dataset.name, array.shape, array.dtype, dataset.agreement.everybody.group_by)
            job = Making(store, Op(max(store.last_id, 1), "mock", [ref]), None, [entry])
            self._runner.add(Compute(job, made_up, public, MappingProxyType({}), array.nbytes * SECONDS_A_BYTE))
        return entry

    def made(self, job: Making, result: Any, error: Exception | None) -> None:
        """Take in what was made up, and let go on what waits for it.

        Args:
            job: whose results' entry it is for.
            result: the array.
            error: why there is none; a later use tries again.
        """
        (entry,) = job.results
        self._being_made.discard(str(entry.id))
        if error is None:
            entry.state, entry.value = READY, result
        else:
            text = f"{self._name} could not make up {str(entry.id)!r}: {type(error).__name__}"
            entry.state, entry.failure = FAILED, Failure(job.op.id, OpMemoryError.code, text)
        # The address of a session that is gone may be another one's by now, which didn't ask.
        entry.waiting = [one for one in entry.waiting or () if not (isinstance(one, Errand) and one.store.over)]
        self._runner.released(job.store, entry)
        if error is not None:
            entry.state, entry.failure = PENDING, None


def _promised(ref: str, dataset: Dataset) -> Entry:
    entry, array = Entry(ref), dataset.array
    # Each place of it is the same one.
    entry.value = np.ndarray(array.shape, array.dtype, bytes(array.dtype.itemsize), strides=(0,) * array.ndim)
    entry.shared = True
    entry.tags, entry.description = dataset.tags, dataset.description
    return entry
