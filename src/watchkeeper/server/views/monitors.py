"""A model's monitors: the rules as text, as they were last applied."""

from __future__ import annotations

from typing import Any

from watchkeeper.server.views.asking import Page


def monitors(page: Page) -> dict[str, Any]:
    """Return the monitors of a model, or none where nobody applied any."""
    found, versions = page.model()
    schema = next((v.schema for v in reversed(versions) if v.schema is not None), None)
    return page.head("monitors") | {
        "model": found.name, "environment": found.environment, "zone": schema.zone if schema is not None else None,
        "monitors": page.pipeline.monitors(page.target),
    }  # fmt: skip
