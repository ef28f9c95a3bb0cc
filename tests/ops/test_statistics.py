"""statistics: equal to numpy, no larger than predicted, and no bins beyond measure."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedsock.errors import OpTypeError
from fedsock.ops import statistics
from fedsock.ops.registry import check, depends_on_values
from fedsock.ops.statistics import BIN_LIMIT, ROWS
from tests.ops.harness import few
from tests.ops.oracle import EVERY, REALS, agree, arrays

TABLE = {row.name: row for row in ROWS}
QUANTILES = ["percentile", "quantile", "nanpercentile", "nanquantile"]
AXES = st.sampled_from([None, 0, -1, 1, 5, (0, 1), (0, 0), ()])
METHODS = ["linear", "lower", "higher", "nearest", "midpoint", "inverted_cdf", "weibull", "hazen", "no"]
ESTIMATORS = ["auto", "fd", "doane", "scott", "stone", "rice", "sturges", "sqrt", "no"]


@pytest.mark.parametrize("name", QUANTILES)
@few
@given(data=st.data())
def test_quantiles(name: str, data: Any) -> None:
    q = st.sampled_from([0, 1, 0.5, np.array([0.25, 0.5]), np.array([[0.1, 1.0]]), np.array([]), 1.5, np.nan, -1])
    options = data.draw(
        st.fixed_dictionaries(
            {}, optional={"axis": AXES, "keepdims": st.booleans(), "method": st.sampled_from(METHODS)}
        )
    )
    agree(TABLE[name], data.draw(arrays(EVERY)), data.draw(q), **options)


@pytest.mark.parametrize("name", QUANTILES)
@pytest.mark.parametrize("weights", [[1, 2, 3], [1, 2], [-1, 2, 3], [0, 0, 0], [np.nan, 1, 1]])
def test_weighted_quantiles(name: str, weights: Any) -> None:
    agree(TABLE[name], np.array([3.0, 1.0, 2.0]), 0.5, weights=np.array(weights), method="inverted_cdf")


@pytest.mark.parametrize("name", ["median", "nanmedian"])
@few
@given(data=st.data())
def test_medians(name: str, data: Any) -> None:
    options = data.draw(st.fixed_dictionaries({}, optional={"axis": AXES, "keepdims": st.booleans()}))
    agree(TABLE[name], data.draw(arrays(EVERY)), **options)


RANGES = st.sampled_from([None, (0, 1), np.array([-2.0, 3.0]), (1, 0), (0, np.inf), (2, 2), (1, 2, 3)])
BINS = st.sampled_from([1, 10, 0, -1, np.array([0, 1, 2]), [1.0, 0.5], np.array([]), np.eye(2), 2.5, *ESTIMATORS])


@pytest.mark.parametrize("name", ["histogram", "histogram_bin_edges"])
@few
@given(data=st.data())
def test_histograms(name: str, data: Any) -> None:
    small = st.lists(st.integers(-5, 5) | st.floats(-5, 5, width=16), max_size=8).map(np.array)
    a = data.draw(small | arrays(EVERY))
    options = data.draw(st.fixed_dictionaries({}, optional={"bins": BINS, "range": RANGES}))
    if data.draw(st.booleans()):
        options["weights"] = data.draw(st.just(np.ones(a.shape)) | arrays())
    if data.draw(st.booleans()) and name == "histogram":
        options["density"] = data.draw(st.booleans())
    spread = a.size and a.dtype.kind in "iuf" and not np.ptp(np.nan_to_num(a.astype(float))) < 1e4
    if isinstance(options.get("bins"), str) and spread:
        options["bins"] = 3  # too many bins have tests of their own
    agree(TABLE[name], a, **options)


@pytest.mark.parametrize("estimator", ESTIMATORS)
@pytest.mark.parametrize("span", [None, (0, 10), (2, 3), (50, 60)])
def test_estimators(estimator: str, span: Any) -> None:
    rng = np.random.default_rng(1)
    for a in (rng.normal(5, 2, 200), rng.integers(0, 20, 100), np.full(5, 2.0), np.array([]), np.array([1.0, np.nan])):
        agree(TABLE["histogram"], a, estimator, span)
        agree(TABLE["histogram_bin_edges"], a, bins=estimator, range=span)
    # Nothing bounded by infinity is estimated, nor what is wider than any number.
    for span in ((0, np.inf), (-1.7e308, 1.7e308)):
        agree(TABLE["histogram"], np.array([1.0, 2.0]), estimator, span)
    agree(TABLE["histogram"], np.ones(3), estimator, weights=np.ones(3))
    agree(TABLE["histogram"], np.array(["a"]), estimator)


@pytest.mark.parametrize("name", ["histogram", "histogram_bin_edges"])
def test_an_estimator_that_tries_many_is_known_to_take_long(name: str) -> None:
    cost = TABLE[name].cost
    assert cost is not None
    a = np.zeros(10**6)
    assert cost(a, "stone") > 900 * cost(a, "fd") == 900 * cost(a) == 900 * cost(a, bins=7)
    assert cost(a[:4], bins="stone") == 100 * cost(a[:4])


@pytest.mark.parametrize("name", ["histogram", "histogram_bin_edges"])
@pytest.mark.parametrize(
    ("a", "estimator", "span"),
    [
        (np.array([0.0, 1e-9, 2e-9, 3e-9, 1e12]), "fd", None),
        (np.full(3, 0.1), "scott", None),
        (np.array([0.0, 1.0, 2.0]), "sqrt", (0, 1e300)),
        (np.array([0, 1, 2, 3, 2**40]), "fd", None),
    ],
)
def test_estimators_that_ask_for_too_many_bins_are_refused(name: str, a: Any, estimator: str, span: Any) -> None:
    with pytest.raises(ValueError, match="more than"):
        TABLE[name].function(a, estimator, span)


@pytest.mark.parametrize(
    "bins", [4, [3, 2], np.array([0.0, 1, 2]), (np.array([0.0, 1]), np.array([0, 1, 2])), [2, np.array([0, 1.0])], 0]
)
@pytest.mark.parametrize("span", [None, [(0, 1), (0, 2)], [(0, 1)], [(1, 0), (0, 1)]])
@pytest.mark.parametrize("options", [{}, {"density": True}, {"weights": np.arange(5.0)}, {"weights": np.ones(2)}])
def test_histograms_of_points(bins: Any, span: Any, options: dict[str, Any]) -> None:
    rng = np.random.default_rng(1)
    x, y = rng.random((2, 5))
    agree(TABLE["histogram2d"], x, y, bins, span, **options)
    agree(TABLE["histogram2d"], x, y[:3], bins, span)
    agree(TABLE["histogramdd"], (x, y), bins, span, **options)
    agree(TABLE["histogramdd"], np.stack([x, y], 1), bins, span, **options)


@pytest.mark.parametrize("sample", [np.ones(3), np.ones((4, 1)), np.ones((0, 2)), np.array([[np.nan, 1.0]])])
def test_samples_of_histogramdd(sample: Any) -> None:
    agree(TABLE["histogramdd"], sample)
    agree(TABLE["histogramdd"], sample=sample, bins=2)


def test_a_grid_of_bins_is_counted_before_it_is_made() -> None:
    assert TABLE["histogramdd"].bound(np.ones((3, 5)), 1000).nbytes > 1000**5 * 8
    assert TABLE["histogram2d"].bound(np.ones(3), np.ones(3), (10**5, 10**5)).nbytes > 10**10 * 8


@few
@given(arrays(REALS, dims=2), st.none() | arrays(REALS, dims=1), st.integers(-1, 9))
def test_bincount(x: Any, weights: Any, minlength: int) -> None:
    if x.dtype.kind in "iu":
        x %= 100
    agree(TABLE["bincount"], x, weights, minlength)


@pytest.mark.parametrize("dtype", ["i4", "u8", "i8"])
def test_bincount_of_large_numbers_needs_minlength(dtype: str) -> None:
    bincount = TABLE["bincount"].function
    large = np.array([0, BIN_LIMIT], dtype)
    with pytest.raises(ValueError, match="minlength"):
        bincount(large)
    assert bincount(large, None, BIN_LIMIT + 1).size == BIN_LIMIT + 1 == bincount(large, minlength=BIN_LIMIT + 1).size
    assert bincount(large - np.array(1, dtype) * (large > 0)).size == BIN_LIMIT


@few
@given(arrays(EVERY), arrays(EVERY, dims=2), st.booleans())
def test_digitize(x: Any, bins: Any, right: bool) -> None:
    agree(TABLE["digitize"], x, bins, right)
    agree(TABLE["digitize"], x, np.sort(bins, axis=None), right=right)


@few
@given(data=st.data())
def test_cov(data: Any) -> None:
    m = data.draw(arrays(EVERY))
    options = data.draw(
        st.fixed_dictionaries(
            {},
            optional={
                "y": st.just(m) | arrays(),
                "rowvar": st.booleans(),
                "bias": st.booleans(),
                "ddof": st.sampled_from([None, 0, 1, 5]),
                "dtype": st.sampled_from([None, np.dtype("f4"), np.dtype("D")]),
            },
        )
    )
    agree(TABLE["cov"], m, **options)
    agree(TABLE["corrcoef"], m, **{key: options[key] for key in options if key in ("y", "rowvar", "dtype")})


@pytest.mark.parametrize("weights", [[1, 2, 3], [1.5, 1, 1], [-1, 1, 1], [1, 2], [0, 0, 0]])
def test_weighted_cov(weights: Any) -> None:
    m = np.array([[1.0, 2.0, 4.0], [3.0, 1.0, 0.0]])
    agree(TABLE["cov"], m, fweights=np.array(weights))
    agree(TABLE["cov"], m, aweights=np.array(weights), ddof=0)


@pytest.mark.parametrize("name", ["correlate", "convolve"])
@few
@given(data=st.data())
def test_sliding_products(name: str, data: Any) -> None:
    mode = data.draw(st.sampled_from(["full", "same", "valid", "no"]))
    vectors = arrays(EVERY, dims=1, side=6) | arrays(EVERY)
    agree(TABLE[name], data.draw(vectors), data.draw(vectors), mode)
    agree(TABLE[name], data.draw(vectors), data.draw(vectors))


@few
@given(data=st.data())
def test_interp(data: Any) -> None:
    points = data.draw(st.integers(0, 4))
    knots = [data.draw(arrays(shape=(points,)) | arrays()) for _ in range(2)]
    ends = st.none() | st.integers(-1, 1) | st.just(np.float64(2)) | st.just(1j)
    options = data.draw(
        st.fixed_dictionaries({}, optional={"left": ends, "right": ends, "period": st.sampled_from([None, 2, 0, -3.5])})
    )
    agree(TABLE["interp"], data.draw(arrays(EVERY)), *knots, **options)


@few
@given(data=st.data())
def test_gradient(data: Any) -> None:
    f = data.draw(arrays(EVERY))
    spacing = [data.draw(st.sampled_from([1, 0.5, np.arange(3.0), np.array([0, 1, 4])])) for _ in range(f.ndim)]
    options = data.draw(st.fixed_dictionaries({}, optional={"axis": AXES, "edge_order": st.sampled_from([1, 2, 3])}))
    agree(TABLE["gradient"], f, *data.draw(st.sampled_from([[], spacing, spacing[:1]])), **options)


@pytest.mark.parametrize("shape", [(), (3,), (3, 4), (2, 3, 4)])
@pytest.mark.parametrize("axis", [None, 0, -1, (0,), (0, 1), ()])
def test_how_many_gradients_there_are(shape: tuple[int, ...], axis: Any) -> None:
    agree(TABLE["gradient"], np.ones(shape), axis=axis)


def test_what_may_fail_for_its_values_says_so() -> None:
    x = np.ones(3)
    assert depends_on_values(TABLE["histogram"], [x], {}, [0])
    assert depends_on_values(TABLE["bincount"], [x], {}, [0])
    assert not depends_on_values(TABLE["median"], [x], {}, [0])
    assert not depends_on_values(TABLE["percentile"], [x, 50], {}, [0])
    assert depends_on_values(TABLE["percentile"], [x, np.float64(50)], {}, [1])
    assert depends_on_values(TABLE["percentile"], [x, 50, None], {"method": "inverted_cdf", "weights": x}, ["weights"])
    assert not depends_on_values(TABLE["nanpercentile"], [x, 50], {}, [0])
    assert depends_on_values(TABLE["nanpercentile"], [x, 50], {"method": "none"}, [0]), "seen where not all is NaN only"
    assert depends_on_values(TABLE["nanquantile"], [x.astype("f4"), np.float64(0.5)], {}, [0]), "dtype when all is NaN"
    assert not depends_on_values(TABLE["digitize"], [x, [1, 2]], {}, [0])
    assert not depends_on_values(TABLE["gradient"], [x, 2.0], {}, [0])
    assert depends_on_values(TABLE["gradient"], [x, x], {}, [1]), "even steps are computed otherwise"
    assert depends_on_values(TABLE["cov"], [x, None, True, False, None, x.astype(int)], {}, [5])
    assert depends_on_values(TABLE["interp"], [x, x, x], {"period": np.float64(2)}, ["period"])


@pytest.mark.parametrize("name", ["percentile", "median"])
def test_out_and_overwriting_are_refused(name: str) -> None:
    for option in ("out", "overwrite_input"):
        with pytest.raises(OpTypeError, match=option):
            check(TABLE[name], [np.ones(3), 5][: 1 + (name == "percentile")], {option: None})


def test_dimensions_of_a_sample() -> None:
    assert [statistics._samples(shape) for shape in [(), (3,), (3, 2)]] == [1, 1, 2]
