"""What was spent of the owner's privacy budgets, and how often was asked, on the disk before anything is released.

A file of JSON lines, each of which is written and synced before the release it pays for: whenever the process or the
machine dies, what was released is in it. So what is spent may be more than what was released, never less. A charge is
never given back, whatever becomes of its release.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated

import msgspec

from fedsock.errors import BudgetSpent, ConfigError, LedgerUnwritable, QueriesSpent
from fedsock.policy.budget import Account, Budget, Mode, epsilon_fault, shown
from fedsock.worker.journal import Journal
from fedsock.worker.state import State

LEDGER = "ledger.jsonl"

_log = logging.getLogger("fedsock.worker")


class Line(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True, tag_field="t"):
    """What every line has.

    Attributes:
        n: the number of the line in its file, from 1: no line can be taken out unseen.
        at: when it was written, UTC.
    """

    n: int
    at: str


class Charge(Line, frozen=True, tag="charge"):
    """A release was paid for.

    Attributes:
        group: the row group.
        user: who asked.
        epsilon: as it was asked for.
        mode: how losses were counted then: which noise the release has.
        what: was released.
    """

    group: str
    user: str
    epsilon: Decimal
    mode: Mode
    what: str


class Query(Line, frozen=True, tag="query", omit_defaults=True):
    """Numbers left, or one result was refused for what the values are.

    Attributes:
        group: the row group.
        user: who asked.
        numbers: how many queries that is; older files, and lines of one, don't say it.
    """

    group: str
    user: str
    numbers: Annotated[int, msgspec.Meta(ge=1)] = 1


class Recovered(Line, frozen=True, tag="recovered"):
    """What was at the end of the file was half a line, whose release never happened; it was cut off.

    Attributes:
        torn: its beginning.
    """

    torn: str


_decode = msgspec.json.Decoder(Charge | Query | Recovered).decode


def _utc() -> datetime:
    return datetime.now(UTC)


class Ledger:
    """The owner's budgets and what is spent of them. Any thread may call.

    Args:
        state: where it is kept; locked for this process.
        budgets: by row group. What was spent before counts against them, whatever they were then.
        now: the time.

    Raises:
        ConfigError: the state is another process's, or the file can't be opened or has a malformed line; or a group
            has a budget without a delta now, but releases with one before.
    """

    def __init__(self, state: State, budgets: Mapping[str, Budget], *, now: Callable[[], datetime] = _utc) -> None:
        self._accounts = {group: Account(budget) for group, budget in budgets.items()}
        self._queries: dict[tuple[str, str], int] = {}
        self._count = 0
        self._now = now
        self._lock = threading.Lock()
        self._failing = False
        self._journal = Journal(state, LEDGER)
        try:
            self._journal.replay(self._parse, self._replay, self._recover)
        except BaseException:
            self._journal.close()
            raise

    def charge(self, group: str, user: str, epsilon: Decimal, what: str) -> int:
        """Spend, before a release; returns the number of its line, which is on the disk.

        Args:
            group: the row group that it is about.
            user: who asks.
            epsilon: of the release, as it was asked for.
            what: is released, for the owner to read.

        Raises:
            OpValueError: no such epsilon is possible.
            BudgetSpent: less than that is left, or the group has no budget; nothing is spent.
            LedgerUnwritable: it can't be written down; nothing may be released.
        """
        with self._lock:
            self.mode(group)
            account = self._accounts[group]
            cost = account.cost(epsilon)
            if not account.may(user, cost):
                raise BudgetSpent(
                    f"{what}: epsilon {epsilon} was asked for, and {shown(account.left(user))} is left "
                    f"of the privacy budget of {group!r} for {user}; ask for less, or ask the owner for more"
                )
            n = self._append(Charge(self._count + 1, self._stamp(), group, user, epsilon, account.budget.mode, what))
            account.spend(user, cost)
            return n

    def mode(self, group: str) -> Mode:
        """Return how losses of a row group are counted: which noise its releases have.

        Args:
            group: the row group.

        Raises:
            BudgetSpent: it has no budget.
        """
        account = self._accounts.get(group)
        if account is None:
            raise BudgetSpent(f"the owner gave no privacy budget for {group!r}")
        return account.budget.mode

    def left(self, group: str, user: str) -> Decimal:
        """Return the largest epsilon that one release may still have; 0 if there is none, or no budget.

        It waits for no disk, so that an event loop may ask: what is being charged just now may be counted or not.

        Args:
            group: the row group.
            user: who asks.
        """
        account = self._accounts.get(group)
        return Decimal(0) if account is None else account.left(user)

    def count(self, group: str, user: str, limit: int, numbers: int = 1) -> None:
        """Count queries, before they are answered.

        A query is one number, not one result: each is an equation in the rows, and a product of matrices with a
        thousand of them tells as much as a thousand sums.

        Args:
            group: the row group that it is about.
            user: who asks.
            limit: so many the owner allows this user for this group.
            numbers: so many leave at once.

        Raises:
            QueriesSpent: less than that is left; nothing is counted.
            LedgerUnwritable: it can't be written down; nothing may be released.
        """
        with self._lock:
            if numbers > (left := self.queries_left(group, user, limit)):
                rest = f"{left} are left; this has {numbers} numbers: ask for fewer, or" if left else "all are used up;"
                raise QueriesSpent(
                    f"the owner allows {user} {limit} queries on {group!r}, and {rest} ask the owner for more"
                )
            self._append(Query(self._count + 1, self._stamp(), group, user, numbers))
            self._add_query(group, user, numbers)

    def queries_left(self, group: str, user: str, limit: int) -> int:
        """Return how many queries a user may still ask; waits for no disk, like ``left``.

        Args:
            group: the row group.
            user: who asks.
            limit: so many the owner allows this user for this group.
        """
        return max(0, limit - self._queries.get((group, user), 0))

    def close(self) -> None:
        """Close the file; nothing can be charged afterwards."""
        with self._lock:
            self._journal.close()

    def _add_query(self, group: str, user: str, numbers: int) -> None:
        self._queries[group, user] = self._queries.get((group, user), 0) + numbers

    def _stamp(self) -> str:
        return self._now().isoformat(timespec="milliseconds")

    def _append(self, line: Line) -> int:
        """Write a line; only then it counts in here. One that failed is cut off before another is written."""
        try:
            self._journal.append(msgspec.json.encode(line) + b"\n", sync=True)
        except OSError as error:
            if not self._failing:
                _log.error("the ledger can't be written, and nothing is released until it can: %s", error)
            self._failing = True
            raise LedgerUnwritable(
                "the worker can't write down what is spent, so it releases nothing; tell its owner"
            ) from error
        self._failing = False
        self._count = line.n
        return line.n

    def _parse(self, text: bytes) -> Charge | Query | Recovered:
        where = f"{self._journal.path}, line {self._count + 1}"
        try:
            line: Charge | Query | Recovered = _decode(text)
            # The same line written again shows what a reader overlooks: a key that comes twice, blanks, another order.
            fault = None if msgspec.json.encode(line) == text else "it is not as a worker writes it"
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise ConfigError(f"{where}: malformed ({error}); {_WAY_OUT}") from error
        if fault is None and line.n != self._count + 1:
            fault = f"it says that it is line {line.n}; lines are missing, or were put in"
        if fault is None and isinstance(line, Charge):
            fault = epsilon_fault(line.epsilon)
        if fault is not None:
            raise ConfigError(f"{where}: malformed ({fault}); {_WAY_OUT}")
        return line

    def _recover(self, torn: str) -> None:
        self._append(Recovered(self._count + 1, self._stamp(), torn))

    def _replay(self, line: Charge | Query | Recovered) -> None:
        self._count = line.n
        if isinstance(line, Query):
            self._add_query(line.group, line.user, line.numbers)
        elif isinstance(line, Charge) and (account := self._accounts.get(line.group)) is not None:
            if line.mode == "zcdp" and account.budget.mode == "pure":
                raise ConfigError(
                    f"{self._journal.path}, line {line.n}: {line.group!r} had a budget with a delta when that was "
                    "released, and no epsilon without a delta covers it; give the budget a delta again"
                )
            account.spend(line.user, account.cost(line.epsilon))


_WAY_OUT = "put back the file as a worker left it: without it nobody knows what is spent"
