"""Assignment and in-place operators make new values and rebind; what can't be done so raises and says what to write."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import fedsock
from fedsock import errors
from fedsock.session.handle import WorkerHandle

pytestmark = pytest.mark.asyncio(loop_scope="module")

START = np.arange(12.0).reshape(3, 4)


def assign(key: Any, value: Any) -> Callable[[Any], None]:
    def run(p: Any) -> None:
        p[key(p) if callable(key) else key] = value(p) if callable(value) else value

    return run


@pytest.mark.parametrize(
    "change",
    [
        assign((0, 1), 7),
        assign(1, [1, 2, 3, 4]),
        assign((slice(None), 1), 9.5),
        assign((..., -1), 0),
        assign(slice(None, None, 2), np.ones((2, 4))),
        assign([0, 2], -1),
        assign(np.array([True, False, True]), 3),
        assign(lambda p: p > 5, 0),
        assign(lambda p: (p[0] % 3).astype(int)[:3], lambda p: p[::-1]),
        assign(0, lambda p: p[1] + p[2]),
        assign((), 4.0),
        assign(slice(None), lambda p: p * 2),
        assign((slice(0, 2), None), 1.0),
    ],
)
async def test_what_is_assigned_is_what_numpy_assigns(bob: WorkerHandle, change: Callable[[Any], None]) -> None:
    p, local = bob.send(START), START.copy()
    first = p.id_at_location
    change(p)
    change(local)
    assert p.id_at_location != first
    assert (await p).tolist() == local.tolist()
    assert (await p).dtype == local.dtype


async def test_an_item_may_be_updated_in_place(bob: WorkerHandle) -> None:
    p = bob.send(np.zeros(3))
    p[1] += 5
    p[1:] *= 2
    assert (await p).tolist() == [0, 10, 0]


@pytest.mark.parametrize("start", [1, 2.5, True, np.float32(1.5), np.int8(3), np.array(2.0), np.array([1, 2])])
async def test_in_place_operators_keep_types_as_numpy_does(bob: WorkerHandle, start: Any) -> None:
    p, local = bob.send(start), start.copy() if isinstance(start, np.ndarray) else np.asarray(start)[()]
    p += 1
    local += 1
    assert type(await p) is type(local)
    assert np.asarray(await p).dtype == np.asarray(local).dtype
    assert np.array_equal(await p, local)


async def test_stored_values_never_change(bob: WorkerHandle) -> None:
    p = bob.send(np.zeros(3))
    total, early, same = p.sum(), p.get(), p
    p[:] = 1
    late = p.copy()
    p += 1
    assert await total == 0
    assert (await early).tolist() == [0, 0, 0]
    assert (await late).tolist() == [1, 1, 1]
    assert (await same).tolist() == [2, 2, 2]
    for _ in range(20):  # each may be written over the one before it, and none may show it
        before = p.get()
        p += 1
        want = (await p) - 1
        assert (await before).tolist() == want.tolist()


async def test_what_was_assigned_is_what_was_there_then(bob: WorkerHandle) -> None:
    p, row = bob.send(np.zeros((2, 3))), np.ones(3)
    p[0] = row
    row[:] = 5
    assert (await p)[0].tolist() == [1, 1, 1]


async def test_a_get_binds_when_called_and_an_await_when_it_starts(bob: WorkerHandle) -> None:
    p = bob.send(np.zeros(2))
    got = p.get()

    async def awaiting() -> Any:
        return await p

    later = awaiting()  # no await has started in it yet
    p += 1
    assert (await got).tolist() == [0, 0]
    assert (await later).tolist() == [1, 1]


async def test_tags_and_description_stay(hub: fedsock.Hub, bob: WorkerHandle) -> None:
    p = bob.send(np.zeros(2), tags=["#stay", "#too"], description="mine")
    p[0] = 1
    p += 1
    assert p.tags == ("#stay", "#too")
    assert p.description == "mine"
    await p.wait()
    assert await hub.search("#stay") == {"bob": [p]}
    assert (await bob.search("#too", "#stay"))[0] is p
    [told] = [one for one in await bob.objects() if one.id == p.id_at_location]
    assert told.tags == ("#stay", "#too")
    assert told.description == "mine"


async def test_a_failed_assignment_leaves_the_pointer_failed_until_recover(hub: fedsock.Hub, bob: WorkerHandle) -> None:
    p = bob.send(np.zeros(3), tags="#failing")
    p[1] = 4
    good = p.id_at_location
    p[7] = 1
    after = p + 1
    p += 1
    with pytest.raises(errors.PointerError, match=r"await p\.wait\(\)"):
        p.recover()  # that it failed isn't known yet
    for failed in (p, after):
        with pytest.raises(IndexError, match="out of bounds"):
            await failed
    with pytest.raises(errors.OpFailed):
        await p.wait()
    assert any(isinstance(error, errors.OpIndexError) for error in hub.failures)
    assert p.recover() is p
    assert p.id_at_location == good
    assert p.tags == ("#failing",)
    assert (await p).tolist() == [0, 4, 0]
    p += 1
    assert (await p).tolist() == [1, 5, 1]
    with pytest.raises(errors.PointerError, match="nothing to recover"):
        p.recover()


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (lambda p: p.__setitem__(0, np.ones(5)), ValueError),
        (lambda p: p.__setitem__((0, 0, 0), 1), IndexError),
        (lambda p: p.__setitem__(0, "text"), ValueError),
        (lambda p: p.__iadd__(np.ones((2, 3))), ValueError),
        (lambda p: p.__iadd__(1j), TypeError),
        (lambda p: p.__ilshift__(1), TypeError),
        (lambda p: p.__imatmul__(np.ones((7, 7))), ValueError),
    ],
)
async def test_failures_of_assignments_are_numpys(
    bob: WorkerHandle, change: Callable[[Any], Any], error: type[Exception]
) -> None:
    with pytest.raises(error):
        change(START.copy())
    p = bob.send(START)
    change(p)
    with pytest.raises(error) as caught:
        await p
    assert isinstance(caught.value, errors.OpFailed)
    assert (await p.recover()).tolist() == START.tolist()


async def test_an_owners_data_is_read_only(bob: WorkerHandle, alice: WorkerHandle) -> None:
    for data in (bob.datasets["ids"], alice.datasets["x"]):
        with pytest.raises(errors.OwnerDataReadOnly, match=r"copy\(\)"):
            data[0] = 1
        with pytest.raises(errors.OwnerDataReadOnly, match=r"copy\(\)"):
            data += 1
        data.release()
        mine = data.copy()
        mine[0] = 9
        await mine.wait()
    mine = alice.datasets["x"].copy()
    mine[0] = 9
    assert (await mine).tolist() == [9, 1, 2]
    assert (await alice.datasets["x"]).tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("write", "advice"),
    [
        (lambda p, local: local.__iadd__(p), r"await y"),
        (lambda p, local: local.__imul__(p), r"await y"),
        (lambda p, local: np.add(p, 1, out=local), r"await y"),
        (lambda p, local: np.add(p, 1, local), r"await y"),
        (lambda p, local: np.add(local, 1, out=p), r"await y"),
        (lambda p, local: np.sum(p, out=local[0]), r"await y"),
        (lambda p, local: np.concatenate([p, p], out=local), r"await y"),
        (lambda p, local: np.clip(p, 0, 1, out=local), r"await y"),
        (lambda p, local: p.sum(out=local), r"write p = "),
        (lambda p, local: p.clip(0, 1, out=local), r"write p = "),
        (lambda p, local: np.add.reduce(p, out=local), r"await y"),
        (lambda p, local: p.sort(), r"np\.sort"),
        (lambda p, local: p.fill(0), r"full_like|p\[\.\.\.\] ="),
        (lambda p, local: p.put([0], 1), r"p\["),
        (lambda p, local: p.partition(1), r"np\.partition"),
        (lambda p, local: p.resize(3), r"np\.resize"),
        (lambda p, local: p.setflags(write=False), r"read-only"),
        (lambda p, local: np.put(p, 0, 1), r"p\["),
        (lambda p, local: np.copyto(local, p), r"p\["),
        (lambda p, local: np.copyto(p, local), r"p\["),
        (lambda p, local: np.place(p, p > 0, 1), r"p\["),
        (lambda p, local: np.putmask(p, p > 0, 1), r"p\["),
        (lambda p, local: np.fill_diagonal(p, 1), r"p\["),
        (lambda p, local: np.add.at(p, 0, 1), r"never changes"),
        (lambda p, local: np.add.at(local, 0, p), r"never changes"),
        (lambda p, local: p.__delitem__(0), r"np\.delete"),
    ],
)
async def test_what_would_change_something_else_raises_with_advice(
    bob: WorkerHandle, write: Callable[[Any, Any], Any], advice: str
) -> None:
    p, local = bob.send(START), START.copy()
    with pytest.raises(errors.InPlaceRefused, match=advice) as caught:
        write(p, local)
    assert isinstance(caught.value, TypeError)
    assert local.tolist() == START.tolist()
    assert (await p).tolist() == START.tolist()


async def test_a_local_item_takes_no_pointer(bob: WorkerHandle) -> None:
    local = np.zeros(3)
    with pytest.raises(ValueError, match="sequence") as caught:  # numpy's own words; ours are the cause
        local[0] = bob.send(1.0)
    assert isinstance(caught.value.__cause__, errors.ImplicitFetch)
    with pytest.raises((errors.ImplicitFetch, ValueError)):
        local[:] = bob.send(np.ones(3))
    with pytest.raises(AttributeError):
        bob.send(START).T += 1
    with pytest.raises(AttributeError):
        bob.send(START).shape = (4, 3)
