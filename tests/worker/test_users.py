"""Whose sessions are, before they hold anything."""

from __future__ import annotations

import pytest

from fedsock.worker import users
from fedsock.worker.users import Users


def test_a_user_is_taken_once() -> None:
    known = Users()
    known.note("s-1@0001", "ann")
    known.note("s-2@0001", "ben")
    assert [known.take(f"s-{number}@0001") for number in (1, 1, 2, 3)] == ["ann", "", "ben", ""]
    assert len(known) == 0


def test_the_last_word_counts() -> None:
    known = Users()
    known.note("s-1@0001", "ann")
    known.note("s-1@0001", "ben")
    known.note("s-2@0001", "ann")
    known.note("s-2@0001", "")
    assert (known.take("s-1@0001"), known.take("s-2@0001"), len(known)) == ("ben", "", 0)


def test_who_was_introduced_longest_ago_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(users, "REMEMBERED", 2)
    known = Users()
    for number in (1, 2, 1, 3):
        known.note(f"s-{number}@0001", "ann")
    assert len(known) == 2
    assert [known.take(f"s-{number}@0001") for number in (1, 2, 3)] == ["ann", "", "ann"]
