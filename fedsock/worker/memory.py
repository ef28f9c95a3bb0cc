"""What a worker remembers of its decisions: budgets and queries spent, requests and answers, and the audit file.

And plans that were run on private data, for the owner to read.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from fedsock.worker.approvals import Approvals
from fedsock.worker.audit import Audit
from fedsock.worker.datasets import Dataset, budgets, must_remember
from fedsock.worker.ledger import Ledger
from fedsock.worker.planbook import PlanBook
from fedsock.worker.state import State
from fedsock.worker.tasks import Task

_DIGEST = re.compile("sha256:[0-9a-f]{64}")


class Memory:
    """A worker's ledger, approvals and audit file, in its owner's folder if anything private may leave; else nowhere.

    Plans are kept there in any case: before an owner lets anything leave, there is one to read.

    Args:
        name: the worker's.
        datasets: the owner's data.
        folder: of what must be remembered; made when something must.
        tasks: the owner's functions.

    Attributes:
        ledger: what was spent.
        approvals: what the owner was asked for, and answered.
        audit: what was decided; None where nothing private may leave.
        plans: what was sent to work on private data.

    Raises:
        ConfigError: another process uses the folder, a file in it can't be read, or budgets that can't be.
    """

    def __init__(
        self, name: str, datasets: Mapping[str, Dataset], folder: Path, tasks: Mapping[str, Task] = MappingProxyType({})
    ) -> None:
        self._name = name
        remembers = must_remember(datasets) or any(
            terms.train is not None for task in tasks.values() for terms in task.agreement.all_terms
        )
        self._state = State(folder if remembers else None)
        self.ledger = Ledger(self._state, budgets(datasets))
        self.approvals = Approvals(self._state)
        self.audit = Audit(self._state) if remembers else None
        listed = _listed(datasets)
        self.plans = PlanBook(folder, lambda: listed | _asked_for(self.approvals))

    def start(self) -> str | None:
        """Write down that the worker starts; returns the audit file's head for its owner to note, if there is one.

        Raises:
            AuditUnwritable: it can't be written.
        """
        return None if self.audit is None else self.audit.start(worker=self._name)

    def stop(self) -> str | None:
        """Write down that the worker stops and close all; returns the audit file's head, if there is one.

        Raises:
            AuditUnwritable: it can't be written.
        """
        self.ledger.close()
        self.plans.close()
        self.approvals.close()
        try:
            return None if self.audit is None else self.audit.stop()
        finally:
            self._state.close()


def _listed(datasets: Mapping[str, Dataset]) -> set[str]:
    """Return the digests of plans that policies list."""
    terms = (terms for dataset in datasets.values() for terms in dataset.agreement.all_terms)
    return {name for one in terms if one.train is not None for name in one.train.plans}


def _asked_for(approvals: Approvals) -> set[str]:
    """Return the digests of plans that stand in requests that wait for an answer."""
    return {digest for asked in approvals.waiting() for digest in _DIGEST.findall(asked.expression)}
