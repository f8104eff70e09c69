from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchkeeper.detection.verdict import Evidence, judge, worst


def evidence(
    effect: float, low: float, high: float, p_value: float, error: float = 0.001, floor: float = 0.02
) -> Evidence:
    return Evidence(effect, low, high, floor, p_value, error)


@pytest.mark.parametrize(
    ("found", "name"),
    [
        (evidence(0.03, 0.025, 0.035, 1e-6), "warning"),
        (evidence(0.06, 0.05, 0.07, 1e-6), "critical"),
        (evidence(0.01, 0.008, 0.012, 1e-6), "ok"),  # certain, but too small to matter
        (evidence(0.03, -0.05, 0.11, 0.4, error=0.04), "not enough data"),
        (evidence(-0.10, -0.16, -0.04, 0.99, error=0.03), "ok"),  # noisy, but harm is excluded
        (evidence(0.0, -0.002, 0.002, 0.5), "ok"),
        (evidence(math.nan, math.nan, math.nan, math.nan, error=math.nan), "not enough data"),
    ],
)
def test_a_verdict_needs_evidence_and_effect(found: Evidence, name: str) -> None:
    assert judge(found, 0.001).name == name


def test_critical_needs_the_lower_limit_above_twice_the_floor() -> None:
    assert judge(evidence(0.06, 0.0401, 0.08, 1e-9), 0.001).name == "critical"
    assert judge(evidence(0.06, 0.0399, 0.08, 1e-9), 0.001).name == "warning"


@given(st.floats(-1, 1), st.floats(0, 1), st.floats(0.0001, 0.5), st.floats(0.0001, 0.2))
def test_no_alarm_without_evidence_or_below_the_floor(
    effect: float, p_value: float, error: float, floor: float
) -> None:
    verdict = judge(Evidence(effect, effect - 2 * error, effect + 2 * error, floor, p_value, error), 0.01)
    if p_value > 0.01 or effect <= floor:
        assert verdict.name not in {"warning", "critical"}
    else:
        assert verdict.name in {"warning", "critical"}


def test_the_detectable_effect_is_found_with_four_fifths_power() -> None:
    """Draw estimates around the detectable effect: 80 % of them are significant."""
    import numpy as np
    from scipy.special import ndtr

    detectable = evidence(0.0, 0.0, 0.0, 0.5, error=0.01).detectable_at(0.005)
    drawn = np.random.default_rng(3).normal(detectable, 0.01, 40_000)
    power = float((ndtr(-drawn / 0.01) <= 0.005).mean())
    assert abs(power - 0.8) < 0.01


def test_the_worst_verdict() -> None:
    assert worst(["ok", "warning", "not enough data"]) == "warning"
    assert worst(["critical", "warning"]) == "critical"
    assert worst(["not enough data", "ok"]) == "ok"
    assert worst(["not enough data"]) == "not enough data"
    assert worst([]) == "not enough data"
