"""The outbox: what was decided is told, at least once, to each channel at its own pace, however often the server is killed."""

from __future__ import annotations

import secrets
import sqlite3
import threading
import time
from typing import Any

from watchkeeper.errors import ChannelFailed, UnknownModel
from watchkeeper.pipeline import audit
from watchkeeper.pipeline import outbox_letters as letters
from watchkeeper.pipeline.apply import now
from watchkeeper.pipeline.changes import Changes
from watchkeeper.pipeline.outbox_lane import Lane, deliver
from watchkeeper.pipeline.outbox_letters import Patience, enqueue
from watchkeeper.response.alert import Alert, Channel
from watchkeeper.response.operator import OperatorFile
from watchkeeper.store.database import Database
from watchkeeper.window import DAY, moment

__all__ = ["Outbox", "Patience", "enqueue"]
_LOOK = 2.0
_SHOWN = 7 * DAY


class Outbox:
    """Sends what :func:`enqueue` put in, a thread for each channel; a bad channel delays no other. Thread-safe."""

    def __init__(
        self, database: Database, operator: OperatorFile, changes: Changes, patience: Patience | None = None
    ) -> None:
        self.operator = operator
        self._database, self._changes, self._patience = database, changes, patience or Patience()
        self._lanes: dict[str | None, Lane] = {}
        self._lock = threading.Lock()
        self._ending = threading.Event()
        self._keeper = threading.Thread(target=self._keep, name="watchkeeper-outbox", daemon=True)

    def start(self) -> None:
        """Send what waits, and what will."""
        self._open(None)
        self._attend()
        self._keeper.start()

    def stop(self, timeout: float = 10.0) -> None:
        """Begin no more; what is being sent has ``timeout`` seconds to arrive, and is else sent again after the next start."""
        end = time.monotonic() + timeout
        self._ending.set()
        if self._keeper.is_alive():
            self._keeper.join()
        for lane in self._lanes.values():
            lane.halt()
        for lane in self._lanes.values():
            lane.join(end - time.monotonic())

    def wake(self) -> None:
        """Say that something was enqueued and committed."""
        for lane in list(self._lanes.values()):
            lane.wake()

    def status(self, project: str) -> list[dict[str, Any]]:
        """Return how each channel does with the letters of a project.

        Returns
        -------
        channels
            ``name``, ``kind``, ``state`` (``fine``; ``failing``: one waits that did not arrive, or replaces such a one, or
            for a channel that is not there; ``dead letters``: one was given up in the last 7 days),
            ``last_sent``, ``last_error``, ``waiting``, ``dead``.
        """
        with self._database.reading() as connection:
            counted = _counts(connection, project)
        known = self.operator.current().channels
        names = [*known, *sorted(set(counted) - set(known))]
        return [_words(name, known.get(name), counted.get(name)) for name in names]

    def test(self, project: str, name: str, actor: str) -> dict[str, Any]:
        """Send a test by a channel, now, and note in the audit how it went; if it arrives, what waits is tried again at once.

        Raises
        ------
        UnknownModel
            The operator's file names no such channel.
        ChannelFailed
            It did not arrive.
        """
        known = self.operator.current().channels
        if name not in known:
            raise UnknownModel("channel", name, list(known))
        alert, began = _test(project, actor), time.monotonic()
        try:
            deliver(known[name], alert)
        except ChannelFailed as error:
            self._note_test(project, name, actor, {"sent": False, "error": error.why})
            raise
        self._note_test(project, name, actor, {"sent": True, "key": alert.key})
        return {"channel": name, "sent": True, "key": alert.key, "seconds": round(time.monotonic() - began, 3)}

    def _note_test(self, project: str, name: str, actor: str, told: dict[str, Any]) -> None:
        def job(connection: sqlite3.Connection) -> None:
            audit.record(connection, project, actor, "channel.test", name, told)
            if told["sent"]:
                letters.release(connection, name)

        self._database.write(job).result()
        lane = self._lanes.get(name)
        if told["sent"] and lane is not None:
            lane.hurry()
        self._changes.publish("channel", project)

    def _keep(self) -> None:
        """Look after the operator's file as it changes."""
        seen = self.operator.current()
        while not self._ending.wait(_LOOK):
            found = self.operator.current()
            if found is not seen:
                seen = found
                self._attend()
                self.wake()

    def _attend(self) -> None:
        for name in self.operator.current().channels:
            self._open(name)

    def _open(self, name: str | None) -> None:
        with self._lock:
            if name not in self._lanes and not self._ending.is_set():
                lane = Lane(name, self._database, self.operator, self._changes, self._patience)
                self._lanes = self._lanes | {name: lane}
                lane.start()


_MISSING = "the operator's file names no channel of this name"


def _test(project: str, actor: str) -> Alert:
    at = moment(now()).isoformat()
    text = f"A test of this channel, asked for by {actor}. Nothing is wrong."
    return Alert(
        key=f"test-{secrets.token_hex(8)}", kind="test", project=project, environment="", model="", version="", incident=None,
        severity="", title="A test from Watchkeeper", text=text, opened=at, at=at,
    )  # fmt: skip


def _counts(connection: sqlite3.Connection, project: str) -> dict[str, dict[str, Any]]:
    number = connection.execute("SELECT id FROM project WHERE name = ?", (project,)).fetchone()
    if number is None:
        return {}
    query = (
        "SELECT channel, max(sent), sum(state = 'waiting'), sum(state = 'dead'), "
        "sum(state = 'waiting' AND error IS NOT NULL), sum(state = 'dead' AND due >= ?) FROM outbox "
        "WHERE project_id = ? GROUP BY channel"
    )
    names = ("sent", "waiting", "dead", "failing", "lately")
    found = connection.execute(query, (now() - _SHOWN, number[0])).fetchall()
    errors = dict(
        connection.execute(
            "SELECT channel, error FROM outbox WHERE project_id = ? AND error IS NOT NULL "
            "AND state IN ('waiting', 'dead') ORDER BY id",
            number,
        )
    )
    return {name: dict(zip(names, told, strict=True)) | {"error": errors.get(name)} for name, *told in found}


def _words(name: str, channel: Channel | None, counted: dict[str, Any] | None) -> dict[str, Any]:
    told = counted or {"sent": None, "waiting": 0, "dead": 0, "failing": 0, "lately": 0, "error": None}
    missing = channel is None and told["waiting"] > 0
    state = "failing" if told["failing"] or missing else "dead letters" if told["lately"] else "fine"
    return {
        "name": name, "kind": channel.kind if channel is not None else "unknown", "state": state,
        "last_sent": None if told["sent"] is None else moment(told["sent"]).isoformat(),
        "last_error": _MISSING if missing else told["error"],
        "waiting": told["waiting"], "dead": told["dead"],
    }  # fmt: skip
