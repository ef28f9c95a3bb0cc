"""The kinds of files that a data set may be: one reader a suffix (only a worker's command imports this)."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from fedsock.worker.arrayfiles import read_npy, read_npz
from fedsock.worker.datasets import Reader
from fedsock.worker.tables import read_csv, read_parquet

READERS: Mapping[str, Reader] = MappingProxyType(
    {".csv": read_csv, ".npy": read_npy, ".npz": read_npz, ".parquet": read_parquet}
)
"""File suffix in lower case -> reader."""
