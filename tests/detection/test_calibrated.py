"""Evidence and effect together, by the measurement's own numbers."""

from __future__ import annotations

import math

import pytest

from daily import day
from watchkeeper.detection.calibrated import Calibrated
from watchkeeper.detection.series import Point
from watchkeeper.detection.watched import METRICS

DRIFT = Calibrated(METRICS["wasserstein"])


def drifted(effect: float, p_value: float, detectable: float = 0.05, **given: float) -> list[Point]:
    return [day(0, effect, effect=effect, p_value=p_value, detectable=detectable, **given)]


@pytest.mark.parametrize(
    ("effect", "p_value", "verdict"),
    [
        (0.5, 1e-9, "critical"),
        (0.15, 1e-9, "warning"),
        (0.09, 1e-9, "ok"),
        (0.5, 0.01, "ok"),
        (0.5, 0.001, "critical"),
        (math.nan, math.nan, "not enough data"),
    ],
)
def test_both_are_needed(effect: float, p_value: float, verdict: str) -> None:
    assert DRIFT.check(drifted(effect, p_value), 0.001)[0] == verdict


def test_critical_needs_the_lower_limit_above_twice_the_floor() -> None:
    assert DRIFT.check(drifted(0.3, 1e-9, detectable=0.1), 0.001)[0] == "critical"
    assert DRIFT.check(drifted(0.3, 1e-9, detectable=0.2), 0.001)[0] == "warning"
    assert DRIFT.check(drifted(0.3, 1e-9, detectable=math.nan), 0.001)[0] == "warning", "its limit is not known"


def test_what_a_small_window_could_not_have_seen() -> None:
    assert DRIFT.check(drifted(0.15, 0.3, detectable=0.6), 0.001)[0] == "not enough data"
    assert DRIFT.check(drifted(0.02, 0.3, detectable=0.15), 0.001)[0] == "ok"


def test_the_floor() -> None:
    assert DRIFT.check(drifted(0.15, 1e-9, floor=0.2), 0.001)[0] == "ok", "the reference varies that much by nature"
    assert DRIFT.check(drifted(0.15, 1e-9, floor=0.05), 0.001)[0] == "warning", "never below the metric's own"
    assert Calibrated(METRICS["wasserstein"], floor=0.2).check(drifted(0.15, 1e-9), 0.001)[0] == "ok"
    relative = Calibrated(METRICS["rmse"])  # 5 % of the reference
    assert relative.check(drifted(0.15, 1e-9, reference=2.0), 0.001)[0] == "warning"
    assert relative.check(drifted(0.15, 1e-9, reference=4.0), 0.001)[0] == "ok"


def test_words() -> None:
    assert DRIFT.check(drifted(0.5, 1e-9), 0.001)[1] == (
        "0.5 sd: moved by 0.5 sd, more than the 0.1 sd that matters (by chance: below 1 in a million)"
    )
    worse = Calibrated(METRICS["null_share"]).check([day(0, 0.12, effect=0.1, p_value=1e-4, detectable=0.01)], 0.001)
    assert worse == (
        "critical",
        "12 %: worse by 10 points, more than the 1 point that matters (by chance: 1 in 10,000)",
    )
