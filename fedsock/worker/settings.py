"""A TOML table read key by key: every key is checked, and what nobody asked for is refused.

A complaint names the file, the key's dotted path and what is allowed.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, overload

from fedsock.errors import ConfigError
from fedsock.worker.complaints import suggestion

_KINDS: dict[type, str] = {
    str: "text",
    int: "a whole number",
    bool: "true or false",
    list: "a list",
    dict: "a table",
}
_TOML_KINDS = {
    "str": "text", "int": "a whole number", "float": "a decimal", "bool": "true or false", "list": "a list",
    "dict": "a table", "datetime": "a date", "date": "a date", "time": "a time",
}  # fmt: skip


class Settings:
    """One table of a TOML file, of which every key has to be asked for.

    Args:
        values: what the file holds.
        source: the file, or what else to name in complaints.
        path: the table's dotted path; "" for the whole file.
    """

    def __init__(self, values: Mapping[str, Any], source: Path | str, path: str = "") -> None:
        self._values = values
        self._asked: set[str] = set()
        self.source = source
        self.path = path

    @property
    def given(self) -> bool:
        """Whether there is anything in this table."""
        return bool(self._values)

    def complaint(self, key: str, text: str) -> ConfigError:
        """Return the error for a key of this table.

        Args:
            key: the key; "" for the table itself.
            text: what is wrong, and what is allowed.
        """
        return ConfigError(f"{self.source}: {self.at(key)}: {text}")

    def at(self, key: str) -> str:
        """Return the dotted path of a key of this table; quoted where TOML would want it so."""
        shown = key if key.replace("-", "_").isidentifier() or key.isdigit() else f'"{key}"'
        return ".".join(part for part in (self.path, shown if key else "") if part)

    @overload
    def text(self, key: str, default: str, *, limit: int = ...) -> str: ...
    @overload
    def text(self, key: str, default: None = ..., *, limit: int = ...) -> str | None: ...
    def text(self, key: str, default: str | None = None, *, limit: int = 2_000) -> str | None:
        """Return a text.

        Args:
            key: the key.
            default: where the key is absent.
            limit: characters at most.

        Raises:
            ConfigError: not a text, or an empty or longer one.
        """
        value: str | None = self._get(key, str)
        if value is None:
            return default
        if not value or len(value) > limit:
            raise self.complaint(key, f"expected text of 1 to {limit} characters, not {len(value)}")
        return value

    def integer(self, key: str, default: int, *, low: int, high: int) -> int:
        """Return a whole number.

        Raises:
            ConfigError: not a whole number from ``low`` to ``high``.
        """
        value: int | None = self._get(key, int)
        if value is None:
            return default
        if not low <= value <= high:
            raise self.complaint(key, f"expected a whole number from {low} to {high}, not {value}")
        return value

    def flag(self, key: str, default: bool) -> bool:
        """Return true or false.

        Raises:
            ConfigError: neither.
        """
        value: bool | None = self._get(key, bool)
        return default if value is None else value

    def decimal(self, key: str) -> Decimal | None:
        """Return a number as it was written; None where the key is absent.

        Raises:
            ConfigError: not a number.
        """
        value = self.anything(key)
        if value is None:
            return None
        if type(value) not in (int, float) or not math.isfinite(value):
            raise self.complaint(key, f"expected a number, not {_kind(value)} ({value!r})")
        return Decimal(repr(value))

    def anything(self, key: str) -> Any:
        """Return a value of any kind, for the caller to check; None where the key is absent."""
        self._asked.add(key)
        return self._values.get(key)

    def texts(self, key: str) -> tuple[str, ...]:
        """Return a list of texts, each once; empty where the key is absent.

        Raises:
            ConfigError: not a list, or something else in it.
        """
        for item in (values := self._get(key, list) or []):
            if not isinstance(item, str):
                raise self.complaint(key, f"expected a list of texts; {item!r} is {_kind(item)}")
        return tuple(dict.fromkeys(values))

    def file(self, key: str) -> Path | None:
        """Return the path of a file that exists, or None where the key is absent.

        A relative path starts at the TOML file's folder.

        Raises:
            ConfigError: not a text, or no such file.
        """
        value = self.text(key, limit=4_096)
        if value is None:
            return None
        path = Path(self.source).parent / value
        if not is_file(path):
            what = "that is a folder" if folder_fault(path) is None and path.exists() else "there is no such file"
            hint = "a relative path starts at the TOML file's folder"
            raise self.complaint(key, f"{value!r}: {what} (looked for {path}; {hint})")
        return path

    def folder(self, key: str) -> Path | None:
        """Return the path of a folder that exists or may be made, or None where the key is absent.

        A relative path starts at the TOML file's folder.

        Raises:
            ConfigError: not a text, or something else is there.
        """
        value = self.text(key, limit=4_096)
        if value is None:
            return None
        path = Path(self.source).parent / value
        if fault := folder_fault(path):
            raise self.complaint(key, f"{value!r}: {path} {fault}")
        return path

    def table(self, key: str) -> Settings:
        """Return a table; an empty one where the key is absent.

        Raises:
            ConfigError: not a table.
        """
        return Settings(self._get(key, dict) or {}, self.source, self.at(key))

    def tables(self) -> dict[str, Settings]:
        """Return every entry of this table by its key, each of which must be a table itself.

        Raises:
            ConfigError: one is not.
        """
        return {key: self.table(key) for key in self._values}

    def finish(self) -> None:
        """Refuse keys that nobody asked for.

        Raises:
            ConfigError: there are some; names the first, and the key that was probably meant.
        """
        for key in self._values:
            if key not in self._asked:
                raise self.complaint(key, f"unknown key{suggestion(key, self._asked)}")

    def _get(self, key: str, kind: type) -> Any:
        self._asked.add(key)
        value = self._values.get(key)
        # Exactly the type: bool is an int to Python, but not to an owner.
        if value is not None and type(value) is not kind:
            raise self.complaint(key, f"expected {_KINDS[kind]}, not {_kind(value)} ({value!r})")
        return value


def folder_fault(path: Path) -> str | None:
    """Return why a path can't be a folder's; None when it is one, or nothing is there."""
    if "\0" in str(path):
        return "can't be a path (it has a zero byte)"
    try:
        return "is no folder" if path.exists() and not path.is_dir() else None
    except OSError as error:
        return f"can't be a path ({error.strerror})"


def is_file(path: Path) -> bool:
    """Return whether there is a file at a path, whatever it is that can't be one."""
    try:
        return path.is_file()
    except OSError:  # a name too long
        return False


def read_settings(path: Path) -> Settings:
    """Return the settings in a TOML file.

    Raises:
        ConfigError: no such file, or not TOML; says where.
    """
    try:
        with path.open("rb") as file:
            return Settings(tomllib.load(file), path)
    except OSError as error:
        raise ConfigError(f"{path}: can't be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: is not UTF-8 text, which TOML files are (byte {error.start})") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: malformed TOML: {error}") from error
    except RecursionError as error:
        raise ConfigError(f"{path}: malformed TOML: nested too deeply") from error


def _kind(value: object) -> str:
    return _TOML_KINDS.get(type(value).__name__, type(value).__name__)
