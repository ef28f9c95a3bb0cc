"""Frames, with and without polars."""

from __future__ import annotations

import sys

import pytest

from fedsock.errors import ConfigError
from fedsock.federated import frames


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert frames.frame([{"a": 1}, {"a": 2, "b": 0.5}])["b"].to_list() == [None, 0.5]
    monkeypatch.setitem(sys.modules, "polars", None)
    with pytest.raises(ConfigError, match=r"fedsock\[tables\]"):
        frames.frame([])
