"""The limits of messages' fields; the vectors hold the rest."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from fedsock.protocol import parts


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        (parts.Id, [1, 2**53 - 1], [0, 2**53, -1, "1", 1.5, None]),
        (parts.Count, [1, 1_000_000], [0, 1_000_001]),
        (parts.Ref, [1, "x", "x" * 200], [0, "x" * 201, None]),
        (parts.Name, ["", "x" * 200], ["x" * 201, 1]),
        (parts.Text, ["x" * 10_000], ["x" * 10_001]),
        (parts.Tags, [[], ["x" * 200] * 100], [["x" * 201], [""] * 101]),
        (parts.Shape, [[], [0] * 64], [[-1], [0] * 65]),
    ],
)
def test_limits(kind: Any, good: list[Any], bad: list[Any]) -> None:
    for value in good:
        assert msgspec.convert(value, kind) == value
    for value in bad:
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert(value, kind)


@pytest.mark.parametrize("kind", [parts.Described, parts.Offered, parts.Failure])
def test_unknown_fields_are_refused(kind: Any) -> None:
    known = {"id": 1, "name": "x", "code": "x", "message": "x"}
    fields = {key: value for key, value in known.items() if key in kind.__struct_fields__}
    assert msgspec.convert(fields, kind)
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({**fields, "more": 1}, kind)
