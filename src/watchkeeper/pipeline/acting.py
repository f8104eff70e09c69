"""The thread that acts: one decided action at a time, from its folder to a promotion, whatever is killed in between."""

from __future__ import annotations

import json
import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from watchkeeper.errors import ActionRefused, ChannelFailed, StoreFailed, WatchkeeperError
from watchkeeper.pipeline import acting_candidate, acting_command, acting_rows
from watchkeeper.pipeline.acting_answers import QUICKLY, Answers
from watchkeeper.pipeline.acting_conclusion import held_out, outcome, reference_of, serve
from watchkeeper.pipeline.acting_export import Exports, Keeping, for_command, schema_of, write_table
from watchkeeper.pipeline.acting_proposal import HOLDOUT, TRAINING
from watchkeeper.pipeline.acting_rows import HALTED, Move, run_name
from watchkeeper.pipeline.acting_supervisor import GRACE
from watchkeeper.pipeline.apply import now
from watchkeeper.pipeline.catalog import Catalog, Version
from watchkeeper.pipeline.changes import Changes
from watchkeeper.pipeline.partition import RawRows
from watchkeeper.pipeline.values import Target
from watchkeeper.response.action import LIVE, State
from watchkeeper.response.operator import ActionSpec
from watchkeeper.store import rows
from watchkeeper.store.database import Database
from watchkeeper.store.folders import make_folder
from watchkeeper.window import DAY, microseconds

FOLDER, REQUEST = "actions", "request.json"
_LOG = logging.getLogger("watchkeeper")
_LOOK = 0.1
_IDLE = 2.0
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 30.0
_ROWS_KEPT = 7 * DAY
_Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Hands:
    """What acting needs of the rest of the server.

    Attributes
    ----------
    actions
        Gives the actions that the operator's file names now.
    adopt
        Makes a profile the reference of a version, which is made where it is not there; may be called again with the same.
    keeping
        Keeps the store's files where they are for as long as it is held.
    """

    actions: Callable[[], Mapping[str, ActionSpec]]
    adopt: Callable[[Target, bytes], object]
    keeping: Keeping
    changes: Changes = field(default_factory=Changes)


class Acting(Answers):
    """Carries out what was proposed and, where need be, approved.

    Each step is one conditional transaction; what lies between two of them is done again after a kill, save the command,
    which is never started twice for one run (see :mod:`.acting_command`).
    """

    def __init__(self, database: Database, catalog: Catalog, raw: RawRows, folder: Path, hands: Hands) -> None:
        super().__init__(database, hands.changes, folder / FOLDER)
        self._catalog = catalog
        self._exports = Exports(database, catalog, raw, hands.keeping)
        self._store = folder
        self._hands = hands
        self._stopping = False
        self._quiet = threading.Condition()
        self._rounds = 0
        self._thread = threading.Thread(target=self._work, name="watchkeeper-acting", daemon=True)

    @property
    def alive(self) -> bool:
        """Whether it works."""
        return self._thread.is_alive() and not self._stopping

    def start(self) -> None:
        """End commands of actions that were stopped while nobody could end them, and begin."""
        make_folder(self.folder, self._store)
        self._end_orphans()
        self._tidy_old()
        self._thread.start()

    def close(self) -> None:
        """End the thread; a command that runs is left alone, and found again by the next start."""
        self._stopping = True
        self.woken.set()
        if self._thread.is_alive():
            self._thread.join()

    def settle(self, timeout: float = 60.0) -> bool:
        """Wait until nothing is left to do without a person; returns whether that came to be."""
        until = time.monotonic() + timeout
        for _ in range(2):  # the first round may have begun before what is waited for was written
            with self._quiet:
                wanted = self._rounds + 1
                self.woken.set()
                while self._rounds < wanted and self.alive:
                    if not self._quiet.wait(max(0.0, until - time.monotonic())):
                        return False
        return self.alive

    # --- the thread ---------------------------------------------------------------------------------------------------

    def _work(self) -> None:
        pause = 0.0
        while not self._stopping:
            if pause:
                self.woken.wait(pause)
            self.woken.clear()
            try:
                pause = 0.0 if self._step() else _IDLE
            except Exception as error:
                _LOG.error("Acting failed and is tried again: %s: %s", type(error).__name__, error, exc_info=error)
                pause = min(_LONGEST_PAUSE, max(0.1, 2 * pause))

    def _step(self) -> bool:
        """Take one step of one action; returns whether there may be more to do at once."""
        self.expire()
        with self.database.reading() as connection:
            waiting = acting_rows.live(connection, "running", "comparing") or acting_rows.live(connection, "proposed")
        if not waiting or (waiting[0]["state"] == "proposed" and self.halted()):
            with self._quiet:
                self._rounds += 1
                self._quiet.notify_all()
            return False
        row = waiting[0]
        steps: dict[State, Callable[[_Row], None]] = {
            "proposed": self._begin, "running": self._follow, "comparing": self._conclude,
        }  # fmt: skip
        try:
            steps[row["state"]](row)
        except (sqlite3.Error, StoreFailed):
            raise
        except Exception as error:
            known = isinstance(error, WatchkeeperError | OSError)
            _LOG.error("The action %s failed: %s", row["id"], error, exc_info=None if known else error)
            acting_command.stop(self.folder / run_name(row))
            self._finish(
                row, "failed", f"{row['name']} failed: {error if known else type(error).__name__ + f': {error}'}"
            )
        return True

    def _begin(self, row: _Row) -> None:
        """Prepare the folder of an action, then claim it; a dry run ends where the command would begin."""
        spec, folder = self._spec(row), self.folder / run_name(row)
        if spec.call is not None:
            self._begin_call(row, spec)
            return
        self._prepare(row, folder)
        if json.loads(row["rule"])["dry_run"]:
            told = f"This was a dry run: {row['name']} would have run {' '.join(spec.command)!r} in a folder like this one."
            self.take(row, Move("dry run", told, result={"folder": folder.name}))
            return
        if self.take(row, Move("running", f"{row['name']} begins.", result={"folder": folder.name})):
            self._launch(row, spec, folder)

    def _begin_call(self, row: _Row, spec: ActionSpec) -> None:
        if json.loads(row["rule"])["dry_run"]:
            self.take(row, Move("dry run", f"This was a dry run: {row['name']} would have called its webhook."))
        else:
            self.take(row, Move("running", f"{row['name']} begins."))

    def _call(self, row: _Row, spec: ActionSpec) -> None:
        """Call a webhook until it takes the call, under the same key also after a kill, or its time is over."""
        assert spec.call is not None
        until, pause = row["changed"] / 1e6 + spec.timeout, _FIRST_PAUSE
        while not self._stopping and self._runs(row):
            if self.halted() is not None:
                self._stopped(row)
                return
            try:
                status = spec.call.send(run_name(row), row["request"].encode())
            except ChannelFailed as error:
                if not error.again or time.time() + pause > until:
                    self._finish(row, "failed", f"{row['name']} failed: {error.why}.")
                    return
                self.woken.wait(pause)
                self.woken.clear()
                pause = min(_LONGEST_PAUSE, 2 * pause)
            else:
                self._finish(row, "done", f"{row['name']} was called and answered {status}; what it does is its own.")
                return

    def _runs(self, row: _Row) -> bool:
        with self.database.reading() as connection:
            return acting_rows.state_of(connection, row["id"]) == "running"

    def _launch(self, row: _Row, spec: ActionSpec, folder: Path) -> None:
        """Start the command, unless somebody has stopped it meanwhile: who stops looks for it once this is done."""
        with self.starting:
            with self.database.reading() as connection:
                wanted = acting_rows.state_of(connection, row["id"]) == "running"
            if wanted and self.halted() is None:
                acting_command.launch(folder, spec, self._store)

    def _spec(self, row: _Row) -> ActionSpec:
        found = self._hands.actions().get(row["name"])
        if found is None:
            raise ActionRefused("the operator's file does not name it any more.")
        return found

    def _prepare(self, row: _Row, folder: Path) -> None:
        """Write what the command gets, the request last, and beside the folder what it is judged by."""
        request, version = json.loads(row["request"]), self._version(row)
        make_folder(folder, self._store)
        bounds = {
            part: tuple(_moment(request[part][end]) for end in ("start", "end")) for part in ("training", "holdout")
        }
        held = self._exports.holdout(version, bounds["holdout"])  # type: ignore[arg-type]
        self._exports.training(version, bounds["training"], folder / TRAINING)  # type: ignore[arg-type]
        write_table(held_out(folder), held)
        write_table(folder / HOLDOUT, for_command(held, schema_of(version)))
        acting_command.write_durably(folder / REQUEST, row["request"].encode())

    def _follow(self, row: _Row) -> None:
        """See how the command does: start it if it never began, wait for it, record how it ended."""
        folder, named = self.folder / run_name(row), self._hands.actions().get(row["name"])
        if named is not None and named.call is not None:
            self._call(row, named)
            return
        if not (folder / REQUEST).exists():  # of a store that was restored elsewhere, say
            self._finish(row, "unknown", _unknown(row, "its folder is gone"))
            return
        found = acting_command.status(folder)
        if found.name == "new" and self.halted() is not None:
            self._stopped(row)
        elif found.name == "new":
            self._launch(row, self._spec(row), folder)
        elif found.name == "alive":
            self._wait(row, folder)
        elif found.name == "ended" and found.words:
            self._finish(row, "failed", f"{row['name']} failed: {found.words}.", folder)
        elif found.name == "ended" or acting_candidate.is_complete(folder):
            told = Move("comparing", f"{row['name']} has ended.", log=acting_command.last_lines(folder))
            self.take(row, told)
        else:
            self._finish(row, "unknown", _unknown(row, "nobody saw how it ended"), folder)

    def _wait(self, row: _Row, folder: Path) -> None:
        """Wait while the command lives; who stops it wakes this up."""
        spec = self._hands.actions().get(row["name"])
        while not self._stopping and acting_command.status(folder).name == "alive":
            if (self.folder / HALTED).exists():
                self._stopped(row)
                acting_command.stop(folder, QUICKLY)
            if spec is not None and acting_command.overdue(folder, spec.timeout):
                acting_command.stop(folder)
            self.woken.wait(_LOOK)
            self.woken.clear()

    def _stopped(self, row: _Row) -> None:
        who = self.halted() or "somebody"
        self.take(row, Move("stopped", f"{who} stopped all actions.", who))

    # --- champion and challenger --------------------------------------------------------------------------------------

    def _conclude(self, row: _Row) -> None:
        """Compare, record what is to be done, and do it; what was recorded is never decided again."""
        folder, result = self.folder / run_name(row), json.loads(row["result"])
        if "outcome" not in result:
            result |= outcome(row, folder, self._version(row), self._catalog)
            if not self.database.write(lambda c: acting_rows.note_result(c, row["id"], "comparing", result)).result():
                return
        if result["outcome"] == "promote":
            self._promote(row, folder, result)
        else:
            self._finish(row, "kept", result["words"], folder)
        self._tidy(folder)

    def _promote(self, row: _Row, folder: Path, result: dict[str, Any]) -> None:
        """Give the challenger its reference, then let it serve: in one transaction with the end of the action."""
        version, name = self._version(row), result["candidate"]["version"]
        target = Target(version.model.project, version.model.name, version.model.environment, name)
        reference = reference_of(folder, result["reference_digest"])
        if reference is not None:
            self._hands.adopt(target, reference)
        else:
            self._catalog.version(target, make=True)
        if self.database.write(lambda c: serve(c, row, version, result)).result():
            version.model.serving = name
        self.published(row, serving=True)

    # --- small things -------------------------------------------------------------------------------------------------

    def _version(self, row: _Row) -> Version:
        serving = json.loads(row["request"])["serving"]
        found = next(
            (v for v in self._catalog.versions.values() if (v.model.id, v.name) == (row["model_id"], serving)), None
        )
        if found is None:
            raise ActionRefused(f"version {serving!r} is not there any more.")
        return found

    def _finish(self, row: _Row, state: State, text: str, folder: Path | None = None) -> None:
        log = acting_command.last_lines(folder) if folder is not None else None
        self.take(row, Move(state, text, log=log))

    @staticmethod
    def _tidy(folder: Path) -> None:
        """Remove the rows of an action that went to its end; the rest of its folder is small, and kept."""
        for path in (folder / TRAINING, folder / HOLDOUT, held_out(folder)):
            path.unlink(missing_ok=True)

    def _tidy_old(self) -> None:
        """Remove the rows of actions that ended otherwise, once nobody looks into their folders any more."""
        with self.database.reading() as connection:
            query = "SELECT id FROM action WHERE changed < ? AND result LIKE '%folder%'"
            old = [number for (number,) in connection.execute(query, (now() - _ROWS_KEPT,))]
            over = [row for number in old for row in rows.select_all(connection, "action", id=number)]
        for row in over:
            if row["state"] not in LIVE:
                self._tidy(self.folder / run_name(row))

    def _end_orphans(self) -> None:
        """End commands that live though their action does not: it was stopped, and the server killed before it could do it."""
        with self.database.reading() as connection:
            mine = {run_name(row) for row in acting_rows.live(connection, "running", "comparing")}
        self.end_commands(GRACE, mine)


def _unknown(row: _Row, why: str) -> str:
    return f"What became of {row['name']} is unknown: {why}. It may have done its work; approve it to run it again."


def _moment(text: str) -> int:
    return microseconds(datetime.fromisoformat(text))
