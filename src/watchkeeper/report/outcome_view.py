"""Curves and the report by class of both sides, as the page's document holds them."""

from __future__ import annotations

from typing import Any

import numpy as np

from watchkeeper.detection.comparison import Comparison
from watchkeeper.errors import InputError
from watchkeeper.metrics.class_report import classification_report
from watchkeeper.metrics.curves import Curve, precision_recall_curve, roc_curve
from watchkeeper.profiles.profile import Profile

_POINTS = 101
_MOST_CLASSES = 50


def curves(comparison: Comparison) -> dict[str, Any] | None:
    """Return ROC and precision-recall curves of a binary task, at most 101 points each; None where a side has none."""
    if comparison.reference.schema.task != "binary":
        return None
    try:
        return {
            side: {"roc": _thinned(roc_curve(profile)), "precision_recall": _thinned(precision_recall_curve(profile))}
            for side, profile in _sides(comparison).items()
        }
    except InputError:  # no scores, or labels of one class only
        return None


def classes(comparison: Comparison) -> dict[str, Any] | None:
    """Return the report by class of both sides; None for other tasks, without labels, and for more than 50 classes."""
    schema = comparison.reference.schema
    if schema.task not in {"binary", "multiclass"} or len(schema.classes) > _MOST_CLASSES:
        return None
    try:
        return {side: classification_report(profile).to_dict() for side, profile in _sides(comparison).items()}
    except InputError:
        return None


def _sides(comparison: Comparison) -> dict[str, Profile]:
    return {"reference": comparison.reference, "current": comparison.current}


def _thinned(curve: Curve) -> dict[str, Any]:
    found = curve.to_dict()
    size = len(found["threshold"])
    places = np.unique(np.linspace(0, size - 1, min(size, _POINTS)).round().astype(int)).tolist()
    return {k: [v[p] for p in places] if isinstance(v, list) else v for k, v in found.items()}
