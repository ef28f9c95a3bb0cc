"""What is printed: a line for each figure, what the peers did, and how many goals are met."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from tests.benchmarks.figures import Figure, Goal
from tests.benchmarks.loops import LOOPS
from tests.benchmarks.peers.peer import CHAINED, DOWN, INDEPENDENT, LATENCY, UP
from tests.benchmarks.roads import EMBEDDED

PEER_CASES = (LATENCY, INDEPENDENT, CHAINED, UP, DOWN)
BESIDE = {"dask": 50.0, "ray": 30.0, "rpyc": 4.0}
"""Peer -> how many times as many pipelined ops fedsock is to do."""

Columns = Mapping[str, Sequence[Figure]]
_NAME = 50


def number(value: float) -> str:
    """Return a number with as many digits as mean something."""
    if 0 < abs(value) < 0.005:
        return f"{value:.0e}"
    digits = 0 if abs(value) >= 1000 else 1 if abs(value) >= 10 else 2
    return f"{value:,.{digits}f}"


def header(title: str) -> str:
    """Return the head of a column's lines."""
    rounds = "rounds: median, quartiles"
    return f"\n{title:{_NAME}} {'fedsock':>9} {'':4} {'bare':>9} {'ratio':>6} {rounds:>26}  {'goal':9}"


def line(figure: Figure, judged: bool = True) -> str:
    """Return a figure's line.

    Args:
        figure: the figure.
        judged: say whether its goal is met.
    """
    if not figure.values:
        return f"{figure.case:{_NAME}} {figure.note}"
    low, middle, high = figure.quartiles
    bare = ratio = ""
    if figure.bare:
        bare, ratio = number(figure.beside), f"{figure.of_medians:.2f}"
        spread = f"{middle:.2f} [{low:.2f} {high:.2f}]"
    else:
        spread = f"{number(middle)} [{number(low)} {number(high)}]"
    goal = str(figure.goal or "")
    found = f"{figure.case:{_NAME}} {number(figure.value):>9} {figure.unit:4} {bare:>9} {ratio:>6} {spread:>26}"
    return f"{found}  {goal:9} {figure.verdict if judged else ''}".rstrip()


def peers(columns: Columns, names: Sequence[str]) -> Iterator[str]:
    """Give the lines of the table of peers.

    Args:
        columns: what was measured.
        names: the peers.
    """
    loops = [loop for loop in LOOPS if loop in columns]
    heads = [*(f"fedsock, {loop}" for loop in loops), *names]
    yield f"\n{'beside the peers':32}" + "".join(f" {head:>17}" for head in heads)
    for case in PEER_CASES:
        found = [_find(columns[loop], f"{case}, {EMBEDDED}") for loop in loops]
        found += [_find(columns[name], case) for name in names]
        unit = next((figure.unit for figure in found if figure.unit), "")
        cells = (f" {number(figure.value) if figure.values else figure.note[:17] or '-':>17}" for figure in found)
        yield f"{f'{case}, {unit}':32}" + "".join(cells)
    for name in names:
        for figure in columns[name]:
            if not figure.values:
                yield f"{name}: {figure.case}: {figure.note}"


def beside(columns: Columns) -> list[Figure]:
    """Return how many times as many pipelined ops fedsock does, of the medians: they were not measured in turns."""
    found = []
    for loop in LOOPS:
        ours = _find(columns.get(loop, ()), f"{INDEPENDENT}, {EMBEDDED}")
        for name, times in BESIDE.items():
            theirs = _find(columns.get(name, ()), INDEPENDENT)
            if ours.values and theirs.values:
                case = f"{INDEPENDENT} on {loop} beside {name}"
                found.append(Figure(case, "/s", (ours.value,), (theirs.value,), Goal(times)))
    return found


def summary(figures: Sequence[Figure]) -> str:
    """Return how many goals are met, and which are missed."""
    judged = [figure for figure in figures if figure.met is not None]
    missed = [figure for figure in judged if not figure.met]
    failed = [figure for figure in figures if not figure.values]
    said = f"\n{len(judged) - len(missed)} of {len(judged)} goals met"
    return said + (f", {len(failed)} cases failed" if failed else "")


def _find(figures: Sequence[Figure], case: str) -> Figure:
    """Return a case's figure; one without values if there is none, with the note that covers the whole column."""
    for figure in figures:
        if figure.case == case:
            return figure
    notes = [figure.note for figure in figures if figure.note and not figure.values]
    return Figure(case, note=notes[0] if notes else "")
