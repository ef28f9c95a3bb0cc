"""Every exception of fedsock and its code on the wire (floor 0: imports numpy's exception classes only).

FedsockError
├── ProtocolError             what a peer sent breaks "fedsock/1"
│   ├── BadFrame              a frame's head is not one; that socket is closed
│   ├── BadMessage            a body, message or value is not one; that link is reset
│   ├── IdReused              a result id was used twice on a link
│   └── UserChanged           a session's address is another user's now; that link is reset
├── UnsupportedValue          a value that can't travel (TypeError)
│   └── ValueTooLarge         more JSON, or deeper, than one value may be (also ValueError)
├── PlanError                 a plan that can't be made or used
│   ├── PlanInvalid           a text that is no plan
│   ├── PlanUnknown           no plan of that digest is kept (LookupError)
│   ├── PlanMismatch          arguments that aren't what the plan was traced for (TypeError)
│   ├── NotTraceable          code that no plan can record: it needs values while it is traced (TypeError)
│   └── NotDifferentiable     a gradient that there isn't (TypeError)
├── ConfigError               a configuration, option or file is wrong (ValueError)
├── ConnectionFailed          no conversation with a hub (ConnectionError)
│   ├── HubTimeout            no hub answered in time (also TimeoutError)
│   ├── NotAuthorized         the hub takes no such token, role or name (PermissionError)
│   ├── NameTaken             another live process holds the name
│   ├── Superseded            a newer socket of the same process took over
│   ├── HubLost               no hub for too long
│   └── Closed                this hub or session was closed here
├── WorkerTimeout             the worker did not join, or a value did not come, in time (TimeoutError)
├── WorkerLost                the worker went away; ``ran`` is "no" or "maybe"
├── BacklogFull               too much is queued; await something
├── FitError                  a federated fit that can't go on
│   ├── NotEnoughWorkers      fewer workers gave an update than the strategy needs
│   │   └── FitDenied         fewer owners let their workers' results leave; says which lines would
│   ├── UpdateRejected        what a worker gave can't be averaged (ValueError)
│   ├── WorkerStateLost       a worker no longer has what it kept between rounds
│   ├── CheckpointCorrupt     a checkpoint's file is none, or was damaged (ValueError)
│   └── CheckpointUnwritable  a round can't be kept on disk; the last checkpoint is as it was (OSError)
├── WrongLoop                 used from another thread or event loop (RuntimeError)
├── PointerError
│   ├── PointersApart         operands live at two workers (ValueError)
│   ├── PointersMixed         a pointer with a pointer to a pointer, or deeper nesting (TypeError)
│   ├── PointerReleased       used after release or move
│   ├── PointerTruthError     truth of a pointer (TypeError, ValueError)
│   ├── ImplicitFetch         something asked for the value without await (TypeError)
│   ├── InPlaceRefused        out=, in-place methods, local targets (TypeError)
│   ├── OwnerDataReadOnly     assignment through an owner's data set (ValueError)
│   └── MetadataNotReady      shape or dtype are not known yet: await p.wait()
└── RemoteError               what a worker answered; carries op, object_id and worker
    ├── OpFailed              the op ran and failed, or could not run
    │   ├── OpValueError, OpTypeError, OpIndexError, OpAxisError, OpKeyError, OpLinAlgError,
    │   │   OpZeroDivisionError, OpOverflowError, OpMemoryError   (each numpy's class too)
    │   ├── UnknownOp         the table has no such op (AttributeError)
    │   ├── OpCancelled       cancelled by p.cancel(), or depends on what was
    │   └── TaskFailed        a function of the worker's owner failed; the owner's log says why
    ├── UnknownObject         the worker holds no object of that id (KeyError)
    ├── QuotaExceeded         the session's bytes or objects at the worker are used up (MemoryError)
    ├── OpTooLong             the op would run longer than the worker's limits.op_seconds (RuntimeError)
    ├── TooLargeToFetch       larger than hub.max_fetch_bytes (ValueError)
    └── ExportDenied          the owner's policy keeps the value (PermissionError)
        ├── BudgetSpent       the privacy budget has less left than was asked for
        ├── QueriesSpent      the owner's number of queries is used up
        ├── LedgerUnwritable  the worker can't write down what is spent, so nothing is released
        └── AuditUnwritable   the worker can't write down what it decides, so nothing is released
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import numpy as np


class FedsockError(Exception):
    """The root of all that fedsock raises on purpose."""

    code: ClassVar[str] = "error"


class ProtocolError(FedsockError):
    """What a peer sent breaks the protocol."""

    code = "protocol"


class BadFrame(ProtocolError):
    """A frame's head is malformed; the socket it came by is closed."""

    code = "bad_frame"


class BadMessage(ProtocolError):
    """A body, message or value is malformed; the link it came by is reset."""

    code = "bad_message"


class IdReused(ProtocolError):
    """A result id was used twice on a link."""

    code = "id_reused"


class UserChanged(ProtocolError):
    """The hub says that a session is another user's than before; the link with it is reset."""

    code = "user_changed"


class UnsupportedValue(FedsockError, TypeError):
    """A value of a type or dtype that can't travel."""

    code = "unsupported_value"


class ValueTooLarge(UnsupportedValue, ValueError):
    """A value with more JSON, or nested deeper, than one value may have."""

    code = "value_too_large"


class PlanError(FedsockError):
    """A plan that can't be made or used."""

    code = "plan"


class PlanInvalid(PlanError, ValueError):
    """A text that is no plan: not JSON, of another version, or with steps that can't be."""

    code = "plan_invalid"


class PlanUnknown(PlanError, LookupError):
    """A worker's owner keeps no plan of that digest, or several that begin so."""

    code = "plan_unknown"


class PlanMismatch(PlanError, TypeError):
    """Arguments whose tree, dtype or number of axes are not what the plan was traced for."""

    code = "plan_mismatch"


class NotTraceable(PlanError, TypeError):
    """Code that no plan can record, for what it does depends on values that aren't there while it is traced."""

    code = "not_traceable"


class NotDifferentiable(PlanError, TypeError):
    """A gradient of what has none: an op without one on the way, an integer argument, or a result that is no scalar."""

    code = "not_differentiable"


class ConfigError(FedsockError, ValueError):
    """A configuration, an option or a file it names is wrong; says which and what is allowed."""

    code = "config"


class ConnectionFailed(FedsockError, ConnectionError):
    """No conversation with a hub."""

    code = "connection"


class HubTimeout(ConnectionFailed, TimeoutError):
    """No hub answered within the time given."""

    code = "hub_timeout"


class NotAuthorized(ConnectionFailed, PermissionError):
    """The hub takes no such token for this name and role."""

    code = "not_authorized"


class NameTaken(ConnectionFailed):
    """Another live process holds this name at the hub."""

    code = "name_taken"


class Superseded(ConnectionFailed):
    """A newer socket of the same process took over."""

    code = "superseded"


class HubLost(ConnectionFailed):
    """There was no hub for longer than a peer waits."""

    code = "hub_lost"


class Closed(ConnectionFailed):
    """This hub, session or worker was closed here."""

    code = "closed"


class WorkerTimeout(FedsockError, TimeoutError):
    """A worker did not join, not enough of them did, or a value was not here, within the time given."""

    code = "worker_timeout"


class WorkerLost(FedsockError):
    """The worker went away before it answered.

    Attributes:
        ran: "no" if the request never left this process, "maybe" otherwise.
    """

    code = "worker_lost"

    def __init__(self, message: str = "", *, ran: Literal["no", "maybe"] = "maybe") -> None:
        super().__init__(message)
        self.ran = ran


class BacklogFull(FedsockError):
    """More is queued for a worker than may be; await a result before sending more."""

    code = "backlog_full"


class FitError(FedsockError):
    """A federated fit can't go on."""

    code = "fit"


class NotEnoughWorkers(FitError):
    """Fewer workers than the strategy needs are there, or gave an update; says of each why not."""

    code = "not_enough_workers"


class FitDenied(NotEnoughWorkers):
    """Fewer owners than the strategy needs let results leave; nothing was trained. Says what would allow it.

    Attributes:
        permissions: name -> what that worker's owner says, its request among it.
    """

    code = "fit_denied"

    def __init__(self, message: str = "", permissions: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.permissions: Mapping[str, Any] = permissions or {}


class UpdateRejected(FitError, ValueError):
    """What a worker gave can't be averaged: another form, NaN or infinities, or an absurd weight."""

    code = "update_rejected"


class WorkerStateLost(FitError):
    """A worker no longer has the optimizer's state that it kept between rounds; says which, and what to do."""

    code = "worker_state_lost"


class CheckpointCorrupt(FitError, ValueError):
    """A checkpoint's file is none, or was damaged; says which."""

    code = "checkpoint_corrupt"


class CheckpointUnwritable(FitError, OSError):
    """A round can't be kept in a checkpoint; the one of the round before is as it was."""

    code = "checkpoint_unwritable"


class WrongLoop(FedsockError, RuntimeError):
    """A hub or its pointers were used from another thread or event loop."""

    code = "wrong_loop"


class PointerError(FedsockError):
    """The root of what a pointer refuses at once."""

    code = "pointer"


class PointersApart(PointerError, ValueError):
    """Operands live at two workers."""

    code = "pointers_apart"


class PointersMixed(PointerError, TypeError):
    """A pointer was mixed with a pointer to a pointer, or nested deeper."""

    code = "pointers_mixed"


class PointerReleased(PointerError):
    """The pointer was used after its release or move."""

    code = "released"


class PointerTruthError(PointerError, TypeError, ValueError):
    """The truth of a pointer was asked for; its value is not here."""

    code = "pointer_truth"


class ImplicitFetch(PointerError, TypeError):
    """Something asked for a pointer's value without an await."""

    code = "implicit_fetch"


class InPlaceRefused(PointerError, TypeError):
    """Stored values are immutable; says what to write instead."""

    code = "in_place"


class OwnerDataReadOnly(PointerError, ValueError):
    """An assignment through a pointer to an owner's data set."""

    code = "owner_data"


class MetadataNotReady(PointerError):
    """Shape or dtype are not known yet; ``await p.wait()`` makes them known."""

    code = "metadata_not_ready"


class RemoteError(FedsockError):
    """What a worker answered instead of a result.

    Attributes:
        op: the op's name, or None.
        object_id: the id of the object concerned, or None.
        worker: the worker's name, or None.
    """

    code = "remote"

    def __init__(
        self, message: str = "", *, op: str | None = None, object_id: int | str | None = None, worker: str | None = None
    ) -> None:
        super().__init__(message)
        self.op = op
        self.object_id = object_id
        self.worker = worker


class OpFailed(RemoteError):
    """An op ran and failed, or could not run."""

    code = "op_failed"


class OpValueError(OpFailed, ValueError):
    """numpy raised ValueError (shapes that don't broadcast, a bad argument)."""

    code = "op_value"


class OpTypeError(OpFailed, TypeError):
    """numpy raised TypeError (a dtype the op doesn't take, a wrong argument)."""

    code = "op_type"


class OpIndexError(OpFailed, IndexError):
    """numpy raised IndexError."""

    code = "op_index"


class _Plain(Exception):
    """Has its message as it came, not in the words of numpy's or Python's own class."""

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""


class OpAxisError(_Plain, OpFailed, np.exceptions.AxisError):
    """numpy raised AxisError (a ValueError and an IndexError)."""

    code = "op_axis"


class OpKeyError(_Plain, OpFailed, KeyError):
    """A tree has no such key."""

    code = "op_key"


class OpLinAlgError(OpFailed, np.linalg.LinAlgError):
    """numpy raised LinAlgError (a singular matrix, no convergence)."""

    code = "op_linalg"


class OpZeroDivisionError(OpFailed, ZeroDivisionError):
    """A Python scalar was divided by zero."""

    code = "op_zero_division"


class OpOverflowError(OpFailed, OverflowError):
    """A Python integer doesn't fit the dtype."""

    code = "op_overflow"


class OpMemoryError(OpFailed, MemoryError):
    """The worker's machine had no memory for the result."""

    code = "op_memory"


class UnknownOp(OpFailed, AttributeError):
    """The op table has no such op; an AttributeError too, for ``bob.np.name`` reads as one."""

    code = "unknown_op"


class OpCancelled(OpFailed):
    """The op was cancelled, or depends on one that was."""

    code = "cancelled"


class TaskFailed(OpFailed):
    """A function of the worker's owner failed; its name is all that is told."""

    code = "task_failed"


class UnknownObject(_Plain, RemoteError, KeyError):
    """The worker holds no object of that id for this session."""

    code = "unknown_object"


class QuotaExceeded(RemoteError, MemoryError):
    """The session's share of the worker's memory or objects is used up."""

    code = "quota"


class OpTooLong(RemoteError, RuntimeError):
    """The op is expected to run longer than the worker's owner lets any; it was not begun."""

    code = "op_too_long"


class TooLargeToFetch(RemoteError, ValueError):
    """The value is larger than ``hub.max_fetch_bytes``."""

    code = "too_large_to_fetch"


class ExportDenied(RemoteError, PermissionError):
    """The owner's policy keeps the value at the worker."""

    code = "export_denied"


class BudgetSpent(ExportDenied):
    """The privacy budget has less left than was asked for; says how much there is."""

    code = "budget_spent"


class QueriesSpent(ExportDenied):
    """As many queries were answered as the owner allows."""

    code = "queries_spent"


class LedgerUnwritable(ExportDenied):
    """The worker can't write to its ledger, so nothing that would have to be in it is released."""

    code = "ledger_unwritable"


class AuditUnwritable(ExportDenied):
    """The worker can't write to its audit file, so nothing that would have to be in it is released."""

    code = "audit_unwritable"


def _subclasses(root: type[FedsockError]) -> dict[str, type[FedsockError]]:
    table = {root.code: root}
    for child in root.__subclasses__():
        table.update(_subclasses(child))
    return table


BY_CODE: dict[str, type[FedsockError]] = _subclasses(FedsockError)
"""Wire code -> class. A code that is not here is read as RemoteError."""


def from_wire(code: str, message: str, **context: Any) -> FedsockError:
    """Return the exception that a wire error stands for.

    Args:
        code: a code of ``BY_CODE``; an unknown one gives RemoteError.
        message: its text; what a terminal would take for commands in it is replaced, for anybody may have sent it.
        context: op, object_id and worker, for RemoteError and below.
    """
    message = "".join(sign if sign.isprintable() or sign == "\n" else "\N{REPLACEMENT CHARACTER}" for sign in message)
    cls = BY_CODE.get(code, RemoteError)
    return cls(message, **context) if issubclass(cls, RemoteError) else cls(message)
