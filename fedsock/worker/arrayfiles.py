"""Readers of numpy's own files, strict about headers that lie; nothing in them is ever unpickled."""

from __future__ import annotations

import math
import zipfile
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import IO

import numpy as np
from numpy.lib import format as npy

from fedsock.errors import ConfigError
from fedsock.typing import Array
from fedsock.worker.complaints import choose

_HEADERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
# Version 3.0 exists for structured dtypes with non-Latin field names only, which can't be held.


def read_npy(path: Path, only: tuple[str, ...] = ()) -> Mapping[str, Array]:
    """Return the one array of an ``.npy`` file, under the key "".

    Args:
        path: the file.
        only: must be empty: there are no keys to choose from.

    Raises:
        ConfigError: no such file, not an ``.npy`` file, a truncated one, Python objects in it, or
            ``only`` given.
    """
    if only:
        raise ConfigError(f"{path}: `only` chooses among several arrays, but an .npy file is one")
    try:
        with path.open("rb") as file:
            return {"": _read_array(file, path.stat().st_size, str(path))}
    except OSError as error:
        raise ConfigError(f"{path}: can't be read: {error.strerror}") from error


def read_npz(path: Path, only: tuple[str, ...] = ()) -> Mapping[str, Array]:
    """Return the arrays of an ``.npz`` file by their keys.

    Args:
        path: the file.
        only: keys to take; all if empty.

    Raises:
        ConfigError: no such file, not an ``.npz`` file, a damaged one, Python objects in it, or an
            unknown key.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
            arrays = {}
            for key in choose(only, members, f"{path}: no array"):
                with archive.open(members[key]) as file:
                    arrays[key] = _read_array(file, members[key].file_size, f"{path}: {key!r}")
    except OSError as error:
        raise ConfigError(f"{path}: can't be read: {error.strerror or error}") from error
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise ConfigError(f"{path}: not an .npz file, or a damaged one ({error}); write it with numpy.savez") from error
    if not arrays:
        raise ConfigError(f"{path}: holds no array")
    return arrays


def _read_array(file: IO[bytes], size: int, where: str) -> Array:
    """Return the array in a file of ``size`` bytes; allocates only what the file can fill."""
    try:
        version = npy.read_magic(file)
        if version not in _HEADERS:
            raise ConfigError(f"{where}: .npy format {version} holds structured dtypes; save plain arrays")
        shape, fortran_order, dtype = _HEADERS[version](file)
    except (OSError, ConfigError, zipfile.BadZipFile, zlib.error):
        raise
    except Exception as error:  # whatever numpy's parser, the tokenizer or ast raise on text that isn't a header
        raise ConfigError(f"{where}: not an array file ({_first_line(error)}); write it with numpy.save") from error
    if dtype.hasobject:
        raise ConfigError(
            f"{where}: holds pickled Python objects, which are never loaded; save numbers or fixed-width text"
        )
    if any(length < 0 for length in shape):
        raise ConfigError(f"{where}: its header announces the negative size {min(shape)}")
    expected, found = math.prod(shape) * dtype.itemsize, size - file.tell()
    if expected != found:
        what = "it is truncated" if expected > found else "it holds more than one array"
        raise ConfigError(f"{where}: its header announces {expected} bytes and {found} follow; {what}")
    try:
        memory = np.empty(expected, np.uint8)
    except (MemoryError, ValueError) as error:  # an archive that lies about its sizes, or this machine is too small
        raise ConfigError(f"{where}: there is no memory for its {expected} bytes") from error
    if _fill(file, memory) != expected:
        raise ConfigError(f"{where}: it is truncated")
    if dtype.kind == "b" and expected and int(memory.max()) > 1:
        raise ConfigError(f"{where}: holds bool bytes other than 0 and 1")
    return _shaped(memory, shape, fortran_order, dtype, where)


def _shaped(memory: Array, shape: Iterable[int], fortran_order: bool, dtype: np.dtype[np.generic], where: str) -> Array:
    sizes = tuple(shape)
    try:
        flat = memory.view(dtype) if memory.size else np.empty(math.prod(sizes), dtype)
        return flat.reshape(sizes, order="F" if fortran_order else "C")
    except (ValueError, MemoryError) as error:
        raise ConfigError(f"{where}: its header announces the impossible shape {sizes} ({error})") from error


def _fill(file: IO[bytes], memory: Array) -> int:
    """Read until the memory is full or the file ends; returns the number of bytes read."""
    view, done = memory.data, 0
    while done < len(view):
        got = file.readinto(view[done:])  # type: ignore[attr-defined]  # both kinds of file have it
        if not got:
            break
        done += got
    return done


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
