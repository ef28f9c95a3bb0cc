from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest

from fedsock import errors


async def test_questions(house: Any) -> None:
    p = house.bob.send(1.0)
    y = p + 1
    assert 0 < await house.bob.ping() < 5
    stats = await house.bob.stats()
    assert stats.ops_run == stats["ops_run"] == 1
    with pytest.raises(AttributeError, match="ops_run"):
        _ = stats.nothing
    assert [one.id for one in await house.bob.objects()] == [p.id_at_location, y.id_at_location]
    del y
    assert [one.id for one in await house.bob.objects()] == [p.id_at_location]


async def test_search_follows_assignments(house: Any) -> None:
    p = house.bob.send(np.ones(2), tags="#t")
    p += 1
    (found,) = await house.bob.search("#t")
    assert found is p
    p.release()
    assert await house.bob.search("#t") == []


async def test_clear(house: Any) -> None:
    p = house.bob.send(1.0)
    pp = house.alice.send(p)
    await house.bob.clear()
    assert set(house.bobs.store) == {"data", "secret"}
    for use in (lambda: p + 1, lambda: pp + 1):
        with pytest.raises(errors.PointerReleased):
            use()
    assert await house.bob.datasets["data"].sum() == 15


async def test_what_cannot_be_sent(house: Any) -> None:
    for value in (object(), {1: 2}, np.array([None]), b"bytes", {1, 2}, "\ud800"):
        with pytest.raises(errors.UnsupportedValue):
            house.bob.send(value)
    with pytest.raises(errors.UnsupportedValue, match="tags"):
        house.bob.send(1, tags=["x" * 201])
    with pytest.raises(errors.UnsupportedValue, match="description"):
        house.bob.send(1, description="x" * 10_001)
    with pytest.raises(errors.WorkerLost):
        pickle.dumps(house.bob)


async def test_it_shows_what_is_known(house: Any) -> None:
    assert "bob" in repr(house.bob)
    assert "data" in repr(house.bob.datasets)
    assert len(house.bob.datasets) == 2
    html = house.bob._repr_mimebundle_()["text/html"]
    assert "float64[6]" in html


async def test_a_data_set_that_is_not_there_names_those_that_are(house: Any) -> None:
    with pytest.raises(KeyError) as caught:
        house.bob.datasets["y"]
    assert isinstance(caught.value, errors.UnknownObject)
    assert str(caught.value) == "bob offers no data set 'y'; there are: 'data', 'secret'"
    assert (caught.value.worker, caught.value.object_id) == ("bob", "y")
    with pytest.raises(KeyError, match="there are: none"):
        house.alice.datasets["x"]
    assert house.bob.datasets.get("y") is None
    assert "y" not in house.bob.datasets
    assert "data" in house.bob.datasets


async def test_mocks_are_apart_from_the_data_sets(house: Any) -> None:
    house.peer.add("carol", **{"x": np.arange(3.0), "mock:x": np.ones(3), "mock:y": np.zeros(2)})
    carol = await house.session.worker("carol")
    real, mock = carol.datasets["x"], carol.mock.datasets["x"]
    assert (list(carol.datasets), list(carol.mock.datasets)) == (["x"], ["x", "y"])
    assert (len(carol.datasets), len(carol.mock.datasets)) == (1, 2)
    assert (real.id_at_location, mock.id_at_location) == ("x", "mock:x")
    assert (mock.shape, mock.dtype) == ((3,), np.dtype(float))
    assert (await (real + 1)).tolist() == [1, 2, 3]
    assert (await (mock + 1)).tolist() == [2, 2, 2]
    assert await mock.send(house.alice).get() is mock
    assert await real.send(house.alice).get() is real
    assert repr(carol.mock) == "<mock data sets of carol: x, y>"
    with pytest.raises(KeyError, match="carol offers no mock data set 'z'; there are: 'x', 'y'"):
        carol.mock.datasets["z"]
    with pytest.raises(errors.OwnerDataReadOnly, match="'mock:x'"):
        mock[0] = 1
    assert [one is real for one in await carol.search("#own")] == [True]
    carol.station.lose(errors.WorkerLost("carol is lost"))
    for pointer in (real, mock):
        assert isinstance(pointer._record.failure, errors.WorkerLost)


async def test_a_handle_always_has_mocks_perhaps_none(house: Any) -> None:
    assert dict(house.bob.mock.datasets) == {}
    with pytest.raises(errors.UnknownObject, match="bob offers no mock data set 'data'; there are: none"):
        house.bob.mock.datasets["data"]
