"""What an owner says of each data set: who may have what leaves, and in which form."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

from fedsock.policy.budget import Budget

Mode = Literal["deny", "public", "aggregate", "dp", "ask"]
"""What may leave: nothing, everything, listed reductions over all rows, what has noise, or what the owner approves."""

MODES: tuple[Mode, ...] = ("deny", "public", "aggregate", "dp", "ask")

MOST_CELLS = 10_000
"""Cells that an axis of a table may have."""

Cells = int | tuple[float, ...]
"""Cells of a table's axis: so many categories 0, 1, …, or edges."""


Metrics = Literal["none", "epoch", "batch"]
"""What is streamed from training: nothing, a value an epoch, or one a batch."""

METRICS: tuple[Metrics, ...] = ("none", "epoch", "batch")

ANY_PLAN = "any"
"""Among ``plans``: every plan, reviewed or not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainTerms:
    """What may leave of what plans and tasks make from private data.

    Attributes:
        plans: digests of plans, or ``ANY_PLAN``.
        tasks: names of tasks.
        users: who may have it; None: everybody.
        min_rows: rows of each private data set, and of each step, at least.
        rounds: results that one user may have of each plan or task; None: as many as they like.
        metrics: what is streamed.
    """

    plans: tuple[str, ...] = ()
    tasks: tuple[str, ...] = ()
    users: tuple[str, ...] | None = None
    min_rows: int = 100
    rounds: int | None = None
    metrics: Metrics = "epoch"


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What holds for one data set and one user.

    Attributes:
        export: what may leave.
        min_rows: rows of a group, and of a table's cell, at least.
        round_to: counts are rounded to multiples of it.
        max_queries: numbers that one user may have of a row group; None: as many as they like.
        row_functions: "listed", or "any": sums of any function of a row may leave, and of weighted rows.
        max_rows_per_subject: rows that one person may have: noise hides so many at once.
        group_by: cells that tables of this data set may have; None: no tables.
        train: what may leave of what plans and tasks make; None: nothing.
    """

    export: Mode = "deny"
    min_rows: int = 10
    round_to: int = 5
    max_queries: int | None = None
    row_functions: Literal["listed", "any"] = "listed"
    max_rows_per_subject: int = 1
    group_by: Cells | None = None
    train: TrainTerms | None = None


DENY = Terms()
"""The default."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """The terms of one data set, by user.

    Attributes:
        everybody: for whom nothing else is said.
        users: name -> terms.
        budget: for what is released with noise of its row group, by all users together.
    """

    everybody: Terms = DENY
    users: Mapping[str, Terms] = field(default_factory=lambda: MappingProxyType({}))
    budget: Budget | None = None

    @property
    def all_terms(self) -> tuple[Terms, ...]:
        """What holds for everybody, and for each user of whom something else is said."""
        return (self.everybody, *self.users.values())

    def terms(self, user: str) -> Terms:
        """Return what holds for a user; "" is one whom the hub didn't introduce, who has no grant."""
        return self.users.get(user, self.everybody) if user else DENY
