"""An engine without a link: messages in as JSON would bring them, replies out."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import orjson

from fedsock.protocol import messages as m
from fedsock.worker.datasets import datasets_from_mapping
from fedsock.worker.engine import Engine
from fedsock.worker.jobs import Send, SendValue

PEER = "s-1@0001"


class Driver:
    """Runs every Compute at once, or keeps them for later."""

    def __init__(self, data: dict[str, Any] | None = None, **options: Any) -> None:
        self.engine = Engine("bob", datasets_from_mapping(data or {}, True), **options)
        self.held: list[Any] = []

    def say(self, *messages: m.Message, peer: str = PEER, hold: bool = False) -> list[Any]:
        body = orjson.dumps([msgspec.to_builtins(message) for message in messages])
        return self.run(self.engine.receive(peer, m.to_worker(body)), hold)

    def run(self, computes: Any, hold: bool = False) -> list[Any]:
        stack = [(compute for compute in computes if compute is not None)]
        while stack:
            compute = next(stack[-1], None)
            if compute is None:
                stack.pop()
            elif hold:
                self.held.append(compute)
            else:
                with np.errstate(all="ignore"):
                    stack.append(iter(self.engine.computed(compute, *compute.run())))
        replies = self.engine.replies()
        for one in replies:
            if isinstance(one, SendValue):
                self.engine.written(one)
        told = [
            one.message if isinstance(one, Send) else one.value if isinstance(one, SendValue) else one
            for one in replies
        ]
        return told + self.run(self.engine.go_on()) if self.engine.streams.due else told


def put(id: int, value: Any, **more: Any) -> m.Put:
    return m.Put(id, value, **more)


def op(id: int, fn: str, *args: Any, **more: Any) -> m.Op:
    return m.Op(id, fn, list(args), **more)


def ref(id: int | str) -> dict[str, Any]:
    return {"$": id}
