"""How each private value was made: ops on data sets and constants, down to what its owner can read and decide on.

A value made by an op points to how the op's inputs were made, so an op costs one small object whatever came before,
and values share what they have in common. Nothing here keeps a large value alive: of a constant above ``SMALL_BYTES``
its digest is kept, and a few elements for its owner to read.

The digest of a lineage says what was computed from what: the ops, every constant, and the name, row group and bytes of
every data set. It does not depend on ids, on the session, or on the order in which independent ops were sent.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
import orjson

from fedsock.errors import FedsockError
from fedsock.policy.facts import OPEN, Group
from fedsock.protocol.arrays import dtype_name, raw
from fedsock.protocol.values import dumps, to_json
from fedsock.worker.jobs import Job
from fedsock.worker.store import Entry, size_of

MOST_OPS = 1_000
"""Ops of a lineage that somebody can be asked to read."""

MOST_BYTES = 1 << 20
"""Bytes of its constants."""

MOST_PARTS = 1_000
"""Values in one argument that is a list or another tree of values made at the worker."""

MOST_PARTS_TOGETHER = 20_000
"""Arguments of all ops of a lineage that somebody can be asked to read: they are walked in hundredths of a second."""

AT_ONCE_BYTES = 1 << 20
"""Data sets above this size get their digest in a thread."""

SMALL_BYTES = 256
"""Constants up to this size are kept as they are."""

SHORT_BYTES = 1_024
"""Arguments that are a text, a tuple or another tree are kept as they are up to this size."""

HEAD = 3
"""Elements that are kept of larger ones, from the front."""

_TREES = frozenset({str, slice, tuple, list, dict})
_NO_NAMES: Mapping[str, Any] = MappingProxyType({})


class Given:
    """A data set.

    Attributes:
        name: its name.
        array: the owner's.
        group: the rows that it shares with others; None: it has none.
    """

    __slots__ = ("_digest", "array", "group", "name")

    depth = 0

    def __init__(self, name: str, array: np.ndarray[Any, Any], group: Group | None) -> None:
        self.name = name
        self.array = array
        self.group = group
        self._digest = b""

    @property
    def slow(self) -> bool:
        """Whether its digest would take longer than an answer may be kept waiting."""
        return not self._digest and self.array.nbytes > AT_ONCE_BYTES

    @property
    def digest(self) -> bytes:
        """The sha256 of its name, row group, dtype, shape and bytes; worked out when first asked for."""
        if not self._digest:
            rows = None if self.group is None else [self.group.name, self.group.rows]
            head = [self.name, rows, dtype_name(self.array.dtype), list(self.array.shape)]
            self._digest = _hashed(b"data", orjson.dumps(head), hashlib.sha256(raw(self.array)).digest())
        return self._digest


class Constant:
    """A value in which nothing private takes part.

    Attributes:
        value: it, when it is small; else None.
        head: its first elements, when it is large.
        kind: its dtype, or the name of its type.
        shape: its sizes; that of a list or another tree is its length.
        nbytes: its bytes.
        digest: the sha256 of what it is.
    """

    __slots__ = ("_digest", "head", "kind", "nbytes", "shape", "value")

    depth = 0

    def __init__(self, value: Any, nbytes: int) -> None:
        array = isinstance(value, (np.ndarray, np.generic))
        self.nbytes = nbytes
        self.kind = str(value.dtype) if array else type(value).__name__
        self.shape: tuple[int, ...] = np.shape(value) if array else (len(value),) if hasattr(value, "__len__") else ()
        self.value: Any = None
        self.head: tuple[Any, ...] = ()
        self._digest = b""
        if nbytes <= SMALL_BYTES and not isinstance(value, np.random.Generator):
            # What is written in place later must not show in here.
            self.value = value.copy() if type(value) is np.ndarray else value
            return
        self._digest = _digest_of(value)
        if array:
            self.head = tuple(np.asarray(value).flat[:HEAD].tolist())
        elif isinstance(value, (list, tuple, str)):
            self.head = tuple(value[:HEAD])

    @property
    def digest(self) -> bytes:
        """The sha256 of its type and value."""
        if not self._digest:
            self._digest = _digest_of(self.value)
        return self._digest


class TooLong:
    """What stands for a lineage that is too long to be read, and for that of all that is made of it."""

    __slots__ = ()

    depth = MOST_OPS


TOO_LONG = TooLong()
_PLAIN = frozenset({int, float, bool, type(None), complex, type(Ellipsis), Constant})


class Made:
    """What an op made.

    Attributes:
        fn: the op.
        args: its arguments: lineages in place of entries, plain values, and trees of them.
        kwargs: the same by name.
        part: which of its results this is; -1: its only one.
        depth: the longest way down to a data set, in ops.
        parts: of its arguments, those in lists and other trees among them.
        digest: see ``digest``; None until it was asked for.
    """

    __slots__ = ("_gone", "args", "depth", "digest", "fn", "kwargs", "part", "parts")

    def __init__(
        self,
        fn: str,
        args: list[Any],
        kwargs: Mapping[str, Any],
        part: int,
        depth: int,
        gone: list[None],
        parts: int,
    ) -> None:
        self.fn = fn
        self.args = args
        self.kwargs = kwargs
        self.part = part
        self.depth = depth
        self.parts = parts
        self.digest: bytes | None = None
        self._gone = gone

    def __del__(self) -> None:
        self._gone.append(None)

    def inputs(self) -> Iterator[Made | Given | Constant]:
        """Give what its arguments hold, in their order."""
        yield from _inside(self.args)
        for name in sorted(self.kwargs):
            yield from _inside(self.kwargs[name])


Lineage = Made | Given | Constant | TooLong


def note(job: Job) -> None:
    """Give the results of an op with a private input their lineages.

    Args:
        job: an op that is about to be run.
    """
    results, tally = job.results, job.store.tally
    if job.nested or len(results) != 1:
        _note_all(job)
        return
    args: list[Any] = []
    depth = 0
    for arg in job.args:
        kind = type(arg)
        if kind is Entry:
            lineage = arg.lineage or _of(arg)
            if lineage.depth > depth:
                depth = lineage.depth
            args.append(lineage)
        else:
            args.append(arg if kind in _PLAIN else _Reader().read(arg))
    if depth >= MOST_OPS or not tally.add():
        results[0].lineage = TOO_LONG
    else:
        results[0].lineage = Made(job.op.fn, args, _NO_NAMES, -1, depth + 1, tally.gone, len(args))


def _note_all(job: Job) -> None:
    """Give the results of any op their lineages."""
    tally = job.store.tally
    reader = _Reader()
    args: list[Any] = []
    kwargs: dict[str, Any] = {}
    try:
        args = [reader.read(arg) for arg in job.args]
        kwargs = {name: reader.read(arg) for name, arg in job.kwargs.items()}
    except _TooLong:
        reader.depth = MOST_OPS
    single = len(job.results) == 1
    for place, entry in enumerate(job.results):
        if reader.depth >= MOST_OPS or not tally.add():
            entry.lineage = TOO_LONG
        else:
            part, parts = -1 if single else place, len(args) + len(kwargs) + reader.parts
            entry.lineage = Made(job.op.fn, args, kwargs, part, reader.depth + 1, tally.gone, parts)


def _of(entry: Entry) -> Lineage:
    """Return how a value was made; of an open one, that it is what it is."""
    if entry.lineage is None:
        # Nothing private is ever taken for a constant.
        entry.lineage = _constant(entry.value) if entry.facts is OPEN else TOO_LONG
    return entry.lineage


class _TooLong(Exception):
    """An argument is too long to be kept."""


class _Reader:
    """Puts lineages in place of entries."""

    __slots__ = ("depth", "parts")

    def __init__(self) -> None:
        self.depth = 0
        self.parts = 0

    def read(self, arg: Any) -> Any:
        """Return what is kept of an argument."""
        kind = type(arg)
        if kind is Entry:
            lineage = _of(arg)
            if lineage.depth > self.depth:
                self.depth = lineage.depth
            return lineage
        if kind in _PLAIN:
            return arg
        return self._tree(arg, kind)

    def _tree(self, arg: Any, kind: type) -> Any:
        if not _holds_entry(arg):
            return arg if kind in _TREES and size_of(arg) <= SHORT_BYTES else _constant(arg)
        if kind is dict:
            return {key: self.read(part) for key, part in self._counted(arg).items()}
        if kind is slice:
            return slice(self.read(arg.start), self.read(arg.stop), self.read(arg.step))
        return kind([self.read(part) for part in self._counted(arg)])

    def _counted(self, tree: Any) -> Any:
        self.parts += len(tree)
        if self.parts > MOST_PARTS:
            raise _TooLong
        return tree


def _constant(value: Any) -> Constant | TooLong:
    nbytes = value.nbytes if isinstance(value, (np.ndarray, np.generic)) else size_of(value)
    if nbytes > MOST_BYTES:
        return TOO_LONG
    try:
        return Constant(value, nbytes)
    except FedsockError:  # it could not travel either: too deep, or too much
        return TOO_LONG


def _holds_entry(tree: Any) -> bool:
    kind = type(tree)
    if kind is Entry:
        return True
    if kind is list or kind is tuple:
        return any(map(_holds_entry, tree))
    if kind is dict:
        return any(map(_holds_entry, tree.values()))
    return kind is slice and any(map(_holds_entry, (tree.start, tree.stop, tree.step)))


def _inside(tree: Any) -> Iterator[Made | Given | Constant]:
    """Give each lineage in a tree of arguments, whose depth is limited."""
    kind = type(tree)
    if kind is Made or kind is Given or kind is Constant:
        yield tree
    elif kind is list or kind is tuple:
        for part in tree:
            yield from _inside(part)
    elif kind is dict:
        for part in tree.values():
            yield from _inside(part)
    elif kind is slice:
        yield from _inside((tree.start, tree.stop, tree.step))


def flat(lineage: Lineage) -> list[Made | Given | Constant] | None:
    """Return all that a value was made of, each once and behind what it was made of itself; None: it is too long.

    Args:
        lineage: of the value.
    """
    if isinstance(lineage, TooLong):
        return None
    order: list[Made | Given | Constant] = []
    seen: set[int] = set()
    constants: set[int] = set()
    ops = nbytes = 0
    parts = lineage.parts if isinstance(lineage, Made) else 0
    stack: list[tuple[Made | Given | Constant, Iterator[Made | Given | Constant]]] = [(lineage, _below(lineage))]
    while stack:
        node, below = stack[-1]
        under = next(below, None)
        if under is not None:
            if id(under) not in seen:
                seen.add(id(under))
                parts += under.parts if isinstance(under, Made) else 0
                if parts > MOST_PARTS_TOGETHER:
                    return None
                stack.append((under, _below(under)))
            continue
        stack.pop()
        order.append(node)
        if isinstance(node, Made):
            ops += 1
        elif isinstance(node, Constant) and id(node) not in constants:
            constants.add(id(node))
            nbytes += node.nbytes
        if ops > MOST_OPS or nbytes > MOST_BYTES:
            return None
    return order


def _below(node: Made | Given | Constant) -> Iterator[Made | Given | Constant]:
    return node.inputs() if isinstance(node, Made) else iter(())


def digest(order: list[Made | Given | Constant]) -> str:
    """Return the sha256 of a lineage, in hexadecimal digits.

    Args:
        order: what ``flat`` gave, of which all but the last is worked out only once.
    """
    for node in order:
        if isinstance(node, Made) and node.digest is None:
            named = [part for name in sorted(node.kwargs) for part in (name.encode(), _tree_digest(node.kwargs[name]))]
            head = f"{node.fn} {node.part} {len(node.args)}".encode()
            node.digest = _hashed(b"op", head, *map(_tree_digest, node.args), *named)
    last = order[-1].digest
    assert last is not None  # noqa: S101  # it was just worked out
    return last.hex()


def _tree_digest(tree: Any) -> bytes:
    kind = type(tree)
    if kind is Made or kind is Given or kind is Constant:
        return tree.digest  # type: ignore[no-any-return]  # what a node is made of has its own by now
    if next(_inside(tree), None) is None:
        return _digest_of(tree)
    if kind is dict:
        return _hashed(b"dict", *(part for key in tree for part in (key.encode(), _tree_digest(tree[key]))))
    parts = (tree.start, tree.stop, tree.step) if kind is slice else tree
    return _hashed(kind.__name__.encode(), *map(_tree_digest, parts))


def _digest_of(value: Any) -> bytes:
    """Return the sha256 of a value in which nothing private takes part; the same for the same type and value."""
    if isinstance(value, np.random.Generator):
        return _hashed(b"generator", repr(_listed(value.bit_generator.state)).encode())
    arrays: list[bytes] = []

    def stream(array: np.ndarray[Any, Any]) -> int:
        arrays.append(hashlib.sha256(raw(array)).digest())
        return len(arrays)

    return _hashed(b"value", dumps(to_json(value, stream)), *arrays)


def _listed(state: Any) -> Any:
    """Return a generator's state in an order of its own, and with all of each array."""
    if isinstance(state, dict):
        return [(key, _listed(state[key])) for key in sorted(state)]
    return state.tolist() if isinstance(state, (np.ndarray, np.generic)) else state


def _hashed(kind: bytes, *parts: bytes) -> bytes:
    """Return the sha256 of parts, each with its length before it: no two lists of them read the same."""
    made = hashlib.sha256(kind)
    for part in parts:
        made.update(b"%d:" % len(part))
        made.update(part)
    return made.digest()
