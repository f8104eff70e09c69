"""What monitors would have said of the stored history, by what was known at each seal and never by what came later."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Mapping
from typing import Any

from watchkeeper.detection.series import Finding
from watchkeeper.detection.watched import Cause
from watchkeeper.pipeline.catalog import Catalog, Model, Version
from watchkeeper.pipeline.detecting import Findings, Sealed, Series, numbers_at_seal
from watchkeeper.pipeline.measure import NUMBERS
from watchkeeper.pipeline.rules import InForce, Rules
from watchkeeper.pipeline.values import Place
from watchkeeper.response.incidents import Standing, identity, react
from watchkeeper.response.monitors import Monitors
from watchkeeper.window import DAY, moment

_WEEK = 7 * DAY


def replay(
    connection: sqlite3.Connection, catalog: Catalog, model: Model, monitors: Monitors, rules: Rules
) -> dict[str, Any]:
    """Return the incidents that monitors would have opened over all sealed windows of a model.

    Costs one evaluation a window; rows are not read.
    """
    detecting = Findings()
    standing: dict[Cause, tuple[Standing, dict[str, Any]]] = {}
    incidents: list[dict[str, Any]] = []
    counts: Counter[str] = Counter()
    days = []
    windows = _windows(connection, catalog, model, monitors.every)
    share = rules.share(connection, model, monitors)
    force = InForce(monitors, "", 0, "replay", None, share)
    for version, window in windows:
        numbers = numbers_at_seal(connection, window)
        sealed = Sealed(version, window, _rows(numbers), numbers)
        findings = detecting.of(connection, force, sealed)
        counts.update(f.monitor for f in findings if f.alarming)
        _advance(standing, incidents, findings, force, window)
        opened = any(i["window"] == _told(window.start) for i in incidents)
        worst = sum(f.alarming for f in findings)
        days.append({"start": _told(window.start), "incident": opened, "findings": worst, "open": bool(standing)})
    span = (windows[-1][1].stop - windows[0][1].start) / _WEEK if windows else 0.0
    return {
        "model": model.name, "windows": len(windows), "incidents": incidents,
        "per_week": len(incidents) / span if span else 0.0, "findings_by_monitor": dict(counts), "days": days,
    }  # fmt: skip


def _windows(connection: sqlite3.Connection, catalog: Catalog, model: Model, every: str) -> list[tuple[Version, Place]]:
    versions = {v.id: v for v in catalog.versions_of(model)}
    marks = ", ".join("?" * len(versions))
    query = (
        f"SELECT version_id, stage, every, start, stop FROM measured WHERE version_id IN ({marks}) "
        "AND stage = 'serving' AND every = ? AND sealed_at IS NOT NULL ORDER BY stop, version_id"
    )
    found = connection.execute(query, [*versions, every]).fetchall()
    return [(versions[row[0]], Place(*row)) for row in found]


def _rows(numbers: Mapping[Series, tuple[float | int | None, ...]]) -> int:
    """Return how many rows a window had at its seal: those that its traffic was measured by."""
    found = numbers.get((None, None, "throughput", "{}", "realised"))
    return int(found[NUMBERS.index("n")] or 0) if found is not None else 0


def _advance(
    standing: dict[Cause, tuple[Standing, dict[str, Any]]], incidents: list[dict[str, Any]], findings: list[Finding],
    force: InForce, window: Place,
) -> None:  # fmt: skip
    for step in react({cause: held for cause, (held, _) in standing.items()}, findings, force.opening):
        if step.kind == "resolve":
            standing.pop(step.cause)[1]["resolved"] = _told(window.stop)
        elif step.kind == "open":
            made = {
                "cause": step.cause, "severity": step.severity, "window": _told(window.start), "opened": _told(window.stop),
                "title": step.alarms[0].words, "resolved": None,
                "words": step.alarms[0].words,
            }  # fmt: skip
            incidents.append(made)
            standing[step.cause] = Standing(step.severity, frozenset(map(identity, step.alarms)), 0), made
        else:
            held, made = standing[step.cause]
            quiet = held.quiet + 1 if step.kind == "quiet" else 0 if step.alarms else held.quiet
            made["severity"] = step.severity
            standing[step.cause] = Standing(step.severity, held.seen | set(map(identity, step.alarms)), quiet), made


def _told(at: int) -> str:
    return moment(at).isoformat()
