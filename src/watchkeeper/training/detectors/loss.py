"""Detectors that need no more than the loss: not finite, diverging, spiking, standing still, oscillating."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from watchkeeper.sketches.kernel import Floats
from watchkeeper.training.detectors.protocol import constant_loss, robust
from watchkeeper.training.finding import CERTAIN, POSSIBLE, Finding, Severity
from watchkeeper.training.run import Run

LEAST_LOSS = {"cross_entropy": 0.0, "nll": 0.0, "bce": 0.0, "bce_logits": 0.0, "mse": 0.0, "mae": 0.0}
"""Losses that cannot be negative, for targets that are what they should be."""


@dataclass(frozen=True, slots=True)
class NonFinite:
    """A loss, gradient, weight or activation that is NaN or infinite, with the first module where that is known."""

    problem: str = "non_finite"
    needs: tuple[str, ...] = ("loss",)
    lasting: int = 3
    """Losses in a row; one alone is usual for some losses, such as where a target is longer than its input."""

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield the first of each."""
        for event in run.of("non_finite")[:1]:
            yield Finding(self.problem, event.step, event.words, "critical", event.layer, event.numbers, CERTAIN)
        series = run.series["loss"]
        bad = ~np.isfinite(series.values)
        if not bad.any() or run.of("non_finite"):
            return
        first = int(np.argmax(bad))
        step, value = int(series.steps[first]), float(series.values[first])
        lasting = bool(bad[-self.lasting :].all()) and len(bad) >= self.lasting
        once: Severity = "info" if run.loss == "other" else "warning"
        words = f"The loss is {value}{'' if lasting else ', once: the next may be well again'}."
        yield Finding(self.problem, step, words, "critical" if lasting else once, None, {"loss": value}, CERTAIN)


def _median(values: Floats) -> float:
    finite = values[np.isfinite(values)]
    return float(np.median(finite)) if len(finite) else math.nan


@dataclass(frozen=True, slots=True)
class Divergence:
    """The smoothed loss has risen far above its best, and goes on rising."""

    problem: str = "divergence"
    needs: tuple[str, ...] = ("loss",)
    relative: float = 0.5
    deviations: float = 8.0
    rising: float = 0.8
    window: int = 20

    times: float = 10.0
    boosted: float = 1.5
    """Of the constant prediction's loss, from which boosting starts and which it cannot but lower."""

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield it where the last 20 smoothed losses rose in 80 % of the steps, or ten losses are ten times what was.

        What was is the first losses or that of the best constant prediction, whichever is greater; for boosting it is the
        latter, since the first round is in the first loss. A loss of another kind may rise in a game of two networks, and
        is a warning.
        """
        severity: Severity = "warning" if run.loss == "other" else "critical"
        series = run.series["loss"]
        if len(series) < self.window // 2:
            return
        constant = constant_loss(run)
        begun = series.values[: 1 if math.isfinite(constant) else 3]  # the second is of weights that have moved
        least = max(_median(np.abs(begun)), np.nan_to_num(constant))
        times = self.times
        if run.facts.get("boosting") and math.isfinite(constant):
            least, times = constant, self.boosted
        if (series.values[-self.window // 2 :] > times * least).all():
            now = float(series.values[-1])
            words = f"The loss began at {least:.4g} and is {now:.4g}."
            yield Finding(self.problem, run.step, words, severity, numbers={"first": least, "loss": now})
            return
        if len(series) <= 2 * self.window or not math.isfinite(run.best_smooth):
            return
        smooth, gaps = series.rows[-self.window - 1 :, 1], series.rows[-100:, 0] - series.rows[-100:, 1]
        noise = robust(gaps[np.isfinite(gaps)])[1]
        best, now = run.best_smooth, float(smooth[-1])
        bound = best + max(self.relative * abs(best), self.deviations * noise / 1.4826)
        share = float(np.mean(np.diff(smooth) > 0))
        if now >= bound and share >= self.rising:
            yield Finding(
                self.problem, run.step, f"The loss rose from {best:.4g} (step {run.best_step:,}) to {now:.4g}.", severity,
                numbers={"best": best, "loss": now, "rising": share},
            )  # fmt: skip


@dataclass(frozen=True, slots=True)
class LossRange:
    """A loss below the least value that its kind can have: a sign, or targets and outputs that are not what it takes."""

    problem: str = "loss_range"
    needs: tuple[str, ...] = ("loss",)

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield it at the first such loss."""
        if run.loss not in LEAST_LOSS:
            return
        series = run.series["loss"]
        low = np.flatnonzero(series.values < LEAST_LOSS[run.loss] - 1e-6)
        if len(low):
            step, value = int(series.steps[low[0]]), float(series.values[low[0]])
            words = f"The loss is {value:.4g}, and {run.loss} cannot be negative."
            yield Finding(self.problem, step, words, "critical", numbers={"loss": value}, confidence=CERTAIN)


@dataclass(frozen=True, slots=True)
class LossSpike:
    """One loss far above those before it."""

    problem: str = "loss_spike"
    needs: tuple[str, ...] = ("loss",)
    deviations: float = 6.0
    relative: float = 0.5
    window: int = 100
    persistent: int = 5
    looked: int = 60

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield the first spike among the last 60 losses: a warning where five in a row are high, else information."""
        series = run.series["loss"]
        finite = np.isfinite(series.values)
        values = series.values[finite][-self.window - self.looked :]
        if len(values) < 50:
            return
        width = min(self.window, len(values) - 20)
        least = float(np.partition(values, width // 2 - 1)[width // 2 - 1])  # no window's median is lower
        if least >= 0 and float(values[width:].max()) <= (1 + self.relative) * least:
            return
        before = np.lib.stride_tricks.sliding_window_view(values[:-1], width)
        middles = np.median(before, axis=1)
        spreads = 1.4826 * np.median(np.abs(before - middles[:, None]), axis=1)
        above = values[width:] - middles
        high = (above > self.relative * np.abs(middles)) & (above > self.deviations * spreads)
        if not high.any():
            return
        first = int(np.argmax(high))
        calm = np.flatnonzero(~high[first:])
        lasting = (int(calm[0]) if len(calm) else len(high) - first) >= self.persistent
        step, value, middle = (
            int(series.steps[finite][-len(high) :][first]),
            float(values[width + first]),
            float(middles[first]),
        )
        yield Finding(
            self.problem, step, f"The loss is {value:.4g}, where {middle:.4g} was usual.",
            "warning" if lasting else "info", numbers={"loss": value, "usual": middle},
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Plateau:
    """The smoothed loss has stopped falling, though it is no floor."""

    problem: str = "plateau"
    needs: tuple[str, ...] = ("loss",)
    window: int = 200
    slope: float = 0.01
    """Of the loss, over the window."""

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield it as information: the slope by Theil and Sen over the last 200 steps, relative to the loss."""
        series = run.series["loss"]
        if series.count < 3 * self.window or len(series) < self.window:
            return
        values = series.rows[-self.window :, 1][:: self.window // 20]
        places = np.arange(len(values))
        gaps = np.triu_indices(len(values), 1)
        slopes = (values[gaps[1]] - values[gaps[0]]) / (places[gaps[1]] - places[gaps[0]])
        low, high = (float(v) * len(values) for v in np.quantile(slopes, (0.1, 0.9)))
        level = abs(float(np.median(values))) + 1e-12
        flat = abs(float(np.median(slopes))) * len(values) < self.slope * level
        if low <= 0 <= high and flat:
            words = f"The loss has stood at {np.median(values):.4g} for {self.window} steps."
            yield Finding(
                self.problem, run.step, words, "info", numbers={"loss": float(np.median(values))}, confidence=POSSIBLE
            )


@dataclass(frozen=True, slots=True)
class Oscillation:
    """The loss goes up and down nearly every step, and far: the learning rate is just below where it would diverge."""

    problem: str = "oscillation"
    needs: tuple[str, ...] = ("loss",)
    turns: float = 0.85
    """Independent noise turns in two of three steps."""
    spread: float = 0.3
    window: int = 50

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield it over the last 50 losses."""
        series = run.series["loss"]
        if len(series) < self.window or np.any(np.diff(series.steps[-self.window :]) != 1):
            return
        values = series.values[-self.window :]
        turns = float(np.mean(np.diff(np.sign(np.diff(values))) != 0))
        low, middle, high = (float(v) for v in np.quantile(values, (0.1, 0.5, 0.9)))
        spread = (high - low) / (abs(middle) + 1e-12)
        if turns > self.turns and spread > self.spread:
            words = f"The loss turned in {turns:.0%} of the last {self.window} steps, between {low:.4g} and {high:.4g}."
            yield Finding(self.problem, run.step, words, numbers={"turns": turns, "spread": spread}, symptom=True)
