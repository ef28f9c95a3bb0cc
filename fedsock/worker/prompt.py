"""A prompt in the worker's terminal, at which its owner answers requests as they come (``--prompt``)."""

from __future__ import annotations

import sys
from collections.abc import Callable

from fedsock.errors import FedsockError
from fedsock.worker.approvals import Approvals
from fedsock.worker.requestbook import DAYS, MOST_COUNT, MOST_DAYS, Asked, approval, denial, described, utc

LINE_BYTES = 10_000
"""Bytes of a line that are kept while its end isn't there."""

HOW = (
    f"y approves it once within {DAYS} days, y 5 five times, y 5 7 five times within 7 days, n and a reason denies it; "
    "nothing leaves it open"
)


class Prompt:
    """Shows each request and takes the owner's answer to it, the oldest first.

    Args:
        approvals: where answers go.
        say: shows lines; standard output by default.
    """

    def __init__(self, approvals: Approvals, say: Callable[[str], None] | None = None) -> None:
        self._approvals = approvals
        self._say = say or _print
        self._shown: list[Asked] = []
        self._begun = b""
        for asked in approvals.waiting():
            self.show(asked)

    def show(self, asked: Asked) -> None:
        """Show a request.

        Args:
            asked: one that waits for an answer.
        """
        if any(one.number == asked.number for one in self._shown):
            return
        self._shown.append(asked)
        if len(self._shown) == 1:
            self._ask()

    def feed(self, data: bytes) -> None:
        """Take what the owner typed, whole lines or parts of them.

        Args:
            data: as the terminal gave it.
        """
        *lines, self._begun = (self._begun + data).split(b"\n")
        self._begun = self._begun[-LINE_BYTES:]
        for line in lines:
            self.line(line.decode("utf-8", "replace"))

    def line(self, text: str) -> None:
        """Take a line that the owner typed: the answer to the request that is shown.

        Args:
            text: the line.
        """
        if not self._shown:
            self._say("no request waits for an answer")
            return
        asked = self._shown[0]
        word, _, rest = text.strip().partition(" ")
        rest = rest.strip()
        try:
            if word == "y" and (terms := _count_and_days(rest)) is not None:
                self._approvals.answer(approval(asked, *terms, utc()))
                self._say(f"request {asked.number} is approved")
            elif word == "n" and rest:
                self._approvals.answer(denial(asked, rest[:1_000], utc()))
                self._say(f"request {asked.number} is denied")
            elif word:
                self._say(f"that is no answer; {HOW}")
                return
            else:
                self._say(f"request {asked.number} stays open: python -m fedsock.worker requests")
        except (OSError, FedsockError) as error:
            self._say(f"request {asked.number} was not answered: {error}")
            return
        self._shown.pop(0)
        if self._shown:
            self._ask()

    def _ask(self) -> None:
        """Show the oldest that nobody answered elsewhere meanwhile."""
        waiting = {asked.number for asked in self._approvals.waiting()}
        self._shown = [asked for asked in self._shown if asked.number in waiting]
        if self._shown:
            self._say("\n".join([*described(self._shown[0], "waiting")[:-1], HOW]))


def _count_and_days(text: str) -> tuple[int, int] | None:
    """Return for how many exports, and days, a yes holds; None where that isn't what stands behind it."""
    words = text.split()
    if len(words) > 2 or not all(word.isascii() and word.isdecimal() and len(word) < 10 for word in words):
        return None
    count, days = [*map(int, words), *(1, DAYS)[len(words) :]]
    return (count, days) if 0 < count <= MOST_COUNT and 0 < days <= MOST_DAYS else None


def _print(text: str) -> None:
    print(text, file=sys.stdout, flush=True)
