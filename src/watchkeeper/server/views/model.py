"""One model: how well it does over time, how its columns move, how its service runs, and what happened when."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from watchkeeper.detection.importance import importance_shares
from watchkeeper.metrics.names import DRIFT, MAIN_METRIC, QUALITY, SEGMENT_METRICS
from watchkeeper.pipeline.catalog import Version
from watchkeeper.pipeline.overview import Asked, Series, Span
from watchkeeper.pipeline.serving import History
from watchkeeper.server.views.asking import Page
from watchkeeper.server.views.fleet import incident_words, status_of
from watchkeeper.server.views.lines import (
    PERFORMANCE,
    SERVICE,
    column,
    line,
    metric_lines,
    readable,
    references,
    windows,
    words_of,
)

_MOST_SEGMENTS = 60
_MOST_COLUMNS = 400
_LATE = 7
_DISTANCES = ("wasserstein", "jensen_shannon")
_QUALITY = tuple(QUALITY)


def model(page: Page) -> dict[str, Any]:
    """Return performance and service over time, with versions, segments and marks to choose from."""
    asking, overview = page.asking, page.overview
    found, versions = page.model()
    all_versions = page.pipeline.catalog.versions_of(found)
    spans = overview.spans(versions, asking.stage, asking.every)
    asked = Asked(asking.stage, asking.every, (*PERFORMANCE, *SERVICE), segment=asking.segment)
    series = overview.series(versions, asked, spans)
    schema = next((v.schema for v in reversed(all_versions) if v.schema is not None), None)
    task = schema.task if schema is not None else None
    incidents = overview.incidents([found], resolved=True).get(found.id, [])
    open_ = [row for row in incidents if row["state"] != "resolved"]
    status, said = status_of(page, found, all_versions, spans, open_)
    main, by_segment = MAIN_METRIC.get(task or ""), SEGMENT_METRICS.get(task or "", ())
    service = metric_lines((s for s in series if s.metric in SERVICE), spans)
    return page.head("model") | {
        "model": found.name, "environment": found.environment, "clock": found.clock, "serving": found.serving,
        "zone": schema.zone if schema is not None else None, "task": task, "every": asking.every,
        "offered": overview.lengths(all_versions), "main_metric": main, "segment_metrics": by_segment,
        "status": status, "words": said, "open": [incident_words(row) for row in open_],
        "versions": [v.name for v in all_versions], "segments": overview.segments(versions, asking.stage, asking.every),
        "windows": windows(spans, {v.id: v.name for v in versions}),
        "performance": metric_lines((s for s in series if s.metric in PERFORMANCE), spans),
        "compared": _compared(page, spans), "service": [readable(one) for one in service],
        "marks": sorted(
            [*_incident_marks(incidents, spans), *_version_marks(overview.history(found), spans, versions)],
            key=lambda mark: mark["at"],
        ),
        "counters": overview.counters([found])[found.id],
    }  # fmt: skip


def _compared(page: Page, spans: Sequence[Span]) -> dict[str, Any] | None:
    """Return another version's performance over the same windows."""
    asking = page.asking
    if asking.compare is None:
        return None
    target = page.target
    other = page.pipeline.catalog.version(
        type(target)(target.project, target.model, target.environment, asking.compare)
    )
    starts = {span.start for span in spans}
    for stage in ("serving", "shadow", "canary"):
        own = [s for s in page.overview.spans([other], stage, asking.every) if s.start in starts]
        if own:
            asked = Asked(stage, asking.every, tuple(PERFORMANCE), segment=asking.segment)
            series = page.overview.series([other], asked, own)
            return {
                "version": other.name, "stage": stage, "windows": windows(own, {other.id: other.name}),
                "performance": metric_lines(series, own),
            }  # fmt: skip
    return {"version": other.name, "stage": None, "windows": windows([], {}), "performance": []}


def _incident_marks(incidents: list[dict[str, Any]], spans: Sequence[Span]) -> list[dict[str, Any]]:
    return [
        {"at": row["opened"] // 1_000_000, "kind": "incident", "text": row["title"], "severity": row["severity"],
         "id": row["id"], "until": row["resolved"] // 1_000_000 if row["resolved"] is not None else None}
        for row in incidents
        if spans and row["opened"] is not None and row["opened"] >= spans[0].start
    ]  # fmt: skip


def _version_marks(history: History, spans: Sequence[Span], versions: Sequence[Version]) -> list[dict[str, Any]]:
    """Return where another version was set to serve, and where rows are another's though it was not."""
    names = {v.id: v.name for v in versions}
    begins = spans[0].start if spans else 2**62
    told = [(at, f"version {name} took over") for at, name in history.changes[1:] if at >= begins]
    for before, after in pairwise(spans):
        name = names[after.version]
        set_then = any(n == name and before.start <= at < after.stop for at, n in history.changes[1:])
        if before.version != after.version and not set_then:
            more = "" if after.served else ", which was not set to serve"
            told.append((after.start, f"rows of version {name} from here on{more}"))
    return [
        {"at": at // 1_000_000, "kind": "version", "text": text, "severity": None, "id": None, "until": None}
        for at, text in told
    ]


def drift(page: Page) -> dict[str, Any]:
    """Return how far each column moved in each window, in floors, the strongest of late first.

    Where the reference says what the model makes of columns, a change counts by the column's part, as in a report.
    """
    series, spans, versions = _of_columns(page, _DISTANCES)
    schema = next((v.schema for v in reversed(versions) if v.schema is not None), None)
    shares = importance_shares(schema) if schema is not None else {}
    rows = [_moved(name, found, spans) | {"importance": shares.get(name)} for name, found in series.items()]
    weight = {name: shares.get(name, 1 / len(shares)) * len(shares) if shares else 1.0 for name in series}
    rows.sort(key=lambda row: (-row["late"] * weight[row["column"]], row["column"]))
    names = {v.id: v.name for v in versions}
    return page.head("drift") | {"windows": windows(spans, names), "columns": rows[:_MOST_COLUMNS], "all": len(rows)}


def _moved(name: str, series: list[Series], spans: Sequence[Span]) -> dict[str, Any]:
    metric = next((m for m in _DISTANCES if any(s.metric == m for s in series)), _DISTANCES[0])
    chosen = [s for s in series if s.metric == metric]
    floor = DRIFT[metric].floor or 1.0
    value, effect = column(chosen, spans, "value"), column(chosen, spans, "effect")
    strength = [_floors(e if e is not None else v, floor) for e, v in zip(effect, value, strict=True)]
    late = [s for s in strength[-_LATE:] if s is not None]
    shown = [None if v is None else round(v, 4) for v in value]
    return {
        "column": name, "metric": metric, "title": DRIFT[metric].title, "value": shown, "strength": strength,
        "late": max(late, default=-1.0),
    }  # fmt: skip


def _floors(effect: float | None, floor: float) -> float | None:
    return None if effect is None else round(max(effect, 0.0) / floor, 3)


def quality(page: Page) -> dict[str, Any]:
    """Return each column's quality in each window; only what was ever other than perfect, the worst of late first."""
    series, spans, versions = _of_columns(page, _QUALITY[:-2])
    rows = []
    for name, found in series.items():
        for metric in sorted({s.metric for s in found}):
            chosen = [s for s in found if s.metric == metric]
            value = column(chosen, spans, "value")
            if any(value):
                late = [v for v in value[-_LATE:] if v is not None]
                about = words_of(metric, None) | {"column": name} | references(chosen, spans)
                rows.append(about | {"value": value, "n": column(chosen, spans, "n"), "late": max(late, default=0.0)})
    rows.sort(key=lambda row: (-(row["late"] - (row["reference"] or 0.0)), row["column"]))
    names = {v.id: v.name for v in versions}
    return page.head("quality") | {"windows": windows(spans, names), "rows": rows[:_MOST_COLUMNS], "all": len(rows)}


def _of_columns(page: Page, metrics: tuple[str, ...]) -> tuple[dict[str, list[Series]], list[Span], list[Version]]:
    asking, overview = page.asking, page.overview
    _, versions = page.model()
    spans = overview.spans(versions, asking.stage, asking.every)
    asked = Asked(asking.stage, asking.every, metrics, column="*")
    found: dict[str, list[Series]] = {}
    for series in overview.series(versions, asked, spans):
        if series.column is not None:
            found.setdefault(series.column, []).append(series)
    return found, spans, versions


def segments(page: Page) -> dict[str, Any]:
    """Return one metric in each segment over time."""
    asking, overview = page.asking, page.overview
    found, versions = page.model()
    schema = next((v.schema for v in reversed(versions) if v.schema is not None), None)
    offered = SEGMENT_METRICS.get(schema.task or "" if schema is not None else "", ("roc_auc",))
    spans = overview.spans(versions, asking.stage, asking.every)
    asked = (asking.metric,) if asking.metric in offered else offered
    told = ((name, _by_segment(page, name, versions, spans)) for name in asked)
    metric, by_segment = next(
        (pair for pair in told if pair[1]), (asked[0], {})
    )  # the first of which anything is known
    rows = [_segment(name, series, spans) for name, series in sorted(by_segment.items())]
    rows.sort(key=lambda row: -row["largest"])
    return page.head("segments") | {
        "model": found.name, "windows": windows(spans, {v.id: v.name for v in versions}), **words_of(metric, None),
        "offered": [words_of(name, None) for name in offered], "all": len(rows), "segments": rows[:_MOST_SEGMENTS],
    }  # fmt: skip


def _by_segment(page: Page, metric: str, versions: list[Version], spans: list[Span]) -> dict[str, list[Series]]:
    asked = Asked(page.asking.stage, page.asking.every, (metric,), segment="*")
    found: dict[str, list[Series]] = {}
    for series in page.overview.series(versions, asked, spans):
        if series.segment is not None:
            found.setdefault(series.segment, []).append(series)
    return found


def _segment(name: str, series: list[Series], spans: Sequence[Span]) -> dict[str, Any]:
    realised = [s for s in series if s.source == "realised"]
    estimated = [s for s in series if s.source == "estimated"]
    counted = [n for n in column(realised or estimated, spans, "n") if n is not None]
    return {
        "segment": name, **references(realised or estimated, spans), "largest": max(counted, default=0),
        "realised": line(realised, spans), "estimated": line(estimated, spans),
    }  # fmt: skip
