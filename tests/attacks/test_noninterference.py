"""Two workers whose private data differ in values only say the same, message for message, whatever is asked of them.

Under every mode, until something is exported that a policy lets leave: here nothing is. (How long it takes is not
compared.)
"""

from __future__ import annotations

import math
import os
from typing import Any

import msgspec
import numpy as np
import orjson
import pytest

from fedsock.errors import FedsockError
from fedsock.ops import TABLE, template_of
from fedsock.ops.registry import leaves
from fedsock.protocol import messages as m
from fedsock.protocol.values import Reference, to_json
from fedsock.worker.datasets import datasets_from_mapping
from fedsock.worker.engine import Engine
from fedsock.worker.jobs import Send, SendValue
from tests.ops.calls import SHAPES, Drawer, Slot, values
from tests.ops.oracle import NUMBERS
from tests.worker.driver import PEER

GRAPHS = int(os.environ.get("FEDSOCK_GRAPHS", "10000"))
OPS = 6
PARTS = 8
"""Tests that share the graphs between them."""

PRIVATE_SHAPES = [shape for shape in SHAPES if shape not in ((40,), (17, 3))]
SLOW = {"random.Generator.multivariate_normal"}
DRAWN = sorted(name for name in TABLE if name not in SLOW and not name.startswith("random."))


class World:
    """What is public of two workers' data, and the data of each."""

    def __init__(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self.rng = rng
        kinds = {f"d{at}": (rng.choice(NUMBERS), PRIVATE_SHAPES[rng.integers(len(PRIVATE_SHAPES))]) for at in range(4)}
        self.data = [
            {name: values(rng, np.dtype(dtype), shape) for name, (dtype, shape) in kinds.items()} for _ in range(2)
        ]

    def script(self) -> list[list[dict[str, Any]]]:
        """Return batches of messages as they travel: ops on private and open values, and questions about them all."""
        known: list[int | str] = list(self.data[0])
        last = 0
        batches: list[list[dict[str, Any]]] = []
        for _ in range(OPS):
            name = DRAWN[self.rng.integers(len(DRAWN))]
            call = Drawer(TABLE[name], self.rng.integers(2**32)).call()
            try:
                args = [to_json(self._filled(arg, known)) for arg in call.args]
                kwargs = {key: to_json(self._filled(arg, known)) for key, arg in call.kwargs.items()}
                count = self._results(name, call)
            except FedsockError:
                continue  # it doesn't travel
            op = m.Op(last + 1, name, args, kwargs, count)
            batches.append([msgspec.to_builtins(op)])
            known += range(last + 1, last + 1 + count)
            last += count
        asked = [msgspec.to_builtins(m.Ask(last + 1, "objects"))]
        for ref in known:
            last += 3
            asked += map(
                msgspec.to_builtins,
                (m.Get(last - 1, ref), m.Ask(last, "export", ref=ref), m.Transfer(last + 1, ref, "alice@0001", 1)),
            )
            last += 1
        asked.append(msgspec.to_builtins(m.Ask(last + 2, "stats")))
        return [*batches, asked]

    def _filled(self, tree: Any, known: list[int | str]) -> Any:
        if isinstance(tree, Slot):
            if tree.private or self.rng.random() < 0.5:
                return Reference(known[self.rng.integers(len(known))])
            return tree.fill(self.rng)
        return type(tree)(self._filled(part, known) for part in tree) if isinstance(tree, (list, tuple)) else tree

    def _results(self, name: str, call: Any) -> int:
        results = TABLE[name].results
        if isinstance(results, int):
            return results
        try:
            template = template_of(TABLE[name], call.args, call.kwargs, lambda value: getattr(value, "shape", ()))
        except Exception:
            return 1
        return max(leaves(template), 1) if template is not None else 1


def answers(data: dict[str, Any], policy: Any, script: list[list[dict[str, Any]]]) -> list[Any]:
    """Return all that a worker says, as it would travel."""
    engine = Engine("bob", datasets_from_mapping(data, True, policy))
    engine.introduce(PEER, "ann")
    said: list[Any] = []
    with np.errstate(all="ignore"):
        for batch in script:
            todo = [compute for compute in engine.receive(PEER, m.to_worker(orjson.dumps(batch))) if compute]
            while todo:
                compute = todo.pop(0)
                todo += engine.computed(compute, *compute.run())
            for one in engine.replies():
                if isinstance(one, Send):
                    said.append(told(one.message))
                elif isinstance(one, SendValue):
                    engine.written(one)
                    said.append(orjson.dumps(to_json(one.value)))
    return said


def told(message: Any) -> Any:
    encoded = msgspec.to_builtins(message)
    if "stats" in encoded:
        encoded["stats"].pop("uptime_seconds", None)
    return encoded


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("policy", ["deny", "aggregate"])
@pytest.mark.parametrize("part", range(PARTS))
def test_equal_shapes_look_the_same(part: int, policy: str) -> None:
    """Under "aggregate" few rows leave nothing: all data sets here have fewer than the owner asks for."""
    for number in range(math.ceil(GRAPHS / PARTS / 2)):
        world = World(part * GRAPHS + number)
        script = world.script()
        first, second = (answers(data, policy, script) for data in world.data)
        assert first == second, (part * GRAPHS + number, script)
