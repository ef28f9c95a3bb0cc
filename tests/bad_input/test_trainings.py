"""Plans, trainings, tasks and fits that can't be, at real workers: errors say which worker, which round, what to do."""

from __future__ import annotations

import asyncio
import pickle
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fedsock
from fedsock import errors
from fedsock.federated import FedAdam, FedAvg, LocalSGD
from fedsock.plan.program import Program
from fedsock.plan.steps import Plan, Spec, Step
from fedsock.protocol.values import Reference
from tests.bad_input import parts

X = np.random.default_rng(0).normal(size=(120, 3))
Y = X @ np.array([1.0, -2.0, 0.5])
W = {"w": np.zeros(3)}

ARRAYS = {"px": X, "py": Y, "empty": X[:0], "ey": Y[:0], "single": X.astype(np.float32), "column": X[:, 0]}

TASKS = '''
"""What bob lets others call."""

import numpy as np


def good(data, params, **config):
    """Take a step."""
    error = data["px"] @ params["w"] - data["py"]
    return {"w": params["w"] - 0.1 * data["px"].T @ error / len(error)}, len(error), {"loss": float(np.mean(error**2))}


def raises(data, params, **config):
    """Fail with a value."""
    raise ValueError(f"the first is {data['py'][0]!r}")


def exits(data, params, **config):
    """End the process, or so it thinks."""
    raise SystemExit(3)


def a_set(data, params, **config):
    """Return what can't travel."""
    return {1, 2}


def objects(data, params, **config):
    """Return an array that can't travel."""
    return {"w": np.array([{}], dtype=object)}, 3, {}


def streams_a_set(data, params, **config):
    """Stream what can't travel."""
    yield {1, 2}


def bare(data, params, **config):
    """Return parameters and nothing else."""
    return params


def not_a_number(data, params, **config):
    """Return NaN."""
    return {"w": params["w"] * np.nan}, 3, {}
'''
NAMES = ("good", "raises", "exits", "a_set", "objects", "streams_a_set", "bare", "not_a_number")


@fedsock.plan
def loss(params: Any, x: Any, y: Any) -> Any:
    return np.mean((x @ params["w"] - y) ** 2) / 2


@fedsock.plan
def a_loss_a_row(params: Any, x: Any, y: Any) -> Any:
    return (x @ params["w"] - y) ** 2


@fedsock.plan
def an_integer(params: Any, x: Any, y: Any) -> Any:
    return ((x @ params["w"] - y) > 0).sum()


@fedsock.plan
def a_dict(params: Any, x: Any, y: Any) -> Any:
    return {"loss": np.mean((x @ params["w"] - y) ** 2)}


@fedsock.plan
def of_waves(params: Any, x: Any, y: Any) -> Any:
    return np.mean(np.fft.fft(x @ params["w"] - y).real)


@fedsock.plan
def branching(params: Any, x: Any, y: Any) -> Any:
    return np.mean(x) if y.sum() > 0 else np.mean(y)


loss.trace(W, X, Y)

FROM_ELSEWHERE = Plan(
    (Spec("params['w']", "float64", 1), Spec("x", "float64", 2), Spec("y", "float64", 1)),
    (("params", {"w": Reference(0)}), ("x", Reference(1)), ("y", Reference(2))),
    (Step("flux_capacitor", (Reference(0),), line="model.py:88: return np.flux_capacitor(w)"),),
    Reference(3),
)
"""A plan with an op of another version."""


def toml() -> str:
    told = "".join(f'[datasets.{name}]\nfile = "{name}.npy"\n' for name in ARRAYS)
    told += f'[policy.train]\nplans = ["{loss.digest}"]\ntasks = {list(NAMES)}\n'
    return told + "".join(
        f'[tasks.{name}]\nfunction = "bobs_bad_tasks:{name}"\ndata = ["px", "py"]\n' for name in NAMES
    )


@pytest.fixture(scope="module")
def owners(tmp_path_factory: pytest.TempPathFactory) -> Iterator[parts.House]:
    folder = tmp_path_factory.mktemp("owner")
    for name, array in ARRAYS.items():
        np.save(folder / f"{name}.npy", array)
    (folder / "bobs_bad_tasks.py").write_text(TASKS)
    with parts.started(folder, toml()) as made:
        yield made


@pytest.fixture
async def hub(owners: parts.House) -> AsyncIterator[Any]:
    """Somebody else's connection than the bystander's."""
    async with parts.bystander(owners), owners.connect("ann") as made:
        await made.worker("bob")
        yield made


async def failed(awaitable: Any, kind: type[Exception], *words: str) -> str:
    """Return what an error says, which is all of these words and none of bob's values."""
    with pytest.raises(kind) as caught:
        async with asyncio.timeout(parts.WAIT_SECONDS):
            await awaitable
    said = str(caught.value)
    assert [word for word in words if word not in said] == [], said
    assert not any(repr(float(value))[:8] in said for value in Y[:20])
    return said


# ---- plans

Run = Callable[[Any], Any]

RUNS: dict[str, tuple[Run, type[Exception], tuple[str, ...]]] = {
    "an op that bob doesn't have": (
        lambda bob: bob.run(FROM_ELSEWHERE, W, bob.datasets["px"], bob.datasets["py"]),
        errors.UnknownOp,
        ("at bob", "'flux_capacitor'", "written at model.py:88", "python -m fedsock.ops", "newer"),
    ),
    "an op that is no plan's": (
        lambda bob: bob.run(Plan((), (), (Step("task", ("good",)),), Reference(0))),
        errors.UnknownOp,
        ("at bob", "'task'"),
    ),
    "another dtype": (
        lambda bob: bob.run(loss, W, bob.datasets["single"], bob.datasets["py"]),
        errors.PlanMismatch,
        ("at bob", "x is float32[:,:]; the plan was traced for float64[:,:]"),
    ),
    "another number of axes": (
        lambda bob: bob.run(loss, W, bob.datasets["column"], bob.datasets["py"]),
        errors.PlanMismatch,
        ("at bob", "x is float64[:]; the plan was traced for float64[:,:]"),
    ),
    "shapes that don't fit": (
        lambda bob: bob.run(loss, {"w": np.zeros(4)}, bob.datasets["px"], bob.datasets["py"]),
        errors.OpValueError,
        ("at bob", "float64[120, 3]", "in matmul, written at test_trainings.py:", 'x @ params["w"]'),
    ),
}


@pytest.mark.parametrize("case", RUNS)
async def test_a_plan_that_cannot_run_at_a_worker(case: str, hub: Any) -> None:
    run, kind, words = RUNS[case]
    await failed(run(hub.workers["bob"]), kind, *words)


async def test_another_tree_or_dtype_is_told_here(hub: Any) -> None:
    bob = hub.workers["bob"]
    x, y = bob.datasets["px"], bob.datasets["py"]
    for args, said in [
        (([W["w"]], x, y), r"params is \[·\]; the plan was traced for \{'w': ·\}"),
        (({"w": np.zeros(3, np.float32)}, x, y), r"params\['w'\] is float32\[:\]; the plan was traced for float64"),
        ((W, X[0], y), r"x is float64\[:\]; the plan was traced for float64\[:,:\]"),
    ]:
        with pytest.raises(errors.PlanMismatch, match=said):
            bob.run(loss, *args)
        with pytest.raises(errors.PlanMismatch, match=said):
            bob.train(loss, args[0], args[1:])


# ---- losses

LOSSES: dict[str, tuple[Any, type[Exception], tuple[str, ...]]] = {
    "a loss for each row": (a_loss_a_row, errors.OpValueError, ("train at bob", "one floating-point number", "mean")),
    "an integer": (an_integer, errors.OpValueError, ("train at bob", "one floating-point number")),
    "a dict": (a_dict, errors.OpValueError, ("train at bob", "gives one number")),
    "an op without a gradient": (
        of_waves,
        errors.NotDifferentiable,
        ("train at bob", "fft.fft has no gradient", "written at test_trainings.py:", "python -m fedsock.ops"),
    ),
}


@pytest.mark.parametrize("case", LOSSES)
async def test_a_loss_that_cannot_be_trained(case: str, hub: Any) -> None:
    program, kind, words = LOSSES[case]
    bob = hub.workers["bob"]
    await failed(bob.train(program, W, (bob.datasets["px"], bob.datasets["py"])), kind, *words)
    with pytest.raises(errors.NotDifferentiable):
        fedsock.grad(program).trace(W, X, Y)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (("empty", "ey"), ("no rows to train on", "leave this worker out")),
        (("px", "ey"), ("different numbers of rows",)),
        (("single", "py"), ("x is float32[:,:]",)),
    ],
)
async def test_data_that_cannot_be_trained_on(data: tuple[str, str], words: tuple[str, ...], hub: Any) -> None:
    bob = hub.workers["bob"]
    kind = errors.PlanMismatch if data[0] == "single" else errors.OpValueError
    await failed(bob.train(loss, W, tuple(bob.datasets[name] for name in data)), kind, "train at bob", *words)
    told = await failed(hub.fit(W, loss, data=data, rounds=1, patience=0.1), errors.NotEnoughWorkers, "round 1", *words)
    assert "bob was dropped" in told


# ---- tasks


@pytest.mark.parametrize("task", ["raises", "exits", "a_set", "objects", "streams_a_set"])
async def test_a_task_that_fails_tells_its_name_only(task: str, hub: Any) -> None:
    bob = hub.workers["bob"]
    await failed(bob.task(task, W), errors.TaskFailed, "at bob", f"task {task} ", "its owner's log says")
    await failed(
        hub.fit(W, task=task, rounds=1, patience=0.1),
        errors.NotEnoughWorkers,
        "round 1",
        f"bob was dropped (TaskFailed: task at bob(str, dict): task {task} ",
    )
    assert (await bob.task("good", W))[1] == 120


@pytest.mark.parametrize(
    ("task", "words"),
    [
        ("bare", ("gave no (params, n, metrics), nor a dict of them",)),
        ("not_a_number", ("its params['w'] holds NaN", "a smaller learning rate")),
    ],
)
async def test_a_task_that_gives_what_is_no_update(task: str, words: tuple[str, ...], hub: Any) -> None:
    told = await failed(hub.fit(W, task=task, rounds=1, patience=0.1), errors.NotEnoughWorkers, "round 1", *words)
    assert "bob was dropped (UpdateRejected: bob: " in told


# ---- fits

FITS: dict[str, tuple[dict[str, Any], type[Exception], tuple[str, ...]]] = {
    "no worker that was named": (
        {"loss": loss, "workers": ["alice"]},
        errors.NotEnoughWorkers,
        ("round 1", "nobody", "alice isn't there"),
    ),
    "a data set that nobody has": (
        {"loss": loss, "data": ("px", "pz")},
        errors.NotEnoughWorkers,
        ("round 1", "nobody", "bob ", "'pz'"),
    ),
    "a task that nobody offers": (
        {"task": "god"},
        errors.NotEnoughWorkers,
        ("round 1", "nobody", "bob ", "'god'"),
    ),
    "too few": (
        {"loss": loss, "strategy": FedAvg(min_workers=2)},
        errors.NotEnoughWorkers,
        ("round 1", "2 workers", "able to take part: bob"),
    ),
    "nobody who allows it": (
        {"loss": Program(lambda p, x, y: np.mean((x @ p["w"] - y) ** 2) * 0.75)},
        errors.FedsockError,
        ("bob", "[policy.train]", "plans = [", "sha256:"),
    ),
    "another tree": ({"loss": loss, "params": [W["w"]]}, errors.PlanMismatch, ("params is [·]", "{'w': ·}")),
    "a shape that no rows fit": (
        {"loss": loss, "params": {"w": np.zeros(4)}},
        errors.NotEnoughWorkers,
        ("round 1", "bob was dropped", "in matmul, written at test_trainings.py:"),
    ),
    "data sets for another loss": ({"loss": loss, "data": "px"}, errors.PlanMismatch, ("loss(params, x, y)", "'px'")),
    "a loss that can't be recorded": ({"loss": branching}, errors.NotTraceable, ("np.where",)),
    "a loss without a gradient": (
        {"loss": of_waves},
        errors.NotDifferentiable,
        ("fft.fft has no gradient", "written at test_trainings.py:"),
    ),
    "a loss with an op that bob doesn't have": (
        {"loss": FROM_ELSEWHERE},
        errors.FedsockError,
        ("'flux_capacitor'", "model.py:88"),
    ),
    "a setting that there isn't": (
        {"loss": loss, "config": {"epoch": 3}},
        errors.ConfigError,
        ("round 1", "'epoch'", "epochs"),
    ),
    "a rate that isn't": (
        {"loss": loss, "local": LocalSGD(learning_rate=0)},
        errors.ConfigError,
        ("round 1", "learning_rate: expected a finite number above 0"),
    ),
    "steps that run away": (
        {"loss": loss, "local": LocalSGD(learning_rate=1e200, epochs=9)},
        errors.NotEnoughWorkers,
        ("round 1", "bob was dropped (UpdateRejected", "params['w'] holds NaN", "a smaller learning rate"),
    ),
}


@pytest.mark.parametrize("case", FITS)
async def test_a_fit_that_cannot_be(case: str, hub: Any) -> None:
    options, kind, words = FITS[case]
    options = {"params": W, "rounds": 2, "patience": 0.1, **options}
    if "loss" in options:
        options = {"data": ("px", "py"), **options}
    await failed(fit(hub, **options), kind, *words)
    good = await hub.fit(W, loss, data=("px", "py"), rounds=1)
    assert list(good.rounds[0].workers) == ["bob"]


async def fit(hub: Any, **options: Any) -> Any:
    return await hub.fit(**options)


LONG = {"params": W, "loss": loss, "data": ("px", "py"), "rounds": 2, "local": LocalSGD(epochs=10**6)}
"""Some minutes of training."""


async def test_a_fit_that_is_cancelled_frees_its_workers(hub: Any) -> None:
    running = asyncio.ensure_future(fit(hub, **LONG))
    while (await hub.workers["bob"].stats()).objects < 4:  # plan, parameters, and what will come of them
        pass
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    # It ended at a batch: the thread is free for the next, and the bystander will see that nothing of it is left.
    assert len((await hub.fit(W, loss, data=("px", "py"), rounds=1)).rounds) == 1


async def test_a_fit_whose_worker_is_too_slow_frees_it(hub: Any) -> None:
    told = await failed(fit(hub, **LONG, deadline=1, retries=0), errors.NotEnoughWorkers, "round 1", "within 1 s")
    assert "bob was dropped (WorkerTimeout" in told
    assert len((await hub.fit(W, loss, data=("px", "py"), rounds=1)).rounds) == 1


# ---- checkpoints


DAMAGED: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "nothing": (lambda data: b"", "no .npz archive"),
    "half of it": (lambda data: data[: len(data) // 2], "no .npz archive"),
    "all but its last byte": (lambda data: data[:-1], "no .npz archive"),
    "a flipped bit of a number": (lambda data: flipped(data, b"params/0.npy", 160), "CRC"),
    "a text": (lambda data: b"hello" * 100, "no .npz archive"),
    "random bytes": (lambda data: np.random.default_rng(0).bytes(len(data)), "no .npz archive"),
    "a pickle": (lambda data: pickle.dumps({"params": W}), "no .npz archive"),
}


def flipped(data: bytes, behind: bytes, by: int) -> bytes:
    place = data.index(behind) + by
    return data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]


@pytest.mark.parametrize("case", DAMAGED)
async def test_a_damaged_checkpoint_is_told_and_left_as_it_is(case: str, hub: Any, tmp_path: Path) -> None:
    path = tmp_path / "fit.npz"
    await hub.fit(W, loss, data=("px", "py"), rounds=1, checkpoint=path)
    damage, words = DAMAGED[case]
    path.write_bytes(damage(path.read_bytes()))
    damaged = path.read_bytes()
    await failed(
        hub.fit(W, loss, data=("px", "py"), rounds=3, checkpoint=path, resume=True),
        errors.CheckpointCorrupt,
        f"{path} is no whole checkpoint",
        words,
        "begin anew with another checkpoint path",
    )
    assert path.read_bytes() == damaged and list(tmp_path.iterdir()) == [path]


OTHERS: dict[str, tuple[dict[str, Any], str]] = {
    "seed": ({"seed": 3}, "its seed is 0, this fit's is 3"),
    "strategy": ({"strategy": FedAdam()}, "its strategy is FedAvg, this fit's is FedAdam"),
    "shape": ({"params": {"w": np.zeros(4)}}, "this fit's are params['w'] float64[4]"),
    "tree": ({"params": [np.zeros(3)], "loss": Program(lambda p, x, y: np.mean(x @ p[0]))}, "params[0] float64[3]"),
    "data": ({"data": ("empty", "ey")}, f"its training is {loss.digest} on px, py, this fit's is"),
    "loss": ({"loss": Program(lambda p, x, y: np.mean(x @ p["w"] - y))}, f"its training is {loss.digest} on px, py"),
    "training": ({"task": "good", "loss": None, "data": ()}, "this fit's is task good"),
}


@pytest.mark.parametrize("case", OTHERS)
async def test_a_checkpoint_of_another_fit(case: str, hub: Any, tmp_path: Path) -> None:
    path = tmp_path / "fit.npz"
    await hub.fit(W, loss, data=("px", "py"), rounds=1, checkpoint=path)
    kept = path.read_bytes()
    others, words = OTHERS[case]
    options = {"params": W, "loss": loss, "data": ("px", "py"), "rounds": 3, **others}
    await failed(
        fit(hub, **options, checkpoint=path, resume=True),
        errors.ConfigError,
        f"{path} is of another fit",
        words,
        "take another path",
    )
    assert path.read_bytes() == kept


async def test_a_place_where_no_checkpoint_can_be(hub: Any, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    for path, words in [
        ("folder", "folder can't be read as a checkpoint: Is a directory"),
        ("none/fit.npz", "there is no folder"),
        ("file/fit.npz", "there is no folder"),
    ]:
        await failed(
            hub.fit(W, loss, data=("px", "py"), rounds=1, checkpoint=tmp_path / path, resume=True),
            errors.ConfigError,
            words,
        )
