"""What a worker carries out itself is begun by it, and has no function in the table that could run elsewhere."""

from __future__ import annotations

import pytest

from fedsock.errors import FedsockError
from fedsock.ops import TABLE
from fedsock.ops.releases import RELEASE
from fedsock.policy.rules import Policy
from fedsock.worker.carriedout import CARRIED_OUT, beginnings
from fedsock.worker.plans import Plans


def test_each_but_releases_has_a_beginning() -> None:
    plans = Plans(1.0, lambda plan, user: None)
    assert set(beginnings("bob", Policy({}), {}, plans, 1.0, lambda entry, store: True)) | {RELEASE} == CARRIED_OUT


@pytest.mark.parametrize("name", sorted(CARRIED_OUT))
def test_the_tables_function_refuses(name: str) -> None:
    with pytest.raises(FedsockError):
        TABLE[name].function(1, epsilon="1")
