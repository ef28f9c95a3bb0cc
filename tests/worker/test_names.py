from __future__ import annotations

import pytest

from fedsock.hub import registry
from fedsock.protocol.frames import address
from fedsock.worker.names import SESSION_PREFIX, worker_name_fault


@pytest.mark.parametrize("name", ["b", "bob", "9", "a.b_c-d", "s", "sbob", "b" * 63])
def test_what_is_a_name(name: str) -> None:
    assert worker_name_fault(name) is None
    assert address(name, "aaaa")


@pytest.mark.parametrize("name", ["", "Bob", "bob!", "-b", "b" * 64, "bob\n", "s-bob", "bób", None, 7])
def test_what_is_none_is_told_what_is(name: object) -> None:
    fault = worker_name_fault(name)
    assert fault is not None and "1 to 63 of a-z 0-9 _ . -" in fault and "'s-'" in fault


def test_the_hub_means_the_same_sessions() -> None:
    assert SESSION_PREFIX == registry.SESSION_PREFIX
