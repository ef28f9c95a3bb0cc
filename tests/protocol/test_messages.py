"""Messages: every class comes back as it was, and bodies that are no list of them are refused."""

from __future__ import annotations

import contextlib
import json
from typing import Any, get_args

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedsock.errors import BadMessage
from fedsock.protocol import messages
from fedsock.protocol.messages import encode, to_session, to_worker

ID = st.integers(1, 2**53 - 1)
NAME = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
REF = ID | NAME
TAGS = st.lists(NAME, max_size=3)
COUNT = st.integers(1, 1_000_000)
SHAPE = st.none() | st.lists(st.integers(0, 2**40), max_size=3)
TREE = st.none() | st.integers(-(2**63), 2**63 - 1) | NAME | st.lists(st.booleans(), max_size=2)
OPTIONAL = st.none() | NAME
DESCRIBED = st.builds(
    messages.Described,
    id=REF,
    dtype=OPTIONAL,
    shape=SHAPE,
    nbytes=st.none() | ID,
    kind=NAME,
    tags=TAGS,
    description=NAME,
    private=st.booleans(),
)
FAILURE = st.builds(messages.Failure, id=ID, code=NAME, message=NAME, op=OPTIONAL)
STOP = st.builds(messages.Stop, stream=ID)
ADDRESS = st.from_regex(r"[a-z0-9][a-z0-9_.-]{0,62}@[0-9a-f]{4,32}", fullmatch=True)
PAIR = st.lists(ID, min_size=2, max_size=2)
TO_WORKER = st.one_of(
    st.builds(messages.Open),
    st.builds(
        messages.Op,
        id=ID,
        fn=NAME,
        args=st.lists(TREE, max_size=3),
        kw=st.dictionaries(NAME, TREE, max_size=3),
        n=COUNT,
        last=st.lists(ID, max_size=3),
    ),
    st.builds(messages.Put, id=ID, value=TREE, tags=TAGS, description=NAME),
    st.builds(messages.Get, id=ID, ref=REF, limit=st.none() | st.integers(0, 2**60)),
    st.builds(messages.Release, ids=st.lists(ID | PAIR, max_size=4)),
    st.builds(messages.Cancel, ids=st.lists(ID, max_size=4)),
    st.builds(
        messages.Ask,
        id=ID,
        about=st.sampled_from(["ping", "stats", "objects", "search", "clear"]),
        tags=TAGS,
        after=st.none() | REF,
    ),
    st.builds(messages.Expect, id=ID, sender=ADDRESS),
    st.builds(messages.Transfer, id=ID, ref=REF, to=ADDRESS, as_id=ID),
    st.builds(messages.Fail, id=ID, code=NAME, message=NAME),
    st.builds(messages.Deliver, session=ADDRESS, id=ID, value=TREE),
    STOP,
)  # fmt: skip
TO_SESSION = st.one_of(
    st.builds(messages.Offer, datasets=st.lists(DESCRIBED, max_size=3), more=st.booleans()),
    st.builds(messages.Done, id=ID, n=COUNT, dtype=OPTIONAL, shape=SHAPE, kind=NAME, withheld=st.booleans()),
    st.builds(
        messages.Error,
        id=ID,
        code=NAME,
        message=NAME,
        n=COUNT,
        op=OPTIONAL,
        object=st.none() | REF,
        cause=st.none() | FAILURE,
    ),
    st.builds(messages.Value, id=ID, value=TREE),
    st.builds(
        messages.Answer,
        id=ID,
        records=st.lists(DESCRIBED, max_size=3),
        stats=st.dictionaries(NAME, st.integers(0, 2**60), max_size=3),
        next=st.none() | REF,
    ),
    STOP,
)


def body(batch: list[Any]) -> bytes:
    """Write a batch as a frame's body."""
    return b"[" + b",".join(map(encode, batch)) + b"]"


@given(batch=st.lists(TO_WORKER, max_size=5))
def test_round_trip_to_worker(batch: list[Any]) -> None:
    assert to_worker(body(batch)) == batch
    assert to_worker(memoryview(body(batch))) == batch


@given(batch=st.lists(TO_SESSION, max_size=5))
def test_round_trip_to_session(batch: list[Any]) -> None:
    assert to_session(body(batch)) == batch


def test_defaults_are_left_out() -> None:
    assert encode(messages.Op(id=1, fn="add")) == b'{"t":"op","id":1,"fn":"add"}'
    assert encode(messages.Open()) == b'{"t":"open"}'


@pytest.mark.parametrize(
    "text", ["", "no address", "bob", "bob@", "Bob@0001", "bob@0001\n", "bob@xyz1", "b" * 64 + "@0001"]
)
def test_addresses_that_are_none(text: str) -> None:
    for message in (messages.Expect(1, text), messages.Transfer(1, 1, text, 1), messages.Deliver(text, 1, None)):
        with pytest.raises(BadMessage):
            to_worker(body([message]))


def test_tags_are_unique() -> None:
    for union in (messages.ToWorker, messages.ToSession):
        tags = [kind.__struct_config__.tag for kind in get_args(union)]
        assert len(set(tags)) == len(tags)


REFUSED = [
    b"", b"NaN", b"[NaN]", b"null", b"{}", b"3", b'"x"', b"[3]", b"[null]", b"[[]]", b"[{}]", b"\xff", b"[", b"[] []",
    b"[" * 5000 + b"]" * 5000,
    b'[{"t":"put","id":1,"value":NaN}]', b'[{"t":"put","id":1,"value":Infinity}]',
    b'[{"t":"put","id":1,"value":1e400}]',
    b'[{"t":"put","id":1,"value":"\\ud800"}]', b'[{"t":"put","id":1,"value":"\xed\xa0\x80"}]',
    b'[{"t":"put","id":1,"value":' + b"[" * 3000 + b"]" * 3000 + b"}]",
]  # fmt: skip


@pytest.mark.parametrize("text", REFUSED, ids=lambda text: repr(text[:40]))
def test_bodies_that_are_no_messages(text: bytes) -> None:
    for read in (to_worker, to_session):
        with pytest.raises(BadMessage, match="no list of messages") as caught:
            read(text)
        assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    "fields",
    [
        {}, {"t": None}, {"t": "nothing"}, {"t": 1}, {"t": "done", "id": 1}, {"t": "open", "x": 1},
        {"t": "op", "fn": "add"}, {"t": "op", "id": 1}, {"t": "op", "id": 1, "fn": None},
        {"t": "op", "id": 1, "fn": "x" * 201}, {"t": "op", "id": 1, "fn": "add", "args": None},
        {"t": "op", "id": 1, "fn": "add", "args": {}}, {"t": "op", "id": 1, "fn": "add", "kw": []},
        {"t": "op", "id": 1, "fn": "add", "n": 0}, {"t": "op", "id": 1, "fn": "add", "n": 1_000_001},
        {"t": "op", "id": 1, "fn": "add", "n": None}, {"t": "op", "id": 1, "fn": "add", "last": [0]},
        {"t": "put", "id": 1}, {"t": "put", "id": 1, "value": 1, "tags": ["x"] * 101},
        {"t": "put", "id": 1, "value": 1, "tags": ["x" * 201]}, {"t": "put", "id": 1, "value": 1, "tags": [None]},
        {"t": "put", "id": 1, "value": 1, "description": "x" * 10_001},
        {"t": "get", "id": 1, "ref": None}, {"t": "get", "id": 1, "ref": 1.5}, {"t": "get", "id": 1, "ref": True},
        {"t": "get", "id": 1, "ref": 0}, {"t": "get", "id": 1, "ref": 1, "limit": -1},
        {"t": "release", "ids": [[1]]}, {"t": "release", "ids": [[1, 2, 3]]}, {"t": "release", "ids": [[0, 2]]},
        {"t": "release", "ids": None}, {"t": "release", "ids": ["a"]}, {"t": "cancel", "ids": [None]},
        {"t": "ask", "id": 1, "about": "secrets"}, {"t": "ask", "id": 1, "about": None},
        {"t": "expect", "id": 1, "sender": "x" * 101}, {"t": "transfer", "id": 1, "ref": 1, "to": "a@b"},
        {"t": "deliver", "session": 1, "id": 1, "value": 1}, {"t": "stop", "stream": None},
        *({"t": "stop", "stream": bad} for bad in (0, -1, 2**53, 2**64, 1.0, 1.5, True, "1", [1])),
    ],
    ids=lambda fields: str(fields)[:60],
)  # fmt: skip
def test_fields_that_a_worker_refuses(fields: dict[str, Any]) -> None:
    with pytest.raises(BadMessage):
        to_worker(json.dumps([fields]).encode())


@pytest.mark.parametrize(
    "fields",
    [
        {"t": "op", "id": 1, "fn": "add"}, {"t": "done"}, {"t": "done", "id": None}, {"t": "done", "id": 1, "x": 0},
        {"t": "done", "id": 1, "shape": [None]}, {"t": "done", "id": 1, "shape": [1.5]},
        {"t": "done", "id": 1, "withheld": 1}, {"t": "done", "id": 1, "dtype": 3}, {"t": "error", "id": 1},
        {"t": "error", "id": 1, "code": "x", "message": "y", "cause": {}},
        {"t": "answer", "id": 1, "stats": {"a": None}},
        {"t": "error", "id": 1, "code": "x", "message": "y", "cause": {"id": 1, "code": "x", "message": "", "t": 1}},
        {"t": "answer", "id": 1, "stats": {"a": 1.5}}, {"t": "offer", "datasets": [{}]}, {"t": "offer"},
        {"t": "offer", "datasets": [{"id": "a", "x": 1}]}, {"t": "value", "id": 1},
    ],
    ids=lambda fields: str(fields)[:60],
)  # fmt: skip
def test_fields_that_a_session_refuses(fields: dict[str, Any]) -> None:
    with pytest.raises(BadMessage):
        to_session(orjson.dumps([fields]))


@given(data=st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    for read in (to_worker, to_session):
        with contextlib.suppress(BadMessage):
            assert list(read(data)) == []


def test_messages_are_frozen() -> None:
    with pytest.raises(AttributeError):
        messages.Stop(stream=1).stream = 2  # type: ignore[misc]


@pytest.mark.parametrize("shape", [[-1], [0] * 65])
def test_shapes_that_are_told_are_shapes(shape: list[int]) -> None:
    with pytest.raises(BadMessage):
        to_session(orjson.dumps([{"t": "done", "id": 1, "dtype": "float64", "shape": shape}]))
