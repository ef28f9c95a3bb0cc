"""How facts pass through ops, held against what ops do: rows that are perturbed, permuted and scaled."""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from fedsock.ops import TABLE, check, flatten, passed
from fedsock.ops.passing import RULES
from fedsock.policy.facts import FUNCTION, Aggregate, Group, Rowwise
from tests.ops.calls import Call, Drawer, Slot, values

CALLS = 8 * int(os.environ.get("FEDSOCK_EXAMPLES", "6"))
ROWS = 3

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")


class Case:
    """A call of which some private arguments are rowwise, and what the rules say of its results.

    Attributes:
        forms: one for each result; None: mixed.
    """

    def __init__(self, name: str, call: Call, rng: np.random.Generator) -> None:
        self.row = TABLE[name]
        self.call = call
        self.group = Group("subjects", ROWS)
        self.slots = {id(slot): slot for slot in _slots([*call.args, *call.kwargs.values()])}
        self.axes: dict[int, int] = {}
        for key, slot in self.slots.items():
            places = [axis for axis, size in enumerate(slot.shape) if size == ROWS]
            slot.private = slot.private and bool(places)
            if slot.private:
                self.axes[key] = int(rng.choice(places))
        raw = {key: "ages" for key in self.axes}
        self.known: dict[int, Rowwise] = {}
        self.kept: list[Any] = []
        args, kwargs = self._with(lambda key, slot: self._stand_in(key, slot, raw))
        checked = check(self.row, args, kwargs)
        found = passed(name, self.known, *checked)
        self.forms = list(found) if isinstance(found, tuple) else [found]

    def _stand_in(self, key: int, slot: Slot, raw: dict[int, str]) -> Any:
        if key not in self.axes:
            return slot.fill(np.random.default_rng(0))
        value = np.broadcast_to(np.zeros((), slot.dtype), slot.shape)
        self.known[id(value)] = Rowwise(self.group, self.axes[key], raw=raw[key])
        self.kept.append(value)
        return value

    def _with(self, fill: Callable[[int, Slot], Any]) -> tuple[list[Any], dict[str, Any]]:
        def filled(tree: Any) -> Any:
            if isinstance(tree, Slot):
                return fill(id(tree), tree)
            return type(tree)(map(filled, tree)) if isinstance(tree, (list, tuple)) else tree

        return [filled(arg) for arg in self.call.args], {k: filled(arg) for k, arg in self.call.kwargs.items()}

    def run(self, data: dict[int, Any]) -> list[Any] | None:
        """Return the results with other private values; None when the op fails."""
        args, kwargs = self._with(lambda key, slot: data[key] if key in data else slot.fill(np.random.default_rng(0)))
        try:
            with np.errstate(all="ignore"):
                checked, named = check(self.row, args, kwargs)
                results = flatten(self.row, self.row.function(*checked, **named))
        except Exception:
            return None
        forms = self.forms * len(results) if len(self.forms) == 1 else self.forms
        assert len(forms) == len(results)
        self.forms = forms
        return results

    def draw(self, make: Callable[[Slot], Any]) -> dict[int, Any]:
        return {key: make(self.slots[key]) for key in self.axes}

    def moved(self, data: dict[int, Any], change: Callable[[Any], Any]) -> dict[int, Any]:
        """Return data with a change made to each array whose rows stand first."""
        return {
            key: np.moveaxis(change(np.moveaxis(array, self.axes[key], 0)), 0, self.axes[key]).copy()
            for key, array in data.items()
        }


def _slots(tree: Any) -> Iterator[Slot]:
    if isinstance(tree, Slot):
        yield tree
    elif isinstance(tree, (list, tuple)):
        for part in tree:
            yield from _slots(part)


def cases(name: str, salt: int) -> Iterator[tuple[Case, np.random.Generator]]:
    """Cases of an op whose results are not all mixed."""
    for number in range(CALLS):
        drawer = Drawer(TABLE[name], (zlib.crc32(name.encode()), salt, number))
        try:
            case = Case(name, drawer.call(), drawer.rng)
        except Exception:
            continue  # the call isn't one
        if case.axes and any(form is not None for form in case.forms):
            yield case, drawer.rng


def alike(one: Any, other: Any) -> bool:
    return bool(np.array_equal(one, other, equal_nan=np.asarray(one).dtype.kind in "fcmM"))


@pytest.mark.parametrize("name", sorted(RULES))
def test_a_row_changes_its_own_index_only(name: str) -> None:
    for case, rng in cases(name, 1):
        data = case.draw(lambda slot: values(rng, slot.dtype, slot.shape))
        changed = int(rng.integers(ROWS))

        def perturb(array: Any, at: int = changed) -> Any:
            array = array.copy()
            array[at] = values(rng, array.dtype, array.shape)[at]
            return array

        first, second = case.run(data), case.run(case.moved(data, perturb))
        if first is None or second is None:
            continue
        for form, before, after in zip(case.forms, first, second, strict=True):
            if isinstance(form, Rowwise):
                assert before.shape[form.axis] == ROWS, (case.call, form)
                others = np.arange(ROWS) != changed
                assert alike(np.compress(others, before, form.axis), np.compress(others, after, form.axis)), (
                    case.call,
                    form,
                    before,
                    after,
                )


@pytest.mark.parametrize("name", sorted(RULES))
def test_what_is_not_weighted_treats_all_rows_alike(name: str) -> None:
    for case, rng in cases(name, 2):
        data = case.draw(lambda slot: small(rng, slot))
        order = rng.permutation(ROWS)
        first, second = case.run(data), case.run(case.moved(data, lambda array, order=order: array[order]))
        if first is None or second is None:
            continue
        for form, before, after in zip(case.forms, first, second, strict=True):
            if form is None or form.weighted:
                continue
            if isinstance(form, Rowwise):
                assert alike(np.take(before, order, form.axis), after), (case.call, form, before, after)
            else:
                np.testing.assert_allclose(after, before, rtol=1e-2 if _coarse(case) else 1e-9, atol=1e-9)


def _coarse(case: Case) -> bool:
    """Whether sums are of so few digits that their order shows."""
    return any(slot.dtype.char in "efF" for slot in case.slots.values())


def small(rng: np.random.Generator, slot: Slot) -> Any:
    if slot.dtype.kind == "c":
        return (rng.integers(-3, 4, slot.shape) + 1j * rng.integers(-3, 4, slot.shape)).astype(slot.dtype)
    low = 0 if slot.dtype.kind in "bu" else -3
    return rng.integers(low, 2 if slot.dtype.kind == "b" else 4, slot.shape).astype(slot.dtype)


@pytest.mark.parametrize("name", sorted(RULES))
def test_what_has_a_degree_is_a_polynomial_of_it(name: str) -> None:
    """Along any line in the private values, differences beyond the degree vanish."""
    for case, rng in cases(name, 3):
        if any(case.slots[key].dtype.kind in "bu" or case.slots[key].dtype.itemsize < 4 for key in case.axes):
            continue  # they can't hold the points of a line
        start, step = case.draw(lambda slot: small(rng, slot)), case.draw(lambda slot: small(rng, slot))
        points = [case.run({key: start[key] + step[key] * t for key in start}) for t in range(5)]
        if any(point is None for point in points):
            continue
        for at, form in enumerate(case.forms):
            if form is None or form.degree == FUNCTION or (isinstance(form, Aggregate) and form.template == "corrcoef"):
                continue
            line = [np.asarray(point[at], complex) for point in points if point is not None]
            if isinstance(form, Aggregate) and form.template == "std":
                line = [point**2 for point in line]
            scale = max((float(np.abs(point).max(initial=1.0)) for point in line), default=1.0)
            differences = np.diff(np.array(line), form.degree + 1, axis=0)
            finite = np.isfinite(np.array(line)).all(axis=0)
            tolerance = 1e-3 if _coarse(case) else 1e-9
            assert (np.abs(differences[:, finite]) <= tolerance * max(scale, 1.0)).all(), (case.call, form, line)


def rowwise(shape: tuple[int, ...], dtype: Any = float, axis: int = 0, **more: Any) -> tuple[Any, Rowwise]:
    value = np.broadcast_to(np.zeros((), dtype), shape)
    return value, Rowwise(Group("subjects", shape[axis]), axis, **more)


def form_of(name: str, *args: Any, **kwargs: Any) -> Any:
    """What an op makes of arguments, those made by ``rowwise`` among them."""
    known = {id(arg[0]): arg[1] for arg in args if isinstance(arg, tuple) and len(arg) == 2 and _is_known(arg)}
    plain = [arg[0] if isinstance(arg, tuple) and len(arg) == 2 and _is_known(arg) else arg for arg in args]
    return passed(name, known, *check(TABLE[name], plain, kwargs))


def _is_known(arg: Any) -> bool:
    return isinstance(arg[1], Rowwise)


X = rowwise((50, 4))
XT = rowwise((4, 50), axis=1)
V = rowwise((50,), raw="ages")
COLUMN = np.ones((50, 1))


@pytest.mark.parametrize(
    ("name", "args", "kwargs", "axis", "degree", "weighted"),
    [
        ("add", (X, 1.5), {}, 0, 1, False),
        ("add", (X, np.ones(4)), {}, 0, 1, False),
        ("subtract", (X, X), {}, 0, 1, False),
        ("multiply", (X, X), {}, 0, 2, False),
        ("multiply", (X, COLUMN), {}, 0, 1, True),
        ("divide", (X, 2.0), {}, 0, 1, False),
        ("divide", (1.0, X), {}, 0, FUNCTION, False),
        ("square", (X,), {}, 0, 2, False),
        ("pow", (X, 2), {}, 0, 2, False),
        ("pow", (X, 3), {}, 0, FUNCTION, False),
        ("greater", (X, 0.0), {}, 0, FUNCTION, False),
        ("where", (X, 1.0, X), {}, 0, FUNCTION, False),
        ("exp", (X,), {}, 0, FUNCTION, False),
        ("clip", (X, 0.0, 1.0), {}, 0, FUNCTION, False),
        ("astype", (rowwise((50,), np.int8), np.dtype("f8")), {}, 0, 1, False),
        ("astype", (X, np.dtype("i8")), {}, 0, FUNCTION, False),
        ("multiply", (rowwise((50,), np.int64), 2), {}, 0, FUNCTION, False),
        ("matmul", (X, np.ones((4, 2))), {}, 0, 1, False),
        ("matmul", (np.ones((2, 4)), XT), {}, 1, 1, False),
        ("transpose", (X,), {}, 1, 1, False),
        ("swapaxes", (X, 0, 1), {}, 1, 1, False),
        ("moveaxis", (rowwise((2, 50, 3), axis=1), 1, -1), {}, 2, 1, False),
        ("expand_dims", (X, 0), {}, 1, 1, False),
        ("squeeze", (rowwise((1, 50, 1), axis=1),), {}, 0, 1, False),
        ("reshape", (X, (50, 2, 2)), {}, 0, 1, False),
        ("reshape", (X, (-1, 2, 2)), {}, 0, 1, False),
        ("sum", (X,), {"axis": 1}, 0, 1, False),
        ("mean", (XT,), {"axis": 0, "keepdims": True}, 1, 1, False),
        ("max", (X,), {"axis": 1}, 0, FUNCTION, False),
        ("sort", (X,), {"axis": 1}, 0, FUNCTION, False),
        ("getitem", (X, (slice(None), 2)), {}, 0, 1, False),
        ("getitem", (XT, 1), {}, 0, 1, False),
        ("getitem", (X, (Ellipsis, None, slice(1, 3))), {}, 0, 1, False),
        ("getitem.array", (X, (slice(None), np.array([0, 2]))), {}, 0, 1, False),
        ("iadd", (X, 1.0), {}, 0, 1, False),
    ],
)
def test_what_keeps_rows_apart(name: str, args: Any, kwargs: Any, axis: int, degree: int, weighted: bool) -> None:
    form = form_of(name, *args, **kwargs)
    assert (form.axis, form.degree, form.weighted) == (axis, degree, weighted) and form.group == Group("subjects", 50)


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


@pytest.mark.parametrize(
    ("name", "args", "kwargs"),
    [
        ("getitem", (X, 5), {}),
        ("getitem", (X, slice(0, 49)), {}),
        ("getitem", (X, slice(None, None, -1)), {}),
        ("getitem.array", (X, np.array([0] * 50)), {}),
        ("getitem.array", (X, (slice(None), 0, np.array([0]))), {}),
        ("repeat", (X, 2, 0), {}),
        ("tile", (X, (1, 2)), {}),
        ("concatenate", ([X[0], X[0]],), {}),
        ("pad", (X, 1), {}),
        ("cumsum", (X,), {"axis": 0}),
        ("diff", (X,), {"axis": 0}),
        ("sort", (X,), {"axis": 0}),
        ("roll", (X, 1, 0), {}),
        ("add.reduceat", (X, np.array([0, 1])), {}),
        ("subtract.outer", (V, V), {}),
        (
            "add",
            (X, rowwise((50, 1), axis=0)),
            {"where": np.ones(50, bool)[:, None], "dtype": None} | {"dtype": np.dtype("f8")},
        ),
        ("add", (rowwise((50, 50)), rowwise((50, 50), axis=1)), {}),
        ("add", (X, (np.zeros((50, 1)), Rowwise(Group("others", 50), 0))), {}),
        ("matmul", (X, XT), {}),
        ("sum", (X,), {"where": np.arange(50)[:, None] == 5}),
        ("sum", (X,), {"initial": 3.0}),
        ("mean", (X,), {"dtype": np.dtype("i8")}),
        ("average", (X,), {}),
        ("max", (X,), {}),
        ("median", (X,), {"axis": 0}),
        ("reshape", (X, (4, 50)), {}),
        ("reshape", (XT, (50, 4)), {}),
        ("cov", (X,), {}),
        ("cov", (V,), {"fweights": np.arange(50)}),
        ("bincount", (rowwise((50,), np.int64),), {"minlength": 9}),
        ("bincount", (rowwise((50,), np.int64, raw="ages"), np.ones(50)), {}),
        ("histogram", (V,), {"bins": 5}),
        ("einsum", ("ij->i", X), {}),
    ],
)
def test_what_mixes_rows(name: str, args: Any, kwargs: Any) -> None:
    assert not isinstance(form_of(name, *args, **kwargs), Aggregate)
    if name != "add" or "where" not in kwargs:
        assert form_of(name, *args, **kwargs) is None


def test_a_histogram_with_public_edges_is_counts_and_edges() -> None:
    counts, edges = form_of("histogram", V, np.array([0.0, 5.0, 9.0]))
    assert counts.template == "count" and counts.tables == (("ages", (0.0, 5.0, 9.0)),) and edges.template == "edges"
    both = form_of("histogram2d", V, V, [[0, 1], [0, 2]])
    assert both[0].tables == (("ages", (0.0, 1.0)), ("ages", (0.0, 2.0))) and len(both) == 3


def test_a_private_argument_that_no_rule_asks_about_mixes() -> None:
    hidden = rowwise((50, 1))
    assert form_of("sum", X, where=True) == form_of("sum", X)
    known = {id(X[0]): X[1], id(hidden[0]): hidden[1]}
    assert passed("sum", known, [X[0]], {"axis": 0, "where": hidden[0]}) is None
    assert passed("clip", known, [X[0]], {"nobody": hidden[0]}) is not None  # it is asked, whatever it is for
    assert passed("no such op", known, [X[0]], {}) is None


def test_every_rule_is_of_an_op() -> None:
    assert set(RULES) <= set(TABLE)
