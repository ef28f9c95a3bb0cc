"""TransportClosed says code and reason."""

from __future__ import annotations

import pytest

from fedsock.transport.base import Transport, TransportClosed


def test_transport_closed_carries_code_and_reason() -> None:
    closed = TransportClosed(1009, "too big")
    assert (closed.code, closed.reason, str(closed)) == (1009, "too big", "closed with code 1009: too big")
    assert str(TransportClosed()) == "closed with code 1006"


def test_a_transport_must_have_all_four() -> None:
    with pytest.raises(TypeError, match="abstract"):
        Transport()  # type: ignore[abstract]
