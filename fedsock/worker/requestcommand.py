"""``python -m fedsock.worker requests | approve N | deny N``: what the owner was asked for, and the answers."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from fedsock.errors import ConfigError, FedsockError
from fedsock.worker.auditcommand import add_place, place_of
from fedsock.worker.requestbook import (
    ANSWERS,
    DAYS,
    MOST_COUNT,
    MOST_DAYS,
    Answer,
    Approved,
    Asked,
    Book,
    append_answer,
    approval,
    denial,
    described,
    read_book,
    safe,
    utc,
)

MOST_REASON_CHARS = 1_000

EXAMPLE = """\
example: bob's owner looks at what was asked for, approves one of it once and denies another

  python -m fedsock.worker requests --config workers/bob.toml
  python -m fedsock.worker approve 1 --config workers/bob.toml
  python -m fedsock.worker deny 2 --reason "one row's value" --config workers/bob.toml

The worker may run meanwhile or not: it takes the answer up at once, or when it starts. An approval is for that
expression on that data and for that user; it holds for any later session of theirs too. What a plan does that a request
names, python -m fedsock.worker show DIGEST prints; a request for results of a plan is approved as often as they may
leave (--count), whatever else the plan is given each time.
"""


def parser(command: str) -> argparse.ArgumentParser:
    """Return a command's parser.

    Args:
        command: "requests", "approve" or "deny".
    """
    about = {
        "requests": "Show what scientists asked for.",
        "approve": "Let a value leave that a scientist asked for.",
        "deny": "Say no to a request.",
    }
    made = argparse.ArgumentParser(
        prog=f"python -m fedsock.worker {command}",
        description=about[command],
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    if command == "requests":
        made.add_argument("--all", action="store_true", help="those that are answered too")
    else:
        made.add_argument("number", metavar="N", type=int, help="the request's number")
    if command == "approve":
        made.add_argument("--count", type=int, default=1, help="how many exports (default: 1)")
        made.add_argument("--days", type=float, default=DAYS, help=f"for how long (default: {DAYS})")
    if command == "deny":
        made.add_argument("--reason", required=True, help="for the scientist to read")
    add_place(made)
    return made


def requests(argv: Sequence[str]) -> int:
    """Show requests; returns the exit code: 0, or 2 for wrong options or nothing to read."""
    options = parser("requests").parse_args(argv)
    try:
        book = read_book(place_of(options))
    except FedsockError as error:
        return _complained(error)
    shown = [one for one in book.asked.values() if options.all or book.stand(one.number, utc()) == "waiting"]
    for one in shown:
        print("\n".join(described(one, _standing(one, book))))
    if not shown:
        print(f"no request waits for an answer; {len(book.asked)} were answered (--all shows them)")
    return 0


def approve(argv: Sequence[str]) -> int:
    """Approve a request; returns the exit code: 0, or 2 for wrong options or no such request."""
    options = parser("approve").parse_args(argv)
    if not 1 <= options.count <= MOST_COUNT:
        parser("approve").error(f"--count: expected 1 to {MOST_COUNT:,}")
    if not 0 < options.days <= MOST_DAYS:
        parser("approve").error(f"--days: expected more than 0, and at most {MOST_DAYS:,}")
    try:
        folder = place_of(options)
        asked = _asked(read_book(folder), options.number)
        given = approval(asked, options.count, options.days, utc())
        _write(folder, given)
    except FedsockError as error:
        return _complained(error)
    times = "once" if given.count == 1 else f"{given.count} times"
    print(f"request {given.number} of {safe(given.user)} is approved: {times}, until {given.until[:10]}")
    return 0


def deny(argv: Sequence[str]) -> int:
    """Deny a request; returns the exit code: 0, or 2 for wrong options or no such request."""
    options = parser("deny").parse_args(argv)
    if not options.reason.strip() or len(options.reason) > MOST_REASON_CHARS:
        parser("deny").error(f"--reason: expected 1 to {MOST_REASON_CHARS:,} characters")
    try:
        folder = place_of(options)
        asked = _asked(read_book(folder), options.number)
        _write(folder, denial(asked, options.reason, utc()))
    except FedsockError as error:
        return _complained(error)
    print(f"request {asked.number} of {safe(asked.user)} is denied")
    return 0


def _complained(error: FedsockError) -> int:
    print(f"fedsock.worker: {error}", file=sys.stderr)
    return 2


def _asked(book: Book, number: int) -> Asked:
    asked = book.asked.get(number)
    if asked is None:
        waiting = [str(one) for one in book.asked if book.stand(one, utc()) == "waiting"]
        there = f"{', '.join(waiting)} wait for an answer" if waiting else "none waits for an answer"
        raise ConfigError(f"there is no request {number}; {there}")
    return asked


def _write(folder: Path, given: Answer) -> None:
    path = folder / ANSWERS
    try:
        append_answer(path, given)
    except OSError as error:
        raise ConfigError(f"{path}: can't be written: {error.strerror}; nothing was answered") from error


def _standing(asked: Asked, book: Book) -> str:
    stand, answer = book.stand(asked.number, utc()), book.answers.get(asked.number)
    if isinstance(answer, Approved):
        return f"{stand}, {book.left(answer)} of {answer.count} exports left, until {answer.until[:10]}"
    return stand if answer is None else f"{stand}: {safe(answer.reason)}"
