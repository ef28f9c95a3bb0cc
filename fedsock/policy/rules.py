"""Rules of a policy, one a mode, and the decision that a policy makes of them: deny wins."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

from fedsock.policy.facts import FUNCTION, TASK_SOURCE, Aggregate, Facts, Form, Rowwise, Trained
from fedsock.policy.terms import ANY_PLAN, METRICS, MODES, Agreement, Metrics, Mode, Terms, TrainTerms

DOMINANT = 0.9
"""Two rows that make up so much of a sum dominate it."""


@dataclass(frozen=True, slots=True)
class Query:
    """What an export is counted as.

    Attributes:
        group: the row group's name.
        limit: how many numbers of it one user may have.
    """

    group: str
    limit: int


@dataclass(frozen=True, slots=True)
class Rounding:
    """How counts leave.

    Attributes:
        min_rows: smaller ones leave as 0.
        round_to: others as the nearest multiple of it.
        cells: how many categories there are along each axis; None: as many as the table has.
    """

    min_rows: int
    round_to: int
    cells: tuple[int | None, ...] = ()


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether a value may leave its worker.

    Attributes:
        allowed: it may.
        rule: the name of the rule that decided.
        reason: why, safe to read.
        next_step: what the scientist can do now.
        query: what it counts as, allowed or not.
        rounding: how a table of counts leaves.
        looked: it was denied for what the values are.
        asks: it may leave by an approval only, which is used up by it.
        metrics: what may be streamed with it.
        lines: of ``[policy.train]`` in the worker's TOML that would allow it.
    """

    allowed: bool
    rule: str
    reason: str = ""
    next_step: str = ""
    query: Query | None = None
    rounding: Rounding | None = None
    looked: bool = False
    asks: bool = False
    metrics: Metrics = "batch"
    lines: tuple[str, ...] = ()


OPENED = Decision(allowed=True, rule="open")

UNASKED = Decision(
    allowed=False,
    rule="ask",
    reason="it leaves when its owner approves it, and no approval of it is left for you",
    next_step='req = await p.request("why you need it"), then await req',
    asks=True,
)


class Rule(ABC):
    """One rule: has a name, and decides on facts under the terms of a data set."""

    name: str

    @abstractmethod
    def decide(self, facts: Facts, source: str, terms: Terms, share: float) -> Decision:
        """Return a decision.

        Args:
            facts: of the value that is to be exported.
            source: the private data set whose terms these are.
            terms: what its owner says of it to this user.
            share: how much of a sum its two largest rows make up; 1 where the result isn't finite.
        """


class PrivateStays(Rule):
    """Nothing that derives from the data set leaves."""

    name = "private-stays"

    def decide(self, facts: Facts, source: str, terms: Terms, share: float) -> Decision:
        """Deny."""
        return Decision(
            allowed=False,
            rule=self.name,
            reason=f"it derives from the owner's private data ({', '.join(sorted(facts.sources))})",
            next_step="keep computing there, or ask the owner to publish it (private = false in the worker's TOML)",
        )


class MayLeave(Rule):
    """Everything that derives from the data set may leave."""

    name = "public"

    def decide(self, facts: Facts, source: str, terms: Terms, share: float) -> Decision:
        """Allow."""
        return Decision(allowed=True, rule=self.name)


class AggregatesLeave(Rule):
    """Listed reductions over all rows of a group may leave."""

    name = "aggregate"

    def decide(self, facts: Facts, source: str, terms: Terms, share: float) -> Decision:
        """Allow what is a listed reduction; say of anything else what it lacks."""
        form = facts.form
        if not isinstance(form, Aggregate):
            return self._denied(*_how_to_aggregate(form))
        if form.template == "edges":
            return Decision(allowed=True, rule=self.name)
        if form.group.rows < terms.min_rows:
            return self._denied(
                f"{form.group.name} has {form.group.rows} rows, and its owner wants {terms.min_rows} at least",
                "ask the owner",
            )
        query = None if terms.max_queries is None else Query(form.group.name, terms.max_queries)
        if form.template == "count":
            return self._table(form, source, terms, query)
        if terms.row_functions == "listed" and (form.weighted or form.degree == FUNCTION):
            return self._denied(*_why_unlisted(form))
        if share >= DOMINANT:
            denied = self._denied("a few rows make up most of it, or a row isn't finite", "ask the owner")
            return replace(denied, looked=True)
        return Decision(allowed=True, rule=self.name, query=query)

    def _table(self, form: Aggregate, source: str, terms: Terms, query: Query | None) -> Decision:
        """Allow a table whose cells along this data set's axes are those that its owner lists."""
        listed = terms.group_by
        for name, cells in form.tables:
            if name != source or cells == listed or (isinstance(listed, int) and isinstance(cells, int)):
                continue
            if listed is None:
                return self._denied(f"its owner lists no cells for tables of {name}", "ask the owner")
            if isinstance(listed, int):
                return self._denied(f"tables of {name} have {listed} categories", f"use bincount(minlength={listed})")
            return self._denied(f"tables of {name} have edges of their own", f"use the edges {list(listed)}")
        categories = listed if isinstance(listed, int) else None
        along = tuple(categories if name == source else None for name, _ in form.tables)
        return Decision(True, self.name, query=query, rounding=Rounding(terms.min_rows, terms.round_to, along))

    def _denied(self, reason: str, next_step: str) -> Decision:
        return Decision(allowed=False, rule=self.name, reason=reason, next_step=next_step)


class NoisyResultsLeave(Rule):
    """Nothing leaves as it is; ``dp_release`` makes open results of it."""

    name = "dp"

    def decide(self, facts: Facts, source: str, terms: Terms, share: float) -> Decision:
        """Deny, and say how to release it with noise."""
        rows = isinstance(facts.form, Rowwise)
        return Decision(
            allowed=False,
            rule=self.name,
            reason=f"{source} is released with noise only",
            next_step='write await p.dp_release("mean", epsilon=…, bounds=(low, high))'
            if rows
            else "release rows with noise before they are reduced: p.dp_release(…) on values that keep them apart",
        )


def _how_to_aggregate(form: Form | None) -> tuple[str, str]:
    if isinstance(form, Rowwise):
        return (
            f"it has a value for each row of {form.group.name}",
            "reduce it over all rows: sum, mean, var, std, cov, corrcoef or x.T @ y",
        )
    return (
        "it was not made by one of the listed reductions directly from values that keep each row apart",
        "build it from sum, mean, var, std, cov, corrcoef or x.T @ y over all rows, and go on with those at home",
    )


def _why_unlisted(form: Aggregate) -> tuple[str, str]:
    if form.weighted:
        return "something that isn't private weighed each row", "use scalars, or ask the owner"
    return (
        "its rows were changed by more than +, - and * of floating-point numbers, or more than two private values "
        "were multiplied",
        "convert integers with .astype(float) first, and use no other function of a row; or ask the owner",
    )


class OwnerIsAsked(Rule):
    """What the owner approved may leave."""

    name = "ask"

    def decide(self, facts: Facts, source: str, terms: Terms, share: float) -> Decision:
        """Allow; ``Policy.export`` denies it where no approval is left."""
        return Decision(allowed=True, rule=self.name, asks=True)


RULES: Mapping[Mode, Rule] = MappingProxyType(
    dict(zip(MODES, (PrivateStays(), MayLeave(), AggregatesLeave(), NoisyResultsLeave(), OwnerIsAsked()), strict=True))
)
"""The rule of each mode."""


class Policy:
    """What an owner decided; a denial for any source of a value stands.

    Args:
        agreements: data set -> its terms; those of one that isn't here are DENY.
    """

    __slots__ = ("_agreements",)

    def __init__(self, agreements: Mapping[str, Agreement] = MappingProxyType({})) -> None:
        self._agreements = agreements

    def terms(self, source: str, user: str) -> Terms:
        """Return what holds for a data set and a user."""
        return self._agreements.get(source, Agreement()).terms(user)

    def watches(self, facts: Facts) -> bool:
        """Return whether an export of such a value may depend on how much its largest rows make up."""
        return (
            isinstance(facts.form, Aggregate)
            and facts.form.template not in ("count", "edges")
            and any(self._may_aggregate(source) for source in facts.sources)
        )

    def _may_aggregate(self, source: str) -> bool:
        return any(terms.export == "aggregate" for terms in self._agreements.get(source, Agreement()).all_terms)

    def asks(self, facts: Facts, user: str) -> bool:
        """Return whether an approval may decide on an export.

        Args:
            facts: of the value that is to leave.
            user: to whom.
        """
        return any(self.terms(source, user).export == "ask" for source in facts.sources)

    def export(self, facts: Facts, user: str = "", share: float = 0.0, *, approved: bool = False) -> Decision:
        """Return the decision on an export.

        Args:
            facts: of the value that is to leave.
            user: to whom.
            share: how much of a sum its two largest rows make up.
            approved: an approval of this very value is left.
        """
        if not facts.private:
            return OPENED
        agreed = {source: self.terms(source, user) for source in sorted(facts.sources)}
        facts = _weighed(facts, agreed)
        decisions = [RULES[terms.export].decide(facts, source, terms, share) for source, terms in agreed.items()]
        decisions += _tables_beside(facts, agreed)
        if isinstance(facts.form, Trained):
            decisions = _of_trained(facts.form, agreed, user, decisions)
        denied = next((decision for decision in decisions if not decision.allowed), None)
        if denied is None and not approved and any(decision.asks for decision in decisions):
            denied = replace(UNASKED, lines=next((decision.lines for decision in decisions if decision.lines), ()))
        if denied is None:
            return _together(decisions)
        # Its values were looked at, so it counts wherever its owner counts, whichever source it was denied for.
        return replace(denied, query=_query(facts, agreed)) if denied.looked else denied


def _of_trained(form: Trained, agreed: Mapping[str, Terms], user: str, found: Sequence[Decision]) -> list[Decision]:
    """Return the decisions on what a plan or a task made: what a mode keeps may leave by ``train``.

    What a task made needs that once at least, whatever its data: where no data set's terms say it, those for all do.

    Args:
        form: what is known of it.
        agreed: source -> what holds for the user.
        user: to whom.
        found: what the modes decided, in the order of the sources.
    """
    decided = {
        source: _by_train(form, source, terms, user, decision)
        for (source, terms), decision in zip(agreed.items(), found, strict=True)
    }
    data = [decision for source, decision in decided.items() if not source.startswith(TASK_SOURCE)]
    return data if any(decision.rule == "train" for decision in data) else list(decided.values())


def _by_train(form: Trained, source: str, terms: Terms, user: str, found: Decision) -> Decision:
    """Return one source's decision, where the mode's own doesn't let it leave."""
    if found.allowed and not found.asks:
        return found
    train = terms.train or TrainTerms()
    faults, lines = _lacking(form, train, user)
    if not faults:
        # Plans that aren't listed are counted together: each could be written in countless other ways.
        counted = form.name if form.name in (*train.plans, *train.tasks) else ANY_PLAN
        query = None if train.rounds is None else Query(f"{form.kind} {counted}", train.rounds)
        return Decision(True, "train", query=query, metrics=train.metrics)
    if found.asks:
        return replace(found, lines=lines)
    on = "" if source.startswith(TASK_SOURCE) else f" on {source}"
    return Decision(
        allowed=False,
        rule="train",
        reason=f"the owner's policy for training{on} {' and '.join(faults)}",
        next_step=f"ask the owner; these lines in the worker's TOML would allow it: [policy.train] {'; '.join(lines)}",
        lines=lines,
    )


def _lacking(form: Trained, train: TrainTerms, user: str) -> tuple[list[str], tuple[str, ...]]:
    """Return all that an owner's terms lack for a result to leave, and the lines that would add it."""
    lacking = []
    listed = train.plans if form.kind == "plan" else train.tasks
    if not (form.name in listed or (form.kind == "plan" and ANY_PLAN in listed)):
        lacking.append((f"doesn't list {form.kind} {form.name}", f'{form.kind}s = ["{form.name}"]'))
    if train.users is not None and user not in train.users:
        lacking.append((f"doesn't list the user {user}", f'users = ["{user}"]'))
    if 0 < form.rows < train.min_rows:
        lacking.append((f"wants {train.min_rows} rows, and there are {form.rows}", f"min_rows = {form.rows}"))
    return [fault for fault, _ in lacking], tuple(line for _, line in lacking)


def _weighed(facts: Facts, agreed: Mapping[str, Terms]) -> Facts:
    """Return facts as a user sees them: data that they may have as it is weighs each row of other data's products."""
    form = facts.form
    public = [terms.export == "public" for terms in agreed.values()]
    if isinstance(form, Aggregate) and form.template != "count" and form.degree > 1 and any(public) and not all(public):
        return replace(facts, form=replace(form, weighted=True))
    return facts


def _tables_beside(facts: Facts, agreed: Mapping[str, Terms]) -> list[Decision]:
    """Return what the aggregate rule says of a table's axes whose data a user may have as they are.

    Edges of one's own along such an axis pick single rows: what a table's cells are, its owner lists for each axis.
    """
    tabled = isinstance(facts.form, Aggregate) and facts.form.template == "count"
    if not tabled or all(terms.export != "aggregate" for terms in agreed.values()):
        return []
    rule = RULES["aggregate"]
    return [rule.decide(facts, name, terms, 0.0) for name, terms in agreed.items() if terms.export == "public"]


def _query(facts: Facts, agreed: Mapping[str, Terms]) -> Query | None:
    limits = [terms.max_queries for terms in agreed.values() if terms.max_queries is not None]
    return Query(facts.form.group.name, min(limits)) if isinstance(facts.form, Rowwise | Aggregate) and limits else None


def _together(decisions: list[Decision]) -> Decision:
    """Return one permission that keeps what each of several asks for."""
    queries = [decision.query for decision in decisions if decision.query is not None]
    roundings = [decision.rounding for decision in decisions if decision.rounding is not None]
    query = min(queries, key=lambda query: query.limit, default=None)
    rounding = None
    if roundings:
        axes = zip(*(one.cells for one in roundings), strict=True)
        cells = tuple(next((size for size in along if size is not None), None) for along in axes)
        rounding = Rounding(max(one.min_rows for one in roundings), max(one.round_to for one in roundings), cells)
    asks = any(decision.asks for decision in decisions)
    metrics = min((decision.metrics for decision in decisions), key=METRICS.index)
    return Decision(True, decisions[0].rule, query=query, rounding=rounding, asks=asks, metrics=metrics)
