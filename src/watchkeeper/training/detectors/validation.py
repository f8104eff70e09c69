"""Detectors that compare training with held-out rows: overfitting with the best step, bias and variance."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from watchkeeper.training.detectors.protocol import constant_loss, robust
from watchkeeper.training.finding import LIKELY, POSSIBLE, Finding, Severity
from watchkeeper.training.run import Run


@dataclass(frozen=True, slots=True)
class Overfitting:
    """The held-out loss has risen above its best while the training loss goes on falling."""

    problem: str = "overfitting"
    needs: tuple[str, ...] = ("loss", "validation/loss")
    above: float = 0.05
    times: int = 3
    deviations: float = 5.0

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield it with the best step, where the last three evaluations lie 5 % above the best in the mean, and at the end.

        Their mean is to lie five standard errors above that of the best and its neighbours too, by the scatter from evaluation
        to evaluation: the least of many noisy numbers alone is always low.
        """
        held, loss = run.series["validation/loss"], run.series["loss"]
        if len(held) <= self.times or len(loss) < 10 or run.facts.get("boosting"):  # which has a detector of its own
            return
        if not np.isfinite(held.values).any():
            return
        best = int(np.nanargmin(held.values))
        value, step = float(held.values[best]), int(held.steps[best])
        margin = self.above * abs(value) if run.loss != "other" else self.above * float(np.ptp(held.values))
        after, around = held.values[-self.times :], float(np.mean(held.values[max(0, best - 1) : best + 2]))
        if len(held) - 1 - best < self.times or not min(after.mean(), after[-1]) > value + margin:
            return
        error = robust(np.diff(held.values))[1] / math.sqrt(2) * math.sqrt(2 / self.times)
        if after.mean() < around + self.deviations * error:
            return
        smooth = loss.rows[:, 1]
        then = float(np.interp(step, loss.steps, smooth))
        if smooth[-1] < then:
            words = (
                f"The held-out loss was best at step {step:,} ({value:.4g}) and is {after[-1]:.4g} now, "
                f"while the training loss fell from {then:.4g} to {smooth[-1]:.4g}."
            )
            numbers = {"best_step": step, "best": value, "now": float(after[-1])}
            yield Finding(self.problem, run.step, words, numbers=numbers)


@dataclass(frozen=True, slots=True)
class BiasVariance:
    """At the end: whether training rows are fitted badly (bias), or far better than held-out ones (variance)."""

    problem: str = "high_bias"
    needs: tuple[str, ...] = ("loss", "validation/loss")
    close: float = 0.1
    poor: float = 0.7
    """Of the constant prediction's loss; above, there is much noise or a model that is too simple, and nobody can say which."""
    nothing: float = 0.95
    """So much of it, and next to nothing is learned."""
    least_steps: int = 100

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield it once the run is over: a warning where next to nothing is learned, else information."""
        losses = run.series["loss"].values
        if not run.facts.get("ended") or len(losses) < self.least_steps:
            return
        if not np.isfinite(run.series["validation/loss"].values).any():
            return
        constant = run.facts.get("constant_loss") or constant_loss(run)
        train, held = (
            float(np.nanmean(losses[-len(losses) // 5 :])),
            float(np.nanmin(run.series["validation/loss"].values)),
        )
        if not math.isfinite(constant) or constant <= 0:
            return
        numbers = {"train": train, "validation": held, "constant": constant}
        if train > self.poor * constant and held - train < self.close * constant:
            words = f"The training loss ends at {train:.4g}, {train / constant:.0%} of what a constant prediction has."
            severity: Severity = "warning" if train > self.nothing * constant else "info"
            yield Finding("high_bias", run.step, words, severity, numbers=numbers, confidence=LIKELY)
        elif held - train > 0.5 * constant:
            words = f"The held-out loss is {held:.4g} at best, where the training loss ends at {train:.4g}."
            yield Finding("high_variance", run.step, words, "info", numbers=numbers, confidence=POSSIBLE)
