"""Incidents, verdicts and the audit log as plain values, for those who ask over HTTP, on the page or in Python."""

from __future__ import annotations

import json
import sqlite3
from typing import Any

from watchkeeper.pipeline.catalog import Catalog, Model
from watchkeeper.pipeline.incidents import is_silenced
from watchkeeper.store import rows
from watchkeeper.window import moment


def incident(connection: sqlite3.Connection, row: dict[str, Any], model: Model) -> dict[str, Any]:
    """Return an incident with its evidence, without what happened to it."""
    evidence = json.loads(row["evidence"])
    return {
        "id": row["id"], "project": model.project, "environment": model.environment, "model": model.name,
        "version": row["version"], "cause": row["cause"], "state": row["state"], "severity": row["severity"],
        "title": row["title"], "opened": _told(row["opened"]), "opened_wall": _told(row["opened_wall"]),
        "changed": _told(row["changed"]), "resolved": _told(row["resolved"]),
        "silenced": row["state"] != "resolved" and is_silenced(connection, row, set()),
        "window": [_told(at) for at in evidence.get("window", [])], "findings": evidence["findings"],
        "columns": evidence["columns"],
    }  # fmt: skip


def whole_incident(
    connection: sqlite3.Connection, row: dict[str, Any], model: Model, actions: list[dict[str, Any]]
) -> dict[str, Any]:
    """Return an incident with all that happened to it."""
    entries = rows.select_all(connection, "timeline", incident_id=row["id"], tail="ORDER BY id")
    sent = rows.select_all(connection, "outbox", incident_id=row["id"], tail="ORDER BY id")
    return incident(connection, row, model) | {
        "timeline": [
            {"at": _told(e["at"]), "wall": _told(e["wall"]), "kind": e["kind"], "actor": e["actor"], "text": e["text"],
             "data": json.loads(e["data"])}
            for e in entries
        ],
        "notifications": [
            {"channel": o["channel"], "kind": o["kind"], "state": o["state"], "attempts": o["attempts"],
             "created": _told(o["created"]), "sent": _told(o["sent"]), "error": o["error"], "key": o["key"]}
            for o in sent
        ],
        "actions": actions,
    }  # fmt: skip


def verdict(row: dict[str, Any]) -> dict[str, Any]:
    """Return what one monitor said of one window."""
    return {
        "start": _told(row["start"]), "monitor": row["monitor"], "verdict": row["name"], "checks": row["checks"],
        "findings": json.loads(row["findings"]), "known_at": _told(row["known_at"]),
    }  # fmt: skip


def audit(row: dict[str, Any]) -> dict[str, Any]:
    """Return a record of the audit log."""
    names = ("seq", "actor", "what", "target")
    return {name: row[name] for name in names} | {"at": _told(row["at"]), "detail": json.loads(row["detail"])}


def model_of(catalog: Catalog, number: int) -> Model | None:
    """Return the model that has a number in the store."""
    return next((model for model in list(catalog.models.values()) if model.id == number), None)


def _told(at: int | None) -> str | None:
    return None if at is None else moment(at).isoformat()
