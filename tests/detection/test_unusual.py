"""z-scores: which way, how far, and how often when nothing is wrong."""

from __future__ import annotations

import math

import numpy as np
import pytest

from daily import day, days
from watchkeeper.detection.robust import RobustZScore, scale_of
from watchkeeper.detection.watched import METRICS
from watchkeeper.detection.zscore import ZScore

KINDS = [ZScore, RobustZScore]
each_kind = pytest.mark.parametrize("kind", KINDS)
USUAL = [1.0, 1.2, 0.9, 1.1, 1.0, 0.8, 1.1, 0.9, 1.0, 1.05]


@each_kind
@pytest.mark.parametrize(
    ("metric", "up", "down"),
    [("latency_p99", "critical", "ok"), ("r2", "ok", "critical"), ("throughput", "critical", "critical")],
)
def test_direction(kind: type[ZScore | RobustZScore], metric: str, up: str, down: str) -> None:
    detector = kind(METRICS[metric], z=3.0)
    assert detector.check(days([*USUAL, 9.0]), 0.0)[0] == up
    assert detector.check(days([*USUAL, -7.0]), 0.0)[0] == down
    assert detector.check(days([*USUAL, 1.0]), 0.0)[0] == "ok"


@each_kind
def test_eight_windows_are_needed(kind: type[ZScore | RobustZScore]) -> None:
    detector = kind(METRICS["latency_p99"], z=3.0)
    verdict, words = detector.check(days([*USUAL[:7], 9.0]), 0.0)
    assert verdict == "not enough data"
    assert "after 8 windows; so far 7" in words
    assert detector.check(days([*USUAL[:8], 9.0]), 0.0)[0] == "critical"
    assert detector.check(days([*USUAL, math.nan]), 0.0)[0] == "not enough data"


@each_kind
def test_only_the_last_windows_count(kind: type[ZScore | RobustZScore]) -> None:
    detector = kind(METRICS["latency_p99"], windows=8, z=3.0)
    assert detector.check(days([100.0] * 20 + USUAL[:8] + [9.0]), 0.0)[0] == "critical"


@each_kind
def test_what_never_varied_gives_no_scale(kind: type[ZScore | RobustZScore]) -> None:
    detector = kind(METRICS["failure_rate"])
    assert detector.check(days([0.0] * 11), 0.001)[0] == "ok"
    assert detector.check(days([*[0.0] * 10, 0.5]), 0.001)[0] == "not enough data"
    assert detector.check([*days([0.0] * 10), day(10, 0.5, error=0.02)], 0.001)[0] == "critical", (
        "its own interval is one"
    )


def test_outliers_hide_a_change_from_the_plain_one_only() -> None:
    values = [*USUAL, 30.0, *USUAL, 30.0, 6.0]
    assert ZScore(METRICS["latency_p99"], z=3.0).check(days(values), 0.0)[0] == "ok"
    assert RobustZScore(METRICS["latency_p99"], z=3.0).check(days(values), 0.0)[0] == "critical"


def test_words() -> None:
    assert ZScore(METRICS["r2"], z=2.0).check(days([*USUAL, 0.5]), 0.0)[1] == (
        "0.5, usual is 1: 4.1 standard deviations worse, more than 2"
    )


def rate(kind: type[ZScore | RobustZScore], windows: int, alpha: float, runs: int) -> tuple[float, float]:
    """Return how often the next of so many normal windows alarms, and three and a bit standard errors of that."""
    rng = np.random.default_rng(3)
    detector = kind(METRICS["latency_p99"])
    alarms = sum(detector.check(days(rng.normal(size=windows + 1)), alpha)[0] != "ok" for _ in range(runs))
    return alarms / runs, 3.1 * math.sqrt(alpha * (1 - alpha) / runs)


@pytest.mark.parametrize("windows", [8, 28])
def test_the_plain_one_alarms_exactly_as_often_as_it_may(windows: int) -> None:
    found, error = rate(ZScore, windows, 0.02, 4000)
    assert abs(found - 0.02) <= error


@pytest.mark.parametrize("windows", [8, 28])
def test_the_robust_one_alarms_at_most_as_often_as_it_may(windows: int) -> None:
    found, error = rate(RobustZScore, windows, 0.02, 4000)
    assert found <= 0.02 + error


def test_a_normal_quantile_in_place_of_students_would_be_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("watchkeeper.detection.zscore.stdtrit", lambda degrees, alpha: -2.0537)
    found, error = rate(ZScore, 8, 0.02, 4000)
    assert found > 0.02 + error


def test_the_robust_scale_is_that_of_normal_values() -> None:
    rng = np.random.default_rng(4)
    for k in (8, 28):
        scales = [scale_of(rng.normal(size=k))[0] for _ in range(3000)]
        assert abs(float(np.mean(scales)) - 1) < 0.03
