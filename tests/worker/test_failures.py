from __future__ import annotations

import pytest

from fedsock.errors import OpFailed
from fedsock.protocol.messages import Failure
from fedsock.worker.failures import TEXT_CHARS, cut, failed_because, not_run
from tests.worker.driver import Driver, op, put, ref


def test_an_op_of_many_arguments_fails_with_a_text_that_can_be_sent() -> None:
    driver = Driver()
    driver.say(put(1, {"$array": {"dtype": "float64", "shape": [1], "data": "AAAAAAAA8D8="}}))
    [error] = driver.say(op(2, "broadcast_arrays", *[ref(1)] * 1200, n=3))
    assert "float64[1], and 1192 more" in error.message
    assert len(error.message) < TEXT_CHARS


def test_texts_are_cut() -> None:
    assert cut("a" * TEXT_CHARS) == "a" * TEXT_CHARS
    assert cut("a" * (TEXT_CHARS + 1)) == "a" * (TEXT_CHARS - 2) + " …"
    told = failed_because(1, 1, Failure(1, "op_value", "b" * TEXT_CHARS), "add")
    assert len(told.message) == TEXT_CHARS
    assert told.message.startswith("add was not run: bbb")


def test_what_is_not_run_fails() -> None:
    with pytest.raises(OpFailed):
        not_run()
