"""Made-up data to develop against: at a virtual worker and at a real one of a TOML file, over restarts too."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytest_asyncio

import fedsock
from fedsock import errors
from fedsock.session.handle import WorkerHandle
from fedsock.worker import mocks
from fedsock.worker.madeup import made_up
from tests.contract.house import process

pytestmark = pytest.mark.asyncio(loop_scope="module")

ROWS = 600
RNG = np.random.default_rng(11)
PEOPLE = {"age": RNG.uniform(18, 90, ROWS), "ward": RNG.integers(0, 4, ROWS)}
POLICY = {"export": "aggregate"}
TOML = """
name = "bob"

[policy]
export = "aggregate"

[datasets.people]
file = "people.npz"
tags = ["#people"]
mock = true

[datasets.people.policy]
group_by = { ward = 4 }

[datasets.diary]
file = "diary.npy"
"""


def saved(folder: Path, people: Mapping[str, Any]) -> Path:
    """Write bob's files; return his definition."""
    np.savez(folder / "people.npz", **people)
    np.save(folder / "diary.npy", np.ones(3))
    (folder / "bob.toml").write_text(TOML, encoding="utf-8")
    return folder / "bob.toml"


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["virtual", "process"])
async def bob(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[WorkerHandle]:
    async with fedsock.Hub(port=0) as hub:
        if request.param == "virtual":
            policy = {**POLICY, "datasets": {"people/ward": {"group_by": 4}}}
            yield await hub.virtual_worker("bob", {"people": PEOPLE}, policy=policy, mock=True)
            return
        config = saved(tmp_path_factory.mktemp("bob"), PEOPLE)
        with process("fedsock.worker", "--config", str(config), "--hub", hub.url):
            yield await hub.worker("bob", timeout=60)


async def study(datasets: Mapping[str, Any]) -> tuple[Any, float, int]:
    """What a scientist wrote, against either."""
    age, ward = datasets["people/age"], datasets["people/ward"]
    return await np.bincount(ward, minlength=4), await age.mean(), age.size


async def test_a_script_written_against_mocks_works_on_the_data(bob: WorkerHandle) -> None:
    counts, mean, size = await study(bob.mock.datasets)
    assert counts.sum() == size == ROWS and counts.min() > 50
    assert mean == pytest.approx(0, abs=0.3)
    counts, mean, size = await study(bob.datasets)
    assert np.abs(counts - np.bincount(PEOPLE["ward"])).max() <= 5
    assert (mean, size) == (pytest.approx(PEOPLE["age"].mean()), ROWS)


async def test_a_mock_is_open_and_its_data_set_is_not(bob: WorkerHandle) -> None:
    assert list(bob.mock.datasets) == ["people/age", "people/ward"]
    for name, mock in bob.mock.datasets.items():
        real = bob.datasets[name]
        assert (mock.shape, mock.dtype, mock.tags) == (real.shape, real.dtype, real.tags)
        made = await mock
        assert (made.shape, made.dtype) == (mock.shape, mock.dtype)
        assert (await mock[:3]).tolist() == made[:3].tolist()
        with pytest.raises(errors.ExportDenied):
            await real
        assert made.tolist() != PEOPLE[name.removeprefix("people/")].tolist()
    with pytest.raises(errors.ExportDenied):
        await (bob.mock.datasets["people/age"] + bob.datasets["people/age"])
    with pytest.raises(errors.UnknownObject):
        bob.mock.datasets["diary"]


async def test_a_mock_is_no_data_set_to_those_who_look_for_data(bob: WorkerHandle) -> None:
    assert set(bob.datasets) & set(bob.mock.datasets) == {"people/age", "people/ward"}
    assert not [name for name in bob.datasets if name.startswith("mock")]
    await bob.mock.datasets["people/age"].wait()
    found = await bob.search()
    assert {one.id_at_location for one in found if isinstance(one.id_at_location, str)} == set(bob.datasets)
    assert {one.id_at_location for one in await bob.search("#people")} <= set(bob.datasets)
    assert not [one for one in await bob.objects() if isinstance(one.id, str)]


async def test_a_large_one_is_made_in_a_thread_and_holds_up_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    answered = threading.Event()

    def slow(*public: Any) -> Any:
        assert answered.wait(60)
        return made_up(*public)

    monkeypatch.setattr(mocks, "made_up", slow)
    async with fedsock.Hub(port=0) as hub:
        bob = await hub.virtual_worker("bob", {"large": np.zeros(300_000)}, mock=True)
        large = bob.mock.datasets["large"]
        mean, few = large.mean(), large[:5]
        assert await bob.ping() < 60
        assert "pending" in repr(mean)
        answered.set()
        assert await mean == pytest.approx(0, abs=0.01)
        assert np.ptp(await few) > 0


async def test_workers_whose_data_differ_in_values_make_up_the_same(tmp_path: Path) -> None:
    """And so does the same worker after a restart; what pointers there were belong to its old life."""
    seen: list[list[tuple[str, bytes]]] = []
    old: fedsock.Pointer | None = None
    other = {"age": PEOPLE["age"] * 3 - 7, "ward": (PEOPLE["ward"] + 1) % 4}
    async with fedsock.Hub(port=0) as hub:
        for people in (PEOPLE, other, PEOPLE):
            with process("fedsock.worker", "--config", str(saved(tmp_path, people)), "--hub", hub.url) as child:
                if old is not None:
                    with pytest.raises(errors.WorkerLost, match="bob"):
                        await old.get(timeout=60)
                bob = await hub.worker("bob", timeout=60)
                seen.append([(name, (await mock).tobytes()) for name, mock in bob.mock.datasets.items()])
                old = bob.mock.datasets["people/age"]
                child.kill()
                child.wait(10)
    assert seen[0] == seen[1] == seen[2]
