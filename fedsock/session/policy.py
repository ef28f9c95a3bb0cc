"""What an owner's policy says of a data set or a value, as a session sees it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fedsock.session.requests import ask

if TYPE_CHECKING:
    from fedsock.session.records import Record
    from fedsock.session.station import Station


class Terms(dict[str, Any]):
    """What an owner agreed on a data set with this session's user, by key or attribute.

    ``export`` is always there, the mode; ``group`` and ``rows``, of the row group; with "aggregate" ``templates``,
    ``min_rows``, ``round_to``, ``group_by``, ``row_functions`` and perhaps ``queries_left``; with "dp"
    ``epsilon_left``, a text; ``train``, where results of plans and tasks may leave: ``plans``, ``tasks``, ``allowed``
    (whether for this user), ``min_rows``, ``metrics``, and perhaps ``rounds`` and ``rounds_left``, by plan and task.
    """

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(f"no term {name}; there are {', '.join(self)}") from None


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a value may leave, as far as that follows from where it came from: its values may still refuse it.

    Attributes:
        allowed: it may; also the truth of the verdict.
        rule: that decided.
        reason: why not.
        next_step: what to do instead.
        kind: "open", "rowwise", "aggregate", "trained" or "mixed".
    """

    allowed: bool
    rule: str
    reason: str
    next_step: str
    kind: str

    def __bool__(self) -> bool:
        return self.allowed


async def terms_of(station: Station, name: str) -> Terms:
    """Return what its owner agreed on a data set; cancelling ends the wait only.

    Args:
        station: the worker's life.
        name: of the data set.

    Raises:
        UnknownObject: there is none of that name.
        WorkerLost: there is no answer.
    """
    return Terms((await ask(station, "policy", ref=name)).policy)


async def verdict_of(record: Record) -> Verdict:
    """Return whether a value may leave, once it is there; cancelling ends the wait only.

    Args:
        record: of the value.

    Raises:
        OpFailed: there is none.
        WorkerLost: there is no answer.
    """
    await record.settled()
    told: Mapping[str, Any] = (await ask(record.home, "export", ref=record.id)).policy
    return Verdict(*(told[key] for key in Verdict.__slots__))
