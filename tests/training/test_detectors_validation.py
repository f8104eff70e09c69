"""Overfitting, bias and what to call it: curves whose turn is known, in noise that is known."""

from __future__ import annotations

import numpy as np
import pytest

from watchkeeper.training.detectors.validation import BiasVariance, Overfitting
from watchkeeper.training.finding import Finding, Findings
from watchkeeper.training.run import Run

TURN = 8


def run_of(held: np.ndarray, train: np.ndarray | None = None, **fields: object) -> Run:
    """Return a run of ten steps to each evaluation."""
    run = Run(loss="cross_entropy", classes=4, **fields)  # type: ignore[arg-type]
    train = 1.4 * np.exp(-np.arange(10 * len(held)) / 60) if train is None else train
    for step, loss in enumerate(train):
        run.add_loss(step, float(loss))
        if step % 10 == 9:
            run.add_validation(step, {"loss": float(held[step // 10])})
    return run


def turning(count: int, rise: float, noise: float = 0.0, seed: int = 0) -> np.ndarray:
    """Held-out losses that fall to their best at the eighth evaluation, and rise from there."""
    places = np.arange(count)
    curve = np.where(places <= TURN, 1.4 - 0.1 * places, 0.6 + rise * (places - TURN))
    return np.asarray(curve * (1 + noise * np.random.default_rng(seed).normal(size=count)))


def test_it_is_told_three_evaluations_after_the_turn_with_the_best_step() -> None:
    for count in range(TURN + 2, TURN + 8):
        found = list(Overfitting().check(run_of(turning(count, 0.1))))
        assert len(found) == (count >= TURN + 4), count
        assert all(f.numbers["best_step"] == 10 * TURN + 9 for f in found)


def test_a_curve_that_falls_or_stays_is_well() -> None:
    assert list(Overfitting().check(run_of(turning(TURN + 1, 0.0)))) == []
    assert list(Overfitting().check(run_of(turning(30, 0.0)))) == []


def test_the_training_loss_must_fall_on() -> None:
    both = run_of(turning(20, 0.1), np.concatenate([np.linspace(1.4, 0.6, 90), np.linspace(0.6, 2.0, 110)]))
    assert list(Overfitting().check(both)) == []


def false_alarms(detector: Overfitting) -> float:
    """Return how often a curve that stands in noise of 6 % is taken for one that rises, at any of its evaluations."""
    alarms = []
    for seed in range(60):
        held = 0.6 * (1 + 0.06 * np.random.default_rng(seed).normal(size=20))
        alarms.append(any(list(detector.check(run_of(held[:count]))) for count in range(5, 21)))
    return float(np.mean(alarms))


def test_noise_is_no_turn_and_without_its_scatter_the_gate_would_catch_it() -> None:
    assert false_alarms(Overfitting()) <= 0.1
    assert false_alarms(Overfitting(deviations=0.0)) > 0.1


@pytest.mark.parametrize(("level", "told"), [(0.99, "warning"), (0.85, "info"), (0.5, None)])
def test_bias_is_the_share_of_a_guess_that_is_left(level: float, told: str | None) -> None:
    guess = np.log(4)
    run = run_of(np.full(20, level * guess), np.full(200, level * guess))
    assert list(BiasVariance().check(run)) == []
    run.facts["ended"] = True
    assert [f.severity for f in BiasVariance().check(run) if f.problem == "high_bias"] == ([told] if told else [])


def test_a_short_run_says_nothing_of_bias() -> None:
    run = run_of(np.full(2, 1.38), np.full(20, 1.38))
    run.facts["ended"] = True
    assert list(BiasVariance().check(run)) == []


def test_a_cause_is_the_diagnosis_before_its_workings_and_what_comes_of_it() -> None:
    findings = Findings()
    assert findings.diagnosis is None
    order = [
        ("not_learning", "critical", 0.8),
        ("vanishing_gradient", "critical", 0.8),
        ("input_scale", "warning", 1.0),
    ]
    for problem, severity, confidence in order:
        findings.add(Finding(problem, 5, "so", severity, confidence=confidence))  # type: ignore[arg-type]
        assert findings.diagnosis is not None
        assert findings.diagnosis.problem == problem
    findings.add(Finding("leakage", 0, "so", "info", confidence=1.0))
    assert findings.diagnosis.problem == "input_scale"
