"""P-values of distances against SciPy where it has them, and against simulation where nothing changed."""

from __future__ import annotations

import inspect
import math
import warnings
from collections.abc import Callable

import numpy as np
import pytest
from made import numeric
from scipy import stats

from watchkeeper.metrics import bridges, chance
from watchkeeper.metrics.binning import Bins, Cells, common_bins, common_cells
from watchkeeper.metrics.bridges import Squares
from watchkeeper.metrics.chance import Sizes, chances, relevant_difference

Numbers = np.ndarray


def evidence(reference: Numbers, current: Numbers, alpha: float = 0.05) -> dict[str, chance.Chance]:
    cells, bins = both(reference, current)
    return chances(bins, cells, Sizes(len(reference), len(current)), alpha, float(reference.std(ddof=1)))


def both(reference: Numbers, current: Numbers) -> tuple[Cells, Bins]:
    first, second = numeric(reference), numeric(current)
    cells = common_cells(first, second)
    bins = common_bins(first, second, cells)
    assert cells is not None
    assert bins is not None
    return cells, bins


@pytest.mark.parametrize("degrees", [1, 2, 5, 40])
@pytest.mark.parametrize("tail", [0.9, 0.5, 0.05, 1e-3, 1e-8, 1e-20])
def test_a_sum_of_squares_with_equal_weights_is_chi_squared(degrees: int, tail: float) -> None:
    value = float(stats.chi2.isf(tail, degrees))
    assert Squares(np.full(degrees, 3.0)).survival(3 * value) == pytest.approx(tail, rel=0.06)
    assert Squares(np.full(degrees, 3.0)).quantile(tail) == pytest.approx(3 * value, rel=0.02)


@pytest.mark.parametrize("shift", [0.0, 0.1, 0.25])
def test_cramer_von_mises_and_anderson_darling(shift: float, rng: np.random.Generator) -> None:
    reference, current = rng.normal(size=700), rng.normal(shift, 1, 500)
    found = evidence(reference, current)
    expected = stats.cramervonmises_2samp(reference, current, method="asymptotic").pvalue
    assert found["cramer_von_mises"].p_value == pytest.approx(expected, rel=0.15, abs=0.01)
    middle = {"variant": "midrank"} if "variant" in inspect.signature(stats.anderson_ksamp).parameters else {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it says that its p-values end at .001 and .25
        known = stats.anderson_ksamp([reference, current], **middle).pvalue
    if 0.001 < known < 0.25:
        assert found["anderson_darling"].p_value == pytest.approx(known, rel=0.15)


def test_chi_squared_of_bins(rng: np.random.Generator) -> None:
    cells, bins = both(rng.normal(size=900), rng.normal(0.1, 1, 800))
    found = chances(bins, cells, Sizes(900, 800))
    table = np.stack([bins.reference, bins.current])
    assert found["chi2"].p_value == pytest.approx(stats.chi2_contingency(table, correction=False).pvalue, rel=1e-9)
    for name in ("psi", "jensen_shannon", "hellinger"):
        assert found[name].p_value == pytest.approx(found["chi2"].p_value, rel=0.1)


KINDS: dict[str, Callable[[np.random.Generator, int], Numbers]] = {
    "normal": lambda rng, n: rng.normal(size=n),
    "counts": lambda rng, n: rng.poisson(1.0, n).astype(float),
}


def rejected(
    kind: str, rng: np.random.Generator, sizes: tuple[int, int] = (300, 240), runs: int = 400
) -> dict[str, float]:
    """Return how often each distance has p <= .05 where nothing changed."""
    count: dict[str, int] = {}
    for _ in range(runs):
        for name, found in evidence(*(KINDS[kind](rng, n) for n in sizes)).items():
            count[name] = count.get(name, 0) + (found.p_value <= 0.05)
    return {name: n / runs for name, n in count.items()}


def too_often(rates: dict[str, float], runs: int = 400) -> list[str]:
    """Return what rejects more often than 5 %, three standard errors and a point of the approximations allowed."""
    return [name for name, rate in rates.items() if rate > 0.06 + 3 * math.sqrt(0.05 * 0.95 / runs)]


@pytest.mark.parametrize("kind", KINDS)
def test_where_nothing_changed_p_values_are_small_as_often_as_they_say(kind: str, rng: np.random.Generator) -> None:
    rates = rejected(kind, rng)
    assert too_often(rates) == []
    exact = set(rates) - {"kolmogorov_smirnov", "l_infinity"}  # these two are upper limits
    assert {name for name in exact if rates[name] < 0.015} == set()


def test_the_gate_sees_a_null_that_forgets_one_side(rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Sizes, "noise", property(lambda sizes: 1 / sizes.reference))
    monkeypatch.setattr(bridges.Gaps, "p_value", lambda gaps, n, m: gaps.null.survival(gaps.squared * n))
    found = too_often(rejected("normal", rng, runs=150), 150)
    assert {"psi", "chi2", "cramer_von_mises", "anderson_darling", "energy_distance"} <= set(found)


def test_a_change_of_the_detectable_size_is_found_at_least_four_times_in_five(rng: np.random.Generator) -> None:
    """The size is told in the unit of the distance, of the population: for a shifted normal it is known."""
    sizes, runs = (500, 400), 150
    reach = evidence(rng.normal(size=sizes[0]), rng.normal(size=sizes[1]))
    shift = 2 * stats.norm.ppf((reach["kolmogorov_smirnov"].detectable + 1) / 2)
    found = [evidence(rng.normal(size=sizes[0]), rng.normal(shift, 1, sizes[1])) for _ in range(runs)]
    assert np.mean([one["kolmogorov_smirnov"].p_value <= 0.05 for one in found]) > 0.75
    few = Bins(np.array([250, 250]), np.array([200, 200]), ["a", "b"])
    move = chances(few, None, Sizes(500, 400))["psi"].detectable  # (p - q)^2 / .25 = move for shares near a half
    shares = 0.5, 0.5 + math.sqrt(move / 4)
    hits = 0
    for _ in range(2_000):
        counts = [rng.binomial(n, share) for n, share in zip(sizes, shares, strict=True)]
        made = Bins(np.array([counts[0], 500 - counts[0]]), np.array([counts[1], 400 - counts[1]]), ["a", "b"])
        hits += chances(made, None, Sizes(500, 400))["psi"].p_value <= 0.05
    assert hits / 2_000 == pytest.approx(0.8, abs=0.04)


def test_relevant_difference_is_the_rule_for_large_samples() -> None:
    n, m, alpha, floor = 80_000, 120_000, 1e-3, 0.02
    edge = math.sqrt(math.log(2 / alpha) / 2) * (n**-0.5 + m**-0.5)
    assert relevant_difference(floor + 1.001 * edge, floor, Sizes(n, m)) <= alpha
    assert relevant_difference(floor + 0.999 * edge, floor, Sizes(n, m)) > alpha
    assert relevant_difference(0.5 * floor, floor, Sizes(n, m)) == 1
