"""Incidents: the list, and one of them with the series that raised it, so that the evidence can be seen."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from watchkeeper.detection.watched import METRICS
from watchkeeper.errors import UnknownModel
from watchkeeper.pipeline.catalog import Version
from watchkeeper.pipeline.overview import Asked, Span
from watchkeeper.pipeline.values import Target
from watchkeeper.server.problems import Problem
from watchkeeper.server.views.asking import Page
from watchkeeper.server.views.lines import metric_lines, readable, windows
from watchkeeper.window import DAY, microseconds

_MOST_CHARTS = 3
_SHOWN = 60
_AFTER = 14 * DAY
_MOST = 300


def incidents(page: Page) -> dict[str, Any]:
    """Return the incidents of the project, the latest first, without what only their own page shows."""
    asking = page.asking
    environment = asking.environment if asking.model else None
    found = page.pipeline.incidents(
        page.key.project, model=asking.model, environment=environment, state=asking.state, limit=_MOST
    )
    left_out = {"timeline", "findings", "columns", "notifications", "actions"}
    told = [{name: value for name, value in one.items() if name not in left_out} for one in found]
    return page.head("incidents") | {"incidents": told, "models": _names(page)}


def incident(page: Page) -> dict[str, Any]:
    """Return one incident, with charts of what raised it."""
    if page.asking.id is None:
        raise Problem(422, "This page is of one incident: name it, as in ?id=17.")
    found = page.pipeline.incident(page.key.project, page.asking.id)
    told = found | {"columns": [_explained(one) for one in found["columns"]]}
    return page.head("incident") | {"incident": told, **_charts(page, found)}


def _explained(column: dict[str, Any]) -> dict[str, Any]:
    """Return a column that moved with its distances in the measure of its words, not in multiples of the metric's floor."""
    known = METRICS.get(column.get("metric") or "")
    floor = (known.floor if known is not None else None) or 1.0

    def measured(name: str) -> float | None:
        value = column.get(name)
        return None if value is None else float(f"{value * floor:.6g}")

    about = {"unit": known.unit if known is not None else None, "title": known.title if known is not None else None}
    return column | about | {"now": measured("effect"), "earlier": measured("before"), "further": measured("jump")}


def _names(page: Page) -> list[dict[str, str | None]]:
    catalog = page.pipeline.catalog
    return [
        {"model": m.name, "environment": m.environment, "zone": _zone(catalog.versions_of(m))}
        for m in catalog.models_of(page.key.project)
    ]


def _zone(versions: Sequence[Version]) -> str | None:
    """Return the zone of a model's newest schema."""
    schema = next((v.schema for v in reversed(versions) if v.schema is not None), None)
    return schema.zone if schema is not None else None


def _charts(page: Page, incident: dict[str, Any]) -> dict[str, Any]:
    """Return the series of the worst findings, over the windows before and after the incident."""
    target = Target(page.key.project, incident["model"], incident["environment"], incident["version"] or "")
    try:
        catalog = page.pipeline.catalog
        model = catalog.model(target)
        versions = catalog.versions_of(model)
    except UnknownModel:
        return {"zone": None, "windows": windows([], {}), "charts": []}
    ended = incident["resolved"]
    before = microseconds(datetime.fromisoformat(ended)) + _AFTER if ended else 2**62
    spans = page.overview.spans(versions, "serving", "day", _SHOWN, before, first=incident["version"])
    return {
        "zone": _zone(versions),
        "windows": windows(spans, {v.id: v.name for v in versions}),
        "charts": _lines(page, versions, incident, spans),
    }  # fmt: skip


def _lines(
    page: Page, versions: Sequence[Version], incident: dict[str, Any], spans: Sequence[Span]
) -> list[dict[str, Any]]:
    about = next((v.id for v in versions if v.name == incident["version"]), None)
    made: list[dict[str, Any]] = []
    seen = set()
    for finding in incident["findings"]:
        key = (finding["metric"], finding["column"], finding["segment"])
        if key in seen or len(made) == _MOST_CHARTS:
            continue
        seen.add(key)
        asked = Asked("serving", "day", (key[0],), key[1], key[2])
        lines = metric_lines(page.overview.series(versions, asked, spans), spans, about)
        made += [readable(line) | {"column": key[1], "segment": key[2]} for line in lines]
    return made
