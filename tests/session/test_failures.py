from __future__ import annotations

import pytest

from fedsock import errors
from fedsock.session.failures import untraced


@pytest.mark.parametrize("code", sorted(errors.BY_CODE))
def test_what_is_kept_says_the_same(code: str) -> None:
    error = errors.from_wire(code, "a text", op="add", object_id=7, worker="bob")
    try:
        raise error from errors.OpValueError("first")
    except errors.FedsockError as raised:
        kept = untraced(raised)
    assert type(kept) is type(error)
    assert str(kept) == str(error)
    assert kept.__dict__ == error.__dict__
    assert kept.__traceback__ is None
    assert repr(kept.__cause__) == "OpValueError('first')"
