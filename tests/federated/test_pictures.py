"""Pictures, with and without matplotlib. What they look like a person has to see; here is what can be counted."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest

from fedsock.errors import ConfigError
from fedsock.federated import pictures
from fedsock.federated.pictures import Panel


def drawn(figure: Any) -> Any:
    """Draw a figure, warnings being errors, and return the texts of its legend."""
    assert figure._repr_png_().startswith(b"\x89PNG"), "what a notebook shows"
    return [text.get_text() for legend in figure.legends for text in legend.texts]


def fit(workers: int, panels: int = 2) -> dict[str, Panel]:
    points = [(1, 0.5), (2, 0.25), (4, 0.125)]
    each = {f"w{number:02}": points for number in range(workers)}
    return {f"metric {number}": Panel(points, each) for number in range(panels)}


def test_few_workers_have_colours_and_names() -> None:
    figure = pictures.by_round(fit(10))
    assert drawn(figure) == ["all", *(f"w0{number}" for number in range(10))]
    for axes in figure.axes:
        assert len({line.get_color() for line in axes.lines}) == 11
        assert axes.lines[-1].get_linewidth() == 2, "all together lies over the others"


def test_many_workers_are_a_cloud() -> None:
    figure = pictures.by_round(fit(100))
    assert drawn(figure) == ["all", "each of 100 workers"]
    assert [len({line.get_color() for line in axes.lines}) for axes in figure.axes] == [2, 2]


def test_rounds_are_whole_numbers() -> None:
    figure = pictures.by_round({"loss": Panel([(1, 0.5)])})
    drawn(figure)
    (axes,) = figure.axes
    assert [tick for tick in axes.get_xticks() if 0.5 <= tick <= 1.5] == [1]


@pytest.mark.parametrize("panels", [0, 1, 3, 7])
def test_any_number_of_panels(panels: int) -> None:
    figure = pictures.by_round(fit(2, panels))
    drawn(figure)
    assert len(figure.axes) == panels


@pytest.mark.parametrize(("workers", "labels"), [(1, 1), (2, 2), (10, 10), (40, 15), (100, 10), (3, 200)])
def test_bars(workers: int, labels: int) -> None:
    counts = np.random.default_rng(0).integers(0, 9, (workers, labels))
    figure = pictures.stacked(counts, range(labels))
    named = drawn(figure)
    assert 0 < len(named) <= pictures.MOST_LABELS and named[-1] == "0"
    (axes,) = figure.axes
    assert len({bars[0].get_facecolor() for bars in axes.containers}) == labels
    tops = [max(bar.get_y() + bar.get_height() for bar in bars) for bars in zip(*axes.containers, strict=True)]
    assert tops == counts.sum(axis=1).tolist()


def test_names_are_no_formulas() -> None:
    names = ["$x_", "$\\bad{$", "_hidden", "", "long" * 20]
    named = drawn(pictures.stacked(np.ones((2, 5), int), names))
    assert named[::-1] == [r"\$x_", "\\$\\bad{\\$", "'_hidden'", "''", "long" * 9 + "lon…"]
    drawn(pictures.by_round({name: Panel([(1, 1.0)]) for name in names}))


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    for draw in (lambda: pictures.by_round({}), lambda: pictures.stacked(np.ones((1, 1)), ["a"])):
        with pytest.raises(ConfigError, match=r"fedsock\[plot\]"):
            draw()
