"""Rules of a policy, a class each, and the decision that a policy makes of them: deny wins."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

from fedsock.policy.facts import Facts


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether a value may leave its worker.

    Attributes:
        allowed: it may.
        rule: the name of the rule that decided.
        reason: why, safe to read.
        next_step: what the scientist can do now.
    """

    allowed: bool
    rule: str
    reason: str = ""
    next_step: str = ""


class Rule(ABC):
    """One rule: has a name, and an opinion on some facts."""

    name: str

    @abstractmethod
    def decide(self, facts: Facts) -> Decision | None:
        """Return a decision, or None where the rule has no opinion.

        Args:
            facts: of the value that is to be exported.
        """


class PrivateStays(Rule):
    """The default: what derives from private data stays at its worker."""

    name = "private-stays"

    def decide(self, facts: Facts) -> Decision | None:
        """Deny what has a private source."""
        if not facts.private:
            return None
        named = ", ".join(sorted(facts.sources))
        return Decision(
            allowed=False,
            rule=self.name,
            reason=f"it derives from the owner's private data ({named})",
            next_step="keep computing there, or ask the owner to publish it (private = false in the worker's TOML)",
        )


class Policy:
    """Rules in order; a denial by any of them stands, and what nobody denies may leave.

    Args:
        rules: the owner's rules.
    """

    __slots__ = ("_rules",)

    def __init__(self, rules: Sequence[Rule] = (PrivateStays(),)) -> None:
        self._rules = tuple(rules)

    def export(self, facts: Facts) -> Decision:
        """Return the decision on an export.

        Args:
            facts: of the value that is to leave.
        """
        for rule in self._rules:
            decision = rule.decide(facts)
            if decision is not None and not decision.allowed:
                return decision
        return Decision(allowed=True, rule="open")
