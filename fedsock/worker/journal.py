"""A file of lines that is only ever appended to, for what must not be forgotten or changed.

What a line says is its owner's matter (``ledger``, ``audit``); here is how it gets to the disk and what holds when it
doesn't. A write that fails leaves the file's end unknown, so that the next one first brings it back to the last line
that was written whole; as long as that fails too, nothing is written. One thread at a time.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterator
from typing import TypeVar

from fedsock.errors import ConfigError, LedgerUnwritable
from fedsock.worker.state import FILE_MODE, State, sync_folder

TORN_SHOWN = 10_000
"""Bytes of a torn line that the line written in its place quotes: evidence, should anybody ask."""

_PIECE = 2**20

T = TypeVar("T")


class Journal:
    """Lines in a file of a worker's state; in memory, nothing is kept.

    Read all ``lines`` once, then decide on ``torn`` (``replay`` does both), then append.

    Args:
        state: whose file it is; it is locked for this process.
        name: of the file.

    Attributes:
        torn: what ``lines`` found after the last newline: the beginning of a line that was never written whole.

    Raises:
        ConfigError: another process holds the state, or the file can't be opened.
    """

    def __init__(self, state: State, name: str) -> None:
        state.lock()
        self.path = state.path(name)
        self.torn = b""
        self._handle = -1
        self._end = 0
        self._synced = 0
        self._sure = True
        self._over = False
        if self.path is None:
            return
        try:
            fresh = not self.path.exists()
            self._handle = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_NONBLOCK, FILE_MODE)
            if fresh:
                sync_folder(self.path.parent)
        except OSError as error:
            raise ConfigError(f"{self.path}: can't be opened for writing: {error.strerror}") from error
        self._is = os.fstat(self._handle)
        if not stat.S_ISREG(self._is.st_mode):
            self.close()
            raise ConfigError(f"{self.path}: is no ordinary file")

    def lines(self) -> Iterator[bytes]:
        """Yield every line from the first, without its newline.

        Raises:
            ConfigError: the file can't be read.
        """
        if self.path is None:
            return
        try:
            with open(os.dup(self._handle), "rb") as file:
                file.seek(0)
                for line in file:
                    if not line.endswith(b"\n"):
                        self.torn = line
                        break
                    self._end += len(line)
                    yield line[:-1]
        except OSError as error:
            raise ConfigError(f"{self.path}: can't be read: {error.strerror}") from error
        self._synced = self._end

    def replay(self, parse: Callable[[bytes], T], keep: Callable[[T], None], recover: Callable[[str], object]) -> None:
        """Read every line, and mend what is torn: it counts if it can be read, else its place is taken.

        What a torn line stands for never happened, for that waits for the newline to be on the disk. Counting it
        costs a scientist one of what is counted at most, and needs no proof of that.

        Args:
            parse: a line, without its newline -> what it says; raises ConfigError when it says nothing.
            keep: takes it in.
            recover: appends the line that quotes what was torn.

        Raises:
            ConfigError: as ``lines`` and ``parse``; or the file can't be mended.
        """
        for line in self.lines():
            keep(parse(line))
        torn = self.torn
        if not torn:
            return
        try:
            whole = parse(torn)
        except ConfigError:
            whole = None
        try:
            if whole is not None:
                self.keep_torn()
                keep(whole)
            else:
                self.drop_torn()
                recover(torn[:TORN_SHOWN].decode("ascii", "backslashreplace"))
        except (OSError, LedgerUnwritable) as error:
            reason = error.__cause__ or error
            raise ConfigError(f"{self.path}: its last line is torn and can't be mended: {reason}") from error

    def keep_torn(self) -> None:
        """Take what is torn for a whole line that only misses its newline.

        Raises:
            OSError: as ``append``.
        """
        self._end += len(self.torn)
        self.torn = b""
        self.append(b"\n", sync=True)

    def drop_torn(self) -> None:
        """Have the next line written over what is torn, so that there is always the one or the other to read."""
        self.torn = b""
        self._over = True

    def append(self, data: bytes, *, sync: bool) -> None:
        """Write lines, in one write.

        Args:
            data: whole lines, each with its newline.
            sync: return only when they, and all before them, are on the disk.

        Raises:
            OSError: they may be there in part or not at all, and are gone before anything else is written.
        """
        if self.path is None:
            return
        self._check_place()
        if not self._sure:
            self._restore()
        self._sure = False
        self._write(data, self._end)
        if self._over:
            os.ftruncate(self._handle, self._end + len(data))
            self._over = False
        if sync:
            os.fsync(self._handle)
            self._synced = self._end + len(data)
        self._end += len(data)
        self._sure = True

    def close(self) -> None:
        """Close the file."""
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1

    def _check_place(self) -> None:
        """Refuse to write to a file that somebody moved away or wrote to: the next start would not read it."""
        assert self.path is not None  # noqa: S101
        now = os.stat(self.path)
        same = (now.st_dev, now.st_ino) == (self._is.st_dev, self._is.st_ino)
        exact = self._sure and not self._over
        if not same or (now.st_size != self._end if exact else now.st_size < self._end):
            raise OSError(errno.ESTALE, "was moved or changed by another hand; restart the worker", str(self.path))

    def _restore(self) -> None:
        """Bring the file back to the last whole line.

        After a failed fsync the system may take pages for written that are not. So what was not synced is written
        once more, and what comes after it is cut off.
        """
        for at in range(self._synced, self._end, _PIECE):
            self._write(os.pread(self._handle, min(_PIECE, self._end - at), at), at)
        os.ftruncate(self._handle, self._end)
        os.fsync(self._handle)
        self._synced = self._end
        self._sure = True

    def _write(self, data: bytes, at: int) -> None:
        written = os.pwrite(self._handle, data, at)
        while written < len(data):  # a full disk takes a part; asked again, it says why
            more = os.pwrite(self._handle, data[written:], at + written)
            if more == 0:
                raise OSError(errno.EIO, "takes no more", str(self.path))
            written += more
