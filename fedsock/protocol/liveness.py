"""How long a link waits for its peer and its hub (floor 1, no I/O, time is an argument)."""

from __future__ import annotations

from typing import Literal

GRACE = 30.0
"""Seconds that a peer may be absent; the clock stands still while the own socket is down."""

HUB_PATIENCE = 300.0
"""Seconds that the own socket may be down."""


class Liveness:
    """Whether the own socket is up and the peer present, and since when not.

    Attributes:
        up: the own socket to the hub is up.
        present: the hub has not said that the peer is absent.
    """

    __slots__ = ("_absent_before", "_since", "present", "up")

    def __init__(self, now: float) -> None:
        """Begin with the socket down, and the peer taken as present.

        Args:
            now: seconds.
        """
        self.up = False
        self.present = True
        # Since when the socket is down or, while it is up, since when the peer is absent.
        self._since = now
        # Seconds of absence before the socket last came up.
        self._absent_before = 0.0

    def socket_up(self, now: float) -> None:
        """Note that the socket is up; an absence goes on from where the clock stood."""
        self._stop_clock(now)
        self.up = True
        self._since = now

    def socket_down(self, now: float) -> None:
        """Note that the socket is down; the clock of an absence stands still."""
        if self.up:
            self._stop_clock(now)
            self.up = False
            self._since = now

    def peer_present(self) -> None:
        """Note that the peer is there."""
        self.present = True
        self._absent_before = 0.0

    def peer_absent(self, now: float) -> None:
        """Note that the peer isn't there; saying so twice doesn't start its clock again."""
        if self.present:
            self.present = False
            if self.up:
                self._since = now

    @property
    def deadline(self) -> float | None:
        """When the wait is over, seconds; None while nobody is waited for."""
        if not self.up:
            return self._since + HUB_PATIENCE
        if not self.present:
            return self._since + (GRACE - self._absent_before)
        return None

    def overdue(self, now: float) -> Literal["hub_lost", "lost"] | None:
        """Return why the link ends, if it waited long enough.

        Args:
            now: seconds.
        """
        deadline = self.deadline
        if deadline is None or now < deadline:
            return None
        return "lost" if self.up else "hub_lost"

    def _stop_clock(self, now: float) -> None:
        if self.up and not self.present:
            self._absent_before += now - self._since
