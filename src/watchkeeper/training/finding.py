"""A finding: what a training detector says, with the numbers it says it from, and what to do about it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from watchkeeper.training.advice import ADVICE

Severity = Literal["info", "warning", "critical"]
SEVERITIES: tuple[Severity, ...] = ("info", "warning", "critical")
DOCS = "https://github.com/watchkeeper/watchkeeper/blob/main/docs/how-to/training-problems.md"
CERTAIN, LIKELY, POSSIBLE = 1.0, 0.8, 0.5


@dataclass(frozen=True, slots=True)
class Finding:
    """One problem of a run.

    Attributes
    ----------
    problem
        Its name, such as ``vanishing_gradient``; :data:`watchkeeper.training.advice.ADVICE` says what to do about each.
    step
        The optimizer's step, from 0, at which it shows.
    words
        One sentence that says what was seen.
    severity
        *critical*: the run is not worth going on with as it is; *warning*: look at it; *info*: known, and may be meant.
    layer
        The parameter or module concerned; None where it is the whole run.
    numbers
        What the sentence rests on, by name.
    confidence
        1 for what is exact, .8 for what rests on statistics, .5 for a hint.
    symptom
        Whether it also occurs in healthy runs, and so counts only where the run does not learn.
    """

    problem: str
    step: int
    words: str
    severity: Severity = "warning"
    layer: str | None = None
    numbers: Mapping[str, float] = field(default_factory=dict)
    confidence: float = LIKELY
    symptom: bool = False

    def __post_init__(self) -> None:
        if self.problem not in ADVICE:
            raise ValueError(f"there is no advice on {self.problem!r}")

    @property
    def advice(self) -> str:
        """What to do about it, in words."""
        return ADVICE[self.problem]

    @property
    def link(self) -> str:
        """Where the documentation says more."""
        return f"{DOCS}#{self.problem.replace('_', '-')}"

    def at_most(self, severity: Severity) -> Finding:
        """Return the finding with its severity capped."""
        least = min(SEVERITIES.index(self.severity), SEVERITIES.index(severity))
        return replace(self, severity=SEVERITIES[least])

    def __str__(self) -> str:
        where = f" [{self.layer}]" if self.layer else ""
        return f"{self.severity} at step {self.step:,}{where}: {self.words} {self.advice}"

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, as JSON takes them."""
        numbers = {name: float(v) if math.isfinite(v) else str(v) for name, v in self.numbers.items()}
        return {
            "problem": self.problem,
            "step": self.step,
            "severity": self.severity,
            "layer": self.layer,
            "words": self.words,
            "advice": self.advice,
            "link": self.link,
            "numbers": numbers,
            "confidence": self.confidence,
        }


OUTCOMES = frozenset({
    "not_learning", "high_bias", "high_variance", "loss_spike", "plateau", "oscillation", "overfitting",
})  # fmt: skip
"""Problems that something else explains, where anything does."""
WORKINGS = frozenset({
    "divergence", "update_ratio", "vanishing_gradient", "exploding_gradient", "gradient_spike", "dead_units",
    "saturation", "initial_loss",
    "class_collapse", "non_finite", "clipping",
})  # fmt: skip
"""Problems that show how a cause works."""


def _depth(finding: Finding) -> int:
    idle = (
        finding.problem == "unused_parameter" and finding.confidence < CERTAIN
    )  # no gradient comes, for whatever reason
    if finding.confidence <= POSSIBLE:
        return 3
    return 2 if finding.problem in OUTCOMES else 1 if finding.problem in WORKINGS or idle else 0


class Findings:
    """The findings of a run, the first of each problem and layer; a worse one later takes its place, its first step kept."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str | None], Finding] = {}

    def add(self, finding: Finding) -> Finding | None:
        """Take a finding; return it where it is new or worse than what was known, else None."""
        key = finding.problem, finding.layer
        known = self._found.get(key)
        if known is not None and SEVERITIES.index(finding.severity) <= SEVERITIES.index(known.severity):
            return None
        self._found[key] = finding
        return finding

    def rewind(self, step: int) -> None:
        """Forget what was found at this step and after it."""
        self._found = {key: finding for key, finding in self._found.items() if finding.step < step}

    def __iter__(self) -> Iterator[Finding]:
        order = {severity: -place for place, severity in enumerate(SEVERITIES)}

        def place(f: Finding) -> tuple[int, float, int, str, str]:
            return order[f.severity], -f.confidence, f.step, f.problem, f.layer or ""

        return iter(sorted(self._found.values(), key=place))

    def __len__(self) -> int:
        return len(self._found)

    def __repr__(self) -> str:
        return "\n".join(map(str, self)) or "nothing found"

    @property
    def diagnosis(self) -> Finding | None:
        """What most likely explains the rest: a cause before its workings, these before what comes of them; None: all is well.

        Within each of the three the surest and earliest comes first; hints come last, and information is left out.
        """
        told = [f for f in self._found.values() if f.severity != "info"]
        return min(told, key=lambda f: (_depth(f), -f.confidence, f.step, f.problem, f.layer or ""), default=None)

    @property
    def worst(self) -> Severity | None:
        """The greatest severity; None where there is no finding."""
        known = [SEVERITIES.index(f.severity) for f in self._found.values()]
        return SEVERITIES[max(known)] if known else None
