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

SESSION_PREFIX = "s-"
"""Names of sessions begin so and names of workers don't, so that neither can be taken for the other."""

ANY_NAME = "*"
"""Stands in a token file for every name of the line's role."""

_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,62}")
_FORM = "a line is `name role token`: a name or *, worker or session, and 16 to 512 printable characters"


class Grant(NamedTuple):
    """One line of a token file; the token itself isn't kept.

    Attributes:
        name: who may use it, or ``*``.
        role: as what.
        digest: SHA-256 of the token.
    """

    name: str
    role: str
    digest: bytes


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

        Args:
            path: of the file.

        Raises:
            ConfigError: it can't be read, holds no token, or has a malformed line; names file and line, and
                repeats nothing of the line.
        """
        try:
            lines = Path(path).read_text(encoding="utf-8").splitlines()
        except OSError as error:
            raise ConfigError(f"token file {path}: {error.strerror}") from error
        except UnicodeDecodeError:
            raise ConfigError(f"token file {path}: is not UTF-8 text") from None
        grants = tuple(
            _grant(line, f"token file {path}, line {number}")
            for number, line in enumerate(lines, start=1)
            if line.strip() and not line.lstrip().startswith("#")
        )
        if not grants:
            raise ConfigError(f"token file {path}: holds no token, so nobody could join; {_FORM}")
        return cls(grants)

    def __repr__(self) -> str:
        """Show how many tokens there are, and none of them."""
        return f"<{type(self).__name__} of {len(self._grants)} tokens>"

    def admits(self, name: str, role: str, token: str | None) -> bool:
        """Return whether a token lets a peer in; takes as long whatever the token is.

        Args:
            name: the peer's.
            role: worker or session.
            token: what it presented, or None.
        """
        digest = _digest(token or "")
        admitted = False
        for grant in self._grants:
            fits = grant.role == role and grant.name in (ANY_NAME, name)
            admitted |= hmac.compare_digest(grant.digest, digest) and fits
        return admitted


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
    if name != ANY_NAME and name.startswith(SESSION_PREFIX) != (role == "session"):
        raise ConfigError(f"{where}: names of sessions begin with {SESSION_PREFIX!r}, names of workers don't")
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
