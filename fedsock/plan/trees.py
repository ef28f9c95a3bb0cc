"""Trees of values: lists, tuples and dicts of leaves, as plans take and give them.

A leaf is an array, a numpy or Python number, a generator, or what stands for one of these (a tracer, a pointer). None
and texts belong to the tree's own form. Leaves of a dict come in the order of its sorted keys, so that two equal
dicts have the same leaves whatever order they were written in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from fedsock.errors import UnsupportedValue
from fedsock.protocol.values import MAX_DEPTH, Reference


def flatten(tree: Any) -> tuple[list[Any], Any]:
    """Return a tree's leaves, and the tree with ``Reference(0)``, ``Reference(1)`` … in place of them.

    Args:
        tree: leaves in lists, tuples and dicts.

    Raises:
        UnsupportedValue: nested too deep, or a key that is no text.
    """
    found: list[Any] = []

    def number(leaf: Any) -> Reference:
        found.append(leaf)
        return Reference(len(found) - 1)

    return found, mapped(tree, number)


def mapped(tree: Any, function: Callable[[Any], Any], depth: int = 0) -> Any:
    """Return a tree with a function applied to each of its leaves, in their order; raises as ``flatten``.

    Args:
        tree: leaves in lists, tuples and dicts.
        function: leaf -> what takes its place.
        depth: levels above this one.
    """
    if depth > MAX_DEPTH:
        raise UnsupportedValue(f"a tree nested deeper than {MAX_DEPTH}")
    kind = type(tree)
    if tree is None or kind is str:
        return tree
    if kind is list:
        return [mapped(part, function, depth + 1) for part in tree]
    if kind is tuple:
        return tuple([mapped(part, function, depth + 1) for part in tree])
    if kind is dict:
        if not all(type(key) is str for key in tree):
            raise UnsupportedValue("keys of a plan's dicts are texts")
        done = {key: mapped(tree[key], function, depth + 1) for key in sorted(tree)}
        return {key: done[key] for key in tree}
    return function(tree)


def filled(tree: Any, values: Any) -> Any:
    """Return a tree with values in place of its references.

    Args:
        tree: what ``flatten`` gave, or any with references among its leaves.
        values: a sequence of them, by the references' numbers.
    """
    return mapped(tree, lambda leaf: values[leaf.id] if type(leaf) is Reference else leaf)


def references(tree: Any) -> Iterator[Any]:
    """Give the numbers of the references in a tree, or in an op's argument, whose slices may hold some too."""
    kind = type(tree)
    if kind is Reference:
        yield tree.id
    elif kind is list or kind is tuple:
        for part in tree:
            yield from references(part)
    elif kind is dict:
        for key in sorted(tree):
            yield from references(tree[key])
    elif kind is slice:
        yield from references([tree.start, tree.stop, tree.step])


def paths(tree: Any, above: str) -> Iterator[str]:
    """Give the name of each leaf, such as ``params['w'][0]``.

    Args:
        tree: leaves in lists, tuples and dicts.
        above: the name of the tree.
    """
    kind = type(tree)
    if kind is list or kind is tuple:
        for place, part in enumerate(tree):
            yield from paths(part, f"{above}[{place}]")
    elif kind is dict:
        for key in sorted(tree):
            yield from paths(tree[key], f"{above}[{key!r}]")
    elif tree is not None and kind is not str:
        yield above
