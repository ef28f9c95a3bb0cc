"""A worker's state in a folder of its own, given back at the end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "bob.state"


@pytest.fixture
def held() -> Iterator[ExitStack]:
    """Hold the state that is open; closing it gives the lock back."""
    with ExitStack() as held:
        yield held
