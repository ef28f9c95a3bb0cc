"""Whose addresses are: an epoch is one life of one process, so nobody else is ever let in under its address."""

from __future__ import annotations

import hashlib
import hmac

REMEMBERED = 100_000
"""Addresses that are known. Who would have one forgotten needs as many sockets one after the other, which takes longer
than anybody sends to a peer that is away (``grace``)."""


class Lives:
    """Secret and user of each address that came in last, present or not."""

    __slots__ = ("_of",)

    def __init__(self) -> None:
        self._of: dict[str, tuple[bytes, str]] = {}

    def __len__(self) -> int:
        return len(self._of)

    def note(self, address: str, secret: str, user: str) -> None:
        """Remember whose an address is, and forget the one that was noted longest ago when there are too many.

        Args:
            address: ``name@epoch``.
            secret: its process's own.
            user: who it is by its token.
        """
        self._of.pop(address, None)
        self._of[address] = (_digest(secret), user)
        if len(self._of) > REMEMBERED:
            del self._of[next(iter(self._of))]

    def another(self, address: str, secret: str, user: str) -> bool:
        """Return whether an address is known to be somebody else's.

        Args:
            address: a newcomer's.
            secret: the newcomer's own.
            user: who it is by its token.
        """
        known = self._of.get(address)
        return known is not None and not (hmac.compare_digest(known[0], _digest(secret)) and known[1] == user)


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()
