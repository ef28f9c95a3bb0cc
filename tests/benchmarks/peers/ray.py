"""ray: an actor that holds arrays by number, and the object store for what is large.

Results stay in the actor, which measured faster than leaving each as an object of its own; actor tasks run in the
order they were submitted, so a chain needs no reference to pass. ray's daemons listen on every address of the
machine, whichever they are told, so the cluster asks for a token that only this process and its children know.
"""

from __future__ import annotations

import logging
import os
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}

import ray  # it reads its environment when it is imported

from tests.benchmarks.peers.peer import Peer

PACKAGE = "ray"
LIMIT = 60
"""Seconds for whatever is waited for."""

STORE_BYTES = 1 << 30


class Arrays:
    """Arrays by number."""

    def __init__(self) -> None:
        self._held: dict[int, Any] = {0: np.arange(10.0)}

    def add(self, result: int, operand: int, number: float) -> None:
        """Hold the sum of an array and a number."""
        self._held[result] = self._held[operand] + number

    def added(self, number: float) -> Any:
        """Return the sum of the ten numbers and a number."""
        return self._held[0] + number

    def keep(self, name: int, array: Any) -> None:
        """Hold an array."""
        self._held[name] = array

    def give(self, name: int) -> Any:
        """Return an array."""
        return self._held[name]

    def forget(self) -> None:
        """Hold the first arrays only."""
        self._held = {name: array for name, array in self._held.items() if name <= 0}


class Ray(Peer):
    """The near end.

    Args:
        actor: holds the arrays.
    """

    def __init__(self, actor: Any) -> None:
        self._actor = actor

    def op_and_fetch(self) -> Any:
        return ray.get(self._actor.added.remote(1), timeout=LIMIT)

    def independent(self, count: int) -> None:
        add = self._actor.add
        _wait([add.remote(number + 1, 0, number) for number in range(count)])

    def chained(self, count: int) -> None:
        add = self._actor.add
        _wait([add.remote(number + 1, number, 1) for number in range(count)])

    def up(self, array: Any) -> None:
        ray.get(self._actor.keep.remote(-1, ray.put(array)), timeout=LIMIT)

    def down(self) -> Any:
        return ray.get(self._actor.give.remote(-1), timeout=LIMIT)

    def forget(self) -> None:
        ray.get(self._actor.forget.remote(), timeout=LIMIT)


def _wait(asked: list[Any]) -> None:
    _, missing = ray.wait(asked, num_returns=len(asked), timeout=LIMIT, fetch_local=False)
    assert not missing


@contextmanager
def opening() -> Iterator[Peer]:
    """Start a cluster of this machine only, with one actor."""
    with tempfile.TemporaryDirectory(prefix="ray", ignore_cleanup_errors=True) as folder:
        ray.init(
            address="local",
            num_cpus=1,
            include_dashboard=False,
            log_to_driver=False,
            logging_level=logging.CRITICAL,
            object_store_memory=STORE_BYTES,
            _node_ip_address="127.0.0.2",  # loopback too; 127.0.0.1 is replaced by an outer address
            _temp_dir=folder,
        )
        try:
            yield Ray(ray.remote(Arrays).remote())
        finally:
            ray.shutdown()
