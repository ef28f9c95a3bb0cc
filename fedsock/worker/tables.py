"""Readers of tables: each column becomes an array (needs the extra ``tables``, which is polars)."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from fedsock.errors import ConfigError
from fedsock.typing import Array
from fedsock.worker.complaints import choose

try:
    import polars as pl
    from polars.exceptions import PolarsError
except ImportError:  # the extra isn't installed; said when a table is to be read
    pl = None  # type: ignore[assignment]
    PolarsError = OSError  # type: ignore[misc,assignment]


def read_csv(path: Path, only: tuple[str, ...] = ()) -> Mapping[str, Array]:
    """Return the columns of a ``.csv`` file with a header line: UTF-8, comma separated.

    Types come from the whole file: integers int64, decimals float64 (a missing one is NaN), true/false bool,
    ISO dates datetime64, everything else fixed-width text.

    Args:
        path: the file.
        only: columns to take; all if empty.

    Raises:
        ConfigError: no such file, not a table, an unknown or unnamed column, or one that can't become
            an array; names the column.
    """
    _need_polars(path)
    _check_header(path, only)
    return _columns(path, only, lambda: pl.read_csv(path, try_parse_dates=True, infer_schema_length=None))


def read_parquet(path: Path, only: tuple[str, ...] = ()) -> Mapping[str, Array]:
    """Return the columns of a ``.parquet`` file.

    Args:
        path: the file.
        only: columns to take; all if empty.

    Raises:
        ConfigError: no such file, not a Parquet file, an unknown column, or one that can't become an array;
            names it.
    """
    _need_polars(path)
    return _columns(path, only, lambda: pl.read_parquet(path))


def _need_polars(path: Path) -> None:
    if pl is None:
        raise ConfigError(f"{path}: reading tables needs polars; install it with: pip install 'fedsock[tables]'")


def _check_header(path: Path, only: tuple[str, ...]) -> None:
    """Refuse what polars would rename without a word: columns of one name, columns of none."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            header = next(csv.reader(file), [])
    except OSError as error:
        raise ConfigError(f"{path}: can't be read: {error.strerror}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise ConfigError(f"{path}: not a UTF-8 .csv file ({error})") from error
    if not header:
        raise ConfigError(f"{path}: is empty; its first line must name the columns")
    twice = sorted(name for name, count in Counter(header).items() if count > 1 and name)
    if twice:
        raise ConfigError(f"{path}: several columns are called {twice[0]!r}; rename them")
    if "" in header and not only:
        position = header.index("") + 1
        raise ConfigError(f"{path}: column {position} has no name; name it, or list the columns to take with `only`")


def _columns(path: Path, only: tuple[str, ...], read: Callable[[], pl.DataFrame]) -> Mapping[str, Array]:
    try:
        table = read()
    except OSError as error:
        raise ConfigError(f"{path}: can't be read: {error.strerror or error}") from error
    except (PolarsError, MemoryError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ConfigError(f"{path}: not a {path.suffix} table, or a damaged one ({reason})") from error
    return {
        name: _array(table[name], f"{path}: column {name!r}")
        for name in choose(only, table.columns, f"{path}: no column")
    }


def _array(column: pl.Series, where: str) -> Array:
    dtype = column.dtype
    if isinstance(dtype, pl.Decimal):
        column = column.cast(pl.Float64)
    elif isinstance(dtype, (pl.Categorical, pl.Enum)):
        column = column.cast(pl.String)
    elif dtype == pl.Time:
        column = column.cast(pl.Duration("ns"))
    elif not (dtype.is_temporal() or dtype in (pl.Boolean, pl.String) or _is_number(dtype)):
        hint = "leave it out with `only`, or save it as numbers, text or dates"
        raise ConfigError(f"{where}: {dtype} can't become an array; {hint}")
    missing = column.null_count()
    if missing and not column.dtype.is_float():
        row = int(column.is_null().arg_max() or 0) + 1
        hint = "fill them in, leave the column out with `only`, or store it as decimals, where they become NaN"
        raise ConfigError(f"{where} ({column.dtype}): {missing} values are missing, the first in row {row}; {hint}")
    if column.dtype == pl.String:
        return np.array(column.to_list(), dtype=np.str_)
    made: np.ndarray[Any, np.dtype[Any]] = column.to_numpy()
    return np.array(made, order="C", copy=True)


def _is_number(dtype: pl.DataType) -> bool:
    return dtype.is_float() or (
        dtype.is_integer() and dtype not in (getattr(pl, "Int128", None), getattr(pl, "UInt128", None))
    )
