"""The decision that a policy makes of its rules: deny wins."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedsock.policy.facts import FUNCTION, OPEN, Aggregate, Group, Rowwise, Trained, known
from fedsock.policy.rules import DOMINANT, OPENED, RULES, Decision, Policy, Query, Rounding, Rule
from fedsock.policy.terms import MODES, Agreement, Mode, Terms, TrainTerms

BOTH = frozenset({"pay", "ages"})
PEOPLE = Group("people", 100)
SUM = known(BOTH, Aggregate(PEOPLE, "sum", 1))
AGGREGATE = Terms(export="aggregate")


def policy(**terms: Terms) -> Policy:
    return Policy({name: Agreement(one) for name, one in terms.items()})


def decided(form: Any, share: float = 0.0, **terms: Any) -> Decision:
    """What the aggregate mode says of a value of one data set."""
    holds = Terms(export="aggregate", **terms)
    return policy(ages=holds).export(known(frozenset({"ages"}), form), "ann", share)


def test_default_policy_keeps_what_is_private() -> None:
    decision = Policy().export(SUM, "ann")
    assert not decision.allowed and decision.rule == "private-stays"
    assert "(ages, pay)" in decision.reason and "private = false" in decision.next_step
    assert Policy().export(OPEN) is OPENED and OPENED.allowed


@given(modes=st.tuples(st.sampled_from(MODES), st.sampled_from(MODES)))
def test_a_denial_for_any_source_stands(modes: tuple[Mode, Mode]) -> None:
    house = policy(ages=Terms(export=modes[0]), pay=Terms(export=modes[1]))
    assert house.export(SUM, "ann", approved=True).allowed is not bool({"deny", "dp"} & set(modes))
    assert house.export(SUM, "ann").allowed is not bool({"deny", "dp", "ask"} & set(modes))


def test_what_the_owner_is_asked_for_leaves_by_an_approval_only() -> None:
    house = policy(ages=Terms(export="ask"), pay=AGGREGATE)
    refused = house.export(SUM, "ann")
    assert (refused.rule, refused.asks) == ("ask", True) and "p.request(" in refused.next_step
    allowed = house.export(SUM, "ann", approved=True)
    assert allowed.allowed and allowed.asks and house.asks(SUM, "ann")
    assert not house.export(SUM, "", approved=True).allowed and not house.asks(SUM, "")
    # An approval opens what is asked for, not what another owner's terms keep.
    assert house.export(known(BOTH, None), "ann", approved=True).rule == "aggregate"
    assert not policy(ages=Terms(export="public"), pay=AGGREGATE).asks(SUM, "ann")


def test_a_stranger_has_no_grant() -> None:
    assert policy(ages=Terms(export="public"), pay=Terms(export="public")).export(SUM, "ann").allowed
    assert not policy(ages=Terms(export="public"), pay=Terms(export="public")).export(SUM, "").allowed


@pytest.mark.parametrize("form", [None, Rowwise(PEOPLE, 0), Aggregate(PEOPLE, "sum", 1)])
def test_what_is_public_leaves_in_any_form(form: Any) -> None:
    assert policy(ages=Terms(export="public")).export(known(frozenset({"ages"}), form), "ann").allowed


@pytest.mark.parametrize(
    ("form", "reason", "next_step"),
    [
        (None, "listed reductions directly", "go on with those at home"),
        (Rowwise(PEOPLE, 0), "a value for each row of people", "reduce it over all rows"),
        (Aggregate(Group("few", 9), "sum", 1), "few has 9 rows, and its owner wants 10", "ask the owner"),
        (Aggregate(PEOPLE, "sum", 1, weighted=True), "weighed each row", "use scalars"),
        (Aggregate(PEOPLE, "sum", FUNCTION), "more than", "astype"),
        (Aggregate(PEOPLE, "count", FUNCTION, tables=(("ages", 9),)), "lists no cells", "ask the owner"),
    ],
)
def test_what_is_no_listed_reduction_stays_and_says_what_it_lacks(form: Any, reason: str, next_step: str) -> None:
    decision = decided(form)
    assert not decision.allowed and reason in decision.reason and next_step in decision.next_step
    assert decision.rule == "aggregate" and decision.query is None


@pytest.mark.parametrize("template", ["sum", "mean", "var", "std", "cov", "corrcoef", "product", "edges"])
def test_listed_reductions_leave(template: str) -> None:
    assert decided(Aggregate(PEOPLE, template, 2)).allowed


def test_any_function_of_a_row_is_opened_by_its_owner_only() -> None:
    for form in (Aggregate(PEOPLE, "sum", FUNCTION), Aggregate(PEOPLE, "sum", 1, weighted=True)):
        assert not decided(form).allowed and decided(form, row_functions="any").allowed


def test_a_dominated_sum_stays_and_counts() -> None:
    form = Aggregate(PEOPLE, "sum", 1)
    assert decided(form, DOMINANT - 1e-9).allowed
    refused = decided(form, DOMINANT, max_queries=3)
    assert not refused.allowed and "few rows" in refused.reason and refused.query == Query("people", 3)


def test_a_refusal_for_the_values_counts_at_every_source_that_counts() -> None:
    terms = {"ages": Terms(export="aggregate"), "pay": Terms(export="aggregate", max_queries=2)}
    refused = policy(**terms).export(SUM, "ann", 1.0)
    assert not refused.allowed and refused.query == Query("people", 2)


@pytest.mark.parametrize("template", ["sum", "product", "cov"])
def test_what_a_user_may_have_as_it_is_weighs_the_rest(template: str) -> None:
    form = Aggregate(PEOPLE, template, 2)
    terms = {"ages": Terms(export="public"), "pay": AGGREGATE}
    assert not policy(**terms).export(known(BOTH, form), "ann").allowed
    assert policy(ages=AGGREGATE, pay=AGGREGATE).export(known(BOTH, form), "ann").allowed
    assert policy(**terms).export(known(BOTH, Aggregate(PEOPLE, "sum", 1)), "ann").allowed


def test_queries_are_counted_where_the_owner_limits_them() -> None:
    form = Aggregate(PEOPLE, "mean", 1)
    assert decided(form).query is None
    assert decided(form, max_queries=7).query == Query("people", 7)
    limits = {"ages": Terms(export="aggregate", max_queries=7), "pay": Terms(export="aggregate", max_queries=2)}
    assert policy(**limits).export(SUM, "ann").query == Query("people", 2)


@pytest.mark.parametrize(
    ("cells", "listed", "refusal"),
    [
        (12, 10, None),
        (0, 10, None),
        ((0.0, 5.0), (0.0, 5.0), None),
        ((0.0, 4.0), (0.0, 5.0), "edges of their own"),
        ((0.0, 5.0), 10, "10 categories"),
        (12, (0.0, 5.0), "edges of their own"),
    ],
)
def test_tables_have_the_cells_that_their_owner_lists(cells: Any, listed: Any, refusal: str | None) -> None:
    decision = decided(Aggregate(PEOPLE, "count", FUNCTION, tables=(("ages", cells),)), group_by=listed)
    assert decision.allowed is (refusal is None) and (refusal or "") in decision.reason
    if decision.allowed:
        assert decision.rounding == Rounding(10, 5, (listed if isinstance(listed, int) else None,))


def test_a_table_of_two_data_sets_is_rounded_as_the_stricter_asks() -> None:
    form = Aggregate(PEOPLE, "count", FUNCTION, tables=(("ages", 3), ("pay", (0.0, 9.0))))
    terms = {
        "ages": Terms(export="aggregate", group_by=4, min_rows=20, round_to=2),
        "pay": Terms(export="aggregate", group_by=(0.0, 9.0), min_rows=5, round_to=10),
    }
    assert policy(**terms).export(known(BOTH, form), "ann").rounding == Rounding(20, 10, (4, None))
    assert not policy(ages=terms["ages"], pay=AGGREGATE).export(known(BOTH, form), "ann").allowed


def test_dominance_is_watched_where_it_may_decide() -> None:
    assert policy(ages=AGGREGATE).watches(SUM)
    assert Policy({"ages": Agreement(users={"ann": AGGREGATE})}).watches(SUM)
    assert not policy(ages=Terms(export="public")).watches(SUM)
    assert not policy(ages=AGGREGATE).watches(known(BOTH)) and not policy(ages=AGGREGATE).watches(OPEN)


def test_every_mode_has_a_rule_and_a_rule_must_decide() -> None:
    assert set(RULES) == set(MODES)
    with pytest.raises(TypeError, match="abstract"):
        Rule()  # type: ignore[abstract]


PLAN = "sha256:" + "a" * 64
TRAINED = Trained("plan", PLAN, 200)


def of_plan(form: Trained = TRAINED, user: str = "ann", export: Mode = "deny", **train: Any) -> Decision:
    terms = Terms(export=export, train=TrainTerms(**train) if train else None)
    return policy(ages=terms).export(known(frozenset({"ages"}), form), user)


@pytest.mark.parametrize("plans", [(PLAN,), ("any",)])
def test_what_a_listed_plan_made_leaves(plans: tuple[str, ...]) -> None:
    found = of_plan(plans=plans)
    assert (found.allowed, found.rule, found.query, found.metrics) == (True, "train", None, "epoch")
    counted = f"plan {PLAN}" if PLAN in plans else "plan any"  # a plan could be written in countless ways
    assert of_plan(plans=plans, rounds=3, metrics="batch").query == Query(counted, 3)
    assert not policy(ages=Terms(train=TrainTerms(plans=plans))).export(known(frozenset({"ages"})), "ann").allowed


@pytest.mark.parametrize(
    ("train", "form", "line"),
    [
        ({}, TRAINED, f'plans = ["{PLAN}"]'),
        ({"tasks": ("any", PLAN)}, TRAINED, f'plans = ["{PLAN}"]'),
        ({"plans": ("any",)}, Trained("task", "fit", 200), 'tasks = ["fit"]'),
        ({"plans": (PLAN,), "users": ("eve",)}, TRAINED, 'users = ["ann"]'),
        ({"plans": (PLAN,), "users": ()}, TRAINED, 'users = ["ann"]'),
        ({"plans": (PLAN,), "min_rows": 201}, TRAINED, "min_rows = 200"),
        ({"plans": (PLAN,)}, Trained("plan", PLAN, 99), "min_rows = 99"),
    ],
)
def test_what_would_allow_it_is_said(train: dict[str, Any], form: Trained, line: str) -> None:
    found = of_plan(form, **train)
    assert (found.allowed, found.rule) == (False, "train")
    assert f"[policy.train] {line}" in found.next_step and "ages" in found.reason


def test_a_mode_that_lets_it_leave_needs_no_list_and_one_that_asks_may_still() -> None:
    assert of_plan(export="public").rule == "public"
    assert of_plan(export="ask").asks
    assert of_plan(export="ask", plans=(PLAN,)) == of_plan(plans=(PLAN,))


def test_every_data_set_decides_and_the_strictest_holds() -> None:
    facts = known(BOTH, TRAINED)
    some = Terms(train=TrainTerms(plans=(PLAN,), rounds=5, metrics="none"))
    more = Terms(train=TrainTerms(plans=(PLAN,), rounds=3, metrics="batch"))
    assert not policy(ages=some).export(facts, "ann").allowed
    both = policy(ages=some, pay=more).export(facts, "ann")
    assert both.query == Query(f"plan {PLAN}", 3) and both.metrics == "none"


def test_what_a_task_made_needs_to_be_listed_once_whatever_its_data() -> None:
    listed, silent = Terms(train=TrainTerms(tasks=("fit",))), Terms()
    form = Trained("task", "fit", 200)

    def allowed(task: Terms, *data: Terms) -> bool:
        terms = {"task:fit": task} | {f"d{place}": one for place, one in enumerate(data)}
        return policy(**terms).export(known(frozenset(terms), form), "ann").allowed

    assert [allowed(listed), allowed(silent)] == [True, False]
    assert [allowed(listed, listed), allowed(silent, listed)] == [True, True]
    assert [allowed(listed, silent), allowed(listed, listed, silent)] == [False, False]
    public = Terms(export="public")
    assert [allowed(listed, public), allowed(silent, public), allowed(silent, public, listed)] == [True, False, True]
