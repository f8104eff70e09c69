"""Detectors of the loss against closed forms: gradient descent on a parabola, constant predictions, known spikes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from watchkeeper.training.detectors.learning import NotLearning, gain, trend
from watchkeeper.training.detectors.loss import Divergence, LossRange, LossSpike, NonFinite, Oscillation, Plateau
from watchkeeper.training.detectors.protocol import Detector, constant_loss
from watchkeeper.training.run import Loss, Run

STEPS = 300


def run_of(losses: Sequence[float] | np.ndarray, kind: Loss | None = "mse", **fields: object) -> Run:
    run = Run(loss=kind, **fields)  # type: ignore[arg-type]
    for step, loss in enumerate(losses):
        run.add_loss(step, float(loss))
    return run


def severities(detector: Detector, run: Run) -> list[str]:
    return [f.severity for f in detector.check(run)]


def descent(rate: float, curvature: float = 4.0, start: float = 1.0, steps: int = STEPS) -> np.ndarray:
    """Losses of gradient descent on w²λ/2: w is multiplied by 1 - rate λ in each step."""
    return curvature / 2 * start**2 * (1 - rate * curvature) ** (2.0 * np.arange(steps)) + 0.01


@pytest.mark.parametrize("over", [1.005, 1.05, 1.5, 10.0])
def test_a_rate_above_two_over_the_curvature_diverges(over: float) -> None:
    losses = descent(over * 2 / 4.0, steps=60 if over > 2 else STEPS)
    assert severities(Divergence(), run_of(losses[np.isfinite(losses)])) == ["critical"]


@pytest.mark.parametrize("under", [0.01, 0.3, 0.5, 0.9, 0.99])
def test_a_rate_below_it_does_not(under: float) -> None:
    assert severities(Divergence(), run_of(descent(under * 2 / 4.0))) == []


def test_a_loss_of_another_kind_need_not_fall() -> None:
    losses = descent(1.05 * 2 / 4.0)
    assert severities(Divergence(), run_of(losses, "other")) == ["warning"]
    assert severities(Divergence(), run_of(losses, None)) == ["critical"]  # nobody said that it may rise


def test_a_loss_that_rises_after_its_best_diverges_and_one_that_recovers_does_not() -> None:
    rng = np.random.default_rng(0)
    fall = 2 * np.exp(-np.arange(150) / 30) + 0.5 + 0.02 * rng.normal(size=150)
    rise = fall[-1] * 1.03 ** np.arange(60)
    assert severities(Divergence(), run_of([*fall, *rise])) == ["critical"]
    assert severities(Divergence(), run_of([*fall, *fall[::-1][:15], *fall])) == []


def test_a_rate_just_below_the_bound_with_noise_oscillates_and_a_small_one_does_not() -> None:
    """SGD on the line through noisy targets at a rate near 2/λ turns with every step; at a hundredth it follows the noise."""
    rng = np.random.default_rng(1)
    w, losses = 1.0, []
    for _ in range(STEPS):
        losses.append(2 * (w - 0.3) ** 2 + 0.1)
        w -= 0.4995 * 4 * (w + 0.004 * rng.normal())
    assert severities(Oscillation(), run_of(losses)) == ["warning"]
    noise = 1 + 0.5 * np.random.default_rng(2).normal(size=STEPS)
    assert severities(Oscillation(), run_of(noise)) == []


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_loss_that_stays_not_finite_is_critical_at_its_first_step(bad: float) -> None:
    found = list(NonFinite().check(run_of([1.0] * 40 + [bad] * 3)))
    assert [(f.severity, f.step) for f in found] == [("critical", 40)]


@pytest.mark.parametrize(("kind", "severity"), [("cross_entropy", "warning"), ("other", "info")])
def test_one_infinite_loss_is_told_by_what_the_loss_is(kind: Loss, severity: str) -> None:
    assert severities(NonFinite(), run_of([1.0] * 40 + [math.inf] + [1.0] * 40, kind)) == [severity]
    assert severities(NonFinite(), run_of([1.0] * 80, kind)) == []


def test_a_spike_is_found_at_its_step_and_lasting_ones_are_warnings() -> None:
    rng = np.random.default_rng(3)
    losses = 1 + 0.05 * rng.normal(size=200)
    assert severities(LossSpike(), run_of(losses)) == []
    one, many = losses.copy(), losses.copy()
    one[170], many[170:178] = 9.0, 9.0
    assert [(f.severity, f.step) for f in LossSpike().check(run_of(one))] == [("info", 170)]
    assert [(f.severity, f.step) for f in LossSpike().check(run_of(many))] == [("warning", 170)]


@pytest.mark.parametrize("kind", ["cross_entropy", "mse", "bce_logits", "mae", "nll", "bce"])
def test_a_negative_loss_is_out_of_range_where_the_kind_has_a_least_value(kind: Loss) -> None:
    assert severities(LossRange(), run_of([0.3, 0.1, -0.2], kind)) == ["critical"]
    assert severities(LossRange(), run_of([0.3, 0.1, 0.0], kind)) == []
    assert severities(LossRange(), run_of([0.3, 0.1, -0.2], "other")) == []


def classified(shares: Sequence[float], losses: np.ndarray) -> Run:
    run = run_of(losses, "cross_entropy", classes=len(shares), planned_steps=len(losses))
    for step in range(20):
        run.add("targets", len(losses) + step, 1000 * np.asarray(shares), [str(c) for c in range(len(shares))])
    return run


@pytest.mark.parametrize("shares", [(0.5, 0.5), (0.25, 0.25, 0.25, 0.25), (0.9, 0.1), (0.7, 0.2, 0.1)])
def test_the_constant_prediction_has_the_entropy_of_the_targets(shares: tuple[float, ...]) -> None:
    rng = np.random.default_rng(4)
    entropy = -sum(p * math.log(p) for p in shares)
    stuck = classified(shares, entropy * (1 + 0.02 * rng.normal(size=STEPS)))
    assert constant_loss(stuck) == pytest.approx(entropy, rel=1e-9)
    assert severities(NotLearning(), stuck) == ["critical"]
    learns = classified(shares, entropy * (0.6 + 0.4 * np.exp(-np.arange(STEPS) / 100) + 0.02 * rng.normal(size=STEPS)))
    assert severities(NotLearning(), learns) == []


def test_the_constant_prediction_of_numbers_has_their_variance() -> None:
    run = run_of(np.full(STEPS, 4.0))
    for step in range(10):
        run.add("head", STEPS + step, (0.0, 0.0, 0.0, 1.0, 4.0, -3.0, 5.0), (
            "row_sum_error", "low", "high", "target_mean", "target_variance", "target_low", "target_high",
        ))  # fmt: skip
    assert constant_loss(run) == pytest.approx(4.0)


def test_while_the_rate_warms_up_nothing_is_said() -> None:
    rng = np.random.default_rng(5)
    run = run_of(1.4 + 0.02 * rng.normal(size=200), "cross_entropy", classes=4, planned_steps=400)
    assert severities(NotLearning(), run) == ["critical"]
    for step in range(20):
        run.add("learning_rate", 200 + step, 1e-5 * (step + 1), ("0",))
    assert severities(NotLearning(), run) == []


def test_a_gain_is_the_difference_of_means_and_its_error_that_of_the_noise() -> None:
    rng = np.random.default_rng(6)
    drawn = [gain(1 + 0.1 * rng.normal(size=50), 1 + 0.1 * rng.normal(size=50)) for _ in range(400)]
    differences = np.array([g.first - g.last for g in drawn])
    assert float(differences.std()) == pytest.approx(0.02, rel=0.15)
    assert float(np.mean([g.error for g in drawn])) == pytest.approx(0.02, rel=0.15)


def test_the_trend_is_a_standard_normal_number_where_there_is_none() -> None:
    rng = np.random.default_rng(7)
    drawn = np.array([trend(rng.normal(size=120)) for _ in range(500)])
    assert abs(float(drawn.mean())) < 0.15
    assert float(drawn.std()) == pytest.approx(1.0, rel=0.12)
    assert trend(np.arange(100.0)) > 5 > -5 > trend(-np.arange(100.0))


def test_a_plateau_follows_a_fall_and_not_a_run_that_falls_on() -> None:
    falls = 5 - np.arange(800) / 200
    assert severities(Plateau(), run_of(falls)) == []
    assert severities(Plateau(), run_of(np.maximum(falls, 3))) == ["info"]


def gate(detector: NotLearning) -> tuple[float, float]:
    """Return the share of runs that stand still in which it is found, and that of slow learners in which it is too."""
    rng = np.random.default_rng(8)
    found = []
    for last in (1.0, 0.8):
        level = np.log(4) * np.linspace(1.0, last, 240)
        runs = [classified((0.25,) * 4, level * (1 + 0.05 * rng.normal(size=240))) for _ in range(60)]
        found.append(float(np.mean([bool(severities(detector, run)) for run in runs])))
    return found[0], found[1]


def test_standing_still_is_told_from_learning_slowly() -> None:
    found, false = gate(NotLearning())
    assert found >= 0.9
    assert false <= 0.02


@pytest.mark.parametrize("broken", [replace(NotLearning(), ratio=1.5), replace(NotLearning(), solved=2.0)])
def test_the_gate_catches_a_broken_detector(broken: NotLearning) -> None:
    found, false = gate(broken)
    assert not (found >= 0.9 and false <= 0.02)
