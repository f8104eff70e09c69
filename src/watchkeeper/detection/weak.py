"""Weak segments of two profiles: where the model is weak, and whether it was so before."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from scipy.special import ndtr

from watchkeeper.metrics.estimate import Estimate
from watchkeeper.metrics.weak_rows import LossRows, grid_of, loss_rows
from watchkeeper.metrics.weak_segments import ALPHA, Cells, Weak, gap_of, holm, weak_segments
from watchkeeper.profiles.profile import Profile

Status = Literal["new", "worse", "as before", "unknown"]
Side = Literal["current", "reference"]


@dataclass(frozen=True, slots=True)
class WeakChange:
    """A weak segment by name.

    Attributes
    ----------
    parts
        Its columns with the cell in each: one or two.
    metric
        The loss: ``log_loss``, ``error_rate`` or ``mae``.
    weak
        What was measured, on the half of the sample that did not find it.
    side
        Where it was found: in current, or in the reference where current has too few labels.
    status
        ``new``: it loses more than in the reference, where it was not weak. ``worse``: it was weak, and loses more now.
        ``as before``: no more than chance. ``unknown``: the other side cannot say.
    before
        How much more its rows lost than the rest in the reference; None where it cannot say.
    """

    parts: tuple[tuple[str, str], ...]
    metric: str
    weak: Weak
    side: Side
    status: Status
    before: Estimate | None


def weak_changes(reference: Profile, current: Profile, alpha: float = ALPHA) -> list[WeakChange]:
    """Return the weak segments of current, or of the reference where current has no labels; those first that cost most.

    All that are told were found on one half of the sample, by hash, and tested on the other; the reference had no part in
    finding those of current, so all of its rows say what was before.
    """
    grid = grid_of(reference)
    if not grid.cuts:
        return []
    now, before = loss_rows(current, grid), loss_rows(reference, grid)
    rows, side = (now, "current") if now is not None else (before, "reference")
    if rows is None:
        return []
    found = weak_segments(rows.cells, rows.loss, rows.first, alpha)
    compared = before if side == "current" and before is not None and before.metric == rows.metric else None
    told = _compared(found, compared, alpha)
    return [
        WeakChange(
            rows.cells.said(weak.parts), rows.metric, weak, "current" if side == "current" else "reference", *more
        )
        for weak, more in zip(found, told, strict=True)
    ]


def _compared(found: list[Weak], before: LossRows | None, alpha: float) -> list[tuple[Status, Estimate | None]]:
    """Return what each segment was in the reference; that it is more now is told at ``alpha`` over all (Holm)."""
    gaps = [None if before is None else _gap(before.cells, before, weak) for weak in found]
    p_values = [1.0 if gap is None else _more(weak.gap, gap) for weak, gap in zip(found, gaps, strict=True)]
    return [
        ("unknown" if gap is None else "as before" if p > alpha else "worse" if gap.low > 0 else "new", gap)
        for gap, p in zip(gaps, holm(p_values), strict=True)
    ]


def _gap(cells: Cells, rows: LossRows, weak: Weak) -> Estimate | None:
    inside = cells.inside(weak.parts)
    found = gap_of(rows.loss[inside], rows.loss[~inside])
    return None if found is None else found[0]


def _more(now: Estimate, before: Estimate) -> float:
    """Return the one-sided p-value that a gap is no larger than before."""
    return float(ndtr(-(now.value - before.value) / max(math.hypot(now.error, before.error), 1e-300)))
