"""Terms: what holds for whom."""

from __future__ import annotations

from fedsock.policy.terms import DENY, MODES, Agreement, Terms


def test_nothing_is_agreed_by_default() -> None:
    assert Agreement().terms("ann") == Terms() == DENY and DENY.export == "deny" == MODES[0]


def test_a_user_has_terms_of_their_own_and_a_stranger_none() -> None:
    agreement = Agreement(Terms(export="aggregate"), {"ann": Terms(export="public")})
    assert agreement.terms("ann").export == "public"
    assert agreement.terms("zoe").export == "aggregate"
    assert agreement.terms("") == DENY
