"""A year of flights: the AUC of days is scikit-learn's to the last bit or two, that of months and quarters nearly so."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from watchkeeper import Schema, merge, profile
from watchkeeper.demo.flights import ZONE, months
from watchkeeper.metrics.classification import average_precision, roc_auc
from watchkeeper.profiles.profile import Profile
from watchkeeper.window import local_days

LAST_BITS = 3e-16
"""Below 1, neighbouring floats lie 1.1e-16 apart."""
QUARTERS = [(1, 2, 3), (4, 5, 6), (7, 8, 9), (10, 11, 12)]


@pytest.fixture(scope="module")
def by_month(year: pa.Table, narrow: Schema) -> dict[int, Profile]:
    return {month: profile(months(year, [month]), narrow) for month in range(1, 13)}


def labelled(table: pa.Table) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return local day, label and score of the rows with a label."""
    table = table.filter(table["late"].is_valid())
    days = local_days(table["departure"].cast(pa.int64()).to_numpy(), ZONE)
    return days, table["late"].to_numpy(), table["score"].to_numpy()


def test_by_day(year: pa.Table, by_month: dict[int, Profile]) -> None:
    days, label, score = labelled(year)
    found = {}
    for made in by_month.values():
        assert made.timeline is not None
        assert made.timeline.shift == 0
        found |= dict(made.timeline.items())
    assert len(found) == 365
    for day, outcome in found.items():
        expected = roc_auc_score(label[days == day], score[days == day])
        assert abs(roc_auc(outcome).value - expected) <= LAST_BITS
        assert roc_auc(outcome).resolution < 1e-4


def test_a_day_of_the_timeline_is_the_day_profiled_alone(
    year: pa.Table, by_month: dict[int, Profile], narrow: Schema
) -> None:
    days = local_days(year["departure"].cast(pa.int64()).to_numpy(), ZONE)
    for month in (3, 7, 11):  # March and November hold the days of 23 and 25 hours
        timeline = by_month[month].timeline
        assert timeline is not None
        for day, outcome in timeline.items():
            alone = profile(year.filter(pa.array(days == day)), narrow, threads=1).outcome
            assert alone.rows == outcome.rows
            assert roc_auc(alone) == roc_auc(outcome)


def test_by_month(year: pa.Table, by_month: dict[int, Profile]) -> None:
    for month, made in by_month.items():
        _, label, score = labelled(months(year, [month]))
        check(made, label, score)


@pytest.mark.parametrize("quarter", QUARTERS)
def test_by_quarter(quarter: tuple[int, ...], year: pa.Table, by_month: dict[int, Profile], narrow: Schema) -> None:
    _, label, score = labelled(months(year, quarter))
    merged = merge([by_month[month] for month in quarter])
    check(merged, label, score)
    assert roc_auc(merged.outcome) == roc_auc(profile(months(year, quarter), narrow).outcome)


def check(made: Profile, label: np.ndarray, score: np.ndarray) -> None:
    """Measured over months and quarters: resolutions up to .0007 and .0024, real differences up to .000014 and .0005."""
    area, precision = roc_auc(made.outcome), average_precision(made.outcome)
    assert abs(area.value - roc_auc_score(label, score)) <= area.resolution < 0.001
    assert abs(precision.value - average_precision_score(label, score)) <= precision.resolution < 0.005
    assert abs(area.value - roc_auc_score(label, score)) < 5e-5
    assert area.resolution < area.error / 2  # below what chance does
