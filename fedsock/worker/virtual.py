"""A worker in somebody's own process: an engine, its service, and what it remembers if it has a folder for that."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType

from fedsock.errors import AuditUnwritable
from fedsock.worker.datasets import Dataset
from fedsock.worker.engine import Engine
from fedsock.worker.memory import Memory
from fedsock.worker.requests import Answering
from fedsock.worker.service import WorkerService
from fedsock.worker.tasks import Task


class VirtualWorker:
    """What a virtual worker consists of beside its socket.

    Args:
        name: its name.
        datasets: its owner's data.
        answering: its owner's function that answers requests; None: there is none.
        state: folder of what it must remember; None: it forgets with the process.
        tasks: its owner's functions, by name.

    Attributes:
        service: to be put behind a peer.

    Raises:
        ConfigError: a policy or the folder can't be, or another worker uses the folder.
    """

    def __init__(
        self,
        name: str,
        datasets: Mapping[str, Dataset],
        answering: Answering | None = None,
        state: str | os.PathLike[str] | None = None,
        tasks: Mapping[str, Task] = MappingProxyType({}),
    ) -> None:
        self._memory: Memory | None = None
        if state is None:
            self.service = WorkerService(Engine(name, datasets, answering=answering, tasks=tasks))
            return
        memory = self._memory = Memory(name, datasets, Path(state), tasks)
        try:
            memory.start()
            engine = Engine(
                name,
                datasets,
                ledger=memory.ledger,
                audit=memory.audit,
                approvals=memory.approvals,
                plans=memory.plans,
                answering=answering,
                tasks=tasks,
            )
        except BaseException:
            self._forget()
            raise
        self.service = WorkerService(engine)

    def close(self) -> None:
        """Take no more and let others have the folder."""
        self.service.close()
        self._forget()

    def _forget(self) -> None:
        memory, self._memory = self._memory, None
        if memory is not None:
            with suppress(AuditUnwritable):  # it is in the log, and all that left is in the file
                memory.stop()
