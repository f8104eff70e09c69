"""What people say to actions: yes, no, stop, and stop everything."""

from __future__ import annotations

import contextlib
import hmac
import json
import sqlite3
import threading
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any, TypeVar

from watchkeeper.errors import ActionRefused
from watchkeeper.pipeline import acting_command, acting_rows, audit
from watchkeeper.pipeline.acting_rows import HALTED, Move, find, move, run_name
from watchkeeper.pipeline.acting_supervisor import GRACE
from watchkeeper.pipeline.apply import now
from watchkeeper.pipeline.changes import Changes, What
from watchkeeper.response.action import ASKING, State, evidence_hash
from watchkeeper.store import rows
from watchkeeper.store.database import Database
from watchkeeper.store.folders import make_folder

T = TypeVar("T")
QUICKLY = 0.5
"""Seconds that a command gets to end where everything is to stop at once."""
_Row = dict[str, Any]


class Answers:
    """Actions as people see and answer them.

    Attributes
    ----------
    folder
        Where the folders of actions are. A file ``halted`` in it stops all actions like :meth:`halt` does, also where the
        database cannot be written.
    woken
        Set where there may be something to do.
    starting
        Held while a command is started, and by who looks for one to end.
    """

    def __init__(self, database: Database, changes: Changes, folder: Path) -> None:
        self.database = database
        self.folder = folder
        self.woken = threading.Event()
        self.starting = threading.Lock()
        self._changes = changes

    def wake(self) -> None:
        """Say that something was proposed, after its commit; without it that is seen within seconds."""
        self.woken.set()

    # --- reading ------------------------------------------------------------------------------------------------------

    def list(self, project: str, state: str | None = None, limit: int = 200) -> list[dict[str, Any]]:
        """Return a project's actions, the newest first; those in a state only, where one is named."""
        with self.database.reading() as connection:
            found = rows.select_one(connection, "project", name=project)
            where = {"project_id": found["id"]} if found else {"project_id": -1}
            where |= {"state": state} if state is not None else {}
            tail = f"ORDER BY rowid DESC LIMIT {int(limit)}"
            return [
                acting_rows.view(connection, row) for row in rows.select_all(connection, "action", tail=tail, **where)
            ]

    def get(self, project: str, number: str) -> dict[str, Any]:
        """Return an action; raises :class:`UnknownModel` where the project has none of that id."""
        with self.database.reading() as connection:
            return acting_rows.view(connection, find(connection, project, number))

    def halted(self) -> str | None:
        """Return who stopped all actions; None where nobody did."""
        if (self.folder / HALTED).exists():
            return (self.folder / HALTED).read_text("utf-8", "replace").strip()[:256] or "somebody"
        with self.database.reading() as connection:
            return acting_rows.halted_by(connection)

    # --- answering ----------------------------------------------------------------------------------------------------

    def approve(self, project: str, number: str, actor: str, evidence: str) -> dict[str, Any]:
        """Let an action run that waits for it, or run again whose outcome is unknown.

        Raises
        ------
        ActionRefused
            It does not wait (an approval counts once), its time is over, the evidence is not what was shown, all actions are
            stopped, or who approves is who put the monitors into force.
        """
        if self.halted() is not None:
            raise ActionRefused(f"All actions were stopped by {self.halted()}. Resume them first.")

        def job(connection: sqlite3.Connection) -> dict[str, Any]:
            row = find(connection, project, number)
            _check_approval(row, actor, evidence)
            known = json.loads(row["result"])
            again = {"attempt": known.get("attempt", 1) + 1} if row["state"] == "unknown" else {}
            told = f"{actor} approved {row['name']}{' to run again' if again else ''}."
            move(connection, row["id"], row["state"], Move("proposed", told, actor, result=again))
            rows.update(connection, "action", {"id": row["id"]}, approver=actor)
            audit.record(connection, project, actor, "action.approve", row["id"], {"evidence": evidence} | again)
            return find(connection, project, row["id"])

        return self._answered(job)

    def refuse(self, project: str, number: str, actor: str) -> dict[str, Any]:
        """Say no to an action that waits for an answer; raises :class:`ActionRefused` where it does not."""

        def job(connection: sqlite3.Connection) -> dict[str, Any]:
            row = find(connection, project, number)
            if not move(connection, row["id"], row["state"], Move("refused", f"{actor} refused {row['name']}.", actor)):
                raise ActionRefused(
                    f"The action {row['id']} is {row['state']}; only one that waits for an answer can be refused."
                )
            return find(connection, project, row["id"])

        return self._answered(job)

    def stop(self, project: str, number: str, actor: str) -> dict[str, Any]:
        """Stop an action that is not over, and end its command; returns once that is gone.

        Raises
        ------
        ActionRefused
            It is over already.
        """

        def job(connection: sqlite3.Connection) -> dict[str, Any]:
            row = find(connection, project, number)
            if not move(connection, row["id"], row["state"], Move("stopped", f"{actor} stopped {row['name']}.", actor)):
                raise ActionRefused(f"The action {row['id']} is over: {row['state']}.")
            return find(connection, project, row["id"])

        return self._answered(job, end=GRACE)

    def halt(self, actor: str, project: str = "default") -> None:
        """Stop all actions of all projects, now and until :meth:`resume`: what runs is ended, nothing begins.

        A file says so first, which needs no database, then the commands are ended, then it is written where the page sees it.
        """
        with contextlib.suppress(OSError):
            make_folder(self.folder)
            acting_command.write_durably(self.folder / HALTED, actor.encode())
        self.woken.set()
        self.end_commands(QUICKLY)

        def job(writer: sqlite3.Connection) -> list[_Row]:
            told = json.dumps({"actor": actor, "at": now()})
            rows.insert(writer, "setting", replace=True, name=HALTED, value=told)
            audit.record(writer, project, actor, "action.halt", "all")
            found = acting_rows.live(writer, "proposed", "running", "comparing")
            step = Move("stopped", f"{actor} stopped all actions.", actor)
            return [row for row in found if move(writer, row["id"], row["state"], step)]

        stopped = self.database.write(job).result()
        with self.starting:  # one that was about to begin has begun by now, or sees that it must not
            self.end_commands(QUICKLY)
        for row in stopped:
            self.published(row)

    def resume(self, actor: str, project: str = "default") -> None:
        """Let actions be proposed and run again; those that were stopped stay so."""

        def job(writer: sqlite3.Connection) -> None:
            writer.execute("DELETE FROM setting WHERE name = ?", (HALTED,))
            audit.record(writer, project, actor, "action.resume", "all")

        self.database.write(job).result()
        (self.folder / HALTED).unlink(missing_ok=True)
        self.woken.set()

    def expire(self) -> int:
        """End what a person was asked and did not answer in time; returns how many."""
        with self.database.reading() as connection:
            late = [row for row in acting_rows.live(connection, *ASKING) if (row["expires"] or 0) <= now()]
        return sum(self.take(row, Move("expired", f"Nobody answered about {row['name']} in time.")) for row in late)

    def end_commands(self, grace: float, but: Collection[str] = ()) -> None:
        """End every command that lives, save those in the folders named."""
        for folder in sorted(self.folder.iterdir()) if self.folder.exists() else ():
            if folder.is_dir() and folder.name not in but and acting_command.status(folder).name == "alive":
                acting_command.stop(folder, grace)

    # --- steps --------------------------------------------------------------------------------------------------------

    def take(self, row: _Row, step: Move) -> bool:
        """Take a step of an action in a transaction of its own; returns whether it still was where it was seen."""
        taken = self.database.write(lambda c: move(c, row["id"], row["state"], step)).result()
        if taken:
            self.published(row)
        return taken

    def published(self, row: _Row, *, serving: bool = False) -> None:
        """Tell those who look that an action, and its incident, changed."""
        with self.database.reading() as connection:
            project = acting_rows.project_of(connection, row)
            model = rows.select_one(connection, "model", id=row["model_id"]) or {}
        kinds: tuple[What, ...] = ("action", "incident", "serving") if serving else ("action", "incident")
        for kind in kinds:
            self._changes.publish(kind, project, model.get("name"), model.get("environment"))

    def _answered(self, job: Callable[[sqlite3.Connection], _Row], end: float | None = None) -> dict[str, Any]:
        row = self.database.write(job).result()
        self.woken.set()
        if end is not None:
            with self.starting:
                acting_command.stop(self.folder / run_name(row), end)
        self.published(row)
        with self.database.reading() as connection:
            return acting_rows.view(connection, row)


def _check_approval(row: _Row, actor: str, evidence: str) -> None:
    state: State = row["state"]
    if state not in ASKING:
        raise ActionRefused(f"The action {row['id']} is {state}; only one that waits for an answer can be approved.")
    if (row["expires"] or 0) <= now():
        raise ActionRefused(f"The time to approve {row['id']} is over. It is proposed again if the trouble goes on.")
    if actor == row["author"]:
        raise ActionRefused(f"{actor} put these monitors into force; somebody else must approve what they propose.")
    shown = evidence_hash(json.loads(row["request"])["findings"])
    if not (hmac.compare_digest(shown, row["evidence"]) and hmac.compare_digest(shown, evidence)):
        raise ActionRefused("The evidence is not what you were shown. Look at the action again, then approve that.")
