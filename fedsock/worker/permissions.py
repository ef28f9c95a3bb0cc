"""Whether results of a plan or a task may leave, before anything is computed; and asking the owner where that helps.

No I/O. What is decided here is what would be decided on a result: by the same facts and the same policy.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from fedsock.errors import FedsockError, OpTypeError, UnknownObject, UnknownOp
from fedsock.plan.batches import sizes
from fedsock.plan.steps import Plan
from fedsock.policy.facts import OPEN, Facts, Trained, combine, known, trained
from fedsock.policy.rules import Decision
from fedsock.protocol import messages as m
from fedsock.worker.exports import Exports
from fedsock.worker.failures import cut
from fedsock.worker.jobs import Aside
from fedsock.worker.ledger import Ledger
from fedsock.worker.plans import Plans
from fedsock.worker.questions import Find
from fedsock.worker.replies import Replies
from fedsock.worker.requests import Requests
from fedsock.worker.store import READY, Entry, SessionStore
from fedsock.worker.tasks import Task
from fedsock.worker.training import least_rows


@dataclass(frozen=True, slots=True)
class Permissions:
    """Answers May.

    Attributes:
        name: the worker's.
        exports: decides on results, by the owner's policy.
        ledger: counts results.
        requests: files requests, and finds approvals.
        replies: where answers go.
        plans: reads plans, and keeps them for the owner.
        tasks: the owner's functions.
        find: finds what a question is about.
    """

    name: str
    exports: Exports
    ledger: Ledger
    requests: Requests
    replies: Replies
    plans: Plans
    tasks: Mapping[str, Task]
    find: Find

    def answer(self, store: SessionStore, may: m.May) -> None:
        """Answer a question; the owner is asked where it says why, and an approval would do.

        Args:
            store: whose it is.
            may: it.
        """
        if self._reads_first(store, may) or store.over:
            return
        try:
            facts = self._facts(store, may)
            decision = self._decided(facts, store.user, may.times)
            told: dict[str, Any] = {"allowed": decision.allowed, "rule": decision.rule, "reason": decision.reason}
            told |= {"next_step": decision.next_step, "lines": list(decision.lines)}
            if decision.asks and not decision.allowed and may.why:
                asked, state = self.requests.file_results(store, facts, may.times, may.why)
                self.exports.note_request(store, asked, facts)
                told |= {"request": asked.number, "state": state}
                # An owner's function may have answered at once.
                told["allowed"] = self._decided(facts, store.user, may.times).allowed
        except FedsockError as error:
            self.replies.send(store.address, m.Error(may.id, error.code, cut(f"{self.name}: {error}")))
            return
        self.replies.send(store.address, m.Answer(may.id, policy=told))

    def _reads_first(self, store: SessionStore, may: m.May) -> bool:
        """Have a long plan read beside the loop, and the question answered behind that; False: it needs none."""
        entry = None if may.ref is None else self.find(store, may.ref)
        if entry is None or entry.facts is not OPEN or type(entry.value) is not str or self.requests.compute is None:
            return False
        reading = self.plans.reading(store, may.id, entry.value)
        if reading is None:
            return False
        assert isinstance(reading.job, Aside)  # noqa: S101  # what is no op has something to go on with
        reading.job.followed_by(lambda: self.answer(store, may))
        self.requests.compute(reading)
        return True

    def _facts(self, store: SessionStore, may: m.May) -> Facts:
        """Return what would be known of a result.

        Raises:
            UnknownOp, PlanInvalid: there is no such task, or no plan.
            UnknownObject: nor such a plan or data set.
        """
        if may.ref is None:
            task = self.tasks.get(may.task or "")
            if task is None:
                raise UnknownOp(f"there is no task {may.task!r}")
            return task.facts()
        plan = self._plan(store, may.ref)
        inputs = [self._entry(store, name).facts for name in may.data]
        if any(facts is not OPEN for facts in inputs):
            self.plans.keep(plan, store.user)
        facts = combine(inputs, trained("plan", plan.digest, inputs))
        form = facts.form
        if not isinstance(form, Trained) or not form.rows:
            return facts
        least = max(may.least, least_rows(self.exports.policy, facts.sources, store.user))
        return known(facts.sources, replace(form, rows=min(sizes(form.rows, may.batch, least))))

    def _plan(self, store: SessionStore, ref: int) -> Plan:
        entry = self._entry(store, ref)
        if entry.state is not READY or entry.facts is not OPEN or type(entry.value) is not str:
            raise OpTypeError("the plan is a text that the session sent")
        return self.plans.read(entry.value).plan

    def _entry(self, store: SessionStore, ref: int | str) -> Entry:
        entry = self.find(store, ref)
        if entry is None:
            raise UnknownObject(f"there is no object {ref!r} of this session")
        return entry

    def _decided(self, facts: Facts, user: str, times: int) -> Decision:
        left = self.requests.results_left(user, facts)
        decision = self.exports.policy.export(facts, user, approved=left >= times)
        if decision.asks and not decision.allowed:
            some = f"; {left} approved results are left, and {times} are wanted" if left else ""
            return replace(decision, reason=f"{decision.reason}{some}", next_step="ask the owner: request=…")
        query = decision.query
        if query is None or not decision.allowed:
            return decision
        left = self.ledger.queries_left(query.group, user, query.limit)
        if left >= times:
            return decision
        line = f"rounds = {query.limit - left + times}"
        return Decision(
            allowed=False,
            rule="train",
            reason=f"of the {query.limit} results of {query.group} that its owner allows {user}, {left} are left, and "
            f"{times} are wanted",
            next_step=f"ask for fewer, or ask the owner; this line in the worker's TOML would allow it: [policy.train] "
            f"{line}",
            lines=(line,),
        )
