"""The metrics that exist: what each is called, its unit, which way is better, and which change of it matters."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from watchkeeper.metrics import classification, many, multilabel, quality, ranking, regression, uniqueness, weighted
from watchkeeper.metrics.estimate import Estimate
from watchkeeper.profiles.weighted import WeightedClassOutcome, WeightedNumberOutcome

Family = Literal["classification", "regression", "ranking", "quality", "drift", "service"]
Better = Literal["higher", "lower", "near zero"]


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric's name and what people need to read it.

    Attributes
    ----------
    name, title
        As in code, and as people write it.
    family
        What it is computed from.
    better
        Which way is better; None where neither is.
    unit
        ``share`` for 0 to 1, ``sd`` for standard deviations, None for a plain number or the target's own unit.
    floor
        The smallest change that matters; a share of the reference's value where ``relative``. None: never decides.
    params
        With what it is computed, as JSON.
    """

    name: str
    title: str
    family: Family
    better: Better | None = None
    unit: str | None = None
    floor: float | None = None
    relative: bool = False
    params: str = "{}"


Compute = Callable[[Any, Sequence[Any]], Estimate]

CLASSIFICATION: dict[str, tuple[Metric, Compute]] = {
    m.name: (m, f)
    for m, f in (
        (Metric("roc_auc", "ROC AUC", "classification", "higher", None, 0.02), classification.roc_auc),
        (Metric("average_precision", "Average precision", "classification", "higher", None, 0.05), classification.average_precision),
        (Metric("accuracy", "Accuracy", "classification", "higher", "share", 0.02), classification.accuracy),
        (Metric("f1", "F1", "classification", "higher", None, 0.05), classification.f1),
        (Metric("precision", "Precision", "classification", "higher", "share", 0.05), classification.precision),
        (Metric("recall", "Recall", "classification", "higher", "share", 0.05), classification.recall),
        (Metric("specificity", "Specificity", "classification", "higher", "share", 0.05), classification.specificity),
        (Metric("log_loss", "Log loss", "classification", "lower", None, 0.05, True), classification.log_loss),
        (Metric("brier", "Brier score", "classification", "lower", None, 0.05, True), classification.brier),
        (Metric("ece", "Calibration error (ECE)", "classification", "lower", "share", 0.02), classification.ece),
        (Metric("mean_calibration", "Mean calibration", "classification", "near zero", "share", 0.02), classification.mean_calibration),
        (Metric("f1_macro", "F1, macro", "classification", "higher", None, 0.05), classification.f1_macro),
        (Metric("f1_weighted", "F1, weighted", "classification", "higher"), classification.f1_weighted),
        (Metric("error_rate", "Error rate", "classification", "lower", "share"), classification.error_rate),
    )
}  # fmt: skip
REGRESSION: dict[str, tuple[Metric, Compute]] = {
    m.name: (m, f)
    for m, f in (
        (Metric("mae", "Mean absolute error", "regression", "lower", None, 0.05, True), regression.mae),
        (Metric("rmse", "Root mean squared error", "regression", "lower", None, 0.05, True), regression.rmse),
        (Metric("mse", "Mean squared error", "regression", "lower"), regression.mse),
        (Metric("r2", "R²", "regression", "higher", None, 0.05), regression.r2),
        (Metric("mean_error", "Mean error", "regression", "near zero"), regression.mean_error),
        (Metric("mape", "Mean absolute percentage error", "regression", "lower", "share"), regression.mape),
        (Metric("smape", "Symmetric percentage error", "regression", "lower", "share"), regression.smape),
    )
}
FORECASTING: dict[str, tuple[Metric, Compute]] = REGRESSION | {
    "mase": (Metric("mase", "Mean absolute scaled error", "regression", "lower", None, 0.05, True), regression.mase)
}
_TOP = json.dumps({"k": ranking.TOP})
RANKING: dict[str, tuple[Metric, Compute]] = {
    m.name: (m, f)
    for m, f in (
        (Metric("ndcg", "NDCG at 10", "ranking", "higher", None, 0.02, params=_TOP), ranking.ndcg),
        (Metric("map", "Mean average precision", "ranking", "higher", None, 0.02), ranking.map),
        (Metric("mrr", "Mean reciprocal rank", "ranking", "higher", None, 0.02), ranking.mrr),
        (Metric("hit_rate", "Hit rate at 10", "ranking", "higher", "share", 0.02, params=_TOP), ranking.hit_rate),
        (Metric("precision_at_k", "Precision at 10", "ranking", "higher", "share", 0.02, params=_TOP), ranking.precision_at_k),
        (Metric("recall_at_k", "Recall at 10", "ranking", "higher", "share", 0.02, params=_TOP), ranking.recall_at_k),
    )
}  # fmt: skip
MULTILABEL: dict[str, tuple[Metric, Compute]] = {
    m.name: (m, f)
    for m, f in (
        (Metric("f1_macro", "F1, macro", "classification", "higher", None, 0.05), multilabel.f1_macro),
        (Metric("f1_micro", "F1, micro", "classification", "higher", None, 0.05), multilabel.f1_micro),
        (Metric("f1_samples", "F1, by row", "classification", "higher", None, 0.05), multilabel.f1_samples),
        (Metric("hamming_loss", "Hamming loss", "classification", "lower", "share", 0.02), multilabel.hamming_loss),
        (Metric("subset_accuracy", "Subset accuracy", "classification", "higher", "share", 0.02), multilabel.subset_accuracy),
    )
}  # fmt: skip
QUALITY: dict[str, tuple[Metric, Compute]] = {
    m.name: (m, f)
    for m, f in (
        (Metric("null_share", "Missing", "quality", "lower", "share", 0.01), lambda c, _: quality.null_share(c)),
        (Metric("infinite_share", "Infinite", "quality", "lower", "share", 0.001), lambda c, _: quality.infinite_share(c)),
        (Metric("mistyped_share", "Of another type", "quality", "lower", "share", 0.001), lambda c, _: uniqueness.mistyped_share(c)),
        (Metric("out_of_range_share", "Out of the reference's range", "quality", "lower", "share", 0.02), lambda c, r: quality.out_of_range_share(c, r[0])),
        (Metric("new_category_share", "New categories", "quality", "lower", "share", 0.01), lambda c, r: quality.new_category_share(c, r[0])),
        (Metric("format_share", "In the reference's format", "quality", "higher", "share", 0.01), lambda c, r: uniqueness.format_share(c, r[0])),
        (Metric("repeated_share", "Not unique any more", "quality", "lower", "share", 0.01), lambda c, r: uniqueness.repeated_share(c, r[0])),
        (Metric("top_share", "Most frequent value", "quality", None, "share", 0.01), lambda c, _: uniqueness.top_share(c)),
        (Metric("distinct_count", "Distinct values", "quality"), lambda c, _: quality.distinct_count(c)),
    )
}  # fmt: skip
"""Of a column, given that of the reference."""
TABLE_QUALITY: dict[str, tuple[Metric, Callable[[Any], Estimate]]] = {
    "duplicate_share": (
        Metric("duplicate_share", "Duplicate rows", "quality", "lower", "share", 0.01), uniqueness.duplicate_share
    )
}  # fmt: skip
"""Of a whole profile."""
DRIFT: dict[str, Metric] = {
    m.name: m
    for m in (
        Metric("wasserstein", "Wasserstein (sd)", "drift", "lower", "sd", 0.1),
        Metric("jensen_shannon", "Jensen-Shannon distance", "drift", "lower", None, 0.1),
        Metric("kolmogorov_smirnov", "Kolmogorov-Smirnov", "drift", "lower"),
        Metric("psi", "Population stability index", "drift", "lower"),
        Metric("hellinger", "Hellinger distance", "drift", "lower"),
        Metric("chi2", "Chi-squared statistic", "drift", "lower"),
        Metric("cramer_von_mises", "Cramér-von Mises statistic", "drift", "lower"),
        Metric("anderson_darling", "Anderson-Darling statistic", "drift", "lower"),
        Metric("energy_distance", "Energy distance", "drift", "lower"),
        Metric("l_infinity", "Largest difference of a share", "drift", "lower", "share"),
    )
}
MULTIVARIATE: dict[str, Metric] = {
    m.name: m
    for m in (
        Metric("classifier_drift", "Domain classifier, AUC out of fold", "drift", "lower", None, 0.05),
        Metric("reconstruction_error", "Reconstruction error (sd)", "drift", "near zero", "sd", 0.1),
        Metric("correlation_change", "Largest change of a rank correlation", "drift", "lower", None, 0.1),
        Metric("mmd", "Maximum mean discrepancy", "drift", "lower", None, 0.05),
    )
}
"""Distances of several columns at once, computed where they are asked for."""
WASSERSTEIN_FLOOR_LARGE = 0.05
"""Floor of ``wasserstein`` where both sides have 10,000 effective rows."""
LARGE = 10_000


def _either(name: str, compute: Compute) -> Compute:
    """Return the metric of an outcome whether its rows have weights or not."""

    def chosen(outcome: Any, days: Sequence[Any] = ()) -> Estimate:
        if isinstance(outcome, WeightedClassOutcome):
            return weighted.class_metric(name, outcome, days)
        if isinstance(outcome, many.ManyOutcome):
            return many.many_metric(name, outcome, days)
        if isinstance(outcome, WeightedNumberOutcome):
            return weighted.number_metric(name, outcome, days)
        return compute(outcome, days)

    return chosen


CLASSIFICATION = {name: (metric, _either(name, compute)) for name, (metric, compute) in CLASSIFICATION.items()}
MULTICLASS = CLASSIFICATION | {
    "top_k_accuracy": (
        Metric(
            "top_k_accuracy",
            "Top-5 accuracy",
            "classification",
            "higher",
            "share",
            0.02,
            params=json.dumps({"k": many.TOP}),
        ),
        many.top_k_accuracy,
    )
}
FORECASTING = {name: (metric, _either(name, compute)) for name, (metric, compute) in FORECASTING.items()}
REGRESSION = {name: FORECASTING[name] for name in REGRESSION}
ABUNDANT = 50_000
"""From so many effective rows on both sides, an effect has to be shown to be above its floor, not only to exist."""
TASKS: dict[str, dict[str, tuple[Metric, Compute]]] = {
    "binary": CLASSIFICATION,
    "multiclass": MULTICLASS,
    "regression": REGRESSION,
    "multilabel": MULTILABEL,
    "forecasting": FORECASTING,
    "ranking": RANKING,
}
OF_OUTCOMES: dict[str, tuple[Metric, Compute]] = {**MULTILABEL, **MULTICLASS, **FORECASTING, **RANKING}
"""Every metric of an outcome, whatever the task."""
DECIDING: dict[str, tuple[str, ...]] = {
    "binary": ("roc_auc", "accuracy", "f1", "precision", "recall", "log_loss", "mean_calibration"),
    "multiclass": ("accuracy", "f1_macro", "roc_auc", "log_loss", "top_k_accuracy"),
    "regression": ("mae", "rmse", "r2"),
    "multilabel": ("f1_micro", "f1_macro", "f1_samples", "hamming_loss", "subset_accuracy"),
    "forecasting": ("mae", "rmse", "r2"),
    "ranking": ("ndcg", "map", "mrr", "hit_rate", "recall_at_k"),
}
"""The metrics whose change can give a verdict; the others are shown."""
SEGMENT_METRICS = {
    "binary": ("roc_auc", "f1", "accuracy", "log_loss", "mean_calibration"),
    "multiclass": ("f1_macro", "accuracy"),
    "regression": ("rmse", "mae", "mean_error"),
    "multilabel": ("f1_micro", "hamming_loss"),
    "forecasting": ("mae", "rmse", "mase", "mean_error"),
    "ranking": ("ndcg", "mrr", "hit_rate"),
}
"""What is computed for each segment and day; the first that is known decides."""
SEGMENT_FLOOR = 2.5
"""A segment's floor, in multiples of that of all rows: small groups vary more, and a small change of one matters less."""
MAIN_METRIC = {
    "binary": "roc_auc",
    "multiclass": "f1_macro",
    "regression": "rmse",
    "forecasting": "mae",
    "ranking": "ndcg",
}


def metric_names() -> list[str]:
    """Return the name of every metric."""
    return [*OF_OUTCOMES, *QUALITY, *TABLE_QUALITY, *DRIFT, *MULTIVARIATE]
