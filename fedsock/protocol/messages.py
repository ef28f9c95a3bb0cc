"""The messages of a link, one class each, and how a batch of them is read and written.

A message is a JSON object with a field ``t``; the body of a frame is a list of them. Reading checks every field
against its type, refuses unknown fields and unknown ``t``, and never guesses.

Ids are integers chosen by the session, rising along a link and never used twice; an op with n results takes n ids
in a row. A *ref* is an id or the name of an owner's data set; ``mock:`` before the name means made-up data of the same
shape and dtype, where they are offered. No data set's own name begins so.

A key that comes twice in an object of a body counts as it comes last. Only the peer that a body is for reads it, so
there is no second reader who could take it otherwise, and what counts is checked like all else; a frame's head, which
the hub reads too, must name each key once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Any, Literal, TypeVar

import msgspec
import orjson

from fedsock.errors import BadMessage
from fedsock.protocol.frames import ADDRESS_PATTERN
from fedsock.protocol.parts import EMITTED_BYTES as EMITTED_BYTES
from fedsock.protocol.parts import EMITTED_LARGEST as EMITTED_LARGEST
from fedsock.protocol.parts import EMITTED_MOST as EMITTED_MOST
from fedsock.protocol.parts import Count, Id, Name, Ref, Shape, Tags, Text
from fedsock.protocol.parts import Described as Described
from fedsock.protocol.parts import Failure as Failure
from fedsock.protocol.parts import Offered as Offered

MOCK = "mock:"
"""What the names of made-up data begin with."""

Address = Annotated[str, msgspec.Meta(max_length=100, pattern=rf"\A{ADDRESS_PATTERN}\Z")]


class Message(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True, omit_defaults=True, tag_field="t"):
    """What every message is: frozen, and strict about its fields."""


class Open(Message, frozen=True, tag="open"):
    """Session -> worker, first on a link: what do you offer? Answered by Offer."""


class Op(Message, frozen=True, tag="op"):
    """Session -> worker: run an op.

    Attributes:
        id: the id of the first result.
        fn: the op's name.
        args: values as JSON trees, references among them.
        kw: the same by name.
        n: how many results, and ids, it has.
        last: ids that the session gives up with this op: the worker may write in place.
    """

    id: Id
    fn: Name
    args: list[Any] = []
    kw: dict[str, Any] = {}
    n: Count = 1
    last: list[Id] = []


class Put(Message, frozen=True, tag="put"):
    """Session -> worker: keep a value; its large arrays follow as streams."""

    id: Id
    value: Any
    tags: Tags = []
    description: Text = ""


class Get(Message, frozen=True, tag="get"):
    """Session -> worker: send a value home. Answered by Value or Error of the same id.

    Attributes:
        id: of this request.
        ref: of the value.
        limit: bytes above which TooLargeToFetch is the answer; None: no limit.
    """

    id: Id
    ref: Ref
    limit: Annotated[int, msgspec.Meta(ge=0)] | None = None


class Release(Message, frozen=True, tag="release"):
    """Session -> worker: forget objects; ids and inclusive [first, last] ranges."""

    ids: list[Id | Annotated[list[Id], msgspec.Meta(min_length=2, max_length=2)]]


class Cancel(Message, frozen=True, tag="cancel"):
    """Session -> worker: give up ops that have not finished; they and what depends on them fail."""

    ids: list[Id]


class Taken(Message, frozen=True, tag="taken"):
    """Session -> worker: values that an op streamed were taken, so that as many others may come.

    Attributes:
        id: of the op.
        number: of the last that was taken, and with it all before.
    """

    id: Id
    number: Id


class Ask(Message, frozen=True, tag="ask"):
    """Session -> worker: a question about the session's own objects or the worker. Answered by Answer.

    Attributes:
        id: of this request.
        about: what.
        tags: what is searched has all of them.
        after: of objects or a search: go on behind this one, the ``next`` of an Answer; None: begin.
        ref: what the question is about: of "policy" a data set, of "export" any value.
    """

    id: Id
    about: Literal["ping", "stats", "objects", "search", "clear", "policy", "export"]
    tags: Tags = []
    after: Ref | None = None
    ref: Ref | None = None


class Expect(Message, frozen=True, tag="expect"):
    """Session -> worker: another worker will deliver the value of this id."""

    id: Id
    sender: Address


class Transfer(Message, frozen=True, tag="transfer"):
    """Session -> worker: deliver a value to another worker. Answered by Done or Error of the same id.

    Attributes:
        id: of this request.
        ref: of the value.
        to: the other worker's address.
        as_id: the id that the other worker expects it under.
    """

    id: Id
    ref: Ref
    to: Address
    as_id: Id


class Request(Message, frozen=True, tag="request"):
    """Session -> worker: ask the owner to let a value leave. Answered by Requested or Error of the same id.

    Attributes:
        id: of this message.
        ref: of the value.
        why: what it is needed for, for the owner to read.
    """

    id: Id
    ref: Ref
    why: Annotated[str, msgspec.Meta(min_length=1, max_length=2_000)]


class Outcome(Message, frozen=True, tag="outcome"):
    """Session -> worker: what became of a request? Answered, once the owner has, by Requested or Error.

    Attributes:
        id: of this message.
        number: the request's.
    """

    id: Id
    number: Id


class May(Message, frozen=True, tag="may"):
    """Session -> worker: may results of a plan or task leave for its user? Answered by Answer or Error of the same id.

    Attributes:
        id: of this message.
        ref: of the plan, a text that the session sent; None: it is about a task.
        task: the task's name.
        data: the data sets that the plan works on.
        batch: rows of a step, where the plan is a loss to train by; None: all at once.
        least: a remainder of fewer rows is no step of its own.
        times: how many results are wanted.
        why: what they are needed for, if the owner is to be asked where it needs that; "" asks nobody.
    """

    id: Id
    ref: Id | None = None
    task: Name | None = None
    data: list[Name] = []
    batch: Id | None = None
    least: Id = 1
    times: Count = 1
    why: Annotated[str, msgspec.Meta(max_length=2_000)] = ""


class Fail(Message, frozen=True, tag="fail"):
    """Session -> worker: an expected value will not come."""

    id: Id
    code: Name
    message: Text = ""


class Deliver(Message, frozen=True, tag="deliver"):
    """Worker -> worker: the value that a session announced with Expect."""

    session: Address
    id: Id
    value: Any


class Stop(Message, frozen=True, tag="stop"):
    """Receiver -> sender of a stream: send no more of it."""

    stream: Id


class Offer(Message, frozen=True, tag="offer"):
    """Worker -> session: the owner's data sets, what is made up beside them, and tasks, in one Offer or several.

    Attributes:
        datasets: some of them.
        more: another Offer follows.
        tasks: some of them.
    """

    datasets: list[Described]
    more: bool = False
    tasks: list[Offered] = []


class Done(Message, frozen=True, tag="done"):
    """Worker -> session: ids ``id`` to ``id + n - 1`` are there, all of one dtype and shape.

    Attributes:
        dtype: its name; None for what is no array.
        shape: sizes; None for what is no array.
        kind: see Described.
        withheld: dtype and shape could tell something private, so they are not told.
    """

    id: Id
    n: Count = 1
    dtype: Name | None = None
    shape: Shape | None = None
    kind: Name = "array"
    withheld: bool = False


class Error(Message, frozen=True, tag="error"):
    """Worker -> session: ids ``id`` to ``id + n - 1`` have no value, or a request failed.

    Attributes:
        code: see ``fedsock.errors``.
        message: safe to read: it never shows what is private.
        op: the op's name.
        object: the object concerned.
        cause: the first failure, where this one follows from another.
    """

    id: Id
    code: Name
    message: Text
    n: Count = 1
    op: Name | None = None
    object: Ref | None = None
    cause: Failure | None = None


class Emitted(Message, frozen=True, tag="emitted"):
    """Worker -> session: a value that a running op streams; large arrays follow as streams.

    They come in order, all before the op's Done or Error; at most ``EMITTED_MOST``, of ``EMITTED_BYTES``, beyond those
    that the session said it has ``Taken``.

    Attributes:
        id: of the op's first result.
        number: 1, 2, 3, …
        value: the value.
        refused: why the owner keeps all further ones; then there is no value.
    """

    id: Id
    number: Id
    value: Any = None
    refused: Failure | None = None


class Value(Message, frozen=True, tag="value"):
    """Worker -> session: the answer to Get; large arrays follow as streams."""

    id: Id
    value: Any


class Answer(Message, frozen=True, tag="answer"):
    """Worker -> session: the answer to Ask, or a page of it, and to May.

    Attributes:
        id: of the request.
        records: what was asked for.
        stats: counters.
        next: there may be more: ask again, ``after`` this. (A page may be short, even empty.)
        policy: what the owner's policy says of what was asked about.
    """

    id: Id
    records: list[Described] = []
    stats: dict[str, int] = {}
    next: Ref | None = None
    policy: dict[Name, Any] = {}


class Requested(Message, frozen=True, tag="requested"):
    """Worker -> session: the answer to Request and Outcome.

    Attributes:
        id: of the message.
        number: the owner's number of the request; 0 where nobody need be asked.
        state: where it stands.
    """

    id: Id
    number: Annotated[int, msgspec.Meta(ge=0, lt=2**53)]
    state: Literal["waiting", "approved", "denied"]


ToWorker = (
    Op
    | Put
    | Get
    | Release
    | Cancel
    | Taken
    | Ask
    | Expect
    | Transfer
    | Request
    | Outcome
    | May
    | Fail
    | Deliver
    | Stop
    | Open
)
ToSession = Done | Error | Emitted | Value | Answer | Offer | Requested | Stop


class _BatchToWorker(msgspec.Struct):
    """A body, as a class: msgspec keeps what it has worked out of a class, but not of a bare list's type."""

    messages: list[ToWorker]


class _BatchToSession(msgspec.Struct):
    """A body, as a class."""

    messages: list[ToSession]


_Batch = TypeVar("_Batch", _BatchToWorker, _BatchToSession)


def _decode(body: bytes | memoryview, kind: type[_Batch]) -> _Batch:
    try:
        return msgspec.convert({"messages": orjson.loads(body)}, kind)
    except (msgspec.ValidationError, orjson.JSONDecodeError, RecursionError) as error:
        raise BadMessage(f"a body that is no list of messages: {str(error)[:200]}") from None


def to_worker(body: bytes | memoryview) -> Sequence[ToWorker]:
    """Return the messages in a body that came to a worker.

    Raises:
        BadMessage: not JSON, or not messages that a worker takes.
    """
    return _decode(body, _BatchToWorker).messages


def to_session(body: bytes | memoryview) -> Sequence[ToSession]:
    """Return the messages in a body that came to a session.

    Raises:
        BadMessage: not JSON, or not messages that a session takes.
    """
    return _decode(body, _BatchToSession).messages


encode: Callable[[Message], bytes] = msgspec.json.Encoder().encode
"""Return a message's JSON; trees in it are what ``values.to_json`` gave, or ``msgspec.Raw`` of that as JSON."""
