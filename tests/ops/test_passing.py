"""How facts pass through ops, held against what ops do: rows that are perturbed, permuted and scaled."""

from __future__ import annotations

import contextlib
import os
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from fedsock.errors import OpFailed
from fedsock.ops import TABLE, check, flatten, passed
from fedsock.ops.passing import RULES
from fedsock.policy.facts import FUNCTION, Aggregate, Group, Rowwise
from tests.ops.calls import Call, Drawer, Slot, values
from tests.ops.forms import X, form_of, rowwise

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
        self.rng = rng
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

    def anything(self) -> dict[int, Any]:
        """Return private values of all kinds, infinities among them."""
        return {key: values(self.rng, self.slots[key].dtype, self.slots[key].shape) for key in self.axes}

    def small(self) -> dict[int, Any]:
        """Return private values that are small whole numbers."""
        return {key: small(self.rng, self.slots[key]) for key in self.axes}

    def perturbed(self, data: dict[int, Any], row: int) -> dict[int, Any]:
        """Return data with other values in a row."""

        def change(array: Any) -> Any:
            array = array.copy()
            array[row] = values(self.rng, array.dtype, array.shape)[row]
            return array

        return self.moved(data, change)

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


def cases(name: str, salt: int) -> Iterator[Case]:
    """Cases of an op whose results are not all mixed."""
    for number in range(CALLS):
        drawer = Drawer(TABLE[name], (zlib.crc32(name.encode()), salt, number))
        with contextlib.suppress(OpFailed):  # the call isn't one
            case = Case(name, drawer.call(), drawer.rng)
            if case.axes and any(form is not None for form in case.forms):
                yield case


def alike(one: Any, other: Any) -> bool:
    return bool(np.array_equal(one, other, equal_nan=np.asarray(one).dtype.kind in "fcmM"))


@pytest.mark.parametrize("name", sorted(RULES))
def test_a_row_changes_its_own_index_only(name: str) -> None:
    for case in cases(name, 1):
        data = case.anything()
        changed = int(case.rng.integers(ROWS))

        first, second = case.run(data), case.run(case.perturbed(data, changed))
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
    for case in cases(name, 2):
        data = case.small()
        order = case.rng.permutation(ROWS)
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
    for case in cases(name, 3):
        if any(case.slots[key].dtype.kind in "bu" or case.slots[key].dtype.itemsize < 4 for key in case.axes):
            continue  # they can't hold the points of a line
        start, step = case.small(), case.small()
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


def test_a_private_argument_that_no_rule_asks_about_mixes() -> None:
    hidden = rowwise((50, 1))
    assert form_of("sum", X, where=True) == form_of("sum", X)
    known = {id(X[0]): X[1], id(hidden[0]): hidden[1]}
    assert passed("sum", known, [X[0]], {"axis": 0, "where": hidden[0]}) is None
    assert passed("clip", known, [X[0]], {"nobody": hidden[0]}) is not None  # it is asked, whatever it is for
    assert passed("no such op", known, [X[0]], {}) is None


def test_every_rule_is_of_an_op() -> None:
    assert set(RULES) <= set(TABLE)
