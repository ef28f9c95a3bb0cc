from __future__ import annotations

import numpy as np
import pytest

from fedsock import errors
from fedsock.errors import OpFailed
from fedsock.protocol.messages import Failure
from fedsock.worker.failures import TEXT_CHARS, cut, failed_because, not_run, op_error_class
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


@pytest.mark.parametrize(
    ("raised", "ours"),
    [
        (np.exceptions.AxisError(3, 2), errors.OpAxisError),
        (np.linalg.LinAlgError("singular"), errors.OpLinAlgError),
        (ZeroDivisionError(), errors.OpZeroDivisionError),
        (OverflowError(), errors.OpOverflowError),
        (MemoryError(), errors.OpMemoryError),
        (KeyError("a"), errors.OpKeyError),
        (IndexError(), errors.OpIndexError),
        (TypeError(), errors.OpTypeError),
        (ValueError(), errors.OpValueError),
        (UnicodeDecodeError("utf-8", b"", 0, 1, ""), errors.OpValueError),
        (RuntimeError(), errors.OpFailed),
    ],
)
def test_op_errors_are_numpys_too(raised: Exception, ours: type[errors.OpFailed]) -> None:
    assert op_error_class(raised) is ours
    if ours is not errors.OpFailed:
        built_in = next(base for base in type(raised).__mro__ if base in ours.__mro__)
        assert built_in not in (Exception, BaseException, object)
