from __future__ import annotations

from typing import Any

import numpy as np

from fedsock.session.trees import records, replaced


def test_every_leaf_is_replaced_and_the_form_stays() -> None:
    array = np.arange(3)
    tree = [1, (2, {"a": 3, "b": slice(4, None, 5)}), array]
    seen: list[Any] = []

    def note(leaf: Any) -> Any:
        seen.append(leaf)
        return leaf

    assert replaced(tree, note) == tree
    assert seen == [1, 2, 3, 4, None, 5, array]
    assert replaced(7, str) == "7"
    assert replaced((), str) == ()
    assert replaced(np.linalg.slogdet(np.eye(2)), float) == (1.0, 0.0)  # numpy's named tuples are tuples


async def test_records_of_all_pointers_in_an_argument(house: Any) -> None:
    p, q, r = (house.bob.send(float(n)) for n in range(3))
    found = list(records([p, (1, {"a": q}), slice(None, r), p]))
    assert found == [p._record, q._record, r._record, p._record]
    assert list(records(np.ones(2))) == []
