"""The rows of the op table, and what the worker does with one: check its arguments, predict, flatten results.

``function`` of a row never writes into its inputs (but for rows that are ``in_place``, with
``overwrite=True``) and, once ``flatten`` has seen its result, never gives out memory that others hold. A row
that is not ``value_dependent``, or for whose arguments ``unless`` holds, promises: with public Python arguments,
and only arrays or numpy scalars of numbers where its signature says ``array``, success, failure, shape and dtype follow
from shapes and dtypes. ``depends_on_values`` adds the rest: Python scalars, trees, texts and dates, and anything that
stands where no array is due (an axis, a shape) or where its values decide (a ``deciding`` array, such as indices),
may always tell something by failing or by a result's shape.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from fedsock.errors import OpFailed, OpTypeError
from fedsock.ops.schema import ALLOWED_CHARS, INT_MAX, INT_MIN, NUMERIC_KINDS, PLAIN_TYPES, Parameter
from fedsock.ops.templates import Template as Template
from fedsock.ops.templates import fill as fill
from fedsock.ops.templates import leaves as leaves

SECONDS_PER_BYTE = 1e-9
"""A simple pass over memory reads or writes about a gigabyte a second on one core, with room to spare."""

Shapes = Callable[[Any], tuple[int, ...]]
"""Gives the shape of a pointer, array, scalar or nested list; raises MetadataNotReady while it is unknown."""


Gradient = str | Callable[..., Any] | None
"""An op's gradient; see ``gradients``."""


_NO_GRADIENTS: Mapping[str, Gradient] = MappingProxyType({})


class Bound(NamedTuple):
    """An upper bound of what an op's results take.

    Attributes:
        shape: a shape with at least as many elements as one result.
        itemsize: bytes of an element, at most.
        copies: how many such results there are.
    """

    shape: tuple[int, ...]
    itemsize: int
    copies: int = 1

    @property
    def nbytes(self) -> int:
        """Bytes of all results, at most; exact Python integers, so nothing overflows."""
        return math.prod(self.shape) * (self.itemsize or 1) * self.copies


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Row:
    """One op.

    Attributes:
        name: numpy's dotted name ("add", "add.reduce", "linalg.norm").
        function: what runs at the worker: arrays, scalars and trees in and out.
        family: the module that declares it.
        parameters: its arguments (``schema.signature`` writes them as text).
        bound: same arguments as function -> Bound; reads shapes, dtypes and Python values only, never raises
            for arguments that ``check`` let through, and is cheap.
        cost: same arguments -> predicted seconds; None: a pass over inputs and results.
        results: 1, or a number n (a tuple of n), or a function (args, kwargs, shape_of) -> Template,
            evaluated
            at the session, where pointers stand in args.
        value_dependent: success, failure, shape or dtype may depend on values of arrays (see the module).
        unless: same arguments as function -> whether their dtypes and Python values rule that out this time.
        in_place: function takes ``overwrite: bool`` and may then write into its first argument.
        streams: function takes ``emit``, to be called with values that are sent while it runs; it runs in a thread.
        numpy: the numpy function objects that mean this op.
        method: the ndarray method or property that means this op, if one does.
        summary: one line; may be left out where numpy's own says it (see ``about``).
        gradient: how it is differentiated (see ``gradients``); the table attaches it.
    """

    name: str
    function: Callable[..., Any]
    family: str
    parameters: tuple[Parameter, ...]
    bound: Callable[..., Bound]
    cost: Callable[..., float] | None = None
    results: int | Callable[[Sequence[Any], Mapping[str, Any], Shapes], Template] = 1
    value_dependent: bool = True
    unless: Callable[..., bool] | None = None
    in_place: bool = False
    streams: bool = False
    numpy: tuple[Any, ...] = ()
    method: str | None = None
    summary: str = ""
    gradient: Gradient = None
    named: Mapping[str, Parameter] = field(init=False)
    positional: tuple[Parameter, ...] = field(init=False)
    variadic: Parameter | None = field(init=False)
    required: int = field(init=False)
    plain: frozenset[int] = field(init=False)

    def __post_init__(self) -> None:
        """Work out once what ``check`` needs for every call."""
        positional = tuple(p for p in self.parameters if p.mode in ("positional", "both"))
        required = sum(p.default is None for p in positional)
        arrays = 0
        while arrays < len(positional) and positional[arrays].kind.name == "an array":
            arrays += 1
        keywords_due = any(p.mode == "keyword" and p.default is None for p in self.parameters)
        plain = frozenset() if keywords_due else frozenset(range(required, arrays + 1))
        derived: dict[str, Any] = {
            "named": MappingProxyType({p.name: p for p in self.parameters if p.mode in ("both", "keyword")}),
            "positional": positional,
            "variadic": next((p for p in self.parameters if p.mode == "variadic"), None),
            "required": required,
            "plain": plain,
        }
        for name, value in derived.items():
            object.__setattr__(self, name, value)

    @property
    def about(self) -> str:
        """What the op does, in a line: ``summary``, or else the first of numpy's own documentation."""
        return self.summary or _summary(self.numpy[0] if self.numpy else self.function)


def _summary(documented: Any) -> str:
    """Return the first line of a docstring that is a sentence (a ufunc's begins with its signature)."""
    lines = (line.strip() for line in (documented.__doc__ or "").splitlines())
    return next((line for line in lines if line and not line.split("(")[0].isidentifier()), "")


def check(row: Row, args: Sequence[Any], kwargs: Mapping[str, Any]) -> tuple[Sequence[Any], Mapping[str, Any]]:
    """Return an op's arguments as its function takes them; those given by name stand in their places if they can.

    Args:
        row: the op.
        args: ndarrays of allowed dtypes, numpy and Python scalars, None, trees, slices, Ellipsis, dtypes,
            Generators.
        kwargs: the same by name.

    Raises:
        OpTypeError: too many or too few arguments, an unknown name, or a value of another kind.
        OpValueError, OpOverflowError: a value of that kind that can't be.
    """
    if not kwargs and len(args) in row.plain:
        for value in args:
            kind = type(value)
            if kind not in PLAIN_TYPES and (kind is not int or not INT_MIN <= value <= INT_MAX):
                break
        else:
            return args, kwargs
    return _bind(row, args, kwargs)


def _bind(row: Row, args: Sequence[Any], kwargs: Mapping[str, Any]) -> tuple[list[Any], dict[str, Any]]:
    positional, variadic = row.positional, row.variadic
    if len(args) > len(positional) and variadic is None:
        raise OpTypeError(
            f"{row.name} takes at most {len(positional)} positional arguments, not {len(args)}", op=row.name
        )
    checked = [_checked(row, p, value) for p, value in zip(positional, args, strict=False)]
    if variadic is not None:
        checked += [_checked(row, variadic, value) for value in args[len(positional) :]]
    by_name: dict[str, Any] = {}
    given = {p.name for p in positional[: len(args)]}
    for name, value in kwargs.items():
        parameter = row.named.get(name)
        if parameter is None:
            raise OpTypeError(f"{row.name} takes no argument {name!r}", op=row.name)
        if name in given:
            raise OpTypeError(f"{row.name} got {name!r} twice", op=row.name)
        by_name[name] = _checked(row, parameter, value)
    for parameter in row.parameters:
        there = parameter.name in given or parameter.name in by_name
        if not there and parameter.default is None and parameter is not variadic:
            raise OpTypeError(f"{row.name} needs {parameter.name!r}, {parameter.kind.name}", op=row.name)
    # Bounds and costs serve functions that name their arguments otherwise, so places are filled first.
    for parameter in positional[len(args) :]:
        if parameter.name not in by_name:
            break
        checked.append(by_name.pop(parameter.name))
    return checked, by_name


def _checked(row: Row, parameter: Parameter, value: Any) -> Any:
    try:
        return parameter.kind.check(value)
    except OpFailed as error:
        text = f"{row.name}: {parameter.name} must be {parameter.kind.name}: {error}"
        raise type(error)(text, op=row.name) from None


def seconds(row: Row, bound: Bound, args: Sequence[Any], kwargs: Mapping[str, Any]) -> float:
    """Return how many seconds an op will take, roughly, before it runs.

    Args:
        row: the op.
        bound: what ``row.bound`` predicted for these arguments.
        args: checked arguments.
        kwargs: checked arguments by name.
    """
    if row.cost is not None:
        return row.cost(*args, **kwargs)
    touched = bound.nbytes
    for value in args:
        kind = type(value)
        if kind is np.ndarray:
            touched += value.nbytes
        elif kind is list or kind is tuple:
            touched += sum(part.nbytes for part in value if type(part) is np.ndarray)
    return touched * SECONDS_PER_BYTE


def depends_on_values(row: Row, args: Sequence[Any], kwargs: Mapping[str, Any], private: Iterable[int | str]) -> bool:
    """Return whether success, failure, shape or dtype of an op may tell something of its private arguments.

    Args:
        row: the op.
        args: checked arguments.
        kwargs: checked arguments by name.
        private: the positions and names of the arguments that are, or hold, private values.
    """
    if row.value_dependent and (row.unless is None or not row.unless(*args, **kwargs)):
        return True
    told = set(private)
    for place, (parameter, value) in _places(row, args, kwargs):
        if isinstance(value, np.dtype) and value.kind not in NUMERIC_KINDS:
            # A numpy scalar's text is as long as its digits.
            return True
        if place in told or (parameter.name in told and parameter.name in row.named):
            if not (parameter.kind.data and _numeric(value)):
                return True
        elif parameter.kind.data and _holds_words(value):
            return True
    return False


def _places(
    row: Row, args: Sequence[Any], kwargs: Mapping[str, Any]
) -> Iterator[tuple[int | str, tuple[Parameter, Any]]]:
    """Give, for each argument, its position or name, and its parameter and value."""
    # Arguments were checked: there are more than positional ones only where one parameter takes all the rest.
    parameters: Iterator[Any] = itertools.chain(row.positional, itertools.repeat(row.variadic))
    yield from enumerate(zip(parameters, args, strict=False))
    for name, value in kwargs.items():
        yield name, (row.named[name], value)


def _numeric(value: Any) -> bool:
    if isinstance(value, (np.ndarray, np.generic)):
        return value.dtype.kind in NUMERIC_KINDS
    return isinstance(value, (list, tuple)) and all(map(_numeric, value))


def _holds_words(value: Any) -> bool:
    """Whether there is a text or date in a value: beside one, numpy may compute with Python's numbers."""
    if isinstance(value, (list, tuple)):
        return any(map(_holds_words, value))
    return isinstance(value, str) or (isinstance(value, (np.ndarray, np.generic)) and not _numeric(value))


def flatten(row: Row, result: Any) -> list[Any]:
    """Return an op's results in the order of their ids; each array owns its memory.

    Args:
        row: the op.
        result: what its function returned.

    Raises:
        OpTypeError: a result of object, structured or another dtype that values can't have.
    """
    if row.results == 1:
        return [_owned(row, result)]
    found: list[Any] = []
    _collect(row, result, found)
    return found


def _collect(row: Row, result: Any, found: list[Any]) -> None:
    if isinstance(result, (tuple, list)):
        for part in result:
            _collect(row, part, found)
    else:
        value = _owned(row, result)
        again = isinstance(value, np.ndarray) and any(value is other for other in found)
        found.append(value.copy("K") if again else value)


def _owned(row: Row, value: Any) -> Any:
    if isinstance(value, (np.ndarray, np.generic)):
        if value.dtype.char not in ALLOWED_CHARS:
            raise OpTypeError(
                f"{row.name}: the result would have dtype {value.dtype.str}, which values can't have",
                op=row.name,
            )
        if type(value) is np.ndarray and value.base is not None:
            # A view keeps all of what it looks at alive, where no quota sees it.
            return value.copy("K")
    return value


def argument(args: Sequence[Any], kwargs: Mapping[str, Any], place: int, name: str, default: Any) -> Any:
    """Return one of a call's arguments, wherever it stands.

    Args:
        args: the call's positional arguments.
        kwargs: its arguments by name.
        place: the argument's position.
        name: its name.
        default: what it is when it wasn't given.
    """
    return args[place] if len(args) > place else kwargs.get(name, default)


def own(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that does the same, but never gives back an argument itself.

    Args:
        function: a numpy function that may return its argument when there is nothing to do.
    """

    @functools.wraps(function)
    def owned(*args: Any, **options: Any) -> Any:
        result = function(*args, **options)
        if isinstance(result, (tuple, list)):
            return type(result)(_apart(part, args) for part in result)
        return _apart(result, args)

    return owned


def _apart(result: Any, args: Sequence[Any]) -> Any:
    shared = isinstance(result, np.ndarray) and any(result is arg for arg in args)
    return result.copy("K") if shared else result


def template_of(row: Row, args: Sequence[Any], kwargs: Mapping[str, Any], shape_of: Shapes) -> Template:
    """Return what an op's results look like, before it runs.

    Args:
        row: the op.
        args: its arguments, pointers among them.
        kwargs: the same by name.
        shape_of: gives the shape of any of them.

    Raises:
        MetadataNotReady: their number depends on a shape that is not known yet.
    """
    if callable(row.results):
        return row.results(args, kwargs, shape_of)
    return None if row.results == 1 else (None,) * row.results


def assemble(*families: Iterable[Row], gradients: Mapping[str, Gradient] = _NO_GRADIENTS) -> Mapping[str, Row]:
    """Return the read-only table of several families' rows.

    Args:
        families: their rows.
        gradients: op name -> its gradient.

    Raises:
        ValueError: two rows have one name, or a gradient is of no op.
    """
    table: dict[str, Row] = {}
    for row in (row for family in families for row in family):
        if row.name in table:
            raise ValueError(f"two ops are named {row.name}: in {table[row.name].family} and {row.family}")
        table[row.name] = replace(row, gradient=gradients[row.name]) if row.name in gradients else row
    if strangers := gradients.keys() - table.keys():
        raise ValueError(f"gradients of no op: {', '.join(sorted(strangers))}")
    return MappingProxyType(table)


def numpy_names(table: Mapping[str, Row]) -> Mapping[Any, str]:
    """Return the read-only mapping of numpy's function objects to op names.

    Raises:
        ValueError: two ops claim one function.
    """
    names: dict[Any, str] = {}
    for row in table.values():
        for function in row.numpy:
            if names.setdefault(function, row.name) != row.name:
                raise ValueError(f"{names[function]} and {row.name} both mean {function}")
    return MappingProxyType(names)
