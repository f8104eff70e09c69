"""The order in which columns are told: those that changed most first."""

from __future__ import annotations

import math

from watchkeeper.detection.columns import ColumnChange
from watchkeeper.detection.comparison import Comparison
from watchkeeper.detection.verdict import Verdict

RANK = {"critical": 0, "warning": 1, "not enough data": 2, "ok": 3}


def ranked_columns(comparison: Comparison) -> list[tuple[ColumnChange, Verdict | None]]:
    """Return columns, those that changed most first: by the worst verdict of drift and quality, then by the effect of drift."""
    whole = comparison.column_verdicts()

    def rank(item: tuple[ColumnChange, Verdict | None]) -> tuple[int, float, str]:
        found = whole[item[0].name]
        return 4 if found is None else RANK[found], *_column_rank(item)

    return sorted(comparison.columns, key=rank)


def _column_rank(item: tuple[ColumnChange, Verdict | None]) -> tuple[float, str]:
    change, verdict = item
    if verdict is None:
        return 0.0, change.name
    effect = verdict.evidence.effect / (verdict.evidence.floor or 1.0)
    return 0.0 if math.isnan(effect) else -effect, change.name
