"""FederatedArray: one array whose rows live at many workers, written with as one of numpy's."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from typing import Any, NoReturn

import numpy as np

from fedsock.errors import InPlaceRefused, PointersApart, PointersMixed
from fedsock.expression import NO_KWARGS, Expression
from fedsock.federated.parts import Result, Several, Tolerance
from fedsock.federated.passing import Kind, kept_apart, row_of, tried
from fedsock.federated.reductions import OVER_ROWS, PAIRS
from fedsock.session.groups import mapped
from fedsock.session.handle import WorkerHandle
from fedsock.session.multi import MultiPointer
from fedsock.session.pointer import Pointer
from fedsock.session.trees import replaced


class FederatedArray(Expression):
    """An array whose rows live at many workers, in worker-name order; made by ``hub.federated``.

    Operators, numpy's functions of elements, and what maps each row run at all workers at the same time and give
    another. Beside it may stand numbers, small local arrays that are the same for every row, and federated arrays of
    the same workers and rows. What takes rows together (``sum mean var std count cov corrcoef histogram bincount``,
    ``fx.T @ fy``, ``min max median quantile``) gives a Result: awaitable, with ``.workers`` and ``.missing``.

    ``sum`` of integers, ``count``, ``histogram``, ``bincount`` and products of integers are exact; the others are
    within 1e-12 of numpy on the rows put together, relative to the size of what is added up. Parts leave each worker
    as any result does, by its policy: where that rounds counts, tables are of rounded counts; ``n`` is always the
    public number of rows.
    """

    __slots__ = ("__weakref__", "_kind", "_parts", "_rows", "_sources", "_tolerance")

    def __init__(
        self,
        parts: MultiPointer,
        kind: Kind,
        rows: Mapping[str, int],
        sources: Mapping[str, frozenset[str]],
        tolerance: Tolerance,
    ) -> None:
        self._parts = parts
        self._kind = kind
        self._rows = dict(rows)
        self._sources = sources
        self._tolerance = tolerance

    # --- expressions ----------------------------------------------------------------------------------------

    def _apply(self, name: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        args, kwargs = _placed(name, args, kwargs)
        sources: dict[str, frozenset[str]] = {place: frozenset() for place in self._rows}
        replaced((args, dict(kwargs)), lambda value: self._checked(name, value, sources))
        axis = kept_apart(name, args, kwargs, _kind_of)
        if axis is None:
            over_rows = OVER_ROWS.get(name)
            tried(name, args, kwargs, _kind_of)  # what fails anyway says why
            if over_rows is None or not (isinstance(args[0], FederatedArray) or name in PAIRS):
                self._refuse(name)
            return over_rows(*args, **kwargs)
        likes = iter(tried(name, args, kwargs, _kind_of))
        here, named = replaced(args, _parts_of), replaced(dict(kwargs), _parts_of)

        def federated(parts: MultiPointer) -> FederatedArray:
            like = next(likes)
            return FederatedArray(parts, Kind(like.shape, axis, like.dtype), self._rows, sources, self._tolerance)

        return mapped(federated, self._parts._apply(name, here, named))

    def _checked(self, name: str, value: Any, sources: dict[str, frozenset[str]]) -> None:
        """Check that an argument can stand beside this array, and note what it was made from."""
        if isinstance(value, FederatedArray):
            self.check_beside(name, value)
            for place, names in value._sources.items():
                sources[place] |= names
        elif isinstance(value, (Pointer, MultiPointer)):
            raise PointersMixed(
                f"{name}: a pointer doesn't stand beside a federated array; fetch it first, or use fx.at(worker)"
            )
        elif isinstance(value, Result):
            raise PointersMixed(f"{name}: what all rows give isn't known yet; await it first")

    def check_beside(self, name: str, other: FederatedArray) -> None:
        """Raise PointersApart where another array has rows of other workers, or not as many.

        Args:
            name: of the op that takes both.
            other: the other.
        """
        if other._rows != self._rows:
            raise PointersApart(
                f"{name}: the rows of one live at {self._where()}, of the other at {other._where()}; "
                "give hub.federated the same workers for both"
            )

    def _refuse(self, name: str) -> NoReturn:
        raise PointersApart(
            f"{name} would need the rows at {self._where()} in one place, or an array with a value for each row; over "
            f"rows there are {', '.join(sorted(OVER_ROWS))}, and any function of single rows; beside them may stand "
            "arrays that are the same for every row"
        )

    def _where(self) -> str:
        return ", ".join(f"{place} ({rows})" for place, rows in self._rows.items())

    def _update(self, name: str, args: tuple[Any, ...]) -> NoReturn:
        raise InPlaceRefused("a federated array doesn't change; write fx = fx + 1, or np.where(…)")

    def _takes(self, value: Any) -> bool:
        return isinstance(value, (FederatedArray, Pointer, MultiPointer, Result))

    def _knows_type(self, kind: type) -> bool:
        return issubclass(kind, (FederatedArray, Pointer, MultiPointer))

    def _called(self) -> str:
        return f"the federated array at {', '.join(self._rows)}"

    # --- what is known --------------------------------------------------------------------------------------

    @property
    def kind(self) -> Kind:
        """Shape, rows' axis and dtype of the parts."""
        return self._kind

    @property
    def shape(self) -> tuple[int, ...]:
        """The sizes of its axes, the rows of all workers together."""
        return self._kind.sized(sum(self._rows.values()))

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of its elements."""
        return self._kind.dtype

    @property
    def axis(self) -> int:
        """The axis along which the rows are."""
        return self._kind.axis

    @property
    def rows(self) -> dict[str, int]:
        """Worker name -> how many rows live there, in worker-name order; public."""
        return dict(self._rows)

    @property
    def workers(self) -> list[str]:
        """The names of its workers, in the order of its rows."""
        return list(self._rows)

    @property
    def parts(self) -> MultiPointer:
        """The rows at each worker, a MultiPointer."""
        return self._parts

    @property
    def tolerance(self) -> Tolerance:
        """What is done about workers that give no part."""
        return self._tolerance

    @property
    def sources(self) -> Mapping[str, frozenset[str]]:
        """Worker name -> names of the data sets there that it was made from."""
        return self._sources

    def at(self, worker: WorkerHandle | str) -> Pointer:
        """Return the pointer to the rows at one worker, given by handle or name."""
        return self._parts.at(worker)

    def handle(self, place: str) -> WorkerHandle:
        """Return a worker's handle."""
        return self.at(place).location

    def __iter__(self) -> Iterator[Any]:
        """Refuse: rows are private one by one."""
        raise PointersApart("a federated array isn't iterated over; write np.… functions of all rows")

    # --- values ---------------------------------------------------------------------------------------------

    def __await__(self) -> Generator[Any, None, Any]:
        """Return all rows, put together; see ``get``."""
        return self.get().__await__()

    def get(self) -> Result:
        """Return what, awaited, gives all rows put together, where every owner lets them leave."""

        async def run(parts: Any) -> Any:
            found = await parts.ask(lambda place: [self.at(place)], free=self.axis)
            return np.concatenate([rows for (rows,) in found.values()], axis=self.axis)

        return Result(self, run)

    def count(self) -> Result:
        """Return what, awaited, gives the number of rows, which is public."""

        async def run(parts: Any) -> int:
            return sum(self._rows.values())

        return Result(self, run)

    def cov(self, ddof: int | None = None) -> Result:
        """Return what, awaited, gives the covariance of the columns; see ``numpy.cov``."""
        return self._apply("cov", (self,), {"rowvar": self._rows_last, "ddof": ddof})  # type: ignore[no-any-return]

    def corrcoef(self) -> Result:
        """Return what, awaited, gives the correlations of the columns; see ``numpy.corrcoef``."""
        return self._apply("corrcoef", (self,), {"rowvar": self._rows_last})  # type: ignore[no-any-return]

    @property
    def _rows_last(self) -> bool:
        return self.ndim == 2 and self.axis == 1

    def histogram(self, bins: Any = 10, range: tuple[float, float] | None = None) -> Several:
        """Return what, awaited, gives counts and edges, of edges or of a range; see ``numpy.histogram``.

        Args:
            bins: edges, rising; or how many bins the range is cut into.
            range: (low, high).
        """
        return self._apply("histogram", (self, bins, range), NO_KWARGS)  # type: ignore[no-any-return]

    def bincount(self, minlength: int = 0) -> Result:
        """Return what, awaited, gives how often each category occurs; see ``numpy.bincount``."""
        return self._apply("bincount", (self,), {"minlength": minlength})  # type: ignore[no-any-return]

    def quantile(self, q: Any, axis: Any = None) -> Result:
        """Return what, awaited, gives quantiles of all rows; every owner's policy must be "public"."""
        return self._apply("quantile", (self, q), {"axis": axis})  # type: ignore[no-any-return]

    def median(self, axis: Any = None) -> Result:
        """Return what, awaited, gives the median of all rows; every owner's policy must be "public"."""
        return self._apply("median", (self,), {"axis": axis})  # type: ignore[no-any-return]

    def __repr__(self) -> str:
        return f"<FederatedArray {self.shape} {self.dtype} at {self._where()}>"


def _placed(name: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> tuple[tuple[Any, ...], Mapping[str, Any]]:
    """Return an op's arguments with those in their places that were given by name."""
    named = dict(kwargs)
    for parameter in row_of(name).positional[len(args) :]:
        if parameter.name not in named:
            break
        args = (*args, named.pop(parameter.name))
    if name == "squeeze" and len(args) == 1 and isinstance(args[0], FederatedArray):
        # Said for all workers, also for one with a single row.
        sizes = args[0].shape
        args = (*args, tuple(at for at, size in enumerate(sizes) if size == 1 and at != args[0].axis))
    return args, named


def _kind_of(value: Any) -> Kind | None:
    return value._kind if isinstance(value, FederatedArray) else None


def _parts_of(value: Any) -> Any:
    return value._parts if isinstance(value, FederatedArray) else value
