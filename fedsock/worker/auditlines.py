"""What the owner's file says of decisions, and how often it says the same. Pure, no I/O."""

from __future__ import annotations

from typing import Any

import numpy as np

from fedsock.policy.facts import Aggregate, Facts, Trained
from fedsock.policy.rules import Decision
from fedsock.worker.store import Entry, SessionStore

MOST_NAMED = 50
"""Sources of a value that a line of the audit file names."""

MOST_REFUSED = 10_000
"""Refusals of a session that are told from new ones."""


def written_down(entry: Entry, store: SessionStore, decision: Decision, allowed: bool, reason: str) -> dict[str, Any]:
    """Return the line of a decision.

    Args:
        entry: the value that was asked for.
        store: of the session that asked.
        decision: what the policy says.
        allowed: whether the value leaves.
        reason: why.
    """
    record: dict[str, Any] = {
        "t": "export",
        "user": store.user,
        "session": store.address,
        "object": entry.id,
        "allowed": allowed,
        "rule": decision.rule,
        "reason": reason,
        "kind": entry.facts.kind,
        **sources_of(entry.facts),
    }
    form = entry.facts.form
    if isinstance(form, Aggregate):
        record |= {"template": form.template, "group": form.group.name, "share": round(entry.share, 4)}
    elif isinstance(form, Trained):
        record |= {"made_by": f"{form.kind} {form.name}", "rows": form.rows}
    return record


def times_asked(store: SessionStore, what: tuple[Any, ...]) -> int:
    """Return how often a session was refused the same, now included: asking for nothing must fill no disk.

    Args:
        store: the session's.
        what: was asked, and why it was refused.
    """
    if len(store.refused) >= MOST_REFUSED:
        store.refused.clear()
    store.refused[what] = times = store.refused.get(what, 0) + 1
    return times


def sources_of(facts: Facts) -> dict[str, Any]:
    """Return what a line says of where a value came from.

    Args:
        facts: of the value.
    """
    sources = sorted(facts.sources)
    more = len(sources) - MOST_NAMED
    return {"sources": sources[:MOST_NAMED]} | ({"more_sources": more} if more > 0 else {})


def numbers_of(entry: Entry, leaving: Any) -> int:
    """Return how many queries a result costs: its numbers; a run of a plan or task, which is counted as one, costs one.

    A covariance has each number but those of its diagonal twice.

    Args:
        entry: the result.
        leaving: what would leave of it.
    """
    form, count = entry.facts.form, _numbers_in(leaving)
    if isinstance(form, Trained) or entry.run is not None:
        return 1
    if isinstance(form, Aggregate) and form.template in ("cov", "corrcoef") and np.ndim(leaving) == 2:
        count = len(leaving) * (len(leaving) + 1) // 2
    return max(count, 1)


def _numbers_in(value: Any) -> int:
    """Return how many numbers a tree has; numpy itself refuses a list of different shapes."""
    if isinstance(value, dict):
        return sum(map(_numbers_in, value.values()))
    return sum(map(_numbers_in, value)) if isinstance(value, (list, tuple)) else int(np.size(value))
