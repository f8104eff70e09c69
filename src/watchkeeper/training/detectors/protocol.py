"""What a detector is, and what several of them ask of a run."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Protocol

import numpy as np

from watchkeeper.sketches.kernel import Floats
from watchkeeper.training.finding import Finding
from watchkeeper.training.run import Run

TINY = 1e-30


class Detector(Protocol):
    """Finds one problem."""

    @property
    def problem(self) -> str:
        """Its name, a key of the advice."""

    @property
    def needs(self) -> tuple[str, ...]:
        """The series without which it cannot look."""

    def check(self, run: Run) -> Iterable[Finding]:
        """Yield what it finds in the run so far, at its latest step."""


def robust(values: Floats) -> tuple[float, float]:
    """Return the median of values and their standard deviation by the median absolute deviation."""
    middle = float(np.median(values))
    return middle, 1.4826 * float(np.median(np.abs(values - middle)))


def constant_loss(run: Run) -> float:
    """Return the loss of the best constant prediction: entropy or variance of the targets; NaN where that is unknown."""
    if run.loss in {"cross_entropy", "nll", "bce_logits", "bce"}:
        counts = target_shares(run)
        if counts is not None:
            return float(-np.sum(counts * np.log(np.maximum(counts, TINY))))
        return math.log(run.classes) if run.classes is not None and run.classes > 1 else math.nan
    if run.loss == "mse" and run.has("head", 5):
        head = run.series["head"]
        mean, variance = (head.rows[:, head.columns.index(name)] for name in ("target_mean", "target_variance"))
        return float(np.mean(variance) + np.var(mean))
    return math.nan


def target_shares(run: Run) -> Floats | None:
    """Return the share of each class among the targets that were sampled; None where that is unknown."""
    if not run.has("targets", 5):
        return None
    counts = run.series["targets"].rows.sum(axis=0)
    return np.asarray(counts / counts.sum()) if counts.sum() > 0 else None


def matrices(run: Run) -> list[int]:
    """Return the places of trained layers that hold weights (two dimensions or more), embeddings left out."""
    return [
        place
        for place, layer in enumerate(run.layers)
        if layer.matrix and layer.trained and not layer.kind.startswith("Embedding")
    ]


def rms(run: Run, name: str, samples: int, places: list[int]) -> Floats:
    """Return the root mean squares of some layers in the last samples of a series of norms, shape ``(samples, places)``."""
    sizes = np.sqrt([run.layers[place].numel for place in places])
    return np.asarray(run.series[name].rows[-samples:][:, places] / sizes)


def warming(run: Run, share: float = 0.01) -> bool:
    """Whether the learning rate is still rising: that of the last sample is its greatest, and above that of the first."""
    if not run.has("learning_rate", 2):
        return False
    rates = run.series["learning_rate"].rows.max(axis=1)
    recent = rates[-10:]
    return bool(recent[-1] >= rates.max() and recent[-1] > (1 + share) * recent[0])
