"""Requests on the whole road: a scientist asks, the owner answers by the command or a function, the value comes."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fedsock
from fedsock import errors
from fedsock.worker.requestbook import read_book
from tests.contract.house import process

SHORT = 0.6
"""Longer than a worker's look for answers."""


def owner(*words: str) -> str:
    """Run an owner's command and return what it says."""
    done = subprocess.run(
        [sys.executable, "-m", "fedsock.worker", *words], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def toml(tmp_path: Path) -> Path:
    np.save(tmp_path / "visits.npy", np.arange(100.0))
    made = tmp_path / "bob.toml"
    made.write_text('name = "bob"\n[policy]\nexport = "ask"\n[datasets.visits]\nfile = "visits.npy"\n')
    return made


async def kept(pointer: Any) -> None:
    with pytest.raises(errors.ExportDenied, match=r"rule ask.*p\.request\("):
        await pointer


async def test_a_function_of_the_owners_answers() -> None:
    asked: list[Any] = []

    def answer(request: Any) -> Any:
        asked.append(request)
        return "rows stay here" if request.shape == "float64[4]" else 2

    async with fedsock.Hub(port=0) as hub:
        bob = await hub.virtual_worker("bob", data={"x": np.arange(4.0)}, policy={"export": "ask", "answer": answer})
        x = bob.datasets["x"]
        mean = (x * 2).mean()
        await kept(mean)
        req = await mean.request("the mean, for the report")
        assert await (await req) == 3.0
        assert [(one.user, one.why, one.expression) for one in asked] == [
            ("anonymous", "the mean, for the report", "np.mean(data['x'] * 2)")
        ]
        with pytest.raises(errors.ExportDenied, match="rows stay here"):
            await (await x.request("all of it"))
        assert await (x * 2).mean() == 3.0
        await kept((x * 2).mean())
        await kept((x * 2.0).mean())


async def test_an_owner_without_the_mode_takes_no_requests() -> None:
    async with fedsock.Hub(port=0) as hub:
        bob = await hub.virtual_worker("bob", data={"x": np.arange(4.0)})
        with pytest.raises(errors.ExportDenied, match=r"can't be asked for.*private-stays"):
            await bob.datasets["x"].sum().request("why")
        assert await (await (await bob.send(1.0).request("mine"))) == 1.0
        with pytest.raises(errors.ConfigError, match="answer: expected a function"):
            await hub.virtual_worker("carol", policy={"export": "ask", "answer": "yes"})


@pytest.mark.timeout(200)
async def test_the_owner_answers_by_the_command_while_the_worker_runs(toml: Path) -> None:
    async with fedsock.Hub(port=0) as hub:
        with process("fedsock.worker", "--config", str(toml), "--hub", hub.url):
            bob = await hub.worker("bob", timeout=60)
            mean = bob.datasets["visits"].mean()
            first, second = await mean.request("the mean"), await bob.datasets["visits"].request("all")
            waiting = asyncio.ensure_future(first)
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(asyncio.shield(waiting), SHORT)
            said = await asyncio.to_thread(owner, "requests", "--config", str(toml))
            assert "why    the mean" in said and "np.mean(data['visits'])" in said and "request 2: waiting" in said
            await asyncio.to_thread(owner, "approve", "1", "--config", str(toml))
            assert await (await asyncio.wait_for(waiting, 30)) == 49.5
            await asyncio.to_thread(owner, "deny", "2", "--reason", "no rows", "--config", str(toml))
            with pytest.raises(errors.ExportDenied, match="request 2: no rows"):
                await asyncio.wait_for(second, 30)
            await kept(bob.datasets["visits"])


@pytest.mark.timeout(200)
async def test_requests_and_approvals_survive_the_worker_and_the_session(toml: Path) -> None:
    """Killed between each of the steps: asked, approved, used."""

    async def once(hub: Any, step: Any) -> None:
        with process("fedsock.worker", "--config", str(toml), "--hub", hub.url):  # ended by SIGKILL
            bob = await hub.worker("bob", timeout=60)
            await bob.ping()
            await step(bob, bob.datasets["visits"].mean())

    async def ask(bob: Any, mean: Any) -> None:
        assert (await mean.request("the mean")).number == 1

    async def use(bob: Any, mean: Any) -> None:
        assert await mean == 49.5

    async def refused(bob: Any, mean: Any) -> None:
        await kept(mean)
        assert (await mean.request("once more")).number == 2

    for step in (ask, use, refused):
        async with fedsock.Hub(port=0) as hub:
            await once(hub, step)
        if step is ask:
            await asyncio.to_thread(owner, "approve", "1", "--config", str(toml))
    assert sum(read_book(toml.parent / "bob.state").used.values()) == 1
    # Another file is other data: what was approved holds for the old.
    np.save(toml.parent / "visits.npy", np.arange(100.0) + 1)
    await asyncio.to_thread(owner, "approve", "2", "--config", str(toml))
    async with fedsock.Hub(port=0) as hub:
        await once(hub, lambda bob, mean: kept(mean))


@pytest.mark.timeout(200)
async def test_an_approval_is_for_the_user_whom_the_hub_names(tmp_path: Path) -> None:
    tokens = tmp_path / "tokens"
    ann, eve = "0123456789abcdef", "fedcba9876543210"
    tokens.write_text(f"ann session {ann}\neve session {eve}\n", encoding="utf-8")
    async with fedsock.Hub(port=0, token_file=tokens) as hub:
        users: list[str] = []

        def answer(request: Any) -> int:
            users.append(request.user)
            return 9

        await hub.virtual_worker("bob", data={"x": np.arange(4.0)}, policy={"export": "ask", "answer": answer})
        for token, allowed in ((ann, True), (eve, False)):
            async with fedsock.connect(hub.url, token=token) as session:
                x = (await session.worker("bob")).datasets["x"]
                if allowed:
                    assert await (await (await x.sum().request("why"))) == 6.0
                else:
                    await kept(x.sum())
        assert users == ["ann"]


@pytest.mark.timeout(200)
async def test_the_owner_answers_in_the_workers_terminal(toml: Path) -> None:
    async with fedsock.Hub(port=0) as hub:
        words = ("-m", "fedsock.worker", "--config", str(toml), "--hub", hub.url, "--prompt")
        pipe = asyncio.subprocess.PIPE
        worker = await asyncio.create_subprocess_exec(sys.executable, *words, stdin=pipe, stdout=pipe)
        assert worker.stdin is not None and worker.stdout is not None
        try:
            bob = await hub.worker("bob", timeout=60)
            req = await bob.datasets["visits"].mean().request("the mean")
            while b"y 5 five times" not in await asyncio.wait_for(worker.stdout.readline(), 30):
                pass
            worker.stdin.write(b"y\n")
            assert await (await asyncio.wait_for(req, 30)) == 49.5
            worker.stdin.close()
            assert await bob.ping() > 0
            worker.terminate()
            assert await asyncio.wait_for(worker.wait(), 30) == 0
        finally:
            if worker.returncode is None:
                worker.kill()
            await worker.communicate()


def test_a_prompt_needs_a_terminal(toml: Path) -> None:
    words = [sys.executable, "-m", "fedsock.worker", "--config", str(toml), "--hub", "ws://127.0.0.1:9", "--prompt"]
    with toml.open("rb") as file:
        done = subprocess.run(words, stdin=file, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, "--prompt: standard input is no terminal" in done.stderr) == (1, True)
