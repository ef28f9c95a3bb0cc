"""Hub messages: there and back, strictness, and the limit of a head."""

from __future__ import annotations

import contextlib

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fedsock.errors import BadFrame
from fedsock.protocol import hubmessages as hm
from fedsock.protocol.frames import FRAME_LIMIT, HEAD_LIMIT, split

names = st.text("abc019_.-", max_size=62).map(lambda rest: "x" + rest)
epochs = st.text("0123456789abcdef", min_size=4, max_size=32)
addresses = st.builds(lambda name, epoch: f"{name}@{epoch}", names, epochs)
roles = st.sampled_from(["worker", "session"])
texts = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=100)
secrets = st.text(alphabet=st.characters(exclude_categories=["Cs"]), min_size=16, max_size=128)
hellos = st.builds(hm.Hello, names, epochs, roles, secrets, st.just(hm.VERSION), st.none() | texts.filter(bool))
to_hub = st.one_of(
    hellos,
    st.builds(hm.Watch, st.lists(addresses, max_size=60)),
    st.just(hm.Bye()),
    st.builds(hm.Pong, texts.map(lambda text: text[:64])),
)
to_peer = st.one_of(
    st.builds(hm.Welcome, addresses, st.lists(addresses, max_size=5)),
    st.builds(hm.Refused, st.sampled_from(["name_taken", "version"]), texts),
    st.builds(hm.Joined, addresses, roles, st.none() | names),
    st.builds(hm.Left, addresses, st.sampled_from(["gone", "bye", "superseded"])),
    *(st.builds(kind, addresses) for kind in (hm.Unreachable, hm.Hold, hm.Go)),
    st.builds(hm.Probe, texts.map(lambda text: text[:64])),
    st.just(hm.Closing()),
)

HELLO = {
    "t": "hello",
    "name": "bob",
    "epoch": "3f2a",
    "role": "worker",
    "secret": "0123456789abcdef",
    "version": "fedsock/1",
}


def frame(**changes: object) -> bytes:
    head = {key: value for key, value in {**HELLO, **changes}.items() if value is not ...}
    return msgspec.json.encode(head) + b"\n"


@given(to_hub)
def test_what_a_peer_says_comes_back_as_it_was(message: hm.FromPeer) -> None:
    encoded = hm.encode(message)
    assert hm.is_from_peer(encoded)
    assert hm.from_peer(encoded) == message


@given(to_peer)
def test_what_a_hub_says_comes_back_as_it_was(message: hm.FromHub) -> None:
    head, body = split(hm.encode(message))
    assert hm.decode(head) == message
    assert bytes(body) == b""
    assert "to" not in head


def test_the_wire_form() -> None:
    hello = hm.Hello("bob", "3f2a", "worker", "0123456789abcdef", "fedsock/1")
    assert hm.encode(hello) == (
        b'{"t":"hello","name":"bob","epoch":"3f2a","role":"worker","secret":"0123456789abcdef","version":"fedsock/1"}\n'
    )
    assert hm.encode(hm.Left("bob@3f2a", "gone")) == b'{"t":"left","peer":"bob@3f2a","reason":"gone"}\n'
    assert hm.from_peer(frame()) == hello


def test_a_repr_shows_no_secret() -> None:
    hello = hm.from_peer(frame(token="tok-tok-tok"))
    for shown in (repr(hello), str(hello), f"{[hello]}"):
        assert "0123456789abcdef" not in shown
        assert "tok-tok-tok" not in shown
        assert "bob" in shown


@pytest.mark.parametrize(
    "changes",
    [
        {"t": "welcome"},
        {"t": None},
        {"t": "helo"},
        {"name": "Bob"},
        {"name": "bob\n"},
        {"name": "x" * 64},
        {"name": ""},
        {"name": "-b"},
        {"name": 7},
        {"name": ...},
        {"epoch": "xyz1"},
        {"epoch": "123"},
        {"epoch": "3f2a\n"},
        {"role": "hub"},
        {"secret": "short"},
        {"secret": "x" * 129},
        {"secret": None},
        {"token": ""},
        {"token": 5},
        {"version": 1},
        {"extra": 1},
    ],
)
def test_a_wrong_hello_is_a_bad_frame(changes: dict[str, object]) -> None:
    with pytest.raises(BadFrame) as caught:
        hm.from_peer(frame(**changes))
    assert "0123456789abcdef" not in str(caught.value)


@pytest.mark.parametrize(
    "wrong",
    [
        b"",
        b"\n",
        b'{"t":"bye"}',
        b'{"t":"bye"}\nbody',
        b'{"t":\n"bye"}\n',
        b'{"t":"bye"}\n\n',
        b'["t"]\n',
        b'{"t":"bye","t":"bye"}x\n',
        b'{"t":"pong","nonce":"\xff"}\n',
        b'{"t":"pong","nonce":"\\ud800"}\n',
        b'{"t":"pong","nonce":' + b"[" * 100_000 + b"\n",
        b'{"t":"watch","peers":["bob"]}\n',
        b'{"t":"watch","peers":[NaN]}\n',
        hm.encode(hm.Watch(["bob@3f2a"] * 10_001)),
    ],
)
def test_what_is_no_message_is_a_bad_frame(wrong: bytes) -> None:
    with pytest.raises(BadFrame):
        hm.from_peer(wrong)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_message_or_a_bad_frame(data: bytes) -> None:
    for wrong in (data, b'{"t":' + data + b"\n"):
        with contextlib.suppress(BadFrame):
            assert isinstance(hm.from_peer(wrong), hm.HubMessage)
        assert hm.version_of(wrong) is None


@pytest.mark.parametrize(
    "head",
    [
        {},
        {"t": "hello"},
        {"t": "left", "peer": "bob@3f2a", "reason": "tired"},
        {"t": "left", "peer": "bob", "reason": "gone"},
        {"t": "hold", "peer": "bob@3f2a", "more": 1},
        {"t": "joined", "peer": "s-1@3f2a", "role": "session", "user": "*"},
        {"t": "joined", "peer": "s-1@3f2a", "role": "session", "user": ""},
        {"t": "joined", "peer": "s-1@3f2a", "role": "session", "user": "a\n"},
        {"t": "joined", "peer": "s-1@3f2a", "role": "session", "user": "a" * 64},
        {"t": "joined", "peer": "s-1@3f2a", "role": "session", "user": 1},
        {"t": "refused", "code": "a b", "message": ""},
    ],
)
def test_what_a_hub_may_not_say_is_a_bad_frame(head: dict[str, object]) -> None:
    with pytest.raises(BadFrame):
        hm.decode(head)


def test_a_joined_names_a_user_or_leaves_it_out() -> None:
    assert hm.encode(hm.Joined("s-1@3f2a", "session", "ann")) == (
        b'{"t":"joined","peer":"s-1@3f2a","role":"session","user":"ann"}\n'
    )
    assert hm.encode(hm.Joined("s-1@3f2a", "session")) == b'{"t":"joined","peer":"s-1@3f2a","role":"session"}\n'


def test_the_longest_watch_is_read() -> None:
    longest = hm.Watch([f"{'n' * 63}@{'f' * 32}"] * 10_000)
    encoded = hm.encode(longest)
    assert HEAD_LIMIT < len(encoded) < FRAME_LIMIT
    assert hm.from_peer(encoded) == longest


def test_version_of_reads_another_versions_hello() -> None:
    assert hm.version_of(frame(version="fedsock/2", extra=[1])) == "fedsock/2"
    assert hm.version_of(frame(version=2)) is None
    assert hm.version_of(frame(t="bye")) is None
    assert hm.version_of(frame(version=...)) is None
    assert hm.version_of(b"x") is None


@given(addresses, st.lists(addresses, max_size=100))
@example("s-1@aaaa", [f"worker-{number}@aaaa" for number in range(200)])
def test_a_welcome_keeps_within_a_head_and_names_everybody(address: str, workers: list[str]) -> None:
    messages = [hm.decode(split(encoded)[0]) for encoded in hm.welcome(address, workers)]
    first, *more = messages
    assert isinstance(first, hm.Welcome)
    assert first.address == address
    named = list(first.workers)
    for message in more:
        assert isinstance(message, hm.Joined)
        named.append(message.peer)
    assert sorted(named) == sorted(workers)
