"""Pictures of a fit and of a partition; matplotlib is loaded when one is asked for. They belong to no window."""

from __future__ import annotations

import importlib
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from fedsock.errors import ConfigError
from fedsock.typing import Array

MOST_NAMES = 10
"""More workers than this have no colours of their own: nobody could tell them apart."""

MOST_LABELS = 20
"""In the legend of a partition: of more labels, every second one, or third, … is named."""

MOST_SIGNS = 40
"""Of a longer name only the beginning is drawn."""

COLUMNS = 3
"""Panels beside each other."""

INCHES = 5, 3.5
"""Of a panel."""

Points = list[tuple[int, float]]
"""(round, value), rounds rising."""


@dataclass(frozen=True, slots=True)
class Panel:
    """What is drawn of one quantity.

    Attributes:
        all: of all workers together.
        each: worker -> of it alone.
    """

    all: Points = field(default_factory=list)
    each: dict[str, Points] = field(default_factory=dict)


def by_round(panels: Mapping[str, Panel]) -> Any:
    """Return a matplotlib Figure with a panel for each quantity; the thick line is all workers together.

    Args:
        panels: name of a quantity -> what is drawn.

    Raises:
        ConfigError: matplotlib is not installed.
    """
    across, down = min(len(panels), COLUMNS) or 1, math.ceil(len(panels) / COLUMNS) or 1
    figure = _figure(INCHES[0] * across, INCHES[1] * down)
    workers = sorted({name for panel in panels.values() for name in panel.each})
    many = len(workers) > MOST_NAMES
    rounds = [
        number for panel in panels.values() for points in (panel.all, *panel.each.values()) for number, _ in points
    ]
    limits = (min(rounds, default=1) - 0.5, max(rounds, default=1) + 0.5)
    legend: dict[tuple[int, str], Any] = {}  # (0, all together) before (1, a worker), who may be called so
    for place, (title, panel) in enumerate(panels.items(), 1):
        axes = figure.add_subplot(down, across, place, xlabel="round", xlim=limits, title=_plain(title))
        axes.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)
        for number, name in enumerate(workers):
            if points := panel.each.get(name):
                color = "0.7" if many else f"C{number}"
                (line,) = axes.plot(*_broken(points), color=color, linewidth=0.8, marker=".", markersize=4)
                legend.setdefault((1, f"each of {len(workers)} workers" if many else name), line)
        if panel.all:
            (line,) = axes.plot(*_broken(panel.all), color="black", linewidth=2, marker=".")
            legend.setdefault((0, "all"), line)
    if legend:
        order = sorted(legend)
        figure.legend([legend[key] for key in order], [name for _, name in order], loc="outside right upper")
    return figure


def stacked(counts: Array, names: Sequence[Any]) -> Any:
    """Return a matplotlib Figure with a bar for each worker, a colour for each label.

    Args:
        counts: (workers, labels) int64, rows of each.
        names: of the labels.

    Raises:
        ConfigError: matplotlib is not installed.
    """
    workers, labels = counts.shape
    figure = _figure(min(max(6.0, 2 + 0.3 * workers), 14.0), 4)
    axes = figure.add_subplot(xlabel="worker", ylabel="rows", xlim=(-0.6, workers - 0.4))
    axes.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)
    few = importlib.import_module("matplotlib").colormaps["tab10" if labels <= 10 else "tab20"]
    many = importlib.import_module("matplotlib").colormaps["turbo"]
    step = math.ceil(labels / MOST_LABELS)
    bottom = counts[:, 0] * 0
    legend = []
    for label in range(labels):
        color = few(label) if labels <= few.N else many(label / (labels - 1))
        bars = axes.bar(range(workers), counts[:, label], bottom=bottom, width=0.8, color=color)
        bottom = bottom + counts[:, label]
        if label % step == 0:
            legend.append((bars, _plain(str(names[label]))))
    legend.reverse()  # as they are stacked
    figure.legend(*zip(*legend, strict=True), title="label", loc="outside right upper")
    return figure


def _figure(width: float, height: float) -> Any:
    try:
        figures = importlib.import_module("matplotlib.figure")
    except ImportError as error:
        raise ConfigError("a plot needs matplotlib: pip install 'fedsock[plot]'") from error
    figure = figures.Figure(figsize=(width, height), layout="constrained")
    figure._repr_png_ = partial(_png, figure)  # a notebook shows it, without pyplot and its open windows
    return figure


def _png(figure: Any) -> bytes:
    file = io.BytesIO()
    figure.savefig(file, format="png")
    return file.getvalue()


def _broken(points: Points) -> tuple[list[int], list[float]]:
    """Return rounds and values; a worker that took no part in a round has no value there, so its line has a gap."""
    values = dict(points)
    rounds = list(range(points[0][0], points[-1][0] + 1))
    return rounds, [values.get(number, math.nan) for number in rounds]


def _plain(text: str) -> str:
    """Return a text that matplotlib takes for no formula, and for no name to hide."""
    shown = text if len(text) <= MOST_SIGNS else text[: MOST_SIGNS - 1] + "…"
    return (repr(shown) if shown[:1] in ("", "_") else shown).replace("$", r"\$")
