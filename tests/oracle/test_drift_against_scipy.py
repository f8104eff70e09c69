"""Distances from exact states against SciPy on the raw values, and against formulas written out."""

from __future__ import annotations

import inspect
import itertools
import math
import warnings
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made import examples, numeric
from scipy import stats
from scipy.spatial.distance import jensenshannon

from watchkeeper.metrics import drift
from watchkeeper.metrics.binning import Bins, Cells, common_bins, common_cells, pooled
from watchkeeper.profiles.column import CategoricalColumn

Numbers = np.ndarray


def cells_of(reference: Numbers, current: Numbers) -> Cells:
    cells = common_cells(numeric(reference), numeric(current))
    assert cells is not None
    assert cells.exact
    return cells


def categories(values: list[str]) -> CategoricalColumn:
    column, counts = CategoricalColumn(), Counter(values)
    column.rows = len(values)
    column.categories.update(list(counts), np.array(list(counts.values()), dtype=np.int64))
    return column


def bins_of(reference: list[str], current: list[str]) -> Bins:
    bins = common_bins(categories(reference), categories(current))
    assert bins is not None
    return bins


NUMBERS = st.one_of(st.integers(-5, 5).map(float), st.floats(-1e9, 1e9), st.sampled_from([0.1, 1e-12, -0.0]))
SIDE = st.lists(NUMBERS, min_size=1, max_size=80).map(np.array)
APART = st.lists(st.integers(-10_000, 10_000), min_size=4, max_size=80, unique=True)


@examples
@given(SIDE, SIDE)
def test_kolmogorov_smirnov_and_wasserstein(reference: Numbers, current: Numbers) -> None:
    cells = cells_of(reference, current)
    size = max(float(np.abs(np.concatenate([reference, current])).max()), 1.0)
    with np.errstate(divide="ignore"):  # SciPy's p-value for one row a side
        expected = stats.ks_2samp(reference, current, method="asymp").statistic
    assert drift.kolmogorov_smirnov(cells) == pytest.approx(expected, abs=1e-12)
    expected = stats.wasserstein_distance(reference, current)
    assert drift.wasserstein(cells) == pytest.approx(expected, rel=1e-9, abs=1e-12 * size)


@examples
@given(SIDE, SIDE)
def test_energy_distance(reference: Numbers, current: Numbers) -> None:
    cells = cells_of(reference, current)
    size = max(float(np.abs(np.concatenate([reference, current])).max()), 1.0)
    expected = stats.energy_distance(reference, current) ** 2
    assert drift.energy_distance(cells) ** 2 == pytest.approx(expected, rel=1e-9, abs=1e-12 * size)


@examples
@given(APART, st.floats(0, 1))
def test_cramer_von_mises_without_ties(values: list[int], share: float) -> None:
    cut = 2 + round(share * (len(values) - 4))
    reference, current = np.array(values[:cut], dtype=float), np.array(values[cut:], dtype=float)
    expected = stats.cramervonmises_2samp(reference, current, method="asymptotic").statistic
    assert drift.cramer_von_mises(cells_of(reference, current)) == pytest.approx(expected, abs=1e-10)


@examples
@given(SIDE, SIDE)
def test_cramer_von_mises_with_ties_is_the_sum_of_squared_gaps(reference: Numbers, current: Numbers) -> None:
    """Anderson's definition, with both distribution functions at each value of the pooled sample."""
    n, m = len(reference), len(current)
    gaps = [(np.mean(reference <= v) - np.mean(current <= v)) ** 2 for v in np.concatenate([reference, current])]
    expected = n * m / (n + m) ** 2 * math.fsum(gaps)
    assert drift.cramer_von_mises(cells_of(reference, current)) == pytest.approx(expected, abs=1e-10)


def naive_anderson_darling(reference: Numbers, current: Numbers) -> float:
    """Scholz and Stephens, equation 7, value by value."""
    pooled_values = np.concatenate([reference, current])
    total = len(pooled_values)
    statistic = 0.0
    for side in (reference, current):
        inner = 0.0
        for value in np.unique(pooled_values):
            ties = np.sum(pooled_values == value)
            below = np.sum(pooled_values < value) + ties / 2
            own = np.sum(side < value) + np.sum(side == value) / 2
            spread = below * (total - below) - total * ties / 4
            if spread > 0:
                inner += ties / total * (total * own - below * len(side)) ** 2 / spread
        statistic += inner / len(side)
    return statistic * (total - 1) / total


def normalised(statistic: float, n: int, m: int) -> float:
    """Return the statistic less its mean 1 over its standard deviation: Scholz and Stephens, equation 4."""
    total = n + m
    h = sum(1 / i for i in range(1, total))
    g = sum(1 / ((total - i) * j) for i in range(1, total - 1) for j in range(i + 1, total))
    sides = 1 / n + 1 / m
    a = (4 * g - 6) + (10 - 6 * g) * sides
    b = (2 * g - 4) * 4 + 16 * h + (2 * g - 14 * h - 4) * sides - 8 * h + 4 * g - 6
    c = (6 * h + 2 * g - 2) * 4 + (4 * h - 4 * g + 6) * 2 + (2 * h - 6) * sides + 4 * h
    d = (2 * h + 6) * 4 - 8 * h
    variance = (a * total**3 + b * total**2 + c * total + d) / ((total - 1.0) * (total - 2.0) * (total - 3.0))
    return (statistic - 1) / math.sqrt(variance)


@examples
@given(SIDE, SIDE)
def test_anderson_darling(reference: Numbers, current: Numbers) -> None:
    expected = naive_anderson_darling(reference, current)
    assert drift.anderson_darling(cells_of(reference, current)) == pytest.approx(expected, rel=1e-9, abs=1e-10)


@pytest.mark.parametrize("digits", [0, 1, 8])
@pytest.mark.parametrize("sizes", [(30, 45), (100, 20)])
def test_anderson_darling_as_scipy_normalises_it(digits: int, sizes: tuple[int, int], rng: np.random.Generator) -> None:
    reference, current = (np.round(rng.normal(0.3 * k, 1 + k, n), digits) for k, n in enumerate(sizes))
    found = normalised(drift.anderson_darling(cells_of(reference, current)), *sizes)
    middle = {"variant": "midrank"} if "variant" in inspect.signature(stats.anderson_ksamp).parameters else {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it says that its p-values end at .001 and .25
        expected = stats.anderson_ksamp([reference, current], **middle).statistic
    assert found == pytest.approx(expected, rel=1e-9)


TEXTS = st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=120)


@examples
@given(TEXTS, TEXTS)
def test_distances_of_categories(reference: list[str], current: list[str]) -> None:
    bins = bins_of(reference, current)
    first, second = Counter(reference), Counter(current)
    names = sorted(set(first) | set(second))
    p = np.array([first[name] for name in names]) / len(reference)
    q = np.array([second[name] for name in names]) / len(current)
    assert sorted(bins.labels) == names
    for base in (2, math.e):
        assert drift.jensen_shannon(bins, base) == pytest.approx(np.nan_to_num(jensenshannon(p, q, base)), abs=1e-7)
        divergence = stats.entropy(p, (p + q) / 2) / 2 + stats.entropy(q, (p + q) / 2) / 2
        assert drift.jensen_shannon(bins, base) ** 2 == pytest.approx(divergence / math.log(base), abs=1e-12)
    assert drift.hellinger(bins) ** 2 == pytest.approx(0.5 * np.sum((np.sqrt(p) - np.sqrt(q)) ** 2), abs=1e-12)
    assert drift.l_infinity(bins) == pytest.approx(max(abs(p - q)), abs=1e-12)
    table = np.array([[first[name] for name in names], [second[name] for name in names]])
    found = drift.chi2(bins)
    if len(names) > 1:
        expected = stats.chi2_contingency(table, correction=False)
        assert found == pytest.approx((expected.statistic, expected.pvalue), abs=1e-10)
    else:
        assert found == (0, 1)


@examples
@given(TEXTS, TEXTS)
def test_psi_is_the_sum_of_both_relative_entropies(reference: list[str], current: list[str]) -> None:
    bins = bins_of(reference, current)
    names = sorted({*reference, *current})
    p, q = (np.array([side.count(name) + 0.5 for name in names]) for side in (reference, current))
    expected = stats.entropy(p, q) + stats.entropy(q, p)  # SciPy makes shares of them
    assert drift.psi(bins) == pytest.approx(expected, abs=1e-12)


def test_likelihood_ratio_of_bins_that_are_not_rare(rng: np.random.Generator) -> None:
    reference, current = (
        rng.choice(list("abcde"), n, p=p).tolist() for n, p in ((300, [0.2] * 5), (500, [0.3, 0.1, 0.2, 0.2, 0.2]))
    )
    bins = bins_of(reference, current)
    assert pooled(bins) is bins
    expected = stats.chi2_contingency([bins.reference, bins.current], correction=False, lambda_="log-likelihood")
    assert drift.g_test(bins) == pytest.approx(expected.pvalue, rel=1e-9)
    fewer = np.array([bins.reference / 3, bins.current / 2])
    expected = stats.chi2_contingency(fewer, correction=False, lambda_="log-likelihood")
    assert drift.g_test(bins, (3.0, 2.0)) == pytest.approx(expected.pvalue, rel=1e-9)


def test_rare_bins_are_pooled_where_fewer_than_five_are_expected() -> None:
    reference, current = ["a"] * 100 + ["b"] * 3 + ["c"], ["a"] * 90 + ["d"] * 2 + ["e"] * 8
    bins = pooled(bins_of(reference, current))
    assert dict(zip(bins.labels, zip(bins.reference.tolist(), bins.current.tolist(), strict=True), strict=True)) == {
        "a": (100, 90),
        "all rarer ones": (4, 10),
    }


@examples
@given(st.lists(st.integers(0, 9), min_size=1, max_size=60), st.lists(st.integers(0, 9), min_size=1, max_size=60))
def test_few_numbers_are_bins_of_their_own(reference: list[int], current: list[int]) -> None:
    bins = common_bins(numeric(reference), numeric(current))
    assert bins is not None
    assert bins.labels == [str(v) for v in sorted({*reference, *current})]
    assert bins.reference.tolist() == [reference.count(int(v)) for v in bins.labels]
    assert bins.current.tolist() == [current.count(int(v)) for v in bins.labels]


@examples
@given(st.integers(0, 2**32 - 1), st.integers(21, 500), st.integers(21, 500))
def test_bins_are_cut_after_tenths_of_the_reference(seed: int, n: int, m: int) -> None:
    rng = np.random.default_rng(seed)
    reference, current = np.round(rng.normal(size=n), 3), np.round(rng.normal(0.5, 2, size=m), 3)
    bins = common_bins(numeric(reference), numeric(current))
    assert bins is not None
    if len(np.unique(np.concatenate([reference, current]))) > 20:
        parts = max(min(10, min(n, m) // 10), 2)  # ten values for each bin, at most ten bins
        tenths = np.unique(np.quantile(reference, np.arange(1, parts) / parts, method="inverted_cdf"))
        edges = [-np.inf, *tenths, np.inf]
        counts = [[int(((s > a) & (s <= b)).sum()) for a, b in itertools.pairwise(edges)] for s in (reference, current)]
        kept = [k for k in range(len(tenths) + 1) if counts[0][k] or counts[1][k]]
        assert bins.reference.tolist() == [counts[0][k] for k in kept]
        assert bins.current.tolist() == [counts[1][k] for k in kept]


def test_p_value_of_kolmogorov_smirnov(rng: np.random.Generator) -> None:
    reference, current = rng.normal(size=400), rng.normal(0.1, 1, size=300)
    expected = stats.ks_2samp(reference, current, method="asymp")
    found = drift.kolmogorov_smirnov_p(expected.statistic, 400, 300)
    assert found == pytest.approx(stats.kstwobign.sf(expected.statistic * math.sqrt(400 * 300 / 700)), rel=1e-12)
    assert found == pytest.approx(expected.pvalue, abs=0.02)  # SciPy's asymptotic one is finite-sample corrected


def test_huge_distances_are_infinite_never_nan() -> None:
    cells = cells_of(np.array([-1.7e308] * 3), np.array([1.7e308] * 3))
    assert drift.wasserstein(cells) == math.inf
    assert drift.energy_distance(cells) == math.inf
    assert drift.kolmogorov_smirnov(cells) == 1
