"""Detectors of classes: a model that never says some class, and batches that are sorted by class."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from watchkeeper.sketches.kernel import Floats
from watchkeeper.training.detectors.learning import falls
from watchkeeper.training.detectors.protocol import target_shares
from watchkeeper.training.finding import LIKELY, Finding
from watchkeeper.training.run import Run


@dataclass(frozen=True, slots=True)
class ClassCollapse:
    """A class that has its share of the targets and is never predicted."""

    problem: str = "class_collapse"
    needs: tuple[str, ...] = ("targets", "predictions", "loss")
    least: int = 10
    """Targets of a class, among the batches looked at, from which it must have been predicted sometimes."""
    enough: int = 30
    """With so many targets of a class no earlier batch is looked at."""
    share: float = 0.05
    samples: int = 20
    steps: int = 100

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield it where half of the classes or more are missing: of each, the latest batches that hold 30 targets of it.

        The first third of the batches is left out, and nothing is said while the loss falls.
        """
        if not run.has("predictions", self.samples) or run.step < self.steps or run.facts.get("sequence"):
            return
        if falls(run.series["loss"].values):
            return
        late = min(2 * len(run.series["predictions"]) // 3, 100)
        wanted, given = self._latest(*(run.series[name].rows[-late:] for name in ("targets", "predictions")))
        known = wanted >= self.least
        missing = known & (given < self.share * wanted)
        if known.sum() >= 2 and missing.sum() * 2 >= known.sum():
            names = ", ".join(run.series["targets"].columns[p] for p in np.flatnonzero(missing)[:5])
            words = f"Class {names} has {int(wanted[missing].sum()):,} targets and {int(given[missing].sum()):,} predictions."
            numbers = {"missing": int(missing.sum()), "classes": int(known.sum())}
            yield Finding(self.problem, run.step, words, numbers=numbers, confidence=LIKELY)

    def _latest(self, targets: Floats, predictions: Floats) -> tuple[Floats, Floats]:
        """Return the counts by class over the last batches that hold enough of it."""
        so_far = np.cumsum(targets[::-1], axis=0)
        used = so_far - targets[::-1] < self.enough
        return (targets[::-1] * used).sum(axis=0), (predictions[::-1] * used).sum(axis=0)


@dataclass(frozen=True, slots=True)
class LabelNoise:
    """Labels that the model contradicts nearly as often where it is surest as elsewhere, though it has learned the rest.

    Where classes overlap, mistakes gather in the rows that the model is unsure of, and there are more of them over all than
    the geometric mean of those in the surest quarter and those of a guess (normal distributions in 1 to 30 dimensions, 2 to 50
    of them, at any distance: ``tests/training/test_detectors_classes.py``). Labels that are wrong at random are spread over
    all rows evenly, so there are fewer. The idea is that of confident learning (Northcutt and others, 2021). Two classes whose
    rows are hard to tell look much the same, and little is said of them.
    """

    problem: str = "label_noise"
    needs: tuple[str, ...] = ("certain", "loss")
    wrong: float = 0.08
    """Of the quarter of rows that the model is surest of."""
    deviations: float = 1.28
    """Of the logarithm of the ratio of that mean and the share wrong over all."""
    learned: float = 0.3
    """Of what lies between a guess and no mistake, in the surest quarter."""
    near: float = 1.2
    """Of the best smoothed loss: above, something else has happened."""
    rows: int = 48
    samples: int = 6
    late: float = 0.4
    """Of the run so far: batches before it are of a model that did not know yet."""

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield it once the loss has settled near its best."""
        series = run.series["certain"]
        late = np.flatnonzero(series.steps >= self.late * run.step)
        if len(late) < self.samples or run.facts.get("sequence") or not self._settled(run):
            return
        rows, wrong, surest, surest_wrong = (float(v) for v in series.rows[late].sum(axis=0))
        if surest < self.rows or surest_wrong == 0:
            return
        everywhere, top = wrong / rows, surest_wrong / surest
        shares = target_shares(run)
        guess = 1 - float(shares.max()) if shares is not None else 1 - 1 / (run.classes or 2)
        error = float(np.sqrt((1 - top) / surest_wrong + 4 * (1 - everywhere) / wrong))
        excess = float(np.log(top * max(guess, 1e-9) / everywhere**2))
        if top > self.wrong and excess > self.deviations * error and top < (1 - self.learned) * guess:
            words = (
                f"{top:.0%} of the rows that the model is surest of have another label, and {everywhere:.0%} of all: "
                "as if labels were wrong at random."
            )
            numbers = {"surest_wrong": top, "wrong": everywhere, "rows": surest, "z": excess / error}
            yield Finding(self.problem, run.step, words, numbers=numbers, confidence=LIKELY)

    def _settled(self, run: Run) -> bool:
        smooth = float(run.series["loss"].rows[-1, 1])
        return not falls(run.series["loss"].values) and smooth < self.near * run.best_smooth


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


@dataclass(frozen=True, slots=True)
class UnshuffledNumbers:
    """Targets that differ far more from batch to batch than within one: rows are sorted by them.

    Of shuffled rows the means of batches of ``B`` vary ``1 / (B - 1)`` times as much as targets do within a batch: at most as
    much.
    """

    problem: str = "unshuffled"
    needs: tuple[str, ...] = ("head",)
    ratio: float = 3.0
    samples: int = 20

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield it from 20 batches on."""
        if run.loss not in {"mse", "mae"} or not run.has("head", self.samples):
            return
        series = run.series["head"]
        mean, within = (series.rows[-100:, series.columns.index(name)] for name in ("target_mean", "target_variance"))
        if np.isfinite(mean).all() and float(np.mean(within)) > 0:
            scatter = float(np.var(mean) / np.mean(within))
            if scatter > self.ratio:
                words = f"Targets differ {scatter:.3g} times as much from batch to batch as within one."
                yield Finding(self.problem, run.step, words, numbers={"scatter": scatter}, confidence=LIKELY)
