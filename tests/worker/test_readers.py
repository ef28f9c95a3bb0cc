"""The table of readers."""

from __future__ import annotations

import pytest

from fedsock.worker.readers import READERS


def test_the_kinds_of_files() -> None:
    assert sorted(READERS) == [".csv", ".npy", ".npz", ".parquet"]
    with pytest.raises(TypeError):
        READERS[".x"] = READERS[".npy"]  # type: ignore[index]
