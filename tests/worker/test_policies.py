"""What an owner writes about a policy."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fedsock.errors import ConfigError
from fedsock.policy.terms import Agreement, Terms, TrainTerms
from fedsock.worker.policies import policy_of_virtual, read_dataset_policy, read_policy
from fedsock.worker.settings import Settings


def test_single_users_have_what_everybody_has_but_for_what_is_said_of_them() -> None:
    found = read_policy(
        Settings({"export": "aggregate", "min_rows": 20, "users": {"ann": {"export": "public"}}}, "bob.toml", "policy")
    )
    assert found.everybody == Terms(export="aggregate", min_rows=20)
    assert found.users == {"ann": Terms(export="public", min_rows=20)}


def test_a_data_set_has_what_all_have_but_for_what_is_said_of_it() -> None:
    base = Agreement(Terms(min_rows=20), {"ann": Terms(export="public")})
    wanted = {
        "export": "aggregate",
        "max_queries": 9,
        "round_to": 1,
        "row_functions": "any",
        "group_by": {"y": 10, "x": [0, 1.5]},
    }
    found = read_dataset_policy(Settings(wanted, "bob.toml", "datasets.d.policy"), base)
    aggregate = Terms(export="aggregate", min_rows=20, max_queries=9, round_to=1, row_functions="any")
    assert found.of("z").everybody == aggregate
    assert found.of("y").everybody.group_by == 10 and found.of("x").everybody.group_by == (0.0, 1.5)
    assert found.of("y").users["ann"] == replace(found.of("y").everybody, min_rows=10)


def test_what_is_written_of_a_data_set_holds_for_users_of_whom_something_is_written_elsewhere() -> None:
    policy = {
        "export": "aggregate",
        "users": {"ann": {"max_queries": 1000, "export": "public"}},
        "datasets": {
            "pay": {"export": "deny", "min_rows": 50, "max_rows_per_subject": 20},
            "age": {"min_rows": 30},
            "open": {"export": "deny", "users": {"ann": {"export": "public"}}},
        },
    }
    _, datasets = policy_of_virtual(policy)
    of_ann = {name: agreement.terms("ann") for name, agreement in datasets.items()}
    assert of_ann["pay"] == Terms(export="deny", min_rows=50, max_rows_per_subject=20, max_queries=1000)
    assert of_ann["age"] == Terms(export="public", min_rows=30, max_queries=1000)
    assert of_ann["open"].export == "public" and datasets["open"].everybody.export == "deny"


@pytest.mark.parametrize(
    ("policy", "terms", "single"),
    [
        (None, Terms(), {}),
        ("public", Terms(export="public"), {}),
        (
            {"export": "aggregate", "datasets": {"y": {"group_by": 3}}},
            Terms(export="aggregate"),
            {"y": Terms(export="aggregate", group_by=3)},
        ),
    ],
)
def test_a_virtual_workers_policy(policy: Any, terms: Terms, single: dict[str, Terms]) -> None:
    base, datasets = policy_of_virtual(policy)
    assert base.everybody == terms
    assert {name: agreement.everybody for name, agreement in datasets.items()} == single


@pytest.mark.parametrize(
    ("policy", "said"),
    [
        ("agregate", r"policy: export: unknown value 'agregate'; did you mean 'aggregate'\?"),
        ({"exports": "deny"}, r"policy: exports: unknown key; did you mean 'export'\?"),
        ({"min_rows": 0}, r"policy: min_rows: expected a whole number from 1"),
        ({"round_to": 1.5}, r"policy: round_to: expected a whole number, not a decimal"),
        ({"max_queries": -1}, r"policy: max_queries: expected a whole number from 1"),
        ({"row_functions": "all"}, r"policy: row_functions: unknown value 'all'"),
        ({"users": {"ann": {"epsilon": 1}}}, r"policy: users\.ann\.epsilon: unknown key"),
        ({"users": {"ann": "public"}}, r"policy: users\.ann: expected a table, not text"),
        ({"group_by": 3}, r"policy: group_by: unknown key"),
        ({"datasets": {"y": {"group_by": [1, 0]}}}, r"datasets\.y\.group_by: expected a number of categories"),
        ({"datasets": {"y": {"group_by": [0, float("nan")]}}}, r"group_by: expected a number of categories"),
        ({"datasets": {"y": {"group_by": 0}}}, r"group_by: expected a number of categories, 1 to 10000"),
        ({"datasets": {"y": {"group_by": True}}}, r"group_by: expected a number of categories"),
        ({"datasets": {"y": {"group_by": {"z": "a"}}}}, r"group_by.*expected a number of categories"),
        ({"datasets": 3}, r"policy: datasets: expected a table"),
        (3, r"policy: expected a mode's name or a dict, not int"),
    ],
)
def test_a_policy_that_cant_be_names_its_key_and_what_is_allowed(policy: Any, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        policy_of_virtual(policy)


DIGEST = "sha256:" + "0" * 64


def test_what_training_may_take_away() -> None:
    written = {"plans": [DIGEST], "tasks": ["fit"], "users": ["ann"], "min_rows": 5, "rounds": 9, "metrics": "none"}
    found = read_policy(Settings({"train": written}, "bob.toml", "policy")).everybody.train
    wanted = TrainTerms(plans=(DIGEST,), tasks=("fit",), users=("ann",), min_rows=5, rounds=9, metrics="none")
    assert found == wanted
    assert read_policy(Settings({"train": {"plans": "any"}}, "x", "policy")).everybody.train == TrainTerms(
        plans=("any",)
    )
    assert read_policy(Settings({}, "x", "policy")).everybody.train is None
    assert TrainTerms().min_rows == 100


def test_it_is_overridden_key_by_key_for_data_sets_and_users() -> None:
    policy = {
        "train": {"tasks": ["fit"], "rounds": 3},
        "users": {"ann": {"train": {"rounds": 9}}},
        "datasets": {"pay": {"train": {"min_rows": 500, "tasks": []}}},
    }
    base, single = policy_of_virtual(policy)
    assert base.everybody.train == TrainTerms(tasks=("fit",), rounds=3)
    assert base.users["ann"].train == TrainTerms(tasks=("fit",), rounds=9)
    assert single["pay"].everybody.train == TrainTerms(rounds=3, min_rows=500)
    assert single["pay"].users["ann"].train == TrainTerms(rounds=9, min_rows=500)


@pytest.mark.parametrize(
    ("train", "said"),
    [
        ({"plan": "any"}, r"train\.plan: unknown key.*plans"),
        ({"plans": ["sha256:12"]}, r"train\.plans: expected digests"),
        ({"plans": ["sha256:" + "A" * 64]}, "expected digests"),
        ({"plans": "all"}, "expected a list"),
        ({"tasks": "fit"}, "expected a list"),
        ({"rounds": 0}, "rounds"),
        ({"min_rows": 0}, "min_rows"),
        ({"metrics": "step"}, r"metrics: unknown value 'step'"),
    ],
)
def test_what_is_wrong_about_training_is_refused(train: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        read_policy(Settings({"train": train}, "bob.toml", "policy"))
