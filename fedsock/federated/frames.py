"""Data frames of what a fit told; polars is loaded when one is asked for."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any

from fedsock.errors import ConfigError


def frame(rows: Sequence[dict[str, Any]]) -> Any:
    """Return a polars data frame; what a row has no value for is null.

    Args:
        rows: column -> value.

    Raises:
        ConfigError: polars is not installed.
    """
    try:
        polars = importlib.import_module("polars")
    except ImportError as error:
        raise ConfigError("a data frame needs polars: pip install 'fedsock[tables]'") from error
    return polars.DataFrame(list(rows), infer_schema_length=None)
