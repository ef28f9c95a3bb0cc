"""A hub and its pointers belong to one event loop: from another thread or loop every use raises at once."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import fedsock
from fedsock import errors
from fedsock.session.handle import WorkerHandle


def _from_a_thread(work: Callable[[], Any]) -> BaseException:
    caught: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except BaseException as error:
            caught.append(error)

    thread = threading.Thread(target=run, daemon=True)  # one that hangs must not keep the tests from ending
    thread.start()
    thread.join(20)
    assert caught, "nothing was raised"
    return caught[0]


@pytest.mark.asyncio(loop_scope="module")
async def test_another_thread_is_refused_at_once(house: Any, hub: fedsock.Hub, bob: WorkerHandle) -> None:
    p = await bob.send(np.arange(3.0)).wait()

    async def awaits() -> None:
        await p

    for use in (
        lambda: p + 1, lambda: 1 - p, lambda: np.modf(p), lambda: p.sum(), lambda: p.__setitem__(0, 1),
        lambda: bob.send(1.0), lambda: bob.np.ones(3), lambda: hub.send(1.0, bob), lambda: p.release(),
        lambda: p.cancel(), lambda: p.copy("alice"), lambda: p.send("alice"), lambda: p.move("alice"),
        lambda: list(p), lambda: asyncio.run(awaits()), lambda: asyncio.run(p.get()), lambda: asyncio.run(p.wait()),
        lambda: asyncio.run(bob.ping()), lambda: asyncio.run(bob.stats()), lambda: asyncio.run(bob.objects()),
        lambda: asyncio.run(bob.search("#a")), lambda: asyncio.run(bob.clear()), lambda: asyncio.run(hub.search("#a")),
        lambda: asyncio.run(hub.worker("bob")), lambda: asyncio.run(hub.wait_for_workers(1)),
        lambda: asyncio.run(hub.virtual_worker("zoe")),
    ):  # fmt: skip
        assert isinstance(_from_a_thread(use), errors.WrongLoop), inspect.getsource(use)
    assert (await (p + 1)).tolist() == [1, 2, 3]


def test_another_loop_of_the_same_thread_is_refused_at_once() -> None:
    with asyncio.Runner(debug=True) as own, asyncio.Runner(debug=True) as another:
        hub = own.run(fedsock.Hub(port=0)._open())
        bob = own.run(hub.virtual_worker("bob"))
        p = own.run(bob.send(np.arange(3.0)).wait())

        async def elsewhere() -> int:
            refused = 0
            for use in (
                lambda: p + 1, lambda: np.modf(p), lambda: bob.send(1), lambda: p.copy(), lambda: p.release(),
                lambda: p.cancel(), lambda: hub.send(1, bob), lambda: bob.np.zeros(2),
            ):  # fmt: skip
                with pytest.raises(errors.WrongLoop, match="another one"):
                    use()
                refused += 1
            for later in (p.get, p.wait, bob.ping, lambda: hub.search("#a"), lambda: hub.worker("bob"), hub.close):
                with pytest.raises(errors.WrongLoop):
                    await later()
                refused += 1
            return refused

        assert another.run(elsewhere()) == 14
        y = p + 1  # between two runs no loop runs: what is written then is sent in the next
        assert own.run(y.get()).tolist() == [1, 2, 3]
        own.run(hub.close())
