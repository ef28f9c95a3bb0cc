"""The op that runs a plan can't be had without a worker."""

from __future__ import annotations

import pytest

from fedsock.errors import OpTypeError
from fedsock.ops import TABLE, check, template_of
from fedsock.ops.plans import RUN


def test_it_takes_a_text_and_anything() -> None:
    row = TABLE[RUN]
    assert check(row, ["{}", 1, None], {}) == (["{}", 1, None], {})
    with pytest.raises(OpTypeError):
        check(row, [1], {})


def test_only_a_worker_carries_it_out() -> None:
    row = TABLE[RUN]
    with pytest.raises(OpTypeError, match=r"bob\.run"):
        row.function("{}")
    with pytest.raises(OpTypeError, match=r"bob\.run"):
        template_of(row, ["{}"], {}, lambda value: ())
    assert row.bound("{}").nbytes == 8
