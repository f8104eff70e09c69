"""Actions as rows: read for people, and moved from state to state, each move with its audit record and line in the timeline."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass
from typing import Any, cast

from watchkeeper.errors import Conflict, UnknownModel
from watchkeeper.pipeline import audit, timeline
from watchkeeper.pipeline.apply import now
from watchkeeper.response.action import LIVE, State, may_follow
from watchkeeper.store import rows
from watchkeeper.window import DAY, moment

HALTED = "halted"
"""The setting that stops all actions: who said so, and when."""
ASKED_FOR = 3 * DAY
"""So long a person may take to answer, by the wall's clock."""
_ENDED: tuple[State, ...] = ("promoted", "kept", "done", "failed", "unknown", "stopped")
_KIND = {"promoted": "promoted", "kept": "kept"}


@dataclass(frozen=True, slots=True)
class Move:
    """A step of an action.

    Attributes
    ----------
    text
        What the timeline says of it.
    result
        What is added to the action's result.
    """

    state: State
    text: str
    actor: str = "server"
    result: dict[str, Any] | None = None
    log: str | None = None


def move(connection: sqlite3.Connection, number: str, expected: State, step: Move) -> bool:
    """Take a step, unless the action is no longer in the state from which it was decided on; returns whether it was taken.

    A run has one record ``action.start`` and one ``action.end`` in the audit, whatever happens to it.
    """
    row = rows.select_one(connection, "action", id=number)
    if row is None or row["state"] != expected or not may_follow(expected, step.state):
        return False
    known = json.loads(row["result"]) | (step.result or {})
    changes: dict[str, Any] = {"state": step.state, "changed": now(), "result": json.dumps(known, sort_keys=True)}
    changes["expires"] = now() + ASKED_FOR if step.state == "unknown" else None
    if step.log is not None:
        changes["log"] = step.log
    rows.update(connection, "action", {"id": number}, **changes)
    tell(connection, row, step.text, kind=_KIND.get(step.state, "action"), actor=step.actor, code=step.state)
    what = _audited(expected, step.state)
    if what is not None:
        told = {"state": step.state, "action": row["name"], "evidence": row["evidence"], "text": step.text}
        audit.record(
            connection,
            project_of(connection, row),
            step.actor,
            what,
            run_name(row | {"result": json.dumps(known)}),
            told,
        )
    return True


def _audited(before: State, after: State) -> str | None:
    if after == "running":
        return "action.start"
    if before in {"running", "comparing"} and after in _ENDED:
        return "action.end"
    return None if after in {"proposed", "comparing"} else f"action.{after.replace(' ', '_')}"


def note_result(connection: sqlite3.Connection, number: str, state: State, result: dict[str, Any]) -> bool:
    """Add to an action's result while it stays in its state; returns whether it was in it."""
    row = rows.select_one(connection, "action", id=number)
    if row is None or row["state"] != state:
        return False
    known = json.dumps(json.loads(row["result"]) | result, sort_keys=True)
    rows.update(connection, "action", {"id": number}, result=known, changed=now())
    return True


def tell(
    connection: sqlite3.Connection, row: dict[str, Any], text: str, *, kind: str = "action", actor: str = "server",
    code: str = "",
) -> None:  # fmt: skip
    """Say in the timeline of an action's incident what happened to it, by the model's time and the wall's."""
    data = {"action": row["id"], "name": row["name"], "code": code}
    timeline.note(
        connection, row["incident_id"], kind, text, at=model_now(connection, row["model_id"]), actor=actor, data=data
    )


def model_now(connection: sqlite3.Connection, model: int) -> int:
    """Return a model's time in microseconds."""
    found = rows.select_one(connection, "model", id=model)
    event = found is not None and found["clock"] == "event" and found["watermark"] is not None
    return int(found["watermark"]) if found is not None and event else now()


def run_name(row: dict[str, Any]) -> str:
    """Return the name of an action's present run, and of its folder: the decision id; a further run has a number."""
    attempt = json.loads(row["result"]).get("attempt", 1)
    return str(row["id"]) if attempt == 1 else f"{row['id']}-{attempt}"


BEGINS, _LEAST = "act-", 4
"""How the id of every action begins, and how many letters more name one."""


def project_of(connection: sqlite3.Connection, row: dict[str, Any]) -> str:
    """Return the name of an action's project."""
    found = rows.select_one(connection, "project", id=row["project_id"])
    return str(found["name"]) if found is not None else "default"


def find(connection: sqlite3.Connection, project: str, number: str) -> dict[str, Any]:
    """Return an action of a project by its id, or by the first four or more letters of it, with or without ``act-``.

    Raises
    ------
    UnknownModel
        There is none.
    Conflict
        Several begin so; names them.
    """
    query = "SELECT a.id FROM action a JOIN project p ON p.id = a.project_id WHERE p.name = ? "
    start = BEGINS + number.removeprefix(BEGINS)
    found = connection.execute(f"{query}AND substr(a.id, 1, ?) = ? LIMIT 20", (project, len(start), start)).fetchall()
    names = [name for (name,) in found if name in {number, start}] or [name for (name,) in found]
    if len(start) < len(BEGINS) + _LEAST or not names:
        known = connection.execute(f"{query}ORDER BY a.rowid DESC LIMIT 20", (project,))
        raise UnknownModel("action", number, [name for (name,) in known])
    if len(names) > 1:
        raise Conflict(f"{len(names)} actions begin with {number!r}: {', '.join(names)}. Say more of the id.")
    row = rows.select_one(connection, "action", id=names[0])
    assert row is not None
    return row


def state_of(connection: sqlite3.Connection, number: str) -> State | None:
    """Return the state of an action; None where there is none."""
    found = rows.select_one(connection, "action", id=number)
    return None if found is None else cast(State, found["state"])


def live(connection: sqlite3.Connection, *states: State) -> list[dict[str, Any]]:
    """Return the actions in some states (all that are not over), oldest first."""
    return rows.select_all(connection, "action", tail="ORDER BY rowid", state=list(states or LIVE))


def halted_by(connection: sqlite3.Connection) -> str | None:
    """Return who stopped all actions; None where nobody did."""
    found = rows.select_one(connection, "setting", name=HALTED)
    return None if found is None else str(json.loads(found["value"])["actor"])


def view(connection: sqlite3.Connection, row: dict[str, Any]) -> dict[str, Any]:
    """Return an action as people are shown it."""
    model = rows.select_one(connection, "model", id=row["model_id"])
    made: dict[str, Any] = {
        "id": row["id"], "incident": row["incident_id"], "model": model["name"] if model else None,
        "environment": model["environment"] if model else None, "name": row["name"], "state": cast(State, row["state"]),
    }  # fmt: skip
    made |= {name: _iso(row[name]) for name in ("proposed", "changed", "expires")}
    made |= {name: row[name] for name in ("author", "approver", "evidence", "log")}
    return made | {name: json.loads(row[name]) for name in ("rule", "request", "result")}


def _iso(value: int | None) -> str | None:
    return None if value is None else moment(value).isoformat()
