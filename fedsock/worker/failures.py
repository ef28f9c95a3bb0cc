"""How failures of ops are worded: safe to read, and never longer than a message takes. Pure, no I/O."""

from __future__ import annotations

import numpy as np

from fedsock.errors import (
    FedsockError,
    OpAxisError,
    OpCancelled,
    OpFailed,
    OpIndexError,
    OpKeyError,
    OpLinAlgError,
    OpMemoryError,
    OpOverflowError,
    OpTooLong,
    OpTypeError,
    OpValueError,
    OpZeroDivisionError,
    UnknownObject,
    UnknownOp,
)
from fedsock.policy.facts import OPEN
from fedsock.protocol.messages import Error, Failure
from fedsock.worker.arguments import shown
from fedsock.worker.jobs import Job

MESSAGE_CHARS = 500
"""Of what numpy says of a failure, at most this much is passed on."""

ARGUMENTS_SHOWN = 8
"""Of the arguments of a failed op, at most so many are described."""

TEXT_CHARS = 2_000
"""No error's text is longer; ``messages.Text`` takes more."""

# Most special class first: AxisError is both a ValueError and an IndexError, LinAlgError a ValueError.
_OP_ERRORS: tuple[tuple[type[BaseException], type[OpFailed]], ...] = (
    (np.exceptions.AxisError, OpAxisError),
    (np.linalg.LinAlgError, OpLinAlgError),
    (ZeroDivisionError, OpZeroDivisionError),
    (OverflowError, OpOverflowError),
    (MemoryError, OpMemoryError),
    (KeyError, OpKeyError),
    (IndexError, OpIndexError),
    (TypeError, OpTypeError),
    (ValueError, OpValueError),
)


def op_error_class(error: BaseException) -> type[OpFailed]:
    """Return the OpFailed subclass that stands for an exception an op's function raised.

    Args:
        error: what numpy (or Python) raised.
    """
    for raised, ours in _OP_ERRORS:
        if isinstance(error, raised):
            return ours
    return OpFailed


def step_failure(error: Exception, private: bool) -> FedsockError:
    """Return what is told of a plan's step that failed: which one, where it was written, and numpy's words.

    On private data no words: only which step it was, for that follows from shapes and dtypes, as its failure does.

    Args:
        error: what it raised, with the notes of the replay.
        private: some input of the plan is.
    """
    ours = type(error) if isinstance(error, FedsockError) else op_error_class(error)
    said = "failed on private data" if private else str(error) or type(error).__name__
    where = "; ".join(getattr(error, "__notes__", []))
    return ours(f"{said} ({where})" if where else said)


def failure_of(worker: str, job: Job, error: Exception) -> Failure:
    """Return an op's failure: worker, op, shapes and dtypes; none of numpy's words on private data.

    Args:
        worker: its name.
        job: the op.
        error: what it raised.
    """
    op = job.op.fn
    described = [shown(arg) for arg in job.args[:ARGUMENTS_SHOWN]]
    if (more := len(job.args) - ARGUMENTS_SHOWN) > 0:
        described.append(f"and {more} more")
    where = f"{op} at {worker}({', '.join(described)})"
    code = error.code if isinstance(error, FedsockError) else op_error_class(error).code
    told = job.public and isinstance(error, FedsockError)
    if any(entry.facts is not OPEN for entry in job.inputs) and not told:
        text = f"{where} failed on private data"
    else:
        said = str(error.args[0] if isinstance(error, KeyError) and error.args else error)[:MESSAGE_CHARS]
        text = f"{where}: {said or type(error).__name__}"
    return Failure(job.op.id, code, cut(text), op)


def why_unrunnable(worker: str, job: Job, cancelled: bool, unknown: int | str | None) -> FedsockError:
    """Return why an op can't be run whatever its inputs are.

    Args:
        worker: its name.
        job: the op.
        cancelled: it was, before it came to be run.
        unknown: what it refers to that isn't there.
    """
    if cancelled:
        return OpCancelled(f"{job.op.id} was cancelled")
    if job.row is None:
        return UnknownOp(f"{worker} has no op {job.op.fn!r}; python -m fedsock.ops lists those there are")
    return UnknownObject(f"{worker} holds no object {unknown!r} of this session")


def too_long(cost: float, most: float) -> OpTooLong:
    """Return why an op is refused before it begins.

    Args:
        cost: seconds that it is expected to take.
        most: seconds that any may take.
    """
    return OpTooLong(
        f"it is expected to take {cost:,.0f} seconds, and no op may take more than {most:,} here "
        "(limits.op_seconds): work on parts of the data"
    )


def failed_because(id: int, n: int, first: Failure, op: str | None) -> Error:
    """Return the Error of what was not done because something else failed first.

    Args:
        id: first id without a value.
        n: how many.
        first: the first failure.
        op: the op that was not run; None where the failure itself is told again.
    """
    if op is None:
        return Error(id=id, n=n, code=first.code, message=first.message, op=first.op, object=first.id)
    return Error(id=id, n=n, code=first.code, message=cut(f"{op} was not run: {first.message}"), op=op, cause=first)


def cut(text: str) -> str:
    """Return a text of at most ``TEXT_CHARS``; of a longer one, its beginning."""
    return text if len(text) <= TEXT_CHARS else text[: TEXT_CHARS - 2] + " …"


def not_run() -> None:
    """Stand for an op that fails without being run.

    Raises:
        OpFailed: always; its job knows why.
    """
    raise OpFailed("not run")
