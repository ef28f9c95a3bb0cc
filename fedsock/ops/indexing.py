"""Subscripts: reading and assigning elements, slices and selections, and looking into trees.

``getitem`` and ``setitem`` take basic subscripts only (integers, slices, None, Ellipsis), whose success
and shape follow from the shape of what is subscripted; ``getitem.array`` and ``setitem.array`` take arrays,
lists and masks too, whose values decide both: a private one tells something, as any argument does that is not
plain data.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fedsock.errors import OpTypeError
from fedsock.ops.bounds import broadcast, like, nbytes_of, shape_of, size_of
from fedsock.ops.registry import Bound, Row
from fedsock.ops.schema import KINDS, Kind, Parameter, array_like, integer

_NUMERIC = frozenset("biufc")
_SCALARS = (bool, int, float, complex)

_FURTHEST = 2**63 - 1
"""No axis is longer."""


def getitem(x: Any, index: Any) -> Any:
    """Return ``x[index]`` with its own memory.

    Args:
        x: an array, a numpy scalar, or a list or tuple (which take an integer or a slice).
        index: whatever numpy takes between brackets.

    Raises:
        TypeError: for a text (how long it is would tell its value) and for what has no elements.
        IndexError, ValueError: as numpy.
    """
    if isinstance(x, (str, dict)):
        raise TypeError(f"a {type(x).__name__} takes no such subscript")
    result = x[index]
    # A view would keep the whole of x alive, and a quota couldn't see it.
    return result.copy() if isinstance(result, np.ndarray) and result.base is not None else result


def item(tree: Any, key: Any) -> Any:
    """Return the value a tree holds under a key, or at a position.

    Args:
        tree: a dict, list or tuple.
        key: a str for a dict, an int for a list or tuple.

    Raises:
        KeyError: the dict has no such key.
        IndexError: the list or tuple is shorter.
        TypeError: the value is no tree, or of the other kind.
    """
    if not isinstance(tree, (dict, list, tuple)):
        raise TypeError("only a dict, a list or a tuple has items")
    return tree[key]


def _survives(target: Any, value: Any) -> bool:
    """Whether a cast of value to target's dtype can't fail after some elements are written."""
    if isinstance(value, (np.ndarray, np.generic)):
        same = value.dtype == target.dtype
        return same or (value.dtype.kind in _NUMERIC and target.dtype.kind in _NUMERIC)
    return isinstance(value, _SCALARS) and target.dtype.kind in _NUMERIC


def _never_refused(target: Any, index: Any, value: Any) -> bool:
    """Whether an assignment's success follows from dtypes.

    numpy assigns its scalars, and each number of a list, to integers as Python's: NaN and 300 don't fit an int8.
    """
    whole = isinstance(target, np.ndarray) and target.dtype.kind in "iu"
    if not whole or isinstance(value, np.ndarray):
        return True
    return isinstance(value, np.generic) and np.can_cast(value.dtype, target.dtype)


def _holds_text(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return any(map(_holds_text, value))
    return isinstance(value, (np.ndarray, np.generic)) and value.dtype.kind == "U"


def _assignable(target: Any, value: Any) -> Any:
    """Return value as it can be assigned without a warning, and without success depending on its elements.

    Raises:
        TypeError: an array of text for an array of anything else: whether it parses would depend on it.
    """
    kind = target.dtype.kind
    if kind != "U" and _holds_text(value):
        raise TypeError(f"text can't be assigned to an array of {target.dtype}; convert it with astype first")
    if kind in "biuf" and isinstance(value, (np.ndarray, np.generic)) and value.dtype.kind == "c":
        return np.real(value)
    return value


def setitem(target: Any, index: Any, value: Any, *, overwrite: bool = False) -> Any:
    """Return an array equal to target but for ``[index]``, which holds value.

    Args:
        target: an array.
        index: whatever numpy takes between brackets.
        value: an array, scalar or nested list that broadcasts to the selection.
        overwrite: nobody else holds target, so it may be written; used only where the assignment can't fail
            half way, else a copy is written.

    Raises:
        TypeError: target is no array, or value can't be cast to its dtype.
        IndexError, ValueError, OverflowError: as numpy.
    """
    if not isinstance(target, np.ndarray):
        raise TypeError(f"a {type(target).__name__} takes no item assignment")
    value = _assignable(target, value)
    in_place = overwrite and target.flags.writeable and _survives(target, value)
    result = target if in_place else target.copy()
    result[index] = value
    return result


# --- what a subscript may be --------------------------------------------------------------------------------


def _end(value: Any) -> int | None:
    """Return an end or step of a slice; one beyond 64 bits means the same as the furthest."""
    if value is None:
        return None
    if isinstance(value, int):
        return max(-_FURTHEST, min(int(value), _FURTHEST))
    return integer(value)


def _one(part: Any) -> Any:
    if part is None or part is Ellipsis:
        return part
    if isinstance(part, slice):
        return slice(_end(part.start), _end(part.stop), _end(part.step))
    if isinstance(part, (bool, np.bool_)):
        raise OpTypeError("a truth value selects like an array (getitem.array, setitem.array)")
    return integer(part)


def _basic(index: Any) -> Any:
    """Return a subscript of integers, slices, None and Ellipsis.

    Raises:
        OpTypeError: it holds anything else.
        OpOverflowError: an integer beyond 64 bits.
    """
    return tuple(map(_one, index)) if isinstance(index, tuple) else _one(index)


def _selection(part: Any) -> Any:
    if isinstance(part, (list, tuple)):
        made = array_like(list(part))
        # numpy takes an empty list for no indices, not for floats.
        return made if made.size else made.astype(np.intp)
    if isinstance(part, (bool, np.bool_, np.ndarray)):
        return array_like(part)
    return _one(part)


def _advanced(index: Any) -> Any:
    """Return a subscript with arrays, lists and truth values beside what a basic one may hold.

    Raises:
        OpTypeError: it holds anything else.
        OpValueError: a ragged list.
        OpOverflowError: an integer beyond 64 bits.
    """
    return tuple(map(_selection, index)) if isinstance(index, tuple) else _selection(index)


def _key(key: Any) -> Any:
    return str(key) if isinstance(key, str) else integer(key)


def _assigned(value: Any) -> Any:
    """Return a value as it came: numpy checks each number of a list against the target's dtype."""
    if value is not None:
        array_like(value)
    return value


_PLAIN = Parameter("index", Kind("integers, slices, None or ...", _basic))
_ANY = Parameter("index", Kind("an index", _advanced))
_SOURCE = Parameter("x", Kind("an array or a tree", lambda value: value, data=True))
_TREE = Parameter("tree", Kind("a tree", lambda value: value, data=True))
_TARGET = Parameter("target", KINDS["array"])
_VALUE = Parameter("value", Kind("what can be assigned", _assigned, data=True))


# --- bounds -------------------------------------------------------------------------------------------------


def _length(part: slice, size: int) -> int:
    """Return how many elements a slice of an axis takes; the whole axis if its step is 0."""
    try:
        return len(range(*part.indices(size)))
    except ValueError:
        return size


def _is_mask(part: Any) -> bool:
    return isinstance(part, (bool, np.bool_)) or (isinstance(part, np.ndarray) and part.dtype.kind == "b")


def _axes(part: Any) -> int:
    """Return how many axes a part of a subscript uses up."""
    if part is None or part is Ellipsis:
        return 0
    return len(shape_of(part)) if _is_mask(part) else 1


def _selected(shape: tuple[int, ...], index: Any) -> tuple[int, ...]:
    """Return a shape with at least as many elements as ``x[index]``; a boolean mask counts as all true."""
    parts = index if isinstance(index, tuple) else (index,)
    used = sum(map(_axes, parts))
    chosen: tuple[int, ...] = ()
    result: list[int] = []
    axis = 0
    for part in parts:
        if part is Ellipsis:
            skipped = max(len(shape) - used, 0)
            result += shape[axis : axis + skipped]
            axis += skipped
        elif part is None:
            result.append(1)
        elif isinstance(part, slice):
            result += [_length(part, size) for size in shape[axis : axis + 1]]
            axis += 1
        else:
            chosen = broadcast(chosen, (size_of(part),) if _is_mask(part) else shape_of(part))
            axis += _axes(part)
    return (*chosen, *result, *shape[axis:])


_PART_BYTES = 64
"""What each part of a tree counts for, beside the bytes of arrays."""


def _held(value: Any) -> int:
    """Return the bytes of all that a tree holds."""
    if isinstance(value, dict):
        return _PART_BYTES + sum(len(key) + _held(part) for key, part in value.items())
    if isinstance(value, (list, tuple)):
        return _PART_BYTES + sum(map(_held, value))
    return _PART_BYTES + nbytes_of(value)


def _getitem_bound(x: Any, index: Any) -> Bound:
    if isinstance(x, (np.ndarray, np.generic)):
        return Bound(_selected(x.shape, index), x.itemsize)
    return Bound((_held(x),), 1)


def _item_bound(tree: Any, key: Any) -> Bound:
    return Bound((_held(tree),), 1)


def _setitem_bound(target: Any, index: Any, value: Any) -> Bound:
    return like(target)


# --- rows ---------------------------------------------------------------------------------------------------


def _row(name: str, parameters: tuple[Parameter, ...], summary: str, bound: Callable[..., Bound]) -> Row:
    assigns = parameters[0] is _TARGET
    return Row(
        name=name,
        function=setitem if assigns else getitem,
        family="indexing",
        parameters=parameters,
        bound=bound,
        value_dependent=assigns,
        unless=_never_refused if assigns else None,
        in_place=assigns,
        summary=summary,
    )


ROWS: tuple[Row, ...] = (
    _row("getitem", (_SOURCE, _PLAIN), "x[index] for integers, slices, None and Ellipsis.", _getitem_bound),
    _row(
        "getitem.array",
        (_SOURCE, _ANY),
        "x[index] for arrays and lists of indices, masks too.",
        _getitem_bound,
    ),
    _row("setitem", (_TARGET, _PLAIN, _VALUE), "target with target[index] = value.", _setitem_bound),
    _row("setitem.array", (_TARGET, _ANY, _VALUE), "target with target[array or mask] = value.", _setitem_bound),
    Row(
        name="item",
        function=item,
        family="indexing",
        parameters=(_TREE, Parameter("key", Kind("a str or an integer", _key))),
        bound=_item_bound,
    ),
)
"""A private subscript tells by failing and by its result's shape, in any row; a public one does not."""
