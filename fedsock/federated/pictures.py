"""Pictures of a fit; matplotlib is loaded when one is asked for."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from typing import Any

from fedsock.errors import ConfigError

MOST_NAMES = 12
"""Lines beyond this many get no legend: it would hide them."""


def lines_by_round(panels: Mapping[str, Mapping[str, Sequence[tuple[int, float]]]]) -> Any:
    """Return a matplotlib Figure with a panel of lines beside each other; it belongs to no window.

    Args:
        panels: panel -> line -> (round, value) of each point; the line "all" is drawn thick.

    Raises:
        ConfigError: matplotlib is not installed.
    """
    try:
        figures = importlib.import_module("matplotlib.figure")
    except ImportError as error:
        raise ConfigError("a plot needs matplotlib: pip install 'fedsock[plot]'") from error
    figure = figures.Figure(figsize=(5 * len(panels), 4), layout="constrained")
    for place, (title, lines) in enumerate(panels.items(), 1):
        axes = figure.add_subplot(1, len(panels), place, xlabel="round", title=title)
        for name, points in lines.items():
            axes.plot(*zip(*points, strict=True), label=name, linewidth=2.5 if name == "all" else 1)
        if 0 < len(lines) <= MOST_NAMES:
            axes.legend()
    return figure
