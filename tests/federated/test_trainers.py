"""Replies that are one pointer, and tasks."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import pytest

import fedsock
from fedsock.errors import PointerReleased, UpdateRejected
from fedsock.federated import Job, PointerReply
from fedsock.federated.trainers import TaskTrainer


async def test_a_pointer_is_fetched_and_freed() -> None:
    async with fedsock.Hub(port=0) as hub:
        bob = await hub.virtual_worker("bob")
        pointer = bob.send(([np.ones(2)], 3, {"loss": 0.5, "acc": 1.0}))
        reply = PointerReply(pointer)
        await reply.ready()
        update = await reply.fetch("bob")
        assert (update.worker, update.n, update.loss, update.metrics) == ("bob", 3, 0.5, {"acc": 1.0})
        assert update.params[0].tolist() == [1, 1]
        with pytest.raises(PointerReleased):
            await pointer
        assert (await PointerReply(bob.send((1.0, 3, None))).fetch("bob")).metrics == {}
        as_dict = await PointerReply(bob.send({"params": 1.0, "n": 3, "metrics": {"loss": 2}})).fetch("bob")
        assert (as_dict.params, as_dict.n, as_dict.loss, as_dict.metrics) == (1.0, 3, 2, {})
        assert (await PointerReply(bob.send({"params": 1.0, "n": 3})).fetch("bob")).loss is None
        for value in (3, (1, 2), (1, 2, 3), {"params": 1.0}, {"params": 1.0, "n": 3, "x": 1}):
            with pytest.raises(UpdateRejected, match=r"^bob: "):
                await PointerReply(bob.send(value)).fetch("bob")


async def test_a_task_is_called_with_parameters_and_config() -> None:
    called: list[Any] = []

    class Bob:
        tasks: ClassVar = {"train": "Train."}

        def task(self, name: str, *args: Any, **kwargs: Any) -> Any:
            called.append((name, args, kwargs))

    params: Any = object()
    TaskTrainer("train").start(Bob(), params, Job(1, 5, {"epochs": 1}, {"epochs": 2}))
    assert called == [("train", (params,), {"epochs": 2})]
    other: Any = Bob()
    assert TaskTrainer("train").serves(other) and not TaskTrainer("test").serves(other)
