"""Requests as a session makes and awaits them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from fedsock import errors
from fedsock.protocol import messages
from fedsock.session.exportrequest import MAX_WHY_CHARS


def answer(house: Any, state: str, reason: str = "") -> None:
    """Have bob answer what he is asked next, or at last."""
    worker = house.bobs

    def on_request(message: messages.Request) -> None:
        worker.say(messages.Requested(message.id, 3, "waiting"))

    def on_outcome(message: messages.Outcome) -> None:
        if state == "denied":
            worker.say(messages.Error(message.id, "export_denied", f"the owner denied request 3: {reason}"))
        elif state == "approved":
            worker.say(messages.Requested(message.id, 3, "approved"))

    worker.on_request, worker.on_outcome = on_request, on_outcome


async def test_it_returns_at_once_and_the_answer_is_awaited(house: Any) -> None:
    answer(house, "approved")
    p = house.bob.datasets["data"] + 1
    req = await p.request("the sum")
    assert (req.number, req.state, req.pointer) == (3, "waiting", p) and "3 at bob, waiting" in repr(req)
    [said] = house.bobs.named(messages.Request)
    assert (said.ref, said.why) == (p.id_at_location, "the sum")
    assert await req is p and req.state == "approved"
    assert await req is p
    assert [one.number for one in house.bobs.named(messages.Outcome)] == [3]


async def test_a_denial_raises_with_its_reason(house: Any) -> None:
    answer(house, "denied", "too few rows")
    req = await house.bob.datasets["data"].request("all of it")
    for _ in range(2):
        with pytest.raises(errors.ExportDenied, match="request 3: too few rows"):
            await req
        assert req.state == "denied"


async def test_cancelling_ends_the_wait_only(house: Any) -> None:
    answer(house, "never")
    req = await house.bob.datasets["data"].request("all of it")
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(req, 0.02)
    assert req.state == "waiting"
    answer(house, "approved")
    assert await req is req.pointer


async def test_a_lost_worker_leaves_it_open(house: Any, ends: Any) -> None:
    answer(house, "never")
    req = await house.bob.datasets["data"].request("all of it")
    waiting = asyncio.ensure_future(req)
    await asyncio.sleep(0.01)
    house.session.ended(house.bobs.address, ends("lost"))
    with pytest.raises(errors.WorkerLost):
        await waiting
    assert req.state == "waiting"


@pytest.mark.parametrize("why", ["", "  \n", "x" * (MAX_WHY_CHARS + 1), None, 3])
async def test_a_reason_is_a_text(house: Any, why: Any) -> None:
    with pytest.raises(errors.UnsupportedValue, match="2,000 characters"):
        await house.bob.datasets["data"].request(why)
    assert house.bobs.named(messages.Request) == []


async def test_what_was_released_cannot_be_asked_for(house: Any) -> None:
    p = house.bob.datasets["data"] + 1
    p.release()
    with pytest.raises(errors.PointerReleased):
        await p.request("why")


async def test_a_pointer_to_a_pointer_asks_where_the_value_is(house: Any) -> None:
    answer(house, "approved")
    p = house.bob.datasets["data"] + 1
    req = await p.send(house.alice).request("why")
    assert [one.ref for one in house.bobs.named(messages.Request)] == [p.id_at_location]
    assert await req is req.pointer


async def test_the_value_is_held_while_it_is_asked_for(house: Any) -> None:
    answer(house, "approved")
    req = await (house.bob.datasets["data"] + 1).request("why")
    await house.written()
    assert house.bobs.named(messages.Release) == []
    assert await req is req.pointer
