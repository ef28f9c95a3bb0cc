"""Pictures, with and without matplotlib."""

from __future__ import annotations

import io
import sys

import pytest

from fedsock.errors import ConfigError
from fedsock.federated import pictures


def test_it_can_be_saved() -> None:
    file = io.BytesIO()
    figure = pictures.lines_by_round({"loss": {f"w{k}": [(1, 0.5), (2, 0.25)] for k in range(20)}, "none": {}})
    figure.savefig(file, format="png")
    assert file.getvalue().startswith(b"\x89PNG")
    assert [axes.get_legend() for axes in figure.axes] == [None, None]


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ConfigError, match=r"fedsock\[plot\]"):
        pictures.lines_by_round({})
