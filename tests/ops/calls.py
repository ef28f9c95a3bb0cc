"""Calls of any op, drawn from its signature: which arguments are private, and fills of them that differ in values only.

Everything follows from a seed, so a call that tells something is found again.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fedsock.ops import Row
from fedsock.ops.schema import Kind, Parameter
from tests.ops.oracle import NUMBERS

SHAPES: list[tuple[int, ...]] = [
    (), (0,), (1,), (2,), (3,), (4,), (40,), (2, 3), (3, 3), (3, 1), (2, 3, 3), (0, 3), (1, 1), (2, 2), (2, 2, 2),
    (3, 3, 3), (17, 3),
]  # fmt: skip
OTHERS = [np.dtype("U3"), np.dtype("M8[D]"), np.dtype("m8[s]")]
PUBLIC = [0, 1, -1, 2, 300, -200, 2**31, 2**63, True, 0.5, -1.0, math.nan, math.inf, 1j, 1e300]
BASES = {"interp": (4,), "cross": (3,), "linalg.cross": (3,), "correlate": (4,), "convolve": (4,), "cov": (2, 3)}
"""Shapes without which a call of these hardly ever succeeds."""

TEXTS = {
    "subscripts": ["i->i", "ij->ji", "ii->i", "i,i", "ij,jk->ik", "...", "...i->...", "i,j->ij", ",", "ijk->k"],
    "method": ["linear", "lower", "nearest", "inverted_cdf", "hazen", "zig", "inv", "none"],
    "mode": ["full", "valid", "same", "raise", "wrap", "clip", "reduced", "complete", "r", "raw", "none"],
    "side": ["left", "right", "none"],
    "kind": ["quicksort", "stable", "introselect", "none"],
    "norm": ["ortho", "forward", "none"],
    "ord": ["fro", "nuc", "none"],
}
DECIDING = {
    "indices": [np.array([0]), np.array([0, 1]), np.zeros((1, 1), int), np.zeros((1, 1, 1), int), 0, [7]],
    "condition": [np.array([True]), np.array([True, False]), np.zeros((2, 3), bool)],
    "bins": [np.array([0.0, 1.0, 2.0]), np.array([2, 1, 0]), np.array([1, 0, 1]), [0.0]],
    "q": [0.5, 0, [0.1, 0.9], np.float64(1), 200, np.array(0.5), np.array(1, "u1"), np.float32(0.25), [0.5j], 0.5 + 0j],
    "weights": [np.ones(3), np.array([0.0, 1.0, 0.0]), np.ones((2, 3)), np.zeros(3), np.ones(4), 1],
    "varargs": [1, 2.0, np.float32(0.5), np.arange(3.0), np.array([1, 2, 4])],
    "initial": [0, 1, np.float32(2), 0.5],
    "a": [np.array(0), np.array([0, 1]), np.zeros((2, 3), int), [5]],
}
"""What is due where values decide; every list has something that fails."""


@dataclass
class Slot:
    """Where an array of a dtype and shape stands.

    Attributes:
        generic: it is a numpy scalar.
        private: every fill has other values.
    """

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    generic: bool
    private: bool
    fixed: Any = field(default=None, repr=False)

    def fill(self, rng: np.random.Generator) -> Any:
        if self.fixed is not None:
            return self.fixed
        made = values(rng, self.dtype, self.shape)
        made = made[()] if self.generic else made
        if not self.private:
            self.fixed = made
        return made


@dataclass
class Call:
    """Arguments with slots in them."""

    args: list[Any]
    kwargs: dict[str, Any]

    @property
    def private(self) -> list[int | str]:
        """Positions and names of what is, or holds, private arrays."""
        places: list[int | str] = [place for place, arg in enumerate(self.args) if _holds_private(arg)]
        return places + [name for name, arg in self.kwargs.items() if _holds_private(arg)]

    def fill(self, rng: np.random.Generator) -> tuple[list[Any], dict[str, Any]]:
        """Return the arguments with new values in each private slot."""
        return [_filled(arg, rng) for arg in self.args], {k: _filled(arg, rng) for k, arg in self.kwargs.items()}


def _holds_private(tree: Any) -> bool:
    if isinstance(tree, Slot):
        return tree.private
    return isinstance(tree, (list, tuple)) and any(map(_holds_private, tree))


def _filled(tree: Any, rng: np.random.Generator) -> Any:
    if isinstance(tree, Slot):
        return tree.fill(rng)
    if isinstance(tree, (list, tuple)):
        return type(tree)(_filled(part, rng) for part in tree)
    return tree


def specials(dtype: np.dtype[Any]) -> list[Any]:
    """Values of a dtype that something may go wrong for."""
    if dtype.kind == "b":
        return [False, True]
    if dtype.kind in "iu":
        ends = np.iinfo(dtype)
        return [0, 1, 2, 3, 5, 7, ends.max, ends.min, ends.max - 1, ends.min + 1]
    ends = np.finfo(dtype)
    reals = [0.0, -0.0, 1.0, -1.0, np.nan, np.inf, -np.inf, ends.max, ends.min, ends.smallest_subnormal, ends.tiny]
    reals += [0.5, 2.0, -3.0]
    return reals if dtype.kind == "f" else [complex(a, b) for a in reals for b in (0.0, 1.0, np.nan, np.inf, ends.max)]


def values(rng: np.random.Generator, dtype: np.dtype[Any], shape: tuple[int, ...]) -> Any:
    """An array: zeros, ones, one special value or many, sorted or not, duplicates, the identity, normal numbers."""
    n = math.prod(shape)
    if dtype.kind not in "biufc":
        return rng.integers(0, 4, size=n).astype("i8").astype(dtype).reshape(shape)
    special = specials(dtype)
    ways: list[Callable[[], Any]] = [
        lambda: np.zeros(n),
        lambda: np.ones(n),
        lambda: [special[rng.integers(len(special))]] * n,
        lambda: [special[rng.integers(len(special))] for _ in range(n)],
        lambda: np.sort(rng.normal(size=n) * 3),
        lambda: np.arange(n),
        lambda: np.arange(n)[::-1] - n // 2,
        lambda: rng.normal(size=n) * 10,
        lambda: rng.integers(0, 2, size=n),
    ]
    if len(shape) > 1:
        ways.append(lambda: np.broadcast_to(np.eye(*shape[-2:]), shape).ravel())
    with np.errstate(all="ignore"):
        made = ways[rng.integers(len(ways))]()
        # A list of Python's numbers keeps the largest integers exact.
        return (np.array(made, dtype) if isinstance(made, list) else made.astype(dtype)).reshape(shape).copy()


class Drawer:
    """Draws calls of an op.

    Args:
        row: the op.
        seed: of everything drawn.
    """

    def __init__(self, row: Row, seed: Any) -> None:
        self.rng = np.random.default_rng(seed)
        self._row = row
        self._base = BASES[row.name] if row.name in BASES and self._chance(0.7) else self._pick(SHAPES)
        self._dtype = np.dtype(bool) if self._chance(0.15) else self._pick(NUMBERS)

    def call(self) -> Call:
        """Return a call; only where data is due it holds private values."""
        args: list[Any] = []
        kwargs: dict[str, Any] = {}
        short = False
        for parameter in self._row.parameters:
            due = parameter.default is None
            if parameter.mode == "variadic":
                args += [self._argument(parameter) for _ in range(self.rng.integers(1, 4))]
            elif parameter.mode != "keyword" and not short and (due or self._chance(0.35)):
                args.append(self._argument(parameter))
            elif parameter.mode == "positional":
                short = True
            else:
                short = True
                if due or self._chance(0.35):
                    kwargs[parameter.name] = self._argument(parameter)
        return Call(args, kwargs)

    def _pick(self, options: Any) -> Any:
        return options[self.rng.integers(len(options))]

    def _chance(self, part: float) -> bool:
        return bool(self.rng.random() < part)

    def _argument(self, parameter: Parameter) -> Any:
        kind = self._pick(parts(parameter.kind))
        if kind.name == "an array" and not kind.data and self._chance(0.9):
            return self._pick(DECIDING.get(parameter.name, [1, np.ones(3), np.ones((2, 3)), np.array(-1)]))
        if kind.name == "a text":
            return self._pick(TEXTS.get(parameter.name, ["L", "none"]))
        if kind.name.startswith("'"):
            return kind.name[1:-1]
        value = DRAWERS[kind.name](self)
        return value if kind.data else _public(value)

    def array(self) -> Slot:
        """A slot, most often of the call's own shape and dtype."""
        base = self._base
        shape = base if self._chance(0.7) else self._pick([(), base[-1:], base[:1], base[::-1], self._pick(SHAPES)])
        shape = () if self._chance(0.15) else shape
        dtype = self._dtype if self._chance(0.6) else self._pick(NUMBERS)
        private = self._chance(0.8)
        if self._chance(0.04):
            dtype, private = self._pick(OTHERS), False
        return Slot(dtype, shape, shape == () and self._chance(0.5), private)

    def array_like(self) -> Any:
        return self.array() if self._chance(0.85) else self._pick([*PUBLIC, [1, 2, 3]])

    def arrays(self) -> Any:
        return self.array() if self._chance(0.2) else [self.array() for _ in range(self.rng.integers(1, 4))]

    def subscript(self) -> Any:
        one = [0, -1, 1, 2, slice(None), slice(1, None), slice(None, None, -1), slice(0, 0), None, ...]
        return self._pick(one) if self._chance(0.5) else tuple(self._pick(one) for _ in range(self.rng.integers(0, 4)))

    def selection(self) -> Any:
        return self._pick([self.subscript(), np.array([0, 0]), np.array([True, False]), [0], 1])

    def integers(self) -> tuple[int, ...]:
        return tuple(int(n) for n in self.rng.integers(-1, 4, size=self.rng.integers(0, 4)))

    def one_of(self, *options: Any) -> Any:
        return self._pick(options)


def parts(kind: Kind) -> list[Kind]:
    """The kinds of a union: each takes what only it takes."""
    return list(kind.parts) or [kind]


def _public(tree: Any) -> Any:
    if isinstance(tree, Slot):
        tree.private = False
    elif isinstance(tree, (list, tuple)):
        for part in tree:
            _public(part)
    return tree


DTYPES = [*NUMBERS, *OTHERS, np.dtype("U"), np.dtype("f8"), np.dtype("i8"), np.dtype("D")]

DRAWERS: dict[str, Callable[[Drawer], Any]] = {
    "an array": Drawer.array_like,
    "a sequence of arrays": Drawer.arrays,
    "nested lists of arrays": lambda draw: [[draw.array(), draw.array()], [draw.array(), draw.array()]],
    "an index": Drawer.selection,
    "integers, slices, None or ...": Drawer.subscript,
    "a value": lambda draw: None,
    "an integer": lambda draw: int(draw.rng.integers(-2, 4)),
    "a tuple of integers": Drawer.integers,
    "nested tuples of integers": lambda draw: draw.one_of(1, (1, 2), ((1, 1), (0, 1)), ((0,), (0,)), ((1, 0), (0, 1))),
    "True or False": lambda draw: draw.one_of(True, False),
    "a real number": lambda draw: draw.one_of(0, 1, 2, -1, 0.5, 1e-8, math.inf, -math.inf, 3.5),
    "one real number or date": lambda draw: draw.one_of(0, 1, 5, -2, 0.5),
    "a dtype": lambda draw: draw.one_of(*DTYPES),
    "a random.Generator": lambda draw: np.random.default_rng(3),
    "None": lambda draw: None,
    "an array or a tree": lambda draw: draw.one_of(draw.array(), draw.array(), [draw.array(), draw.array()]),
    "what can be assigned": lambda draw: draw.one_of(draw.array(), draw.array_like(), [draw.array(), draw.array()]),
    "a tree": Drawer.array,
    "a pair of numbers, or one for each axis": lambda draw: draw.one_of(None, (0, 1), (0.0, 5.0)),
    "a str or an integer": lambda draw: 0,
}
"""What is drawn where each kind of argument is due."""
