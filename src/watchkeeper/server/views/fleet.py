"""The fleet: is anything wrong, anywhere? Every model with its main metric, its traffic and its open incidents."""

from __future__ import annotations

import json
from typing import Any

from watchkeeper.metrics.names import MAIN_METRIC
from watchkeeper.pipeline.catalog import Model, Version
from watchkeeper.pipeline.overview import Asked, Overview, Span
from watchkeeper.pipeline.values import Target
from watchkeeper.server.views.asking import Page
from watchkeeper.server.views.lines import line, references, words_of
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
    status, said = status_of(page, model, versions, spans, open_)
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
        own = [s for s in series if s.source == source]
        found = line(own, spans)
        if found is not None:
            return words_of(name or "", None) | references(own, spans) | {"source": source, "line": found}
    nothing = {"reference": None, "references": None, "source": None, "line": None}
    return words_of(name or "", None) | {"metric": name} | nothing


def incident_words(row: dict[str, Any]) -> dict[str, Any]:
    """Return what a list says of an incident."""
    opened = moment(row["opened"]).isoformat() if row["opened"] is not None else None
    return {n: row[n] for n in ("id", "severity", "state", "title", "cause")} | {"opened": opened}


def status_of(
    page: Page, model: Model, versions: list[Version], spans: list[Span], open_: list[dict[str, Any]]
) -> tuple[str, str]:
    """Return how a model is, and why: its worst open incident, else what the monitors that open incidents said last."""
    if open_:
        worst = max(open_, key=lambda row: _RANK.get(row["severity"], 0))
        return worst["severity"], worst["title"]
    opening = page.opening(model)
    said = [row for row in page.overview.verdicts(versions, spans) if not opening or row["monitor"] in opening]
    if not said:
        return "not enough data", _unjudged(page, model) if spans else "No rows yet"
    worst = max(said, key=lambda row: _RANK.get(row["name"], 0))
    if worst["name"] == "not enough data":
        return worst["name"], _reason(worst)
    return worst["name"], "Nothing found" if worst[
        "name"
    ] == "ok" else f"{worst['monitor']} raised it; no incident is open"


def _unjudged(page: Page, model: Model) -> str:
    """Say why nothing was judged of a model that has rows."""
    if page.pipeline.monitors(Target(model.project, model.name, model.environment)) is None:
        return "No monitors are applied, and without a reference or labels none can be suggested"
    return "No window was judged yet: each is when it is sealed, once its labels had time to come"


def _reason(verdict: dict[str, Any]) -> str:
    """Return a monitor's own words for what it lacks; those of its first check that lacks something."""
    found = [f for f in json.loads(verdict["findings"] or "[]") if f.get("verdict") == "not enough data"]
    words = next((str(f["words"]) for f in found if f.get("words")), "it had too little to judge")
    return words if words.lower().startswith(verdict["monitor"].lower()) else f"{verdict['monitor']}: {words}"
