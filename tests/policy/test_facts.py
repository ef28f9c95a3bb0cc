"""Facts: where a value came from, and what is made of several."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fedsock.policy.facts import OPEN, Aggregate, Facts, Group, Rowwise, Trained, combine, known, trained

FACTS = st.just(OPEN) | st.builds(Facts, st.frozensets(st.sampled_from("abcd")))


@given(inputs=st.lists(FACTS, max_size=6))
def test_combining_loses_no_source_and_makes_up_none(inputs: list[Facts]) -> None:
    result = combine(inputs)
    assert result.sources == frozenset().union(*(facts.sources for facts in inputs))
    assert result.private is any(facts.private for facts in inputs)
    assert result == combine(reversed(inputs)) == combine([*inputs, result])


def test_nothing_is_open_and_facts_are_kept() -> None:
    one = known(frozenset({"ages"}))
    assert combine([]) is OPEN and not OPEN.private
    assert combine([OPEN, one, OPEN, one]) is one and one.private
    assert combine(iter([one, Facts(frozenset({"pay"}))])).sources == {"ages", "pay"}


def test_a_form_is_of_private_values_only_and_is_lost_unless_it_is_given() -> None:
    rows = Rowwise(Group("subjects", 9), 0)
    one = known(frozenset({"ages"}), rows)
    assert known(frozenset({"ages"}), Rowwise(Group("subjects", 9), 0)) is one
    assert combine([one, OPEN]) == Facts(frozenset({"ages"}))
    assert combine([one, OPEN], rows) is one
    assert combine([OPEN], rows) is OPEN and known(frozenset(), rows) is OPEN


def test_kinds() -> None:
    group, ages = Group("subjects", 9), frozenset({"ages"})
    forms = {"rowwise": Rowwise(group, 0), "aggregate": Aggregate(group, "sum", 1), "mixed": None}
    assert OPEN.kind == "open"
    assert all(known(ages, form).kind == kind for kind, form in forms.items())


def test_the_edges_of_a_table_are_kept_by_its_value_only() -> None:
    def table() -> Facts:
        return known(frozenset("x"), Aggregate(Group("x", 9), "count", 3, tables=(("x", (0.0, 1.0)),)))

    assert table() == table() and table() is not table()


ROWS = known(frozenset({"ages"}), Rowwise(Group("people", 9), 0, raw="ages"))
MORE = known(frozenset({"pay"}), Rowwise(Group("pays", 7), 0, raw="pay"))
PLAN = known(frozenset({"ages"}), Trained("plan", "sha256:1", 9))


def test_what_is_made_of_data_sets_as_they_are_is_known_to_be_with_the_fewest_rows() -> None:
    assert trained("plan", "sha256:1", [ROWS, OPEN, MORE]) == Trained("plan", "sha256:1", 7)
    assert trained("plan", "sha256:1", [OPEN]) == Trained("plan", "sha256:1", 0)
    assert trained("task", "train", [], rows=[4, 5]) == Trained("task", "train", 4)


def test_rows_that_were_worked_on_before_make_it_mixed() -> None:
    for form in (
        Rowwise(Group("people", 9), 0, raw=""),
        Rowwise(Group("people", 9), 0, raw="ages", weighted=True),
        Aggregate(Group("people", 9), "sum", 1),
        None,
    ):
        assert trained("plan", "sha256:1", [ROWS, known(frozenset({"ages"}), form)]) is None


def test_what_is_carried_on_is_of_the_same_plan_or_open() -> None:
    assert trained("plan", "sha256:1", [ROWS], [PLAN, OPEN]) == Trained("plan", "sha256:1", 9)
    assert trained("plan", "sha256:1", [PLAN]) is not None
    assert trained("plan", "sha256:2", [ROWS], [PLAN]) is None
    assert trained("task", "sha256:1", [ROWS], [PLAN]) is None
    assert trained("plan", "sha256:1", [ROWS], [ROWS]) is None
    assert PLAN.kind == "trained"
