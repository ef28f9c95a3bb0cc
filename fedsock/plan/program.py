"""``@fedsock.plan``: a function of numpy code that is recorded, and runs locally or at workers as the same plan."""

from __future__ import annotations

import builtins
import contextlib
import inspect
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from inspect import Parameter
from types import FunctionType
from typing import Any

import numpy as np

from fedsock.errors import NotTraceable, PlanMismatch
from fedsock.expression import Expression
from fedsock.plan.replay import Replay, mismatch
from fedsock.plan.show import shown
from fedsock.plan.steps import Plan, Spec, spec_of
from fedsock.plan.trace import Recorder, Tracer, inlined
from fedsock.plan.trees import filled, flatten, mapped, paths
from fedsock.protocol.values import Reference

SMALL_ROWS = 64
"""Examples with more rows than this are cut to it where nothing else in them has that size: only shapes matter."""


class Program:
    """Numpy code that becomes a plan.

    Args:
        function: of arrays, numbers, and trees of them; positional and keyword arguments.
        plan: what it was recorded as, if it was.
    """

    def __init__(self, function: Callable[..., Any] | None, plan: Plan | None = None) -> None:
        if function is None and plan is None:
            raise TypeError("a program is made of a function or a plan")
        self._function = function
        self._plan = plan
        self._replay: Replay | None = None
        self.__name__ = getattr(function, "__name__", "") or (plan.name if plan is not None else "") or "plan"
        self.__doc__ = getattr(function, "__doc__", None)
        if function is not None:
            self.signature = inspect.signature(function)
        else:
            assert plan is not None  # noqa: S101  # one of the two was given
            self.signature = inspect.Signature(
                [Parameter(name, Parameter.POSITIONAL_OR_KEYWORD) for name, _ in plan.takes]
            )

        kinds = [parameter.kind for parameter in self.signature.parameters.values()]
        # Where all arguments come by position, nothing need be bound by name.
        plain = all(kind in (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD) for kind in kinds)
        self._positional = len(kinds) if plain else -1

    # --- the plan -------------------------------------------------------------------------------------------

    @property
    def plan(self) -> Plan:
        """The plan.

        Raises:
            NotTraceable: nothing was traced yet.
        """
        if self._plan is None:
            raise NotTraceable(f"{self.__name__} is no plan yet: call it, or write {self.__name__}.trace(*examples)")
        return self._plan

    @property
    def traced(self) -> bool:
        """Whether there is a plan yet."""
        return self._plan is not None

    @property
    def digest(self) -> str:
        """The plan's digest; raises as ``plan``."""
        return self.plan.digest

    def to_json(self) -> str:
        """Return the plan as JSON text; raises as ``plan``."""
        return self.plan.to_json()

    @staticmethod
    def from_json(text: str | bytes) -> Program:
        """Return the program of a plan's text; raises as ``Plan.from_json``."""
        return Program(None, Plan.from_json(text))

    def trace(self, *examples: Any, **named: Any) -> Program:
        """Record the function and return the program itself.

        Args:
            examples: arrays or pointers whose dtypes and numbers of axes, and trees whose form, the plan will take.
            named: the same by name.

        Raises:
            NotTraceable: the code needs values while it is recorded; the message says what to write.
            PlanMismatch: an argument that no plan takes.
            MetadataNotReady: the shape of a pointer isn't known yet.
        """
        if self._function is None:
            raise NotTraceable("this is a plan already; there is no function to trace")
        bound = self._bound(examples, named)
        found, trees = flatten(list(bound.values()))
        names = [path for name, part in bound.items() for path in paths(part, name)]
        specs = [_spec(name, leaf) for name, leaf in zip(names, found, strict=True)]
        takes = dict(zip(bound, trees, strict=True))
        few = _rows_to_cut(found)
        try:
            self._plan = self._record(specs, _examples(found, few), takes)
        except (ValueError, IndexError):
            if few is None:
                raise
            # The code may count on their number, so all of them are needed.
            self._plan = self._record(specs, _examples(found, None), takes)
        self._replay = None
        return self

    def _record(self, specs: list[Spec], examples: list[Any], tree: Mapping[str, Any]) -> Plan:
        assert self._function is not None  # noqa: S101  # ``trace`` looked
        recorder = Recorder(specs, examples)
        tracers = recorder.tracers()
        given = {name: filled(part, tracers) for name, part in tree.items()}
        arguments = inspect.BoundArguments(self.signature, given)
        with _no_randomness(self._function):
            try:
                gives = _with_len(self._function)(*arguments.args, **arguments.kwargs)
            except TypeError as error:
                if "of a plan>" not in str(error):
                    raise
                # numpy's own words on a size that isn't known.
                raise NotTraceable(f"{error}; write np.zeros(shape, like=x) for a new array of a size") from error
        return recorder.finish(list(tree.items()), gives, self.__name__)

    # --- calls ----------------------------------------------------------------------------------------------

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Return the results for arrays and numbers, computed here by the plan; the first call records it.

        Raises:
            PlanMismatch: the arguments are not what the plan takes.
            NotTraceable: the code can't be recorded.
        """
        found, trees = self._flat(args, kwargs)
        tracer = next((leaf for leaf in found if isinstance(leaf, Tracer)), None)
        if tracer is not None:
            return self._inside(tracer._recorder, args, kwargs)
        if any(isinstance(leaf, Expression) for leaf in found):
            raise PlanMismatch(f"a pointer's value is at its worker; write bob.run({self.__name__}, …)")
        if self._plan is None:
            self.trace(*args, **kwargs)
        self.fits(trees)
        if self._replay is None:
            self._replay = Replay(self.plan)
        return self._given(self._replay.run(found))

    def _inside(self, recorder: Recorder, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """Become part of a plan that is being recorded."""
        if self._plan is None and self._function is not None:
            given = {name: mapped(part, _own) for name, part in self._bound(args, kwargs).items()}
            arguments = inspect.BoundArguments(self.signature, given)
            return _with_len(self._function)(*arguments.args, **arguments.kwargs)
        found, trees = self._flat(args, kwargs)
        self.fits(trees)
        for spec, leaf in zip(self.plan.inputs, found, strict=True):
            known = leaf._example if isinstance(leaf, Tracer) else leaf
            if (is_now := spec_of(spec.name, known)) != spec:
                raise mismatch(spec, is_now, known)
        return filled(self.plan.gives, inlined(recorder, self.plan, found))

    def leaves(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> list[Any]:
        """Return the plan's inputs for a call, pointers among them; the first call records it.

        Raises:
            PlanMismatch: they are not what the plan takes, as far as is known here.
            NotTraceable, MetadataNotReady: it can't be recorded, or not yet.
        """
        found, trees = self._flat(args, kwargs)
        if self._plan is None:
            self.trace(*args, **kwargs)
        self.fits(trees)
        for spec, leaf in zip(self.plan.inputs, found, strict=True):
            if not isinstance(leaf, Expression) and (is_now := spec_of(spec.name, leaf)) != spec:
                raise mismatch(spec, is_now, leaf)
        return found

    def takes(self, count: int) -> bool:
        """Return whether it can be called with so many arguments, by position.

        Args:
            count: how many.
        """
        try:
            self.signature.bind(*range(count))
        except TypeError:
            return False
        return True

    def fits(self, trees: Sequence[Any]) -> None:
        """Raise PlanMismatch where arguments have another form than the plan's.

        Args:
            trees: of each parameter, references in place of leaves.
        """
        for (name, expected), part in zip(self.plan.takes, trees, strict=True):
            if part != expected and _form(part) != (wanted := _form(expected)):
                raise PlanMismatch(f"{name} is {_form(part)}; the plan was traced for {wanted}")

    def _given(self, results: list[Any]) -> Any:
        places = iter(results)
        return filled_in_order(self.plan.gives, places)

    def _bound(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        try:
            bound = self.signature.bind(*args, **kwargs)
        except TypeError as error:
            raise PlanMismatch(f"{self.__name__}{self.signature}: {error}") from None
        bound.apply_defaults()
        return dict(bound.arguments)

    def _flat(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> tuple[list[Any], list[Any]]:
        if not kwargs and len(args) == self._positional:
            return flatten(list(args))
        return flatten(list(self._bound(args, kwargs).values()))

    def __repr__(self) -> str:
        state = "not traced yet" if self._plan is None else self._plan.digest
        return f"<plan {self.__name__}, {state}>"

    def __str__(self) -> str:
        return repr(self) if self._plan is None else shown(self._plan)


def filled_in_order(tree: Any, values: Iterator[Any]) -> Any:
    """Return a tree of references with values in place of them, in the order of its leaves.

    Args:
        tree: what a plan gives.
        values: one for each reference.
    """
    found, numbered = flatten(tree)
    kept = [next(values) if type(leaf) is Reference else leaf for leaf in found]
    return filled(numbered, kept)


def plan(function: Callable[..., Any]) -> Program:
    """Make a plan of a function of numpy code; a decorator.

    Args:
        function: of arrays, numbers and trees of them; it is recorded at its first call, or by ``trace``.
    """
    return Program(function)


def _form(tree: Any) -> str:
    """Return how a tree reads: its containers, with a dot for each leaf."""
    kind = type(tree)
    if kind is list or kind is tuple:
        inner = ", ".join(map(_form, tree))
        return f"[{inner}]" if kind is list else f"({inner})"
    if kind is dict:
        return "{" + ", ".join(f"{key!r}: {_form(tree[key])}" for key in sorted(tree)) + "}"
    return repr(tree) if tree is None or kind is str else "·"


def _own(leaf: Any) -> Any:
    """Return an argument for a plan in a plan, recorded or not: a call leaves the caller's generator as it is."""
    generator = isinstance(leaf, Tracer) and isinstance(leaf._example, np.random.Generator)
    return Tracer(leaf._recorder, leaf._register) if generator else leaf


def _spec(name: str, leaf: Any) -> Spec:
    if isinstance(leaf, Expression):
        return Spec(name, "str" if leaf.dtype.kind == "U" else str(leaf.dtype), leaf.ndim, _is_scalar(leaf))
    spec = spec_of(name, leaf)
    if spec is None:
        kind = type(leaf).__name__
        raise PlanMismatch(f"{name} is a {kind}; a plan takes arrays, numbers, generators and trees of them")
    return spec


def _is_scalar(leaf: Any) -> bool:
    """Whether a pointer stands for a numpy scalar, as far as is known here."""
    return bool(getattr(leaf, "is_scalar", False))


def _rows_to_cut(found: list[Any]) -> set[int] | None:
    """Return the long first axes of examples that nothing else in them has the size of; None where there is none."""
    shapes = [tuple(leaf.shape) for leaf in found if isinstance(leaf, (Expression, np.ndarray)) and leaf.ndim]
    inner = {size for shape in shapes for size in shape[1:]}
    return {shape[0] for shape in shapes if shape[0] > SMALL_ROWS} - inner or None


def _examples(found: list[Any], few: set[int] | None) -> list[Any]:
    """Return values to record with: of the right dtypes and sizes, but for first axes of which a few rows will do."""
    generator = np.random.default_rng(0)

    def cut(shape: tuple[int, ...]) -> tuple[int, ...]:
        return (SMALL_ROWS, *shape[1:]) if few and shape and shape[0] in few else shape

    made: list[Any] = []
    for leaf in found:
        if isinstance(leaf, Expression):
            made.append(_made_up(cut(tuple(leaf.shape)), leaf.dtype, generator, _is_scalar(leaf)))
        elif isinstance(leaf, np.ndarray):
            made.append(leaf[: cut(leaf.shape)[0]] if leaf.ndim else leaf)
        else:
            made.append(leaf)
    return made


def _made_up(shape: tuple[int, ...], dtype: np.dtype[Any], generator: np.random.Generator, scalar: bool) -> Any:
    drawn = generator.normal(size=shape) if dtype.kind in "fc" else np.zeros(shape)
    values = np.asarray(drawn).astype(dtype)
    return values[()] if scalar else values


def _with_len(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function whose ``len`` records the size of a tracer; Python's own would need an integer at once."""
    if not isinstance(function, FunctionType):
        return function
    names = {**function.__globals__, "__builtins__": {**vars(builtins), "len": _len}}
    names.pop("len", None)
    again = FunctionType(function.__code__, names, function.__name__, function.__defaults__, function.__closure__)
    again.__kwdefaults__ = function.__kwdefaults__
    return again


def _len(value: Any) -> Any:
    return value.shape[0] if isinstance(value, Tracer) else len(value)


@contextlib.contextmanager
def _no_randomness(function: Callable[..., Any]) -> Iterator[None]:
    """Refuse numpy's global generator, and generators that a function finds outside, while it is recorded.

    What they draw would become a constant of the plan, drawn once and for all.
    """
    advice = "a draw would become a constant of the plan; take an argument rng and draw from that"
    if isinstance(function, FunctionType):
        seen = inspect.getclosurevars(function)
        for name, value in {**seen.globals, **seen.nonlocals}.items():
            if isinstance(value, (np.random.Generator, np.random.RandomState)):
                raise NotTraceable(f"{name} is a generator from outside: {advice}")
    owner = threading.get_ident()
    named = {name: getattr(np.random, name) for name in np.random.__all__}
    real = {name: draw for name, draw in named.items() if not isinstance(draw, type)}

    def refusing(name: str, draw: Any) -> Any:
        def refused(*args: Any, **kwargs: Any) -> Any:
            if threading.get_ident() == owner:
                raise NotTraceable(f"np.random.{name}: {advice}")
            return draw(*args, **kwargs)

        return refused

    try:
        for name, draw in real.items():
            setattr(np.random, name, refusing(name, draw))
        yield
    finally:
        for name, draw in real.items():
            setattr(np.random, name, draw)
