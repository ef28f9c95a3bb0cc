"""Facts: where a value came from, and what is made of several."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fedsock.policy.facts import OPEN, Aggregate, Facts, Group, Rowwise, combine, known

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
