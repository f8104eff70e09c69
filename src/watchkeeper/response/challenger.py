"""Champion against challenger on the same rows: how much better, with an interval that takes days as the unit of evidence."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata, t

from watchkeeper.sketches.kernel import Floats, Int64s

Metric = Literal["roc_auc", "rmse", "accuracy"]
Truth = NDArray[Any]
_CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two models on the same rows.

    Attributes
    ----------
    improvement, low, high
        How much better the challenger is (above 0: better, whichever way the metric runs), with its 95 % interval; NaN
        where the rows do not tell.
    """

    metric: Metric
    rows: int
    days: int
    champion: float
    challenger: float
    improvement: float
    low: float
    high: float

    @property
    def better(self) -> bool:
        """Whether the interval leaves no doubt that the challenger is better."""
        return self.low > 0

    @property
    def words(self) -> str:
        """What a person should read."""
        seen = f"on the same {self.rows:,} held-out rows of {self.days} days"
        said = f"{self.metric} {_number(self.challenger)} against {_number(self.champion)} {seen}"
        if math.isnan(self.low):
            return f"{said}; these are too few to tell"
        how = "better" if self.better else "worse" if self.high < 0 else "not surely better"
        return f"{said}; improvement {self.improvement:+.4f} (95 % interval {self.low:+.4f} to {self.high:+.4f}): {how}"

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        numbers = {name: getattr(self, name) for name in ("champion", "challenger", "improvement", "low", "high")}
        told = {name: value if math.isfinite(value) else None for name, value in numbers.items()}
        return {"metric": self.metric, "rows": self.rows, "days": self.days, "better": self.better} | told


def compare(metric: Metric, truth: Truth, champion: Truth, challenger: Truth, days: Int64s) -> Comparison:
    """Compare two models by a metric.

    The interval is that of a jackknife over days: the difference is computed anew without each of them, and what it changes
    by tells how far it is to be trusted, with Student's t for as few days as there are. Rows of a day share weather, prices and
    faults, so that rows as the unit would promise far too much; and since both models saw the same days, what is
    easy or hard about a day cancels out.

    Parameters
    ----------
    truth
        Shape (n,): 1 and 0 for ``roc_auc``, numbers for ``rmse``, classes for ``accuracy``.
    champion, challenger
        Shape (n,): scores, predicted numbers, or predicted classes.
    days
        Shape (n,): the local day of each row.

    References
    ----------
    B. Efron and C. Stein, The jackknife estimate of variance, Annals of Statistics 9 (1981).
    """
    measure, sign = _METRICS[metric]
    first, second = measure(truth, champion), measure(truth, challenger)
    improvement = sign * (second - first)
    known = np.unique(days)
    half = math.nan
    if len(known) >= 2 and math.isfinite(improvement):
        left_out = [days != day for day in known]
        differences = [sign * (measure(truth[k], challenger[k]) - measure(truth[k], champion[k])) for k in left_out]
        half = _half_width(np.array(differences))
    low, high = improvement - half, improvement + half
    return Comparison(metric, len(truth), len(known), first, second, improvement, low, high)


def _half_width(without: Floats) -> float:
    count = len(without)
    error = math.sqrt((count - 1) / count * float(((without - without.mean()) ** 2).sum()))
    return float(t.ppf((1 + _CONFIDENCE) / 2, count - 1)) * error


def roc_auc(truth: Truth, score: Truth) -> float:
    """Return the area under the ROC curve, ties counted half; NaN where a class is missing."""
    positive = truth == 1
    p, n = int(positive.sum()), int((~positive).sum())
    if p == 0 or n == 0:
        return math.nan
    return float((rankdata(score)[positive].sum() - p * (p + 1) / 2) / (p * n))


def rmse(truth: Truth, prediction: Truth) -> float:
    """Return the root of the mean squared error."""
    return math.sqrt(float(np.mean((truth - prediction) ** 2))) if len(truth) else math.nan


def accuracy(truth: Truth, prediction: Truth) -> float:
    """Return the share of rows whose class was predicted."""
    return float(np.mean(truth == prediction)) if len(truth) else math.nan


_METRICS: dict[Metric, tuple[Callable[[Truth, Truth], float], int]] = {
    "roc_auc": (roc_auc, 1), "rmse": (rmse, -1), "accuracy": (accuracy, 1),
}  # fmt: skip


def _number(value: float) -> str:
    return "unknown" if math.isnan(value) else f"{value:.4g}"
