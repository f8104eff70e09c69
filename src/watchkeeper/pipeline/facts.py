"""What somebody told of a version when it was registered: the metrics of its training, and the like."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from typing import Any

from watchkeeper.store import rows

Facts = Mapping[str, bool | int | float | str | None]


def _name(version: int) -> str:
    return f"facts:{version}"


def keep_facts(connection: sqlite3.Connection, version: int, facts: Facts) -> None:
    """Keep facts of a version, beside those that are known; one of the same name takes its place."""
    known = facts_of(connection, version) | dict(facts)
    rows.insert(connection, "setting", replace=True, name=_name(version), value=json.dumps(known))


def facts_of(connection: sqlite3.Connection, version: int) -> dict[str, Any]:
    """Return the facts of a version."""
    found = rows.select_one(connection, "setting", name=_name(version))
    return dict(json.loads(found["value"])) if found else {}
