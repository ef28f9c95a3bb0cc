"""What a worker must remember and can't: nothing leaves then, the worker lives, and goes on when it can again."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fedsock import errors
from tests.bad_input import parts

ROWS = 40
GOOD = np.linspace(1.0, 9.0, ROWS)
OWNERS = """
[datasets.noisy]
file = "good.npy"
policy = { export = "dp", epsilon = 10 }
[datasets.summed]
file = "good.npy"
policy = { export = "aggregate", max_queries = 5 }
[datasets.asked]
file = "good.npy"
policy = { export = "ask" }
"""


@contextmanager
def owner(folder: Path) -> Iterator[parts.House]:
    np.save(folder / "good.npy", GOOD)
    with parts.started(folder, OWNERS) as made:
        yield made


def command(*words: str) -> tuple[int, str]:
    """Run an owner's command; returns its exit code and all that it says."""
    done = subprocess.run(
        [sys.executable, "-m", "fedsock.worker", *words], capture_output=True, text=True, timeout=60, check=False
    )
    return done.returncode, done.stdout + done.stderr


def lines(house: parts.House, name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (house.state / name).read_text().splitlines()]


async def noisy(bob: Any) -> float:
    return float(await bob.datasets["noisy"].dp_release("mean", epsilon=1, bounds=(0, 16)))


@contextmanager
def another_in_its_place(path: Path) -> Iterator[None]:
    """A folder where a file was, which no user's rights get past."""
    away = path.with_suffix(".away")
    path.rename(away)
    path.mkdir()
    try:
        yield
    finally:
        path.rmdir()
        away.rename(path)


@contextmanager
def full(house: parts.House, name: str) -> Iterator[None]:
    """A disk that takes no more bytes of files of this size."""
    size = (house.state / name).stat().st_size
    _, hard = resource.prlimit(house.bob.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(house.bob.pid, resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.prlimit(house.bob.pid, resource.RLIMIT_FSIZE, (hard, hard))


@pytest.mark.timeout(200)
async def test_a_ledger_that_cannot_be_written(tmp_path: Path) -> None:
    with owner(tmp_path) as house:
        async with parts.bystander(house), house.connect() as hub:
            bob = await hub.worker("bob")
            total = bob.datasets["summed"].sum()
            await total.wait()
            # The audit file is longer: a size that the ledger may not pass stops it too.
            for hindrance in (another_in_its_place(house.state / "ledger.jsonl"), full(house, "ledger.jsonl")):
                with hindrance:
                    for value in (noisy(bob), total):
                        with pytest.raises(errors.ExportDenied, match=r"can't write down.*tell its owner"):
                            await value
            with pytest.raises(errors.LedgerUnwritable), another_in_its_place(house.state / "ledger.jsonl"):
                await total
            assert lines(house, "ledger.jsonl") == []
            assert 0 < await noisy(bob) < 16
            assert await total == pytest.approx(GOOD.sum())
            assert [one["t"] for one in lines(house, "ledger.jsonl")] == ["charge", "query"]
        assert command("audit", "--verify", "--config", str(house.config))[0] == 0


@pytest.mark.timeout(200)
async def test_an_audit_file_that_cannot_be_written(tmp_path: Path) -> None:
    with owner(tmp_path) as house:
        async with parts.bystander(house), house.connect() as hub:
            bob = await hub.worker("bob")
            total = bob.datasets["summed"].sum()
            for hindrance in (another_in_its_place(house.state / "audit.jsonl"), full(house, "audit.jsonl")):
                with hindrance:
                    for value in (noisy(bob), total):
                        with pytest.raises(errors.ExportDenied, match=r"can't write down.*tell its owner"):
                            await value
            with pytest.raises(errors.AuditUnwritable), another_in_its_place(house.state / "audit.jsonl"):
                await total
            assert 0 < await noisy(bob) < 16
            assert await total == pytest.approx(GOOD.sum())
            kinds = [one["t"] for one in lines(house, "audit.jsonl")]
            assert kinds[:2] == ["start", "missed"] and kinds[-2:] == ["release", "export"]
        assert command("audit", "--verify", "--config", str(house.config))[0] == 0


@pytest.mark.timeout(200)
async def test_requests_that_cannot_be_written(tmp_path: Path) -> None:
    with owner(tmp_path) as house:
        async with parts.bystander(house), house.connect() as hub:
            bob = await hub.worker("bob")
            mean = bob.datasets["asked"].mean()
            with another_in_its_place(house.state / "requests.jsonl"), pytest.raises(errors.LedgerUnwritable):
                await mean.request("the mean")
            req = await mean.request("the mean")
            assert command("approve", str(req.number), "--config", str(house.config))[0] == 0
            unwritable = pytest.raises(errors.LedgerUnwritable, match="tell its owner")
            with another_in_its_place(house.state / "requests.jsonl"), unwritable:
                await mean
            assert await mean == GOOD.mean()


@pytest.mark.parametrize("name", ["ledger.jsonl", "audit.jsonl", "requests.jsonl"])
@pytest.mark.parametrize("wrong", ["a folder", "a device", "garbage"])
def test_a_file_that_is_none_is_refused_at_the_start(name: str, wrong: str, tmp_path: Path) -> None:
    np.save(tmp_path / "good.npy", GOOD)
    config = tmp_path / "bob.toml"
    config.write_text(f'name = "bob"\n{OWNERS}', encoding="utf-8")
    state = tmp_path / "bob.state"
    state.mkdir(0o700)
    if wrong == "a folder":
        (state / name).mkdir()
    elif wrong == "a device":
        (state / name).symlink_to("/dev/full")
    else:
        (state / name).write_text("garbage\n")
    code, said = command("--config", str(config))
    assert code == 2 and said.startswith("fedsock.worker: ") and said.count("\n") == 1 and name in said, said


@pytest.mark.timeout(200)
async def test_a_memory_that_is_locked(tmp_path: Path) -> None:
    with owner(tmp_path) as house:
        async with parts.bystander(house):
            code, said = command("--config", str(house.config), "--name", "bob2", "--state", str(house.state))
            assert code == 2 and f"process {house.bob.pid}" in said and "--state DIR" in said and "\n" in said
            async with house.connect() as hub:
                assert 0 < await noisy(await hub.worker("bob")) < 16


@pytest.mark.timeout(200)
@pytest.mark.parametrize("name", ["ledger.jsonl", "audit.jsonl", "requests.jsonl"])
async def test_a_torn_line_is_mended_and_told(name: str, tmp_path: Path) -> None:
    with owner(tmp_path) as house:
        async with house.connect() as hub:
            bob = await hub.worker("bob")
            await noisy(bob)
            await bob.datasets["asked"].mean().request("the mean")
        house.bob.kill()
        house.bob.wait(30)
        with (house.state / name).open("ab") as file:
            file.write(b'{"t":"torn')
        with parts.worker(house.config, house.url) as house.bob:
            async with parts.bystander(house), house.connect() as hub:
                bob = await hub.worker("bob")
                assert str((await bob.policy("noisy")).epsilon_left) == "9"
                assert 0 < await noisy(bob) < 16
                assert (await bob.datasets["asked"].mean().request("the mean")).number == 1
        assert any(one["t"] == "recovered" and '{"t":"torn' in str(one) for one in lines(house, name))
        assert command("audit", "--verify", "--config", str(house.config))[0] == 0


@pytest.mark.timeout(200)
async def test_an_approval_of_what_is_gone(tmp_path: Path) -> None:
    with owner(tmp_path) as house:
        async with house.connect() as hub:
            bob = await hub.worker("bob")
            await bob.datasets["asked"].mean().request("the mean")
            await (bob.datasets["asked"] * 2).sum().request("twice the sum")
        code, said = command("approve", "7", "--config", str(house.config))
        assert code == 2 and "there is no request 7; 1, 2 wait for an answer" in said
        for number in ("1", "2"):
            assert command("approve", number, "--count", "5", "--config", str(house.config))[0] == 0
        house.bob.kill()
        house.bob.wait(30)
        np.save(tmp_path / "good.npy", GOOD + 1)
        with parts.worker(house.config, house.url) as house.bob:
            async with parts.bystander(house), house.connect() as hub:
                bob = await hub.worker("bob")
                for value in (bob.datasets["asked"].mean(), (bob.datasets["asked"] * 2).sum()):
                    with pytest.raises(errors.ExportDenied, match=r"no approval of it is left.*Next: .*p\.request"):
                        await value
                again = await bob.datasets["asked"].mean().request("of the new data")
                assert again.number == 3
        house.bob.kill()
        house.bob.wait(30)
        house.config.write_text(house.config.read_text().split("[datasets.asked]")[0])
        with parts.worker(house.config, house.url) as house.bob:
            assert command("approve", "3", "--config", str(house.config))[0] == 0
            async with parts.bystander(house), house.connect() as hub:
                bob = await hub.worker("bob")
                with pytest.raises(KeyError, match="asked"):
                    bob.datasets["asked"]
                with pytest.raises(errors.ExportDenied, match="noise only"):
                    await bob.datasets["noisy"].mean()
