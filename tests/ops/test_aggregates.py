"""What is a listed reduction of rowwise values, and a table of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from fedsock.policy.facts import FUNCTION, Group, Rowwise
from tests.ops.forms import XT, V, X, form_of, rowwise


@pytest.mark.parametrize(
    ("name", "args", "kwargs", "template", "degree", "weighted"),
    [
        ("sum", (X,), {}, "sum", 1, False),
        ("sum", (rowwise((50,), degree=2),), {}, "sum", 2, False),
        ("mean", (X,), {"axis": 0}, "mean", 1, False),
        ("var", (X,), {"axis": 0, "ddof": 1}, "var", 2, False),
        ("var", (rowwise((50,), degree=2),), {}, "var", FUNCTION, False),
        ("std", (X,), {"axis": 0}, "std", 2, False),
        ("cov", (XT,), {}, "cov", 2, False),
        ("cov", (X,), {"rowvar": False}, "cov", 2, False),
        ("corrcoef", (V, V), {}, "corrcoef", 2, False),
        ("matmul", (XT, X), {}, "product", 2, False),
        ("matmul", (XT, np.ones(50)), {}, "product", 1, True),
        ("dot", (V, V), {}, "product", 2, False),
        ("matmul", (rowwise((4, 50), np.int64, 1), rowwise((50, 4), np.int64)), {}, "product", FUNCTION, False),
        ("sum", (rowwise((50,), weighted=True),), {}, "sum", 1, True),
        ("bincount", (rowwise((50,), np.int64, raw="ages"),), {"minlength": 9}, "count", FUNCTION, False),
    ],
)
def test_what_is_a_listed_reduction(
    name: str, args: Any, kwargs: Any, template: str, degree: int, weighted: bool
) -> None:
    form = form_of(name, *args, **kwargs)
    assert (form.template, form.degree, form.weighted) == (template, degree, weighted)


def test_a_histogram_with_public_edges_is_counts_and_edges() -> None:
    counts, edges = form_of("histogram", V, np.array([0.0, 5.0, 9.0]))
    assert counts.template == "count" and counts.tables == (("ages", (0.0, 5.0, 9.0)),) and edges.template == "edges"
    both = form_of("histogram2d", V, V, [[0, 1], [0, 2]])
    assert both[0].tables == (("ages", (0.0, 1.0)), ("ages", (0.0, 2.0))) and len(both) == 3


def test_rows_of_two_groups_are_no_aggregate() -> None:
    other = (np.broadcast_to(0.0, 50), Rowwise(Group("others", 50), 0, raw="pay"))
    assert form_of("dot", V, other) is None
    assert form_of("cov", V, other) is None
    assert form_of("histogram2d", V, other, [[0, 1], [0, 2]]) is None


def test_edges_are_numbers() -> None:
    assert form_of("histogram", V, np.array(["a", "b"])) is None
