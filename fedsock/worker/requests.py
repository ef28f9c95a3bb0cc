"""Requests of scientists at this worker, the owner's answers to them, and whether one lets a value leave."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import orjson

from fedsock.errors import ExportDenied, LedgerUnwritable, QuotaExceeded, UnknownObject
from fedsock.policy.facts import Facts, Trained
from fedsock.policy.rules import Policy
from fedsock.protocol.messages import Error, Op, Outcome, Request, Requested
from fedsock.worker.approvals import Approvals
from fedsock.worker.arguments import shown
from fedsock.worker.failures import failed_because
from fedsock.worker.jobs import Aside, Compute, Errand
from fedsock.worker.lineage import (
    MOST_BYTES,
    MOST_OPS,
    MOST_PARTS_TOGETHER,
    TOO_LONG,
    Constant,
    Given,
    Made,
    digest,
    flat,
)
from fedsock.worker.readable import Readable
from fedsock.worker.replies import Replies
from fedsock.worker.requestbook import DAYS, Answer, Approved, Asked, approval, denial, utc
from fedsock.worker.store import FAILED, Entry, SessionStore

log = logging.getLogger("fedsock.worker")

Answering = Callable[[Asked], Any]
"""An owner's function: request -> True, a number of exports or a dict of ``count`` and ``days`` (for how long) to
approve it; False or a reason to deny it; None: not now."""

HASHED_A_SECOND = 500e6
"""Bytes."""

MOST_QUESTIONS = 1_000
"""Questions of one session about the owner's answers that may wait."""

_TOO_LONG = (
    f"it was made of more than {MOST_OPS:,} ops, {MOST_PARTS_TOGETHER:,} arguments or {MOST_BYTES:,} bytes of "
    "constants, more than its owner can be asked to read; write a plan (fedsock.plan) of it instead, or send less"
)


class Requests:
    """Files requests, tells their answers, and finds what approves an export.

    Args:
        name: the worker's name.
        policy: decides whether an approval could help.
        replies: where answers go.
        approvals: what was asked for and answered.
        answering: the owner's function that answers at once; None: somebody will, by the command.

    Attributes:
        compute: has something computed, in a thread if it takes long.
    """

    def __init__(
        self, name: str, policy: Policy, replies: Replies, approvals: Approvals, answering: Answering | None = None
    ) -> None:
        self._name = name
        self._policy = policy
        self._replies = replies
        self._approvals = approvals
        self._answering = answering
        self._awaited: dict[SessionStore, list[Outcome]] = {}
        self._told_of = approvals.changes
        self.compute: Callable[[Compute], None] | None = None

    @property
    def awaited(self) -> bool:
        """Whether somebody waits for an answer of the owner's: then ``look`` from time to time."""
        return bool(self._awaited)

    def later(self, errand: Errand, answer: Callable[[Errand], None]) -> bool:
        """Have an errand answered once the digests of large data sets are known; False when it can be at once.

        Args:
            errand: it.
            answer: what then answers it.
        """
        slow = self._slow(errand.entry, errand.store, isinstance(errand.request, Request))
        if not slow or self.compute is None:
            return False
        seconds = sum(one.array.nbytes for one in slow) / HASHED_A_SECOND
        job = Aside(errand.store, Op(errand.request.id, "digest"), None, [])  # digests of large data sets
        job.then = partial(_go_on, errand, answer)
        self.compute(Compute(job, _hash, slow, {}, seconds))
        return True

    def at_once(self, entry: Entry, store: SessionStore) -> bool:
        """Return whether an approval lets a value leave, as far as that can be said without delay.

        Args:
            entry: the value.
            store: the session that it would leave for.
        """
        approved = entry.id in store.approved
        return approved or not (self._slow(entry, store, False) or self.approval(entry, store) is None)

    def _slow(self, entry: Entry, store: SessionStore, wanted: bool) -> list[Given]:
        """Return the data sets whose digests have to be worked out first, and take long."""
        if (
            entry.id in store.approved
            or not self._policy.asks(entry.facts, store.user)
            or not (wanted or self._approvals.any_for(store.user))
        ):
            return []
        return [one for one in _read(entry) or () if isinstance(one, Given) and one.slow]

    def approval(self, entry: Entry, store: SessionStore) -> Approved | None:
        """Return what approves an export of a value to a user, where it needs that and something does.

        Args:
            entry: the value.
            store: the session that it would leave for.
        """
        if entry.id in store.approved or not entry.facts.private:
            return None
        if not self._policy.asks(entry.facts, store.user) or not self._approvals.any_for(store.user):
            return None
        made = _read(entry)
        found = None if made is None else self._approvals.find(store.user, digest(made))
        return found or self._of_results(store.user, entry.facts)

    def _of_results(self, user: str, facts: Facts) -> Approved | None:
        return self._approvals.find(user, results_digest(facts)) if _is_of_plan(facts) else None

    def results_left(self, user: str, facts: Facts) -> int:
        """Return how many results of a plan its owner has approved for a user that have not left.

        Args:
            user: whose they would be.
            facts: that the results would have.
        """
        if not (_is_of_plan(facts) and self._policy.asks(facts, user) and self._approvals.any_for(user)):
            return 0
        return self._approvals.left(user, results_digest(facts))

    def file_results(self, store: SessionStore, facts: Facts, times: int, why: str) -> tuple[Asked, str]:
        """Write down that a user asks for results of a plan; returns the request, and where it stands.

        Args:
            store: of who asks.
            facts: that the results would have.
            times: how many.
            why: the scientist's words.

        Raises:
            ExportDenied: they are of no plan, so the owner has nothing to read.
            QuotaExceeded, LedgerUnwritable: it can't be written down.
        """
        if not _is_of_plan(facts):
            raise ExportDenied("it can't be asked for: it is no result of a plan on data sets as they are")
        asked = self._approvals.file(
            store.user, results_digest(facts), why, f"{times} results of a plan", _results_text(facts, times), 0
        )
        self._answer_at_once(asked)
        state, _ = self._approvals.outcome(asked.number, store.user) or ("waiting", "")
        return asked, state if state in ("waiting", "approved") else "denied"

    def use(self, found: Approved) -> None:
        """Use an approval once, before the value leaves.

        Args:
            found: what ``approval`` gave.

        Raises:
            LedgerUnwritable: it can't be written down; nothing may leave by it.
        """
        self._approvals.use(found)

    def file(self, errand: Errand) -> Asked | None:
        """Answer a request for a value that is there, or failed: with its number, or why it can't be asked for.

        Args:
            errand: it; its entry is let go by the caller.

        Returns:
            What was written down for the owner; None where nobody need be asked, or can be.
        """
        entry, store, request = errand.entry, errand.store, errand.request
        assert isinstance(request, Request)  # noqa: S101
        if entry.state is FAILED and not entry.withheld and entry.failure is not None:
            self._replies.send(store.address, failed_because(request.id, 1, entry.failure, None))
            return None
        self._approvals.refresh()
        decision = self._policy.export(entry.facts, store.user, approved=True)
        if not decision.allowed:
            text = f"it can't be asked for: {decision.reason} (rule {decision.rule}). Next: {decision.next_step}"
            self._refuse(store, request, ExportDenied.code, text)
        elif not decision.asks or entry.id in store.approved:
            self._replies.send(store.address, Requested(request.id, 0, "approved"))
        elif (made := _read(entry)) is None or (readable := Readable(made)).text is None:
            self._refuse(store, request, ExportDenied.code, _TOO_LONG)
        elif (found := self._approvals.find(store.user, digest(made))) is not None:
            self._replies.send(store.address, Requested(request.id, found.number, "approved"))
        else:
            try:
                asked = self._approvals.file(
                    store.user, digest(made), request.why, _shape_of(entry), readable.text, readable.flagged
                )
            except (QuotaExceeded, LedgerUnwritable) as error:
                self._refuse(store, request, error.code, str(error))
                return None
            self._answer_at_once(asked)
            state, _ = self._approvals.outcome(asked.number, store.user) or ("waiting", "")
            told = state if state in ("waiting", "approved") else "denied"
            self._replies.send(store.address, Requested(request.id, asked.number, told))
            return asked
        return None

    def outcome(self, store: SessionStore, question: Outcome) -> None:
        """Tell how the owner answered a request: now, or when it is answered.

        Args:
            store: who wants to know.
            question: its message.
        """
        self._approvals.refresh()
        waiting = self._awaited.get(store, [])
        if len(waiting) >= MOST_QUESTIONS:
            text = f"{self._name}: {len(waiting)} of your questions wait for the owner already"
            self._replies.send(store.address, Error(question.id, QuotaExceeded.code, text))
        elif not self._told(store, question):
            self._awaited.setdefault(store, []).append(question)

    def look(self) -> None:
        """Tell those who wait what the owner answered since the last time."""
        self._approvals.refresh()
        if self._approvals.changes != self._told_of:
            self._tell()

    def forget(self, store: SessionStore) -> None:
        """Drop what a session waits for.

        Args:
            store: its.
        """
        self._awaited.pop(store, None)

    def _tell(self) -> None:
        self._told_of = self._approvals.changes
        awaited, self._awaited = self._awaited, {}
        for store, questions in awaited.items():
            if left := [one for one in questions if not self._told(store, one)]:
                self._awaited[store] = left

    def _told(self, store: SessionStore, question: Outcome) -> bool:
        number = question.number
        found = self._approvals.outcome(number, store.user)
        if found is None:
            text = f"{self._name}: {store.user or 'nobody'} made no request {number} here"
            self._replies.send(store.address, Error(question.id, UnknownObject.code, text))
            return True
        state, reason = found
        if state == "waiting":
            return False
        if state == "approved":
            self._replies.send(store.address, Requested(question.id, number, state))
            return True
        text = {
            "denied": f"the owner denied request {number}: {reason}",
            "used": f"all that was approved by request {number} has left; ask again, with p.request(…)",
            "expired": f"the approval of request {number} has expired; ask again, with p.request(…)",
        }[state]
        self._replies.send(store.address, Error(question.id, ExportDenied.code, f"{self._name}: {text}"))
        return True

    def _answer_at_once(self, asked: Asked) -> None:
        if self._answering is None:
            return
        try:
            said = self._answering(asked)
            given = _given(asked, said)
            if given is not None:
                self._approvals.answer(given)
                self._tell()
        except Exception:
            log.exception("the function that answers requests failed; request %d waits", asked.number)

    def _refuse(self, store: SessionStore, request: Request, code: str, text: str) -> None:
        self._replies.send(
            store.address, Error(request.id, code, f"{self._name}: object {request.ref!r}: {text}", object=request.ref)
        )


def _go_on(errand: Errand, answer: Callable[[Errand], None]) -> None:
    if not errand.store.over:  # else nothing is used up for nobody
        answer(errand)


def _hash(*data: Given) -> None:
    for one in data:
        _ = one.digest


def _read(entry: Entry) -> list[Made | Given | Constant] | None:
    """Return all that a private value was made of; None when it is too much."""
    lineage = entry.lineage
    return None if lineage is None or lineage is TOO_LONG else flat(lineage)


def _is_of_plan(facts: Facts) -> bool:
    return isinstance(facts.form, Trained) and facts.form.kind == "plan"


def results_digest(facts: Facts) -> str:
    """Return what stands in requests and approvals for results of a plan on some data sets, by their names.

    The fewest rows of a step are part of it: who was asked about steps of a hundred rows has not allowed single ones.

    Args:
        facts: that the results have.
    """
    assert isinstance(facts.form, Trained)  # noqa: S101
    return hashlib.sha256(
        orjson.dumps(["results", facts.form.name, facts.form.rows, sorted(facts.sources)])
    ).hexdigest()


def _results_text(facts: Facts, times: int) -> str:
    """Return what is asked for, as its owner reads it."""
    assert isinstance(facts.form, Trained)  # noqa: S101
    data = ", ".join(f"data[{name!a}]" for name in sorted(facts.sources))
    rows = f", {facts.form.rows} rows or more at a time" if facts.form.rows else ""
    return (
        f"plan {facts.form.name}\n  on {data}{rows}\n  {times} times (approve … --count {times}), each time with "
        "arguments that the session chooses then; crafted ones can make a result show a row\n"
        f"python -m fedsock.worker show {facts.form.name} prints the plan"
    )


def _shape_of(entry: Entry) -> str:
    return "no value: it failed" if entry.failure is not None else shown(entry.value)


def _given(asked: Asked, said: Any) -> Answer | None:
    """Return the answer that an owner's function meant.

    Raises:
        TypeError, ConfigError: it is none.
    """
    if said is None:
        return None
    if said is False or isinstance(said, str):
        return denial(asked, said or "no", utc())
    if isinstance(said, int):  # True is 1
        said = {"count": int(said)}
    if isinstance(said, Mapping) and said.keys() <= {"count", "days"}:
        return approval(asked, said.get("count", 1), said.get("days", DAYS), utc())
    raise TypeError(
        f'expected True, a number of exports, {{"count": …, "days": …}}, False, a reason or None, not {said!r}'
    )
