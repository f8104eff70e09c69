"""Detectors of classes: a model that never says some class, and batches that are sorted by class."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from watchkeeper.training.finding import LIKELY, Finding
from watchkeeper.training.run import Run


@dataclass(frozen=True, slots=True)
class ClassCollapse:
    """A class that has its share of the targets and is never predicted."""

    problem: str = "class_collapse"
    needs: tuple[str, ...] = ("targets", "predictions")
    least: int = 10
    """Targets of a class, among the batches looked at, from which it must have been predicted sometimes."""
    share: float = 0.05
    samples: int = 20
    steps: int = 100

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield it over the later two thirds of the batches looked at, where half of the classes or more are missing."""
        if not run.has("predictions", self.samples) or run.step < self.steps or run.facts.get("sequence"):
            return
        late = min(2 * len(run.series["predictions"]) // 3, 100)
        wanted, given = (run.series[name].rows[-late:].sum(axis=0) for name in ("targets", "predictions"))
        known = wanted >= self.least
        missing = known & (given < self.share * wanted)
        if known.sum() >= 2 and missing.sum() * 2 >= known.sum():
            names = ", ".join(run.series["targets"].columns[p] for p in np.flatnonzero(missing)[:5])
            words = (
                f"Class {names} has {int(wanted[missing].sum()):,} of {int(wanted.sum()):,} targets "
                f"and {int(given[missing].sum()):,} of the predictions."
            )
            numbers = {"missing": int(missing.sum()), "classes": int(known.sum())}
            yield Finding(self.problem, run.step, words, numbers=numbers, confidence=LIKELY)


@dataclass(frozen=True, slots=True)
class Unshuffled:
    """Batches that hold far fewer classes than chance would put there: rows are sorted, or not shuffled."""

    problem: str = "unshuffled"
    needs: tuple[str, ...] = ("targets",)
    samples: int = 10
    share: float = 0.8

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield it where the counts of classes by batch scatter twice as much and more as independent rows would."""
        rows = run.series["targets"].rows[-100:]
        if len(rows) < self.samples or run.facts.get("sequence"):
            return
        sizes, shares = rows.sum(axis=1, keepdims=True), rows.sum(axis=0) / max(rows.sum(), 1)
        expected = sizes * shares
        usable = expected.min(axis=0) > 0
        if usable.sum() < 2 or sizes.min() < 8:
            return
        scatter = ((rows - expected)[:, usable] ** 2 / expected[:, usable]).sum(axis=1) / (usable.sum() - 1)
        if float(np.median(scatter)) > 4:
            words = f"The classes of a batch scatter {np.median(scatter):.3g} times as much as those of shuffled rows."
            yield Finding(
                self.problem, run.step, words, numbers={"scatter": float(np.median(scatter))}, confidence=LIKELY
            )
