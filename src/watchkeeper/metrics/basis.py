"""How much an interval has to rest on before it holds what it promises: by metric, and for averages over classes."""

from __future__ import annotations

import numpy as np

from watchkeeper.metrics.estimate import Estimate
from watchkeeper.sketches.kernel import Floats

RATE, SMALLER_CLASS, MEAN, LISTS = 50, 30, 100, 30
_WORDS = {
    "rate": (RATE, "in its denominator"),
    "class": (SMALLER_CLASS, "in the smaller class"),
    "mean": (MEAN, "rows"),
    "list": (LISTS, "lists"),
}
_RESTS: dict[str, str] = {
    **dict.fromkeys(("accuracy", "error_rate", "precision", "recall", "specificity", "top_k_accuracy"), "rate"),
    "subset_accuracy": "rate",
    **dict.fromkeys(("roc_auc", "average_precision", "f1", "f1_macro", "f1_micro", "f1_weighted"), "class"),
    **dict.fromkeys(("log_loss", "brier", "ece", "mean_calibration", "f1_samples", "hamming_loss"), "mean"),
    **dict.fromkeys(("mae", "mse", "rmse", "r2", "mean_error", "mape", "smape", "mase"), "mean"),
    **dict.fromkeys(("ndcg", "map", "mrr", "hit_rate", "precision_at_k", "recall_at_k"), "list"),
}
"""What the interval of each metric of an outcome rests on; ``python -m benchmarks statistics intervals`` and ``tasks`` show
that from these numbers on it holds."""


def least_basis(metric: str) -> int:
    """Return the basis from which the interval of a metric holds; 0 where none is known."""
    return _WORDS[_RESTS[metric]][0] if metric in _RESTS else 0


def is_approximate(metric: str, estimate: Estimate) -> bool:
    """Whether an estimate rests on less than its interval needs: it is approximate then, and gives no verdict."""
    return estimate.known and estimate.rests_on < least_basis(metric)


def basis_words(metric: str, found: int) -> str:
    """Return that a metric rests on too little, as a clause.

    Examples
    --------
    >>> basis_words("roc_auc", 12)
    'it rests on 12 in the smaller class, and 30 are needed'
    """
    least, of = _WORDS[_RESTS[metric]]
    return f"it rests on {found:,} {of}, and {least} are needed"


def over_classes(sizes: Floats, weights: Floats | None = None) -> int:
    """Return what the weighted mean of a value over classes rests on: the smallest class, or more where many share the doubt.

    A class of n rows adds w^2 / n to the variance of the mean, which has as many degrees of freedom as Satterthwaite's
    formula makes of these parts. Half of that is what counts, as of two classes alike each is half of all rows.

    Parameters
    ----------
    sizes
        Rows of each class that occurs, shape (classes,). One without any counts as one: it can move the mean as far.
    weights
        Of the classes, shape (classes,); alike if none are given.

    References
    ----------
    Satterthwaite, Biometrics Bulletin 2 (1946), 110-114.

    Examples
    --------
    >>> over_classes(np.array([30.0, 1000.0])), over_classes(np.array([20.0, 20.0, 20.0]))
    (30, 30)
    """
    if len(sizes) == 0:
        return 0
    n = np.maximum(sizes.astype(np.float64), 1.0)
    parts = (np.ones(len(n)) if weights is None else weights) ** 2 / n
    whole = float((parts**2 / n).sum())
    degrees = float(parts.sum()) ** 2 / whole if whole > 0 else 0.0
    return int(max(float(sizes.min()), degrees / 2))


def of_matrix(metric: str, matrix: Floats, squares: Floats) -> int | None:
    """Return what a metric of a confusion matrix, label by prediction, rests on; None: as many rows as it counts.

    ``squares`` holds the sums of squared weights where ``matrix`` holds those of weights, so that effective rows count; where
    rows have none, both are the counts.
    """
    by_label, by_prediction = (_effective(matrix.sum(axis=axis), squares.sum(axis=axis)) for axis in (1, 0))
    present = matrix.sum(axis=0) + matrix.sum(axis=1) > 0
    if metric == "f1":
        return round(float(by_label.min()))
    if metric == "f1_weighted":
        return over_classes(by_label[present], matrix.sum(axis=1)[present])
    if metric in {"f1_macro", "recall"}:
        return over_classes(by_label[present])
    return over_classes(by_prediction[present]) if metric == "precision" else None


def effective_rows(total: float, squares: float) -> int:
    """Return how many rows of one weight would say as much, by the sum of weights and that of their squares (Kish 1965).

    Examples
    --------
    >>> effective_rows(10.0, 10.0), effective_rows(4.0, 10.0), effective_rows(0.0, 0.0)
    (10, 2, 0)
    """
    rows = total * total / squares if squares > 0 else 0.0
    return max(round(rows), 1) if 0 < rows < np.inf else 0


def _effective(totals: Floats, squares: Floats) -> Floats:
    found: Floats = np.where(squares > 0, totals**2 / np.where(squares > 0, squares, 1.0), 0.0)
    return found
