"""What waits on entries at a worker, and the instruction to compute. Pure data, no I/O."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import msgspec

from fedsock.ops import Row
from fedsock.policy.facts import OPEN
from fedsock.protocol.messages import Deliver, Emitted, Failure, Get, Message, Op, Request, Transfer
from fedsock.worker.store import Entry, SessionStore

if TYPE_CHECKING:
    from fedsock.worker.emitting import Stream


class Job:
    """An op on its way: parked, being computed, or done.

    Attributes:
        store: whose op it is.
        op: its message.
        row: its row of the table.
        args: its arguments, entries in place of references.
        kwargs: the same by name.
        inputs: every entry among them, each held until the job is over.
        results: its results' entries.
        nested: entries stand inside lists, tuples or dicts too, or hold such.
        missing: inputs still pending.
        weight: bytes of arguments that came with it.
        over: it was cancelled or failed early: what it computes is dropped.
        withheld: success, failure, shape and dtype are not told.
        failure: why it fails, known before it is run, and withheld.
        public: its failures are worked out from what is public, and may be told.
        writing: it may be writing into its first input, so it can't be given up any more.
        stream: what it streams while it runs, if it does.
        plan: the digest of the plan that it runs or trains by; "": none.
    """

    kwargs: Mapping[str, Any] = MappingProxyType({})
    nested = False
    missing = 0
    weight = 0
    over = False
    withheld = False
    failure: Failure | None = None
    public = False
    writing = False
    stream: Stream | None = None
    plan = ""

    def __init__(
        self,
        store: SessionStore,
        op: Op,
        row: Row | None,
        results: list[Entry],
        args: list[Any] | None = None,
        inputs: list[Entry] | None = None,
    ) -> None:
        self.store = store
        self.op = op
        self.row = row
        self.results = results
        self.args: list[Any] = [] if args is None else args
        self.inputs: list[Entry] = [] if inputs is None else inputs

    def may_overwrite(self) -> bool:
        """Whether the first argument's memory is the session's alone and was given up with this op.

        Nothing private may get into it: its facts wouldn't know.
        """
        target = self.args[0] if self.args else None
        return (
            isinstance(target, Entry)
            and target.id in self.op.last
            and target.holds == 1
            and not target.shared
            and len(self.results) == 1
            and all(entry.facts is OPEN for entry in self.inputs)
        )


class Aside(Job):
    """What must be worked out before something else can go on, as the job of a Compute. It is no op.

    Attributes:
        then: goes on with that.
    """

    then: Callable[[], None]

    def followed_by(self, more: Callable[[], object]) -> None:
        """Have something more done behind that."""
        before = self.then

        def both() -> None:
            before()
            more()

        self.then = both


class Errand:
    """A Get, Transfer or Request that waits for its value; or one value that an op streams.

    Attributes:
        store: whose request it is.
        request: its message.
        entry: the value asked for, held until it was written, or refused.
    """

    __slots__ = ("entry", "request", "store")

    def __init__(self, store: SessionStore, request: Get | Transfer | Request | Emitted, entry: Entry) -> None:
        self.store = store
        self.request = request
        self.entry = entry


Waiting = Job | Errand


class Compute:
    """Instruction: run a function and tell the engine what came of it (``Engine.computed``).

    Attributes:
        job: the op it is for.
        function: plain and synchronous; runs on any thread.
        args: its arguments.
        kwargs: the same by name.
        seconds: how long it is expected to take.
    """

    __slots__ = ("args", "function", "job", "kwargs", "seconds")

    def __init__(
        self,
        job: Job,
        function: Callable[..., Any],
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        seconds: float,
    ) -> None:
        self.job = job
        self.function = function
        self.args = args
        self.kwargs = kwargs
        self.seconds = seconds

    def run(self) -> tuple[Any, Exception | None]:
        """Return (result, None), or (None, what it raised)."""
        try:
            return self.function(*self.args, **self.kwargs), None
        except Exception as error:
            return None, error


class Send(msgspec.Struct, frozen=True, gc=False):
    """Instruction: write a message on the link with a peer."""

    peer: str
    message: Message


class SendValue(msgspec.Struct, frozen=True):
    """Instruction: write a value on the link with a peer; its large arrays become streams.

    Attributes:
        peer: to whom.
        value: the value; it doesn't change any more.
        request: the Get that asked for it, or the Deliver or Emitted (its value still empty) that carries it.
        errand: what it answers; holds the value until it is written.
    """

    peer: str
    value: Any
    request: Get | Deliver | Emitted
    errand: Errand


class Stopped(msgspec.Struct, frozen=True, gc=False):
    """Instruction: cut no more chunks of a stream to a peer."""

    peer: str
    stream: int


Instruction = Send | SendValue | Stopped
