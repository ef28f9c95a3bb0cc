"""Whether an owner lets results of a plan or a task leave, before anything is computed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from fedsock.errors import BadMessage, PlanMismatch, UnsupportedValue
from fedsock.plan import Plan, Program
from fedsock.protocol import messages
from fedsock.session.exportrequest import MAX_WHY_CHARS, ExportRequest
from fedsock.session.plans import sent
from fedsock.session.requests import question

if TYPE_CHECKING:
    from fedsock.session.pointer import Pointer
    from fedsock.session.station import Station

MOST_TIMES = 1_000_000
"""Results that are asked about at once."""


@dataclass(frozen=True, slots=True)
class Permission:
    """Whether results of a plan or a task may leave.

    Attributes:
        allowed: they may; also the truth of the permission.
        rule: that decided.
        reason: why not.
        next_step: what to do instead.
        lines: of ``[policy.train]`` in the worker's TOML that would allow it.
        request: what its owner was asked; None: nothing.
    """

    allowed: bool
    rule: str
    reason: str
    next_step: str
    lines: tuple[str, ...]
    request: ExportRequest | None

    def __bool__(self) -> bool:
        return self.allowed


class _Told(msgspec.Struct):
    """What a worker answers."""

    allowed: bool
    rule: str
    reason: str
    next_step: str
    lines: tuple[str, ...]
    request: int = 0
    state: str = ""


async def permission_of(
    station: Station,
    work: Program | Plan | str,
    data: Sequence[str],
    *,
    times: int,
    batch_size: int | None,
    min_rows: int,
    why: str | None,
) -> Permission:
    """Return what an owner's policy says of results; one trip. Cancelling ends the wait only.

    Args:
        station: the worker's life.
        work: a plan that was recorded, or a task's name.
        data: the data sets that the plan works on.
        times: how many results are wanted.
        batch_size: rows of a step of a training by the plan; None: all at once.
        min_rows: a remainder of fewer rows is no step of its own.
        why: what for: its owner is asked, where that helps; None asks nobody.

    Raises:
        PlanMismatch: something else than a plan or a name.
        UnsupportedValue: no such reason or number.
        UnknownOp, UnknownObject, PlanInvalid: there is none such at the worker.
        WorkerLost: there is no answer.
        BadMessage: the answer is none.
    """
    if why is not None and not (0 < len(why) <= MAX_WHY_CHARS and why.strip()):
        raise UnsupportedValue(f"say what the results are needed for, in 1 to {MAX_WHY_CHARS:,} characters")
    if not isinstance(work, (Program, Plan, str)):
        raise PlanMismatch("a plan is due here (decorate the function with @fedsock.plan), or a task's name")
    for name, number in (("times", times), ("batch_size", batch_size or 1), ("min_rows", min_rows)):
        if type(number) is not int or number < 1:
            raise UnsupportedValue(f"{name}={number!r}: expected a whole number, 1 or more")
    times, reason = min(times, MOST_TIMES), why or ""
    plan: Pointer | None = None
    if isinstance(work, str):
        answer = await question(station, lambda id: messages.May(id, task=work, times=times, why=reason))
    else:
        plan = sent(station, work.plan if isinstance(work, Program) else work)
        ref = int(plan._record.id)
        answer = await question(
            station, lambda id: messages.May(id, ref, None, list(data), batch_size, min_rows, times, reason)
        )
    try:
        told = msgspec.convert(answer.policy, _Told)
    except msgspec.ValidationError as error:
        raise BadMessage(f"{station.name} answers what is no permission: {error}") from None
    asked = ExportRequest(plan, told.request, told.state) if plan is not None and told.request else None
    return Permission(told.allowed, told.rule, told.reason, told.next_step, told.lines, asked)
