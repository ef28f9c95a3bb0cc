"""Values as the vectors in tests/vectors describe them: in plain JSON that says every type, read and written here.

Nothing of ``fedsock.protocol`` is used, but for the two classes that stand for what only the wire has.
"""

from __future__ import annotations

import struct
import sys
from typing import Any

import numpy as np

from fedsock.protocol.values import Reference, RemoteRecord


def describe(value: Any) -> dict[str, Any]:
    """Return the description of a value."""
    kind = type(value)
    if value is None:
        return {"type": "null"}
    if kind is bool or kind is str:
        return {"type": "bool" if kind is bool else "text", "value": value}
    if kind is int:
        return {"type": "int", "digits": str(value)}
    if kind is float:
        return {"type": "float", "bits": bits(value)}
    if kind is complex:
        return {"type": "complex", "real": bits(value.real), "imag": bits(value.imag)}
    if kind is list or kind is tuple:
        return {"type": kind.__name__, "items": [describe(part) for part in value]}
    if kind is dict:
        return {"type": "dict", "items": [[key, describe(part)] for key, part in value.items()]}
    if kind is slice:
        return {
            "type": "slice",
            "start": describe(value.start),
            "stop": describe(value.stop),
            "step": describe(value.step),
        }
    if value is Ellipsis:
        return {"type": "ellipsis"}
    if kind is Reference:
        return {"type": "reference", "id": value.id}
    if kind is RemoteRecord:
        return {"type": "pointer", "worker": value.worker, "epoch": value.epoch, "id": value.id}
    return of_numpy(value)


def of_numpy(value: Any) -> dict[str, Any]:
    """Return the description of a dtype, a numpy scalar or an array."""
    if isinstance(value, np.dtype):
        return {"type": "dtype", "dtype": name_of(value)}
    assert isinstance(value, np.generic | np.ndarray), type(value)
    array = np.asarray(value)  # its dtype, not the scalar's: an empty text is U0, its array U1
    data = array if sys.byteorder == "little" else array.astype(array.dtype.newbyteorder("<"))
    kind = {"type": "scalar"} if isinstance(value, np.generic) else {"type": "array", "shape": list(array.shape)}
    return {**kind, "dtype": name_of(array.dtype), "hex": data.tobytes().hex()}


def name_of(dtype: np.dtype[Any]) -> str:
    return f"U{dtype.itemsize // 4}" if dtype.kind == "U" else dtype.name


def bits(number: float) -> str:
    """Return the 64 bits of a float in hexadecimal, its sign first."""
    return struct.pack(">d", number).hex()


def number(text: str) -> float:
    """Return the float that has these bits."""
    return float(struct.unpack(">d", bytes.fromhex(text))[0])


def build(told: dict[str, Any]) -> Any:
    """Return the value that a description tells of."""
    kind = told["type"]
    if kind == "null":
        return None
    if kind in ("bool", "text"):
        return told["value"]
    if kind == "int":
        return int(told["digits"])
    if kind == "float":
        return number(told["bits"])
    if kind == "complex":
        return complex(number(told["real"]), number(told["imag"]))
    if kind in ("list", "tuple"):
        parts = [build(part) for part in told["items"]]
        return parts if kind == "list" else tuple(parts)
    if kind == "dict":
        return {key: build(part) for key, part in told["items"]}
    if kind == "slice":
        return slice(build(told["start"]), build(told["stop"]), build(told["step"]))
    if kind == "ellipsis":
        return ...
    if kind == "reference":
        return Reference(told["id"])
    if kind == "pointer":
        return RemoteRecord(told["worker"], told["epoch"], told["id"])
    return to_numpy(told)


def to_numpy(told: dict[str, Any]) -> Any:
    """Return the dtype, numpy scalar or array that a description tells of."""
    dtype = np.dtype(told["dtype"])
    if told["type"] == "dtype":
        return dtype
    shape = () if told["type"] == "scalar" else tuple(told["shape"])
    data = bytearray.fromhex(told["hex"])
    array = np.ndarray(shape, dtype.newbyteorder("<"), buffer=data or None)
    array = array if array.dtype.isnative else array.astype(dtype)
    return array[()] if told["type"] == "scalar" else array
