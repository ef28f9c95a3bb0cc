"""``bob.np``: numpy's names at a worker, looked up in the op table and nowhere else."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from fedsock.errors import UnknownOp
from fedsock.expression import NO_KWARGS
from fedsock.ops import NAMES, REFUSED_FUNCTIONS, TABLE, call_function
from fedsock.session.generator import RemoteGenerator
from fedsock.session.pointer import run

if TYPE_CHECKING:
    from fedsock.session.handle import WorkerHandle

_SPACES = {"": np, "linalg": np.linalg, "fft": np.fft, "random": np.random}
_UFUNC_METHODS = ("reduce", "accumulate", "outer", "reduceat")


def _functions(space: str) -> dict[str, Any]:
    """Return the functions of a numpy module that are ops, by their names there."""
    found: dict[str, Any] = {}
    for name, value in vars(_SPACES[space]).items():
        try:
            known = value in NAMES
        except TypeError:  # unhashable, so no function
            continue
        if known and not name.startswith("_"):
            found[name] = value
    return found


_FUNCTIONS: Mapping[str, Mapping[str, Any]] = {space: MappingProxyType(_functions(space)) for space in _SPACES}

_CONSTANTS: Mapping[str, Any] = MappingProxyType(
    {
        name: vars(np)[name]
        for name in (
            "pi", "e", "inf", "nan", "newaxis", "euler_gamma", "bool", "bool_", "int8", "int16", "int32",
            "int64", "uint8", "uint16", "uint32", "uint64", "float16", "float32", "float64", "complex64",
            "complex128", "str_", "datetime64", "timedelta64", "dtype", "finfo", "iinfo", "isdtype",
            "promote_types", "broadcast_shapes",
        )
        if name in vars(np)
    }
)  # fmt: skip
"""What numpy's names mean here as well: constants, dtypes, and what answers from dtypes alone."""


class RemoteFunction:
    """A numpy function that runs at a worker and gives a pointer."""

    __slots__ = ("__name__", "_function", "_handle", "_op")

    def __init__(self, handle: WorkerHandle, function: Any, op: str) -> None:
        self._handle = handle
        self._function = function
        self._op = op
        self.__name__ = op

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Return the pointer, or numpy's own tuple or list of pointers, that the op gives."""
        name, given, named = self._op, args, kwargs
        if self._function is not None:
            call = call_function(self._function, args, kwargs)
            if call is not None:
                name, given, named = call.name, tuple(call.args), call.kwargs
        result = run(self._handle.station, name, given, named or NO_KWARGS)
        return RemoteGenerator(result._record) if name == "random.default_rng" else result

    def __getattr__(self, name: str) -> RemoteFunction:
        if name in _UFUNC_METHODS and f"{self._op}.{name}" in TABLE:
            return RemoteFunction(self._handle, None, f"{self._op}.{name}")
        raise AttributeError(f"np.{self._op} has no {name} here")

    def __repr__(self) -> str:
        return f"<np.{self._op} at {self._handle.name}>"


class RemoteNumpy:
    """numpy's functions, constants and dtypes, as far as the op table has them."""

    __slots__ = ("_handle", "_space")

    def __init__(self, handle: WorkerHandle, space: str = "") -> None:
        self._handle = handle
        self._space = space

    def __getattr__(self, name: str) -> Any:
        function = _FUNCTIONS[self._space].get(name)
        if function is not None:
            return RemoteFunction(self._handle, function, NAMES[function])
        if not self._space:
            if name in _CONSTANTS:
                return _CONSTANTS[name]
            if name in _SPACES and name:
                return RemoteNumpy(self._handle, name)
        if name.startswith("_"):
            raise AttributeError(name)
        dotted = f"np.{self._space}.{name}" if self._space else f"np.{name}"
        raise UnknownOp(f"{dotted} is no op{_advice(getattr(_SPACES[self._space], name, None))}")

    def __dir__(self) -> list[str]:
        more = [] if self._space else [*_CONSTANTS, *(space for space in _SPACES if space)]
        return sorted([*_FUNCTIONS[self._space], *more])

    def __repr__(self) -> str:
        return f"<numpy{'.' * bool(self._space)}{self._space} at {self._handle.name}>"


def _advice(function: Any) -> str:
    """Return why a numpy function is no op and what to write instead, or where the ops are listed."""
    try:
        advice = REFUSED_FUNCTIONS.get(function)
    except TypeError:  # unhashable, so no function
        advice = None
    return f": {advice}" if advice else "; `python -m fedsock.ops` lists them"
