"""Ways to one person's data: each works where the owner opened everything, and is refused where aggregates leave.

The last ones work against aggregates too: what the mode doesn't promise is shown here.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import numpy as np
import pytest

import fedsock
from tests.attacks.house import PEOPLE, RNG, ROWS, VICTIM, owner, stays

PAY = PEOPLE["pay"]


async def by_mask(bob: Any) -> Any:
    mask = np.zeros(ROWS)
    mask[VICTIM] = 1
    return (bob.datasets["pay"] * mask).sum()


async def by_id(bob: Any) -> Any:
    return (bob.datasets["pay"] * (bob.datasets["id"] == VICTIM)).sum()


async def by_running_total(bob: Any) -> Any:
    places = np.cumsum(np.ones_like(bob.datasets["pay"]))
    return (bob.datasets["pay"] * (places == VICTIM + 1)).sum()


async def by_private_index(bob: Any) -> Any:
    places = np.cumsum(np.ones_like(bob.datasets["pay"])).astype(int) - 1
    return bob.datasets["pay"][places][VICTIM]


async def by_where(bob: Any) -> Any:
    pay = bob.datasets["pay"]
    return pay.sum() - np.where(bob.datasets["id"] != VICTIM, pay, 0).sum()


async def by_one_fewer(bob: Any) -> Any:
    pay = bob.datasets["pay"]
    return pay[: VICTIM + 1].sum() - pay[:VICTIM].sum()


async def by_repetition(bob: Any) -> Any:
    return np.repeat(bob.datasets["pay"][VICTIM : VICTIM + 1], 100).sum() / 100


async def by_reduceat(bob: Any) -> Any:
    return np.add.reduceat(bob.datasets["pay"], np.arange(ROWS))[VICTIM]


async def by_outer_difference(bob: Any) -> Any:
    return np.subtract.outer(bob.datasets["pay"], np.zeros(1))[VICTIM, 0]


async def by_where_argument(bob: Any) -> Any:
    return np.sum(bob.datasets["pay"], where=np.arange(ROWS) == VICTIM)


async def by_weights(bob: Any) -> Any:
    return np.average(bob.datasets["pay"], weights=np.arange(ROWS) == VICTIM)


async def by_product(bob: Any) -> Any:
    return bob.datasets["pay"] @ np.eye(ROWS)[VICTIM]


async def by_own_covariance(bob: Any) -> Any:
    """A vector of one's own beside the private one."""
    own = np.eye(ROWS)[VICTIM]
    return np.cov(bob.datasets["pay"], own)[0, 1] * (ROWS - 1) + bob.datasets["pay"].mean()


async def by_assignment(bob: Any) -> Any:
    values = await bob.send(np.zeros(ROWS)).wait()
    values[:] = bob.datasets["pay"]
    return values[VICTIM]


async def by_tables_of_weights(bob: Any) -> Any:
    return np.bincount(bob.datasets["id"], weights=bob.datasets["pay"], minlength=ROWS)[VICTIM]


async def by_einsum(bob: Any) -> Any:
    return np.einsum("i,i->", bob.datasets["pay"], np.eye(ROWS)[VICTIM])


ATTACKS = [value for name, value in sorted(globals().items()) if name.startswith("by_")]


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.__name__)
async def test_one_persons_pay(attack: Callable[[Any], Awaitable[Any]]) -> None:
    async with owner("public") as bob:
        assert await (await attack(bob)) == pytest.approx(PAY[VICTIM], rel=1e-6)
    async with owner("aggregate") as bob:
        assert await stays(await attack(bob))
    async with owner("deny") as bob:
        assert await stays(await attack(bob))


async def extremes(bob: Any) -> list[Any]:
    pay = bob.datasets["pay"]
    return [
        pay.max(), pay.min(), np.ptp(pay), pay.argmax(), np.median(pay), np.percentile(pay, 50), np.sort(pay)[0],
        np.unique(pay), np.partition(pay, 3)[3], np.cumsum(pay)[0], np.histogram(pay)[0], pay,
    ]  # fmt: skip


async def test_extremes_and_order_statistics_stay() -> None:
    async with owner("public") as bob:
        assert await (await extremes(bob))[0] == PAY.max()
    async with owner("aggregate") as bob:
        assert [await stays(value) for value in await extremes(bob)] == [True] * 12


async def test_a_sum_that_carries_a_histogram() -> None:
    """``(201 ** v).sum()`` is a number in base 201 whose digits count the values v."""
    data = {"v": np.arange(30.0) % 3}
    async with owner("public", data) as bob:
        total = int(await (201.0 ** bob.datasets["v"]).sum())
        assert [total // 201**v % 201 for v in range(3)] == [10, 10, 10]
    async with owner("aggregate", data) as bob:
        assert await stays((201.0 ** bob.datasets["v"]).sum())


async def test_integers_that_wrap_are_functions() -> None:
    """``x * 2**63`` keeps the last bit only."""
    async with owner("public") as bob:
        assert await (bob.datasets["age"] * 2**62 * 2 != 0).sum() == (PEOPLE["age"] % 2).sum()
    async with owner("aggregate") as bob:
        assert await stays((bob.datasets["age"] * 2**62).sum())
        assert await bob.datasets["age"].astype(float).sum() == PEOPLE["age"].sum()


async def dense_sums(bob: Any, signs: Any) -> Any:
    return [(bob.datasets["pay"] * row).sum() for row in signs]


async def test_200_dense_sums_solved_for_every_value() -> None:
    signs = np.random.default_rng(3).choice([-1.0, 1.0], (200, ROWS))
    async with owner("public") as bob:
        sums = [await value for value in await dense_sums(bob, signs)]
        np.testing.assert_allclose(np.linalg.lstsq(signs, sums)[0], PAY)
    async with owner("aggregate") as bob:
        assert all([await stays(value) for value in await dense_sums(bob, signs)])


async def test_copies_to_another_worker_and_pointers_to_pointers_are_no_way_out() -> None:
    async with fedsock.Hub(port=0) as hub:
        bob = await hub.virtual_worker("bob", PEOPLE, policy="aggregate")
        alice = await hub.virtual_worker("alice")
        pay = bob.datasets["pay"]
        assert await stays(pay.copy(alice)) and await stays((pay + 1).copy(alice))
        assert await pay.sum().copy(alice) == PAY.sum()
        held = pay.send(alice)
        assert await stays(await (held + 1)[VICTIM])  # the first await gives the pointer at bob
        assert await (await held.sum()) == PAY.sum()


async def test_moments_are_all_that_leaves() -> None:
    """Data X and Q X, where Q is orthogonal and leaves sums as they are, can't be told apart."""
    x = PEOPLE["tests"]
    rng = np.random.default_rng(9)
    basis = np.linalg.qr(np.column_stack([np.ones(ROWS), rng.normal(size=(ROWS, ROWS - 1))]))[0][:, 1:]
    turn = np.linalg.qr(rng.normal(size=(ROWS - 1, ROWS - 1)))[0]
    q = np.full((ROWS, ROWS), 1 / ROWS) + basis @ turn @ basis.T
    np.testing.assert_allclose(q @ q.T, np.eye(ROWS), atol=1e-12)
    assert np.abs(q @ x - x).max() > 0.5
    exports = []
    for data in (x, q @ x):
        async with owner("aggregate", {"x": data}) as bob:
            p = bob.datasets["x"]
            made = [
                p.sum(), p.mean(axis=0), p.var(axis=0, ddof=1), p.std(axis=0), np.cov(p, rowvar=False),
                np.corrcoef(p[:, 0], p[:, 1]), p.T @ p, ((p - 2.5) * (p[:, 0:1] + 1)).sum(axis=0), (p**2).mean(),
                (p @ np.ones((3, 2))).std(axis=0), p.sum(axis=1).var(), p[:, 1] @ p[:, 2],
            ]  # fmt: skip
            exports.append([await value for value in made])
    for one, other in zip(*exports, strict=True):
        np.testing.assert_allclose(other, one, rtol=1e-9, atol=1e-9)


async def test_rounding_makes_no_step_of_a_sum() -> None:
    """Adding a large number and taking it away again rounds: a function of each row."""
    large = 2.0**52 * 100

    def steps(bob: Any) -> Any:
        return ((bob.datasets["pay"] + large) - large).sum()

    async with owner("public") as bob:
        assert await steps(bob) == ((PAY + large) - large).sum() != PAY.sum()
    async with owner("aggregate") as bob:
        assert await stays(steps(bob)) and await stays((bob.datasets["pay"] * 2.0**-40 + 1).sum())
        assert await (bob.datasets["pay"] * 1000 + 1e6).sum() == pytest.approx((PAY * 1000 + 1e6).sum())


async def test_overflow_compares_nothing() -> None:
    """What is pushed to the edge of the floats is finite or not by one row's value."""
    largest = float(np.finfo(float).max)

    def probe(bob: Any, guess: float) -> Any:
        far = (bob.datasets["id"].astype(float) - VICTIM) ** 2 * 1e8
        return ((1e12 - (far + bob.datasets["pay"])) * (largest / (1e12 - guess)) * 1e-300).mean()

    async with owner("public") as bob:
        assert np.isinf([await probe(bob, PAY[VICTIM] + off) for off in (-1, 1)]).tolist() == [False, True]
    async with owner("aggregate") as bob:
        assert [await stays(probe(bob, PAY[VICTIM] + off)) for off in (-1, 1)] == [True, True]
        assert not await probe(bob, 5).can_export()  # which is known without the values
        for huge in (np.inf, np.nan, 2.0**200, 2.0**-200):
            assert not await (bob.datasets["pay"] * huge).sum().can_export()
        assert not await (bob.datasets["pay"] / 0.0).sum().can_export()


async def test_a_table_tells_nothing_but_its_cells() -> None:
    """Neither how large it would have been, nor that it can't be made."""
    data = {"ward": np.r_[np.arange(58) % 3, 700, -4]}
    policy = {"export": "aggregate", "datasets": {"ward": {"group_by": 3}}}
    async with fedsock.Hub(port=0, max_fetch_bytes=40) as hub:
        bob = await hub.virtual_worker("bob", data, policy=policy)
        for least in (0, 3, 1000, 2**21):
            assert (await np.bincount(bob.datasets["ward"], minlength=least)).tolist() == [20, 20, 20]


async def test_a_table_beside_what_is_published_picks_no_row() -> None:
    """Edges of one's own along public rows would move one row at a time into a cell."""
    ward = np.arange(ROWS) % 3 + 0.0
    data = {"ward": ward, "id": np.arange(ROWS) + 0.0}
    edges = [0.0, 1.0, 2.0, 3.0]

    async def swept(bob: Any) -> Any:
        places = [-0.5, VICTIM - 0.5, VICTIM + 0.5, ROWS]
        counts, *_ = np.histogram2d(bob.datasets["ward"], bob.datasets["id"], bins=[edges, places])
        return counts

    async with owner("public", data) as bob:
        assert np.argmax((await (await swept(bob)))[:, 1]) == ward[VICTIM]
    listed: dict[str, Any] = {"ward": {"group_by": edges}, "id": {"export": "public"}}
    async with owner({"export": "aggregate", "datasets": listed}, data) as bob:
        assert await stays(await swept(bob))
        assert len(await bob.datasets["id"]) == ROWS
    listed["id"]["group_by"] = [0, ROWS / 2, ROWS]
    async with owner({"export": "aggregate", "datasets": listed}, data) as bob:
        assert await stays(await swept(bob))
        counts, *_ = np.histogram2d(bob.datasets["ward"], bob.datasets["id"], bins=[edges, [0, ROWS / 2, ROWS]])
        assert (await counts).shape == (3, 2)


async def test_a_row_that_dominates_is_found_behind_signs_constants_and_squares() -> None:
    wealth = np.r_[RNG.uniform(0, 10, 59), 1e9]
    async with owner("aggregate", {"wealth": wealth, "more": RNG.normal(size=60)}) as bob:
        w = bob.datasets["wealth"]
        hidden = [
            w.sum(), (-w).sum(), (w - 1).sum(), (w + 1e8).mean(), (w / -3).mean(), w.astype(complex).sum(), w @ w,
            (-w) @ w, (w * 0 + 1) @ w, (w * 0 + 1) @ (w - 7), w.std(), w.var(), np.cov(w, bob.datasets["more"]),
            np.corrcoef(w, bob.datasets["more"]), (w * w).sum(),
        ]  # fmt: skip
        assert [await stays(value) for value in hidden] == [True] * len(hidden)
        assert not await stays(bob.datasets["more"].std())


# --- what aggregates don't stop -----------------------------------------------------------------------------


async def test_limit_any_function_of_a_row_gives_one_row_away() -> None:
    """``row_functions = "any"`` opens comparisons, and weights: then one row can be picked, beside others."""
    async with owner({"export": "aggregate", "row_functions": "any"}) as bob:
        pay, spread = bob.datasets["pay"], np.linspace(0, 1e6, ROWS)
        assert await stays((pay * (bob.datasets["id"] == VICTIM)).sum())  # one row makes up all of it
        hidden = (pay * (bob.datasets["id"] == VICTIM) + spread).sum()
        assert await hidden - spread.sum() == pytest.approx(PAY[VICTIM])


async def test_limit_who_knows_all_others_knows_the_last() -> None:
    async with owner("aggregate") as bob:
        others = np.delete(PAY, VICTIM).sum()
        assert await bob.datasets["pay"].sum() - others == pytest.approx(PAY[VICTIM])
