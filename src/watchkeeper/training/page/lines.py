"""Drawings of series over the steps: lines and bands that stretch with the page, labels that do not."""

from __future__ import annotations

import html
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from watchkeeper.sketches.kernel import Floats, Int64s
from watchkeeper.training.finding import Finding
from watchkeeper.training.page.axis import Axis, short

BUCKETS = 400
"""A line has at most so many points."""
_NEAR, _LEVELS, _BADGE = 5.0, 5, 19
"""Marks that are nearer than this (per cent) stand one above the other; so many levels, of so many pixels."""


@dataclass(frozen=True, slots=True)
class Line:
    """A series as it is drawn.

    Attributes
    ----------
    name, style
        What the legend says, and the class of the style sheet: ``raw``, ``smooth``, ``held``, ``rate``, ``median``.
    steps, low, middle, high
        Shape ``(n,)``: the band from low to high, and the line within it; not finite where nothing is drawn.
    """

    name: str
    style: str
    steps: Floats
    low: Floats
    middle: Floats
    high: Floats


@dataclass(frozen=True, slots=True)
class Mark:
    """A finding on the axis of steps, with the number that it has in the table."""

    number: int
    finding: Finding


@dataclass(frozen=True, slots=True)
class Plot:
    """Lines on common axes. ``usual`` is a range of values that is shaded, ``best`` a point with words."""

    title: str
    lines: Sequence[Line]
    steps: Axis
    marks: Sequence[Mark] = ()
    values: Axis | None = None
    usual: tuple[float, float] | None = None
    best: tuple[float, float, str] | None = None
    said: str = ""


def line_of(name: str, style: str, steps: Int64s, values: Floats, *, band: bool = False) -> Line:
    """Return a series as a line: means of buckets of rows, and with ``band`` their least and greatest."""
    finite = np.isfinite(values)
    steps, values = steps[finite], values[finite]
    if len(values) <= BUCKETS:
        return Line(name, style, steps.astype(float), values, values, values)
    parts = np.array_split(np.arange(len(values)), BUCKETS)
    starts = np.array([part[0] for part in parts])
    sizes = np.array([len(part) for part in parts])
    middle = np.add.reduceat(values, starts) / sizes
    at = np.add.reduceat(steps.astype(float), starts) / sizes
    if not band:
        return Line(name, style, at, middle, middle, middle)
    return Line(name, style, at, np.minimum.reduceat(values, starts), middle, np.maximum.reduceat(values, starts))


def draw(plot: Plot) -> str:
    """Return a plot as HTML: labels beside a drawing that fills what is left."""
    known = [values for line in plot.lines for values in (line.low, line.high)]
    axis = plot.values or Axis.over(np.concatenate(known) if known else np.empty(0))
    inner = [_usual(plot.usual, axis)] if plot.usual else []
    inner += [_grid(axis), *(_drawn(line, plot.steps, axis) for line in plot.lines)]
    inner += [
        f'<line class="mark {mark.finding.severity}" x1="{x:.2f}" x2="{x:.2f}" y1="0" y2="100"/>'
        for mark in plot.marks
        for x in [plot.steps.place(mark.finding.step)]
    ]
    legend = "".join(f'<li class="{line.style}">{html.escape(line.name)}</li>' for line in plot.lines)
    said = f'<p class="said">{html.escape(plot.said)}</p>' if plot.said else ""
    return (
        f"<figure><figcaption><h3>{html.escape(plot.title)}</h3><ul class='legend'>{legend}</ul></figcaption>"
        f'{said}<div class="plot"{_room(plot.marks, plot.steps)}><div class="ys">{"".join(_y_labels(axis))}</div>'
        f'<div class="area">{"".join(_badges(plot.marks, plot.steps))}{_best(plot, axis)}'
        f'<svg viewBox="0 0 100 100" preserveAspectRatio="none" role="img" aria-label="{html.escape(plot.title)}">'
        f"{''.join(inner)}</svg></div>{x_labels(plot.steps)}</div></figure>"
    )


def x_labels(axis: Axis) -> str:
    """Return the steps below a drawing."""
    inner = "".join(f'<span style="left:{axis.place(tick):.2f}%">{short(tick)}</span>' for tick in axis.ticks())
    return f'<div class="xs" aria-hidden="true">{inner}</div>'


def _y_labels(axis: Axis) -> Iterator[str]:
    for tick in axis.ticks():
        yield f'<span style="bottom:{axis.place(tick):.2f}%">{short(tick)}</span>'


def _grid(axis: Axis) -> str:
    places = [100 - axis.place(tick) for tick in axis.ticks()]
    return "".join(f'<line class="grid" x1="0" x2="100" y1="{y:.2f}" y2="{y:.2f}"/>' for y in places)


def _usual(usual: tuple[float, float], axis: Axis) -> str:
    low, high = (100 - axis.place(value) for value in usual)
    return f'<rect class="usual" x="0" width="100" y="{high:.2f}" height="{low - high:.2f}"/>'


def _drawn(line: Line, steps: Axis, axis: Axis) -> str:
    if not len(line.middle):
        return ""
    xs, ys = steps.places(line.steps), 100 - axis.places(line.middle)
    band = ""
    if (line.high > line.low).any():
        top, bottom = 100 - axis.places(line.high), 100 - axis.places(line.low)
        around = [*zip(xs, top, strict=True), *zip(xs[::-1], bottom[::-1], strict=True)]
        band = f'<polygon class="{line.style}" points="{_points(around)}"/>'
    points = [*zip(xs, ys, strict=True)]
    if len(points) == 1:  # one value is a short stroke
        points = [(max(xs[0] - 0.5, 0), ys[0]), (xs[0] + 0.5, ys[0])]
    return f'{band}<polyline class="{line.style}" points="{_points(points)}"/>'


def _points(points: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x:.2f},{y:.2f}" for x, y in points)


def _best(plot: Plot, axis: Axis) -> str:
    if plot.best is None:
        return ""
    step, value, words = plot.best
    place = f"left:{plot.steps.place(step):.2f}%;bottom:{axis.place(value):.2f}%"
    return f'<span class="best" style="{place}" title="{html.escape(words)}"></span>'


def _levels(marks: Sequence[Mark], steps: Axis) -> list[tuple[Mark, float, int]]:
    """Return each mark with its place and how high it stands above the drawing, so that neighbours do not cover each other."""
    found: list[tuple[Mark, float, int]] = []
    last, level = -100.0, 0
    for mark in sorted(marks, key=lambda m: (m.finding.step, m.number)):
        x = steps.place(mark.finding.step)
        level = (level + 1) % _LEVELS if x - last < _NEAR else 0
        found.append((mark, x, level))
        last = x
    return found


def _room(marks: Sequence[Mark], steps: Axis) -> str:
    levels = max((level + 1 for _, _, level in _levels(marks, steps)), default=0)
    return f' style="padding-top:{levels * _BADGE}px"' if levels else ""


def _badges(marks: Sequence[Mark], steps: Axis) -> Iterator[str]:
    for mark, x, level in _levels(marks, steps):
        words = html.escape(f"{mark.finding.problem} at step {mark.finding.step:,}: {mark.finding.words}")
        place = f"left:{x:.2f}%;top:{-(level + 1) * _BADGE}px"
        link = f'class="badge {mark.finding.severity}" href="#f{mark.number}" style="{place}" title="{words}"'
        yield f"<a {link}>{mark.number}</a>"
