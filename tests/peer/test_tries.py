from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import pytest

from fedsock.errors import BadFrame, ConnectionFailed, NameTaken
from fedsock.peer.tries import RETRY_FIRST_SECONDS, RETRY_MOST_SECONDS, Tries
from fedsock.protocol import hubmessages as hub
from fedsock.transport.base import Transport, TransportClosed
from fedsock.transport.memory import memory_pair

HELLO = hub.Hello("bob", "aaaa", "worker", "s" * 16)


class Answering:
    """Dials what answers a hello with a frame; None hangs up."""

    def __init__(self, answer: bytes | None) -> None:
        self.answer = answer
        self.ends: list[Transport] = []
        self.told: list[Exception | None] = []

    async def dial(self) -> Transport:
        ours, theirs = memory_pair()
        self.ends.append(theirs)
        if self.answer is None:
            await theirs.close()
        else:
            await theirs.send(self.answer)
        return ours

    def tries(self) -> Tries:
        return Tries(self.dial, HELLO, self.told.append)


async def test_a_welcome() -> None:
    there = Answering(hub.encode(hub.Welcome("bob@aaaa", [])))
    transport, welcome = await there.tries().hello()
    assert welcome.address == "bob@aaaa"
    assert await there.ends[0].recv() == hub.encode(HELLO)
    assert there.told == [None]
    await transport.close()


@pytest.mark.parametrize(
    ("answer", "kind", "text"),
    [
        (b"hello\n", BadFrame, "JSON"),
        (b'{"t":"hi"}\n', BadFrame, "hub may send"),
        (hub.encode(hub.Refused("bad_frame", "not so")), BadFrame, "not so"),
        (hub.encode(hub.Refused("version", "install the same")), ConnectionFailed, "install the same"),
        (hub.encode(hub.Refused("name_taken", "taken")), NameTaken, "taken"),
        (hub.encode(hub.Refused("closed", "so it says")), ConnectionFailed, "so it says"),
        (hub.encode(hub.Refused("config", "so it says")), ConnectionFailed, "so it says"),
        (hub.encode(hub.Joined("a@0000", "worker")), ConnectionFailed, "no fedsock hub"),
        (None, TransportClosed, "1000"),
    ],
)
async def test_what_is_no_welcome_closes_the_socket(answer: bytes | None, kind: type[Exception], text: str) -> None:
    there = Answering(answer)
    with pytest.raises(kind, match=text) as caught:
        await there.tries().hello()
    assert type(caught.value) is kind
    with pytest.raises(TransportClosed):
        while True:
            await asyncio.wait_for(there.ends[0].recv(), 5)


async def test_pauses_double_up_to_the_most_until_all_is_well(monkeypatch: pytest.MonkeyPatch) -> None:
    there = Answering(hub.encode(hub.Welcome("bob@aaaa", [])))
    tries = there.tries()
    paused = _paused(monkeypatch)
    error = OSError("nobody")
    for _ in range(8):
        await (await tries.hello())[0].close()
        tries.failed(error)
    assert tries.last is error
    assert paused == [0.0, *(min(RETRY_FIRST_SECONDS * 2**n, RETRY_MOST_SECONDS) for n in range(7))]
    assert there.told == [None, error] * 8
    tries.served()
    await (await tries.hello())[0].close()
    assert paused[-1] == 0.0
    assert tries.last is None


def _paused(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Note pauses instead of making them."""
    noted: list[float] = []
    real: Callable[[float], object] = asyncio.sleep

    async def sleep(seconds: float) -> None:
        noted.append(seconds)
        await real(0)  # type: ignore[misc]

    monkeypatch.setattr("fedsock.peer.tries.asyncio.sleep", sleep)
    return noted


async def test_the_pause_is_made() -> None:
    there = Answering(hub.encode(hub.Welcome("bob@aaaa", [])))
    tries = there.tries()
    tries.failed(OSError())
    start = time.monotonic()
    await (await tries.hello())[0].close()
    assert time.monotonic() - start >= RETRY_FIRST_SECONDS * 0.9
