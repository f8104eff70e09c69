"""Weak segments in words and as the page takes them."""

from __future__ import annotations

from typing import Any

from watchkeeper.detection.weak import WeakChange
from watchkeeper.metrics.estimate import Estimate
from watchkeeper.report.words import number, segment_name

OF_LOSSES = {"log_loss": "log loss", "error_rate": "error rate", "mae": "mean absolute error"}
_STATUS = {
    "new": "In the reference it was not weak.",
    "worse": "It was weak in the reference, and is more so now.",
    "as before": "It was so in the reference, as far as can be told.",
    "unknown": "",
}


def weak_name(change: WeakChange) -> str:
    """Return a weak segment as people say it: ``age 18 to 25, origin JFK``."""
    return ", ".join(segment_name(column, value) for column, value in change.parts)


def weak_words(change: WeakChange) -> str:
    """Return where the model is weak, by how much, what that costs, and whether it was so before."""
    weak, unit = change.weak, "share" if change.metric == "error_rate" else None
    status = f" {_STATUS[change.status]}" if _STATUS[change.status] else ""
    side = "" if change.side == "current" else " in the reference"
    return (
        f"Where {weak_name(change)}, {OF_LOSSES[change.metric]}{side} is {number(weak.inside.value, unit)}, and "
        f"{number(weak.elsewhere, unit)} elsewhere: {number(weak.share, 'share')} of rows, which by that cost "
        f"{number(weak.cost.value, 'share')} ({number(weak.cost.low, 'share')} to {number(weak.cost.high, 'share')}) of "
        f"the whole loss.{status}"
    )


def weak_row(change: WeakChange) -> dict[str, Any]:
    """Return a weak segment as the page takes it."""
    weak = change.weak
    return {
        "parts": [{"column": column, "value": value} for column, value in change.parts],
        "name": weak_name(change),
        "metric": change.metric,
        "unit": "share" if change.metric == "error_rate" else None,
        "side": change.side,
        "status": change.status,
        "share": weak.share,
        "inside": _limits(weak.inside),
        "elsewhere": weak.elsewhere,
        "cost": _limits(weak.cost),
        "before": None if change.before is None else _limits(change.before),
        "p_value": weak.p_value,
        "words": weak_words(change),
    }


def _limits(estimate: Estimate) -> dict[str, Any]:
    return {"value": estimate.value, "low": estimate.low, "high": estimate.high, "n": estimate.n}
