"""The folder of what a worker must remember, and the lock that keeps a second worker out of it.

The folder is made when something is first kept in it, for its owner alone (mode 0700, files 0600). Without a folder
everything is kept in memory: that is how a virtual worker without ``state=`` forgets.
"""

from __future__ import annotations

import os
import stat
import sys
import threading
from contextlib import suppress
from pathlib import Path

from fedsock.errors import ConfigError

if sys.platform != "win32":
    import fcntl

FOLDER_MODE = 0o700
FILE_MODE = 0o600
"""What a worker remembers says who asked for what: nobody's business but the owner's."""

LOCK = "lock"
"""The file that the one worker of a folder holds locked; it names the process."""


class State:
    """What a worker must remember, as small files in a folder, or in memory.

    Args:
        folder: the owner's folder; None: memory only.
    """

    def __init__(self, folder: str | os.PathLike[str] | None = None) -> None:
        self.folder = None if folder is None else Path(folder)
        self._kept: dict[str, bytes] = {}
        self._lock: int | None = None
        self._writing = threading.Lock()

    def path(self, name: str) -> Path | None:
        """Return where a file of this state is, or would be; None in memory.

        Args:
            name: of the file, without a folder.
        """
        return None if self.folder is None else self.folder / name

    def lock(self) -> None:
        """Make the folder and keep every other process out of it, until ``close`` or the end of this one.

        Raises:
            ConfigError: another process holds it, or the folder can't be made or used; says what to do.
        """
        if self.folder is None or self._lock is not None:
            return
        self._make(self.folder)
        if sys.platform == "win32":
            raise ConfigError(f"{self.folder}: what a worker must remember can't be kept on this system")
        path = self.folder / LOCK
        try:
            handle = os.open(path, os.O_RDWR | os.O_CREAT, FILE_MODE)
        except OSError as error:
            raise ConfigError(f"{path}: can't be opened: {error.strerror}") from error
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.pread(handle, 20, 0).decode("ascii", "replace").strip()
            os.close(handle)
            if not isinstance(error, BlockingIOError):
                raise ConfigError(f"{path}: can't be locked: {error.strerror}") from error
            raise ConfigError(
                f"{self.folder}: another worker (process {holder or 'unknown'}) keeps its memory there; "
                "end that one, or give this one a folder of its own with --state DIR"
            ) from None
        with suppress(OSError):  # whose process it is helps to find it, no more
            os.ftruncate(handle, 0)
            os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
        self._lock = handle

    def close(self) -> None:
        """Let others have the folder."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def read(self, name: str) -> bytes | None:
        """Return what a small file holds; None when there is none.

        Args:
            name: of the file, without a folder.

        Raises:
            ConfigError: it is there and can't be read.
        """
        path = self.path(name)
        if path is None:
            return self._kept.get(name)
        try:
            return path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise ConfigError(f"{path}: can't be read: {error.strerror}") from error

    def write(self, name: str, data: bytes) -> None:
        """Put a small file there, whole or not at all: whoever reads it sees what was before, or this.

        On return it is on the disk.

        Args:
            name: of the file, without a folder.
            data: what it shall hold.

        Raises:
            ConfigError: the folder can't be made or used.
            OSError: the disk doesn't take it; what was before is still there.
        """
        if self.folder is None:
            self._kept[name] = bytes(data)
            return
        self._make(self.folder)
        path = self.folder / name
        fresh = self.folder / f".{name}.{os.getpid()}"
        with self._writing:
            try:
                handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, FILE_MODE)
                with open(handle, "wb") as file:
                    file.write(data)
                    file.flush()
                    os.fsync(file.fileno())
                os.replace(fresh, path)
            except BaseException:
                fresh.unlink(missing_ok=True)
                raise
            sync_folder(self.folder)

    def _make(self, folder: Path) -> None:
        try:
            with suppress(FileExistsError):
                folder.mkdir(mode=FOLDER_MODE, parents=True)
                # A folder that is lost with the power would take with it what was synced in it.
                sync_folder(folder.parent)
            mode = folder.stat().st_mode
        except OSError as error:
            raise ConfigError(
                f"{folder}: the folder of what the worker must remember can't be made: {error}"
            ) from error
        if not stat.S_ISDIR(mode):
            raise ConfigError(f"{folder}: is no folder; what the worker must remember needs one")
        if mode & (stat.S_IWGRP | stat.S_IWOTH):
            raise ConfigError(
                f"{folder}: others may write to it, and so could make the worker forget; chmod 700 {folder} mends it"
            )


def default_folder(name: str, config: str | os.PathLike[str] | None) -> Path:
    """Return where a worker's state is unless its owner says otherwise.

    Args:
        name: the worker's.
        config: its TOML file, beside which it is; None: the current folder.
    """
    return (Path() if config is None else Path(config).parent) / f"{name}.state"


def sync_folder(folder: Path) -> None:
    """Return when the names of files in a folder are on the disk.

    Args:
        folder: it.

    Raises:
        OSError: the disk doesn't take them.
    """
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
