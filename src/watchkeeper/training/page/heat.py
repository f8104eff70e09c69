"""A heat map of norms: a row a layer, a column a stretch of steps, the colour a logarithm."""

from __future__ import annotations

import html
import itertools
from collections.abc import Iterator, Sequence

import numpy as np

from watchkeeper.sketches.kernel import Floats, Int64s
from watchkeeper.training.page.axis import Axis, short
from watchkeeper.training.page.lines import x_labels
from watchkeeper.training.run import Run
from watchkeeper.training.series import Series

COLUMNS, ROWS, LEVELS = 80, 48, 12
_ROW = 15
"""Pixels that a row is high."""
NOTHING, ZERO, BAD = -1, -2, -3
"""Cells without rows, where all is 0, and where something is not finite."""


def cells_of(series: Series, chosen: Sequence[int], steps: Axis, columns: int = COLUMNS) -> tuple[Floats, float, float]:
    """Return the level of each cell, shape ``(layers, columns)``, and the norms of the lowest and the highest level.

    Levels go from 0 to 11; below 0 they are :data:`NOTHING`, :data:`ZERO` and :data:`BAD`.
    """
    places = np.minimum((steps.places(series.steps.astype(float)) * columns / 100).astype(int), columns - 1)
    rows = series.rows[:, chosen]
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.where(np.isfinite(rows) & (rows > 0), np.log10(rows), np.nan)
    means = np.full((len(chosen), columns), np.nan)
    levels = np.full((len(chosen), columns), float(NOTHING))
    for place in np.unique(places):
        here, logged = rows[places == place], logs[places == place]
        count = np.isfinite(logged).sum(axis=0)
        means[:, place] = np.where(count > 0, np.nansum(logged, axis=0) / np.maximum(count, 1), np.nan)
        levels[:, place] = np.where(~np.isfinite(here).all(axis=0), BAD, np.where(count > 0, 0, ZERO))
    for gone in _between(np.unique(places), columns):
        means[:, gone[1:]], levels[:, gone[1:]] = means[:, gone[:1]], levels[:, gone[:1]]
    known = means[np.isfinite(means)]
    if not len(known):
        return levels, 0.0, 0.0
    low, high = float(known.min()), float(known.max())
    scaled = np.floor((means - low) / max(high - low, 1e-9) * LEVELS)
    return np.where(levels == 0, np.clip(scaled, 0, LEVELS - 1), levels), 10**low, 10**high


def _between(places: Int64s, columns: int) -> Iterator[Int64s]:
    """Yield each sampled column with those after it that no sample fell into, twice the usual distance at most."""
    if not len(places):
        return
    ends = np.append(places[1:], columns)
    usual = 2 * int(np.median(np.diff(places))) if len(places) > 1 else 1
    for start, end in zip(places.tolist(), ends.tolist(), strict=True):
        yield np.arange(start, min(end, start + usual, columns))


def rows_of(run: Run, series: Series) -> list[int]:
    """Return the layers that are drawn: all, or the matrices only, or as many of these as there is room for."""
    every = list(range(len(series.columns)))
    if len(every) <= ROWS:
        return every
    matrices = [place for place in every if place < len(run.layers) and run.layers[place].matrix] or every
    return [matrices[round(i)] for i in np.linspace(0, len(matrices) - 1, min(ROWS, len(matrices)))]


def draw_heat(title: str, run: Run, series: Series, steps: Axis) -> str:
    """Return a heat map as HTML."""
    chosen = rows_of(run, series)
    levels, low, high = cells_of(series, chosen, steps)
    names = "".join(f"<span title='{_name(series, p)}'><bdi>{_name(series, p)}</bdi></span>" for p in chosen)
    drawn = "".join(_row(row, place, _name(series, chosen[place])) for place, row in enumerate(levels))
    left = len(series.columns) - len(chosen)
    said = f"<p class='said'>{left} of {len(series.columns)} parameters are left out.</p>" if left else ""
    scale = "".join(f'<i class="h{level}"></i>' for level in range(LEVELS))
    bad = '<i class="bad"></i> not finite' if (levels == BAD).any() else ""
    zero = '<i class="zero"></i> 0' if (levels == ZERO).any() else ""
    height = _ROW * len(chosen)
    return (
        f"<figure><figcaption><h3>{html.escape(title)}</h3><p class='scale'>{short(low)} {scale} {short(high)} {zero} {bad}</p>"
        f'</figcaption>{said}<div class="plot heat"><div class="rows">{names}</div>'
        f'<div class="area" style="height:{height}px"><svg viewBox="0 0 {COLUMNS} {len(chosen)}" preserveAspectRatio="none" '
        f'shape-rendering="crispEdges" role="img" aria-label="{html.escape(title)}">{drawn}</svg></div>'
        f"{x_labels(steps)}</div></figure>"
    )


def _name(series: Series, place: int) -> str:
    return html.escape(series.columns[place], quote=True)


def _row(levels: Floats, place: int, name: str) -> str:
    """Draw one layer; neighbours of one level are one rectangle."""
    edges = [0, *(np.flatnonzero(np.diff(levels)) + 1).tolist(), len(levels)]
    found = []
    for start, end in itertools.pairwise(edges):
        level = int(levels[start])
        if level != NOTHING:
            style = {ZERO: "zero", BAD: "bad"}.get(level, f"h{level}")
            found.append(f'<rect class="{style}" x="{start}" y="{place}" width="{end - start}" height="1"/>')
    return f"<g><title>{name}</title>{''.join(found)}</g>"
