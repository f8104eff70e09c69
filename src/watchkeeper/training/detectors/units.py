"""Detectors of units on the probe: dead, saturated, all alike; and of weights that begin in a way that cannot work."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from watchkeeper.training.detectors.protocol import constant_loss
from watchkeeper.training.finding import CERTAIN, LIKELY, POSSIBLE, Finding, Severity
from watchkeeper.training.run import Run


@dataclass(frozen=True, slots=True)
class DeadUnits:
    """Units of a ReLU-like activation that are off on every row of the probe."""

    problem: str = "dead_units"
    needs: tuple[str, ...] = ("dead",)
    warn: float = 0.5
    most: float = 0.9
    probes: int = 3

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield it for a layer where three probes in a row agree; a layer that is wholly off needs one."""
        series = run.series["dead"]
        rows = series.rows[-self.probes :]
        for place, name in enumerate(series.columns):
            share = float(rows[:, place].min())
            if (len(rows) == self.probes and share > self.warn) or float(rows[-1, place]) == 1.0:
                words = f"{rows[-1, place]:.0%} of the units of {name} are off on every row of the probe."
                severity: Severity = "critical" if share > self.most else "warning"
                yield Finding(
                    self.problem, run.step, words, severity, name, {"share": share}, LIKELY, symptom=share < 1
                )


@dataclass(frozen=True, slots=True)
class Saturation:
    """Units whose activation has next to no slope, on most rows."""

    problem: str = "saturation"
    needs: tuple[str, ...] = ("saturated",)
    share: float = 0.5

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield it for the layer with the greatest share."""
        series = run.series["saturated"]
        row = series.rows[-1]
        place = int(np.argmax(row))
        if row[place] > self.share:
            name = series.columns[place]
            words = f"{row[place]:.0%} of what goes through {name} is where it has next to no slope."
            yield Finding(self.problem, run.step, words, "warning", name, {"share": float(row[place])}, symptom=True)


@dataclass(frozen=True, slots=True)
class Initialisation:
    """Weights that begin all alike, or with a spread that makes signals die out or grow from layer to layer."""

    problem: str = "initialisation"
    needs: tuple[str, ...] = ("weight",)
    spread: float = 10.0
    across: float = 100.0

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield what the first weights and the first probe show."""
        alike = run.facts.get("alike_layers", [])
        if alike:
            words = f"All units of {alike[0]} begin alike, so they stay alike."
            yield Finding(self.problem, 0, words, "critical", alike[0], {"layers": len(alike)}, CERTAIN)
            return
        scale = run.facts.get("weight_scales", {})
        odd = {name: s for name, s in scale.items() if not 1 / self.spread <= s <= self.spread}
        if odd and len(odd) * 2 >= len(scale):
            name, s = max(odd.items(), key=lambda item: abs(math.log(max(item[1], 1e-30))))
            words = f"{name} begins with {s:.2g} times the spread that keeps signals as they are (He and others, 2015)."
            yield Finding(self.problem, 0, words, "warning", name, {"scale": s}, LIKELY)
            return
        if run.has("activation") and not _replaced(run):
            first = run.series["activation"].rows[0]
            known = first[np.isfinite(first) & (first > 0)]
            if len(known) >= 3 and known.max() > self.across * known.min() and len(known) == len(first):
                words = f"The first activations have spreads from {known.min():.2g} to {known.max():.2g}, by layer."
                numbers = {"least": float(known.min()), "most": float(known.max())}
                yield Finding(self.problem, 0, words, "warning", None, numbers, POSSIBLE, symptom=True)


def _replaced(run: Run) -> bool:
    """Whether the first step, after which the first probe is taken, left nothing of the first weights."""
    return run.has("update") and bool((run.series["update"].rows[0] > 1).any())


@dataclass(frozen=True, slots=True)
class InitialLoss:
    """The first loss is far from that of a guess: the last layer, the loss or the targets are not what they should be."""

    problem: str = "initial_loss"
    needs: tuple[str, ...] = ("loss",)
    ratio: float = 3.0

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield it for classes, from the least of the first three losses against the logarithm of the number of classes."""
        if run.loss not in {"cross_entropy", "nll", "bce_logits", "bce"} or not run.classes or run.facts.get("resumed"):
            return
        first = float(np.min(run.series["loss"].values[:3]))
        guess = math.log(max(run.classes, 2))
        if run.series["loss"].count >= 3 and first > self.ratio * max(
            guess, constant_loss(run) if guess == 0 else guess
        ):
            words = f"The first loss is {first:.3g}; a guess among {run.classes} classes has {guess:.3g}."
            yield Finding(
                self.problem, 0, words, "warning", None, {"loss": first, "guess": guess}, LIKELY, symptom=True
            )
