"""The vectors in tests/vectors, against codec, link, engine and hub; tests/vectors/README.md explains them."""

from __future__ import annotations

import asyncio
import base64
import json
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, get_args

import msgspec
import numpy as np
import orjson
import pytest

from fedsock import errors
from fedsock.errors import BadFrame, BadMessage, IdReused
from fedsock.hub.server import HubServer
from fedsock.peer.past import LINK_OVER
from fedsock.protocol import arrays, frames, values
from fedsock.protocol import hubmessages as hm
from fedsock.protocol import messages as m
from fedsock.protocol.link import UNKNOWN_LINK, Link
from fedsock.protocol.values import Reference
from fedsock.transport.base import TransportClosed
from fedsock.transport.websocket import dial
from tests.protocol.neutral import build, describe
from tests.protocol.vectors import FILES, LISTS, NEWS, VECTORS, Vector, data, each, play, texts, told
from tests.worker.driver import Driver

# Both ways


@each("frames", "frames")
def test_frames(vector: Vector) -> None:
    head, body = vector["head"], data(vector, "body")
    fields = {key: value for key, value in head.items() if key not in ("to", "from", "ack")}
    built = frames.build(head["to"], head["from"], head["ack"], body=body, **fields)
    assert built == data(vector, "frame")
    assert frames.carries_chunk(built) == vector["binary"]
    for frame in texts(vector, "frame"):
        read, rest = frames.split(frame)
        typed = frames.link_head(read)
        assert {**{key: getattr(typed, key) for key in fields}, "ack": typed.ack} == {**fields, "ack": head["ack"]}
        assert (typed.to, typed.sender, bytes(rest)) == (head["to"], head["from"], body)
        assert frames.is_binary(read) == vector["binary"]


def of_hub(frame: bytes) -> hm.FromHub:
    head, body = frames.split(frame)
    assert not body
    return hm.decode(head)


def one_of(batch: Sequence[m.Message]) -> m.Message:
    (message,) = batch
    return message


READ: dict[tuple[str, str], Callable[[bytes], Any]] = {
    ("hub_messages", "from_peer"): hm.from_peer,
    ("hub_messages", "from_hub"): of_hub,
    ("link_messages", "to_worker"): lambda text: one_of(m.to_worker(b"[" + text + b"]")),
    ("link_messages", "to_session"): lambda text: one_of(m.to_session(b"[" + text + b"]")),
}
"""List -> what reads its messages."""

MESSAGES: dict[tuple[str, str], Any] = {
    ("hub_messages", "from_peer"): hm.FromPeer,
    ("hub_messages", "from_hub"): hm.FromHub,
    ("link_messages", "to_worker"): m.ToWorker,
    ("link_messages", "to_session"): m.ToSession,
}
"""List -> the messages of its kind."""


@pytest.mark.parametrize(
    ("place", "vector"),
    [pytest.param(place, vector, id=vector["name"]) for place in READ for vector in FILES[place[0]][place[1]]],
)
def test_messages(place: tuple[str, str], vector: Vector) -> None:
    key, encode = ("frame", hm.encode) if place[0] == "hub_messages" else ("json", m.encode)
    read, text = READ[place], data(vector, key)
    assert encode(read(text)) == text
    # Of a default that is said all the same it is no matter whether it is written.
    assert told(read(encode(msgspec.convert(vector["message"], MESSAGES[place])))) == vector["message"]
    for form in texts(vector, key):
        assert told(read(form)) == vector["message"]
        assert hm.is_from_peer(form) or place[1] != "from_peer"


@each("link_messages", "batches")
def test_batches(vector: Vector) -> None:
    read = {"to_worker": m.to_worker, "to_session": m.to_session}[vector["way"]](data(vector, "body"))
    assert [told(message) for message in read] == vector["messages"]


@each("values", "values")
def test_values(vector: Vector) -> None:
    assert values.dumps(values.to_json(build(vector["value"]))) == data(vector, "json")
    for text in texts(vector, "json"):
        assert describe(values.from_json(orjson.loads(text), Reference)) == vector["value"]


@each("values", "streams")
def test_streams(vector: Vector) -> None:
    sent: list[bytes] = []
    value = build(vector["value"])
    tree = values.to_json(value, lambda array: (sent.append(bytes(arrays.raw(array))), len(sent))[1])
    assert values.dumps(tree) == data(vector, "json")
    cut = {chunk["stream"]: b"" for chunk in vector["chunks"]}
    for chunk in vector["chunks"]:
        assert chunk["at"] == len(cut[chunk["stream"]])
        cut[chunk["stream"]] += base64.b64decode(chunk["base64"])
    assert [cut[number + 1] for number in range(len(cut))] == sent
    assert describe(arrive(vector)) == vector["value"]


def arrive(vector: Vector) -> Any:
    """Return the value that arrives when its JSON and then its chunks do; all of them are due."""
    filling: dict[int, arrays.Incoming] = {}

    def announced(dtype: Any, shape: tuple[int, ...], nbytes: int, stream: int) -> Any:
        filling[stream] = arrays.Incoming(dtype, shape)
        return filling[stream].array

    value = values.from_json(orjson.loads(data(vector, "json")), None, announced)
    for chunk in vector["chunks"]:
        filling[chunk["stream"]].write(chunk["at"], memoryview(base64.b64decode(chunk["base64"])))
    assert all(incoming.complete for incoming in filling.values())
    return value


# Refused


async def outcome(hub: HubServer, *sent: tuple[bytes, bool]) -> tuple[str, int]:
    """Send frames on a socket of their own; return the code of the hub's refusal and that of the socket's end."""
    transport = await dial(hub.url, timeout=10)
    code = ""
    try:
        for frame, binary in sent:
            await transport.send(frame, binary=binary)
        while True:
            head, _ = frames.split(await asyncio.wait_for(transport.recv(), 10))
            code = head.get("code", code)
    except TransportClosed as closed:
        return code, closed.code
    finally:
        transport.abort()


@pytest.mark.parametrize("name", ["first_frames", "frames_to_hub"])
async def test_a_hub_refuses(name: str) -> None:
    hello = hm.encode(hm.Hello("s-5f1c", "91d0", "session", "0123456789abcdef"))
    before = [(hello, False)] if name == "frames_to_hub" else []
    hub = HubServer(port=0)
    await hub.start()
    try:
        found = {
            vector["name"]: await outcome(hub, *before, (data(vector, "frame"), vector.get("binary", False)))
            for vector in FILES["refused"][name]
        }
    finally:
        await hub.close()
    assert found == {vector["name"]: (vector["code"], vector["close"]) for vector in FILES["refused"][name]}


@each("refused", "frames_to_peer")
def test_a_peer_refuses_a_frame(vector: Vector) -> None:
    with pytest.raises(BadFrame):
        head, _ = frames.split(data(vector, "frame"))
        (frames.link_head if "to" in head else hm.decode)(head)
    assert vector["code"] == BadFrame.code


@each("refused", "to_worker")
def test_a_worker_refuses_a_body(vector: Vector) -> None:
    with pytest.raises(BadMessage):
        m.to_worker(data(vector, "body"))
    assert vector["code"] == BadMessage.code


@each("refused", "to_session")
def test_a_session_refuses_a_body(vector: Vector) -> None:
    with pytest.raises(BadMessage):
        m.to_session(data(vector, "body"))
    assert vector["code"] == BadMessage.code


@each("refused", "values")
def test_a_value_is_refused(vector: Vector) -> None:
    with pytest.raises(BadMessage):
        values.from_json(orjson.loads(data(vector, "json")), Reference)
    assert vector["code"] == BadMessage.code


@each("refused", "streams")
def test_a_stream_is_refused(vector: Vector) -> None:
    with pytest.raises(BadMessage):
        arrive(vector)
    assert vector["code"] == BadMessage.code


@each("refused", "sequences")
def test_a_worker_refuses_the_last_of_bodies(vector: Vector) -> None:
    driver = Driver()
    *before, last = vector["bodies"]
    for body in before:
        driver.run(driver.engine.receive("s-5f1c@91d0", m.to_worker(body.encode())))
    with pytest.raises((BadMessage, IdReused)) as raised:
        driver.run(driver.engine.receive("s-5f1c@91d0", m.to_worker(last.encode())))
    assert raised.value.code == vector["code"]


# Conversations


@each("conversations", "conversations")
def test_conversations(vector: Vector) -> None:
    (one, address), (two, other) = vector["peers"].items()
    base = vector["base"]
    links = {one: Link(address, other, now=0.0, base=base), two: Link(other, address, now=0.0, base=base)}
    for step in vector["steps"]:
        play(links[step["who"]], step)


@each("conversations", "conversations")
def test_what_is_said_in_conversations_is_messages(vector: Vector) -> None:
    said = [step for step in vector["steps"] if step["does"] == "send"]
    for step in said:
        read = m.to_session if step["who"] == "worker" else m.to_worker
        if any((other["does"], other.get("code")) == ("reset", "bad_message") for other in vector["steps"]):
            with pytest.raises(BadMessage):
                read(b"[" + data(step, "message") + b"]")
        else:
            assert read(b"[" + data(step, "message") + b"]")


@pytest.mark.parametrize(
    "name",
    [
        "open, a chain and its value",
        "a failed op, and what the owner keeps",
        "an array as a stream, and a small op beside it",
    ],
)
def test_a_worker_answers_as_in_the_conversations(name: str) -> None:
    """But for the texts of errors, which every worker words for itself."""
    (vector,) = [vector for vector in FILES["conversations"]["conversations"] if vector["name"] == name]
    driver, peer = Driver({"visits": np.arange(3.0)}), vector["peers"]["session"]
    said, answered = [], []
    for step in vector["steps"]:
        if (step["who"], step["does"]) == ("worker", "send"):
            said.append({key: part for key, part in json.loads(step["message"]).items() if key != "message"})
        for event in step.get("events", ()) if (step["who"], step["does"]) == ("worker", "receive") else ():
            if "batch" in event:
                computes = driver.engine.receive(peer, m.to_worker(event["batch"].encode()))
            else:
                chunk = memoryview(base64.b64decode(event["base64"]))
                computes = iter(driver.engine.chunk(peer, event["stream"], event["at"], chunk))
            answered += driver.run(computes)
    assert len(answered) == len(said) > 1
    for answer, expected in zip(answered, said, strict=True):
        if isinstance(answer, m.Message):
            written = json.loads(m.encode(answer))
            assert {key: part for key, part in written.items() if key != "message"} == expected
        else:
            assert (expected["t"], expected["value"]) == ("value", values.to_json(answer))


# Nothing is left out


def test_every_file_and_list_is_run_and_explained() -> None:
    assert {file: set(content) - {"about"} for file, content in FILES.items()} == LISTS
    readme = (VECTORS / "README.md").read_text(encoding="utf-8")
    for file, lists in LISTS.items():
        assert f"{file}.json" in readme
        assert {name for name in lists if f"`{name}`" not in readme} == set()
    for path in VECTORS.iterdir():
        assert path.suffix == ".json" or path.name == "README.md"


def test_names_tell_vectors_apart() -> None:
    for content in FILES.values():
        for name, vectors in content.items():
            if name != "about":
                assert len({vector["name"] for vector in vectors}) == len(vectors), name


@pytest.mark.parametrize("place", MESSAGES, ids="/".join)
def test_every_message_and_field_has_a_vector(place: tuple[str, str]) -> None:
    file, name = place
    written = [json.loads(data(vector, "frame" if file == "hub_messages" else "json")) for vector in FILES[file][name]]
    for kind in get_args(MESSAGES[place]):
        mine = [message for message in written if message["t"] == kind.__struct_config__.tag]
        assert mine, f"no vector of {kind.__name__}"
        for field in msgspec.structs.fields(kind):
            assert any(field.name in message for message in mine), f"no vector with {kind.__name__}.{field.name}"
            if not field.required and field.default_factory is msgspec.NODEFAULT:
                assert any(field.name not in message for message in mine), f"{kind.__name__}.{field.name} always there"


def test_every_message_class_is_in_a_list() -> None:
    listed = {kind for union in MESSAGES.values() for kind in get_args(union)}
    assert set(m.Message.__subclasses__()) | set(hm.HubMessage.__subclasses__()) == listed


def objects(tree: Any) -> Iterator[dict[str, Any]]:
    """Yield every object within a JSON tree."""
    if isinstance(tree, dict):
        yield tree
    for part in tree.values() if isinstance(tree, dict) else tree if isinstance(tree, list) else ():
        yield from objects(part)


def test_what_is_told_of_an_object_and_of_a_cause_has_vectors() -> None:
    written = [json.loads(vector["json"]) for vector in FILES["link_messages"]["to_session"]]
    keys = [set(found) for tree in written for found in objects(tree) if "t" not in found]
    for kind in (m.Described, m.Failure):
        for field in msgspec.structs.fields(kind):
            assert any(field.name in found for found in keys), f"no vector with {kind.__name__}.{field.name}"


@pytest.mark.parametrize("file", ["values", "refused"])
def test_every_tag_has_a_vector_and_a_refusal(file: str) -> None:
    source = Path(values.__file__).read_text(encoding="utf-8")
    tags = set(re.findall(r'"(\$[a-z]*)"', source))
    trees = [json.loads(vector["json"]) for vector in FILES[file]["values"]]
    assert tags == {*tags, "$", "$array", "$pointer"}, "the source isn't read as it should be"
    assert {tag for tag in tags if not any(isinstance(tree, dict) and tag in tree for tree in trees)} == set()


def test_every_dtype_has_vectors() -> None:
    found: dict[str, set[str]] = {"array": set(), "scalar": set(), "dtype": set()}
    for vector in FILES["values"]["values"]:
        if (kind := vector["value"]["type"]) in found:
            found[kind].add(vector["value"]["dtype"])
    for names in found.values():
        assert set(arrays._NUMBERS) <= names
        assert {"U3", "datetime64", "timedelta64"} <= names
    units = re.search(r"\(((?:[A-Za-z]+\|)+[A-Za-z]+)\)\\\]", arrays._DATE.pattern)
    assert units is not None
    assert {f"{kind}[{unit}]" for kind in ("datetime64", "timedelta64") for unit in units[1].split("|")} <= found[
        "dtype"
    ]


def test_every_kind_of_frame_has_a_vector() -> None:
    kinds = {frozenset(json.loads(data(vector, "frame").split(b"\n")[0])) for vector in FILES["frames"]["frames"]}
    assert kinds == frames._KEYS


def test_every_end_and_refusal_has_a_vector() -> None:
    steps = [step for vector in FILES["conversations"]["conversations"] for step in vector["steps"]]
    ends = {event["code"] for step in steps for event in step.get("events", ()) if "ended" in event}
    assert {"bad_message", UNKNOWN_LINK, LINK_OVER} <= ends
    assert {step["does"] for step in steps} >= NEWS | {
        "send",
        "send_stream",
        "write",
        "idle",
        "tick",
        "reset",
        "receive",
    }
    codes = {vector["code"] for name in LISTS["refused"] for vector in FILES["refused"][name]}
    # That a session is another user's isn't seen in any one thing that came.
    assert {kind.code for kind in errors.ProtocolError.__subclasses__()} - codes == {"user_changed"}
    assert "user_changed" in ends
