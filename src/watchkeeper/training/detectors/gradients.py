"""Detectors of gradients and updates by layer: spiking, exploding, vanishing, too large or small a step, unused, clipped."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from watchkeeper.sketches.kernel import Floats
from watchkeeper.training.detectors.learning import gain
from watchkeeper.training.detectors.protocol import TINY, constant_loss, matrices, rms, robust, warming
from watchkeeper.training.finding import CERTAIN, LIKELY, POSSIBLE, Finding
from watchkeeper.training.run import Run


def total_norms(run: Run) -> Floats:
    """Return the norm over all layers of each sampled gradient."""
    return np.asarray(np.sqrt(np.square(run.series["gradient"].rows).sum(axis=1)))


@dataclass(frozen=True, slots=True)
class GradientSpike:
    """One gradient that is far greater than those before it."""

    problem: str = "gradient_spike"
    needs: tuple[str, ...] = ("gradient",)
    deviations: float = 6.0
    ratio: float = 10.0

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield spikes among the last ten samples, by robust z of the logarithm of the norm."""
        norms = np.log10(total_norms(run)[-110:] + TINY)
        steps = run.series["gradient"].steps[-len(norms) :]
        first = max(20, len(norms) - 10)
        if len(norms) <= first or _none_above(norms, min(100, first), first, np.log10(self.ratio)):
            return
        for place in range(first, len(norms)):
            middle, spread = robust(norms[max(0, place - 100) : place])
            above = norms[place] - middle
            if above > self.deviations * spread and above > np.log10(self.ratio):
                words = f"The gradient's norm is {10 ** norms[place]:.3g}, where {10**middle:.3g} was usual."
                numbers = {"norm": float(10 ** norms[place]), "usual": float(10**middle)}
                yield Finding(self.problem, int(steps[place]), words, numbers=numbers, symptom=True)
                return


def _none_above(values: Floats, width: int, first: int, by: float) -> bool:
    """Whether no value from ``first`` on can lie above the median of so many values before it ``by`` so much.

    That median is at least what half of a window's width is of all values in order: one look instead of one a window.
    """
    half = (width + 1) // 2 - 1
    return bool(values[first:].max() <= np.partition(values, half)[half] + by)


@dataclass(frozen=True, slots=True)
class ExplodingGradient:
    """Gradients grew a hundredfold, are far greater in the first layer than in the last, or than the loss and weights explain.

    The last is the elasticity of the loss: ``|g| |w| / loss`` says by how many per cent it changes where weights change by one.
    It is about 1 in networks that train; 1.5 to the power of 16 steps of time make it hundreds.
    """

    problem: str = "exploding_gradient"
    needs: tuple[str, ...] = ("gradient",)
    growth: float = 100.0
    across: float = 70.0
    large: float = 1e3
    elastic: float = 40.0
    samples: int = 5

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield it where five samples in a row say so."""
        norms = total_norms(run)
        if len(norms) < self.samples:
            return
        now = float(np.median(norms[-self.samples :]))
        if len(norms) > 20 and run.series["gradient"].count > 50:
            then = float(np.median(norms[: min(50, len(norms) - self.samples)]))
            if now > self.growth * then > 0:
                words = f"The gradient's norm grew from {then:.3g} to {now:.3g}."
                yield Finding(
                    self.problem, run.step, words, "critical", numbers={"first": then, "now": now}, symptom=True
                )
                return
        elastic = self._elasticity(run)
        if elastic > self.elastic:
            words = (
                f"The loss changes by {elastic:.3g} % where weights change by 1 %: gradients grow on their way back."
            )
            yield Finding(self.problem, run.step, words, "warning", numbers={"elasticity": elastic})
            return
        places = matrices(run)
        if len(places) >= 2:
            ratio = _ends(rms(run, "gradient", self.samples, places))
            if (ratio > self.across).all() or (now > self.large and (norms[-self.samples :] > self.large).all()):
                first = run.layers[places[0]].name
                words = (
                    f"Gradients of {first} are {np.median(ratio):.3g} times those of the last layer (norm {now:.3g})."
                )
                numbers = {"ratio": float(np.median(ratio)), "norm": now}
                yield Finding(self.problem, run.step, words, "critical", first, numbers, symptom=True)

    def _elasticity(self, run: Run) -> float:
        """Return the least over the last samples of that of the layer where it is greatest; 0 where the loss has no scale."""
        constant = constant_loss(run)
        if not (run.has("weight", self.samples) and run.has("loss", self.samples) and np.isfinite(constant)):
            return 0.0
        series, loss = run.series["gradient"], run.series["loss"]
        at = np.searchsorted(loss.steps, series.steps[-self.samples :]).clip(max=len(loss) - 1)
        scale = np.maximum(np.abs(loss.values[at]), constant)
        if not (scale > 0).all():
            return 0.0
        both = (series.rows[-self.samples :] * run.series["weight"].rows[-self.samples :]).max(axis=1)
        return float((both / scale).min()) if np.isfinite(both / scale).all() else 0.0


def _ends(values: Floats) -> Floats:
    """Return the first column over the last one."""
    return np.asarray(values[:, 0] / np.maximum(values[:, -1], TINY))


@dataclass(frozen=True, slots=True)
class VanishingGradient:
    """The first layers get next to no gradient, and hardly move."""

    problem: str = "vanishing_gradient"
    needs: tuple[str, ...] = ("gradient", "update")
    ratio: float = 1e-3
    update: float = 1e-5
    share: float = 0.8
    samples: int = 20

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield it where 80 % of 20 samples say so."""
        places = [p for p in matrices(run) if run.layers[p].optimized]
        if len(places) < 3 or not run.has("gradient", self.samples):
            return
        values = rms(run, "gradient", self.samples, places)
        ratios = _ends(values)
        if float(np.mean(ratios < self.ratio)) < self.share or not float(np.median(values[:, -1])) > 0:
            return
        third = places[: max(1, len(places) // 3)]
        moved = float(np.median(run.series["update"].rows[-self.samples :][:, third]))
        still = moved < self.update
        depth = int(np.sum(np.median(values, axis=0) < self.ratio * np.median(values[:, -1])))
        name = run.layers[places[0]].name
        words = (
            f"Gradients of {name} are {np.median(ratios):.1e} times those of the last layer"
            f" ({depth} of {len(places)} layers have next to none)."
        )
        numbers = {"ratio": float(np.median(ratios)), "update": moved, "layers": depth}
        yield Finding(self.problem, run.step, words, "critical" if still else "warning", name, numbers, symptom=True)


SURER = 0.6
"""Of small steps: surer than a hint, and less sure than what may be their reason."""


@dataclass(frozen=True, slots=True)
class UpdateRatio:
    """A step moves weights by far more or far less than is usual beside their size."""

    problem: str = "update_ratio"
    needs: tuple[str, ...] = ("update",)
    low: float = -5.0
    idle: float = -4.4
    """So small a step from the first one on, with a loss that stands, is no symptom of something else."""
    high: float = -1.0
    replaced: float = 0.0
    """A single step that is as large as the weights: what they began as is gone."""
    samples: int = 20
    early: int = 8
    """Steps that are too large show in so many samples."""

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield it by the size-weighted median of the ratio over layers with weights that did not begin at zero."""
        places = [p for p in matrices(run) if run.layers[p].optimized and not run.layers[p].zero]
        if not places or not run.has("update") or warming(run):
            return
        sizes = np.array([run.layers[p].numel for p in places], dtype=float)
        rows = run.series["update"].rows[-self.samples :][:, places]
        ratios = _weighted_medians(np.log10(rows + TINY), sizes)
        if (run.series["learning_rate"].last if run.has("learning_rate") else 1.0) == 0:
            return
        if (ratios > self.replaced).any():
            yield self._tell(run, float(ratios.max()), symptom=False)
        elif len(ratios) >= self.early and (ratios[-self.early :] > self.high).all():
            yield self._tell(run, float(np.median(ratios)))
        elif len(ratios) == self.samples and (ratios < self.idle).all():
            if _stands(run):
                yield self._tell(run, float(np.median(ratios)), symptom=False)
            elif (ratios < self.low).all():
                yield self._tell(run, float(np.median(ratios)))

    def _tell(self, run: Run, ratio: float, *, symptom: bool = True) -> Finding:
        words = f"A step moves weights by {10**ratio:.1e} of their size, where 1e-5 to 1e-1 is usual."
        confidence = POSSIBLE if symptom else SURER if ratio < 0 else LIKELY
        return Finding(
            self.problem, run.step, words, numbers={"ratio": 10**ratio}, confidence=confidence, symptom=symptom
        )


def _stands(run: Run) -> bool:
    """Whether the loss has not fallen from the first half of the run to the second, and is about that of a guess."""
    constant = constant_loss(run)
    values = run.series["loss"].values if run.has("loss", 20) else np.empty(0)
    if len(values) == 0 or not np.isfinite(constant):
        return False
    halves = gain(values[: len(values) // 2], values[len(values) // 2 :])
    return halves.none and halves.last > 0.9 * constant


def _weighted_medians(rows: Floats, weights: Floats) -> Floats:
    """Return the weighted median of each row."""
    order = np.argsort(rows, axis=1)
    total = np.cumsum(weights[order], axis=1)
    places = np.argmax(total >= total[:, -1:] / 2, axis=1)
    return np.asarray(np.take_along_axis(rows, order, axis=1)[np.arange(len(rows)), places])


@dataclass(frozen=True, slots=True)
class UnusedParameter:
    """A parameter that is to be trained and is in no optimizer, or never gets a gradient."""

    problem: str = "unused_parameter"
    needs: tuple[str, ...] = ("gradient",)
    samples: int = 20

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield one finding for all parameters of either kind: from the first step, and after 20 samples."""
        left = [layer.name for layer in run.layers if layer.trained and not layer.optimized]
        if left and any(layer.optimized for layer in run.layers):
            words = f"{_names(left)} {'is' if len(left) == 1 else 'are'} in no optimizer, though requires_grad is set."
            yield Finding(self.problem, run.step, words, "warning", left[0], {"parameters": len(left)}, CERTAIN)
        if not run.has("gradient", self.samples):
            return
        rows = run.series["gradient"].rows
        never = (
            np.flatnonzero((rows == 0).all(axis=0))
            if len(rows) < 200
            else np.flatnonzero((rows[-200:] == 0).all(axis=0))
        )
        idle = [run.layers[p].name for p in never if run.layers[p].trained and run.layers[p].name not in left]
        if idle and len(idle) < len(run.layers):
            words = f"{_names(idle)} got no gradient in {len(rows)} samples."
            yield Finding(self.problem, run.step, words, "warning", idle[0], {"parameters": len(idle)}, LIKELY)


def _names(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} other parameter{'s'[: len(names) - 2]}"


@dataclass(frozen=True, slots=True)
class Clipping:
    """Nearly every gradient is clipped."""

    problem: str = "clipping"
    needs: tuple[str, ...] = ("clip",)
    share: float = 0.9
    samples: int = 50

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield it as information, from the norms before clipping and their limit."""
        if not run.has("clip", self.samples):
            return
        norms, limits = run.series["clip"].rows[-200:].T
        share = float(np.mean(norms > limits))
        if share > self.share:
            words = (
                f"{share:.0%} of the gradients are clipped at {limits[-1]:.3g} (median norm {np.median(norms):.3g})."
            )
            yield Finding(self.problem, run.step, words, "info", numbers={"share": share}, confidence=CERTAIN)
