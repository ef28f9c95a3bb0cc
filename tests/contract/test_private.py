"""What is private stays: values, all that derives from them, and what their values would show otherwise."""

from __future__ import annotations

import numpy as np
import pytest

from fedsock import errors
from fedsock.session.handle import WorkerHandle

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_private_data_and_what_derives_from_it_stay(bob: WorkerHandle, alice: WorkerHandle) -> None:
    ages = bob.datasets["ages"]
    for refused in (ages, ages + 1, ages.mean(), (ages * 0).sum(), ages[ages > 35], np.unique(ages), ages.copy()):
        with pytest.raises(errors.ExportDenied, match=r"private.*Next:") as caught:
            await refused
        assert isinstance(caught.value, PermissionError)
        with pytest.raises(errors.ExportDenied):
            await refused.copy(alice)
    assert (await (ages + 1).wait()).shape == (3,)


async def test_what_is_published_or_ones_own_comes_freely(bob: WorkerHandle, alice: WorkerHandle) -> None:
    assert (await alice.datasets["table"].sum(axis=0)).tolist() == np.arange(12.0).reshape(3, 4).sum(axis=0).tolist()
    assert await bob.send(np.arange(3.0)).sum() == 3


async def test_shapes_and_failures_that_depend_on_private_values_are_not_told(bob: WorkerHandle) -> None:
    ages = bob.datasets["ages"]
    few, none = ages[ages > 35], ages[ages > 1000]
    failing = np.linalg.inv(np.outer(ages, ages))
    for p in (few, none, failing):
        assert await p.wait() is p
        for ask in (lambda p=p: p.shape, lambda p=p: p.dtype, lambda p=p: len(p), lambda p=p: list(p)):
            with pytest.raises(errors.ExportDenied, match="private"):
                ask()
        with pytest.raises(errors.ExportDenied):
            await p.sum()
        assert "withheld" in repr(p)
