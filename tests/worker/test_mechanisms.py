"""Releases: worth what they are said to be, on the worst neighbours, by 2e5 draws; refused for public reasons only."""

from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opendp import combinators, domains, metrics, transformations

from fedsock.errors import OpValueError
from fedsock.worker import mechanisms
from fedsock.worker.mechanisms import KINDS, REPLACE_ONE, Mechanism, prepare, release
from fedsock.worker.tallies import GRID

Array = np.ndarray[Any, np.dtype[Any]]

ONE = Decimal(1)
DRAWS = 200_000
"""Of two neighbours together."""

OPTIONS: dict[str, dict[str, Any]] = {
    "sum": {"bounds": (0, 16)},
    "mean": {"bounds": (0, 16)},
    "count": {},
    "histogram": {"edges": [0, 1, 2]},
    "quantile": {"candidates": [0.0, 2], "bounds": (-1, 3)},
}
"""Kind -> what it needs."""

NEIGHBOURS: dict[str, tuple[list[float], list[float]]] = {
    "sum": ([0, 3, 5], [16, 3, 5]),
    "mean": ([0, 3, 5], [16, 3, 5]),
    "count": ([0, 3, 5], [16, 3, 5]),
    "histogram": ([0.5, 0.5, 1.5], [1.5, 0.5, 1.5]),
    # One candidate's score rises as far as it can while the other's falls as far, and stays ahead.
    "quantile": ([3, -1, -1, 1, 1, 1, 1], [-1, -1, -1, 1, 1, 1, 1]),
}
"""Kind -> two data sets that differ in one row, and in the statistic as far as that goes."""


def prepared(kind: str, rows: Array, epsilon: Decimal = ONE, zcdp: bool = False, **more: Any) -> Mechanism:
    return prepare(kind, rows.shape, rows.dtype, epsilon=epsilon, zcdp=zcdp, **OPTIONS[kind], **more)


def noisy(mechanism: Mechanism, rows: Array, draws: int) -> Array:
    """Return (draws, k) of what OpenDP's measurement answers for these rows, the same that ``draw`` uses.

    Noise of a vector's numbers is independent, so many draws are one long vector; selections are composed.
    """
    exact = mechanism.statistic.tally(rows)
    if isinstance(mechanism.statistic, mechanisms.Quantile):
        batch = 1000
        many = combinators.make_composition([mechanism.measurement] * batch)
        return np.array([many(exact.tolist()) for _ in range(draws // batch)]).reshape(draws, 1)
    found: Array = np.array(mechanism.measurement(np.tile(exact, draws).tolist()), dtype=np.int64)
    return found.reshape(draws, exact.size)


def events(kind: str, first: Array, second: Array) -> Iterator[tuple[int, int]]:
    """Yield how often each of many events happened among either's draws: cells of equal mass, tails, and corners."""
    cuts = [
        np.unique(np.quantile(np.concatenate([a, b]), np.linspace(0, 1, 21)[1:-1]))
        for a, b in zip(first.T, second.T, strict=True)
    ]
    cells = [
        np.stack([np.searchsorted(cut, column, side="right") for cut, column in zip(cuts, sample.T, strict=True)])
        for sample in (first, second)
    ]
    for column in range(first.shape[1]):
        a, b = (np.bincount(sample[column], minlength=21) for sample in cells)
        yield from zip(a, b, strict=True)
        yield from zip(a.cumsum(), b.cumsum(), strict=True)
        yield from zip(a[::-1].cumsum(), b[::-1].cumsum(), strict=True)
    if kind == "histogram":  # the whole loss shows only where both cells are looked at
        for low in range(1, 20, 2):
            for high in range(1, 20, 2):
                a, b = (int(((sample[0] >= low) & (sample[1] <= high)).sum()) for sample in cells)
                yield a, b


# The loss, by counting.


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize("kind", KINDS)
def test_empirical_loss_of_pure_releases_is_within_epsilon_and_not_far_from_it(kind: str) -> None:
    epsilon = 1.0
    first, second = (np.array(rows, dtype=float) for rows in NEIGHBOURS[kind])
    mechanism = prepared(kind, first)
    answers = noisy(mechanism, first, DRAWS // 2), noisy(mechanism, second, DRAWS // 2)
    greatest = 0.0
    for a, b in events(kind, *answers):
        for more, less in ((a, b), (b, a)):
            # Six standard deviations: it fails by chance once in a million runs.
            slack = 6 * math.sqrt(more + math.exp(2 * epsilon) * less + 1)
            assert more <= math.exp(epsilon) * less + slack
            if less > 2000:
                greatest = max(greatest, math.log(more / less))
    assert greatest > 0.9 * epsilon, "more noise than is paid for"


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize("kind", ["sum", "histogram", "quantile"])
def test_empirical_loss_of_zcdp_releases_is_within_rho(kind: str) -> None:
    """Renyi divergence of order 2 is at most 2 rho, and what is seen of it through cells never more than the whole."""
    rho = 0.5
    first, second = (np.array(rows, dtype=float) for rows in NEIGHBOURS[kind])
    mechanism = prepared(kind, first, zcdp=True)
    a, b = (noisy(mechanism, rows, DRAWS // 2 if kind == "sum" else DRAWS // 8) for rows in (first, second))
    # The direction in which the two differ; of selections, the candidate itself.
    moved = mechanism.statistic.tally(second) - mechanism.statistic.tally(first)
    a, b = (a[:, 0], b[:, 0]) if kind == "quantile" else (a @ np.sign(moved), b @ np.sign(moved))
    cuts = np.unique(np.quantile(np.concatenate([a, b]), np.linspace(0, 1, 31)[1:-1]))
    p, q = (np.bincount(np.searchsorted(cuts, x, side="right"), minlength=31) / len(x) for x in (a, b))
    kept = (p > 0) & (q > 0)
    seen = [math.log(float((one[kept] ** 2 / other[kept]).sum())) for one, other in ((p, q), (q, p))]
    assert max(seen) <= 2 * rho + 0.15
    assert max(seen) >= 2 * rho - (0.4 if kind == "quantile" else 0.15), "more noise than is paid for"


@pytest.mark.parametrize("zcdp", [False, True])
def test_no_answer_is_possible_under_only_one_neighbour(zcdp: bool) -> None:
    """Counts of neighbours: every integer in the middle comes up under both, odd and even alike."""
    first, second = (np.array(rows, dtype=float) for rows in NEIGHBOURS["count"])
    mechanism = prepared("count", first, Decimal("0.5"), zcdp)
    a, b = (noisy(mechanism, rows, 20_000)[:, 0] for rows in (first, second))
    middle = set(range(-2, 8))
    assert middle <= set(a.tolist()) and middle <= set(b.tolist())
    assert abs((a % 2).mean() - (b % 2).mean()) <= math.tanh(0.25) + 0.03


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_released_is_made_of_public_numbers_and_noisy_integers_alone(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the noise gives two neighbours the same integers, they answer the same, to the last bit."""
    first, second = (np.array(rows, dtype=float) for rows in NEIGHBOURS[kind])
    mechanism = prepared(kind, first)
    given: Any = 1 if kind == "quantile" else [12_345] * mechanism.statistic.tally(first).size
    monkeypatch.setattr(mechanisms.Measurement, "__call__", lambda self, arg: given)
    answers = [np.asarray(mechanism.draw(rows)).tobytes() for rows in (first, second, first * np.nan)]
    assert len(set(answers)) == 1


@given(st.lists(st.integers(-(2**62), 2**62), min_size=2, max_size=2, unique=True))
def test_every_noisy_integer_is_read_alike(pair: list[int]) -> None:
    """The lattice of answers has the bounds' origin and step, for every data set of that many rows."""
    mechanism = prepared("sum", np.zeros(3))
    low, high = sorted(pair)
    assert mechanism.statistic.read([low]) <= mechanism.statistic.read([high])
    assert mechanism.statistic.read([low]) == pytest.approx(low * 16 / GRID)


# The loss, as OpenDP has it.


epsilons = st.decimals("0.0001", "1000", allow_nan=False, allow_infinity=False, places=7)


@settings(max_examples=60)
@given(st.sampled_from(KINDS), epsilons, st.booleans(), st.integers(1, 50))
def test_the_loss_is_never_above_what_was_asked_for_and_hardly_below(
    kind: str, epsilon: Decimal, zcdp: bool, subject_rows: int
) -> None:
    mechanism = prepared(kind, np.zeros(9), epsilon, zcdp, d_in=REPLACE_ONE * subject_rows)
    wanted = Fraction(epsilon) ** 2 / 2 if zcdp else Fraction(epsilon)
    assert wanted * (1 - Fraction(1, 10**9)) <= Fraction(mechanism.loss) <= wanted
    furthest = {"sum": GRID, "mean": GRID, "count": 1, "histogram": math.sqrt(2) if zcdp else 2, "quantile": 2}[kind]
    moved = furthest * subject_rows
    independent = mechanism.measurement.map(moved if kind == "quantile" else float(moved))
    assert independent == pytest.approx(mechanism.loss)


@pytest.mark.parametrize("zcdp", [False, True])
@pytest.mark.parametrize(("kind", "step"), [("sum", GRID), ("mean", GRID), ("count", 1)])
def test_columns_are_paid_for_together(kind: str, step: int, zcdp: bool) -> None:
    single, table = prepared(kind, np.zeros(5), zcdp=zcdp), prepared(kind, np.zeros((5, 3, 3)), zcdp=zcdp)
    share = 3.0 if zcdp else 9.0  # of a row that moves all nine: L2 and L1
    assert single.loss == pytest.approx(0.5 if zcdp else 1)
    assert table.measurement.map(step * share) == table.loss == pytest.approx(single.loss)
    assert single.measurement.map(step * share) == pytest.approx(single.loss * 9)


@pytest.mark.parametrize(("zcdp", "spread"), [(False, math.sqrt(2)), (True, 1.0)])
@pytest.mark.parametrize(("subject_rows", "epsilon"), [(1, "1"), (1, "0.1"), (5, "1")])
def test_noise_is_as_wide_as_the_literature_says(zcdp: bool, spread: float, subject_rows: int, epsilon: str) -> None:
    rows = np.full(1000, 8.0)
    mechanism = prepared("mean", rows, Decimal(epsilon), zcdp, d_in=REPLACE_ONE * subject_rows)
    noise = noisy(mechanism, rows, 4000)[:, 0] - mechanism.statistic.tally(rows)[0]
    expected = spread * GRID * subject_rows / float(epsilon)
    assert noise.std() == pytest.approx(expected, rel=0.15)
    assert abs(noise.mean()) < 6 * expected / math.sqrt(len(noise))


def test_scores_are_opendps() -> None:
    rng = np.random.default_rng(3)
    rows, candidates = np.round(rng.normal(0, 2, 500), 1), [-2.0, -0.5, 0.0, 0.5, 3.0]
    domain = domains.vector_domain(domains.atom_domain(T=float, nan=False))
    for quantile, factor in ((0.5, 1), (0.0, 1), (1.0, 1)):
        theirs = transformations.make_quantile_score_candidates(
            domain, metrics.symmetric_distance(), candidates, quantile
        )
        options: dict[str, Any] = {"candidates": candidates, "quantile": quantile, "bounds": (-50, 50)}
        ours = prepare("quantile", rows.shape, rows.dtype, epsilon=ONE, zcdp=False, **options)
        assert ours.statistic.tally(rows).tolist() == [score * factor for score in theirs(rows)]


# Drawing.


@pytest.mark.parametrize("zcdp", [False, True])
def test_answers_are_near_the_truth(zcdp: bool) -> None:
    rows = np.random.default_rng(5).normal(8, 2, 20_000)
    options: dict[str, Any] = {"epsilon": Decimal("0.5"), "zcdp": zcdp}
    assert release("sum", rows, bounds=(0, 16), **options) == pytest.approx(np.clip(rows, 0, 16).sum(), abs=1000)
    assert release("mean", rows, bounds=(0, 16), **options) == pytest.approx(8, abs=0.1)
    assert release("count", rows > 8, **options) == pytest.approx((rows > 8).sum(), abs=80)
    found = release("histogram", rows, edges=[0, 6, 8, 10, 16], **options)
    np.testing.assert_allclose(found, np.histogram(np.clip(rows, 0, 16), [0, 6, 8, 10, 16])[0], atol=150)
    assert release("quantile", rows, candidates=np.arange(17.0), **options) == 8.0
    assert release("quantile", rows, candidates=np.arange(17.0), quantile=0.84, **options) == 10.0
    table = release("mean", np.stack([rows, rows + 2, rows - 2], axis=1), bounds=(0, 16), **options)
    np.testing.assert_allclose(table, [8, 10, 6], atol=0.2)


def test_answers_are_of_numpys_types() -> None:
    rows, options = np.ones((4, 2)), {"epsilon": ONE, "zcdp": False}
    kept = {
        "sum": np.float64, "mean": np.float64, "count": np.int64, "quantile": np.float64, "histogram": np.ndarray
    }  # fmt: skip
    for kind, type_ in kept.items():
        assert type(release(kind, rows[:, 0], **options, **OPTIONS[kind])) is type_
    for kind in ("sum", "mean", "count"):
        found = release(kind, rows, **options, **OPTIONS[kind])
        assert found.shape == (2,) and found.dtype == kept[kind]
        assert release(kind, np.ones((4, 2, 3)), **options, **OPTIONS[kind]).shape == (2, 3)


def test_every_draw_is_a_new_one() -> None:
    mechanism = prepared("sum", np.ones(10))
    assert len({mechanism.draw(np.ones(10)) for _ in range(20)}) == 20


ODD = [np.nan, np.inf, -np.inf, -0.0, 1e308, -1e308, 1e-310, 5e-324]


@pytest.mark.parametrize("zcdp", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_nothing_fails_or_warns_because_of_values(kind: str, zcdp: bool) -> None:
    signalling = np.array([0x7FF0000000000001], dtype=np.uint64).view(np.float64)[0]
    for odd in (*ODD, signalling):
        for rows in (np.full(6, odd), np.array([odd, 1.0, 2.0]), np.array([odd, -odd, np.nan])):
            mechanism = prepared(kind, rows, zcdp=zcdp)
            with np.errstate(all="raise"):
                answer = mechanism.draw(rows)
            assert np.isfinite(answer).all()
    for dtype in ("float16", "float32", "int8", "uint64", "int64", "bool"):
        limits = np.array([0, 1], dtype=dtype) if dtype == "bool" else None
        info = np.finfo(dtype) if dtype.startswith("f") else np.iinfo(dtype) if limits is None else None
        rows = limits if info is None else np.array([info.min, info.max], dtype=dtype)
        assert np.isfinite(release(kind, rows, epsilon=ONE, zcdp=zcdp, **OPTIONS[kind])).all()


@pytest.mark.parametrize("bounds", [(-1e100, 1e100), (0, 1e100), (0, 1e-100), (1e99, 1e100), (1e16, 1e16 + 2), (-1, 0)])
@pytest.mark.parametrize("kind", ["sum", "mean"])
def test_bounds_at_the_edge_of_floats_do(kind: str, bounds: tuple[float, float]) -> None:
    mechanism = prepare(kind, (7,), np.dtype(float), epsilon=Decimal(100), zcdp=False, bounds=bounds)
    for odd in ODD:
        with np.errstate(all="raise"):  # underflow, where a tiny value is measured by huge steps
            assert np.isfinite(mechanism.draw(np.full(7, odd)))
    middle = np.full(7, bounds[0] + (bounds[1] - bounds[0]) / 2)
    answer = release("mean", middle, epsilon=Decimal(10**6), zcdp=False, bounds=bounds)
    assert bounds[0] <= answer <= bounds[1]


def test_a_mechanism_draws_only_from_what_it_was_made_for() -> None:
    mechanism = prepared("sum", np.ones(10))
    for rows in (np.ones(11), np.ones((10, 2)), np.ones(10, dtype=np.float32)):
        with pytest.raises(OpValueError, match="prepared for float64"):
            mechanism.draw(rows)


# OpenDP itself.


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_only_contrib_is_enabled() -> None:
    code = "import fedsock.worker.mechanisms, opendp.mod; print(sorted(opendp.mod.GLOBAL_FEATURES))"
    assert run(code) == "['contrib']"


def test_without_opendp_it_says_what_to_install() -> None:
    code = (
        "import sys; sys.modules['opendp'] = None\n"
        "from fedsock.errors import ConfigError\n"
        "try: import fedsock.worker.mechanisms\n"
        "except ConfigError as error: print(error)"
    )
    assert "pip install 'fedsock[dp]'" in run(code)
