"""What others' published rules say of a trace: SageMaker Debugger's, AutoTrainer's and Keras's, each with its defaults.

A rule is a function of a run that returns the steps at which it would fire. Written from their documentation; what a trace
does not hold is left out, and said in :data:`MISSING`.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from watchkeeper.sketches.kernel import Floats, Int64s
from watchkeeper.training.run import Run

Steps = Int64s | list[int]
NONE: list[int] = []
MISSING = (
    "ClassImbalance, Confusion, CheckInputImages, NLPSequenceRatio, TensorVariance, AllZero and UnchangedTensor (they need the "
    "user's tensors or have no default), SaturatedActivation's own limits (9.5 for tanh; ours, a slope below 5 %, stands in), "
    "DeadRelu's 1 % (units never on in 256 rows stand in), AutoTrainer's share of zero gradients (dead units stand in)"
)


def _rows(run: Run, name: str) -> tuple[Int64s, Floats]:
    series = run.series.get(name)
    return (series.steps, series.rows) if series is not None else (np.empty(0, np.int64), np.empty((0, 1)))


def _matrices(run: Run) -> list[int]:
    return [p for p, layer in enumerate(run.layers) if layer.matrix and layer.trained]


def vanishing(run: Run) -> Steps:
    """VanishingGradient: mean |g| of a layer below 1e-7."""
    steps, rows = _rows(run, "others/mean_gradient")
    return steps[(rows < 1e-7).any(axis=1)] if rows.size else NONE


def exploding(run: Run) -> Steps:
    """ExplodingTensor: something is not finite (loss, gradients, weights)."""
    found = [
        steps[~np.isfinite(rows).all(axis=1)] for steps, rows in (_rows(run, n) for n in ("loss", "gradient", "weight"))
    ]
    return sorted({*np.concatenate(found).tolist(), *(e.step for e in run.of("non_finite"))})


def loss_not_decreasing(run: Run) -> Steps:
    """LossNotDecreasing: the loss is not below that of ten steps before."""
    steps, rows = _rows(run, "loss")
    values = rows[:, 0]
    return steps[10::10][~(values[10::10] < values[:-10:10][: len(values[10::10])])]


def _validated(run: Run) -> tuple[Int64s, Floats, Floats]:
    """Return the steps of evaluations, the mean training loss since the one before, and the held-out loss."""
    steps, rows = _rows(run, "validation/loss")
    losses_at, losses = _rows(run, "loss")
    places = np.searchsorted(losses_at, steps, side="right")
    starts = np.concatenate([[0], places])[:-1]
    train = [losses[a:b, 0].mean() if b > a else np.nan for a, b in zip(starts, places, strict=True)]
    return steps, np.array(train), rows[:, 0]


def overfit(run: Run) -> Steps:
    """Overfit: (held - train) / train above .1, patience 1."""
    steps, train, held = _validated(run)
    return steps[(held - train) / train > 0.1] if len(steps) else NONE


def overtraining(run: Run) -> Steps:
    """Overtraining: no progress by .1 in 5 evaluations of training and 10 of held-out rows."""
    steps, train, held = _validated(run)
    since = [np.zeros(len(steps), int) for _ in range(2)]
    for count, values in zip(since, (train, held), strict=True):
        best = np.inf
        for place, value in enumerate(values):
            better = value < best - 0.1
            best = value if better else best
            count[place] = 0 if better or place == 0 else count[place - 1] + 1
    return steps[(since[0] >= 5) & (since[1] >= 10)] if len(steps) else NONE


def update_ratio(run: Run) -> Steps:
    """WeightUpdateRatio: a layer's update over its weights above 10 or below 1e-8."""
    steps, rows = _rows(run, "update")
    places = [p for p in _matrices(run) if run.layers[p].optimized]
    rows = rows[:, places] if rows.shape[1] > 1 else rows
    return steps[((rows > 10) | (rows < 1e-8)).any(axis=1)] if rows.size else NONE


def dead_relu(run: Run) -> Steps:
    """DeadRelu: more than half of a layer's units are off."""
    steps, rows = _rows(run, "dead")
    return steps[(rows > 0.5).any(axis=1)] if rows.size else NONE


def saturated(run: Run) -> Steps:
    """SaturatedActivation: more than half of a layer is saturated."""
    steps, rows = _rows(run, "saturated")
    return steps[(rows > 0.5).any(axis=1)] if rows.size else NONE


def poor_start(run: Run) -> Steps:
    """PoorWeightInitialization: layers' variances differ tenfold, or the least range of gradients is below .001, early."""
    steps, rows = _rows(run, "weight")
    places = _matrices(run)
    early = steps < 10
    fired = np.zeros(int(early.sum()), bool)
    if rows.shape[1] > 1 and len(places) > 1 and early.any():
        variance = rows[early][:, places] ** 2 / [run.layers[p].numel for p in places]
        fired |= variance.max(axis=1) > 10 * variance.min(axis=1)
    ranges_at, ranges = _rows(run, "others/gradient_range")
    narrow = ranges_at[(ranges < 0.001).any(axis=1)] if ranges.size else np.empty(0, np.int64)
    return sorted({*steps[early][fired].tolist(), *narrow.tolist()})


def autotrainer(problem: str) -> Callable[[Run], Steps]:
    """AutoTrainer: judged after 30 % of the run, every third evaluation, and only where accuracy fails (.6) or stands (.01)."""

    def rule(run: Run) -> Steps:
        steps, rows = (
            _rows(run, "validation/accuracy") if run.has("loss") else (np.empty(0, np.int64), np.empty((0, 1)))
        )
        fired = []
        for place in range(2, len(steps), 3):
            accuracy = rows[: place + 1, 0]
            change = float(np.abs(np.diff(accuracy)).max())
            late = steps[place] >= 0.3 * run.series["loss"].steps[-1]
            if late and (accuracy.max() < 0.6 or change < 0.01) and _symptom(problem, run, int(steps[place]), accuracy):
                fired.append(int(steps[place]))
        return fired

    return rule


def _symptom(problem: str, run: Run, step: int, accuracy: Floats) -> bool:
    at, rows = _rows(run, "gradient")
    places = _matrices(run)
    if problem == "slow":
        return True
    if problem == "oscillating":
        return float(np.mean(np.abs(np.diff(accuracy)) >= 0.03)) >= 0.2
    if problem == "dying":
        dead_at, dead = _rows(run, "dead")
        return bool(dead.size and (dead[dead_at <= step][-1:] >= 0.7).any())
    if not rows.size or len(places) < 2:
        return False
    first, last = rows[at <= step][-1][[places[0], places[-1]]]
    loss = run.series["loss"].values[run.series["loss"].steps <= step]
    if problem == "vanishing":
        return bool(first < 1e-3 * last and first < 1e-4)
    return bool(first > 70 * last or not np.isfinite(loss).all() or loss[-1] >= 1e3)


def terminate_on_nan(run: Run) -> Steps:
    """TerminateOnNaN: the loss is not finite."""
    steps, rows = _rows(run, "loss")
    return steps[~np.isfinite(rows[:, 0])]


def early_stopping(run: Run) -> Steps:
    """EarlyStopping with its default patience of 0: the held-out loss is not below its best."""
    steps, rows = _rows(run, "validation/loss")
    best = np.minimum.accumulate(np.nan_to_num(rows[:, 0], nan=np.inf)) if rows.size else rows
    return steps[1:][~(rows[1:, 0] < best[:-1])] if len(steps) > 1 else NONE


Rule = tuple[str, Callable[[Run], Steps], frozenset[str]]


def _rule(name: str, function: Callable[[Run], Steps], means: str) -> Rule:
    return name, function, frozenset(means.split())


OTHERS: dict[str, tuple[Rule, ...]] = {
    "SageMaker Debugger": (
        _rule("VanishingGradient", vanishing, "vanishing_gradient unused_parameter"),
        _rule("ExplodingTensor", exploding, "non_finite"),
        _rule("LossNotDecreasing", loss_not_decreasing, "not_learning divergence oscillation loss_spike high_bias"),
        _rule("Overfit", overfit, "overfitting"),
        _rule("Overtraining", overtraining, "overfitting"),
        _rule("WeightUpdateRatio", update_ratio, "update_ratio unused_parameter"),
        _rule("DeadRelu", dead_relu, "dead_units"),
        _rule("SaturatedActivation", saturated, "saturation"),
        _rule("PoorWeightInitialization", poor_start, "initialisation initial_loss"),
    ),
    "AutoTrainer": (
        _rule("vanishing", autotrainer("vanishing"), "vanishing_gradient"),
        _rule("exploding", autotrainer("exploding"), "exploding_gradient non_finite divergence"),
        _rule("dying ReLU", autotrainer("dying"), "dead_units"),
        _rule("oscillating", autotrainer("oscillating"), "oscillation"),
        _rule("slow", autotrainer("slow"), "not_learning high_bias"),
    ),
    "Keras": (
        _rule("TerminateOnNaN", terminate_on_nan, "non_finite"),
        _rule("EarlyStopping", early_stopping, "overfitting"),
    ),
}
"""By system: its rules, and which of our problems each names."""
