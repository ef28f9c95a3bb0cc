"""What pointers and plan tracers share: every way an expression can be written (floor 4).

Operators, reflected ones, subscripts, numpy's two protocols and the ndarray methods all end in one place:
``_apply`` with an op's name and its arguments. In-place operators and item assignment end in ``_update``.
Whatever would need the value at once raises, saying what to write. Imports errors and the op table only.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from types import GetSetDescriptorType
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import numpy as np

from fedsock.errors import ImplicitFetch, InPlaceRefused, PointerTruthError, UnknownOp
from fedsock.ops import (
    METHODS,
    OPERATORS,
    REFUSED_FUNCTIONS,
    REFUSED_METHODS,
    Call,
    call_function,
    call_method,
    call_ufunc,
)

Self = TypeVar("Self", bound="Expression")

NO_KWARGS: Mapping[str, Any] = {}
"""Shared by all ops without keyword arguments; nobody writes into it."""

OPERANDS = frozenset(
    {
        int, float, complex, bool, str, list, tuple, type(None), np.ndarray, np.memmap, np.matrix,
        np.bool_, np.int8, np.int16, np.int32, np.int64, np.longlong, np.uint8, np.uint16, np.uint32,
        np.uint64, np.ulonglong, np.float16, np.float32, np.float64, np.longdouble, np.complex64,
        np.complex128, np.clongdouble, np.str_, np.bytes_, np.void, np.object_, np.datetime64, np.timedelta64,
    }
)  # fmt: skip
"""Local values an operator takes (what can't travel among them is refused with its own error); to any other
type an operator answers NotImplemented, so that the other operand has its turn."""

_FETCHERS = frozenset({"item", "tolist", "tobytes", "tofile", "dump", "dumps", "data", "flat", "ctypes"})


class Expression:
    """A value that is somewhere else, or not there yet, written with like a numpy array.

    A subclass says in ``_apply`` what an op on it gives, in ``_update`` how it takes a new value, in
    ``_takes`` which other non-local types it works with, and has ``shape`` and ``dtype``.
    """

    __slots__ = ()

    if TYPE_CHECKING:
        # The ndarray methods, which the table of methods adds below the class.
        def __getattr__(self, name: str) -> Any: ...

    # --- what a subclass says -------------------------------------------------------------------------------

    def _apply(self, name: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """Return what an op gives.

        Args:
            name: of a row of the op table.
            args: its arguments, this expression among them.
            kwargs: the same by name.
        """
        raise NotImplementedError

    def _update(self: Self, name: str, args: tuple[Any, ...]) -> Self:
        """Take the result of an op for the new value of this expression and return it.

        Args:
            name: of a row that is ``in_place``.
            args: its arguments; the first is this expression.
        """
        raise NotImplementedError

    def _takes(self, value: Any) -> bool:
        """Return whether a value that is not local can stand beside this one in an op."""
        return isinstance(value, type(self))

    def _called(self) -> str:
        """Return what messages call it."""
        return "a pointer"

    @property
    def shape(self) -> tuple[int, ...]:
        """The sizes of its axes."""
        raise NotImplementedError

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of its elements."""
        raise NotImplementedError

    # --- metadata -------------------------------------------------------------------------------------------

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """The number of elements."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """The bytes of all elements."""
        return self.size * self.itemsize

    @property
    def itemsize(self) -> int:
        """The bytes of one element."""
        return self.dtype.itemsize

    def __len__(self) -> int:
        shape = self.shape
        if not shape:
            raise TypeError("len() of unsized object: its shape is ()")
        return shape[0]

    def __iter__(self) -> Iterator[Any]:
        shape = self.shape
        if not shape:
            raise TypeError("iteration over a 0-d array")
        return (self[row] for row in range(shape[0]))

    # --- numpy's protocols ----------------------------------------------------------------------------------

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        _refuse_out(f"np.{ufunc.__name__}", kwargs)
        if method != "at":  # which is refused whatever its arguments are
            for value in inputs:
                if value.__class__ not in OPERANDS and not self._knows(value):
                    return NotImplemented
        call = call_ufunc(ufunc, method, inputs, kwargs)
        if call is None:
            raise _unknown(f"np.{ufunc.__name__}" + ("" if method == "__call__" else f".{method}"))
        return self._run(call)

    def __array_function__(
        self, function: Callable[..., Any], types: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> Any:
        for kind in types:
            if not issubclass(kind, np.ndarray) and not self._knows_type(kind):
                return NotImplemented
        local = LOCAL_FUNCTIONS.get(function)
        if local is not None:
            return local(*args, **kwargs)
        label = f"{function.__module__}.{function.__name__}".replace("numpy", "np", 1)
        advice = REFUSED_FUNCTIONS.get(function)
        if advice is not None:
            raise InPlaceRefused(f"{label}: {advice}")
        _refuse_out(label, kwargs)
        call = call_function(function, args, kwargs)
        if call is None:
            raise _unknown(label)
        return self._run(call)

    def __array_namespace__(self, *, api_version: Any = None) -> Any:
        """Return numpy, whose functions take expressions: the array API's door for code that serves many libraries."""
        return np.empty(0).__array_namespace__(api_version=api_version)

    def _run(self, call: Call) -> Any:
        return self._apply(call.name, tuple(call.args), call.kwargs or NO_KWARGS)

    def _knows(self, value: Any) -> bool:
        return self._takes(value) or isinstance(value, np.ndarray)

    def _knows_type(self, kind: type) -> bool:
        return issubclass(kind, Expression) and (issubclass(kind, type(self)) or issubclass(type(self), kind))

    # --- operators ------------------------------------------------------------------------------------------

    def __getitem__(self, key: Any) -> Any:
        return self._apply(_subscript("getitem", key), (self, key), NO_KWARGS)

    def __setitem__(self, key: Any, value: Any) -> None:
        if isinstance(key, str):
            raise InPlaceRefused("a stored tree doesn't change; send a new dict")
        self._update(_subscript("setitem", key), (self, key, value))

    def __delitem__(self, key: Any) -> None:
        raise InPlaceRefused("stored values don't change; write p = np.delete(p, i, axis=0)")

    # --- what would need the value --------------------------------------------------------------------------

    __hash__ = object.__hash__

    def __bool__(self) -> bool:
        raise PointerTruthError(
            f"the truth of {self._called()} isn't known here; write `if await p:`, or np.where(p, …)"
        )

    def __contains__(self, value: Any) -> bool:
        raise PointerTruthError(f"`in` needs the value of {self._called()}; write `await (p == v).any()`")

    def __int__(self) -> int:
        self._fetches("int(await p)")

    def __float__(self) -> float:
        self._fetches("float(await p)")

    def __complex__(self) -> complex:
        self._fetches("complex(await p)")

    def __index__(self) -> int:
        self._fetches("int(await p)")

    def __round__(self, digits: int = 0) -> Any:
        return self._apply("round", (self, digits), NO_KWARGS)

    def __format__(self, spec: str) -> str:
        if spec:
            self._fetches(f"f'{{await p:{spec}}}'")
        return repr(self)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        self._fetches("np.asarray(await p)")

    def __dlpack__(self, **_: Any) -> NoReturn:
        self._fetches("np.from_dlpack(await p)")

    def __dlpack_device__(self) -> NoReturn:
        self._fetches("np.from_dlpack(await p)")

    def __reduce_ex__(self, protocol: Any) -> Any:
        self._fetches("pickle.dumps(await p)")

    def _fetches(self, instead: str) -> NoReturn:
        raise ImplicitFetch(f"this needs the value of {self._called()}, which is not here; write {instead}")


def _refuse_out(label: str, kwargs: Mapping[str, Any]) -> None:
    out = kwargs.get("out")
    if out is not None and not (isinstance(out, tuple) and all(part is None for part in out)):
        raise InPlaceRefused(
            f"{label}: a remote result can't be written into a given array; write y = {label}(…), "
            "and local = await y for a local one"
        )


def _unknown(label: str) -> UnknownOp:
    return UnknownOp(
        f"{label} is no op; `python -m fedsock.ops` lists them; write it with those, or await the value",
        op=label,
    )


def _subscript(name: str, key: Any) -> str:
    if isinstance(key, str):
        return "item"
    parts = key if isinstance(key, tuple) else (key,)
    for part in parts:
        kind = part.__class__
        if kind is bool or not (
            kind is int or kind is slice or part is None or part is Ellipsis or isinstance(part, np.integer)
        ):
            return f"{name}.array"
    return name


# --- the operators that all look alike ----------------------------------------------------------------------


def _unary(op: str) -> Callable[[Any], Any]:
    def operator(self: Any) -> Any:
        return self._apply(op, (self,), NO_KWARGS)

    return operator


def _binary(op: str) -> Callable[[Any, Any], Any]:
    def operator(self: Any, other: Any) -> Any:
        kind = other.__class__
        if kind is self.__class__ or kind in OPERANDS or self._takes(other):
            return self._apply(op, (self, other), NO_KWARGS)
        return NotImplemented

    return operator


def _reflected(op: str) -> Callable[[Any, Any], Any]:
    def operator(self: Any, other: Any) -> Any:
        if other.__class__ in OPERANDS or self._takes(other):
            return self._apply(op, (other, self), NO_KWARGS)
        return NotImplemented

    return operator


def _in_place(op: str) -> Callable[[Any, Any], Any]:
    def operator(self: Any, other: Any) -> Any:
        if other.__class__ in OPERANDS or self._takes(other):
            return self._update(op, (self, other))
        return NotImplemented

    return operator


def _method(name: str, is_property: bool) -> Any:
    if is_property:
        return property(lambda self: self._run(call_method(name, (self,), {})), doc=f"As numpy's ``{name}``, an op.")

    adapt, op, alone = METHODS[name].adapt, METHODS[name].op, (object(),)
    plain = adapt(alone, {}) == (alone, {})

    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        if plain and not args and not kwargs:
            return self._apply(op, (self,), NO_KWARGS)
        return self._run(call_method(name, (self, *args), kwargs))

    method.__name__ = name
    method.__qualname__ = f"Expression.{name}"
    method.__doc__ = f"Return what numpy's ``ndarray.{name}`` gives, as an op ({METHODS[name].op})."
    return method


def _refused(name: str, advice: str) -> Any:
    cls = ImplicitFetch if name in _FETCHERS else InPlaceRefused

    def method(self: Any, *args: Any, **kwargs: Any) -> NoReturn:
        raise cls(f"{self._called()} has no {name}: {advice}")

    method.__name__ = name
    method.__doc__ = f"Refused: {advice}"
    return property(method) if isinstance(getattr(np.ndarray, name, None), GetSetDescriptorType) else method


_REFLECTED = frozenset(
    {
        "add", "sub", "mul", "truediv", "floordiv", "mod", "divmod", "pow", "matmul", "and", "or", "xor",
        "lshift", "rshift",
    }
)  # fmt: skip
_UNARY = frozenset({"neg", "pos", "abs", "invert"})


def _furnish() -> None:
    """Give Expression its operators and the ndarray methods."""
    for word, op in OPERATORS.items():
        if word in _UNARY:
            setattr(Expression, f"__{word}__", _unary(op))
        elif op == word and word.startswith("i"):
            setattr(Expression, f"__{word}__", _in_place(op))
        else:
            setattr(Expression, f"__{word}__", _binary(op))
        if word in _REFLECTED:
            setattr(Expression, f"__r{word}__", _reflected(op))
    for name, method in METHODS.items():
        setattr(Expression, name, _method(name, method.is_property))
    for name, advice in REFUSED_METHODS.items():
        setattr(Expression, name, _refused(name, advice))


def _dtypes_of(values: tuple[Any, ...]) -> list[Any]:
    return [value.dtype if isinstance(value, Expression) else value for value in values]


def _can_cast(from_: Any, to: Any, casting: Any = "safe") -> bool:
    source, target = _dtypes_of((from_, to))
    return np.can_cast(source, target, casting)


def _complex(x: Any) -> bool:
    return bool(x.dtype.kind == "c")


LOCAL_FUNCTIONS: Mapping[Any, Callable[..., Any]] = {
    np.shape: lambda a: a.shape,
    np.ndim: lambda a: a.ndim,
    np.size: lambda a, axis=None: a.size if axis is None else a.shape[axis],
    np.result_type: lambda *values: np.result_type(*_dtypes_of(values)),
    np.can_cast: _can_cast,
    np.common_type: lambda *arrays: np.common_type(*(np.empty(0, array.dtype) for array in arrays)),
    np.iscomplexobj: _complex,
    np.isrealobj: lambda x: not _complex(x),
}
"""numpy functions that metadata answer, here and at once."""

_furnish()
