"""A fit that breaks, whoever dies of it, leaves its last checkpoint good: what goes on from it ends as if unbroken.

Hub, bob, alice and the scientist's program are processes; a pipe that alice's task opens says when she is in the middle
of a round.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fedsock import errors
from fedsock.federated import FedAdam, checkpoint
from tests.bad_input import parts

X = np.random.default_rng(0).normal(size=(120, 3))
Y = X @ np.array([1.0, -2.0, 0.5])
W = {"w": np.zeros(3)}
ROUNDS = 5
BREAKS_IN = 3

TASKS = '''
"""What bob and alice let others call."""

import numpy as np


def step(data, params, *, tell="", wait="", bad=False):
    """Take a step; first open a pipe to tell of it, and another to wait until somebody opens it too."""
    for pipe in filter(None, (tell, wait)):
        open(pipe, "w").close()
    error = data["px"] @ params["w"] - data["py"]
    w = params["w"] - 0.1 * data["px"].T @ error / len(error)
    return {"w": w * np.nan if bad else w}, len(error), {"loss": float(np.mean(error**2))}
'''

TOML = """
[datasets.px]
file = "{name}_px.npy"
[datasets.py]
file = "{name}_py.npy"
[policy.train]
min_rows = 10
tasks = ["step"]
[tasks.step]
function = "their_steps:step"
data = ["px", "py"]
"""

PROGRAM = """
import asyncio, resource, sys
import numpy as np
import fedsock
from fedsock.federated import FedAdam

async def main(url, path, config, full):
    async with fedsock.connect(url) as hub:
        await hub.wait_for_workers(2)
        config = {key: value for key, value in (pair.split("=") for pair in config.split(",") if pair)}
        tell = lambda round, name: config if (round, name) == (BREAKS_IN, "alice") else {}
        fit = hub.fit({"w": np.zeros(3)}, task="step", strategy=FedAdam(min_workers=2), config=tell, rounds=ROUNDS,
                      seed=7, checkpoint=path, retries=0)
        async for r in fit:
            print(r.number, flush=True)
            if full and r.number == BREAKS_IN - 1:  # no file may have one more byte
                import os
                size = os.path.getsize(path)
                resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

asyncio.run(main(*sys.argv[1:4], full=len(sys.argv) > 4))
""".replace("BREAKS_IN", str(BREAKS_IN)).replace("ROUNDS", str(ROUNDS))


class Owners:
    """Who is there.

    Attributes:
        house: the hub and bob.
        alice: her process.
    """

    def __init__(self, folder: Path) -> None:
        (folder / "their_steps.py").write_text(TASKS)
        for name, rows in (("bob", slice(0, 40)), ("alice", slice(40, 120))):
            np.save(folder / f"{name}_px.npy", X[rows])
            np.save(folder / f"{name}_py.npy", Y[rows])
        self._config = folder / "alice.toml"
        self._config.write_text('name = "alice"\n' + TOML.format(name="alice"), encoding="utf-8")
        self._stack = ExitStack()
        self.house = self._stack.enter_context(parts.started(folder, TOML.format(name="bob")))
        self.alice: subprocess.Popen[str]
        self.begin_alice()

    def begin_alice(self) -> None:
        """Start alice, again."""
        self.alice = self._stack.enter_context(parts.worker(self._config, self.house.url))

    def close(self) -> None:
        """End all of them."""
        self._stack.close()


@pytest.fixture(scope="module")
def owners(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Owners]:
    made = Owners(tmp_path_factory.mktemp("owners"))
    yield made
    made.close()


@pytest.fixture
async def hub(owners: Owners) -> AsyncIterator[Any]:
    """A scientist's connection; bob's bystander must notice nothing."""
    async with parts.bystander(owners.house), owners.house.connect("ann") as made:
        await made.wait_for_workers(2)
        yield made


def fit(hub: Any, path: Path | None = None, **options: Any) -> Any:
    options = {"rounds": ROUNDS, "seed": 7, "strategy": FedAdam(min_workers=2), **options}
    return hub.fit(W, task="step", checkpoint=path, **options)


async def check_good(hub: Any, path: Path, rounds: int = BREAKS_IN - 1) -> None:
    """The file is of the last whole round, and what goes on from it ends to the bit where an unbroken fit does."""
    assert [one.number for one in checkpoint.load(path).rounds] == list(range(1, rounds + 1))
    assert list(path.parent.iterdir()) == [path]
    resumed, unbroken = await fit(hub, path, resume=True), await fit(hub)
    assert [one.number for one in resumed.rounds] == list(range(1, ROUNDS + 1))
    assert resumed.params["w"].tobytes() == unbroken.params["w"].tobytes()
    assert [one.loss for one in resumed.rounds] == [one.loss for one in unbroken.rounds]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "kept").mkdir()
    return tmp_path / "kept" / "fit.npz"


@pytest.fixture
def pipes(tmp_path: Path) -> dict[str, str]:
    """Names of two pipes: what alice's task is told to open."""
    for name in ("tell", "wait"):
        os.mkfifo(tmp_path / name)
    return {name: str(tmp_path / name) for name in ("tell", "wait")}


async def reached(pipe: str, child: asyncio.subprocess.Process | None = None) -> None:
    """Wait until alice's task has opened a pipe; a program that ends before fails the test."""
    loop, opened = asyncio.get_running_loop(), asyncio.Event()
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    loop.add_reader(reader, opened.set)  # a writer's hanging up is an end of file
    waiting = [asyncio.ensure_future(opened.wait())]
    waiting += [] if child is None else [asyncio.ensure_future(child.wait())]
    try:
        await asyncio.wait(waiting, timeout=parts.WAIT_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        assert opened.is_set(), "nobody came" if child is None else (await child.communicate())[1].decode()
    finally:
        for one in waiting:
            one.cancel()
        loop.remove_reader(reader)
        os.close(reader)


def let_go(pipe: str) -> None:
    """Let alice's task go on, if it is still there to do so."""
    os.close(os.open(pipe, os.O_RDONLY | os.O_NONBLOCK))


# ---- the scientist's program ends


async def program(owners: Owners, path: Path, config: str, *more: str) -> asyncio.subprocess.Process:
    words = (sys.executable, "-c", PROGRAM, owners.house.url, str(path), config, *more)
    return await asyncio.create_subprocess_exec(*words, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL, signal.SIGTERM], ids=lambda one: one.name)
async def test_the_program_is_interrupted_or_killed(
    number: int, owners: Owners, hub: Any, path: Path, pipes: dict[str, str]
) -> None:
    child = await program(owners, path, ",".join(f"{key}={value}" for key, value in pipes.items()))
    await reached(pipes["tell"], child)
    child.send_signal(number)
    async with asyncio.timeout(parts.WAIT_SECONDS):
        out, err = await child.communicate()
    let_go(pipes["wait"])
    assert out.split() == [b"1", b"2"]
    assert child.returncode != 0 and (number != signal.SIGINT or b"KeyboardInterrupt" in err), err
    await check_good(hub, path)


async def test_the_disk_is_full(owners: Owners, hub: Any, path: Path) -> None:
    child = await program(owners, path, "", "full")
    async with asyncio.timeout(parts.WAIT_SECONDS):
        out, err = await child.communicate()
    assert out.split() == [b"1", b"2"], err
    last = err.decode().splitlines()[-1]
    assert last.startswith(f"fedsock.errors.CheckpointUnwritable: round {BREAKS_IN} can't be kept: {path} can't be"), (
        last
    )
    assert "File too large" in last and "that of round 2 is as it was; make room" in last
    await check_good(hub, path)


# ---- a worker dies, or what waits for it is given up


async def test_a_worker_is_killed(owners: Owners, hub: Any, path: Path, pipes: dict[str, str]) -> None:
    broken = fit(hub, path, config=only_alice(pipes), retries=0, patience=0.1)
    running = asyncio.ensure_future(finished(broken))
    await reached(pipes["tell"])
    owners.alice.kill()
    with pytest.raises(errors.NotEnoughWorkers) as caught:
        await running
    said = str(caught.value)
    assert (
        said.startswith(f"round {BREAKS_IN}: the strategy needs updates of 2 workers") and "alice was dropped" in said
    )
    owners.begin_alice()
    await hub.wait_for_workers(2, timeout=parts.WAIT_SECONDS)
    await check_good(hub, path)


async def test_an_update_of_nan(hub: Any, path: Path) -> None:
    broken = fit(hub, path, config=only_alice({"bad": True}), retries=1)
    with pytest.raises(
        errors.NotEnoughWorkers, match=rf"round {BREAKS_IN}: .*alice was dropped \(Upd.*alice: its par.*NaN"
    ):
        await broken
    await check_good(hub, path)


async def test_it_is_cancelled_in_the_middle_of_a_round(hub: Any, path: Path, pipes: dict[str, str]) -> None:
    broken = fit(hub, path, config=only_alice(pipes))
    running = asyncio.ensure_future(finished(broken))
    await reached(pipes["tell"])
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    let_go(pipes["wait"])
    with pytest.raises(errors.FitError, match=rf"cancelled in round {BREAKS_IN}; .*resume=True"):
        await broken
    assert len(broken.result.rounds) == BREAKS_IN - 1
    await check_good(hub, path)


@pytest.mark.parametrize("step", ["fsync", "replace"])
async def test_a_write_fails(hub: Any, path: Path, step: str, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = fit(hub, path)
    for _ in range(BREAKS_IN - 1):
        await anext(broken)

    def fails(*_: Any) -> None:
        raise OSError(28, os.strerror(28))

    with monkeypatch.context() as patch:
        patch.setattr(os, step, fails)
        with pytest.raises(errors.CheckpointUnwritable, match=rf"round {BREAKS_IN} .*No space left.*resume=True"):
            await broken
    assert len(broken.result.rounds) == BREAKS_IN, "what was played isn't lost"
    await check_good(hub, path)


def only_alice(config: dict[str, Any]) -> Any:
    return lambda round, name: config if (round, name) == (BREAKS_IN, "alice") else {}


async def finished(fit: Any) -> Any:
    return await fit
