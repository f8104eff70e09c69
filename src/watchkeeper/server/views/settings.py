"""Who may do what: keys, channels, silences, actions that wait, and what was done by whom."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from watchkeeper.pipeline.keys import Key
from watchkeeper.server.views.asking import Page

_MOST = 200


def settings(page: Page) -> dict[str, Any]:
    """Return what may be set; keys only to those who may make them."""
    pipeline, project = page.pipeline, page.key.project
    admin = page.key.role == "admin"
    models = pipeline.catalog.models_of(project)
    return page.head("settings") | {
        "keys": [_shown(key) for key in pipeline.keys.list(project)] if admin else None,
        "channels": pipeline.channels(project), "operator_problem": pipeline.operator_problem(),
        "silences": pipeline.silences(project),
        "actions": pipeline.actions(project), "halted": pipeline.acting.halted(), "audit": pipeline.audit(project, limit=_MOST),
        "models": [{"model": m.name, "environment": m.environment} for m in models],
    }  # fmt: skip


def _shown(key: Key) -> dict[str, Any]:
    return {field.name: getattr(key, field.name) for field in fields(key)}
