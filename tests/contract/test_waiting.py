"""Awaiting, timeouts, cancelling, failures, and what is known before a value is there."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import fedsock
from fedsock import Pointer, errors
from fedsock.session.handle import WorkerHandle
from tests.contract.house import held

pytestmark = pytest.mark.asyncio(loop_scope="module")


def slow(worker: WorkerHandle) -> Pointer:
    """An op that takes about a fifth of a second, in a thread of its worker."""
    return np.linalg.inv(worker.np.eye(1200)).sum()


async def test_an_await_takes_nothing_away(bob: WorkerHandle) -> None:
    p = bob.send(np.arange(3.0))
    first, second = await p, await p
    assert first.tolist() == second.tolist() == [0, 1, 2]
    first[0] = 9  # a value here is the caller's own
    assert (await p)[0] == 0
    assert (await p.get()).tolist() == [0, 1, 2]


async def test_a_result_is_usable_before_its_operands_arrived(bob: WorkerHandle) -> None:
    big = np.ones((1000, 1000))
    y = (bob.send(big) * 2).sum()
    assert (y + 1).location is bob
    assert await y == 2e6


async def test_get_with_release_frees_the_value_once_it_is_here(bob: WorkerHandle) -> None:
    before = await held(bob)
    for value in (np.arange(3), np.ones(100_000)):
        p = bob.send(value)
        assert np.array_equal(await p.get(release=True), value)
        with pytest.raises(errors.PointerReleased, match="released"):
            await p
        assert await held(bob) == before


async def test_a_get_that_fails_or_times_out_releases_nothing(hub: fedsock.Hub, bob: WorkerHandle) -> None:
    p = bob.send(np.ones(1000))
    hub.max_fetch_bytes = 10
    try:
        with pytest.raises(errors.TooLargeToFetch):
            await p.get(release=True)
    finally:
        hub.max_fetch_bytes = 1 << 30
    y = slow(bob)
    with pytest.raises(TimeoutError):
        await y.get(timeout=0.001, release=True)
    assert await p.sum() == 1000
    assert await y == 1200


async def test_a_timeout_ends_the_wait_only(bob: WorkerHandle) -> None:
    y = slow(bob)
    after = y * 2
    with pytest.raises(TimeoutError):
        await y.get(timeout=0.001)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(y, 0.001)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.001):
            await y.wait()
    assert await after == 2400
    assert await y.get(timeout=30) == 1200


async def test_too_large_names_the_size_and_the_way_round(hub: fedsock.Hub, bob: WorkerHandle) -> None:
    assert hub.max_fetch_bytes == 1 << 30
    p = bob.np.ones((500, 500))
    hub.max_fetch_bytes = 1_999_999
    try:
        with pytest.raises(errors.TooLargeToFetch, match=r"2,000,000 bytes.*hub\.max_fetch_bytes") as caught:
            await p
        assert isinstance(caught.value, ValueError)
        assert await p[0, 0] == 1.0
        hub.max_fetch_bytes = 2_000_000
        assert (await p).sum() == 250_000
    finally:
        hub.max_fetch_bytes = 1 << 30


async def test_wait_gives_the_pointer_itself_and_moves_no_data(hub: fedsock.Hub, bob: WorkerHandle) -> None:
    hub.max_fetch_bytes = 1  # whatever would be fetched would be refused
    try:
        p = bob.np.ones((300, 400), dtype=np.float32)
        with pytest.raises(errors.MetadataNotReady, match=r"await p\.wait\(\)"):
            _ = p.shape
        assert await p.wait() is p
    finally:
        hub.max_fetch_bytes = 1 << 30
    assert (p.shape, p.ndim, p.size, p.nbytes, p.itemsize) == ((300, 400), 2, 120_000, 480_000, 4)
    assert p.dtype == np.float32


async def test_metadata_are_local(bob: WorkerHandle, hub: fedsock.Hub) -> None:
    p = bob.send(np.zeros((3, 4), np.int16), tags=["#a"], description="words")
    assert (p.shape, p.dtype, p.ndim, p.size, p.nbytes) == ((3, 4), np.int16, 2, 12, 24)
    assert np.shape(p) == (3, 4)
    assert (np.ndim(p), np.size(p), np.size(p, 1)) == (2, 12, 4)
    assert p.location is bob
    assert p.location is hub.workers["bob"]
    assert isinstance(p.id_at_location, int)
    assert isinstance(p.owner, str)
    assert p.tags == ("#a",)
    assert p.description == "words"
    y = p + 1
    assert y.location is bob
    assert y.owner == p.owner
    assert y.tags == ()
    assert y.id_at_location != p.id_at_location
    for read in (
        lambda: y.shape, lambda: y.dtype, lambda: y.ndim, lambda: y.size, lambda: y.nbytes, lambda: np.shape(y)
    ):  # fmt: skip
        with pytest.raises(errors.MetadataNotReady, match=r"await p\.wait\(\)"):
            read()
    await y
    assert (y.shape, y.nbytes) == ((3, 4), 24)
    assert bob.datasets["ages"].id_at_location == "ages"
    tree = bob.send({"a": 1})
    with pytest.raises(AttributeError, match="dict"):
        _ = tree.shape
    for scalar, dtype in ((1.5, float), (True, bool), (2, int), (1j, complex)):
        p = bob.send(scalar)
        assert (p.shape, p.dtype, p.size) == ((), np.dtype(dtype), 1)


async def test_it_works_with_asyncio(bob: WorkerHandle) -> None:
    p, q = bob.send(1), bob.send(2.5)
    pair = np.divmod(bob.send(7), 2)
    assert await asyncio.gather(p, q, p.get(), q.wait(), pair) == [1, 2.5, 1, q, (3, 1)]
    assert await asyncio.wait_for(p, 30) == 1
    assert await asyncio.wait_for(p.get(), 30) == 1
    assert await asyncio.shield(q) == 2.5
    assert await asyncio.create_task(p.get()) == 1
    assert await asyncio.ensure_future(q) == 2.5
    done, _ = await asyncio.wait([asyncio.create_task(p.get()), asyncio.create_task(q.wait())])
    assert len(done) == 2
    assert sorted([await one for one in asyncio.as_completed([p, q])]) == [1, 2.5]
    async with asyncio.TaskGroup() as group:
        task = group.create_task(q.get())
    assert task.result() == 2.5


async def test_cancelling_a_waiter_cancels_neither_the_op_nor_other_waiters(bob: WorkerHandle) -> None:
    y = slow(bob)
    tasks = [asyncio.ensure_future(y), asyncio.create_task(y.get()), asyncio.create_task(y.wait())]
    other = asyncio.create_task(y.get())
    await asyncio.sleep(0)  # all of them have begun to wait
    for task in tasks:
        task.cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(one) for one in results] == [asyncio.CancelledError] * 3
    assert await other == 1200
    assert await (y + 1) == 1201


async def test_a_large_value_may_be_given_up_on_its_way(bob: WorkerHandle) -> None:
    p = bob.np.ones(4_000_000)
    await p.wait()
    task = asyncio.create_task(p.get())
    with pytest.raises(TimeoutError):
        await p.get(timeout=0.001)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (await p).sum() == 4_000_000


async def test_cancel_fails_the_op_and_what_depends_on_it(hub: fedsock.Hub, bob: WorkerHandle) -> None:
    before = (await bob.stats()).ops_run
    x = bob.send(np.ones(3))
    y = x + 1
    z = y * 2
    waiting = [asyncio.create_task(y.get()), asyncio.create_task(y.wait()), asyncio.create_task(z.get())]
    y.cancel()
    for failed in (*waiting, y, z, y + 1):
        with pytest.raises(errors.OpCancelled):
            await failed
    with pytest.raises(errors.OpCancelled) as caught:
        await z
    assert isinstance(caught.value.__cause__, errors.OpCancelled)
    assert any(isinstance(error, errors.OpCancelled) for error in hub.failures)
    assert await x.sum() == 3.0
    assert (await bob.stats()).ops_run == before + 1  # the sum


async def test_an_op_that_runs_can_be_cancelled_and_one_that_is_done_keeps_its_value(bob: WorkerHandle) -> None:
    y = slow(bob)
    z = y + 1
    await bob.ping()  # it is under way
    y.cancel()
    for cancelled in (y, z):
        with pytest.raises(errors.OpCancelled):
            await cancelled
    x = await bob.send(1.0).wait()
    x.cancel()
    assert await x == 1.0
    done = await (x + 1).wait()
    done.cancel()
    assert await done == 2.0
    bob.datasets["ages"].cancel()
    assert bob.datasets["ages"].shape == (3,)


A = np.arange(6.0).reshape(2, 3)
WRONG: list[tuple[Callable[[Any], Any], type[Exception]]] = [
    (lambda p: p + np.ones(4), ValueError),
    (lambda p: p + np.ones((3, 2)), ValueError),
    (lambda p: p @ p, ValueError),
    (lambda p: np.dot(p, p), ValueError),
    (lambda p: p[5], IndexError),
    (lambda p: p[0, 0, 0], IndexError),
    (lambda p: p[[0, 9]], IndexError),
    (lambda p: p[np.ones(9, bool)], IndexError),
    (lambda p: p.reshape(4, 4), ValueError),
    (lambda p: p.transpose(0, 0), ValueError),
    (lambda p: p.sum(axis=2), np.exceptions.AxisError),
    (lambda p: np.concatenate([p, np.ones((2, 2))]), ValueError),
    (lambda p: np.stack([p, p[0]]), ValueError),
    (lambda p: np.linalg.inv(p), np.linalg.LinAlgError),
    (lambda p: np.linalg.inv(p[:, :1] @ p[:1, :2]), np.linalg.LinAlgError),
    (lambda p: np.linalg.cholesky(-(p @ p.T)), np.linalg.LinAlgError),
    (lambda p: np.average(p, weights=p * 0), ZeroDivisionError),
    (lambda p: p & 1, TypeError),
    (lambda p: ~p, TypeError),
    (lambda p: p << 2, TypeError),
    (lambda p: p.astype(np.int8) + 1000, OverflowError),
    (lambda p: p.astype(int) ** -1, ValueError),
    (lambda p: p + "text", TypeError),
    (lambda p: p.squeeze(0), ValueError),
    (lambda p: np.take(p, [99]), IndexError),
    (lambda p: np.repeat(p, -1), ValueError),
    (lambda p: np.sort(p, axis=5), np.exceptions.AxisError),
    (lambda p: np.percentile(p, 200), ValueError),
    (lambda p: p.sum(axis="x"), TypeError),
    (lambda p: p.clip("a", 2), TypeError),
    (lambda p: p.mean(nonsense=1), TypeError),
    (lambda p: np.split(p, 4), ValueError),
    (lambda p: np.split(p, 2, axis=7), (IndexError, ValueError)),
    (lambda p: np.array_split(p, 0), ValueError),
    (lambda p: np.hsplit(p, 2), ValueError),
    (lambda p: np.unstack(p, axis=9), (IndexError, ValueError)),
    (lambda p: np.broadcast_arrays(p, np.ones(7)), ValueError),
    (lambda p: np.gradient(p, axis=4), (IndexError, ValueError)),
    (lambda p: p.nonzero()[0][99], IndexError),
    (lambda p: np.histogram(p, bins=-1), ValueError),
]  # fmt: skip


def first_of(result: Any) -> Any:
    return result[0] if isinstance(result, (tuple, list)) else result


@pytest.mark.parametrize(("expression", "kind"), [pytest.param(*one, id=str(i)) for i, one in enumerate(WRONG)])
async def test_errors_are_the_workers_and_numpys_and_surface_at_an_await(
    bob: WorkerHandle, expression: Callable[[Any], Any], kind: Any
) -> None:
    with pytest.raises(kind), np.errstate(all="ignore"):
        expression(A)
    result = expression(await bob.send(A).wait())  # its shape is known, and still nothing is raised here
    with pytest.raises(kind, match="bob") as caught:
        await result
    assert isinstance(caught.value, errors.OpFailed)
    with pytest.raises(errors.OpFailed):
        await first_of(result).wait()


async def test_numpys_names_that_need_no_pointer_fail_there_too(bob: WorkerHandle) -> None:
    for result, kind in (
        (bob.np.zeros((-1, 2)), ValueError),
        (bob.np.arange(0, 1, 0), (ZeroDivisionError, ValueError)),
        (bob.np.linspace(0, 1, -3), ValueError),
        (bob.np.full(3, "text", dtype=float), ValueError),
    ):
        with pytest.raises(kind) as caught:
            await result
        assert isinstance(caught.value, errors.OpFailed)


async def test_a_failure_fails_what_depends_on_it_with_the_first_as_cause(bob: WorkerHandle) -> None:
    bad = bob.send(np.ones(3)) + bob.send(np.ones(4))
    last = (bad * 2).sum()[None]
    with pytest.raises(ValueError, match="bob") as caught:
        await last
    cause = caught.value.__cause__
    assert isinstance(cause, errors.OpValueError)
    assert "float64[3]" in str(cause)
    assert "float64[4]" in str(cause)
    assert cause.op == "add"
    assert cause.worker == "bob"
    with pytest.raises(ValueError, match="bob") as first:
        await bad
    assert first.value is cause
    assert first.value.__cause__ is None
    with pytest.raises(ValueError, match="bob"):
        await (last + 1)  # made after the failure was known
    await asyncio.gather(last, bad, return_exceptions=True)


async def test_failures_that_nobody_awaits_are_silent_but_listed(
    hub: fedsock.Hub, bob: WorkerHandle, caplog: pytest.LogCaptureFixture
) -> None:
    said: list[Any] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: said.append(context))
    hub.failures.clear()
    try:
        with caplog.at_level(logging.WARNING):
            bad = bob.send(np.ones(3))[99]
            worse = bad + 1
            await bob.ping()
            assert [type(one) for one in hub.failures] == [errors.OpIndexError] * 2
            assert repr(hub.failures[1].__cause__) == repr(hub.failures[0])
            del bad, worse
            kept = [bob.send(1.0)["x"] for _ in range(1005)]
            await bob.ping()
            del kept
            assert len(hub.failures) == 1000
            await bob.ping()
    finally:
        loop.set_exception_handler(None)
    assert said == []
    told = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert [text for text in told if not text.startswith("Executing")] == []  # asyncio's debug mode on slow steps


async def test_use_after_release(bob: WorkerHandle, alice: WorkerHandle) -> None:
    p = bob.send(np.ones(3), tags="#gone")
    y = p + 1
    p.release()
    p.release()
    for use in (
        lambda: p + 1, lambda: 1 + p, lambda: y + p, lambda: np.sum(p), lambda: p[0], lambda: p.copy(),
        lambda: p.copy(alice), lambda: p.move(alice), lambda: p.send(alice), lambda: p.get(), lambda: p.cancel(),
        lambda: np.concatenate([y, p]), lambda: p.__setitem__(0, 1), lambda: p.__iadd__(1), lambda: y[p],
    ):  # fmt: skip
        with pytest.raises(errors.PointerReleased, match="released"):
            use()
    with pytest.raises(errors.PointerReleased):
        await p
    with pytest.raises(errors.PointerReleased):
        await p.wait()
    assert "released" in repr(p)
    assert await bob.search("#gone") == []
    assert (await y).tolist() == [2, 2, 2]  # the op that used it was ahead of the release


@pytest.mark.parametrize(
    ("use", "kind", "advice"),
    [
        (lambda p: bool(p), errors.PointerTruthError, r"await"),
        (lambda p: not p, errors.PointerTruthError, r"await"),
        (lambda p: p and 1, errors.PointerTruthError, r"await"),
        (lambda p: 1 if p > 2 else 0, errors.PointerTruthError, r"await"),
        (lambda p: 0 < p < 5, errors.PointerTruthError, r"await"),
        (lambda p: max(p, p), errors.PointerTruthError, r"await"),
        (lambda p: 1.0 in p, errors.PointerTruthError, r"await"),
        (lambda p: int(p), errors.ImplicitFetch, r"int\(await p\)"),
        (lambda p: float(p), errors.ImplicitFetch, r"float\(await p\)"),
        (lambda p: complex(p), errors.ImplicitFetch, r"complex\(await p\)"),
        (lambda p: range(p), errors.ImplicitFetch, r"await p"),
        (lambda p: [1, 2, 3][p], errors.ImplicitFetch, r"await p"),
        (lambda p: hex(p), errors.ImplicitFetch, r"await p"),
        (lambda p: f"{p:.2f}", errors.ImplicitFetch, r"await p"),
        (lambda p: format(p, "d"), errors.ImplicitFetch, r"await p"),
        (lambda p: np.asarray(p), errors.ImplicitFetch, r"await p"),
        (lambda p: np.array(p), errors.ImplicitFetch, r"await p"),
        (lambda p: np.array([p, p]), errors.ImplicitFetch, r"await p"),
        (lambda p: np.zeros(3)[p], errors.ImplicitFetch, r"await p"),
        (lambda p: p.tolist(), errors.ImplicitFetch, r"await p"),
        (lambda p: p.item(), errors.ImplicitFetch, r"await p"),
        (lambda p: p.tobytes(), errors.ImplicitFetch, r"await p"),
    ],
)
async def test_what_needs_the_value_raises_at_once(
    bob: WorkerHandle, use: Callable[[Any], Any], kind: type[Exception], advice: str
) -> None:
    for p in (bob.send(1.0), bob.send(np.ones(2))):
        with pytest.raises(kind, match=advice) as caught:
            use(p)
        assert isinstance(caught.value, TypeError)
        assert isinstance(caught.value, ValueError) == (kind is errors.PointerTruthError)


async def test_showing_a_pointer_asks_nobody(bob: WorkerHandle) -> None:
    counted = (await bob.stats()).ops_run
    p = bob.send(np.arange(3.0), tags=["#shown"], description="<three>")
    y = p * 2
    assert repr(p) == str(p) == f"{p}"
    assert "bob" in repr(p)
    assert "float64[3]" in repr(p)
    assert "#shown" in repr(p)
    assert "<table>" in p._repr_html_()
    assert "&lt;three&gt;" in p._repr_html_()
    assert "pending" in repr(y)
    assert "shape unknown" in repr(y)
    await y.wait()
    assert "float64[3]" in repr(y)
    assert "ready" in repr(y)
    assert (await bob.stats()).ops_run == counted + 1
