"""A random generator at a worker: a draw is one op that gives what was drawn and the advanced generator."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NoReturn

import numpy as np

from fedsock.errors import ImplicitFetch
from fedsock.ops import TABLE, leaves, template_of
from fedsock.session.pointer import Pointer, shape_of
from fedsock.session.records import Holder, Record

_PREFIX = "random.Generator."


class RemoteGenerator(Holder):
    """What ``bob.np.random.default_rng(seed)`` gives: numpy's Generator with its draws at the worker.

    After a draw the object stands for the advanced generator, so draws follow one another as numpy's do.
    """

    __slots__ = ()

    def __init__(self, record: Record) -> None:
        self._record = record

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name.startswith("_") or _PREFIX + name not in TABLE:
            raise AttributeError(f"a remote generator has no {name}; it has {', '.join(dir(self))}")
        return lambda *args, **kwargs: self._draw(name, args, kwargs)

    def __dir__(self) -> list[str]:
        return sorted(name.removeprefix(_PREFIX) for name in TABLE if name.startswith(_PREFIX))

    def _draw(self, name: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        row = TABLE[_PREFIX + name]
        given = {key: np.dtype(value) if isinstance(value, type) else value for key, value in kwargs.items()}
        template = template_of(row, (self, *args), given, shape_of)
        station = self._record.station
        *drawn, self._record = station.ops(row.name, (self, *args), given, leaves(template))
        if isinstance(template[0], (list, tuple)):
            return [RemoteGenerator(record) for record in drawn]
        return Pointer(drawn[0])

    async def wait(self) -> RemoteGenerator:
        """Return the generator once it is there; cancelling ends this wait only.

        Raises:
            OpFailed, WorkerLost: there is none.
        """
        await self._record.settled()
        return self

    def release(self) -> None:
        """Free it at the worker."""
        self._record.free()

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        raise ImplicitFetch("a generator stays at its worker; send what it draws")

    def __repr__(self) -> str:
        return f"<RemoteGenerator at {self._record.home.name}, id {self._record.id}>"
