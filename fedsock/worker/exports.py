"""Answers to Get and Transfer: the one gate through which values leave a worker."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fedsock.errors import (
    AuditUnwritable,
    ExportDenied,
    FedsockError,
    LedgerUnwritable,
    OpTypeError,
    QueriesSpent,
    QuotaExceeded,
    TooLargeToFetch,
    UnknownObject,
)
from fedsock.policy.facts import TEMPLATES, Facts, Rowwise, Trained
from fedsock.policy.rules import Decision, Policy
from fedsock.policy.terms import Metrics, TrainTerms
from fedsock.protocol import messages as m
from fedsock.protocol.values import dumps, to_json
from fedsock.worker.audit import Audit
from fedsock.worker.auditlines import numbers_of, sources_of, times_asked, written_down
from fedsock.worker.disclosure import rounded
from fedsock.worker.failures import failed_because
from fedsock.worker.jobs import Errand, Instruction, Send, SendValue
from fedsock.worker.ledger import Ledger
from fedsock.worker.replies import Replies
from fedsock.worker.requestbook import Approved, Asked
from fedsock.worker.requests import Requests
from fedsock.worker.store import FAILED, MOST_RECEIVERS, Entry, SessionStore, kind_of, size_of

MOST_REASON = 200
"""Letters of a reason in such a line; the scientist is told all of it."""

_SYNCED = frozenset({"query", "approval", "request"})
"""Keys of lines that are on the disk before anything leaves."""

UNSENDABLE = frozenset({"Generator"})
"""Kinds of values that stay where they are."""


class Exports:
    """Decides on exports and answers those who asked.

    Args:
        name: the worker's name.
        policy: what decides.
        replies: where answers go.
        ledger: counts queries.
        audit: where decisions on private values are written down; None: nowhere.
        requests: finds approvals.

    Attributes:
        policy: what decides.
        streamed: is told of each streamed value that was written, or never will be.
    """

    def __init__(
        self, name: str, policy: Policy, replies: Replies, ledger: Ledger, audit: Audit | None, requests: Requests
    ) -> None:
        self._name = name
        self._ledger = ledger
        self._audit = audit
        self._requests = requests
        self._decisions: list[dict[str, Any]] = []
        self.policy = policy
        self._replies = replies
        self.streamed: Callable[[SendValue], None] = lambda value: None

    def unknown(self, store: SessionStore, id: int, ref: int | str) -> None:
        """Answer a request for what isn't there."""
        text = f"{self._name} holds no object {ref!r} of this session; it was released, or never made"
        self._replies.send(store.address, m.Error(id=id, code=UnknownObject.code, message=text, object=ref))

    def too_far(self, store: SessionStore, request: m.Transfer) -> None:
        """Answer a transfer to one worker more than a session may have values delivered to."""
        text = f"{self._name} delivers the values of one session to at most {MOST_RECEIVERS:,} workers"
        self._replies.send(store.address, _error(request, QuotaExceeded.code, text))

    def answer(self, errand: Errand) -> None:
        """Answer a request whose value is there, or failed.

        Args:
            errand: the request.
        """
        entry, store, request = errand.entry, errand.store, errand.request
        if self._requests.later(errand, self.answer):
            return
        if isinstance(request, m.Request):
            self.note_request(store, self._requests.file(errand), entry.facts)
            self._let_go(errand)
            return
        assert not isinstance(request, m.Emitted)  # noqa: S101  # of those ``refuses_stream`` decides
        approval = self._requests.approval(entry, store)
        approved = entry.id in store.approved or approval is not None
        decision = self.policy.export(entry.facts, store.user, entry.share, approved=approved)
        leaving = _as_it_leaves(entry, decision)
        refusal = (
            self._uncounted(entry, store, request, decision, leaving)
            or self._refusal(entry, request, decision, leaving)
            or self._unused(entry, store, request, approval)
        )
        self._note(errand, decision, refusal, approval, leaving)
        if refusal is not None:
            self._replies.send(store.address, refusal)
            self._let_go(errand)
        elif isinstance(request, m.Get):
            entry.shared = True
            self._replies.add(SendValue(store.address, leaving, request, errand))
        else:
            entry.shared = True
            parcel = m.Deliver(session=store.address, id=request.as_id, value=None)
            self._replies.add(SendValue(request.to, leaving, parcel, errand))
            self._replies.done(store.address, entry, request.id)

    def take(self) -> list[Instruction]:
        """Return what is to be sent, once the decisions behind it are written down, in one write.

        What could not be written down doesn't leave.
        """
        instructions = self._replies.take()
        if self._audit is None or not self._decisions:
            return instructions
        decisions, self._decisions = self._decisions, []
        try:
            self._audit.write(decisions, sync=any(not _SYNCED.isdisjoint(one) for one in decisions))
        except AuditUnwritable as error:
            return [self._kept_back(one, error) for one in instructions]
        return instructions

    def _kept_back(self, instruction: Instruction, error: AuditUnwritable) -> Instruction:
        """Return a refusal in place of a private value that was about to leave."""
        if type(instruction) is not SendValue or not instruction.errand.entry.facts.private:
            return instruction
        self.written(instruction)
        request, maker = instruction.errand.request, instruction.errand.entry.maker
        if isinstance(request, m.Emitted):
            if maker is not None and maker.stream is not None:
                maker.stream.emitter.unheard()
            refused = m.Failure(request.id, error.code, f"{self._name} keeps what is streamed: {error}")
            return Send(instruction.peer, m.Emitted(request.id, request.number, refused=refused))
        text = f"{self._name} keeps {_named(instruction.errand.entry)}: {error}"
        return Send(instruction.errand.store.address, _error(request, error.code, text))

    def _note(
        self, errand: Errand, decision: Decision, refusal: m.Error | None, approval: Approved | None, leaving: Any
    ) -> None:
        """Write down, with the next batch, what was decided on a private value."""
        entry, store, request = errand.entry, errand.store, errand.request
        if self._audit is None or not entry.facts.private:
            return
        reason = (decision.reason if refusal is None or not decision.allowed else refusal.code)[:MOST_REASON]
        times = 1 if refusal is None else times_asked(store, (entry.id, type(request).__name__, decision.rule, reason))
        if times & (times - 1):
            return  # asked again and again; the line of the next power of two counts it
        record = written_down(entry, store, decision, refusal is None, reason)
        if times > 1:
            record["times"] = times
        if decision.query is not None:
            record["query"] = decision.query.limit
            record["numbers"] = numbers_of(entry, leaving)
        if approval is not None:
            record |= {"request": approval.number, "approval": approval.id}
        if isinstance(request, m.Transfer):
            record["to"] = request.to
        self._decisions.append(record)

    def note_request(self, store: SessionStore, asked: Asked | None, facts: Facts) -> None:
        """Write down, with the next batch, that the owner was asked; again, when twice as often as last.

        Args:
            store: of who asks.
            asked: the request; None: there was none.
            facts: of what is asked for.
        """
        if self._audit is None or asked is None:
            return
        times = times_asked(store, ("request", asked.number))
        if not times & (times - 1):
            record = {"t": "request", "user": store.user, "session": store.address, "request": asked.number}
            told = {"digest": asked.digest, "flagged": asked.flagged} | ({"times": times} if times > 1 else {})
            self._decisions.append({**record, **told, **sources_of(facts)})

    def admits(self, entry: Entry, store: SessionStore) -> bool:
        """Return whether what a task makes may leave, and count its run now, where its owner counts.

        How a task ends, and what shape it gives, may tell as much of private values as what it gives.

        Args:
            entry: the task's result, of which the facts are known.
            store: the session's.
        """
        found = self.policy.export(entry.facts, store.user)
        return found.allowed and self._uncounted(entry, store, m.Get(int(entry.id), entry.id), found, None) is None

    def decide_stream(self, entry: Entry, store: SessionStore) -> tuple[Metrics, m.Failure | None]:
        """Return what an op may stream, and, where that is nothing, why: it is decided as for its result.

        What is counted, but for runs of plans and tasks, rounded or asked for leaves as a result only.

        Args:
            entry: the op's first result, of which the facts are known.
            store: the session's.
        """
        found = self._of_stream(entry, store)
        if found.allowed and entry.withheld:  # whether it streams anything at all is not told
            full = self._uncounted(entry, store, m.Get(int(entry.id), entry.id), found, None)
            if full is not None:
                return "none", m.Failure(int(entry.id), full.code, full.message)
        if found.allowed:
            return found.metrics, None
        text = f"{self._name} keeps what is streamed: {found.reason} (rule {found.rule}). "
        return "none", m.Failure(int(entry.id), ExportDenied.code, f"{text}Next: {found.next_step}")

    def _of_stream(self, entry: Entry, store: SessionStore) -> Decision:
        found = self.policy.export(entry.facts, store.user)
        if not found.allowed:
            return found
        if isinstance(entry.facts.form, Trained):
            if found.metrics == "none":
                line = '[policy.train] metrics = "epoch"'
                return Decision(False, found.rule, "its owner lets nothing be streamed", f"ask the owner for: {line}")
        elif not (found.query is None and found.rounding is None):
            return Decision(False, found.rule, "its owner counts or rounds what leaves", "fetch the result: await p")
        return found

    def let_stream(self, entry: Entry, store: SessionStore) -> m.Failure | None:
        """Count a run, where its owner counts, and write down with the next batch that a streamed value leaves.

        Args:
            entry: the op's first result.
            store: the session's.

        Returns:
            Why it can't leave.
        """
        if not entry.facts.private:
            return None
        found = self._of_stream(entry, store)
        full = self._uncounted(entry, store, m.Get(int(entry.id), entry.id), found, None)
        if self._audit is not None:
            reason = found.reason if full is None else full.code
            self._decisions.append({**written_down(entry, store, found, full is None, reason), "streamed": True})
        return None if full is None else m.Failure(int(entry.id), full.code, full.message)

    def terms(self, store: SessionStore, entry: Entry) -> dict[str, Any]:
        """Return what the owner agreed on a data set with a session's user, and what of it is left.

        Args:
            store: the session's.
            entry: the data set.
        """
        if not entry.facts.private:
            return {"export": "public"}
        terms = self.policy.terms(str(entry.id), store.user)
        told: dict[str, Any] = {"export": terms.export}
        if isinstance(form := entry.facts.form, Rowwise):
            told |= {"group": form.group.name, "rows": form.group.rows}
        if terms.export == "aggregate":
            cells = terms.group_by
            told |= {"min_rows": terms.min_rows, "round_to": terms.round_to, "row_functions": terms.row_functions}
            told |= {"templates": list(TEMPLATES), "group_by": list(cells) if isinstance(cells, tuple) else cells}
            if terms.max_queries is not None and "group" in told:
                told["queries_left"] = self._ledger.queries_left(told["group"], store.user, terms.max_queries)
        if terms.train is not None:
            told["train"] = self._train_terms(terms.train, store.user)
        if terms.export == "dp":
            told["epsilon_left"] = str(self._ledger.left(told["group"], store.user))
        return told

    def _train_terms(self, train: TrainTerms, user: str) -> dict[str, Any]:
        told: dict[str, Any] = {"plans": list(train.plans), "tasks": list(train.tasks), "min_rows": train.min_rows}
        told |= {"allowed": train.users is None or user in train.users, "metrics": train.metrics}
        if train.rounds is not None:
            named = [f"plan {name}" for name in train.plans] + [f"task {name}" for name in train.tasks]
            told["rounds"] = train.rounds
            told["rounds_left"] = {name: self._ledger.queries_left(name, user, train.rounds) for name in named}
        return told

    def verdict(self, store: SessionStore, entry: Entry) -> dict[str, Any]:
        """Return what facts alone say of an export: its values may still refuse it.

        Args:
            store: the session's.
            entry: the value.
        """
        found = self.policy.export(entry.facts, store.user, approved=self._requests.at_once(entry, store))
        told = {"allowed": found.allowed, "rule": found.rule, "reason": found.reason, "next_step": found.next_step}
        return {**told, "kind": entry.facts.kind}

    def written(self, value: SendValue) -> None:
        """Note that a value was turned into a message, or never will be.

        Args:
            value: the instruction to write it.
        """
        self._let_go(value.errand)
        if isinstance(value.request, m.Emitted):
            self.streamed(value)

    def _let_go(self, errand: Errand) -> None:
        errand.entry.holds -= 1
        errand.store.settle(errand.entry)

    def _uncounted(
        self, entry: Entry, store: SessionStore, request: m.Get | m.Transfer, decision: Decision, leaving: Any
    ) -> m.Error | None:
        """Count an export that the owner counts, once for each value; return why it can't be.

        What leaves costs as many queries as it has numbers of its own, what is refused for its values one.
        """
        query = decision.query
        run = entry.run
        if query is None or entry.counted:
            return None
        # That a run failed is told at once, unless its success too is kept until it is counted.
        if run is not None and (run.counted or (entry.state is FAILED and not entry.withheld)):
            return None
        try:
            numbers = numbers_of(entry, leaving) if decision.allowed else 1
            self._ledger.count(query.group, store.user, query.limit, numbers)
        except (QueriesSpent, LedgerUnwritable) as error:
            return _error(request, error.code, f"{self._name} keeps {_named(entry)}: {error}")
        entry.counted = True
        if run is not None:
            run.counted = True
        return None

    def _unused(
        self, entry: Entry, store: SessionStore, request: m.Get | m.Transfer, approval: Approved | None
    ) -> m.Error | None:
        """Use an approval, once for each value; return why it can't be."""
        if approval is None:
            return None
        try:
            self._requests.use(approval)
        except LedgerUnwritable as error:
            return _error(request, error.code, f"{self._name} keeps {_named(entry)}: {error}")
        store.approved.add(entry.id)
        return None

    def _refusal(self, entry: Entry, request: m.Get | m.Transfer, decision: Decision, leaving: Any) -> m.Error | None:
        if not decision.allowed:
            text = (
                f"{self._name} keeps {_named(entry)}: {decision.reason} (rule {decision.rule}). "
                f"Next: {decision.next_step}"
            )
            return _error(request, ExportDenied.code, text)
        if entry.state is FAILED and decision.rounding is not None:
            text = f"{self._name} keeps {_named(entry)}: there is no table (rule {decision.rule}). Next: ask the owner"
            return _error(request, ExportDenied.code, text)
        if entry.state is FAILED:
            assert entry.failure is not None  # noqa: S101  # failed entries have one
            return failed_because(request.id, 1, entry.failure, None)
        size = size_of(leaving) if isinstance(request, m.Get) else 0
        if isinstance(request, m.Get) and request.limit is not None and size > request.limit:
            text = (
                f"{_named(entry)} at {self._name} has {size:,} bytes; at most {request.limit:,} are fetched. "
                "Fetch a part, reduce it there, or raise hub.max_fetch_bytes"
            )
            return _error(request, TooLargeToFetch.code, text)
        if kind_of(entry.value) in UNSENDABLE:
            return _error(
                request,
                OpTypeError.code,
                f"a {kind_of(entry.value)} stays at {self._name}; fetch what it draws",
            )
        if isinstance(request, m.Transfer) and not isinstance(entry.value, np.ndarray):
            # Of what can't be written nobody would hear again. (A Get's answer is another matter: it is tried.)
            try:
                dumps(to_json(entry.value, lambda array: 1))
            except FedsockError as error:
                return _error(request, error.code, f"{self._name}: {error}")
        return None


def _as_it_leaves(entry: Entry, decision: Decision) -> Any:
    if decision.rounding is None or entry.state is FAILED:
        return entry.value
    return rounded(entry.value, decision.rounding)


def _named(entry: Entry) -> str:
    return f"data set {entry.id!r}" if isinstance(entry.id, str) else f"object {entry.id}"


def _error(request: Any, code: str, text: str) -> m.Error:
    return m.Error(id=request.id, code=code, message=text, object=request.ref)
