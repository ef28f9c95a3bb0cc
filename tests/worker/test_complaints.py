"""Suggestions and choices, as every complaint words them."""

from __future__ import annotations

import pytest

from fedsock.errors import ConfigError
from fedsock.worker.complaints import choose, suggestion


def test_a_near_word_is_suggested() -> None:
    assert suggestion("quota_byte", ["quota_bytes", "threads"]) == (
        "; did you mean 'quota_bytes'? (allowed: quota_bytes, threads)"
    )


def test_a_far_word_gets_the_list_alone() -> None:
    assert suggestion("zzz", ["b", "a"]) == " (allowed: a, b)"
    assert suggestion("zzz", []) == " (allowed: none)"


def test_choose_takes_all_or_those_named_in_their_order() -> None:
    assert choose((), ["a", "b", "c"], "no") == ["a", "b", "c"]
    assert choose(("c", "a"), ["a", "b", "c"], "no") == ["c", "a"]


def test_choose_refuses_what_is_not_there() -> None:
    with pytest.raises(ConfigError, match=r"x\.npz: no array 'pixel'; did you mean 'pixels'\?"):
        choose(("pixel",), ["pixels", "labels"], "x.npz: no array")
