"""Judge a run: every detector looks at it, and symptoms count only where it does not learn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from watchkeeper.training.detectors.boosting import BoostingOverfit, ImportanceConcentration
from watchkeeper.training.detectors.classes import ClassCollapse, LabelNoise, Unshuffled, UnshuffledNumbers
from watchkeeper.training.detectors.exact import SEEN
from watchkeeper.training.detectors.gradients import (
    Clipping,
    ExplodingGradient,
    GradientSpike,
    UnusedParameter,
    UpdateRatio,
    VanishingGradient,
)
from watchkeeper.training.detectors.learning import NotLearning, OverRegularised
from watchkeeper.training.detectors.loss import (
    Divergence,
    LossRange,
    LossSpike,
    NonFinite,
    Oscillation,
    Plateau,
)
from watchkeeper.training.detectors.protocol import Detector
from watchkeeper.training.detectors.rate import LearningRate
from watchkeeper.training.detectors.units import DeadUnits, Initialisation, InitialLoss, Saturation
from watchkeeper.training.detectors.validation import BiasVariance, Overfitting
from watchkeeper.training.finding import SEVERITIES, Finding, Findings
from watchkeeper.training.run import Run

DETECTORS: tuple[Detector, ...] = (
    NonFinite(),
    LossRange(),
    Divergence(),
    LossSpike(),
    NotLearning(),
    OverRegularised(),
    Plateau(),
    Oscillation(),
    GradientSpike(),
    ExplodingGradient(),
    VanishingGradient(),
    UpdateRatio(),
    UnusedParameter(),
    Clipping(),
    DeadUnits(),
    Saturation(),
    Initialisation(),
    InitialLoss(),
    Overfitting(),
    BiasVariance(),
    ClassCollapse(),
    LabelNoise(),
    Unshuffled(),
    UnshuffledNumbers(),
    LearningRate(),
    BoostingOverfit(),
    ImportanceConcentration(),
    *SEEN,
)
UNWELL = frozenset({"not_learning", "divergence", "non_finite", "loss_range"})
"""Problems that make symptoms count."""


@dataclass(slots=True)
class Judge:
    """Looks at a run as it grows, and keeps what was found.

    Attributes
    ----------
    detectors
        Those that look.
    findings
        What was found so far.
    """

    detectors: Sequence[Detector] = DETECTORS
    findings: Findings = field(default_factory=Findings)

    def look(self, run: Run) -> list[Finding]:
        """Return what is new, or worse than it was."""
        if self.broken:
            return []
        with np.errstate(invalid="ignore", over="ignore", divide="ignore"):  # what is not finite is what some look for
            found = [f for d in self.detectors if _can(d, run) for f in d.check(run)]
        if any(_breaks(f) for f in found):
            found = [f for f in found if _breaks(f)]  # whatever else shows now comes of it
        at_least = SEVERITIES.index("warning")
        unwell = any(f.problem in UNWELL and SEVERITIES.index(f.severity) >= at_least for f in (*found, *self.findings))
        counted = [f if unwell or not f.symptom else f.at_most("info") for f in found]
        return [new for f in counted if (new := self.findings.add(f)) is not None]

    @property
    def broken(self) -> bool:
        """Whether the run has become not finite: what it shows afterwards says nothing."""
        return any(_breaks(f) for f in self.findings)

    def unchecked(self, run: Run) -> dict[str, str]:
        """Return the problems that could not be looked for, with what is missing."""
        return {
            d.problem: f"no {' and no '.join(_called(n) for n in d.needs if not run.has(n))} recorded"
            for d in self.detectors
            if not _can(d, run)
        }


def _breaks(finding: Finding) -> bool:
    return finding.problem == "non_finite" and finding.severity == "critical"


_CALLED = {
    "gradient": "gradients by layer", "update": "sizes of steps by layer", "weight": "weights by layer",
    "clip": "norms before clipping", "dead": "units of ReLU or its like", "saturated": "units of sigmoid or tanh",
    "targets": "classes of targets", "predictions": "classes of predictions", "validation/loss": "held-out loss",
}  # fmt: skip
"""What series are called where people read why something was not looked for."""


def _called(series: str) -> str:
    return _CALLED.get(series, series.replace("/", " ").replace("_", " "))


def _can(detector: Detector, run: Run) -> bool:
    return all(run.has(name) for name in detector.needs)


def judge(run: Run) -> Judge:
    """Judge a run that is complete, as its steps would have been judged at its end."""
    found = Judge()
    found.look(run)
    return found
