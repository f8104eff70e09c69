"""Detectors of runs that do not learn: a loss that stands, a step that is too small to matter, a pull that is too strong."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from watchkeeper.sketches.kernel import Floats
from watchkeeper.training.detectors.protocol import constant_loss, matrices, warming
from watchkeeper.training.finding import LIKELY, Finding
from watchkeeper.training.run import Run

FALLING = -1.64
"""Of :func:`trend`: below, a loss falls."""


FEW_STEPS = 10
"""Of fewer losses nothing is said, even at the end."""


@dataclass(frozen=True, slots=True)
class Gain:
    """By how much a loss fell from one stretch of a run to a later one, and the standard error of that."""

    first: float
    last: float
    error: float

    @property
    def none(self) -> bool:
        """Whether it fell by less than twice its error, or by next to nothing: a thousandth."""
        return self.first - self.last < max(2 * self.error, 0.001 * abs(self.first))


def gain(before: Floats, after: Floats) -> Gain:
    """Compare two stretches of losses by their means, each without its outermost tenths, and the noise from loss to loss."""
    both = [part[np.isfinite(part)] for part in (before, after)]
    if min(map(len, both)) < 2:
        return Gain(math.nan, math.nan, math.inf)
    steps = np.concatenate([np.diff(part) for part in both])
    noise = 1.4826 * float(np.median(np.abs(steps - np.median(steps)))) / math.sqrt(2)
    return Gain(_trimmed(both[0]), _trimmed(both[1]), noise * math.sqrt(1 / len(both[0]) + 1 / len(both[1])))


def trend(values: Floats) -> float:
    """Return how surely losses rise or fall: Spearman's rank correlation with time, in standard errors.

    Of a long run 400 losses, spread evenly, are looked at.
    """
    values = values[np.isfinite(values)][:: max(1, len(values) // 400)]
    if len(values) < 10 or values.min() == values.max():
        return 0.0
    ranks = np.argsort(np.argsort(values, kind="stable"), kind="stable")
    return float(np.corrcoef(ranks, np.arange(len(ranks)))[0, 1]) * math.sqrt(len(values) - 1)


def falls(values: Floats, share: float = 0.05) -> bool:
    """Whether a loss falls still: by 5 % and more from its last fifth but one to its last; of fewer than 100 it may."""
    fifth = len(values) // 5
    if fifth < 20:
        return True
    late = gain(values[-2 * fifth : -fifth], values[-fifth:])
    return not late.first - late.last < share * abs(late.first)


def _trimmed(values: Floats) -> float:
    ordered = np.sort(values)
    cut = len(ordered) // 10
    return float(ordered[cut : len(ordered) - cut].mean())


@dataclass(frozen=True, slots=True)
class NotLearning:
    """The loss is what it was at the start, or stands at that of the best constant prediction."""

    problem: str = "not_learning"
    needs: tuple[str, ...] = ("loss",)
    ratio: float = 0.95
    least_steps: int = 50
    solved: float = 0.7
    """Of the constant prediction's loss: below, the model knows something already and may stand still."""
    above: float = 1.2
    """Of the same: a loss that stays so high and does not fall is told, however much it scatters."""
    share: float = 0.2
    """Of the planned steps: from there on a loss that stands is told."""

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield it from a fifth of the run on, while the rate is not rising; information where a loss need not fall."""
        series = run.series["loss"]
        count, values = series.count, series.values
        if not self._late(run) or warming(run):
            return
        constant = constant_loss(run)
        fifth = max(10, len(values) // 5)
        whole, late = gain(values[: min(20, fifth)], values[-fifth:]), gain(values[fifth : 2 * fifth], values[-fifth:])
        if math.isfinite(constant) and whole.last < self.solved * constant:
            return
        still = self._stands(whole, values)
        worse = whole.last > 0.98 * constant and self._stands(late, values[fifth:])
        worse |= whole.last - 2 * whole.error > self.above * constant and trend(values[fifth:]) > FALLING
        if not (still or worse):
            return
        than = f"what it was ({whole.first:.4g})"
        if worse:
            than = f"no better than a constant prediction ({constant:.4g})"
        elif whole.last > whole.first + 0.05 * abs(whole.first):
            than = f"above what it was ({whole.first:.4g})"
        yield Finding(
            self.problem, run.step, f"After {count:,} steps the loss is {whole.last:.4g}, {than}.",
            "critical" if worse and still else "warning" if run.loss not in {None, "other"} else "info",
            numbers={"first": whole.first, "last": whole.last, "constant": constant},
        )  # fmt: skip

    def _stands(self, found: Gain, values: Floats) -> bool:
        """Whether there was no fall of 5 % and none of two errors, no trend, and so little scatter that a fall would show."""
        least, fall = (1 - self.ratio) * abs(found.first), found.first - found.last
        still = fall < 0.001 * abs(found.first) or trend(values) > FALLING
        return found.none and still and fall < least and 2 * found.error < least

    def _late(self, run: Run) -> bool:
        """Whether a fifth of the run has passed; of one whose length is not known an epoch, or 500 steps."""
        count, epoch = run.series["loss"].count, run.facts.get("epoch_steps")
        least = self.share * run.planned_steps if run.planned_steps else int(epoch) if epoch else 500
        if count < FEW_STEPS:
            return False
        return count >= max(self.least_steps, round(least)) or bool(run.facts.get("ended"))


@dataclass(frozen=True, slots=True)
class OverRegularised:
    """Weights that shrink to a fraction of what they were while little or nothing is learned: the decay is too strong."""

    problem: str = "over_regularised"
    needs: tuple[str, ...] = ("weight", "loss")
    decay: float = 0.05
    shrunk: float = 0.5
    poor: float = 0.8
    """Of the constant prediction's loss."""
    samples: int = 20

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield it where the median layer has half of its first norm or less."""
        if not run.facts.get("weight_decay", 0) > self.decay:
            return
        places = [p for p in matrices(run) if run.layers[p].optimized and not run.layers[p].zero]
        rows, constant = run.series["weight"].rows, constant_loss(run)
        if not places or len(rows) < self.samples or not math.isfinite(constant):
            return
        smooth = float(run.series["loss"].rows[-1, 1])
        left = float(np.median(rows[-1, places] / np.maximum(rows[0, places], 1e-30)))
        if left < self.shrunk and smooth > self.poor * constant:
            words = f"Weights have shrunk to {left:.0%} of what they were; the loss is {smooth:.4g} ({constant:.4g}: a guess)."
            yield Finding(self.problem, run.step, words, numbers={"left": left, "loss": smooth}, confidence=LIKELY)
