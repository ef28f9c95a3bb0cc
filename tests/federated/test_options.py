"""Options of a fit that can't be: each is named, with what is expected."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import numpy as np
import pytest

import fedsock
from fedsock.errors import ConfigError
from fedsock.federated import EarlyStop, FedAvg, partition
from fedsock.federated.options import Options, names
from tests.federated.house import LeastSquares, problem

X, Y = problem()
BEGUN = {"w": np.zeros(3)}


@pytest.fixture
async def hub() -> AsyncIterator[fedsock.Hub]:
    async with fedsock.Hub(port=0) as hub:
        await hub.virtual_workers(data=partition.parts({"x": X, "y": Y}, partition.iid(60, 2)), private=False)
        yield hub


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"rounds": 0}, "rounds"),
        ({"rounds": 1, "seed": -1}, "seed"),
        ({"rounds": 1, "retries": 1.5}, "retries"),
        ({"rounds": 1, "resume": True}, "checkpoint"),
        ({}, "say how many rounds"),
        ({"rounds": 1, "epochs": 5}, r"no option 'epochs'.*LocalSGD\(epochs="),
        ({"rounds": 1, "strategy": FedAvg}, r"strategy=<class.*expected a strategy, such as FedAvg\(\)"),
        ({"rounds": 1, "local": {"epochs": 5}}, r"local={.*expected a LocalSGD"),
        ({"rounds": 1, "evaluate": 3}, "evaluate=3: expected a function"),
        ({"rounds": 1, "stop": 3}, "stop=3: expected a function"),
        ({"rounds": 1, "checkpoint": 3}, "checkpoint=3: expected the path"),
        ({"rounds": 1, "workers": 3}, "workers: expected names or handles of workers, not 3"),
        ({"rounds": 1, "workers": ["w1", 3]}, r"workers: expected names or handles of workers, not \['w1', 3\]"),
        ({"rounds": 1, "trainer": "fast"}, "trainer= a Trainer"),
        ({"rounds": 1, "deadline": -1}, "deadline=-1: expected seconds"),
        ({"rounds": 1, "deadline": "1"}, "deadline"),
        ({"rounds": 1, "patience": None}, "patience"),
        ({"rounds": 1, "checkpoint": "/nowhere/fit.npz"}, "no folder /nowhere"),
        ({"rounds": 1, "config": [1]}, "config"),
        ({"rounds": 1, "evaluate": lambda p: 3}, "evaluate"),
        ({"rounds": 1, "evaluate": lambda p: {"a": np.nan}}, "evaluate: 'a'"),
        ({"rounds": 2, "stop": EarlyStop(metric="score")}, "score"),
    ],
)
async def test_options_that_cant_be(hub: fedsock.Hub, options: Any, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        await hub.fit(BEGUN, **{"trainer": LeastSquares(), **options})


async def test_numpys_numbers_are_options_too(hub: fedsock.Hub) -> None:
    options: Any = {
        "rounds": np.int64(1),
        "seed": np.uint8(3),
        "deadline": np.float64(60),
        "workers": hub.workers["w1"],
    }
    assert list((await hub.fit(BEGUN, trainer=LeastSquares(), **options)).rounds[0].workers) == ["w1"]


def test_numpys_numbers_become_pythons() -> None:
    made = Options(rounds=np.int64(3), seed=np.uint8(1))  # type: ignore[arg-type]
    assert [type(made.rounds), type(made.seed)] == [int, int]


async def test_workers_are_named_in_several_ways(hub: fedsock.Hub) -> None:
    one, other = hub.workers["w0"], hub.workers["w1"]
    assert names("w0") == names(one) == {"w0"}
    assert names(["w0", other]) == names(iter([one, other])) == {"w0", "w1"}
    assert names(()) == set()
