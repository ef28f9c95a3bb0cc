"""FedProx tells its workers the proximal term's weight."""

from __future__ import annotations

import pytest

from fedsock.errors import ConfigError
from fedsock.federated import FedAvg, FedProx


def test_its_term() -> None:
    assert FedProx(mu=0.25).local() == {"proximal": 0.25}
    assert FedAvg().local() == {}
    for mu in (0, -1, float("inf"), True):
        with pytest.raises(ConfigError, match="mu"):
            FedProx(mu=mu)
