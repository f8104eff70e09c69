"""Curves of both sides as the page's document holds them: few points, where the curve bends."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np

from watchkeeper.errors import InputError
from watchkeeper.metrics.best_f1 import best_f1
from watchkeeper.metrics.curves import (
    Curve,
    lift_curve,
    precision_recall_curve,
    roc_curve,
    threshold_curve,
)
from watchkeeper.profiles.profile import Profile
from watchkeeper.sketches.kernel import Floats, Int64s

_POINTS = 101
_FIGURES = 6
_DRAWN = {
    "roc": (roc_curve, ("false_positive_rate", "true_positive_rate")),
    "precision_recall": (precision_recall_curve, ("recall", "precision")),
    "lift": (lift_curve, ("selected", "gain", "lift")),
    "threshold": (threshold_curve, ("threshold", "precision", "recall", "f1")),
}
"""What each curve is read from, and the arrays that its drawing goes along."""


def curves(reference: Profile, current: Profile) -> dict[str, Any] | None:
    """Return the curves of a binary task, at most 101 points each, and the best threshold; None where a side has none."""
    if reference.schema.task != "binary":
        return None
    try:
        return {"reference": _side(reference), "current": _side(current)}
    except InputError:  # no scores, or labels of one class only
        return None


def _side(profile: Profile) -> dict[str, Any]:
    selected = threshold_curve(profile).selected
    found = {name: _thinned(make(profile), along, selected) for name, (make, along) in _DRAWN.items()}
    return found | {"best_f1": {name: _brief(value) for name, value in asdict(best_f1(profile)).items()}}


def _thinned(curve: Curve, along: tuple[str, ...], selected: Floats) -> dict[str, Any]:
    columns = curve.columns()
    size = len(columns["threshold"])
    columns["selected"] = selected[-size:]  # precision and recall have no point where nothing is selected
    places = _places([columns[name] for name in along])
    plain = {k: v for k, v in curve.to_dict().items() if not isinstance(v, list)}
    return plain | {name: [_brief(v) for v in values[places].tolist()] for name, values in columns.items()}


def _places(along: list[Floats]) -> Int64s:
    """Return at most 101 places that are equally far apart on the drawing, each axis as long as its range."""
    length = np.zeros(len(along[0]))
    for values in along:
        known = np.where(np.isfinite(values), values, np.nan)  # the first threshold is infinite
        span = float(np.nanmax(known) - np.nanmin(known))
        length += np.nan_to_num(np.abs(np.diff(known, prepend=known[:1]))) / (span or 1.0)
    walked = np.cumsum(length)
    wanted = np.linspace(0, walked[-1], _POINTS - 1)
    places = np.searchsorted(walked, wanted).clip(max=len(walked) - 1)
    return np.unique(np.append(places, len(walked) - 1))


def _brief(value: float) -> float:
    return float(f"{value:.{_FIGURES}g}")
