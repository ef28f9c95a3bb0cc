"""The files in tests/vectors: how they are read, and how a conversation in them is played."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from fedsock.errors import BadFrame
from fedsock.protocol import frames
from fedsock.protocol import hubmessages as hm
from fedsock.protocol import messages as m
from fedsock.protocol.events import Batch, Chunk, Ended, Event, StreamSent
from fedsock.protocol.link import Link

VECTORS = Path(__file__).resolve().parents[1] / "vectors"

Vector = dict[str, Any]
"""One entry of a list in a file."""

LISTS: dict[str, set[str]] = {
    "frames": {"frames"},
    "hub_messages": {"from_peer", "from_hub"},
    "link_messages": {"to_worker", "to_session", "batches"},
    "values": {"values", "streams"},
    "refused": {
        "first_frames", "frames_to_hub", "frames_to_peer", "to_worker", "to_session", "values", "streams", "sequences",
    },
    "conversations": {"conversations"},
}  # fmt: skip
"""File -> the lists in it."""

FILES: dict[str, dict[str, Any]] = {
    path.stem: json.loads(path.read_text(encoding="utf-8")) for path in VECTORS.glob("*.json")
}


def each(file: str, name: str) -> pytest.MarkDecorator:
    """Run a test on each vector of a list."""
    found = FILES[file][name]
    return pytest.mark.parametrize("vector", found, ids=[vector["name"] for vector in found])


def data(vector: Vector, key: str) -> bytes:
    """Return bytes that a vector holds as text or, where they aren't UTF-8, as base64."""
    return vector[key].encode() if key in vector else base64.b64decode(vector[f"{key}_base64"])


def texts(vector: Vector, key: str) -> list[bytes]:
    """Return all forms that must be read the same; the first is fedsock's own."""
    return [data(vector, key), *(text.encode() for text in vector.get("also", ()))]


def told(message: Any) -> Any:
    """Return a message with all its fields, those left at their defaults too, as plain JSON."""
    if isinstance(message, msgspec.Struct):
        tag = {"t": message.__struct_config__.tag} if isinstance(message, m.Message | hm.HubMessage) else {}
        return tag | {field: told(getattr(message, field)) for field in message.__struct_fields__}
    return [told(part) for part in message] if isinstance(message, list) else message


def told_events(events: list[Event]) -> list[Vector]:
    """Return what a link told its owner, as the vectors do."""
    found: list[Vector] = []
    for event in events:
        if isinstance(event, Batch):
            found.append({"batch": bytes(event.body).decode()})
        elif isinstance(event, Chunk):
            chunk = base64.b64encode(event.data).decode()
            found.append({"stream": event.stream, "at": event.at, "base64": chunk})
        elif isinstance(event, StreamSent):
            found.append({"sent": event.number})
        else:
            assert isinstance(event, Ended)
            found.append({"ended": event.end.reason, "code": event.end.code})
    return found


def play(link: Link, step: Vector) -> None:
    """Do one step of a conversation with one of its ends."""
    now, does = step["at"], step["does"]
    if does == "send":
        link.send(data(step, "message"))
    elif does == "send_stream":
        assert link.send_stream(memoryview(base64.b64decode(step["base64"]))) == step["stream"]
    elif does == "write":
        assert link.next_frame(now) == data(step, "frame")
    elif does == "idle":
        assert link.next_frame(now) is None
    elif does == "tick":
        assert told_events(link.tick(now)) == step["events"]
    elif does == "reset":
        assert told_events(link.reset(step["code"], now)) == step["events"]
    elif does == "receive":
        head, body = frames.split(data(step, "frame"))
        if "refused" in step:
            with pytest.raises(BadFrame):
                link.receive(frames.link_head(head), body, now)
            assert step["refused"] == BadFrame.code
        else:
            assert told_events(link.receive(frames.link_head(head), body, now)) == step["events"]
    else:
        assert does in NEWS
        getattr(link, does)(now)


NEWS = {"socket_up", "socket_down", "peer_present", "peer_absent", "hold", "go"}
"""What a link is told of the world."""
