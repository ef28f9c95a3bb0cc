"""Ops with private inputs: their facts never lose a source, whatever the op."""

from __future__ import annotations

import numpy as np
import pytest

from fedsock.ops import TABLE
from fedsock.protocol import messages as m
from fedsock.worker.datasets import datasets_from_mapping
from fedsock.worker.engine import Engine
from tests.worker.driver import PEER, Driver, op, put, ref

OPS = ["add", "sum", "getitem", "matmul", "histogram", "dot", "sort", "iadd", "where", "concatenate", "bincount"]
ARGUMENTS = {"getitem": [0], "histogram": [[0.0, 1.0]], "sum": [], "sort": [], "bincount": [], "concatenate": []}


@pytest.mark.parametrize("name", OPS)
@pytest.mark.parametrize("policy", ["deny", "aggregate", "public"])
def test_what_is_made_of_private_values_is_private(name: str, policy: str) -> None:
    bob = Driver()
    bob.engine = Engine("bob", datasets_from_mapping({"x": np.arange(16).reshape(4, 4)}, True, policy))
    bob.engine.introduce(PEER, "ann")
    first = [[ref("x")]] if name == "concatenate" else [ref("x")]
    others = ARGUMENTS.get(name, [2.0, 3.0] if name == "where" else [2.0])
    count = TABLE[name].results if isinstance(TABLE[name].results, int) else 1
    bob.say(put(1, 2.5), op(2, name, *first, *others, n=count))
    entries = bob.engine._sessions[PEER].entries
    for id in range(2, 2 + count):
        assert entries[id].facts.sources == {"x"}
    assert entries[1].facts.private is False


def test_an_op_that_is_refused_privately_tells_what_is_public_only() -> None:
    bob = Driver({"x": np.arange(4.0)})
    refused = bob.say(op(1, "reshape", ref("x"), [3, 3]))[-1]
    assert isinstance(refused, m.Error) and "private data" in refused.message
