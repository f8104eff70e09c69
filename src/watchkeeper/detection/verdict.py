"""A verdict: evidence and effect together, or that there is not enough data."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from scipy.special import ndtri

VerdictName = Literal["ok", "warning", "critical", "not enough data"]
ORDER: tuple[VerdictName, ...] = ("ok", "warning", "critical")
FEWEST = 30
"""With fewer rows on either side nothing is judged: the tails on which a small alpha rests are not known then. Metrics of
outcomes need as much as their intervals do (:mod:`watchkeeper.metrics.basis`)."""
POWER = 0.8
"""The chance with which the detectable effect would have been seen."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What speaks for a change for the worse.

    Attributes
    ----------
    effect, low, high
        The change with its 95 % interval, above 0 for the worse.
    floor
        The smallest effect that matters.
    p_value
        Of no change for the worse.
    error
        Standard error of the effect, for the smallest effect that could have been seen.
    detectable
        That effect, where it does not follow from the standard error.
    relevant
        With so many rows that every difference is significant: the p-value of an effect of at most the floor. Else 0.
    """

    effect: float
    low: float
    high: float
    floor: float
    p_value: float
    error: float = math.nan
    detectable: float | None = None
    relevant: float = 0.0

    @property
    def deciding(self) -> float:
        """The p-value that a verdict rests on: that of no change, or of none that matters where rows abound."""
        return max(self.p_value, self.relevant)

    def detectable_at(self, alpha: float) -> float:
        """Return the smallest effect that this much data shows with 80 % power at ``alpha``."""
        if self.detectable is not None:
            return self.detectable
        return float(ndtri(1 - alpha) + ndtri(POWER)) * self.error if alpha > 0 else math.inf


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was found; ``alpha`` is the share of the false-alarm budget that the check may spend."""

    name: VerdictName
    evidence: Evidence
    alpha: float
    detectable: float


def judge(evidence: Evidence, alpha: float) -> Verdict:
    """Return the verdict on one piece of evidence.

    - *warning*: the deciding p-value is at most ``alpha``, and the effect is above its floor;
    - *critical*: moreover the lower limit of the effect is above twice the floor;
    - *not enough data*: neither, and an effect of twice the floor would not have been seen, nor does the interval exclude it;
    - *ok* otherwise.

    Evidence alone is not enough, because with many rows every difference is significant; effect alone is not, because
    with few rows every sample differs.
    """
    detectable = evidence.detectable_at(alpha)
    if math.isnan(evidence.effect) or math.isnan(evidence.p_value):
        return Verdict("not enough data", evidence, alpha, detectable)
    if evidence.deciding <= alpha and evidence.effect > evidence.floor:
        name: VerdictName = "critical" if evidence.low > 2 * evidence.floor else "warning"
    elif not (detectable <= 2 * evidence.floor or evidence.high <= 2 * evidence.floor):
        name = "not enough data"
    else:
        name = "ok"
    return Verdict(name, evidence, alpha, detectable)


def worst(names: Iterable[VerdictName]) -> VerdictName:
    """Return the worst verdict; "not enough data" only where there is no other."""
    known = [name for name in names if name != "not enough data"]
    return max(known, key=ORDER.index, default="not enough data")
