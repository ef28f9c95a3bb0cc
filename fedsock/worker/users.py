"""Whose sessions peers are, from the hub's word until they have a store of their own."""

from __future__ import annotations

from collections import OrderedDict

REMEMBERED = 1_000
"""Sessions without a store whose users are known. A session's first frame follows the hub's word at once; of one that
was forgotten, the hub says it again when a link begins."""


class Users:
    """The users of the sessions that were introduced last and hold nothing."""

    __slots__ = ("_of",)

    def __init__(self) -> None:
        self._of: OrderedDict[str, str] = OrderedDict()

    def __len__(self) -> int:
        return len(self._of)

    def note(self, address: str, user: str) -> None:
        """Remember a session's user, and forget who was introduced longest ago when there are too many.

        Args:
            address: the session's.
            user: the user's name, or "" for none.
        """
        self._of.pop(address, None)
        if user:
            self._of[address] = user
            if len(self._of) > REMEMBERED:
                self._of.popitem(last=False)

    def take(self, address: str) -> str:
        """Return a session's user and forget it; "" when nobody introduced it.

        Args:
            address: the session's.
        """
        return self._of.pop(address, "")
