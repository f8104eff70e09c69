"""The fleet: is anything wrong, anywhere? Every model with its main metric, its traffic and its open incidents."""

from __future__ import annotations

from typing import Any

from watchkeeper.metrics.names import MAIN_METRIC
from watchkeeper.pipeline.catalog import Model, Version
from watchkeeper.pipeline.overview import Asked, Overview, Span
from watchkeeper.server.views.asking import Page
from watchkeeper.server.views.lines import line, words_of
from watchkeeper.window import moment

_DAYS = 30
_RANK = {"ok": 0, "not enough data": 1, "warning": 2, "critical": 3}


def fleet(page: Page) -> dict[str, Any]:
    """Return every model of the project."""
    catalog, overview = page.pipeline.catalog, page.overview
    models = catalog.models_of(page.key.project)
    open_, counters = overview.incidents(models), overview.counters(models)
    told = [_model(page, m, catalog.versions_of(m), open_.get(m.id, []), counters[m.id]) for m in models]
    problem = page.pipeline.operator_problem()
    return page.head("fleet") | {"days": _DAYS, "operator_problem": problem, "models": told}


def _model(
    page: Page, model: Model, versions: list[Version], open_: list[dict[str, Any]], counters: dict[str, int]
) -> dict[str, Any]:
    overview = page.overview
    spans = overview.spans(versions, "serving", "day", _DAYS)
    status, said = status_of(overview, versions, spans, open_, page.opening(model))
    rows, labelled = sum(s.rows for s in spans), sum(s.labelled for s in spans)
    schema = next((v.schema for v in reversed(versions) if v.schema is not None), None)
    return {
        "model": model.name, "environment": model.environment, "serving": model.serving, "versions": len(versions),
        "clock": model.clock, "zone": schema.zone if schema is not None else None, "status": status, "words": said,
        "start": [s.start // 1_000_000 for s in spans], "end": [s.stop // 1_000_000 for s in spans],
        "rows": [s.rows for s in spans], "coverage": labelled / rows if rows else None,
        "last": moment(spans[-1].stop).isoformat() if spans else None,
        "open": [incident_words(row) for row in open_], "counters": counters,
        **main_line(overview, versions, spans, schema.task if schema is not None else None),
    }  # fmt: skip


def main_line(overview: Overview, versions: list[Version], spans: list[Span], task: str | None) -> dict[str, Any]:
    """Return a model's main metric over its windows: realised, or estimated while no label has come."""
    name = MAIN_METRIC.get(task or "")
    series = overview.series(versions, Asked(metrics=(name,)), spans) if name else []
    for source in ("realised", "estimated"):
        found = line([s for s in series if s.source == source], spans)
        if found is not None:
            reference = [p[5] for s in series for p in s.points.values() if p[5] is not None]
            known = words_of(name or "", None) | {"reference": reference[-1] if reference else None}
            return known | {"source": source, "line": found}
    return words_of(name or "", None) | {"metric": name, "reference": None, "source": None, "line": None}


def incident_words(row: dict[str, Any]) -> dict[str, Any]:
    """Return what a list says of an incident."""
    opened = moment(row["opened"]).isoformat() if row["opened"] is not None else None
    return {n: row[n] for n in ("id", "severity", "state", "title", "cause")} | {"opened": opened}


def status_of(
    overview: Overview, versions: list[Version], spans: list[Span], open_: list[dict[str, Any]], opening: frozenset[str]
) -> tuple[str, str]:
    """Return how a model is, and why: its worst open incident, else what the monitors that open incidents said last."""
    if open_:
        worst = max(open_, key=lambda row: _RANK.get(row["severity"], 0))
        return worst["severity"], worst["title"]
    said = [row for row in overview.verdicts(versions, spans) if not opening or row["monitor"] in opening]
    if said:
        worst = max(said, key=lambda row: _RANK.get(row["name"], 0))
        words = {"ok": "Nothing found", "not enough data": "Too few rows to judge"}
        return worst["name"], words.get(worst["name"], f"{worst['monitor']} raised it; no incident is open")
    return "not enough data", "No window was judged yet" if spans else "No rows yet"
