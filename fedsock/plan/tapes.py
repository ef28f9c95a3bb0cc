"""Tapes: what a gradient does to its inputs, there and back, note taken call by call, to be done again without it.

A gradient is followed through autograd once and then again and again for inputs of the same shapes: the same calls of
numpy, some tenth of the time. What is on a tape is autograd's primitives and ops: autograd calls ``Note`` for each that
touches a box of the tape, just as it would for a gradient's. Where a value would get around that, ``Unrecorded`` is
raised, and there is no tape.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from fedsock.ops import Row, flatten
from fedsock.plan.boxes import autograd, boxed, is_box, is_recorded, plain

Call = tuple[Callable[..., Any], tuple[int, ...], dict[str, Any], int, tuple[int, ...]]
"""What is called, registers of its arguments, arguments by name, its result's register, and which are dropped then."""


MOST_CONSTANT_BYTES = 1 << 16
"""Of arrays that stand in a tape: it outlives who made it, and nobody's quota counts it."""


class Unrecorded(Exception):
    """There is no tape of this."""


class Tape:
    """Calls on registers: the inputs first, then constants and results as they came."""

    def __init__(self) -> None:
        _sizes_are_known()
        self._values: list[Any] = []
        self._calls: list[Call] = []
        self._inputs: list[int] = []
        self._outputs: list[int] = []
        self._nbytes = 0

    def input(self, value: Any) -> Any:
        """Return a box for an input.

        Args:
            value: an array, or a numpy scalar.
        """
        self._inputs.append(len(self._values))
        return self._box(value, self._register(None))

    def take(self, function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> int:
        """Take note of a call, and return the register of its result.

        Args:
            function: what was called.
            args: its arguments, ``Note`` in place of boxes.
            kwargs: the same by name; constants.

        Raises:
            Unrecorded: a box is hidden in an argument.
        """
        if any(map(_hides, args)) or any(map(_hides, kwargs.values())):
            raise Unrecorded
        self._nbytes += sum(arg.nbytes for arg in args if isinstance(arg, np.ndarray))
        if self._nbytes > MOST_CONSTANT_BYTES:
            raise Unrecorded
        places = tuple([arg.register if type(arg) is Note else self._register(arg) for arg in args])
        register = self._register(None)
        self._calls.append((function, places, dict(kwargs), register, ()))
        return register

    def result(self, value: Any, function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        """Take note of a call, and return a box for its result.

        Args:
            value: the result.
            function: what was called.
            args: its arguments, ``Note`` in place of boxes.
            kwargs: the same by name.
        """
        return self._box(value, self.take(function, args, kwargs))

    def finish(self, outputs: Sequence[Any]) -> None:
        """Say what is given; a register that nothing reads any more is dropped from now on.

        Args:
            outputs: boxes of this tape, and constants.
        """
        self._outputs = [one._node.register if is_box(one) else self._constant(one) for one in outputs]
        last: dict[int, int] = {}
        for number, (_, args, _, register, _) in enumerate(self._calls):
            last.update(dict.fromkeys((*args, register), number))
        made = {call[3] for call in self._calls} - set(self._outputs)
        for number, (function, args, kwargs, register, _) in enumerate(self._calls):
            drops = tuple(sorted({one for one in (*args, register) if one in made and last[one] == number}))
            self._calls[number] = (function, args, kwargs, register, drops)

    def run(self, inputs: Sequence[Any]) -> list[Any]:
        """Do it again for other inputs.

        Args:
            inputs: of the shapes and dtypes of those that the tape was made with.
        """
        values = self._values.copy()
        for register, value in zip(self._inputs, inputs, strict=True):
            values[register] = value
        for function, args, kwargs, register, drops in self._calls:
            values[register] = function(*[values[one] for one in args], **kwargs)
            for one in drops:
                values[one] = None
        return [values[one] for one in self._outputs]

    def _constant(self, value: Any) -> int:
        """Return the register of a result that is the same each time: whoever gets it may write into it."""
        if not isinstance(value, np.ndarray):
            return self._register(value)
        return self.take(np.copy, [value], {})

    def _register(self, value: Any) -> int:
        self._values.append(value)
        return len(self._values) - 1

    def _box(self, value: Any, register: int) -> Any:
        note = Note.__new__(Note)
        note.tape, note.register = self, register
        try:
            return autograd().tracer.new_box(value, 0, note)
        except TypeError as error:
            raise Unrecorded from error


class Note:
    """Where a box's value is on a tape; autograd makes one for each result of a primitive that a tape's box went into.

    Args:
        value: the result.
        function: the primitive.
        args: its arguments, values in place of boxes.
        kwargs: the same by name.
        places: positions of the boxes.
        notes: theirs.
    """

    __slots__ = ("register", "tape")

    register: int
    tape: Tape

    recording = True
    """Tells a recording's box from a gradient's."""

    def __init__(
        self,
        value: Any,
        function: Any,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        places: Sequence[int],
        notes: Sequence[Note],
    ) -> None:
        given: list[Any] = list(args)
        for place, note in zip(places, notes, strict=True):
            given[place] = note
        if function in _adding() and type(given[1]) is np.ndarray:
            raise Unrecorded  # it would be added to in place, each time
        self.tape = notes[0].tape
        self.register = self.tape.take(function.fun, given, kwargs)


@functools.cache
def _sizes_are_known() -> None:
    """Have autograd take no note of sizes, which are the same each time."""
    library = autograd()
    library.tracer.register_notrace(Note, library.numpy.size)


@functools.cache
def _adding() -> tuple[Any, ...]:
    """Return the primitives that write into their second argument."""
    core = autograd().core
    return core.sparse_add, vars(core.VSpace)["mut_add"]


def _hides(tree: Any) -> bool:
    """Say whether an argument is, or holds, a box."""
    if isinstance(tree, (list, tuple)):
        return any(map(_hides, tree))
    return is_box(tree)


def untaped(value: Any) -> Any:
    """Return what a value is, for what a tape has no note of.

    Args:
        value: an argument.

    Raises:
        Unrecorded: it is another one next time.
    """
    while is_box(value):
        if is_recorded(value):
            raise Unrecorded
        value = value._value
    return value


# --- ops ----------------------------------------------------------------------------------------------------


def run(row: Row, args: Sequence[Any], kwargs: Mapping[str, Any]) -> list[Any]:
    """Return an op's results.

    Args:
        row: the op.
        args: checked arguments.
        kwargs: the same by name.
    """
    more = {"overwrite": False} if row.in_place else {}
    return flatten(row, row.function(*args, **kwargs, **more))


def noted(row: Row, args: Sequence[Any], kwargs: Mapping[str, Any]) -> list[Any]:
    """Return an op's results, boxes of the tape that some of its arguments are on.

    Args:
        row: the op.
        args: checked arguments, some of them boxes or trees with boxes.
        kwargs: the same by name.
    """
    form, boxes = _taken_apart([list(args), list(kwargs.values())])
    names = list(kwargs)

    def again(*values: Any) -> list[Any]:
        positional, named = _put_together(form, values)
        return run(row, positional, dict(zip(names, named, strict=True)))

    results = again(*map(plain, boxes))
    notes = [box._node for box in boxes]
    tape: Tape = notes[0].tape
    if len(results) == 1 and row.results == 1 and not kwargs and not row.in_place and not any(map(_is_tree, args)):
        given = [arg._node if is_box(arg) else arg for arg in args]
        return [tape.result(results[0], row.function, given, {})]
    whole = tape.take(again, notes, {})
    found = []
    for number, value in enumerate(results):
        note = Note.__new__(Note)
        note.tape, note.register = tape, whole
        found.append(tape.result(value, operator.itemgetter(number), [note], {}))
    return found


def _is_tree(arg: Any) -> bool:
    return isinstance(arg, (list, tuple)) and boxed(arg)


class _Place(int):
    """Where a box stood in a tree."""


def _taken_apart(tree: Any) -> tuple[Any, list[Any]]:
    """Return a tree with places in place of its boxes, and these."""
    found: list[Any] = []

    def walk(part: Any) -> Any:
        if type(part) is list or type(part) is tuple:
            return type(part)([walk(one) for one in part])
        if is_box(part):
            found.append(part)
            return _Place(len(found) - 1)
        return part

    return walk(tree), found


def _put_together(form: Any, values: Sequence[Any]) -> Any:
    """Return a tree with values in its places."""
    if type(form) is list or type(form) is tuple:
        return type(form)([_put_together(part, values) for part in form])
    return values[form] if type(form) is _Place else form
