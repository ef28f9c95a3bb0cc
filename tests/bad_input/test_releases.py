"""What a scientist asks of private data and can't have: typed errors that say what to do, and tell no value."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import numpy as np
import pytest

from fedsock import errors
from tests.bad_input import parts

ROWS = 40
GOOD = np.linspace(1.0, 9.0, ROWS)
BAD = np.where(np.arange(ROWS) == 7, np.nan, GOOD)
HEAVY = np.where(np.arange(ROWS) == 7, 1e12, GOOD)

OWNERS = """
[datasets.noisy]
file = "good.npy"
[datasets.noisy.policy.users.ann]
export = "dp"
[datasets.noisy.policy]
epsilon = 10
[datasets.spent]
file = "good.npy"
policy = { export = "dp", epsilon = 0.1 }
[datasets.bad]
file = "bad.npy"
policy = { export = "dp", epsilon = 10 }
[datasets.summed]
file = "bad.npy"
policy = { export = "aggregate", max_queries = 1000 }
[datasets.heavy]
file = "heavy.npy"
policy = { export = "aggregate", max_queries = 1000 }
[datasets.kept]
file = "bad.npy"
[datasets.clean]
file = "good.npy"
[datasets.asked]
file = "bad.npy"
policy = { export = "ask" }
"""


@pytest.fixture(scope="module")
def owners(tmp_path_factory: pytest.TempPathFactory) -> Iterator[parts.House]:
    folder = tmp_path_factory.mktemp("owner")
    for name, rows in (("good", GOOD), ("bad", BAD), ("heavy", HEAVY)):
        np.save(folder / f"{name}.npy", rows)
    with parts.started(folder, OWNERS, users=("ann", "zoe", parts.BYSTANDER)) as made:
        yield made


@pytest.fixture
async def house(owners: parts.House) -> AsyncIterator[parts.House]:
    async with parts.bystander(owners):
        yield owners


WRONG: dict[str, tuple[dict[str, Any], type[errors.FedsockError], str]] = {
    "no bounds": ({"bounds": None}, errors.OpValueError, "mean needs bounds="),
    "bounds that fall": ({"bounds": (16, 0)}, errors.OpValueError, "bounds"),
    "bounds of no width": ({"bounds": (3, 3)}, errors.OpValueError, "bounds"),
    "a bound that is no number": ({"bounds": (0, float("nan"))}, errors.OpValueError, "finite"),
    "a bound without end": ({"bounds": (0, float("inf"))}, errors.OpValueError, "finite"),
    "one bound": ({"bounds": (0,)}, errors.OpTypeError, r"bounds must be \(low, high\)"),
    "three bounds": ({"bounds": (0, 1, 2)}, errors.OpTypeError, r"bounds must be \(low, high\)"),
    "a negative budget": ({"epsilon": -1}, errors.OpValueError, "epsilon"),
    "none": ({"epsilon": 0}, errors.OpValueError, "epsilon"),
    "one that is no number": ({"epsilon": float("nan")}, errors.OpValueError, "epsilon"),
    "one without end": ({"epsilon": float("inf")}, errors.OpValueError, "epsilon"),
    "one in words": ({"epsilon": "much"}, errors.OpValueError, "epsilon: expected a number"),
    "true": ({"epsilon": True}, errors.OpValueError, "epsilon: expected a number"),
    "a kind that there isn't": ({"kind": "max"}, errors.OpValueError, "no release is called 'max'; there are"),
    "an axis that there isn't": ({"axis": 3}, errors.OpAxisError, "axis 3 is out of bounds"),
}
"""What is wrong -> what is asked for in place of what is right, the error, words of it."""


async def test_a_release_that_cannot_be_costs_nothing(house: parts.House) -> None:
    async with house.connect("ann") as hub:
        bob = await hub.worker("bob")
        noisy = bob.datasets["noisy"]
        for case, (wrong, kind, words) in WRONG.items():
            asked: dict[str, Any] = {"kind": "mean", "epsilon": 1, "bounds": (0, 16), **wrong}
            with pytest.raises(kind, match=words):
                await noisy.dp_release(asked.pop("kind"), **asked)
            assert str((await bob.policy("noisy")).epsilon_left) == "10", case


async def test_a_spent_budget_says_what_is_left_and_whom_to_ask(house: parts.House) -> None:
    async with house.connect("ann") as hub:
        bob = await hub.worker("bob")
        first = bob.datasets["spent"].dp_release("count", epsilon=0.1)
        assert abs(await first - ROWS) < 1000
        for epsilon in (0.1, 1e-9):
            with pytest.raises(errors.BudgetSpent, match=r"0 is left.*ask for less, or ask the owner for more") as told:
                await bob.datasets["spent"].dp_release("count", epsilon=epsilon)
            assert isinstance(told.value, errors.ExportDenied)
        assert await first == await first, "what was paid for stays"


async def test_a_user_without_a_grant(house: parts.House) -> None:
    async with house.connect("zoe") as hub:
        bob = await hub.worker("bob")
        noisy = bob.datasets["noisy"]
        with pytest.raises(
            errors.ExportDenied, match=r"deny for you, which releases nothing with noise.*Next: .*owner"
        ):
            await noisy.dp_release("mean", epsilon=1, bounds=(0, 16))
        for value in (noisy, noisy.sum()):
            with pytest.raises(errors.ExportDenied, match=r"rule private-stays.*Next: .*ask the owner"):
                await value
        with pytest.raises(errors.ExportDenied, match=r"can't be asked for.*Next:"):
            await noisy.sum().request("please")
        assert (await bob.policy("noisy")).export == "deny"
    async with house.connect("ann") as hub:
        noisy = (await hub.worker("bob")).datasets["noisy"]
        assert 0 < await noisy.dp_release("mean", epsilon=5, bounds=(0, 16)) < 16
        assert 0 < await noisy.dp_release("mean", epsilon=np.float64(3.5), bounds=(0, 16)) < 16


def everything(bob: Any, x: Any) -> dict[str, Any]:
    """Return what trips over a NaN, or shows it, or would."""
    return {
        "itself": x,
        "sum": x.sum(),
        "var": x.var(),
        "max": x.max(),
        "isnan": bob.np.isnan(x).any(),
        "as integers": x.astype(int),
        "svd": bob.np.linalg.svd(bob.np.outer(x, x)).S,
        "inverse": bob.np.linalg.inv(bob.np.outer(x, x)),
        "edges": bob.np.histogram(x, bins=3)[1],
        "where": bob.np.argwhere(bob.np.isnan(x)),
        "an index": bob.np.arange(3)[x.astype(int)],
        "unique": bob.np.unique(x),
    }


async def told_of(bob: Any, name: str) -> dict[str, str]:
    """Return how each refusal is worded, object numbers and the data set's name apart."""
    told = {}
    for case, value in everything(bob, bob.datasets[name]).items():
        with pytest.raises(errors.ExportDenied) as caught:
            await value
        words = str(caught.value).replace(name, "…")
        told[case] = " ".join("#" if word.rstrip(":").isdigit() else word for word in words.split())
        verdict = await value.can_export()
        told[f"{case}, before"] = f"{verdict.allowed} {verdict.reason} {verdict.next_step}".replace(name, "…")
    return told


async def test_not_a_number_in_private_data_is_told_by_no_error(house: parts.House) -> None:
    async with house.connect("ann") as hub:
        bob = await hub.worker("bob")
        assert await told_of(bob, "kept") == await told_of(bob, "clean")
        assert all("Next: " in words for case, words in (await told_of(bob, "asked")).items() if "before" not in case)


async def test_in_sums_it_is_refused_as_a_row_is_that_stands_out(house: parts.House) -> None:
    async with house.connect("ann") as hub:
        bob = await hub.worker("bob")
        said = []
        for name in ("summed", "heavy"):
            x = bob.datasets[name]
            for value in (x.sum(), x.mean(), x.var(), x.T @ x):
                with pytest.raises(errors.ExportDenied, match=r"rule aggregate.*Next: ask the owner") as caught:
                    await value
                said.append(str(caught.value).split(": ", 1)[1])
            assert (await bob.policy(name)).queries_left == 996
        assert said[:4] == said[4:]


async def test_with_noise_it_is_the_lower_bound(house: parts.House) -> None:
    async with house.connect("ann") as hub:
        bob = await hub.worker("bob")
        x = bob.datasets["bad"]
        low = await x.dp_release("sum", epsilon=3, bounds=(0, 16))
        high = await x.dp_release("sum", epsilon=3, bounds=(-1000, 16))
        assert abs(low - np.nansum(BAD)) < 100 and np.nansum(BAD) - 20_000 < high
        assert high < np.nansum(BAD) + 20_000 and np.isfinite([low, high]).all()
        assert str((await bob.policy("bad")).epsilon_left) == "4"
