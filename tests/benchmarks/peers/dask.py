"""dask.distributed: a LocalCluster with one worker process of one thread, ``submit`` and ``map`` of impure tasks.

Results are futures, so they stay at the worker. Data is scattered straight to it (``direct=True``, not hashed), and
independent ops are one ``map``, as its documentation advises for many small tasks.
"""

from __future__ import annotations

import logging
import operator
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import dask
import numpy as np
from distributed import Client, LocalCluster, wait

from tests.benchmarks.peers.peer import Peer

PACKAGE = "distributed"
LIMIT = 60
"""Seconds for whatever is waited for."""


class Dask(Peer):
    """The near end.

    Args:
        client: of the cluster.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._ten = client.scatter(np.arange(10.0), direct=True, hash=False)
        self._held: Any = None
        self._large: Any = None

    def op_and_fetch(self) -> Any:
        return self._client.submit(operator.add, self._ten, 1, pure=False).result(LIMIT)

    def independent(self, count: int) -> None:
        self._held = self._client.map(operator.add, [self._ten] * count, range(count), pure=False)
        wait(self._held, LIMIT)

    def chained(self, count: int) -> None:
        held = [self._ten]
        for _ in range(count):
            held.append(self._client.submit(operator.add, held[-1], 1, pure=False))
        self._held = held
        wait(held[-1], LIMIT)

    def up(self, array: Any) -> None:
        self._large = None
        self._large = self._client.scatter(array, direct=True, hash=False)
        wait(self._large, LIMIT)

    def down(self) -> Any:
        return self._client.gather(self._large, direct=True)

    def forget(self) -> None:
        self._held = None


@contextmanager
def opening() -> Iterator[Peer]:
    """Start a cluster, whose scheduler lives in this process, and connect."""
    with tempfile.TemporaryDirectory() as folder, dask.config.set(temporary_directory=folder):
        cluster = LocalCluster(
            n_workers=1,
            threads_per_worker=1,
            processes=True,
            host="127.0.0.1",
            dashboard_address=None,
            worker_dashboard_address=None,
            silence_logs=logging.CRITICAL,
        )
        with cluster, Client(cluster) as client:
            yield Dask(client)
