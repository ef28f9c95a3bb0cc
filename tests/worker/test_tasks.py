"""Tasks: how functions of the owner are called, and what crosses."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fedsock
from fedsock import errors
from fedsock.errors import ConfigError
from fedsock.protocol import messages as m
from fedsock.protocol.values import to_json
from fedsock.worker.datasets import datasets_from_mapping
from fedsock.worker.engine import Engine
from fedsock.worker.ledger import Ledger
from fedsock.worker.policies import policy_of_virtual
from fedsock.worker.state import State
from fedsock.worker.tasks import Task, tasks_of_virtual
from tests.worker.driver import PEER, Driver, op, put, ref

SECONDS = 20
ROWS = 200


def plain(data: Any, params: Any, *, scale: int = 1) -> Any:
    """Add the mean.

    And more.
    """
    return {"params": params + scale * data["x"].mean(), "n": len(data["x"])}


async def slow(data: Any, params: Any) -> Any:
    await asyncio.sleep(0)
    return params


def generating(data: Any, steps: int) -> Iterator[Any]:
    for step in range(steps):
        yield {"step": step}
    return steps


async def generating_async(data: Any, steps: int) -> AsyncIterator[Any]:
    for step in range(steps):
        await asyncio.sleep(0)
        yield step


def failing(data: Any) -> None:
    raise ValueError(f"row 3 is {data['x'][3]}")


def leaving(data: Any) -> None:
    raise SystemExit(3)


def strange(data: Any) -> Any:
    return {"model": object()}


def writing(data: Any, params: Any) -> Any:
    for array in (data["x"], params["w"]):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1
    return 0


TASKS = {one.__name__: one for one in (plain, slow, generating, generating_async, failing, leaving, strange, writing)}
ALL = {"train": {"tasks": list(TASKS)}}


def house(policy: Any = ALL, private: bool = True, user: str = "ann", **options: Any) -> Driver:
    data = datasets_from_mapping({"x": np.arange(float(ROWS))}, private, policy)
    driver = Driver()
    tasks = tasks_of_virtual(TASKS, data, policy_of_virtual(policy)[0])
    driver.engine = Engine("bob", data, tasks=tasks, **options)
    driver.engine.introduce(PEER, user)
    return driver


def run(driver: Driver, *args: Any, id: int = 10, **kwargs: Any) -> list[Any]:
    """Run a task and return what is told and its value, as far as it may leave."""
    return driver.say(op(id, "task", *args, kw=kwargs)) + driver.say(m.Get(id + 1, id))


def told(replies: list[Any]) -> list[Any]:
    def name(one: Any) -> Any:
        return one.code if isinstance(one, m.Error) else type(one).__name__ if isinstance(one, m.Message) else one

    return [name(one) for one in replies]


def test_a_plain_function_gets_the_data_first() -> None:
    assert told(run(house(), "plain", 1.0, scale=2)) == ["Done", {"params": 1.0 + ROWS - 1, "n": ROWS}]


def test_an_async_function_runs_on_a_loop_of_its_own() -> None:
    assert told(run(house(), "slow", [1, 2])) == ["Done", [1, 2]]


def test_generators_stream_and_return() -> None:
    assert told(run(house(), "generating", 2)) == [{"step": 0}, {"step": 1}, "Done", 2]


def test_async_generators_stream_and_their_last_value_is_the_result() -> None:
    assert told(run(house(), "generating_async", 3)) == [0, 1, 2, "Done", 2]


def test_arrays_are_read_only() -> None:
    driver = house()
    driver.say(put(1, to_json(np.zeros(3))))
    assert told(run(driver, "writing", {"$dict": {"w": ref(1)}})) == ["Done", 0]


@pytest.mark.parametrize("name", ["failing", "leaving", "strange"])
def test_of_a_failure_the_tasks_name_crosses_and_the_rest_is_in_the_log(name: str, caplog: Any) -> None:
    with caplog.at_level(logging.ERROR, "fedsock.worker"):
        error, _ = run(house(), name)
    assert error.code == "task_failed" and name in error.message and "log" in error.message
    assert "3.0" not in error.message and "object" not in error.message
    [record] = caplog.records
    assert record.exc_info or "object" in record.getMessage()


def test_an_unknown_task_says_which_was_meant() -> None:
    error, _ = run(house(), "plian")
    assert error.code == "unknown_op" and "plain" in error.message
    assert told(run(house(), 3)) == ["op_type", "op_type"]
    assert told(run(house(), "slow", 1, emit=2)) == ["op_type", "op_type"]


@pytest.mark.parametrize("private", [True, False])
def test_without_a_policy_nothing_leaves_whatever_the_data(private: bool) -> None:
    driver = house(None, private)
    refused, done, error = run(driver, "generating", 3)
    assert refused.refused.code == error.code == "export_denied"
    assert done.withheld and (done.dtype, done.shape, done.kind) == (None, None, "array")
    assert '[policy.train] tasks = ["generating"]' in error.message
    assert driver.say(m.Ask(90, "objects"))[0].records == []


@pytest.mark.parametrize("private", [True, False])
def test_what_follows_from_it_is_private_too(private: bool) -> None:
    driver = house(private=private)
    run(driver, "slow", 1.5)
    driver.say(op(20, "add", ref(10), 1))
    assert told(driver.say(m.Get(21, 20))) == ["export_denied"]


def test_even_where_the_data_may_leave() -> None:
    driver = house("public")
    assert "export_denied" in told(run(driver, "slow", 1))


def test_a_task_whose_owner_says_deny_keeps_all(monkeypatch: pytest.MonkeyPatch) -> None:
    data = datasets_from_mapping({"x": np.arange(float(ROWS))}, True, ALL)
    driver = Driver()
    task = Task(name="slow", function=slow, data=data, leaves=False, agreement=policy_of_virtual(ALL)[0])
    driver.engine = Engine("bob", data, tasks={"slow": task})
    driver.engine.introduce(PEER, "ann")
    assert "export_denied" in told(run(driver, "slow", 1))


def test_what_a_task_is_given_must_be_open_or_its_own() -> None:
    driver = house()
    assert told(run(driver, "slow", ref("x")))[-1] == "export_denied"
    assert told(run(driver, "slow", 2.5, id=20))[-1] == 2.5
    assert told(run(driver, "slow", ref(20), id=30))[-1] == 2.5
    assert told(run(driver, "plain", ref(20), id=40))[-1] == "export_denied"


@pytest.mark.parametrize(
    ("train", "user", "fault"),
    [
        ({"tasks": ["slow"], "users": ["eve"]}, "ann", 'users = ["ann"]'),
        ({"tasks": ["slow"], "min_rows": ROWS + 1}, "ann", f"min_rows = {ROWS}"),
        ({"plans": "any"}, "ann", 'tasks = ["slow"]'),
        ({"tasks": ["slow"]}, "", 'tasks = ["slow"]'),
    ],
)
def test_a_refusal_names_the_lines_that_would_allow_it(train: Any, user: str, fault: str) -> None:
    _, *_, error = run(house({"train": train}, user=user), "slow", 1)
    assert error.code == "export_denied" and fault in error.message


def test_rounds_count_runs_and_not_what_is_fetched_or_streamed() -> None:
    driver = house({"train": {"tasks": ["generating"], "rounds": 2}})
    for id in (10, 20):
        assert told(run(driver, "generating", 3, id=id))[-2:] == ["Done", 3]
        assert driver.say(m.Get(id + 2, id)) == [3]
    assert told(run(driver, "generating", 0, id=30)) == ["Emitted", "Done", "queries_spent"]
    streamed, *_ = run(driver, "generating", 3, id=40)
    assert streamed.refused.code == "queries_spent"
    [answer] = driver.say(m.Ask(50, "policy", ref="x"))
    assert answer.policy["train"]["rounds_left"] == {"task generating": 0}


def test_a_round_is_one_however_many_numbers_it_has() -> None:
    driver = house({"train": {"tasks": ["slow"], "rounds": 2}})
    driver.say(put(1, to_json(np.zeros(40))))
    for id in (10, 20):
        assert told(run(driver, "slow", ref(1), id=id))[-1].shape == (40,)
    assert told(run(driver, "slow", ref(1), id=30))[-1] == "queries_spent"


def test_rounds_are_kept_on_the_disk(folder: Path) -> None:
    policy = {"train": {"tasks": ["slow"], "rounds": 2}}
    seen = []
    for _ in range(3):
        with closing(State(folder)) as state, closing(Ledger(state, {})) as ledger:
            seen.append(told(run(house(policy, ledger=ledger), "slow", 1))[-1])
    assert seen == [1, 1, "queries_spent"]


def test_a_run_that_fails_costs_a_round_for_that_it_failed_is_told() -> None:
    driver = house({"train": {"tasks": ["failing"], "rounds": 1}})
    assert told(run(driver, "failing"))[-1] == "task_failed"
    assert driver.say(m.Ask(50, "policy", ref="x"))[0].policy["train"]["rounds_left"] == {"task failing": 0}
    assert told(run(driver, "failing", id=60)) == ["Emitted", "Done", "queries_spent"]


def test_no_metrics_no_stream() -> None:
    refused, done, value = run(house({"train": {"tasks": ["generating"], "metrics": "none"}}), "generating", 2)
    assert "metrics" in refused.refused.message and isinstance(done, m.Done) and value == 2


def test_what_it_is_given_counts_while_it_runs() -> None:
    driver = house(quota_bytes=10_000)
    driver.say(op(1, "task", "slow", "x" * 5_000), hold=True)
    assert driver.say(m.Ask(2, "stats"))[0].stats["bytes"] == 0  # a text by position is the message's own
    driver.say(op(3, "task", "slow", ["x" * 5_000]), hold=True)
    assert driver.say(m.Ask(4, "stats"))[0].stats["bytes"] > 5_000
    for compute in driver.held:
        driver.run([compute])
    driver.say(m.Release([1, 3]))
    assert driver.say(m.Ask(5, "stats"))[0].stats["bytes"] == 0


@pytest.mark.parametrize(
    ("tasks", "said"),
    [({"a b": plain}, "can't name"), ({"a": 3}, "function"), ([plain], "mapping"), ({3: plain}, "name")],
)
def test_wrong_tasks_are_refused(tasks: Any, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        tasks_of_virtual(tasks, {}, policy_of_virtual(None)[0])


# From a session


async def test_a_session_sees_runs_and_reads_tasks() -> None:
    async with fedsock.Hub(port=0) as hub:
        bob = await hub.virtual_worker("bob", {"x": np.arange(float(ROWS))}, policy=ALL, tasks=TASKS)
        assert dict(bob.tasks)["plain"] == "Add the mean." and list(bob.tasks) == list(TASKS)
        p = bob.task("generating", 50)
        assert [value["step"] async for value in p] == list(range(50))
        assert await p == 50
        with pytest.raises(errors.TaskFailed, match="failing"):
            await bob.task("failing")
        with pytest.raises(errors.UnknownOp, match="plain"):
            bob.task("nothing")
        params = bob.send(np.ones(3))
        assert (await bob.task("plain", params))["params"].tolist() == [1 + (ROWS - 1) / 2] * 3


async def test_a_slow_reader_is_waited_for_and_nothing_is_lost() -> None:
    ahead, seen = 0, 0
    worst: list[int] = []

    def counting(data: Any) -> Iterator[Any]:
        nonlocal ahead
        for number in range(300):
            ahead = number
            worst.append(ahead - seen)
            yield np.full(20_000, number)

    async with fedsock.Hub(port=0) as hub:
        bob = await hub.virtual_worker("bob", policy={"train": {"tasks": ["counting"]}}, tasks={"counting": counting})
        async for value in bob.task("counting"):
            assert value[0] == value[-1] == seen
            seen += 1
    assert seen == 300
    assert max(worst) <= 2 * m.EMITTED_MOST


@pytest.mark.parametrize("asynchronous", [True, False])
async def test_a_cancelled_task_ends(asynchronous: bool) -> None:
    ended = threading.Event()

    def endless(data: Any) -> Iterator[int]:
        try:
            while True:
                yield 1
        finally:
            ended.set()

    async def endless_async(data: Any) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    async with fedsock.Hub(port=0) as hub:
        tasks = {"endless": endless_async if asynchronous else endless}
        bob = await hub.virtual_worker("bob", policy={"train": {"tasks": ["endless"]}}, tasks=tasks)
        p = bob.task("endless")
        if not asynchronous:
            async for _ in p:
                break
        await bob.ping()
        p.cancel()
        with pytest.raises(errors.OpCancelled):
            await p
        with pytest.raises(errors.OpCancelled):
            async for _ in p:
                pass
        assert await asyncio.to_thread(ended.wait, SECONDS)


async def test_closing_the_hub_ends_what_streams() -> None:
    ended = threading.Event()

    def endless(data: Any) -> Iterator[int]:
        try:
            while True:
                yield 1
        finally:
            ended.set()

    async with fedsock.Hub(port=0) as hub:
        bob = await hub.virtual_worker("bob", policy={"train": {"tasks": ["endless"]}}, tasks={"endless": endless})
        p = bob.task("endless")
        async for _ in p:
            break
    assert await asyncio.to_thread(ended.wait, SECONDS)
