"""The page of a run, whole: what was found above, the drawings, what to do, and what could not be looked for."""

from __future__ import annotations

import base64
import hashlib
import html
from collections.abc import Iterator, Sequence
from functools import cache
from importlib import resources

import numpy as np

from watchkeeper.training.curves import HELD_OUT, LOSS, Curve
from watchkeeper.training.page.axis import Axis
from watchkeeper.training.page.heat import draw_heat
from watchkeeper.training.page.lines import Line, Mark, Plot, draw, line_of
from watchkeeper.training.run import Run
from watchkeeper.training.summary import facts, missing
from watchkeeper.training.verdict import verdict_of
from watchkeeper.training.watching import Watching

_MARKED = 20
"""So many findings at most are marked on the axis of steps; the table has all."""
_USUAL = 1e-5, 1e-1
_METRICS = 6


def page(watching: Watching) -> str:
    """Return the page of a run as HTML that fetches nothing and runs no script.

    Parameters
    ----------
    watching
        The run, judged.
    """
    run, style = watching.run, _style()
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src-elem 'sha256-{digest}'; style-src-attr 'unsafe-inline'; base-uri 'none'"
    marks = [Mark(n, f) for n, f in enumerate(watching.findings, 1)]
    parts = [*_head(watching), *_drawings(run, marks[:_MARKED]), *_findings(marks), *_missing(watching)]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{html.escape(run.name)}</title><style>{style}</style></head><body><main>{''.join(parts)}</main></body></html>\n"
    )


def frame(watching: Watching) -> str:
    """Return the page as a frame for a notebook's cell: sandboxed, the width of the cell."""
    return (
        f'<iframe title="{html.escape(watching.run.name)}" srcdoc="{html.escape(page(watching))}" sandbox="" '
        'style="width: 100%; height: 80vh; min-height: 640px; border: 0; border-radius: 6px"></iframe>'
    )


@cache
def _style() -> str:
    return resources.files("watchkeeper.training.page").joinpath("style.css").read_text(encoding="utf-8")


def _head(watching: Watching) -> Iterator[str]:
    verdict = verdict_of(watching)
    yield f'<header><h1>{html.escape(watching.run.name)} <span class="verdict {verdict.split()[0]}">{verdict}</span></h1>'
    yield f'<p class="facts">{html.escape("; ".join(facts(watching)))}</p>'
    first = next(iter(watching.findings), None)
    words = "Nothing was found." if first is None else f"{first.words} {first.advice}"
    if verdict == "not enough data":
        words = f"There are too few losses to say whether it learns. {words if first is not None else ''}"
    yield f'<p class="first">{html.escape(words)}</p></header>'


def _drawings(run: Run, marks: Sequence[Mark]) -> Iterator[str]:
    steps = Axis(0.0, float(max(run.step, 1)))
    if LOSS in run.series or HELD_OUT in run.series:
        yield draw(_losses(run, steps, marks))
    yield '<div class="pair small">'
    for name in [n for n in run.series if n.startswith("validation/") and n != HELD_OUT][:_METRICS]:
        series = run.series[name]
        metric = name.removeprefix("validation/")
        yield draw(Plot(f"Held-out {metric}", [line_of(metric, "held", series.steps, series.values)], steps))
    if run.has("learning_rate"):
        series = run.series["learning_rate"]
        yield draw(Plot("Learning rate", [line_of("greatest", "rate", series.steps, series.rows.max(axis=1))], steps))
    if run.has("update") and len(run.layers) == len(run.series["update"].columns):
        yield draw(_updates(run, steps))
    yield "</div>"
    if run.has("gradient") and len(run.series["gradient"].columns) > 1:
        yield draw_heat("Norms of gradients by layer", run, run.series["gradient"], steps)


def _losses(run: Run, steps: Axis, marks: Sequence[Mark]) -> Plot:
    lines: list[Line] = []
    if LOSS in run.series:
        series = run.series[LOSS]
        lines = [line_of("loss", "raw", series.steps, series.values, band=True)]
        curve = Curve.of(run, LOSS)
        lines.append(line_of("loss, mean", "smooth", curve.steps, curve.values))
    best = None
    held = Curve.of(run, HELD_OUT)
    if len(held):
        lines.append(line_of("held-out loss", "held", held.steps, held.values))
        place = int(np.argmin(held.values))
        step, value = int(held.steps[place]), float(held.values[place])
        best = float(step), value, f"The held-out loss was best at step {step:,}: {value:.4g}."
    axis = Axis.over(np.concatenate([v for line in lines for v in (line.low, line.high)]))
    return Plot("Loss, logarithmic" if axis.logarithmic else "Loss", lines, steps, marks, axis, best=best)


def _updates(run: Run, steps: Axis) -> Plot:
    series = run.series["update"]
    chosen = [p for p, layer in enumerate(run.layers) if layer.matrix and layer.optimized] or list(
        range(len(run.layers))
    )
    rows = np.where(series.rows[:, chosen] > 0, series.rows[:, chosen], np.nan)
    kept = np.isfinite(rows).any(axis=1)
    rows, at = rows[kept], series.steps[kept].astype(float)
    line = Line(
        "median and range of layers",
        "median",
        at,
        np.nanmin(rows, axis=1),
        np.nanmedian(rows, axis=1),
        np.nanmax(rows, axis=1),
    )
    axis = Axis.over(np.concatenate([line.low, line.high, [1e-4, 1e-2]]), logarithmic=True)
    return Plot("Size of a step beside the weights", [line], steps, values=axis, usual=_USUAL)


def _findings(marks: Sequence[Mark]) -> Iterator[str]:
    if not marks:
        return
    yield '<h2>What was found</h2><table><thead><tr><th></th><th>severity</th><th>problem</th><th class="number">step</th>'
    yield "<th>what was seen, and what to do</th></tr></thead><tbody>"
    for mark in marks:
        f = mark.finding
        layer = f"<br><code>{html.escape(f.layer)}</code>" if f.layer else ""
        name = f'<a href="{html.escape(f.link)}">{f.problem.replace("_", " ")}</a>'
        yield f'<tr id="f{mark.number}"><td><span class="badge {f.severity}">{mark.number}</span></td>'
        yield f'<td class="severity {f.severity}">{f.severity}</td><td>{name}{layer}</td>'
        yield f'<td class="number" data-before="step ">{f.step:,}</td><td class="words">{html.escape(f.words)}'
        yield f'<p class="advice">{html.escape(f.advice)}</p></td></tr>'
    yield "</tbody></table>"


def _missing(watching: Watching) -> Iterator[str]:
    unchecked = missing(watching)
    if unchecked:
        yield "<h2>What could not be looked for</h2><dl>"
        for why, problems in unchecked.items():
            names = ", ".join(problem.replace("_", " ") for problem in problems)
            yield f"<dt>{html.escape(names)}</dt><dd>{html.escape(why)}</dd>"
        yield "</dl>"
