"""frames: heads are read as strictly as they are written."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedsock.errors import BadFrame
from fedsock.protocol import frames
from fedsock.protocol.frames import (
    Head,
    address,
    build,
    carries_chunk,
    is_binary,
    link_head,
    split,
    split_address,
)

BOB, ANN = "bob@3f2a", "s-5f1c@91d0"

names = st.from_regex(r"\A[a-z0-9][a-z0-9_.-]{0,62}\Z")
epochs = st.from_regex(r"\A[0-9a-f]{4,32}\Z")
addresses = st.builds(address, names, epochs)
numbers = st.integers(0, 2**53 - 1)
ordinals = st.integers(1, 2**53 - 1)
bodies = st.binary(max_size=200)


def parse(frame: bytes) -> tuple[Head, bytes]:
    head, body = split(frame)
    return link_head(head), bytes(body)


@given(addresses, addresses, numbers, ordinals, bodies)
def test_a_batch_comes_back(to: str, sender: str, ack: int, seq: int, body: bytes) -> None:
    frame = build(to, sender, ack, seq=seq, body=body)
    assert parse(frame) == (Head(to, sender, seq, ack), body)
    assert not is_binary(split(frame)[0]) and not carries_chunk(frame)


@given(addresses, addresses, numbers, ordinals, ordinals, numbers, bodies)
def test_a_chunk_comes_back(to: str, sender: str, ack: int, seq: int, stream: int, at: int, body: bytes) -> None:
    frame = build(to, sender, ack, seq=seq, stream=stream, at=at, body=memoryview(body))
    assert parse(frame) == (Head(to, sender, seq, ack, stream, at), body)
    assert is_binary(split(frame)[0]) and carries_chunk(frame)


@given(addresses, addresses, numbers)
def test_an_ack_and_a_reset_come_back(to: str, sender: str, ack: int) -> None:
    assert parse(build(to, sender, ack)) == (Head(to, sender, None, ack), b"")
    reset = parse(build(to, sender, ack, reset="bad_message"))
    assert reset == (Head(to, sender, ack=ack, reset="bad_message"), b"")


def test_the_wire_is_as_written_down() -> None:
    assert build(BOB, ANN, 17, seq=41, body=b"[]") == (b'{"to":"bob@3f2a","from":"s-5f1c@91d0","seq":41,"ack":17}\n[]')
    assert build(BOB, ANN, 17, seq=42, stream=5, at=1048576, body=b"\n\0") == (
        b'{"to":"bob@3f2a","from":"s-5f1c@91d0","seq":42,"ack":17,"stream":5,"at":1048576}\n\n\0'
    )
    assert build(BOB, ANN, 0) == b'{"to":"bob@3f2a","from":"s-5f1c@91d0","ack":0}\n'
    assert build(BOB, ANN, 9, reset="swept") == b'{"to":"bob@3f2a","from":"s-5f1c@91d0","ack":9,"reset":"swept"}\n'


def test_a_hub_frame_is_split_too() -> None:
    head, body = split(b'{"t":"pong","nonce":"x"}\n')
    assert head == {"t": "pong", "nonce": "x"} and len(body) == 0


def test_a_body_can_not_make_a_batch_look_like_a_chunk() -> None:
    assert not carries_chunk(build(BOB, ANN, 1, seq=1, body=b'[{"stream":1}]'))


def test_the_body_is_a_view() -> None:
    frame = build(BOB, ANN, 1, seq=1, body=b"abc")
    assert split(frame)[1].obj is frame


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        b"{}",
        b"[1]\n",
        b"null\n",
        b"\n",
        b'{"to":\n',
        b"{'to':1}\n",
        b'{"to":"\xff"}\n',
        b'{"to":NaN}\n',
        b"{" + b" " * frames.HEAD_LIMIT + b"}\n",
        b"[" * 900 + b"\n",
        b"{}\n" + bytes(frames.FRAME_LIMIT - 2),
    ],
    ids=lambda frame: repr(frame[:12]),
)
def test_what_is_no_frame_is_refused(frame: bytes) -> None:
    with pytest.raises(BadFrame):
        split(frame)


def test_the_limits_are_exact() -> None:
    longest = b"{" + b" " * (frames.HEAD_LIMIT - 3) + b"}\n"
    assert len(longest) == frames.HEAD_LIMIT and split(longest)[0] == {}
    full = b"{}\n" + bytes(frames.FRAME_LIMIT - 3)
    assert len(split(full)[1]) == frames.FRAME_LIMIT - 3


def test_the_longest_head_fits() -> None:
    long = address("n" * 63, "f" * 32)
    most = 2**53 - 1
    frame = build(long, long, most, seq=most, stream=most, at=most)
    assert len(frame) <= 340
    assert parse(frame)[0] == Head(long, long, most, most, most, most)


GOOD: dict[str, Any] = {"to": BOB, "from": ANN, "seq": 2, "ack": 1, "stream": 3, "at": 0}
NOT_NUMBERS = [True, None, 1.0, "1", [], {}, -1, 2**53, 2**64]


@pytest.mark.parametrize("value", NOT_NUMBERS, ids=repr)
@pytest.mark.parametrize("key", ["seq", "ack", "stream", "at"])
def test_numbers_are_numbers(key: str, value: object) -> None:
    link_head(GOOD)
    with pytest.raises(BadFrame):
        link_head({**GOOD, key: value})


@pytest.mark.parametrize("key", ["seq", "stream"])
def test_ordinals_begin_at_one(key: str) -> None:
    with pytest.raises(BadFrame):
        link_head({**GOOD, key: 0})


@pytest.mark.parametrize(
    "keys",
    [
        "to",
        "to from",
        "from ack",
        "to ack",
        "to from seq",
        "to from seq stream at",
        "to from seq ack stream",
        "to from seq ack at",
        "to from ack stream at",
        "to from reset",
        "to from seq ack reset",
        "to from seq ack extra",
    ],
)
def test_only_the_four_kinds_of_heads_pass(keys: str) -> None:
    full = {**GOOD, "reset": "swept", "extra": 1}
    with pytest.raises(BadFrame):
        link_head({key: full[key] for key in keys.split()})


@pytest.mark.parametrize("code", [None, 1, "", "Bad", "bad message", "x" * 33, "bad\n", "_"], ids=repr)
def test_reset_codes_are_short_words(code: object) -> None:
    with pytest.raises(BadFrame):
        link_head({"to": BOB, "from": ANN, "ack": 0, "reset": code})


BAD_ADDRESSES = [
    "", "bob", "bob@", "@3f2a", "bob@3f2", "bob@3F2A", "Bob@3f2a", "-bob@3f2a", "bob@3f2a\n", "bob@3f2a@3f2a",
    "b b@3f2a", "n" * 64 + "@3f2a", "bob@" + "0" * 33, "böb@3f2a", "bob@3f2g", "bob@١٢٣٤",
]  # fmt: skip


@pytest.mark.parametrize("text", BAD_ADDRESSES, ids=repr)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(BadFrame):
        split_address(text)
    for key in ("to", "from"):
        with pytest.raises(BadFrame):
            link_head({**GOOD, key: text})
    if text.count("@") == 1:
        with pytest.raises(BadFrame):
            address(*text.split("@"))


@pytest.mark.parametrize("value", [None, 1, ["bob@3f2a"], {"$": 1}], ids=repr)
def test_an_address_is_text(value: object) -> None:
    with pytest.raises(BadFrame):
        link_head({**GOOD, "to": value})


@given(names, epochs)
def test_an_address_comes_apart_as_it_was_made(name: str, epoch: str) -> None:
    assert split_address(address(name, epoch)) == (name, epoch)


@given(st.binary(max_size=300) | bodies.map(lambda body: b"{" + body + b"}\n"))
def test_any_bytes_are_a_frame_or_a_bad_frame(frame: bytes) -> None:
    try:
        head, body = split(frame)
    except BadFrame:
        return
    assert orjson.loads(frame[: len(frame) - len(body) - 1]) == head


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 2**60) | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)
heads = st.dictionaries(st.sampled_from([*GOOD, "reset", "x"]), json_values | addresses | ordinals)


@given(heads)
def test_any_object_is_a_head_or_a_bad_frame(head: dict[str, Any]) -> None:
    try:
        typed = link_head(head)
    except BadFrame:
        return
    again = build(typed.to, typed.sender, typed.ack, seq=typed.seq, stream=typed.stream, at=typed.at, reset=typed.reset)
    assert split(again)[0] == head


@pytest.mark.parametrize(
    "head",
    [
        b'{"to":"bob@aaaa","from":"ann@bbbb","ack":0,"ack":5}',
        b'{"to":"eve@aaaa","to":"bob@aaaa","from":"ann@bbbb","ack":5}',
        b'{"to":"bob@aaaa","\\u0074o":"bob@aaaa","from":"ann@bbbb","ack":5}',
        b'{"to":"bob@aaaa","from":"ann@bbbb","seq":1,"ack":0,"seq":1}',
        b'{"to":"bob@aaaa","from":"ann@bbbb","reset":"a","reset":"b"}',
    ],
)
def test_a_key_comes_once(head: bytes) -> None:
    with pytest.raises(BadFrame, match="once"):
        split(head + b"\n[]")
