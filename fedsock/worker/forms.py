"""What is known of an op's private inputs, and of what it makes of them. No I/O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from fedsock.ops import passed
from fedsock.policy.facts import OPEN, Aggregate, Rowwise, combine
from fedsock.policy.rules import Policy
from fedsock.worker.arguments import stand_in
from fedsock.worker.jobs import Job
from fedsock.worker.store import Entry


class StandIns:
    """Public values in place of an op's inputs, which remember what they stand for.

    Args:
        job: the op; some of its inputs are private.
    """

    __slots__ = ("_forms", "_job", "_kept", "_rowwise")

    def __init__(self, job: Job) -> None:
        self._job = job
        self._forms: dict[int, Rowwise] = {}
        self._kept: list[Any] = []  # identities are told apart only while the objects live
        self._rowwise = all(entry.facts is OPEN or _is_rowwise(entry) for entry in job.inputs)

    def __call__(self, entry: Entry) -> Any:
        """Return what stands in for an input."""
        value = stand_in(entry)
        form = entry.facts.form
        if type(form) is Rowwise:
            self._forms[id(value)] = form
            self._kept.append(value)
        return value

    def tell(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
        """Give an op's results their facts.

        Args:
            args: checked arguments, with what stands in for inputs.
            kwargs: the same by name.
        """
        job = self._job
        if not self._rowwise:
            return
        form = passed(job.op.fn, self._forms, args, kwargs)
        if form is None:
            return
        forms = form if isinstance(form, tuple) else (form,) * len(job.results)
        for entry, one in zip(job.results, forms, strict=True):
            entry.facts = combine((part.facts for part in job.inputs), one)

    def measured(self, policy: Policy, args: Sequence[Any]) -> tuple[str, tuple[int, ...]] | None:
        """Return template and row axes of a result whose largest rows may decide whether it leaves; else None.

        Args:
            policy: the owner's.
            args: checked arguments, with what stands in for inputs.
        """
        facts = self._job.results[0].facts
        if not isinstance(facts.form, Aggregate) or not policy.watches(facts):
            return None
        axes = tuple(form.axis for arg in args[:2] if (form := self._forms.get(id(arg))) is not None)
        return facts.form.template, axes


def _is_rowwise(entry: Entry) -> bool:
    return type(entry.facts.form) is Rowwise and not entry.withheld and isinstance(entry.value, np.ndarray)
