"""What is known of where a value came from, and of how each row of the owner's data went into it.

A value is *open*, or it derives from private data sets, its sources, and then has one of four forms: it is
``Rowwise`` (index i along an axis depends on row i only), an ``Aggregate`` (a listed reduction made it directly
from rowwise values), ``Trained`` (a plan or a task made it directly from data sets), or none of
them, and then nothing more is known of it: *mixed*.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

FUNCTION = 3
"""The degree of what is no polynomial of degree 2 or less: a comparison, a square root, a product of three."""


TEMPLATES = ("sum", "mean", "var", "std", "cov", "corrcoef", "product", "count")
"""The listed reductions; "product" is ``x.T @ y``, "count" a table's cells."""


@dataclass(frozen=True, slots=True)
class Group:
    """The rows that several arrays of an owner have in common: subjects.

    Attributes:
        name: what it is called.
        rows: how many there are; public.
    """

    name: str
    rows: int


@dataclass(frozen=True, slots=True)
class Rowwise:
    """Index i along one axis depends on row i of a group, on no other row, and the axis has all its rows.

    Attributes:
        group: the group.
        axis: the axis, counted from the first.
        degree: of the polynomial in private values that each element is, 1 or 2; else FUNCTION.
        weighted: something that isn't private took part with a value of its own for each row.
        raw: the data set that it is, unchanged; "" for what was computed.
        low: the smallest power of 2 that private values in it were multiplied by.
        high: the largest, and that of anything added.
    """

    group: Group
    axis: int
    degree: int = 1
    weighted: bool = False
    raw: str = ""
    low: int = 0
    high: int = 0


@dataclass(frozen=True, slots=True)
class Aggregate:
    """A listed reduction over all rows of a group, made directly from rowwise values.

    Attributes:
        group: the group.
        template: the reduction, one of TEMPLATES, or "edges": the public edges of a table.
        degree: of the polynomial in private values that was summed, 1 or 2; else FUNCTION.
        weighted: some of the rowwise values were.
        tables: of a count: the data set and the public cells along each axis; a number of categories, or edges.
    """

    group: Group
    template: str
    degree: int
    weighted: bool = False
    tables: tuple[tuple[str, int | tuple[float, ...]], ...] = ()


@dataclass(frozen=True, slots=True)
class Trained:
    """What a plan or a task made from private data sets directly.

    Attributes:
        kind: "plan" (of a run, a gradient or of training) or "task".
        name: the plan's digest, or the task's name.
        rows: of the private data set with the fewest, or of the smallest step; 0: none has rows.
    """

    kind: str
    name: str
    rows: int


Form = Rowwise | Aggregate | Trained

TASK_SOURCE = "task:"
"""What the names of tasks among the sources of a value begin with; no data set's does."""


@dataclass(frozen=True, slots=True)
class Facts:
    """Where a value came from.

    Attributes:
        sources: names of the private data sets that it derives from; none: it is open.
        form: how their rows went into it; None: nothing is known of that.
    """

    sources: frozenset[str] = frozenset()
    form: Form | None = None

    @property
    def private(self) -> bool:
        """Whether any private data set is among its sources."""
        return bool(self.sources)

    @property
    def kind(self) -> str:
        """Return "open", "rowwise", "aggregate", "trained" or "mixed"."""
        if not self.sources:
            return "open"
        return "mixed" if self.form is None else type(self.form).__name__.lower()


OPEN = Facts()
"""Made from public data and from what the session itself uploaded."""


@lru_cache(4096)
def _kept(sources: frozenset[str], form: Form | None) -> Facts:
    return Facts(sources, form)


def known(sources: frozenset[str], form: Form | None = None) -> Facts:
    """Return the facts with these sources and this form, the same object each time while it is remembered.

    Args:
        sources: names of private data sets; none gives OPEN.
        form: how their rows went in.
    """
    if isinstance(form, Aggregate) and form.tables:  # with as many edges as a scientist likes: gone with its value
        return Facts(sources, form) if sources else OPEN
    return _kept(sources, form) if sources else OPEN


def combine(inputs: Iterable[Facts], form: Form | None = None) -> Facts:
    """Return the facts of what is made from values with these facts: all their sources.

    Args:
        inputs: the facts of each input; OPEN for none.
        form: how the rows went in, where that is known.
    """
    sources: frozenset[str] = frozenset()
    for facts in inputs:
        if facts is not OPEN and facts.sources is not sources:
            sources = sources | facts.sources if sources else facts.sources
    return known(sources, form)


def trained(
    kind: str, name: str, data: Iterable[Facts], carried: Iterable[Facts] = (), rows: Iterable[int] = ()
) -> Trained | None:
    """Return the form of what a plan or a task makes of its inputs; None: no more than mixed is known of it.

    Its private data must be data sets as they are, with all their rows: what was worked out before, such as a mask
    that leaves one row, is not what the owner reviewed. What is carried on from a run before (parameters, the state of
    an optimizer) must be open, or made by the same plan or task: else it could bring anything to where it may leave.

    Args:
        kind: "plan" or "task".
        name: the plan's digest, or the task's name.
        data: facts of what it works on.
        carried: facts of the other inputs.
        rows: of data sets that it is given otherwise.
    """
    fewest = list(rows)
    given = [(facts.form, True) for facts in data if facts.private]
    given += [(facts.form, False) for facts in carried if facts.private]
    for form, is_data in given:
        if isinstance(form, Trained) and (form.kind, form.name) == (kind, name):
            # What few rows made stays that, whatever it is carried through.
            fewest += [form.rows] if form.rows else []
        elif is_data and isinstance(form, Rowwise) and form.raw and not form.weighted:
            fewest.append(form.group.rows)
        else:
            return None
    return Trained(kind, name, min(fewest, default=0))
