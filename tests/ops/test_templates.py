"""templates: flat results go back into numpy's own tuples and lists."""

from __future__ import annotations

import numpy as np

from fedsock.ops.templates import fill, leaves


def test_templates() -> None:
    svd = type(np.linalg.svd(np.eye(2)))(None, None, None)
    assert leaves(None) == 1
    assert leaves(svd) == 3
    assert leaves(()) == 0
    filled = fill(svd, "abc")
    assert type(filled) is type(svd)
    assert filled.S == "b"
    assert fill([None, (None, None)], [1, 2, 3]) == [1, (2, 3)]
    assert fill(None, [5]) == 5
