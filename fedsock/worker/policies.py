"""What an owner writes about a policy, in TOML or as a dict: ``[policy]``, and the same of each data set."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise
from types import MappingProxyType
from typing import Any, Literal, cast

from fedsock.errors import ConfigError
from fedsock.policy.budget import Budget
from fedsock.policy.terms import (
    ANY_PLAN,
    METRICS,
    MODES,
    MOST_CELLS,
    Agreement,
    Cells,
    Metrics,
    Mode,
    Terms,
    TrainTerms,
)
from fedsock.worker.complaints import suggestion
from fedsock.worker.settings import Settings

ROW_FUNCTIONS = ("listed", "any")


@dataclass(frozen=True, slots=True)
class DatasetPolicy:
    """What holds for the arrays of one file.

    Attributes:
        agreement: for all of them.
        cells: of tables, by key; that of a file that is one array is "".
    """

    agreement: Agreement = field(default_factory=Agreement)
    cells: Mapping[str, Cells] = field(default_factory=lambda: MappingProxyType({}))

    def of(self, key: str) -> Agreement:
        """Return the agreement on one array.

        Args:
            key: of the array in its file; "" when the file is one array.
        """
        cells = self.cells.get(key)
        users = {name: replace(terms, group_by=cells) for name, terms in self.agreement.users.items()}
        everybody = replace(self.agreement.everybody, group_by=cells)
        return replace(self.agreement, everybody=everybody, users=MappingProxyType(users))


def read_policy(settings: Settings) -> Agreement:
    """Return what a ``policy`` table says for everybody and for single users.

    Args:
        settings: the table; its keys are asked for, and it is finished.

    Raises:
        ConfigError: an unknown key, a wrong type or a value that can't be; names it and what is allowed.
    """
    agreement = _agreement(settings, Agreement())
    settings.finish()
    return agreement


def read_dataset_policy(settings: Settings, base: Agreement) -> DatasetPolicy:
    """Return what a data set's ``policy`` table says; what it leaves out is as in another.

    Args:
        settings: the table; its keys are asked for, and it is finished.
        base: what holds otherwise.

    Raises:
        ConfigError: as ``read_policy``.
    """
    agreement = _agreement(settings, base)
    value = settings.anything("group_by")
    tables = value if isinstance(value, dict) else {} if value is None else {"": value}
    cells = {key: _cells(settings, f"group_by.{key}" if key else "group_by", one) for key, one in tables.items()}
    settings.finish()
    return DatasetPolicy(agreement, MappingProxyType(cells))


def policy_of_virtual(policy: Any) -> tuple[Agreement, dict[str, Agreement]]:
    """Return what ``virtual_worker(policy=…)`` says: for all data sets, and for those that it names.

    Args:
        policy: None, a mode's name, or a dict of what a TOML's ``policy`` table takes, beside which
            ``datasets`` holds the same for single ones, and ``answer`` is what ``answering_of`` returns.

    Raises:
        ConfigError: as ``read_policy``; or another type.
    """
    if policy is None or isinstance(policy, str):
        policy = {} if policy is None else {"export": policy}
    if not isinstance(policy, Mapping):
        raise ConfigError(f"policy: expected a mode's name or a dict, not {type(policy).__name__}")
    rest = {key: value for key, value in policy.items() if key not in ("answer", "datasets")}
    base = read_policy(Settings(rest, "policy"))
    datasets = Settings({"datasets": policy.get("datasets") or {}}, "policy").table("datasets")
    return base, {name: read_dataset_policy(table, base).of("") for name, table in datasets.tables().items()}


def answering_of(policy: Any) -> Callable[[Any], Any] | None:
    """Return the function by which the owner of a virtual worker answers requests; None: there is none.

    Args:
        policy: what ``policy_of_virtual`` takes; ``answer`` in it is called with each request (its ``number``,
            ``user``, ``why``, ``shape``, ``expression`` and ``flagged``) and returns True, a number of exports, or
            ``{"count": …, "days": …}``, to approve it; False, or the reason, to deny it; None to leave it open.

    Raises:
        ConfigError: it can't be called.
    """
    answer = policy.get("answer") if isinstance(policy, Mapping) else None
    if answer is not None and not callable(answer):
        raise ConfigError(f"policy: answer: expected a function, not {type(answer).__name__}")
    return answer


def _agreement(settings: Settings, base: Agreement) -> Agreement:
    everybody = _terms(settings, base.everybody)
    # What is written of a data set holds for all; only what is written of a user there says otherwise.
    users = {name: _terms(settings, terms) for name, terms in base.users.items()}
    for name, table in settings.table("users").tables().items():
        users[name] = _terms(table, users.get(name, everybody))
        table.finish()
    return Agreement(everybody, MappingProxyType(users), _budget(settings, base.budget))


def _budget(settings: Settings, base: Budget | None) -> Budget | None:
    """Return the budget that a table gives; a key that it leaves out is as in another."""
    given = {key: settings.decimal(key) for key in ("epsilon", "epsilon_per_user", "delta")}
    changed = {key: value for key, value in given.items() if value is not None}
    if not changed:
        return base
    if base is None and "epsilon" not in changed:
        raise settings.complaint("epsilon", "is missing; it is the budget that all users share")
    try:
        return replace(base, **changed) if base is not None else Budget(**changed)
    except ConfigError as error:
        raise settings.complaint("", str(error)) from error


def _terms(settings: Settings, base: Terms) -> Terms:
    limit = settings.integer("max_queries", -1, low=1, high=2**53 - 1)
    return replace(
        base,
        export=cast(Mode, _one_of(settings, "export", base.export, MODES)),
        min_rows=settings.integer("min_rows", base.min_rows, low=1, high=2**53 - 1),
        round_to=settings.integer("round_to", base.round_to, low=1, high=2**31 - 1),
        max_queries=base.max_queries if limit < 0 else limit,
        max_rows_per_subject=settings.integer("max_rows_per_subject", base.max_rows_per_subject, low=1, high=2**20),
        row_functions=cast(
            Literal["listed", "any"], _one_of(settings, "row_functions", base.row_functions, ROW_FUNCTIONS)
        ),
        train=_train(settings.table("train"), base.train),
    )


_DIGEST = re.compile("sha256:[0-9a-f]{64}")


def _train(settings: Settings, base: TrainTerms | None) -> TrainTerms | None:
    """Return what ``train`` in a policy says; None where nothing is said of it."""
    if not settings.given:
        return base
    default = base or TrainTerms()
    given = {key: settings.anything(key) is not None for key in ("plans", "tasks", "users")}
    plans = settings.anything("plans")
    listed = (ANY_PLAN,) if plans == ANY_PLAN else settings.texts("plans")
    for plan in listed:
        if plan != ANY_PLAN and not _DIGEST.fullmatch(plan):
            raise settings.complaint("plans", f'expected digests ("sha256:" and 64 hex digits) or "any", not {plan!r}')
    rounds = settings.integer("rounds", 0, low=1, high=2**53 - 1)
    train = TrainTerms(
        plans=listed if given["plans"] else default.plans,
        tasks=settings.texts("tasks") if given["tasks"] else default.tasks,
        users=settings.texts("users") if given["users"] else default.users,
        min_rows=settings.integer("min_rows", default.min_rows, low=1, high=2**53 - 1),
        rounds=rounds or default.rounds,
        metrics=cast(Metrics, _one_of(settings, "metrics", default.metrics, METRICS)),
    )
    settings.finish()
    return train


def _one_of(settings: Settings, key: str, default: str, allowed: tuple[str, ...]) -> str:
    word = settings.text(key, default)
    if word not in allowed:
        raise settings.complaint(key, f"unknown value {word!r}{suggestion(word, allowed)}")
    return word


def _cells(settings: Settings, key: str, value: Any) -> Cells:
    if type(value) is int and 1 <= value <= MOST_CELLS:
        return value
    if isinstance(value, (list, tuple)) and 2 <= len(value) <= MOST_CELLS + 1:
        numbers = [one for one in value if type(one) in (int, float) and abs(one) <= 2**53]
        if len(numbers) == len(value) and all(low < high for low, high in pairwise(numbers)):
            return tuple(map(float, numbers))
    raise settings.complaint(
        key, f"expected a number of categories, 1 to {MOST_CELLS}, or a list of rising edges, not {value!r}"
    )
