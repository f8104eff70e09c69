"""The order in which columns are told: those that changed most first."""

from __future__ import annotations

import math

from watchkeeper.detection.columns import ColumnChange
from watchkeeper.detection.comparison import Comparison
from watchkeeper.detection.verdict import Verdict

RANK = {"critical": 0, "warning": 1, "not enough data": 2, "ok": 3}


def ranked_columns(comparison: Comparison) -> list[tuple[ColumnChange, Verdict | None]]:
    """Return columns, those that changed most first: by the worst verdict of drift and quality, then by the effect of drift.

    Where importances are known, an effect counts by the column's part of them, in multiples of an equal part.
    """
    whole, shares = comparison.column_verdicts(), comparison.importances

    def rank(item: tuple[ColumnChange, Verdict | None]) -> tuple[int, float, str]:
        change, verdict = item
        found = whole[change.name]
        weight = shares.get(change.name, 1 / len(shares)) * len(shares) if shares else 1.0
        return 4 if found is None else RANK[found], -weight * _effect(verdict), change.name

    return sorted(comparison.columns, key=rank)


def _effect(verdict: Verdict | None) -> float:
    if verdict is None or math.isnan(verdict.evidence.effect):
        return 0.0
    return verdict.evidence.effect / (verdict.evidence.floor or 1.0)
