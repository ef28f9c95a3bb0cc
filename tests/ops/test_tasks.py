"""The row of tasks: the worker carries them out, and here is no owner."""

from __future__ import annotations

import pytest

from fedsock.errors import UnknownOp
from fedsock.ops import TABLE
from fedsock.ops.tasks import TASK


def test_it_streams_and_has_no_function() -> None:
    row = TABLE[TASK]
    assert row.streams and row.results == 1 and row.about
    with pytest.raises(UnknownOp):
        row.function("train")
    assert row.bound("train").nbytes == 8
