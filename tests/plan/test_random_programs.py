"""Programs at random: a plan's numbers are those of the code it was recorded from, to the bit and the type."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from fedsock.plan.program import Program
from fedsock.plan.steps import Plan

UNARY = ("sin", "absolute", "negative", "sqrt", "tanh", "square", "sign")
BINARY = ("add", "subtract", "multiply", "maximum", "minimum", "arctan2")

Line = tuple[str, int, int]
"""What is done, and with which of the values so far."""

LINES = st.tuples(
    st.sampled_from((*UNARY, *BINARY, "sum", "rows", "mean", "size", "plus", "times", "where", "cast", "draw")),
    st.integers(0, 99),
    st.integers(0, 99),
)
PROGRAMS = st.lists(LINES, min_size=1, max_size=12)
UNDRAWN = st.lists(LINES.filter(lambda line: line[0] != "draw"), min_size=1, max_size=12)
DTYPES = st.sampled_from([np.float64, np.float32])


def beside(a: Any, b: Any) -> tuple[Any, Any]:
    """Return two values such that they broadcast: rows as a column beside a table."""
    two, one = np.ndim(a), np.ndim(b)
    return (a[:, None], b) if (two, one) == (1, 2) else (a, b[:, None]) if (two, one) == (2, 1) else (a, b)


def play(lines: list[Line], x: Any, y: Any, k: Any, rng: Any) -> list[Any]:
    """Do what the lines say, with numpy or with whatever stands for its arrays; return all values there are."""
    values = [x, y, k]
    for name, first, second in lines:
        a, b = values[first % len(values)], values[second % len(values)]
        if name in UNARY:
            values.append(getattr(np, name)(a))
        elif name in BINARY:
            values.append(getattr(np, name)(*beside(a, b)))
        elif name in ("plus", "times"):
            a, b = beside(a, b)
            values.append(a + b if name == "plus" else a * b)
        elif name == "where":
            a, b = beside(a, b)
            values.append(np.where(a > b, a, 0.5))
        elif name == "size":
            values.append(x.shape[0] + x.shape[first % 2] if second % 2 else y.size)
        elif name == "draw":
            values.append(rng.normal(size=3).sum())
        elif np.ndim(a) == 0:
            values.append(abs(a) - 1)
        elif name == "cast":
            values.append(a.astype(np.float32 if first % 2 else np.int64) if name == "cast" else a)
        else:
            values.append({"sum": a.sum(), "mean": a.mean(), "rows": a if a.ndim == 1 else a.sum(axis=1)}[name])
    return values


def arguments(rows: int, dtype: Any, k: Any) -> tuple[Any, Any, Any, np.random.Generator]:
    generator = np.random.default_rng(rows)
    made = generator.normal(size=(rows, 3)), generator.normal(size=rows)
    return made[0].astype(dtype), made[1].astype(dtype), k, np.random.default_rng(7)


def told(value: Any) -> Any:
    """Return all there is to compare of a value: its type, and its bits."""
    kind = type(value)
    return (
        (kind, value.dtype, value.shape, value.tobytes())
        if isinstance(value, (np.ndarray, np.generic))
        else (
            kind,
            np.float64(value).tobytes(),
        )
    )


def code(lines: list[Line], gives: list[int], dead: list[Line] | None = None) -> Any:
    """Return a function that does what the lines say; with others, it does all again before them, and gives of both."""

    def function(x: Any, y: Any, k: Any, rng: Any) -> Any:
        found = play(lines, x, y, k, rng)
        again = found if dead is None else play([*lines, *dead], x, y, k, rng)
        return [(again if one % 2 else found)[one % len(found)] for one in gives]

    return function


GIVES = st.lists(st.integers(0, 99), min_size=1, max_size=4)


@given(PROGRAMS, GIVES, st.integers(2, 40), DTYPES, st.sampled_from([2, 0.5, -3]))
def test_the_numbers_are_those_of_the_code(
    lines: list[Line], gives: list[int], rows: int, dtype: Any, k: float
) -> None:
    program = Program(code(lines, gives)).trace(*arguments(5, dtype, k))
    again = Program.from_json(program.to_json())
    with np.errstate(all="ignore"):
        expected = [told(one) for one in code(lines, gives)(*arguments(rows, dtype, k))]
    for _ in range(2):  # checked, and then not
        assert [told(one) for one in program(*arguments(rows, dtype, k))] == expected
        assert [told(one) for one in again(*arguments(rows, dtype, k))] == expected


@given(UNDRAWN, GIVES, UNDRAWN, DTYPES)
def test_what_nothing_needs_and_what_is_done_twice_leave_the_plan_as_it_is(
    lines: list[Line], gives: list[int], dead: list[Line], dtype: Any
) -> None:
    plain = Program(code(lines, gives)).trace(*arguments(5, dtype, 2))
    assert Program(code(lines, gives, dead)).trace(*arguments(9, dtype, 2)).digest == plain.digest
    assert Plan.from_json(plain.to_json()) == plain.plan


@given(st.lists(LINES, max_size=8), st.integers(1, 4))
def test_draws_that_look_alike_are_draws_of_their_own(lines: list[Line], count: int) -> None:
    def drawn(x: Any, y: Any, k: Any, rng: Any) -> Any:
        return [play([*lines, ("draw", 0, 0)], x, y, k, rng)[-1] for _ in range(count)]

    found = Program(drawn)(*arguments(5, np.float64, 2))
    assert len({float(one) for one in found}) == count
    with np.errstate(all="ignore"):
        assert found == drawn(*arguments(5, np.float64, 2))


def test_where_code_stands_is_no_part_of_its_digest() -> None:
    digests, lines = set(), set()
    for above in (0, 7):
        names: dict[str, Any] = {"np": np}
        source = "\n" * above + f"def f{above}(x):\n    return np.sin(x) * 2 + x.shape[0]\n"
        exec(compile(source, f"at{above}.py", "exec"), names)  # noqa: S102  # the same words at another place
        program = Program(names[f"f{above}"]).trace(np.ones(3))
        digests.add(program.digest)
        lines.update(step.line for step in program.plan.steps)
    assert len(digests) == 1 and len(lines) == 2
