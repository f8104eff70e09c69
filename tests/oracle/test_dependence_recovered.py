"""How much rows of one day repeat each other: simulated with a known intraclass correlation, and found again."""

from __future__ import annotations

import datetime as dt
import math

import numpy as np
import pyarrow as pa
import pytest
from scipy import stats

from watchkeeper import Schema, profile
from watchkeeper.metrics import dependence

DAYS, ROWS = 60, 80
CODES = np.repeat(np.arange(DAYS), ROWS)
TIMES_MORE = 10
"""The sample stands for ten times as many rows."""


def numbers(values: np.ndarray) -> pa.ChunkedArray:
    return pa.chunked_array([pa.array(values)])


def correlation_of_indicators(rho: float) -> float:
    """Return the intraclass correlation of being above a decile, weighted by variance, where the values' own is rho."""
    shared = spread = 0.0
    for share in np.arange(0.1, 1.0, 0.1):
        below = stats.norm.ppf(share)
        both = stats.multivariate_normal([0, 0], [[1, rho], [rho, 1]]).cdf([below, below])
        shared += both - share**2
        spread += share * (1 - share)
    return float(shared / spread)


def drawn(rng: np.random.Generator, rho: float) -> np.ndarray:
    """Return values of which a share ``rho`` of the variance belongs to the day."""
    return math.sqrt(rho) * rng.normal(size=DAYS)[CODES] + math.sqrt(1 - rho) * rng.normal(size=DAYS * ROWS)


def mean_effect(rng: np.random.Generator, rho: float, repetitions: int = 40) -> float:
    rows = TIMES_MORE * DAYS * ROWS
    return float(np.mean([dependence.design_effect(numbers(drawn(rng, rho)), CODES, rows) for _ in range(repetitions)]))


@pytest.mark.parametrize("rho", [0.02, 0.1, 0.3])
def test_the_design_effect_of_numbers(rho: float, rng: np.random.Generator) -> None:
    """Kish: 1 + (rows a day - 1) x correlation; forty means are within 15 %, about three standard errors."""
    expected = 1 + (TIMES_MORE * ROWS - 1) * correlation_of_indicators(rho)
    assert mean_effect(rng, rho) == pytest.approx(expected, rel=0.15)


def test_it_is_by_how_much_the_variance_of_a_mean_grows(rng: np.random.Generator) -> None:
    """The definition itself: the share above the median, over many streams, against as many independent rows."""
    above = [float(np.mean(drawn(rng, 0.1) > 0)) for _ in range(1500)]
    grown = np.var(above) / (0.25 / (DAYS * ROWS))
    median = 2 / math.pi * math.asin(0.1)  # Sheppard 1899
    assert grown == pytest.approx(1 + (ROWS - 1) * median, rel=0.12)
    found = float(np.mean([dependence.design_effect(numbers(drawn(rng, 0.1)), CODES, DAYS * ROWS) for _ in range(40)]))
    assert found == pytest.approx(1 + (ROWS - 1) * correlation_of_indicators(0.1), rel=0.15)


@pytest.mark.parametrize("strength", [9.0, 49.0])
def test_the_design_effect_of_categories(strength: float, rng: np.random.Generator) -> None:
    """Shares of a day drawn from a Dirichlet distribution of total strength s correlate by 1 / (s + 1)."""
    found = []
    for _ in range(40):
        shares = rng.dirichlet(strength * np.array([0.5, 0.3, 0.2]), DAYS)
        codes = (rng.random((DAYS * ROWS, 1)) > np.cumsum(shares, axis=1)[CODES]).sum(axis=1)
        values = pa.chunked_array([pa.array(np.array(list("abc"))[np.minimum(codes, 2)])])
        found.append(dependence.design_effect(values, CODES, DAYS * ROWS))
    assert float(np.mean(found)) == pytest.approx(1 + (ROWS - 1) / (strength + 1), rel=0.15)


def test_independent_rows_count_once_each(rng: np.random.Generator) -> None:
    """The correlation is cut off at 0, so on average it comes out a little above 1."""
    found = [dependence.design_effect(numbers(rng.normal(size=DAYS * ROWS)), CODES, DAYS * ROWS) for _ in range(100)]
    assert min(found) >= 1
    assert float(np.mean(found)) < 1.15
    assert max(found) < 1.8


def test_a_value_for_each_day_counts_each_day_once(rng: np.random.Generator) -> None:
    found = dependence.design_effect(numbers(rng.normal(size=DAYS)[CODES]), CODES, DAYS * ROWS)
    assert found == pytest.approx(ROWS, rel=0.05)


def test_missing_values_take_no_part(rng: np.random.Generator) -> None:
    values = drawn(rng, 0.3)
    gone = rng.random(len(values)) < 0.5
    partial = dependence.design_effect(pa.chunked_array([pa.array(values, mask=gone)]), CODES, DAYS * ROWS)
    whole = dependence.design_effect(numbers(values[~gone]), CODES[~gone], DAYS * ROWS)
    assert partial == whole > 5


@pytest.mark.parametrize("kind", ["numbers", "categories"])
def test_natural_variation_of_independent_rows_is_next_to_nothing(kind: str, rng: np.random.Generator) -> None:
    """Below the floors of .1 on all streams: of the .058 standard deviations of the worst quarter chance gives .043."""
    found = []
    for _ in range(20):
        if kind == "numbers":
            values = numbers(rng.normal(size=DAYS * ROWS))
        else:
            values = pa.chunked_array([pa.array(rng.choice(list("abcdef"), DAYS * ROWS))])
        found.append(dependence.natural_variation(values, CODES))
    assert max(found) < 0.1
    assert float(np.mean(found)) < (0.05 if kind == "numbers" else 0.03)


def test_natural_variation_sees_a_trend(rng: np.random.Generator) -> None:
    """The last quarter of a trend of one standard deviation lies half of one from the other three, less the spread."""
    values = numbers(rng.normal(size=DAYS * ROWS) + CODES / DAYS)
    assert dependence.natural_variation(values, CODES) == pytest.approx(0.5 / math.sqrt(1 + 1 / 12), rel=0.15)
    months = np.where(CODES < DAYS // 2, rng.random(len(CODES)) < 0.2, rng.random(len(CODES)) < 0.6)
    texts = pa.chunked_array([pa.array(np.where(months, "snow", "sun"))])
    assert dependence.natural_variation(texts, CODES) > 0.2


def test_codes_come_from_local_days(rng: np.random.Generator) -> None:
    """Days begin at midnight in the schema's zone; below five days or fifty rows there are none."""
    start = dt.datetime(2024, 1, 1, 23, 30, tzinfo=dt.UTC)
    times = [start + dt.timedelta(hours=float(h)) for h in rng.uniform(0, 24 * 9.5, 400)]
    roles = Schema(timestamp="at", zone="Asia/Tokyo")
    codes = dependence.day_codes(profile({"at": times, "x": rng.normal(size=400)}, roles))
    assert codes is not None
    assert sorted(set(codes.tolist())) == list(range(10))  # 08:30 in Tokyo
    for part in (times[:40], [t for t in times if t < start + dt.timedelta(days=3)]):
        assert dependence.day_codes(profile({"at": part, "x": np.arange(float(len(part)))}, roles)) is None
