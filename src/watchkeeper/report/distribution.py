"""Columns for the eye: summaries, and bars of reference and current side by side."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from watchkeeper.metrics.binning import Cells, common_cells
from watchkeeper.profiles.column import CategoricalColumn, Column, DatetimeColumn, NumericColumn, TextColumn
from watchkeeper.sketches.histogram import Histogram
from watchkeeper.sketches.kernel import Floats
from watchkeeper.window import moment

_BARS = 40
_CATEGORIES = 20
_QUANTILES = {"p05": 0.05, "p25": 0.25, "median": 0.5, "p75": 0.75, "p95": 0.95}


def summary(column: Column) -> dict[str, Any]:
    """Return the numbers that describe one column."""
    found: dict[str, Any] = {
        "rows": column.rows,
        "nulls": column.nulls,
        "nans": getattr(column, "nans", 0),
        "infinities": getattr(column, "infinities", 0),
        "distinct": None,
        "distinct_exact": False,
        "mean": None,
        "sd": None,
        "min": None,
        **dict.fromkeys(_QUANTILES),
        "max": None,
    }
    if isinstance(column, CategoricalColumn):
        return found | {"distinct": column.categories.distinct, "distinct_exact": column.categories.exact}
    found["distinct_exact"] = column.histogram.exact
    found["distinct"] = len(column.histogram.cells) if column.histogram.exact else None
    if isinstance(column, DatetimeColumn):
        return found | _moments(column.histogram)
    if column.moments.count:
        found |= {"mean": column.moments.mean, "sd": column.moments.sd}
        found |= {"min": column.moments.minimum, "max": column.moments.maximum}
        values = column.histogram.quantiles(np.array(list(_QUANTILES.values())))
        clipped = np.clip(values, column.moments.minimum, column.moments.maximum)
        found |= dict(zip(_QUANTILES, clipped.tolist(), strict=True))
    return found


def _moments(histogram: Histogram) -> dict[str, str | None]:
    if len(histogram.cells) == 0:
        return {}
    low, high = histogram.bounds()
    places = {name: histogram.key_at(q) for name, q in _QUANTILES.items()}
    places |= {"min": int(low[0]), "max": int(high[-1])}
    return {name: moment(place).isoformat() for name, place in places.items()}


def distribution(reference: Column, current: Column) -> dict[str, Any] | None:
    """Return the bars of both columns over common bins; None where either is empty."""
    if isinstance(reference, CategoricalColumn) and isinstance(current, CategoricalColumn):
        return _bars_of_categories(reference, current)
    cells = common_cells(reference, current)
    if cells is None or cells.reference.sum() == 0 or cells.current.sum() == 0:
        return None
    if isinstance(reference, NumericColumn | TextColumn):
        return number_bars(cells)
    edges = np.linspace(cells.values[0], cells.values[-1] + 1, _BARS + 1)
    shares = [_shares(cells, side, edges) for side in (cells.reference, cells.current)]
    return {
        "kind": "datetime",
        "edges": [moment(int(e)).isoformat() for e in edges],
        "reference": shares[0],
        "current": shares[1],
    }


def number_bars(cells: Cells) -> dict[str, Any]:
    """Return the bars of numbers; neither side may be empty."""
    edges = _edges(cells)
    shares = [_shares(cells, side, edges) for side in (cells.reference, cells.current)]
    return {"kind": "numeric", "edges": edges.tolist(), "reference": shares[0], "current": shares[1]}


def _bars_of_categories(reference: CategoricalColumn, current: CategoricalColumn) -> dict[str, Any] | None:
    totals = reference.categories.count, current.categories.count
    if not all(totals):
        return None
    seen = dict.fromkeys(v for side in (reference, current) for v, _ in side.categories.top(_CATEGORIES))
    counts = {v: (reference.categories.estimate(v), current.categories.estimate(v)) for v in seen}
    shares = {v: (a / totals[0], b / totals[1]) for v, (a, b) in counts.items()}
    shown = sorted(shares, key=lambda v: (-sum(shares[v]), v))[:_CATEGORIES]
    rest = [max(1 - sum(shares[v][side] for v in shown), 0.0) for side in (0, 1)]
    return {
        "kind": "categorical",
        "values": shown,
        "reference": [shares[v][0] for v in shown],
        "current": [shares[v][1] for v in shown],
        "other": rest if max(rest) > 1e-9 else None,
    }


def _edges(cells: Cells) -> Floats:
    """Return edges of bars: around each value where they are few, of whole numbers where all are, else of equal width."""
    values, weight = cells.values, cells.reference / cells.reference.sum() + cells.current / cells.current.sum()
    low, high = _central(values, weight)
    inside = values[(values >= low) & (values <= high)]
    if np.all(inside == np.round(inside)) and cells.exact and high - low < 1e15:
        step = max(math.ceil((high - low + 1) / _BARS), 1)
        count = math.ceil((high - low + 1) / step)
        return low - 0.5 + step * np.arange(count + 1.0)
    if low == high:
        pad = abs(low) * 0.01 or 0.5
        return np.array([low - pad, high + pad])
    with np.errstate(over="ignore"):
        edges = np.linspace(low, high, _BARS + 1)
    return edges if np.isfinite(edges).all() else np.array([low, 0.0, high])


def _central(values: Floats, weight: Floats) -> tuple[float, float]:
    """Return the range to draw: all of it, or what holds 99 % where the tails would squeeze the rest."""
    edges = np.cumsum(weight) / weight.sum()
    low, high = (float(values[min(int(np.searchsorted(edges, q)), len(values) - 1)]) for q in (0.005, 0.995))
    whole = float(values[-1]) - float(values[0])
    if not math.isfinite(whole) or (high > low and whole > 3 * (high - low)):
        return low, high
    return float(values[0]), float(values[-1])


def _shares(cells: Cells, counts: np.ndarray[Any, np.dtype[np.int64]], edges: Floats) -> list[float]:
    """Return the share of the values in each bar; what lies beyond the ends is in none."""
    place = np.searchsorted(edges, cells.values, side="right") - 1
    place[cells.values == edges[-1]] = len(edges) - 2
    inside = (place >= 0) & (place < len(edges) - 1)
    sums = np.bincount(place[inside], counts[inside], len(edges) - 1)
    return [float(s) for s in sums / counts.sum()]
