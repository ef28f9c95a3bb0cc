"""Who may come in: the token file, and where a hub without one may listen."""

from __future__ import annotations

import hmac
import ipaddress
import os
from dataclasses import dataclass
from pathlib import Path

from fedsock.errors import ConfigError

ROLES = ("worker", "session")


@dataclass(frozen=True, slots=True)
class Grant:
    """A line of a token file.

    Attributes:
        name: who it is for; ``*`` is any name.
        role: worker or session.
        token: the secret; not shown.
    """

    name: str
    role: str
    token: bytes

    def __repr__(self) -> str:
        """Return the grant without its token."""
        return f"Grant({self.name!r}, {self.role!r})"


def read_tokens(path: str | os.PathLike[str]) -> tuple[Grant, ...]:
    """Return the grants of a token file: a line each of name, role and token; ``#`` begins a comment.

    Raises:
        ConfigError: the file can't be read, or a line is no grant (named by its number, never by its content).
    """
    file = Path(path)
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"token file {file}: {getattr(error, 'strerror', None) or 'is not UTF-8 text'}") from None
    grants = []
    for number, line in enumerate(lines, 1):
        words = line.split("#", 1)[0].split()
        if not words:
            continue
        if len(words) != 3 or words[1] not in ROLES:
            raise ConfigError(f"token file {file}, line {number}: write `name role token`, role worker or session")
        grants.append(Grant(words[0], words[1], words[2].encode()))
    if not grants:
        raise ConfigError(f"token file {file}: holds no line `name role token`")
    return tuple(grants)


def permitted(grants: tuple[Grant, ...], name: str, role: str, token: str | None) -> bool:
    """Return whether a token lets a name in; looks at every line, each in constant time.

    Args:
        grants: of the token file.
        name: the peer's name.
        role: its role.
        token: what it presented.
    """
    presented = (token or "").encode()
    found = False
    for grant in grants:
        right = hmac.compare_digest(grant.token, presented)
        found |= right and grant.role == role and grant.name in ("*", name)
    return found


def check_host(host: str, *, tokens: bool) -> None:
    """Refuse to listen beyond this machine without tokens.

    Raises:
        ConfigError: says why.
    """
    if tokens or host == "localhost":
        return
    try:
        loopback = ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = False
    if not loopback:
        raise ConfigError(
            f"without a token file everybody who reaches {host} could join, so the hub listens on loopback only: "
            "give --token-file, or --host 127.0.0.1"
        )
