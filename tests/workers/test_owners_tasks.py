"""The tasks in workers/, in real worker processes: what a session gets is what the function makes of the data."""

from __future__ import annotations

import asyncio
import importlib
import re
import sys
import tomllib
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fedsock
from fedsock import errors

ROOT = Path(__file__).resolve().parents[2]
WORKERS = ROOT / "workers"
SECONDS = 120
"""For a worker to come: it imports torch or scikit-learn first, beside whatever else runs here."""


@pytest.fixture(autouse=True)
def beside(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Import the modules in workers/ as a worker does, and forget them afterwards."""
    monkeypatch.syspath_prepend(WORKERS)
    yield
    for name in ("sklearn_task", "torch_task"):
        sys.modules.pop(name, None)


@asynccontextmanager
async def worker(hub: Any, name: str, state: Path) -> AsyncIterator[tuple[Any, Any]]:
    """Run a worker of workers/ as its own process; gives its handle and the process."""
    command = ["-m", "fedsock.worker", "--config", str(WORKERS / f"{name}.toml"), "--hub", hub.url]
    made = await asyncio.create_subprocess_exec(
        sys.executable, *command, "--state", str(state), stderr=asyncio.subprocess.PIPE
    )
    try:
        yield await hub.worker(name, timeout=SECONDS), made
    finally:
        if made.returncode is None:
            made.terminate()
        await made.wait()


def digits(name: str) -> dict[str, Any]:
    file = tomllib.loads((WORKERS / f"{name}.toml").read_text(encoding="utf-8"))["datasets"]["digits"]["file"]
    with np.load(WORKERS / file) as arrays:
        return {f"digits/{key}": arrays[key] for key in arrays}


def here(module: str, data: Any, *args: Any, **kwargs: Any) -> tuple[list[Any], Any]:
    """Return what a task streams and returns when it is called here."""
    run = importlib.import_module(module).train(data, *args, **kwargs)
    streamed = []
    while True:
        try:
            streamed.append(next(run))
        except StopIteration as end:
            return streamed, end.value


async def trains(handle: Any, data: Any, module: str, **options: Any) -> Any:
    """Check two rounds against the function itself; returns the last result."""
    params = None
    for seed in (0, 1):
        streamed, made = here(module, data, params, epochs=5, seed=seed, **options)
        p = handle.task("train", params, epochs=5, seed=seed, **options)
        assert [value async for value in p] == [pytest.approx(metrics) for metrics in streamed]
        result = await p
        assert result["n"] == made["n"] == len(data["digits/labels"])
        assert result["params"].keys() == made["params"].keys()
        for key, array in result["params"].items():
            np.testing.assert_allclose(array, made["params"][key], rtol=1e-5, atol=1e-6)
        params = result["params"]
    return result


async def test_scikit_learn(tmp_path: Path) -> None:
    async with fedsock.Hub(port=0) as hub:
        async with worker(hub, "frank", tmp_path) as (frank, process):
            assert frank.tasks["train"].startswith("Train ten one-against-all logistic regressions")
            result = await trains(frank, digits("frank"), "sklearn_task")
            assert result["metrics"]["accuracy"] > 0.9
            assert (await frank.policy("digits/labels")).train["rounds_left"] == {"task train": 198}
            for private in (frank.datasets["digits/labels"], frank.task("train")["n"]):
                with pytest.raises(errors.ExportDenied):
                    await private
            with pytest.raises(errors.TaskFailed) as raised:
                await frank.task("train", {"coef": "secret words"})
            assert "secret" not in str(raised.value)
            process.terminate()
            log = (await process.stderr.read()).decode()
            assert await process.wait() == 0
        assert "Traceback" in log and "sklearn_task.py" in log
        async with worker(hub, "frank", tmp_path) as (frank, _):
            left = (await frank.policy("digits/labels")).train["rounds_left"]["task train"]
            assert left <= 198


async def test_torch(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    async with fedsock.Hub(port=0) as hub, worker(hub, "grace", tmp_path) as (grace, _):
        result = await trains(grace, digits("grace"), "torch_task")
        assert result["metrics"]["accuracy"] > 0.85


@pytest.mark.parametrize("path", sorted(WORKERS.glob("*.py")), ids=lambda path: path.name)
def test_they_are_short_and_explained(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 60 and re.match('"""An owner\'s task', text)
