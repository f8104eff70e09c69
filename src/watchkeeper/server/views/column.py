"""One column: how it is distributed beside the reference, how that went over time, and where it moved."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from watchkeeper.errors import UnknownColumn, UnknownModel
from watchkeeper.metrics.names import DRIFT, QUALITY
from watchkeeper.pipeline.catalog import Version
from watchkeeper.pipeline.overview import Asked, Series, Span
from watchkeeper.pipeline.values import Target
from watchkeeper.profiles.column import CategoricalColumn, Column, NumericColumn
from watchkeeper.server.problems import Problem
from watchkeeper.server.views.asking import Page
from watchkeeper.server.views.lines import metric_lines, windows
from watchkeeper.window import moment

_BINS = 24
_CATEGORIES = 16
_PATIENCE = 0.15
"""Seconds that one answer may read profiles."""


def column(page: Page) -> dict[str, Any]:
    """Return drift and quality of a column over time, and its distribution in the windows that are meant."""
    asking, overview = page.asking, page.overview
    name = _name(page)
    found, versions = page.model()
    spans = overview.spans(versions, asking.stage, asking.every)
    series = overview.series(versions, Asked(asking.stage, asking.every, column=name, segment="*"), spans)
    whole = [s for s in series if s.segment is None]
    version = _version(versions, spans)
    schema = version.schema if version is not None else None
    if not whole and (schema is None or name not in schema.kinds):
        raise Problem(404, str(UnknownColumn(name, list(schema.kinds) if schema is not None else [], "The model")))
    return page.head("column") | {
        "model": found.name, "environment": found.environment, "column": name, "every": asking.every,
        "offered": overview.lengths(versions),
        "zone": schema.zone if schema is not None else None, "versions": [v.name for v in versions],
        "kind": schema.kinds.get(name) if schema is not None else None,
        "windows": windows(spans, {v.id: v.name for v in versions}),
        "drift": metric_lines((s for s in whole if s.metric in DRIFT), spans),
        "quality": metric_lines((s for s in whole if s.metric in QUALITY), spans),
        "segments": _by_segment(series, spans), **_distribution(page, version, spans, name),
    }  # fmt: skip


def _name(page: Page) -> str:
    if page.asking.column is None:
        raise Problem(422, "This page is of one column: name it, as in &column=age.")
    return page.asking.column


def _version(versions: Sequence[Version], spans: Sequence[Span]) -> Version | None:
    """Return the version whose rows were the most in the last window."""
    last = spans[-1].version if spans else None
    return next((v for v in versions if v.id == last), versions[-1] if versions else None)


def _by_segment(series: Sequence[Series], spans: Sequence[Span]) -> list[dict[str, Any]]:
    found: dict[str, list[Series]] = {}
    for one in series:
        if one.segment is not None and one.metric in {"wasserstein", "jensen_shannon"}:
            found.setdefault(one.segment, []).append(one)
    return [{"segment": name} | metric_lines(some, spans)[0] for name, some in sorted(found.items())]


def _distribution(page: Page, version: Version | None, spans: Sequence[Span], name: str) -> dict[str, Any]:
    """Return the bars of the interval that was asked for, or of the last window."""
    nothing = {"distribution": None, "has_reference": False, "rows": 0, "span": None}
    if version is None or not spans:
        return nothing
    first = page.asking.start or moment(spans[-1].start)
    last = page.asking.end or moment(spans[-1].stop)
    target = Target(page.key.project, version.model.name, version.model.environment, version.name, page.asking.stage)
    try:
        told = page.pipeline.distribution(target, name, first, last)
    except (UnknownModel, UnknownColumn):
        return nothing
    span = {"start": first.isoformat(), "end": last.isoformat()}
    return {n: told[n] for n in ("distribution", "has_reference", "rows")} | {"span": span}


def distributions(page: Page) -> dict[str, Any]:
    """Return the shares of each window over the same bins, for a heat map."""
    asking, overview = page.asking, page.overview
    name = _name(page)
    _, versions = page.model()
    spans = overview.spans(versions, asking.stage, asking.every)
    by_id = {v.id: v for v in versions}
    columns, whole = _states(page, name, [(by_id[span.version], span) for span in spans])
    version = _version(versions, spans)
    before = version.reference.columns.get(name) if version is not None and version.reference is not None else None
    return page.head("distributions") | {
        "column": name, "windows": windows(spans, {v.id: v.name for v in versions}), "whole": whole,
        **_heat([c for c in columns if c is not None], before, columns),
    }  # fmt: skip


def _states(page: Page, name: str, wanted: Sequence[tuple[Version, Span]]) -> tuple[list[Column | None], bool]:
    """Return a column's state in each window, and whether that are all: from the last back, as far as the time allows.

    What was read stays at hand, so that whoever asks again is told more.
    """
    end = time.monotonic() + _PATIENCE
    found: list[Column | None] = [None] * len(wanted)
    for place in reversed(range(len(wanted))):
        version, span = wanted[place]
        found[place] = page.overview.column_in(version, page.asking.stage, span, name)
        if time.monotonic() > end and place:
            return found, False
    return found, True


def _heat(known: list[Column], before: Column | None, columns: Sequence[Column | None]) -> dict[str, Any]:
    """Return bins and the share of each window in them: tenths of the reference's range, or the most frequent values."""
    every = [*([before] if before is not None else []), *known]
    if not every:
        return {"bins": [], "edges": None, "reference": None, "shares": []}
    if isinstance(every[0], CategoricalColumn):
        return _of_categories([c for c in every if isinstance(c, CategoricalColumn)], before, columns)
    if isinstance(every[0], NumericColumn):
        return _of_numbers([c for c in every if isinstance(c, NumericColumn)], before, columns)
    return {"bins": [], "edges": None, "reference": None, "shares": []}


def _of_categories(
    every: list[CategoricalColumn], before: Column | None, columns: Sequence[Column | None]
) -> dict[str, Any]:
    totals: dict[str, float] = {}
    for one in every:
        for value, count in one.categories.top(_CATEGORIES):
            totals[value] = totals.get(value, 0.0) + count / max(one.categories.count, 1)
    bins = sorted(totals, key=lambda value: (-totals[value], value))[:_CATEGORIES]

    def shares(one: Column | None) -> list[float] | None:
        if not isinstance(one, CategoricalColumn) or one.categories.count == 0:
            return None
        return [round(one.categories.estimate(value) / one.categories.count, 5) for value in bins]

    return {"bins": bins, "edges": None, "reference": shares(before), "shares": [shares(c) for c in columns]}


def _of_numbers(every: list[NumericColumn], before: Column | None, columns: Sequence[Column | None]) -> dict[str, Any]:
    ends = [c.histogram.quantiles(np.array([0.01, 0.99])) for c in every if c.histogram.count]
    if not ends:
        return {"bins": [], "edges": None, "reference": None, "shares": []}
    low, high = float(min(e[0] for e in ends)), float(max(e[1] for e in ends))
    if not high > low:
        low, high = low - 0.5, high + 0.5
    edges = np.linspace(low, high, _BINS + 1)

    def shares(one: Column | None) -> list[float] | None:
        if not isinstance(one, NumericColumn) or one.histogram.count == 0:
            return None
        values = one.histogram.values()
        counts, _ = np.histogram(np.clip(values, low, high), bins=edges, weights=one.histogram.counts)
        return [round(float(c) / one.histogram.count, 5) for c in counts]

    return {
        "bins": [float(f"{e:.5g}") for e in edges[:-1]], "edges": [float(f"{e:.5g}") for e in edges],
        "reference": shares(before), "shares": [shares(c) for c in columns],
    }  # fmt: skip
