"""Products of arrays by numpy's own names: dot, inner, outer, kron, tensordot, einsum, cross, trace, polyval."""

from __future__ import annotations

import math
from collections import Counter
from functools import partial
from typing import Any

import numpy as np

from fedsock.ops import limits
from fedsock.ops import linalg_bounds as sizes
from fedsock.ops.bounds import WIDE, broadcast, computed, shape_of
from fedsock.ops.linalg_bounds import CALL_SECONDS, SECONDS_PER_PRODUCT
from fedsock.ops.quiet import quiet_if_complex
from fedsock.ops.registry import SECONDS_PER_BYTE, Bound, Row
from fedsock.ops.rows import numpy_row


def index_sizes(subscripts: str, *operands: Any) -> tuple[dict[str, int], tuple[int, ...]]:
    """Return the size of each label of an einsum, and the shape that the ellipsis stands for.

    Args:
        subscripts: einsum's text; a malformed one gives some sizes, never an error.
        operands: the arrays, one a term.
    """
    lengths: dict[str, int] = {}
    rest: tuple[int, ...] = ()
    terms = subscripts.replace(" ", "").partition("->")[0].split(",")
    for term, operand in zip(terms, operands, strict=False):
        shape = shape_of(operand)
        head, dots, tail = term.partition("...")
        pairs = [*zip(head, shape, strict=False), *zip(reversed(tail), reversed(shape), strict=False)]
        for label, size in pairs:
            lengths[label] = max(lengths.get(label, 1), size)
        if dots:
            rest = broadcast(rest, shape[len(head) : len(shape) - len(tail)])
    return lengths, rest


def _einsum_bound(subscripts: str, *operands: Any, **_: Any) -> Bound:
    """The labels after the arrow, or those that occur once; what optimize keeps on the way is no larger."""
    lengths, rest = index_sizes(subscripts, *operands)
    inputs, arrow, output = subscripts.replace(" ", "").partition("->")
    if not arrow:
        output = "..." * ("..." in inputs) + "".join(c for c in sorted(lengths) if inputs.count(c) == 1)
    shape = tuple(lengths.get(label, 1) for label in output.replace("...", ""))
    return Bound(rest + shape if "..." in output else shape, WIDE)


def _einsum_seconds(subscripts: str, *operands: Any, optimize: bool = False, **_: Any) -> float:
    """One product for each combination of all labels; in a better order, of the labels of two operands at a time."""
    lengths, rest = index_sizes(subscripts, *operands)
    products = len(operands) * math.prod(lengths.values())
    if optimize and 1 < len(operands) <= limits.MOST_DIMENSIONS:  # numpy takes no more operands than dimensions
        products = min(products, _pairwise(subscripts, lengths, len(operands)))
    return CALL_SECONDS * max(len(operands), 1) + products * math.prod(rest) * SECONDS_PER_PRODUCT


def _pairwise(subscripts: str, lengths: dict[str, int], count: int) -> int:
    """Return the products of multiplying operands one after the other, each label summed as soon as it can be."""
    inputs, arrow, output = subscripts.replace(" ", "").replace("...", "").partition("->")
    terms = inputs.split(",")[:count]
    kept = set(output) if arrow else {label for label, times in Counter(inputs).items() if times == 1}
    held, products = set(terms[0]), 0
    for place, term in enumerate(terms[1:], 2):
        both = held | set(term)
        products += 2 * math.prod(lengths.get(label, 1) for label in both)
        held = both & kept.union(*terms[place:])
    return products


def _inner_seconds(a: Any, b: Any) -> float:
    """Each element of the result sums over the last axis of a."""
    left, right = shape_of(a), shape_of(b)
    shared = math.prod(left[-1:]) if left and right else 1
    return CALL_SECONDS + math.prod(left) * math.prod(right) // max(shared, 1) * SECONDS_PER_PRODUCT


def cross(a: Any, b: Any, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: int | None = None) -> Any:
    """Return numpy's cross product.

    Args:
        a: vectors of three numbers along axisa.
        b: vectors of three numbers along axisb.
        axisa: an axis of a.
        axisb: an axis of b.
        axisc: the result's axis of vectors.
        axis: all three, when given.

    Raises:
        ValueError: vectors of other lengths; those of two numbers, which numpy gives up, too.
    """
    of_a, of_b = (axisa, axisb) if axis is None else (axis, axis)
    for vectors, along in ((a, of_a), (b, of_b)):
        shape = shape_of(vectors)
        if -len(shape) <= along < len(shape) and shape[along] == 2:
            raise ValueError("cross takes vectors of 3 numbers; give those of 2 a zero as their third")
    return np.cross(a, b, axisa, axisb, axisc, axis)


def einsum(subscripts: str, *operands: Any, optimize: bool = False, dtype: Any = None) -> Any:
    """Return numpy's einsum.

    Args:
        subscripts: what is multiplied and summed, as text.
        operands: the arrays, one a term.
        optimize: whether to look for a cheaper order.
        dtype: what to compute in, or None.

    Raises:
        ValueError: malformed subscripts, or sizes that differ.
        TypeError: dtype would lose something.
    """
    for term, operand in zip(subscripts.replace(" ", "").partition("->")[0].split(","), operands, strict=False):
        head, _, tail = term.partition("...")
        shape = shape_of(operand)
        pairs = {*zip(head, shape, strict=False), *zip(reversed(tail), reversed(shape), strict=False)}
        if len(pairs) > len({label for label, _ in pairs}):
            # numpy lets "ii->i" of a (0, 1) array through, and reads memory that isn't the array's.
            raise ValueError(f"the axes of a label that occurs twice in {term!r} differ in size: {shape}")
    return np.einsum(subscripts, *operands, optimize=optimize, dtype=dtype)


def _polynomial(p: Any, x: Any) -> Bound:
    return Bound(broadcast(shape_of(x), shape_of(p)[1:]), computed(p, x))


def _polynomial_seconds(p: Any, x: Any) -> float:
    # Two passes a coefficient.
    return CALL_SECONDS + sum(shape_of(p)[:1]) * (CALL_SECONDS + 2 * SECONDS_PER_BYTE * _polynomial(p, x).nbytes)


_row = partial(numpy_row, np, "products", value_dependent=False)


ROWS: tuple[Row, ...] = (
    _row("dot", "a:array b:array", sizes.dot, _inner_seconds, method="dot"),
    _row("vdot", "a:array b:array /", sizes.vdot),
    _row("inner", "a:array b:array /", sizes.inner, _inner_seconds),
    _row("outer", "a:array b:array", sizes.outer),
    _row("kron", "a:array b:array", sizes.kron),
    _row(
        "tensordot",
        "a:array b:array axes:int|nested=2",
        sizes.tensordot,
        sizes.tensordot_seconds,
        function=limits.tensordot,
    ),
    _row(
        "einsum",
        "subscripts:text *operands:array * optimize:bool=False dtype:dtype?=None",
        _einsum_bound,
        _einsum_seconds,
        function=einsum,
    ),
    _row("polyval", "p:array x:array", _polynomial, _polynomial_seconds),
    _row(
        "cross",
        "a:array b:array axisa:int=-1 axisb:int=-1 axisc:int=-1 axis:axis=None",
        sizes.cross,
        function=cross,
    ),
    _row(
        "trace",
        "a:array offset:int=0 axis1:int=0 axis2:int=1 dtype:dtype?=None",
        sizes.trace,
        function=quiet_if_complex(np.trace),
        method="trace",
    ),
    _row("diagonal", "a:array offset:int=0 axis1:int=0 axis2:int=1", sizes.diagonal, method="diagonal"),
)
