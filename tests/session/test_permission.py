"""``bob.allows(…)``: asking whether results may leave, and what is no question or no answer."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fedsock
from fedsock.errors import BadMessage, NotTraceable, PlanMismatch, UnknownObject, UnknownOp, UnsupportedValue
from fedsock.session import permission


def total(data: Any, k: Any) -> Any:
    """Add up."""
    return data["x"].sum() * k


DATA = {"x": np.arange(200.0)}


async def test_what_may_leave_is_known_before_it_is_made() -> None:
    mean = fedsock.plan(lambda x: x.mean())
    async with fedsock.Hub(port=0) as hub:
        policy = {"train": {"plans": "any", "tasks": ["total"], "rounds": 3}}
        bob = await hub.virtual_worker("bob", DATA, policy=policy, tasks={"total": total})
        shy = await hub.virtual_worker("shy", DATA)
        with pytest.raises(NotTraceable):
            await bob.allows(mean, "x")
        mean.trace(np.zeros(3))
        before = (await bob.stats()).ops_run
        assert await bob.allows(mean, "x") and await bob.allows("total", times=3)
        assert not await bob.allows(mean.plan, "x", times=4)
        assert not await bob.allows(mean, "x", batch_size=7)
        assert (await bob.stats()).ops_run == before
        assert await bob.run(mean, bob.datasets["x"]) == 99.5
        said = await shy.allows(mean, "x", request="why")
        assert (bool(said), said.lines, said.request) == (False, (f'plans = ["{mean.digest}"]',), None)
        assert mean.digest in said.reason and said.lines[0] in said.next_step


async def test_an_owner_is_asked_for_results_and_the_answer_awaited() -> None:
    mean = fedsock.plan(lambda x: x.mean()).trace(np.zeros(3))
    asked: list[Any] = []

    def answer(request: Any) -> Any:
        asked.append(request)
        return {"count": 2} if request.why == "the mean, twice" else "no"

    async with fedsock.Hub(port=0) as hub:
        bob = await hub.virtual_worker("bob", DATA, policy={"export": "ask", "answer": answer})
        said = await bob.allows(mean, "x", times=2)
        assert not said and said.request is None and asked == []
        said = await bob.allows(mean, "x", times=2, request="the mean")
        assert not said and said.request is not None and said.request.state == "denied"
        with pytest.raises(fedsock.errors.ExportDenied, match="request 1: no"):
            await said.request
        said = await bob.allows(mean, "x", times=2, request="the mean, twice")
        assert said and said.request is not None and await said.request is not None
        assert await bob.run(mean, bob.datasets["x"]) == await bob.run(mean, bob.datasets["x"]) == 99.5
        with pytest.raises(fedsock.errors.ExportDenied):
            await bob.run(mean, bob.datasets["x"])
        assert [one.number for one in asked] == [1, 2]


async def test_what_is_no_question() -> None:
    mean = fedsock.plan(lambda x: x.mean()).trace(np.zeros(3))
    async with fedsock.Hub(port=0) as hub:
        bob = await hub.virtual_worker("bob", DATA, tasks={"total": total})
        other: Any = lambda x: x  # noqa: E731
        for work, more, error in (
            (mean, {"times": 0}, UnsupportedValue), (mean, {"times": True}, UnsupportedValue),
            (mean, {"batch_size": 0.5}, UnsupportedValue), (mean, {"min_rows": 0}, UnsupportedValue),
            (mean, {"request": " "}, UnsupportedValue), (mean, {"request": "x" * 2001}, UnsupportedValue),
            (other, {}, PlanMismatch), ("stop", {}, UnknownOp),
        ):  # fmt: skip
            with pytest.raises(error):
                await bob.allows(work, "x", **more)
        with pytest.raises(UnknownObject, match="'y'"):
            await bob.allows(mean, "x", "y")
        assert not await bob.allows(mean, "x", times=10**9)


async def test_an_answer_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    async def question(station: Any, message: Any) -> Any:
        return fedsock.protocol.messages.Answer(1, policy={"allowed": "yes"})

    async with fedsock.Hub(port=0) as hub:
        bob = await hub.virtual_worker("bob", DATA)
        monkeypatch.setattr(permission, "question", question)
        with pytest.raises(BadMessage, match="bob answers what is no permission"):
            await bob.allows("total")
