"""With very many rows, what does not matter is not called drift, and what matters is; on a few runs of the benchmark B3."""

from __future__ import annotations

import pytest
from benchmarks.statistics.harm import IRRELEVANT, Outcome, matthews
from benchmarks.statistics.relevant import COLUMNS, alarmed

from watchkeeper.detection import columns

RUNS = 6


def called(shift: float) -> float:
    """Return the share of columns and runs in which a shift is called drift."""
    found = [alarmed(seed, shift)[name][0] for seed in range(RUNS) for name in COLUMNS]
    return sum(found) / len(found)


def test_what_does_not_matter_is_no_drift_and_what_matters_is() -> None:
    assert called(0.02) == 0
    assert called(0.1) == 1


def test_a_move_of_just_the_floor_is_seldom_called_drift() -> None:
    assert called(0.05) < 0.3


def test_the_gate_sees_a_verdict_on_the_point_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(columns, "ABUNDANT", 10**9)
    assert called(0.05) > 0.3


def test_the_correlation_of_pages_with_harm() -> None:
    cases = [(True, True)] * 6 + [(True, False)] * 2 + [(False, True)] + [(False, False)] * 11
    found = [Outcome(sorted(IRRELEVANT)[0], harmed, {"pages": page}) for page, harmed in cases]
    tp, fp, fn, tn = 6, 2, 1, 11
    expected = (tp * tn - fp * fn) / ((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn)) ** 0.5
    assert matthews(found, "pages") == pytest.approx(expected)
