"""Arrays on the wire: names of dtypes, headers, inline bytes, and the buffers that streams fill.

A header is ``{"dtype": name, "shape": [n, ...]}`` with ``"data"`` (base64 of the C-ordered, little-endian bytes) for
a small array or ``"stream"`` (the number of the stream that carries the bytes) for a large one. Names are numpy's
own: ``float64``, ``U12`` (12 characters), ``datetime64[ns]``. Every header is checked before anything is allocated.
"""

from __future__ import annotations

import binascii
import errno
import math
import mmap
import re
import sys
from functools import lru_cache
from typing import Any

import numpy as np

from fedsock.errors import BadMessage, UnsupportedValue
from fedsock.typing import Array

INLINE_BYTES = 4096
"""Arrays of more bytes travel as a stream: base64 costs a third more bytes and a copy at each end."""

MAX_DIMS = 64
"""numpy's own limit on the number of axes."""

HUGE_BYTES = 4 << 20
"""Arrays of at least this come in pages of 2 MiB: to touch small pages first costs more than to copy."""

MAX_BYTES = 2**47
"""No machine holds more; keeps every size within what numpy can address."""

MAX_EMPTY_TEXTS = 2**20
"""Elements of an array whose elements have no bytes."""

_NUMBERS: dict[str, np.dtype[Any]] = {
    name: np.dtype(name)
    for name in (
        "bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64",
        "float16", "float32", "float64", "complex64", "complex128",
    )
}  # fmt: skip
_KINDS = frozenset("biufcUmM")
_TEXT = re.compile(r"U(0|[1-9][0-9]{0,8})\Z")
_DATE = re.compile(r"(datetime64|timedelta64)(\[([1-9][0-9]{0,5})?(Y|M|W|D|h|m|s|ms|us|ns|ps|fs|as)\])?\Z")


@lru_cache(maxsize=256)
def dtype_name(dtype: np.dtype[Any]) -> str:
    """Return a dtype's name on the wire (byte order is left out: the wire is little-endian).

    Raises:
        UnsupportedValue: a dtype that doesn't travel (object, structured, bytes, long double, …).
    """
    if dtype.kind not in _KINDS or dtype.subdtype is not None:
        raise UnsupportedValue(f"dtype {dtype} can't travel; use numbers, fixed-width str, datetime64 or timedelta64")
    if dtype.kind == "U":
        return f"U{dtype.itemsize // 4}"
    name = dtype.name
    if dtype.kind in "biufc" and name not in _NUMBERS:
        raise UnsupportedValue(f"dtype {dtype} can't travel; use float64 or complex128")
    if dtype.kind in "mM" and not _DATE.match(name):
        raise UnsupportedValue(f"dtype {dtype} can't travel; its step is too large")
    return name


def dtype_named(name: object) -> np.dtype[Any]:
    """Return the dtype that a name on the wire means; never ``np.dtype`` of any text that a peer likes.

    Raises:
        BadMessage: no such name.
    """
    if isinstance(name, str):
        found = _NUMBERS.get(name)
        if found is not None:
            return found
        if _TEXT.match(name) or _DATE.match(name):
            try:
                return np.dtype(name)
            except TypeError:  # more characters than numpy can count
                raise BadMessage("a text wider than any numpy holds") from None
    raise BadMessage("not a dtype name")


def portable(array: Array) -> Array:
    """Return an array's C-ordered, little-endian form (itself where it has that already).

    Args:
        array: any shape; a dtype that travels.
    """
    dtype_name(array.dtype)
    if array.dtype.byteorder == ">" or (array.dtype.byteorder == "=" and sys.byteorder == "big"):
        array = array.astype(array.dtype.newbyteorder("<"))
    return array if array.flags.c_contiguous else np.array(array, order="C", copy=True)


def raw(array: Array) -> memoryview:
    """Return the bytes of a portable array, without a copy.

    Args:
        array: what ``portable`` gave.
    """
    if array.nbytes == 0:
        return memoryview(b"")
    return array.reshape(-1).view(np.uint8).data.cast("B")


def header(array: Array) -> dict[str, Any]:
    """Return the header of an array, without its bytes."""
    return {"dtype": dtype_name(array.dtype), "shape": list(array.shape)}


def read_header(dtype: object, shape: object) -> tuple[np.dtype[Any], tuple[int, ...], int]:
    """Return dtype, shape and number of bytes that a header announces.

    Raises:
        BadMessage: an unknown dtype, a shape that is no list of sizes, or sizes that overflow.
    """
    found = dtype_named(dtype)
    if not isinstance(shape, list) or len(shape) > MAX_DIMS:
        raise BadMessage("a shape is a list of at most 64 sizes")
    for size in shape:
        if type(size) is not int or size < 0:
            raise BadMessage("a size in a shape is a non-negative integer")
    # Sizes multiply as Python integers (numpy's would wrap), zeros left out (numpy refuses 0 x 2**62 as well).
    if math.prod(size for size in shape if size) * max(found.itemsize, 1) > MAX_BYTES:
        raise BadMessage("an array larger than any memory")
    if not found.itemsize and math.prod(shape) > MAX_EMPTY_TEXTS:
        raise BadMessage(f"more than {MAX_EMPTY_TEXTS} texts of no length: they cost nothing to send, but time to use")
    return found, tuple(shape), math.prod(shape) * found.itemsize


def inline(array: Array) -> str:
    """Return the base64 of a portable array's bytes."""
    return binascii.b2a_base64(array.tobytes(), newline=False).decode("ascii")


def from_inline(dtype: object, shape: object, data: object) -> Array:
    """Return the array that a header with inline bytes describes; it owns its memory.

    Raises:
        BadMessage: the header is wrong, or its bytes are not base64 of just the bytes it announces.
    """
    found, sizes, nbytes = read_header(dtype, shape)
    if not isinstance(data, str):
        raise BadMessage("inline bytes are a base64 text")
    try:
        decoded = binascii.a2b_base64(data, strict_mode=True) if data else b""
    except (binascii.Error, ValueError):
        raise BadMessage("inline bytes are not base64") from None
    if len(decoded) != nbytes:
        raise BadMessage(f"an array of {nbytes} bytes came with {len(decoded)}")
    if not found.itemsize:  # U0, which frombuffer refuses
        return np.ndarray(sizes, dtype=found)
    array = native(np.frombuffer(bytearray(decoded), dtype=found.newbyteorder("<")).reshape(sizes))
    _check_content(array)
    return array


def _check_content(array: Array) -> None:
    # numpy trusts these bytes: it fails with SystemError on beyond-Unicode text, and miscounts bools but 0 and 1.
    if array.dtype.kind == "U":
        wrong = bool((array.reshape(-1).view(np.uint32) > sys.maxunicode).any())
    else:
        wrong = array.dtype.kind == "b" and bool((array.view(np.uint8) > 1).any())
    if wrong:
        raise BadMessage("bytes that are no text, or no bool")


def native(array: Array) -> Array:
    """Return an array in the machine's own byte order."""
    return array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))


def blank(dtype: np.dtype[Any], shape: tuple[int, ...]) -> Array:
    """Return a new array of zeros; a large one in huge pages, which are touched five times faster where there are any.

    Args:
        dtype: one that travels.
        shape: sizes, as ``read_header`` gave them.

    Raises:
        MemoryError: the machine has no such memory.
    """
    nbytes = math.prod(shape) * dtype.itemsize
    if nbytes < HUGE_BYTES or not hasattr(mmap, "MADV_HUGEPAGE"):
        return np.zeros(shape, dtype=dtype)
    try:
        memory = mmap.mmap(-1, nbytes, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        memory.madvise(mmap.MADV_HUGEPAGE)
    except OSError as error:
        if error.errno == errno.ENOMEM:
            raise MemoryError(f"no memory for an array of {nbytes} bytes") from error
        return np.zeros(shape, dtype=dtype)
    return np.ndarray(shape, dtype, buffer=memory)


class Incoming:
    """An array that a stream fills, allocated once.

    Attributes:
        array: the array; its bytes are zero where nothing arrived yet.
        complete: every byte is there.
    """

    __slots__ = ("_buffer", "_filled", "array", "complete")

    def __init__(self, dtype: np.dtype[Any], shape: tuple[int, ...]) -> None:
        self.array = blank(dtype, shape)
        self._buffer = raw(self.array)
        self._filled = 0
        self.complete = self._filled == len(self._buffer)

    def write(self, at: int, data: memoryview) -> None:
        """Take the next chunk.

        Args:
            at: where it belongs, in bytes from the start.
            data: its bytes.

        Raises:
            BadMessage: it isn't the next one, is empty, goes beyond the end, or completes what is no text or bool.
        """
        end = at + len(data)
        if at != self._filled or end > len(self._buffer) or not len(data):
            raise BadMessage("a chunk that doesn't fit its stream")
        self._buffer[at:end] = data
        self._filled = end
        if end == len(self._buffer):
            _check_content(self.array)
            self.complete = True
