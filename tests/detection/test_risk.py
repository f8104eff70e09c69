"""Worse by more than is tolerated: what it sees, what it says, and how often it is wrong when nothing changed."""

from __future__ import annotations

import math
from dataclasses import asdict, replace

import numpy as np
import pytest

from daily import day, days
from watchkeeper.detection.between import Spread, between_windows
from watchkeeper.detection.risk import HORIZONS, Risk
from watchkeeper.detection.series import Point
from watchkeeper.detection.watched import METRICS
from watchkeeper.metrics.estimate import Estimate

AUC = METRICS["roc_auc"]
KNOWN = {"reference": 0.70, "reference_mean": 0.70, "reference_sd": 0.01, "reference_windows": 31}


def test_words() -> None:
    verdict, words = Risk(AUC, 0.02).check([day(0, 0.61, 0.005, **KNOWN)], 1e-3)
    assert verdict == "critical"
    assert words == "0.61 (0.6 to 0.62), reference 0.7: worse by 0.09, more than 0.02 tolerated"


def test_within_the_tolerance_is_well() -> None:
    risk = Risk(AUC, 0.02)
    assert risk.check([day(0, 0.69, 0.005, **KNOWN)], 1e-3) == (
        "ok", "0.69 (0.68 to 0.7), reference 0.7: worse by 0.01, tolerated",
    )  # fmt: skip
    assert risk.check([day(0, 0.75, 0.005, **KNOWN)], 1e-3)[1].endswith("not worse")
    assert Risk(AUC, 0.2).check([day(0, 0.61, 0.005, **KNOWN)], 1e-3)[0] == "ok"


def test_a_tolerance_may_be_a_share_of_the_reference() -> None:
    rmse = METRICS["rmse"]
    known = {"reference": 10.0, "reference_sd": 0.1, "reference_windows": 31}
    assert Risk(rmse, 0.05, relative=True).check([day(0, 10.4, 0.05, **known)], 1e-3)[0] == "ok"
    assert Risk(rmse, 0.05, relative=True).check([day(0, 12.0, 0.05, **known)], 1e-3)[0] == "critical"


def test_days_that_differ_anyway_take_more_evidence() -> None:
    calm, wild = (day(0, 0.61, 0.005, **KNOWN | {"reference_sd": sd}) for sd in (0.005, 0.05))
    assert Risk(AUC, 0.02).check([calm], 1e-3)[0] == "critical"
    assert Risk(AUC, 0.02).check([wild], 1e-3)[0] == "not enough data"
    few = replace(calm, reference_windows=3)
    assert Risk(AUC, 0.02).check([few], 1e-3)[0] == "not enough data", "three days say little of how days differ"


def test_what_a_day_cannot_show_a_week_does() -> None:
    week = days([0.65] * 7, 0.01, **KNOWN)
    found = [Risk(AUC, 0.02).check(week[: n + 1], 1e-4)[0] for n in range(7)]
    assert found[0] in {"ok", "not enough data"}
    assert found[-1] == "warning"
    assert "over the last 7 windows worse by 0.05" in Risk(AUC, 0.02).check(week, 1e-4)[1]


def test_it_ends_with_the_trouble() -> None:
    history = [*days([0.60] * 7, 0.01, **KNOWN), day(7, 0.70, 0.01, **KNOWN)]
    assert Risk(AUC, 0.02).check(history[:-1], 1e-4)[0] == "critical"
    assert Risk(AUC, 0.02).check(history, 1e-4)[0] == "ok"


def test_without_the_days_of_a_reference_the_sealed_windows_tell() -> None:
    usual = days([0.70, 0.71, 0.69, 0.70, 0.72, 0.68, 0.70, 0.71] * 3, 0.005, reference=0.70)
    risk = Risk(AUC, 0.02)
    assert risk.check([*usual[:7], day(99, 0.50, 0.005, reference=0.70)], 1e-3)[0] == "not enough data"
    assert risk.check([*usual, day(99, 0.50, 0.005, reference=0.70)], 1e-3)[0] == "critical"
    assert risk.check([*usual, *days([0.50] * 5, 0.005, reference=0.70)], 1e-3)[0] == "critical", (
        "bad days do not hide it"
    )


@pytest.mark.parametrize("given", [{"high": math.nan}, {"reference_mean": math.nan, "reference": math.nan}])
def test_what_is_not_known_is_not_judged(given: dict[str, float]) -> None:
    assert Risk(AUC, 0.02).check([replace(day(0, 0.5, 0.01, **KNOWN), **given)], 1e-3)[0] == "not enough data"


def test_the_reference_s_days_count_not_its_whole() -> None:
    """Over a month an AUC ranks days against each other too: no day reaches it."""
    point = day(0, 0.66, 0.005, **KNOWN | {"reference": 0.75, "reference_mean": 0.66})
    assert Risk(AUC, 0.02).check([point], 1e-3)[0] == "ok"


def autocorrelated(rng: np.random.Generator, n: int, rho: float) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    moods = rng.normal(size=n)
    for i in range(1, n):
        moods[i] = rho * moods[i - 1] + math.sqrt(1 - rho**2) * moods[i]
    return moods


def false_alarms(between: float, rho: float, alpha: float, runs: int, *, aware: bool = True) -> float:
    """Return how often days alarm that are as those of the reference; no tolerance helps."""
    rng, error, alarms = np.random.default_rng(11), 0.02, 0
    for _ in range(runs):
        values = 0.7 + between * autocorrelated(rng, 38, rho) + error * rng.normal(size=38)
        spread = between_windows([Estimate(v, v - 1.96 * error, v + 1.96 * error, 500) for v in values[:31]])
        if not aware:
            spread = replace(spread, sd=0.0, windows=10**6)
        alarms += Risk(AUC, 0.0).check(_points(values[31:], error, spread), alpha)[0] in {"warning", "critical"}
    return alarms / runs


def _points(values: np.ndarray[tuple[int], np.dtype[np.float64]], error: float, spread: Spread) -> list[Point]:
    given = {f"reference_{name}": value for name, value in asdict(spread).items()}
    return days(values, error, reference=spread.mean, **given)


def allowed(alpha: float, runs: int) -> float:
    return alpha + 3.1 * math.sqrt(alpha * (1 - alpha) / runs)


@pytest.mark.parametrize(("between", "rho"), [(0.0, 0.0), (0.02, 0.0), (0.03, 0.3)])
def test_false_alarms_stay_within_alpha(between: float, rho: float) -> None:
    assert false_alarms(between, rho, 0.02, 1500) <= allowed(0.02, 1500)


def test_sampling_error_alone_would_be_caught() -> None:
    assert false_alarms(0.03, 0.3, 0.02, 300, aware=False) > allowed(0.02, 300)


def test_the_spread_of_days_is_found() -> None:
    rng, found = np.random.default_rng(2), []
    for _ in range(300):
        values = 0.7 + 0.03 * autocorrelated(rng, 60, 0.3) + 0.02 * rng.normal(size=60)
        found.append(between_windows([Estimate(v, v - 0.0392, v + 0.0392, 500) for v in values]))
    assert abs(float(np.mean([s.sd**2 for s in found])) - 0.03**2) < 0.1 * 0.03**2
    assert abs(float(np.mean([s.correlation for s in found])) - 0.3) < 0.05
    assert {s.windows for s in found} == {60}


def test_from_few_or_small_windows_nothing_is_known() -> None:
    good = Estimate(0.7, 0.6, 0.8, 500)
    assert math.isnan(between_windows([good] * 4).sd)
    assert math.isnan(between_windows([good] * 4 + [replace(good, n=10)] * 9).sd)
    assert between_windows([good] * 5).sd == 0.0, "they differ less than sampling would have it"


def test_horizons_begin_with_the_last_window() -> None:
    assert HORIZONS[0] == 1
    assert tuple(sorted(set(HORIZONS))) == HORIZONS
