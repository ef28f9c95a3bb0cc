"""Noisy releases of private rows: what is checked, charged, drawn and written down, in this order."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

import numpy as np

from fedsock.errors import ExportDenied, OpAxisError, OpTypeError, OpValueError
from fedsock.policy.budget import decimal_of
from fedsock.policy.facts import OPEN, Rowwise
from fedsock.policy.rules import Policy
from fedsock.worker.audit import Audit
from fedsock.worker.jobs import Job
from fedsock.worker.ledger import Ledger
from fedsock.worker.store import Entry
from fedsock.worker.tallies import MOST_NUMBERS

RELEASE_SECONDS = 0.005
"""A draw and a write to the disk: always more than an op that runs inline."""

_MECHANISMS = "fedsock.worker.mechanisms"


def load_mechanisms() -> Any:
    """Return the module that draws noise; by its name, for only a worker whose owner says dp has it.

    Raises:
        ConfigError: the extra it needs is not installed.
    """
    return importlib.import_module(_MECHANISMS)


class Releases:
    """Carries out ``dp_release``.

    Args:
        policy: the owner's.
        ledger: what is charged.
        audit: where releases are written down; None: nowhere.
        used: some data set's policy says dp: the mechanisms are loaded now.
        groups: the private data sets of each row group.

    Raises:
        ConfigError: they are needed, and not installed.
    """

    def __init__(
        self, policy: Policy, ledger: Ledger, audit: Audit | None, used: bool, groups: Mapping[str, Sequence[str]]
    ) -> None:
        self._groups = groups
        self._policy = policy
        self._ledger = ledger
        self._audit = audit
        self._mechanisms: Any = load_mechanisms() if used else None

    def prepared(self, job: Job, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Callable[[Any], Any]:
        """Return what draws a release from a private value; all that is public is checked before.

        Of an open value, such as what was made up to develop against, it is drawn alike and costs nothing.

        Args:
            job: the op.
            args: its checked arguments, zeros in place of private values.
            kwargs: the same by name.

        Raises:
            ExportDenied: the value is not rowwise, or a policy doesn't allow it; says what to do.
            OpValueError, OpTypeError: arguments that can't be.
        """
        entry = job.args[0]
        value, axis = args[0], args[2] if len(args) > 2 else kwargs.get("axis", 0)
        private = [one for one in job.inputs if one.facts is not OPEN]
        if not private:
            if self._mechanisms is None or not (isinstance(entry, Entry) and isinstance(value, np.ndarray)):
                raise OpTypeError("what isn't private needs no noise: fetch it with await p")
            _check_axis(value, axis)
            mechanism = self._mechanism(args[1], value, axis, kwargs, zcdp=False)
            return lambda rows: mechanism.draw(np.moveaxis(rows, axis, 0))
        if private != [entry]:
            raise OpValueError("bounds, edges and candidates are public: give numbers of your own")
        form = entry.facts.form
        if type(form) is not Rowwise or entry.withheld:
            raise ExportDenied(
                "noise is for values that keep each row apart; this one doesn't (rule dp). "
                "Next: p.dp_release(…) before it is reduced, indexed or sorted along the rows"
            )
        _check_axis(value, axis)
        if axis % value.ndim != form.axis:
            raise OpValueError(f"the rows of {form.group.name} are along axis {form.axis}, not {axis}")
        rows = self._rows_of_a_subject(job, entry, form.group.name)
        zcdp = self._ledger.mode(form.group.name) == "zcdp"
        mechanism = self._mechanism(args[1], value, axis, kwargs, zcdp=zcdp, rows=rows)
        return self._draw(job, form, mechanism, _epsilon(kwargs["epsilon"]))

    def _mechanism(
        self, kind: str, value: Any, axis: int, kwargs: Mapping[str, Any], *, zcdp: bool, rows: int = 1
    ) -> Any:
        """Return what draws, every argument checked; ``rows`` of one subject."""
        moved = np.moveaxis(value, axis, 0)
        return self._mechanisms.prepare(
            kind,
            moved.shape,
            moved.dtype,
            epsilon=_epsilon(kwargs["epsilon"]),
            zcdp=zcdp,
            bounds=_numbers("bounds", kwargs.get("bounds")),
            d_in=self._mechanisms.REPLACE_ONE * rows,
            edges=_numbers("edges", kwargs.get("edges")),
            candidates=_numbers("candidates", kwargs.get("candidates")),
            quantile=kwargs.get("quantile", 0.5),
        )

    def _rows_of_a_subject(self, job: Job, entry: Entry, group: str) -> int:
        """Return how many rows one subject may have, after every source's policy was asked."""
        for source in sorted(entry.facts.sources):
            terms = self._policy.terms(source, job.store.user)
            if terms.export not in ("dp", "public"):
                raise ExportDenied(
                    f"the policy of {source} is {terms.export} for you, which releases nothing with noise. "
                    f"Next: see await worker.policy({source!r}), or ask the owner"
                )
        # Rows are those of the group, whichever of its data sets this value was made from.
        return max(self._policy.terms(source, job.store.user).max_rows_per_subject for source in self._groups[group])

    def _draw(self, job: Job, form: Rowwise, mechanism: Any, epsilon: Decimal) -> Callable[[Any], Any]:
        user, kind = job.store.user, str(job.op.args[1])
        sources = sorted(job.args[0].facts.sources)
        what = f"{kind} of {', '.join(sources)}"

        def draw(value: Any) -> Any:
            line = self._ledger.charge(form.group.name, user, epsilon, what)
            result = mechanism.draw(np.moveaxis(value, form.axis, 0))
            if self._audit is not None:
                record = {"t": "release", "user": user, "group": form.group.name, "sources": sources, "kind": kind}
                self._audit.write([{**record, "epsilon": str(epsilon), "charge": line}], sync=True)
            return result

        return draw


def _check_axis(value: Any, axis: int) -> None:
    if not -value.ndim <= axis < value.ndim:
        raise OpAxisError(f"axis {axis} is out of bounds for {value.ndim} dimensions")


def _epsilon(text: str) -> Decimal:
    try:
        return decimal_of(text)
    except ValueError:
        raise OpValueError(f"epsilon: expected a number, not {text[:40]!r}") from None


def _numbers(name: str, array: Any) -> tuple[Any, ...] | None:
    if array is None:
        return None
    numbers = np.asarray(array)
    if numbers.size > MOST_NUMBERS:  # before anything is made of them: this is not in a thread
        raise OpValueError(f"{name}: at most {MOST_NUMBERS:,} numbers, not {numbers.size:,}")
    return tuple(numbers.ravel().tolist())
