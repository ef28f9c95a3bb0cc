"""Rules and the decision made of them: deny wins."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedsock.policy.facts import OPEN, Facts
from fedsock.policy.rules import Decision, Policy, PrivateStays, Rule

PRIVATE = Facts(frozenset({"pay", "ages"}))


class Says(Rule):
    """Decides the same of everything."""

    def __init__(self, name: str, allowed: bool | None) -> None:
        self.name = name
        self.allowed = allowed

    def decide(self, facts: Facts) -> Decision | None:
        """Return what it was told to."""
        return None if self.allowed is None else Decision(self.allowed, self.name)


def test_default_policy_keeps_what_is_private() -> None:
    decision = Policy().export(PRIVATE)
    assert not decision.allowed and decision.rule == "private-stays"
    assert "(ages, pay)" in decision.reason and "private = false" in decision.next_step
    assert Policy().export(OPEN) == Decision(True, "open")
    assert PrivateStays().decide(OPEN) is None


def test_policy_without_rules_lets_everything_leave() -> None:
    assert Policy(()).export(PRIVATE).allowed


@given(opinions=st.lists(st.sampled_from([None, True, False]), max_size=6))
def test_first_denial_wins_over_any_permission(opinions: list[bool | None]) -> None:
    decision = Policy([Says(str(at), allowed) for at, allowed in enumerate(opinions)]).export(PRIVATE)
    assert decision.allowed is (False not in opinions)
    assert decision.rule == (str(opinions.index(False)) if False in opinions else "open")


def test_no_permission_outweighs_the_default() -> None:
    assert not Policy([Says("yes", True), PrivateStays()]).export(PRIVATE).allowed


def test_a_rule_must_decide() -> None:
    with pytest.raises(TypeError, match="abstract"):
        Rule()  # type: ignore[abstract]
