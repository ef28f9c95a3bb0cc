"""Who may come in: the token file, and what a hub without one may bind."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import re
from os import PathLike
from pathlib import Path
from typing import NamedTuple

from fedsock.errors import ConfigError
from fedsock.protocol.hubmessages import ANONYMOUS

SESSION_PREFIX = "s-"
"""Names of sessions begin so and names of workers don't, so that neither can be taken for the other."""

ANY_NAME = "*"
"""Stands in a token file for every name of the line's role; sessions that come so are anonymous's."""

_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,62}")
_FORM = "a line is `name role token`: a name or *, worker or session, and 16 to 512 printable characters"
_PREFIX_RULE = f"names of workers don't begin with {SESSION_PREFIX!r}, which is for names of sessions"


class Grant(NamedTuple):
    """One line of a token file; the token itself isn't kept.

    Attributes:
        name: of the worker, of the one session or of the user of any number of sessions who may use it; or ``*``.
        role: as what.
        digest: SHA-256 of the token.
    """

    name: str
    role: str
    digest: bytes

    @property
    def user(self) -> str:
        """Who whoever shows the token is."""
        return ANONYMOUS if self.name == ANY_NAME else self.name

    def covers(self, name: str, role: str) -> bool:
        """Return whether a peer may be called so."""
        # Sessions draw their names at random: whose they are, the token says.
        by_user = role == "session" and not self.name.startswith(SESSION_PREFIX)
        return role == self.role and (by_user or self.name in (ANY_NAME, name))


class Registry:
    """The tokens of a hub.

    Args:
        grants: the lines of its token file.
    """

    __slots__ = ("_grants",)

    def __init__(self, grants: tuple[Grant, ...]) -> None:
        self._grants = grants

    @classmethod
    def read(cls, path: str | PathLike[str]) -> Registry:
        """Read a token file: ``name role token`` a line; blank lines and lines that begin with # don't count.

        The name in a session's line is its user's, who may have several lines; with ``s-`` it is one session's name
        and a user of its own. Sessions of a line with ``*`` are all ``anonymous``'s.

        Args:
            path: of the file.

        Raises:
            ConfigError: it can't be read, holds no token, has a malformed line, or one token for two users; names
                file and line, and repeats nothing of the line.
        """
        try:
            lines = Path(path).read_text(encoding="utf-8").splitlines()
        except OSError as error:
            raise ConfigError(f"token file {path}: {error.strerror}") from error
        except UnicodeDecodeError:
            raise ConfigError(f"token file {path}: is not UTF-8 text") from None
        grants: list[Grant] = []
        users: dict[bytes, tuple[str, int]] = {}
        for number, line in enumerate(lines, start=1):
            if not line.strip() or line.lstrip().startswith("#"):
                continue
            where = f"token file {path}, line {number}"
            grant = _grant(line, where)
            if grant.role == "session":
                user, first = users.setdefault(grant.digest, (grant.user, number))
                if user != grant.user:
                    # Whoever has it could choose who to be.
                    raise ConfigError(f"{where}: the token of line {first}, for another user; give each a token")
            grants.append(grant)
        if not grants:
            raise ConfigError(f"token file {path}: holds no token, so nobody could join; {_FORM}")
        return cls(tuple(grants))

    def __repr__(self) -> str:
        """Show how many tokens there are, and none of them."""
        return f"<{type(self).__name__} of {len(self._grants)} tokens>"

    def user(self, name: str, role: str, token: str | None) -> str | None:
        """Return whose the token is that lets a peer in, or None if it doesn't; takes as long whatever the token is.

        Args:
            name: the peer's.
            role: worker or session.
            token: what it presented, or None.
        """
        digest = _digest(token or "")
        user = None
        for grant in self._grants:
            # Compared first, and always.
            if hmac.compare_digest(grant.digest, digest) and grant.covers(name, role):
                user = user or grant.user
        return user


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


def _grant(line: str, where: str) -> Grant:
    words = line.split()
    if len(words) != 3:
        raise ConfigError(f"{where}: has {len(words)} words; {_FORM}")
    name, role, token = words
    if name != ANY_NAME and not _NAME.fullmatch(name):
        raise ConfigError(f"{where}: the name must be * or 1 to 63 of a-z 0-9 _ . -; {_FORM}")
    if role not in ("worker", "session"):
        raise ConfigError(f"{where}: the role must be worker or session; {_FORM}")
    if role == "worker" and name.startswith(SESSION_PREFIX):
        raise ConfigError(f"{where}: {_PREFIX_RULE}")
    if not 16 <= len(token) <= 512 or not token.isprintable():
        raise ConfigError(f"{where}: the token is too short, too long or not printable; {_FORM}")
    return Grant(name, role, _digest(token))


def is_loopback(host: str) -> bool:
    """Return whether only this machine reaches an address: 127.0.0.0/8, ::1 or localhost.

    Args:
        host: an address or a name.
    """
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
