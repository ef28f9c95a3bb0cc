"""The lines of requests and answers, what follows from them, and how the owner's command reads and writes them."""

from __future__ import annotations

import os
import re
import secrets
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

import msgspec

from fedsock.errors import ConfigError
from fedsock.worker.state import FILE_MODE, sync_folder

if sys.platform != "win32":
    import fcntl

REQUESTS = "requests.jsonl"
ANSWERS = "answers.jsonl"

DAYS = 30
"""How long an approval holds, by default."""

MOST_COUNT = 1_000_000
MOST_DAYS = 3_650

Stand = Literal["waiting", "approved", "denied", "used", "expired"]
"""Where a request stands."""


class Asked(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="asked", tag_field="t"):
    """A request.

    Attributes:
        n: the number of the line in its file.
        at: when, UTC.
        number: of the request, from 1.
        user: who asks.
        digest: of what is asked for: sha256 of its lineage.
        why: the scientist's words.
        shape: of the value, in words.
        expression: how the value is made, for the owner to read.
        flagged: how many of its constants are as long as the rows of private data, or not shown whole.
    """

    n: int
    at: str
    number: int
    user: str
    digest: str
    why: str
    shape: str
    expression: str
    flagged: int


class Used(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="used", tag_field="t"):
    """A value left by an approval.

    Attributes:
        n: the number of the line in its file.
        at: when, UTC.
        number: of the request.
        answer: the approval's id.
    """

    n: int
    at: str
    number: int
    answer: str


class Recovered(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="recovered", tag_field="t"):
    """Half a line was at the end of the file and was cut off; nothing had left by it."""

    n: int
    at: str
    torn: str


class Approved(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="approved", tag_field="t"):
    """The owner lets a value leave.

    Attributes:
        id: of this answer.
        at: when, UTC.
        number: of the request.
        user: to whom; the request's.
        digest: what; the request's.
        count: how many exports.
        until: not later, UTC.
    """

    id: str
    at: str
    number: int
    user: str
    digest: str
    count: int
    until: str


class Denied(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="denied", tag_field="t"):
    """The owner keeps it.

    Attributes:
        id: of this answer.
        at: when, UTC.
        number: of the request.
        reason: for the scientist to read.
    """

    id: str
    at: str
    number: int
    reason: str


Answer = Approved | Denied
_line = msgspec.json.Decoder(Asked | Used | Recovered).decode
_answer = msgspec.json.Decoder(Approved | Denied).decode


def utc() -> datetime:
    """Return the time."""
    return datetime.now(UTC)


def stamp(moment: datetime) -> str:
    """Return a time as lines say it; such texts are in the order of their times."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds")


def approval(asked: Asked, count: int, days: float, now: datetime) -> Approved:
    """Return an approval of a request.

    Args:
        asked: the request.
        count: exports that it allows.
        days: for so long.
        now: the time.

    Raises:
        ConfigError: neither 1 to ``MOST_COUNT`` exports, nor at most ``MOST_DAYS``; says which.
    """
    if type(count) is not int or not 1 <= count <= MOST_COUNT:
        raise ConfigError(f"count: expected 1 to {MOST_COUNT:,}, not {count!r}")
    if type(days) not in (int, float) or not 0 < days <= MOST_DAYS:
        raise ConfigError(f"days: expected more than 0, and at most {MOST_DAYS:,}, not {days!r}")
    until = stamp(now + timedelta(days=days))
    return Approved(secrets.token_hex(8), stamp(now), asked.number, asked.user, asked.digest, count, until)


def denial(asked: Asked, reason: str, now: datetime) -> Denied:
    """Return a denial of a request.

    Args:
        asked: the request.
        reason: for the scientist to read.
        now: the time.
    """
    return Denied(secrets.token_hex(8), stamp(now), asked.number, reason)


class Book:
    """Requests, answers and uses, and what follows from them. In memory; whoever has it sees to the files.

    Attributes:
        asked: number -> request.
        answers: number -> the last answer to it.
        used: id of an approval -> how many exports.
    """

    def __init__(self) -> None:
        self.asked: dict[int, Asked] = {}
        self.answers: dict[int, Answer] = {}
        self.used: dict[str, int] = {}

    def add(self, line: Asked | Used | Recovered) -> None:
        """Take a line of the worker's file."""
        if isinstance(line, Asked):
            self.asked[line.number] = line
        elif isinstance(line, Used):
            self.used[line.answer] = self.used.get(line.answer, 0) + 1

    def left(self, answer: Approved) -> int:
        """Return how many exports an approval still allows, whatever the time."""
        return max(0, answer.count - self.used.get(answer.id, 0))

    def stand(self, number: int, now: datetime) -> Stand:
        """Return where a request stands.

        Args:
            number: of one that there is.
            now: the time.
        """
        answer = self.answers.get(number)
        if answer is None:
            return "waiting"
        if isinstance(answer, Denied):
            return "denied"
        if not self.left(answer):
            return "used"
        return "expired" if answer.until < stamp(now) else "approved"


def parsed_line(text: bytes, where: str) -> Asked | Used | Recovered:
    """Return a line of the worker's file.

    Args:
        text: it, without its newline.
        where: file and line, for the complaint.

    Raises:
        ConfigError: it is malformed.
    """
    try:
        line: Asked | Used | Recovered = _line(text)
        return line
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ConfigError(f"{where}: malformed ({error}); put back the file as a worker left it") from error


def parsed_answer(text: bytes, path: Path) -> Answer:
    """Return a line of the owner's file.

    Args:
        text: it, without its newline.
        path: of the file, for the complaint.

    Raises:
        ConfigError: it is malformed.
    """
    try:
        given: Answer = _answer(text)
        return given
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: malformed ({error}); take that line out, and answer again") from error


def whole_lines(path: Path, start: int) -> Iterator[tuple[bytes, int]]:
    """Yield each whole line behind an offset, without its newline, and the offset behind it.

    Args:
        path: of the file.
        start: the offset.

    Raises:
        ConfigError: it can't be read.
    """
    end = start
    try:
        with path.open("rb") as file:
            file.seek(start)
            for line in file:
                if not line.endswith(b"\n"):
                    return  # somebody is writing it, or died
                end += len(line)
                yield line[:-1], end
    except OSError as error:
        raise ConfigError(f"{path}: can't be read: {error.strerror}") from error


def read_book(folder: Path) -> Book:
    """Return what is in a worker's state, whether the worker runs or not.

    Args:
        folder: of the state.

    Raises:
        ConfigError: nothing was ever asked for there, or a file can't be read or is malformed.
    """
    book = Book()
    path = folder / REQUESTS
    if not path.exists():
        raise ConfigError(f"{path}: there is no such file; nothing was asked for yet, or the folder is another's")
    for number, (line, _) in enumerate(whole_lines(path, 0), 1):
        book.add(parsed_line(line, f"{path}, line {number}"))
    answers = folder / ANSWERS
    if answers.exists():
        for line, _ in whole_lines(answers, 0):
            given = parsed_answer(line, answers)
            if given.number in book.asked:
                book.answers[given.number] = given
    return book


def append_answer(path: Path, given: Answer) -> None:
    """Append an answer to the owner's file; on return it is on the disk.

    Several processes may, one at a time; half a line that one of them left is cut off first.

    Args:
        path: of the file.
        given: the answer.

    Raises:
        OSError: it can't be written.
    """
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, FILE_MODE)
    try:
        if sys.platform != "win32":
            fcntl.flock(handle, fcntl.LOCK_EX)
        size = os.fstat(handle).st_size
        end = size
        while end and os.pread(handle, 1, end - 1) != b"\n":
            end -= 1
        if end < size:
            os.ftruncate(handle, end)
        data = msgspec.json.encode(given) + b"\n"
        while data:
            data = data[os.write(handle, data) :]
        os.fsync(handle)
        sync_folder(path.parent)
    finally:
        os.close(handle)


def described(asked: Asked, standing: str) -> list[str]:
    """Return the lines of a request as its owner reads them.

    Args:
        asked: it.
        standing: where it stands, in words.
    """
    lines = [
        f"request {asked.number}: {standing}",
        f"  who    {safe(asked.user)}, {asked.at[:16].replace('T', ' ')} UTC",
        f"  why    {safe(asked.why)}",
        f"  shape  {safe(asked.shape)}",
    ]
    if asked.flagged:
        lines.append(
            f"  ATTENTION: {asked.flagged} constants are as long as the rows, or not shown whole: they can pick out "
            "single ones"
        )
    return [*lines, *(f"    {safe(line)}" for line in asked.expression.split("\n")), ""]


def safe(text: str) -> str:
    """Return a text with nothing in it that a terminal would obey.

    Args:
        text: of a scientist.
    """
    return "".join(sign if sign.isprintable() and not _UNSEEN.match(sign) else _escaped(sign) for sign in text)


_UNSEEN = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]")
"""Signs that count as printable and show nothing."""


def _escaped(sign: str) -> str:
    return ascii(sign)[1:-1]
