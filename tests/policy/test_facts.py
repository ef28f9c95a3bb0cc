"""Facts: where a value came from, and what is made of several."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fedsock.policy.facts import OPEN, Facts, combine

FACTS = st.just(OPEN) | st.builds(Facts, st.frozensets(st.sampled_from("abcd")))


@given(inputs=st.lists(FACTS, max_size=6))
def test_combining_loses_no_source_and_makes_up_none(inputs: list[Facts]) -> None:
    result = combine(inputs)
    assert result.sources == frozenset().union(*(facts.sources for facts in inputs))
    assert result.private is any(facts.private for facts in inputs)
    assert result == combine(reversed(inputs)) == combine([*inputs, result])


def test_nothing_is_open_and_one_input_is_not_copied() -> None:
    one = Facts(frozenset({"ages"}))
    assert combine([]) is OPEN and not OPEN.private
    assert combine([OPEN, one, OPEN, one]) is one and one.private
    assert combine(iter([one, Facts(frozenset({"pay"}))])).sources == {"ages", "pay"}
