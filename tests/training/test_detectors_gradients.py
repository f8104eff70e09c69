"""Detectors of gradients against closed forms: chains of sigmoids, a recurrent matrix of 1.5 I, the step of plain SGD."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from watchkeeper.training.detectors.exact import Seen
from watchkeeper.training.detectors.gradients import (
    Clipping,
    ExplodingGradient,
    GradientSpike,
    UnusedParameter,
    UpdateRatio,
    VanishingGradient,
)
from watchkeeper.training.detectors.learning import OverRegularised
from watchkeeper.training.detectors.protocol import Detector
from watchkeeper.training.detectors.rate import LearningRate
from watchkeeper.training.judge import Judge
from watchkeeper.training.run import Event, Layer, Run

SAMPLES = 30


def run_of(depth: int, width: int = 8, **fields: object) -> Run:
    layers = [Layer(f"{place}.weight", (width, width), "Linear") for place in range(depth)]
    return Run(layers=layers, loss="mse", **fields)  # type: ignore[arg-type]


def names(run: Run) -> list[str]:
    return [layer.name for layer in run.layers]


def found(detector: Detector, run: Run) -> list[str]:
    return [f.problem for f in detector.check(run)]


def chain(depth: int, weight: float, *, sigmoid: bool) -> np.ndarray:
    """Norms of gradients by layer in a chain of scalars at 0: each sigmoid multiplies by weight / 4, the identity by weight."""
    factor = weight * (0.25 if sigmoid else 1.0)
    return factor ** np.arange(depth - 1, -1, -1.0)


def fill(run: Run, gradient: np.ndarray, update: float | np.ndarray = 1e-6, samples: int = SAMPLES) -> Run:
    rng = np.random.default_rng(0)
    for step in range(samples):
        noise = np.exp(0.1 * rng.normal(size=len(run.layers)))
        run.add("gradient", step, gradient * noise, names(run))
        run.add("update", step, np.broadcast_to(update, gradient.shape) * noise, names(run))
        run.add("weight", step, np.ones(len(run.layers)), names(run))
    return run


@pytest.mark.parametrize("depth", [4, 8, 20])
def test_a_chain_of_sigmoids_vanishes_by_a_quarter_a_layer(depth: int) -> None:
    ratio = chain(depth, 1.0, sigmoid=True)[0]
    assert ratio == pytest.approx(4.0 ** -(depth - 1))
    assert found(VanishingGradient(), fill(run_of(depth), chain(depth, 1.0, sigmoid=True))) == (
        ["vanishing_gradient"] if ratio < 1e-3 else []
    )
    assert found(VanishingGradient(), fill(run_of(depth), chain(depth, 1.0, sigmoid=False))) == []


def test_a_layer_is_named_and_those_that_get_nothing_are_counted() -> None:
    (finding,) = VanishingGradient().check(fill(run_of(10), chain(10, 1.0, sigmoid=True)))
    assert finding.layer == "0.weight"
    assert finding.numbers["layers"] == pytest.approx(10 - 5, abs=1)  # 4^-5 is the first power below a thousandth


def recurrent(length: int, gain: float) -> Run:
    """Return a run whose recurrent weights are gain I: the gradient by the first state is gain^length (Pascanu, 2013)."""
    run = run_of(2)
    fill(run, np.array([gain**length, 1.0]), 1e-3)
    for step in range(SAMPLES):
        run.add_loss(step, 1.0 + gain ** (length / 4))
        run.add("head", step, (0.0, 0.0, 0.0, 0.0, 1.0, -1.0, 1.0), (
            "row_sum_error", "low", "high", "target_mean", "target_variance", "target_low", "target_high",
        ))  # fmt: skip
    return run


@pytest.mark.parametrize("length", [16, 24, 40])
def test_a_recurrent_gain_of_one_and_a_half_explodes_and_of_one_does_not(length: int) -> None:
    assert found(ExplodingGradient(), recurrent(length, 1.5)) == ["exploding_gradient"]
    assert found(ExplodingGradient(), recurrent(length, 1.0)) == []
    assert found(ExplodingGradient(), recurrent(length, 0.8)) == []


def test_a_gradient_that_grew_a_hundredfold_explodes() -> None:
    run = run_of(3)
    for step in range(80):
        run.add("gradient", step, np.full(3, 1.0 if step < 60 else 200.0), names(run))
    assert found(ExplodingGradient(), run) == ["exploding_gradient"]


def test_one_batch_times_a_thousand_is_a_spike_at_its_step() -> None:
    run = fill(run_of(3), np.ones(3))
    assert found(GradientSpike(), run) == []
    run.add("gradient", SAMPLES, np.full(3, 1e3), names(run))
    assert [f.step for f in GradientSpike().check(run)] == [SAMPLES]


@pytest.mark.parametrize(("rate", "told"), [(1e-7, True), (1e-3, False), (1e-2, False), (0.9, True), (30.0, True)])
def test_the_step_of_sgd_is_rate_times_gradient_over_weight(rate: float, told: bool) -> None:
    """With |g| = |w| = 1 a step moves weights by the rate."""
    assert found(UpdateRatio(), fill(run_of(3), np.ones(3), rate)) == (["update_ratio"] if told else [])


def test_a_single_step_that_replaces_the_weights_is_no_symptom() -> None:
    run = run_of(3)
    run.add("update", 0, np.full(3, 4.0), names(run))
    run.add_loss(0, 1.0)
    judge = Judge((UpdateRatio(),))
    assert [f.severity for f in judge.look(run)] == ["warning"]


def test_layers_that_begin_at_nought_say_nothing_of_the_step() -> None:
    run = run_of(3)
    run.layers = [replace(layer, zero=True) for layer in run.layers]
    assert found(UpdateRatio(), fill(run, np.ones(3), 50.0)) == []


def test_a_parameter_in_no_optimizer_is_certain_and_one_without_gradient_takes_twenty_samples() -> None:
    run = fill(run_of(3), np.ones(3))
    assert found(UnusedParameter(), run) == []
    run.layers[1] = replace(run.layers[1], optimized=False)
    assert [(f.layer, f.confidence) for f in UnusedParameter().check(run)] == [("1.weight", 1.0)]
    for samples, told in ((19, 0), (20, 1)):
        idle = fill(run_of(3), np.array([1.0, 0.0, 1.0]), samples=samples)
        assert len(list(UnusedParameter().check(idle))) == told
    frozen = fill(run_of(3), np.array([0.0, 1.0, 1.0]))
    frozen.layers[0] = replace(frozen.layers[0], trained=False, optimized=False)
    assert found(UnusedParameter(), frozen) == []


def test_clipping_is_told_where_nine_in_ten_norms_are_above_the_limit() -> None:
    for share, told in ((0.95, ["clipping"]), (0.8, [])):
        run = run_of(1)
        for step in range(100):
            run.add("clip", step, (2.0 if step < 100 * share else 0.5, 1.0), ("norm", "limit"))
        assert found(Clipping(), run) == told


@pytest.mark.parametrize(
    ("rates", "told"), [([0.0] * 40, "critical"), ([0.1] * 40, None), ([0.1] * 40 + [0.0] * 40, "warning")]
)
def test_a_rate_of_nought(rates: list[float], told: str | None) -> None:
    run = run_of(1, planned_steps=1000)
    for step, rate in enumerate(rates):
        run.add("learning_rate", step, rate, ("0",))
    assert [f.severity for f in LearningRate().check(run)] == ([told] if told else [])


@pytest.mark.parametrize(("decay", "left", "told"), [(1.0, 0.2, True), (1.0, 0.9, False), (1e-4, 0.2, False)])
def test_weights_that_shrink_while_nothing_is_learned(decay: float, left: float, told: bool) -> None:
    run = run_of(3, classes=4)
    run.loss, run.facts["weight_decay"] = "cross_entropy", decay
    for step in range(SAMPLES):
        run.add("weight", step, np.full(3, 1 + (left - 1) * step / (SAMPLES - 1)), names(run))
        run.add_loss(step, 1.38)
    assert found(OverRegularised(), run) == (["over_regularised"] if told else [])


def test_what_was_seen_is_told_as_it_is() -> None:
    run = run_of(1)
    run.note(Event("stale_gradient", 1, words="left"))
    assert [(f.severity, f.step) for f in Seen("stale_gradient", "critical").check(run)] == [("critical", 1)]
    assert found(Seen("rank_desync", "critical"), run) == []
