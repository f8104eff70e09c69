"""What happened to an incident, in order: opened, evidence, notified, acknowledged, an action's steps, resolved."""

from __future__ import annotations

import json
import sqlite3
from typing import Any

from watchkeeper.pipeline.apply import now
from watchkeeper.store import rows


def note(
    connection: sqlite3.Connection, incident: int | None, kind: str, text: str, *, at: int | None = None,
    actor: str = "server", data: dict[str, Any] | None = None,
) -> None:  # fmt: skip
    """Append an entry, in the transaction of what it tells of; nothing where there is no incident.

    Parameters
    ----------
    kind
        ``opened``, ``evidence``, ``escalated``, ``silenced``, ``notified``, ``failed`` (a notification that never went),
        ``acknowledged``, ``action``, ``promoted``, ``kept``, ``quiet``, ``resolved``.
    text
        One sentence for a person.
    at
        When it happened by the model's clock, in microseconds; by the wall's where it is None.
    """
    if incident is None:
        return
    wall = now()
    rows.insert(
        connection, "timeline", incident_id=incident, at=wall if at is None else at, wall=wall, kind=kind, actor=actor,
        text=text, data=json.dumps(data or {}, default=str),
    )  # fmt: skip
