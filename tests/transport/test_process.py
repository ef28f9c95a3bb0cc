from __future__ import annotations

import asyncio
import gc

import pytest

from fedsock.errors import ConfigError
from fedsock.transport import process


@pytest.fixture(autouse=True)
def unset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(process.LOOP_VARIABLE, raising=False)


def test_the_plain_loop_on_request(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(process.LOOP_VARIABLE, "asyncio")
    loop = process.new_event_loop()
    assert isinstance(loop, asyncio.SelectorEventLoop)
    loop.close()


def test_uvloop_where_it_is_installed() -> None:
    uvloop = pytest.importorskip("uvloop")
    loop = process.new_event_loop()
    assert isinstance(loop, uvloop.Loop)
    loop.close()


def test_without_uvloop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "uvloop", None)
    process.new_event_loop().close()
    monkeypatch.setenv(process.LOOP_VARIABLE, "uvloop")
    with pytest.raises(ConfigError, match="not installed"):
        process.new_event_loop()


def test_another_word_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(process.LOOP_VARIABLE, "trio")
    with pytest.raises(ConfigError, match="asyncio or uvloop"):
        process.new_event_loop()


def test_the_collector_is_calm() -> None:
    before = gc.get_threshold()
    try:
        process.calm_collector()
        assert gc.get_threshold()[0] == process.COLLECT_AFTER and gc.get_threshold()[1:] == before[1:]
        assert gc.get_freeze_count() > 0
    finally:
        gc.unfreeze()
        gc.set_threshold(*before)
