"""Whose addresses are."""

from __future__ import annotations

import pytest

from fedsock.hub.lives import Lives


def test_an_address_is_one_secrets_and_one_users() -> None:
    lives = Lives()
    assert not lives.another("s-1@01", "secret", "ann")
    lives.note("s-1@01", "secret", "ann")
    assert not lives.another("s-1@01", "secret", "ann")
    assert lives.another("s-1@01", "other", "ann")
    assert lives.another("s-1@01", "secret", "eve")
    assert not lives.another("s-1@02", "other", "eve")


def test_the_last_ones_are_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fedsock.hub.lives.REMEMBERED", 2)
    lives = Lives()
    for address in ("a@1", "b@1", "a@1", "c@1"):
        lives.note(address, "secret", "ann")
    assert len(lives) == 2
    assert [lives.another(address, "other", "ann") for address in ("a@1", "b@1", "c@1")] == [True, False, True]
