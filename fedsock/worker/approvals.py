"""What scientists asked their owner for, what the owner answered, and what was used of it, on the disk.

Two files of JSON lines in the worker's state, so that nobody writes into another's: ``requests.jsonl`` is the
worker's, which holds the state locked; ``answers.jsonl`` is appended to by the owner's command, whether the worker
runs or not, and read by the worker again when it has grown. That an approval is used is in the worker's file, and
synced, before the value leaves: whenever the process or the machine dies, no approval is used more often than it says.
"""

from __future__ import annotations

import logging
import os
import threading
from collections import deque
from collections.abc import Callable
from datetime import datetime, timedelta

import msgspec

from fedsock.errors import ConfigError, LedgerUnwritable, QuotaExceeded
from fedsock.worker.journal import Journal
from fedsock.worker.requestbook import (
    ANSWERS,
    REQUESTS,
    Answer,
    Approved,
    Asked,
    Book,
    Denied,
    Recovered,
    Stand,
    Used,
    append_answer,
    parsed_answer,
    parsed_line,
    stamp,
    utc,
    whole_lines,
)
from fedsock.worker.state import State

MOST_WAITING = 100
"""Requests of one user that may wait for an answer."""

MOST_A_DAY = 200
"""Requests of one user in a day, answered or not: each is kept for good."""

log = logging.getLogger("fedsock.worker")


class Approvals:
    """What the worker knows of requests and answers. Any thread may call.

    Args:
        state: where it is kept; locked for this process.
        now: the time.

    Attributes:
        changes: how often what is answered changed; who waits looks when it did.

    Raises:
        ConfigError: the state is another process's, or a file can't be opened or has a malformed line.
    """

    def __init__(self, state: State, *, now: Callable[[], datetime] = utc) -> None:
        self.changes = 0
        self._now = now
        self._book = Book()
        self._numbers: dict[tuple[str, str], list[int]] = {}
        self._waiting: dict[str, dict[str, Asked]] = {}
        self._times: dict[str, deque[str]] = {}
        self._granted: set[str] = set()
        self._count = 0
        self._lock = threading.RLock()
        self._journal = Journal(state, REQUESTS)
        self._answers = state.path(ANSWERS)
        self._seen: tuple[int, int, int] = (0, 0, 0)
        self._end = 0
        try:
            self._journal.replay(self._parsed, self._keep, self._recover)
            self._read_answers()
        except BaseException:
            self._journal.close()
            raise

    def file(self, user: str, digest: str, why: str, shape: str, expression: str, flagged: int) -> Asked:
        """Write a request down and return it; the one that waits already where the same user asked for the same.

        Args:
            user: who asks.
            digest: of what.
            why: the scientist's words.
            shape: of the value, in words.
            expression: for the owner to read.
            flagged: constants in it that are as long as the rows, or not shown whole.

        Raises:
            QuotaExceeded: as many of this user's wait as may, or were made within a day.
            LedgerUnwritable: it can't be written down.
        """
        with self._lock:
            self.refresh()
            waiting = self._waiting.get(user, {})
            if digest in waiting:
                return waiting[digest]
            if len(waiting) >= MOST_WAITING:
                raise QuotaExceeded(f"{len(waiting)} requests of {user} wait for an answer already: await those first")
            now = self._now()
            times = self._times.get(user, deque())
            if len(times) == MOST_A_DAY and times[0] > stamp(now - timedelta(days=1)):
                raise QuotaExceeded(
                    f"{user} made {MOST_A_DAY} requests within a day: await their answers, ask tomorrow"
                )
            number = len(self._book.asked) + 1
            n, at = self._count + 1, stamp(now)
            asked = Asked(n, at, number, user, digest, why, shape, expression, flagged)
            self._append(asked)
            return asked

    def waiting(self) -> list[Asked]:
        """Return the requests that wait for an answer, the oldest first."""
        with self._lock:
            self.refresh()
            found = [one for waiting in self._waiting.values() for one in waiting.values()]
            return sorted(found, key=lambda one: one.number)

    def outcome(self, number: int, user: str) -> tuple[Stand, str] | None:
        """Return where a request stands, and the reason of a denial; None when this user made no such request.

        Args:
            number: of the request.
            user: who wants to know.
        """
        with self._lock:
            asked = self._book.asked.get(number)
            if asked is None or asked.user != user:
                return None
            answer = self._book.answers.get(number)
            return self._book.stand(number, self._now()), answer.reason if isinstance(answer, Denied) else ""

    def any_for(self, user: str) -> bool:
        """Return whether anything was ever approved for a user: else no digest need be worked out.

        Args:
            user: to whom a value would leave.
        """
        with self._lock:
            self.refresh()
            return user in self._granted

    def find(self, user: str, digest: str) -> Approved | None:
        """Return an approval that holds, that which ends first if there are several.

        Args:
            user: to whom the value would leave.
            digest: of the value's lineage.
        """
        with self._lock:
            return min(self._good(user, digest), key=lambda one: one.until, default=None)

    def left(self, user: str, digest: str) -> int:
        """Return how many exports are approved and not used, by all approvals that hold.

        Args:
            user: to whom they would go.
            digest: of what.
        """
        with self._lock:
            return sum(map(self._book.left, self._good(user, digest)))

    def _good(self, user: str, digest: str) -> list[Approved]:
        """Return the approvals that hold."""
        now = self._now()
        return [
            one
            for number in self._numbers.get((user, digest), ())
            if self._book.stand(number, now) == "approved" and isinstance(one := self._book.answers[number], Approved)
        ]

    def use(self, answer: Approved) -> None:
        """Use an approval once, before the value leaves; on return that is on the disk.

        Args:
            answer: what ``find`` gave.

        Raises:
            LedgerUnwritable: it can't be written down; nothing may leave by it.
        """
        with self._lock:
            self._append(Used(self._count + 1, stamp(self._now()), answer.number, answer.id))

    def answer(self, given: Answer) -> None:
        """Take an answer of the owner's, given in this process.

        Args:
            given: it.

        Raises:
            OSError: it can't be written down.
        """
        with self._lock:
            if self._answers is None:
                self._take(given)
            else:
                append_answer(self._answers, given)
                self.refresh()

    def refresh(self) -> None:
        """Read what the owner answered since the last time.

        A file that can't be read, or has a malformed line, counts as one in which nothing is approved.
        """
        with self._lock:
            try:
                self._read_answers()
            except ConfigError as error:
                log.error("nothing is approved until this is mended: %s", error)
                self._forget_answers()

    def close(self) -> None:
        """Close the file; nothing can be asked for or used afterwards."""
        with self._lock:
            self._journal.close()

    def _take(self, given: Answer) -> None:
        asked = self._book.asked.get(given.number)
        if asked is None:
            return
        if isinstance(given, Approved) and (given.user, given.digest) != (asked.user, asked.digest):
            return  # it was given when that number was another request's
        self._book.answers[given.number] = given
        self.changes += 1
        waiting = self._waiting.get(asked.user, {})
        if waiting.get(asked.digest) is asked:
            del waiting[asked.digest]
        if isinstance(given, Approved):
            self._granted.add(given.user)

    def _forget_answers(self) -> None:
        self.changes += 1
        self._book.answers.clear()
        self._granted.clear()
        self._end = 0
        for asked in self._book.asked.values():
            self._waiting.setdefault(asked.user, {})[asked.digest] = asked

    def _read_answers(self) -> None:
        path = self._answers
        if path is None:
            return
        try:
            status = os.stat(path)
            now = (status.st_ino, status.st_size, status.st_mtime_ns)
        except FileNotFoundError:
            now = (0, 0, 0)
        except OSError as error:
            raise ConfigError(f"{path}: can't be read: {error.strerror}") from error
        before, self._seen = self._seen, now
        if now == before:
            return
        if now[0] != before[0] or now[1] <= self._end:
            # Another file, or none, or one that was changed: what only the old one says holds no more.
            self._forget_answers()
        for line, end in whole_lines(path, self._end) if now[0] else ():
            self._take(parsed_answer(line, path))
            self._end = end

    def _recover(self, torn: str) -> None:
        self._append(Recovered(self._count + 1, stamp(self._now()), torn))

    def _parsed(self, text: bytes) -> Asked | Used | Recovered:
        line = parsed_line(text, f"{self._journal.path}, line {self._count + 1}")
        if line.n != self._count + 1:
            raise ConfigError(f"{self._journal.path}, line {self._count + 1}: lines are missing, or were put in")
        return line

    def _append(self, line: Asked | Used | Recovered) -> None:
        try:
            self._journal.append(msgspec.json.encode(line) + b"\n", sync=True)
        except OSError as error:
            log.error("requests can't be written down, and nothing leaves by them until they can: %s", error)
            raise LedgerUnwritable(
                "the worker can't write down requests and what leaves by them, so nothing does; tell its owner"
            ) from error
        self._keep(line)

    def _keep(self, line: Asked | Used | Recovered) -> None:
        self._count = line.n
        self._book.add(line)
        if isinstance(line, Asked):
            self._numbers.setdefault((line.user, line.digest), []).append(line.number)
            self._times.setdefault(line.user, deque(maxlen=MOST_A_DAY)).append(line.at)
            self._waiting.setdefault(line.user, {})[line.digest] = line
