"""What to tell when a worker is gone, or operands are not where they should be."""

from __future__ import annotations

from fedsock.errors import Closed, FedsockError, HubLost, PointersApart, WorkerLost
from fedsock.protocol.link import LinkEnd
from fedsock.session.records import Record


def apart(name: str, record: Record) -> PointersApart:
    """Return the exception of an op at one worker with a record of another, or of another life of it.

    Args:
        name: of the worker of the op.
        record: of the operand that is elsewhere.
    """
    home = record.home
    if home.name == name:
        return PointersApart(
            f"operands belong to two lives of {name}, which was started anew; make the older one again"
        )
    return PointersApart(
        f"operands live at {name} and {home.name}; bring one over: write p.copy({home.name}) for the one "
        f"at {name}, or p.copy({name}) for the one at {home.name}"
    )


def loss_of(name: str, end: LinkEnd) -> FedsockError:
    """Return the exception that the end of a link with a worker means."""
    if end.reason == "closed":
        return Closed("this session was closed")
    if end.reason == "hub_lost":
        return HubLost("there was no hub for too long")
    reasons = {
        "lost": "it was away for too long",
        "bye": "it left",
        # Either end may have done it: this one too, over what the worker said.
        "reset": f"the link with it was reset ({end.code}); if it happens again, give both ends the same fedsock",
    }
    return WorkerLost(f"worker {name} is lost: {reasons.get(end.reason, end.reason)}")
