from __future__ import annotations

import numpy as np
import pytest

from fedsock.ops.bounds import like
from fedsock.ops.registry import check
from fedsock.ops.rows import numpy_row
from fedsock.ops.schema import KINDS


def test_a_row_is_named_as_numpy_names_its_function() -> None:
    assert numpy_row(np, "sorting", "sort", "a:array", like).name == "sort"
    row = numpy_row(np.linalg, "linalg", "det", "a:array", like, value_dependent=False)
    assert (row.name, row.function, row.numpy, row.value_dependent) == (
        "linalg.det",
        np.linalg.det,
        (np.linalg.det,),
        False,
    )


def test_another_function_may_stand_for_it_and_kinds_for_words() -> None:
    row = numpy_row(np, "sorting", "sort", "a:array axis:int=0", like, function=sorted, kinds={"axis": KINDS["text"]})
    assert row.function is sorted
    assert check(row, ["no number"], {"axis": "a text"}) == (["no number", "a text"], {})


def test_a_name_that_numpy_does_not_have() -> None:
    with pytest.raises(AttributeError):
        numpy_row(np, "sorting", "no_such", "a:array", like)
