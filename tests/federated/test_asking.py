"""Fits that owners don't allow, or some of them: asked before the first round; nothing is trained or used up."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fedsock
from fedsock.errors import ConfigError, FitDenied, NotEnoughWorkers
from fedsock.federated import FedAvg, FedMedian, LocalSGD, Strategy
from fedsock.federated.asking import times_of
from fedsock.federated.trainers import LossTrainer
from fedsock.worker.__main__ import main
from tests.chaos.children import child

X = np.random.default_rng(0).normal(size=(300, 3))
Y = X @ np.array([1.0, -2.0, 0.5])
DATA = {"x": X, "y": Y}
NAMES = ("x", "y")
LOCAL = LocalSGD(epochs=1, batch_size=150, learning_rate=0.1)


@fedsock.plan
def loss(w: Any, x: Any, y: Any) -> Any:
    return np.mean((x @ w - y) ** 2) / 2


loss.trace(np.zeros(3), X, Y)
LISTED = {"train": {"plans": [loss.digest]}}


def fit(hub: Any, rounds: int = 3, **options: Any) -> Any:
    return hub.fit(np.zeros(3), loss, data=NAMES, local=LOCAL, rounds=rounds, **options)


async def ran(*workers: Any) -> list[int]:
    return [(await worker.stats()).ops_run for worker in workers]


async def test_where_nobody_allows_it_the_error_says_what_would_and_nothing_was_done() -> None:
    async with fedsock.Hub(port=0) as hub:
        a = await hub.virtual_worker("a", DATA)
        b = await hub.virtual_worker("b", DATA)
        few = await hub.virtual_worker("few", {"x": X[:20], "y": Y[:20]}, policy=LISTED)
        eves = await hub.virtual_worker("eves", DATA, policy={"train": {"plans": "any", "users": ["eve"]}})
        with pytest.raises(FitDenied) as denied:
            await fit(hub)
        said = str(denied.value)
        assert said.startswith("nothing was trained: nobody may take part, and the strategy needs 1\na, b: ")
        assert f'  [policy.train]\n  plans = ["{loss.digest}"]\n' in said
        assert "\nfew: " in said and "\n  [policy.train]\n  min_rows = 20" in said
        assert "\neves: " in said and '  users = ["anonymous"]' in said
        assert denied.value.permissions.keys() == {"a", "b", "few", "eves"}
        assert isinstance(denied.value, NotEnoughWorkers)
        assert await ran(a, b, few, eves) == [0, 0, 0, 0]


async def test_what_the_lines_say_is_enough() -> None:
    """The owner does what the error says, and the same fit goes through."""
    policy: dict[str, Any] = {"train": {"users": ["eve"], "rounds": 1, "min_rows": 200}}
    async with fedsock.Hub(port=0) as hub:
        for number in range(4):
            await hub.virtual_worker(f"w{number}", DATA, policy=policy)
            started = fit(hub, rounds=3, workers=[f"w{number}"])
            try:
                result = await started
                break
            except FitDenied as denied:
                for line in denied.permissions[f"w{number}"].lines:
                    key, _, value = line.partition(" = ")
                    policy["train"][key] = int(value) if value.isdigit() else [value.strip('[]"')]
        assert len(result.rounds) == 3 and number == 2  # all about the plan at once, then its rounds
        assert policy == {"train": {"users": ["anonymous"], "rounds": 3, "min_rows": 150, "plans": [loss.digest]}}


async def test_who_says_no_is_left_out_of_each_round_with_the_reason_and_trains_nothing() -> None:
    async with fedsock.Hub(port=0) as hub:
        good = [await hub.virtual_worker(f"good{k}", DATA, policy=LISTED) for k in range(2)]
        shy = await hub.virtual_worker("shy", DATA)
        result = await fit(hub)
        for one in result.rounds:
            assert list(one.workers) == ["good0", "good1"]
            (dropped,) = one.dropped
            assert dropped.name == "shy" and dropped.reason.startswith("ExportDenied: ")
            assert f'[policy.train] plans = ["{loss.digest}"]' in dropped.reason
        assert await ran(shy) == [0] and all(ops >= 3 for ops in await ran(*good))
        with pytest.raises(FitDenied, match="good0, good1 may take part, and the strategy needs 3"):
            await fit(hub, strategy=FedMedian(min_workers=3))


async def test_rounds_that_are_left_are_counted_before_one_is_used_up() -> None:
    async with fedsock.Hub(port=0) as hub:
        bob = await hub.virtual_worker("bob", DATA, policy={"train": {"plans": "any", "rounds": 4}})
        with pytest.raises(FitDenied, match=r"(?s)4 are left, and 5 are wanted.*\n  \[policy.train\]\n  rounds = 5"):
            await fit(hub, rounds=5)
        assert len((await fit(hub, rounds=3)).rounds) == 3
        with pytest.raises(FitDenied, match=r"1 are left, and 3 are wanted"):
            await fit(hub, rounds=3)
        assert await bob.allows(loss, *NAMES, times=1)


async def test_tasks_are_asked_about_too() -> None:
    def step(data: Any, params: Any) -> Any:
        called.append(1)
        return params, len(data["x"]), None

    called: list[int] = []
    async with fedsock.Hub(port=0) as hub:
        await hub.virtual_worker("a", DATA, tasks={"step": step})
        with pytest.raises(FitDenied, match=r"\n  \[policy.train\]\n  tasks = \[\"step\"\]"):
            await hub.fit(np.zeros(3), task="step", rounds=2)
        assert called == []
        await hub.virtual_worker("b", DATA, tasks={"step": step}, policy={"train": {"tasks": ["step"]}})
        result = await hub.fit(np.zeros(3), task="step", rounds=2)
        assert [[d.name for d in one.dropped] for one in result.rounds] == [["a"], ["a"]] and len(called) == 2


async def test_one_request_for_each_plan_at_each_owner_who_wants_to_be_asked() -> None:
    asked: list[Any] = []
    policy = {"export": "ask", "answer": asked.append}
    async with fedsock.Hub(port=0) as hub:
        for name in ("ann", "ben"):
            await hub.virtual_worker(name, DATA, policy=policy)
        await hub.virtual_worker("shy", DATA)
        for _ in range(2):
            with pytest.raises(FitDenied, match=r"request 1 of it is waiting") as denied:
                await fit(hub, rounds=4, request="the model of the paper")
        assert len(asked) == 4 and {one.number for one in asked} == {1}  # the same, once more, at each
        assert all("4 times" in one.expression and loss.digest in one.expression for one in asked)
        requests = {name: said.request for name, said in denied.value.permissions.items()}
        assert requests["shy"] is None and requests["ann"].number == requests["ben"].number == 1
        await hub.virtual_worker("yes", DATA, policy={"export": "ask", "answer": lambda request: 4})
        result = await fit(hub, rounds=4, request="the model of the paper")
        assert [list(one.workers) for one in result.rounds] == [["yes"]] * 4
        with pytest.raises(FitDenied):
            await fit(hub, rounds=1)  # the four are used up, and nobody was asked


async def test_a_worker_that_does_not_answer_is_lost_for_that_round_only(monkeypatch: pytest.MonkeyPatch) -> None:
    allowed, hung = LossTrainer.allowed, ["slow"]

    async def hanging(self: Any, worker: Any, *rest: Any) -> Any:
        if worker.name in hung:
            hung.remove(worker.name)
            await asyncio.get_running_loop().create_future()
        return await allowed(self, worker, *rest)

    monkeypatch.setattr(LossTrainer, "allowed", hanging)
    async with fedsock.Hub(port=0) as hub:
        for name in ("bob", "slow"):
            await hub.virtual_worker(name, DATA, policy=LISTED)
        first, second = (await fit(hub, rounds=2, deadline=1.0)).rounds
        assert list(first.workers) == ["bob"]
        assert [(one.name, one.reason) for one in first.dropped] == [("slow", "WorkerTimeout: no answer within 1.0 s")]
        assert list(second.workers) == ["bob", "slow"] and second.dropped == ()


async def test_a_worker_that_comes_later_is_asked_then_and_each_life_once(monkeypatch: pytest.MonkeyPatch) -> None:
    allowed = LossTrainer.allowed
    asked: list[str] = []

    async def counted(self: Any, worker: Any, *rest: Any) -> Any:
        asked.append(worker.name)
        return await allowed(self, worker, *rest)

    monkeypatch.setattr(LossTrainer, "allowed", counted)
    async with fedsock.Hub(port=0) as hub:
        await hub.virtual_worker("bob", DATA, policy=LISTED)
        seen: list[Any] = []
        async for r in fit(hub, rounds=3):
            seen.append((list(r.workers), [one.name for one in r.dropped]))
            if r.number == 1:
                await hub.virtual_worker("shy", DATA)
                await hub.virtual_worker("amy", DATA, policy=LISTED)
        assert seen == [(["bob"], []), (["amy", "bob"], ["shy"]), (["amy", "bob"], ["shy"])]
        assert asked == ["bob", "amy", "shy"]


class Own(Strategy):
    def select(self, workers: Any, round: int) -> Any:
        return workers

    def aggregate(self, updates: Any) -> Any:
        return updates.params


def test_how_many_updates_of_a_worker_are_wanted() -> None:
    assert [times_of(FedAvg(fraction=f), 50) for f in (1.0, 0.1, 0.001)] == [50, 5, 1]
    assert times_of(Own(), 50) == 1


async def test_a_hundred_virtual_workers_are_asked_in_little_time() -> None:
    async with fedsock.Hub(port=0) as hub:
        await hub.virtual_workers(100, data=[{"x": X[:5], "y": Y[:5]}] * 100, private=False)
        trainer = LossTrainer(loss, NAMES, np.zeros(3))
        job: Any = type("Job", (), {"local": {}, "config": {}})
        asyncio.get_running_loop().set_debug(False)
        start = asyncio.get_running_loop().time()
        assert all(await asyncio.gather(*(trainer.allowed(one, job, 5, None) for one in hub.workers.values())))
        assert asyncio.get_running_loop().time() - start < 1.0


@pytest.mark.timeout(300)
async def test_an_owner_reads_the_plan_approves_and_the_fit_goes_on_at_real_workers(tmp_path: Path) -> None:
    """Bob wants to be asked, carl allows nothing yet: each does by command and TOML what the error says."""

    def owner(*words: str) -> str:
        command = [sys.executable, "-m", "fedsock.worker", *words]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout

    def toml(name: str, url: str, policy: str) -> str:
        path = tmp_path / name / f"{name}.toml"
        path.parent.mkdir(exist_ok=True)
        np.savez(path.parent / "d.npz", x=X, y=Y)
        path.write_text(f'name = "{name}"\nhub = "{url}"\n{policy}\n[datasets.d]\nfile = "d.npz"\n')
        return str(path)

    def again() -> Any:
        options = {"rounds": 3, "local": LOCAL, "strategy": FedAvg(min_workers=2), "request": "the paper's model"}
        return hub.fit(np.zeros(3), loss, data=("d/x", "d/y"), **options)

    async with fedsock.Hub(port=0) as hub:
        bob = toml("bob", hub.url, '[policy]\nexport = "ask"')
        carl = toml("carl", hub.url, "")
        async with child("fedsock.worker", "--config", bob):
            async with child("fedsock.worker", "--config", carl) as carls:
                await hub.wait_for_workers(2, timeout=60)
                with pytest.raises(FitDenied) as denied:
                    await again()
                said = denied.value.permissions
                assert said["bob"].request is not None and said["carl"].request is None
                assert f'  [policy.train]\n  plans = ["{loss.digest}"]' in str(denied.value)
                stats = [await (await hub.worker(name)).stats() for name in ("bob", "carl")]
                assert [one.ops_run for one in stats] == [0, 0]  # nobody trained
                await carls.stop()
            shown = await asyncio.to_thread(owner, "requests", "--config", bob)
            assert f"plan {loss.digest}" in shown and "why    the paper's model" in shown and "--count 3" in shown
            for config in (bob, carl):
                text = await asyncio.to_thread(owner, "show", loss.digest, "--config", config)
                assert f"plan loss, {loss.digest}\n" in text and "matmul(x, w)" in text
            lines = text[text.index("[policy.train]") :].split("\n\n")[0]
            await asyncio.to_thread(owner, "approve", "1", "--count", "3", "--config", bob)
            await asyncio.wait_for(said["bob"].request, 30)
            async with child("fedsock.worker", "--config", toml("carl", hub.url, lines)):
                await hub.wait_for_workers(2, timeout=60)
                result = await again()
                assert [sorted(one.workers) for one in result.rounds] == [["bob", "carl"]] * 3
                with pytest.raises(FitDenied, match=r"carl may take part, and the strategy needs 2"):
                    await again()


async def test_a_fit_that_is_resumed_is_asked_for_the_rest_of_its_rounds(tmp_path: Path) -> None:
    path = tmp_path / "fit"
    async with fedsock.Hub(port=0) as hub:
        await hub.virtual_worker("bob", DATA, policy={"train": {"plans": "any", "rounds": 5}})
        await fit(hub, rounds=3, checkpoint=path)
        with pytest.raises(FitDenied, match="2 are left, and 3 are wanted"):
            await fit(hub, rounds=6, checkpoint=path, resume=True, patience=60.0)
        assert len((await fit(hub, rounds=5, checkpoint=path, resume=True)).rounds) == 5


@pytest.mark.parametrize("why", ["", " ", "x" * 2001, 7])
async def test_a_request_is_a_text(why: Any) -> None:
    async with fedsock.Hub(port=0) as hub:
        with pytest.raises(ConfigError, match=r"request: say what.*1 to 2,000"):
            fit(hub, request=why)


async def test_who_is_allowed_while_a_fit_goes_on_takes_part_from_then(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with fedsock.Hub(port=0) as hub:
        await hub.virtual_worker("bob", DATA, policy=LISTED)
        await hub.virtual_worker("slow", DATA, policy="ask", state=tmp_path)
        seen = []
        async for r in fit(hub, rounds=4, request="the model"):
            seen.append((list(r.workers), [one.reason.split(";")[1] for one in r.dropped]))
            if r.number == 2:
                assert await asyncio.to_thread(main, ["approve", "1", "--count", "2", "--state", str(tmp_path)]) == 0
        assert await asyncio.to_thread(main, ["requests", "--all", "--state", str(tmp_path)]) == 0
        assert capsys.readouterr().out.count("\n  why ") == 1  # it was made once
        waits = (["bob"], [" request 1 of it is waiting. Next: ask the owner: request=…"])
        assert seen == [waits, waits, (["bob", "slow"], []), (["bob", "slow"], [])]


async def test_what_only_one_worker_lacks_ends_no_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    allowed = LossTrainer.allowed

    async def lacking(self: Any, worker: Any, *rest: Any) -> Any:
        if worker.name == "old":
            raise ConfigError("old: an extra is missing")
        return await allowed(self, worker, *rest)

    monkeypatch.setattr(LossTrainer, "allowed", lacking)
    async with fedsock.Hub(port=0) as hub:
        for name in ("bob", "old"):
            await hub.virtual_worker(name, DATA, policy=LISTED)
        assert len((await fit(hub)).rounds) == 3


async def test_who_said_no_is_not_asked_again_in_the_same_fit() -> None:
    asked: list[Any] = []

    def no(request: Any) -> Any:
        asked.append(request)
        return "no"

    async with fedsock.Hub(port=0) as hub:
        await hub.virtual_worker("bob", DATA, policy=LISTED)
        await hub.virtual_worker("shy", DATA, policy={"export": "ask", "answer": no})
        assert len((await fit(hub, rounds=4, request="the model")).rounds) == 4
        assert len(asked) == 1
