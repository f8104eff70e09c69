"""Which version served when: every change of what serves is kept, with the moment in the model's own time."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass

from watchkeeper.store import rows

Changes = list[tuple[int, str]]


@dataclass(frozen=True, slots=True)
class History:
    """The versions that served, each with the moment (in microseconds) from which it did; the first always did before.

    Where nobody ever said, ``changes`` is empty; where only the present is known, it has one entry.
    """

    changes: tuple[tuple[int, str], ...] = ()

    def at(self, moment: int) -> str | None:
        """Return the name of the version that served at a moment."""
        served = [version for since, version in self.changes[1:] if since <= moment]
        return served[-1] if served else self.changes[0][1] if self.changes else None


def _name(model: int) -> str:
    return f"serving:{model}"


def _read(connection: sqlite3.Connection, model: int) -> Changes:
    found = rows.select_one(connection, "setting", name=_name(model))
    return [(int(at), str(version)) for at, version in json.loads(found["value"])] if found else []


def history(connection: sqlite3.Connection, model: int, serving: str | None) -> History:
    """Return a model's history; of a store that kept none, what serves now is all that is known."""
    known = _read(connection, model) or ([(0, serving)] if serving is not None else [])
    return History(tuple(known))


def serve(connection: sqlite3.Connection, model: int, version: str, at: int | None) -> None:
    """Make a version the one that serves, as part of a larger change.

    Parameters
    ----------
    at
        The model's time in microseconds; None where no time has passed for it yet, as for a replay without rows: whatever was
        said before was never true of a row.
    """
    before = (rows.select_one(connection, "model", id=model) or {}).get("serving")
    known = list(history(connection, model, before).changes) if at is not None else []
    if not known or known[-1][1] != version:
        known.append((at or 0, version))
    rows.insert(connection, "setting", replace=True, name=_name(model), value=json.dumps(known))
    rows.update(connection, "model", {"id": model}, serving=version)
