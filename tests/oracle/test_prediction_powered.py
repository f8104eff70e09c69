"""Prediction-powered means against the formula, row by row; coverage of their intervals; estimates checked by labels."""

from __future__ import annotations

import math

import numpy as np
import pytest
from made import binary_outcome
from scipy.special import expit

from watchkeeper.metrics import classification, powered
from watchkeeper.metrics.estimation import Calibrator, calibrate, gap
from watchkeeper.sketches import kernel

Numbers = np.ndarray


def drawn(rng: np.random.Generator, n: int, slope: float = 1.0) -> tuple[Numbers, Numbers]:
    """Return labels and scores."""
    x = rng.normal(size=n)
    return (rng.random(n) < expit(slope * 1.8 * x - 0.4)).astype(int), expit(1.8 * x - 0.4)


def calibrator_for(rng: np.random.Generator) -> Calibrator:
    found = calibrate(binary_outcome(*drawn(rng, 20_000)))
    assert found is not None
    return found


def hidden(rng: np.random.Generator, label: Numbers, share: float) -> Numbers:
    """Return the labels, of which ``share`` stay."""
    return np.where(rng.random(len(label)) < share, label, -1)


def by_rows(label: Numbers, score: Numbers, chance: Numbers) -> tuple[float, float]:
    """Return PPI++'s accuracy and its standard error: Angelopoulos, Duchi and Zrnic, equation by equation."""
    predicted = (score >= 0.5).astype(int)
    expected = np.where(predicted == 1, chance, 1 - chance)
    seen = label >= 0
    right, f, g = (label == predicted)[seen].astype(float), expected[seen], expected[~seen]
    n, rest = len(f), len(g)
    power = float(np.clip(np.cov(right, f, ddof=0)[0, 1] / ((1 + n / rest) * f.var()), 0, 1))
    value = right.mean() + power * (g.mean() - f.mean())
    return value, math.sqrt((right - power * f).var(ddof=1) / n + power**2 * g.var() / rest)


@pytest.mark.parametrize("seed", range(4))
def test_the_estimate_is_the_formula_s(seed: int) -> None:
    rng = np.random.default_rng(seed)
    calibrator = calibrator_for(rng)
    label, score = drawn(rng, 3_000)
    score = np.round(score, 3)
    label = hidden(rng, label, 0.1)
    found = powered.estimate(binary_outcome(label, score), calibrator, "accuracy")
    value, error = by_rows(label, score, calibrator.rates[calibrator(kernel.float_keys(score))])
    assert found.value == pytest.approx(value, abs=1e-12)
    assert found.error == pytest.approx(error, rel=1e-9)
    assert found.n == (label >= 0).sum()
    wrong = powered.estimate(binary_outcome(label, score), calibrator, "error_rate")
    assert wrong.value == pytest.approx(1 - value, abs=1e-12)


@pytest.mark.parametrize(("labels", "share"), [(49, 0.5), (200, 1.0)])
def test_without_enough_labels_or_with_all_there_is_none(labels: int, share: float, rng: np.random.Generator) -> None:
    label, score = drawn(rng, round(labels / share))
    label[labels:] = -1
    assert not powered.estimate(binary_outcome(label, score), None, "accuracy").known


def covered(rng: np.random.Generator, slope: float, wrong: bool = False) -> tuple[float, float]:
    """Return how often the interval held the truth, and the mean width over that of the labels alone.

    ``wrong`` takes the expectation alone, as if the calibrator could not be mistaken.
    """
    calibrator, held, widths = calibrator_for(rng), [], []
    label, score = drawn(rng, 400_000, slope)
    truth = float((label == (score >= 0.5)).mean())
    for _ in range(400):
        label, score = drawn(rng, 4_000, slope)
        outcome = binary_outcome(hidden(rng, label, 0.1), score)
        alone, both = classification.accuracy(outcome), powered.estimate(outcome, calibrator, "accuracy")
        if wrong:
            chance = calibrator.rates[calibrator(kernel.float_keys(score))]
            middle = float(np.where(score >= 0.5, chance, 1 - chance).mean())
            held.append(abs(middle - truth) < 1.96 * both.error)
        else:
            held.append(both.low <= truth <= both.high)
        widths.append((both.high - both.low) / (alone.high - alone.low))
    return float(np.mean(held)), float(np.mean(widths))


@pytest.mark.parametrize("slope", [1.0, 0.3])
def test_intervals_hold_the_truth_whatever_the_calibration(slope: float) -> None:
    held, width = covered(np.random.default_rng(11), slope)
    assert 0.92 <= held <= 0.98  # two standard errors of 400 windows are .022
    assert width < 1.0


def test_the_gate_catches_an_estimate_that_trusts_the_scores() -> None:
    held, _ = covered(np.random.default_rng(11), 0.3, wrong=True)
    assert held < 0.5


# --- whether the estimate holds ---------------------------------------------------------------------------------------


def refuted(rng: np.random.Generator, slope: float, windows: int = 200) -> dict[str, float]:
    """Return by metric how often 0 lies outside the interval of realised less estimated."""
    calibrator = calibrator_for(rng)
    found: dict[str, list[bool]] = {"accuracy": [], "roc_auc": [], "f1": []}
    for _ in range(windows):
        label, score = drawn(rng, 2_000, slope)
        outcome = binary_outcome(hidden(rng, label, 0.3), score)
        for name, outside in found.items():
            told = gap(outcome, calibrator, name, getattr(classification, name)(outcome))
            outside.append(not told.low <= 0 <= told.high)
    return {name: float(np.mean(outside)) for name, outside in found.items()}


def test_where_the_concept_stays_the_gap_holds_nought() -> None:
    for name, share in refuted(np.random.default_rng(3), 1.0).items():
        assert share <= 0.10, name  # .05, and three standard errors of 200 windows


def test_a_change_of_concept_refutes_the_estimate() -> None:
    for name, share in refuted(np.random.default_rng(3), 0.3, 50).items():
        assert share > 0.9, name
