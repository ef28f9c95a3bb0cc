"""What the worker decided about private values, in a file in which no line can be changed unseen.

JSON lines, each with the SHA-256 of the line before it: who changes one has to change all that follow. The hash of
the last line, the *head*, is printed when the worker starts and stops; an owner who notes it sees a cut tail too, and
a file written anew. The file shows what happened to whoever keeps a head, it doesn't stop who may write to it.
"""

from __future__ import annotations

import hashlib
import logging
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from fedsock.errors import AuditUnwritable, ConfigError
from fedsock.worker.journal import TORN_SHOWN, Journal
from fedsock.worker.state import State

AUDIT = "audit.jsonl"

NO_LINE = "0" * 64
"""The head of a file without a line."""

OWN_KEYS = frozenset({"prev", "n", "at"})
"""What every line has beside its record: the head before it, its number from 1, and when it was written, UTC."""

_log = logging.getLogger("fedsock.worker")


def _utc() -> datetime:
    return datetime.now(UTC)


class Audit:
    """The owner's file of decisions. Any thread may call.

    Args:
        state: where it is kept; locked for this process. In memory nothing is kept but the head.
        now: the time.

    Raises:
        ConfigError: the state is another process's, or the file can't be opened or was changed.
    """

    def __init__(self, state: State, *, now: Callable[[], datetime] = _utc) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._head = NO_LINE
        self._count = 0
        self._missed = 0
        self._journal = Journal(state, AUDIT)
        try:
            self._open()
        except BaseException:
            self._journal.close()
            raise

    @property
    def head(self) -> str:
        """The hash of the last line."""
        return self._head

    def start(self, **about: Any) -> str:
        """Write down that the worker starts; returns the head, on the disk, for the owner to note.

        Args:
            about: what else the line shall say.

        Raises:
            AuditUnwritable: it can't be written.
        """
        self.write([{"t": "start", **about}], sync=True)
        return self._head

    def stop(self) -> str:
        """Write down that the worker stops; returns the head, on the disk, for the owner to note. Closes the file.

        Raises:
            AuditUnwritable: it can't be written.
        """
        try:
            self.write([{"t": "stop"}], sync=True)
        finally:
            self.close()
        return self._head

    def write(self, records: Sequence[Mapping[str, Any]], sync: bool) -> None:
        """Write decisions, in one write, before what they allow leaves.

        Args:
            records: of what JSON knows, each with a ``t`` that says what it is.
            sync: return only when they, and all before them, are on the disk.

        Raises:
            ValueError: a record has a key of ``OWN_KEYS``.
            AuditUnwritable: they can't be written; what they allow must not leave.
        """
        if not records:
            return
        with self._lock:
            told = [{"t": "missed", "records": self._missed}, *records] if self._missed else records
            try:
                self._append(told, sync)
            except OSError as error:
                if not self._missed:
                    _log.error("the audit file can't be written, and nothing is released until it can: %s", error)
                self._missed += len(records)
                raise AuditUnwritable(
                    "the worker can't write down what it decides, so it releases nothing; tell its owner"
                ) from error
            self._missed = 0

    def close(self) -> None:
        """Close the file; nothing can be written afterwards."""
        with self._lock:
            self._journal.close()

    def _append(self, records: Sequence[Mapping[str, Any]], sync: bool) -> None:
        head, count, at = self._head, self._count, self._now().isoformat(timespec="milliseconds")
        text = bytearray()
        for record in records:
            if not OWN_KEYS.isdisjoint(record):
                raise ValueError(f"a record of the audit file can't have {sorted(OWN_KEYS & record.keys())}")
            count += 1
            line = msgspec.json.encode({"prev": head, "n": count, "at": at, **record})
            head = _hash(line)
            text += line
            text += b"\n"
        self._journal.append(bytes(text), sync=sync)
        self._head, self._count = head, count

    def _open(self) -> None:
        for line in self._journal.lines():
            if fault := _fault(line, self._count + 1, self._head):
                raise ConfigError(
                    f"{self._journal.path}, line {self._count + 1}: {fault}; keep the file as evidence, "
                    "but elsewhere: the worker then begins a new one"
                )
            self._head, self._count = _hash(line), self._count + 1
        if torn := self._journal.torn:
            self._close_torn(torn)

    def _close_torn(self, torn: bytes) -> None:
        """Close what a worker that died had not written whole: nothing that it tells of has left."""
        whole = _fault(torn, self._count + 1, self._head) is None
        try:
            if whole:
                self._journal.keep_torn()
                self._head, self._count = _hash(torn), self._count + 1
            else:
                self._journal.drop_torn()
            quoted = "" if whole else torn[:TORN_SHOWN].decode("ascii", "backslashreplace")
            self._append([{"t": "recovered", "torn": quoted}], sync=True)
        except OSError as error:
            raise ConfigError(f"{self._journal.path}: its last line is torn and can't be mended: {error}") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What ``verify`` found.

    Attributes:
        lines: whole lines that follow each other as they were written, from the first.
        head: the hash of the last of them.
        fault: what is wrong after them, or with the head that was noted; None if nothing is.
        noted: the number of the line whose head was noted; None if none was, or it isn't there.
        unfinished: the file ends with half a line, as it does while a worker writes it or when one died.
    """

    lines: int
    head: str
    fault: str | None = None
    noted: int | None = None
    unfinished: bool = False


def verify(path: Path, head: str | None = None) -> Verdict:
    """Return whether an audit file is as workers wrote it.

    Without a head that the owner noted, a cut tail and a file written anew as a whole can't be seen.

    Args:
        path: the file.
        head: as a worker printed it at some time.

    Raises:
        ConfigError: the file can't be read.
    """
    now, count = NO_LINE, 0
    noted = 0 if head == NO_LINE else None
    unfinished = False
    try:
        with path.open("rb") as file:
            for text, whole in _split(file):
                if not whole:
                    unfinished = True
                    break
                if fault := _fault(text, count + 1, now):
                    return Verdict(lines=count, head=now, fault=f"line {count + 1}: {fault}", noted=noted)
                now, count = _hash(text), count + 1
                if now == head:
                    noted = count
    except OSError as error:
        raise ConfigError(f"{path}: can't be read: {error.strerror}") from error
    fault = None
    if head is not None and noted is None:
        fault = "no line has the head that was noted: lines were cut off at the end, or the file was written anew"
    return Verdict(lines=count, head=now, fault=fault, noted=noted, unfinished=unfinished)


def _split(file: Iterable[bytes]) -> Iterator[tuple[bytes, bool]]:
    for line in file:
        whole = line.endswith(b"\n")
        yield (line[:-1] if whole else line), whole


def _hash(line: bytes) -> str:
    return hashlib.sha256(line).hexdigest()


def _fault(line: bytes, number: int, head: str) -> str | None:
    """Return what shows that a line, or the one before it, is not what was written."""
    try:
        found = msgspec.json.decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return "is no JSON; it was changed"
    if not isinstance(found, dict) or not isinstance(found.get("t"), str) or not isinstance(found.get("at"), str):
        return "is no line of an audit file"
    if found.get("prev") != head:
        return "doesn't follow the line before it; one of the two was changed, or lines were taken out or put in"
    return None if found.get("n") == number else f"says that it is line {found.get('n')!r}; it was changed"
