"""What follows from measurements, in one object: monitors, verdicts, incidents, notifications, actions, and who did what."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from watchkeeper.errors import UnknownModel
from watchkeeper.pipeline import audit, fitting, told
from watchkeeper.pipeline.acting import Acting, Hands
from watchkeeper.pipeline.acting_export import Keeping
from watchkeeper.pipeline.catalog import Catalog
from watchkeeper.pipeline.changes import Changes
from watchkeeper.pipeline.detecting import Detecting
from watchkeeper.pipeline.incidents import Incidents
from watchkeeper.pipeline.outbox import Outbox
from watchkeeper.pipeline.partition import RawRows
from watchkeeper.pipeline.replaying import replay
from watchkeeper.pipeline.responding import Responding
from watchkeeper.pipeline.rules import Rules
from watchkeeper.pipeline.values import Target
from watchkeeper.response.monitors import Monitors
from watchkeeper.response.operator import OperatorFile
from watchkeeper.store import rows
from watchkeeper.store.database import Database
from watchkeeper.window import microseconds


@dataclass(frozen=True, slots=True)
class Parts:
    """What a loop is made of: ``adopt`` makes a profile the reference of a version, ``keeping`` keeps files where they are."""

    database: Database
    catalog: Catalog
    raw: RawRows
    folder: Path
    adopt: Callable[[Target, bytes], object]
    keeping: Keeping
    changes: Changes
    measured: tuple[str, ...] = ("day", "month")


class Loop:
    """The part of a pipeline that watches and responds; :class:`~watchkeeper.pipeline.pipeline.Pipeline` is one.

    Attributes
    ----------
    address
        Where people find the page, for the links in what they are sent; None while nobody serves it.
    """

    def __init__(self, parts: Parts) -> None:
        self._database = database = parts.database
        self._catalog = catalog = parts.catalog
        self.changes = changes = parts.changes
        self.address: str | None = None
        self.operator = OperatorFile(parts.folder)
        self.rules = Rules(database, catalog, parts.measured)
        self.outbox = Outbox(database, self.operator, changes)
        hands = Hands(lambda: self.operator.current().actions, parts.adopt, parts.keeping, changes)
        self.acting = Acting(database, catalog, parts.raw, parts.folder, hands)
        responding = Responding(self.operator, lambda: self.address)
        self.people = Incidents(database, catalog, changes, responding.respond)
        self.detecting = Detecting(self.rules, self.people, changes, self._follow)

    def _follow(self) -> None:
        """Have sent and done what a transaction left to be."""
        self.outbox.wake()
        self.acting.wake()

    def _start_loop(self) -> None:
        """Send what waits, and go on with actions that were under way."""
        self.outbox.start()
        self.acting.start()

    def _end_loop(self, timeout: float) -> None:
        """End what is being sent, as far as there is time, and let go of what is being done: it is found again."""
        self.acting.close()
        self.outbox.stop(timeout)

    # --- monitors -----------------------------------------------------------------------------------------------------

    def monitors(self, target: Target) -> dict[str, Any] | None:
        """Return the monitors in force for a model; None where there are none and nothing is known to suggest some."""
        with self._database.reading() as connection:
            return self.rules.told(connection, self._catalog.model(target))

    def check_monitors(self, text: str) -> dict[str, Any]:
        """Say whose monitors a text holds; raises :class:`InvalidMonitors` where it is none."""
        monitors = Monitors.from_yaml(text)
        return {"model": monitors.model, "environment": monitors.environment, "monitors": len(monitors.monitors)}

    def plan_monitors(self, target: Target, text: str) -> dict[str, Any]:
        """Return what applying a text would change."""
        model = self._catalog.model(target)
        with self._database.reading() as connection:
            changes = self.rules.plan(connection, model, text)
        return {"model": model.name, "changes": changes, "warnings": self._strangers(text)}

    def apply_monitors(self, target: Target, text: str, actor: str) -> dict[str, Any]:
        """Put a text in force from the next seal on."""
        model = self._catalog.model(target)
        self.rules.apply(model, text, actor)
        self.changes.publish("monitors", model.project, model.name, model.environment)
        applied = self.monitors(target)
        assert applied is not None
        return applied | {"warnings": self._strangers(text)}

    def _strangers(self, text: str) -> list[str]:
        """Return sentences on what a text names that the operator's file does not have; it may have it later."""
        operator = self.operator.current()
        return fitting.strangers(Monitors.from_yaml(text), operator.channels, operator.actions)

    def suggest_monitors(self, target: Target) -> str:
        """Return monitors for a model as YAML, with the reasons as comments."""
        model = self._catalog.model(target)
        versions = [v for v in self._catalog.versions_of(model) if v.schema is not None]
        serving = [v for v in versions if v.name == model.serving]
        if not versions:
            raise UnknownModel("schema of a version of the model", model.name, [])
        with self._database.reading() as connection:
            return self.rules.suggestion(connection, (serving or versions)[-1])

    def replay_monitors(self, target: Target, text: str) -> dict[str, Any]:
        """Say what monitors would have said of the windows that are sealed, by what was known at each seal."""
        model = self._catalog.model(target)
        with self._database.reading() as connection:
            return replay(connection, self._catalog, model, self.rules.read(model, text), self.rules)

    def verdicts(
        self, target: Target, every: str, start: datetime | None, end: datetime | None
    ) -> list[dict[str, Any]]:
        """Return what each monitor said of a version's windows, by time."""
        model = self._catalog.model(target)
        versions = [v.id for v in self._catalog.versions_of(model) if target.version in {"", v.name}]
        with self._database.reading() as connection:
            found = rows.select_all(connection, "verdict", version_id=versions, stage=target.stage, every=every)
        first = -(2**62) if start is None else microseconds(start)
        last = 2**62 if end is None else microseconds(end)
        chosen = [row for row in found if first <= row["start"] < last]
        return [told.verdict(row) for row in sorted(chosen, key=lambda row: (row["start"], row["monitor"]))]

    # --- incidents ----------------------------------------------------------------------------------------------------

    def incidents(
        self, project: str, *, model: str | None = None, environment: str | None = None, state: str | None = None,
        limit: int = 100,
    ) -> list[dict[str, Any]]:  # fmt: skip
        """Return a project's incidents, newest first."""
        models = {
            m.id: m for m in self._catalog.models_of(project)
            if model in {None, m.name} and environment in {None, m.environment}
        }  # fmt: skip
        where: dict[str, Any] = {"model_id": list(models)} | ({"state": state} if state else {})
        with self._database.reading() as connection:
            found = rows.select_all(connection, "incident", tail=f"ORDER BY id DESC LIMIT {int(limit)}", **where)
            return [told.incident(connection, row, models[row["model_id"]]) for row in found]

    def incident(self, project: str, id: int) -> dict[str, Any]:  # noqa: A002
        """Return an incident with its timeline, notifications and actions."""
        with self._database.reading() as connection:
            row = rows.select_one(connection, "incident", id=id)
            model = told.model_of(self._catalog, row["model_id"]) if row is not None else None
            if row is None or model is None or model.project != project:
                raise UnknownModel("incident", str(id), [])
            actions = [a for a in self.acting.list(project) if a["incident"] == id]
            return told.whole_incident(connection, row, model, actions)

    def acknowledge(self, project: str, id: int, actor: str, note: str = "") -> dict[str, Any]:  # noqa: A002
        """Say that somebody looks at an incident."""
        self.people.acknowledge(project, id, actor, note)
        return self.incident(project, id)

    def resolve(self, project: str, id: int, actor: str, note: str = "") -> dict[str, Any]:  # noqa: A002
        """Say that an incident is over."""
        self.people.resolve(project, id, actor, note)
        self.outbox.wake()
        return self.incident(project, id)

    def silences(self, project: str) -> list[dict[str, Any]]:
        """Return a project's silences that have not ended."""
        return self.people.silences(project)

    def silence(
        self, project: str, *, model: str, environment: str = "production", monitor: str | None = None, until: datetime,
        reason: str, actor: str,
    ) -> dict[str, Any]:  # fmt: skip
        """Have nobody told of a model's incidents until a moment."""
        found = self._catalog.model(Target(project, model, environment))
        with self._database.reading() as connection:
            self.rules.check_named(connection, found, monitor)
        return self.people.silence(found, monitor, until, reason, actor)

    def unsilence(self, project: str, id: int, actor: str) -> None:  # noqa: A002
        """End a silence."""
        self.people.unsilence(project, id, actor)

    # --- channels and actions -----------------------------------------------------------------------------------------

    def channels(self, project: str) -> list[dict[str, Any]]:
        """Return the operator's channels with how they do."""
        return self.outbox.status(project)

    def operator_problem(self) -> str | None:
        """Return what is wrong with the operator's file; None where all of it counts."""
        self.operator.current()
        return self.operator.problem

    def test_channel(self, project: str, name: str, actor: str) -> dict[str, Any]:
        """Send a test through a channel, and say how it went."""
        return self.outbox.test(project, name, actor)

    def actions(self, project: str, state: str | None = None) -> list[dict[str, Any]]:
        """Return a project's actions, newest first."""
        return self.acting.list(project, state)

    def action(self, project: str, id: str) -> dict[str, Any]:  # noqa: A002
        """Return an action."""
        return self.acting.get(project, id)

    def approve_action(self, project: str, id: str, actor: str, evidence: str) -> dict[str, Any]:  # noqa: A002
        """Allow an action that waits for it."""
        self.acting.approve(project, id, actor, evidence)
        return self.action(project, id)

    def refuse_action(self, project: str, id: str, actor: str) -> dict[str, Any]:  # noqa: A002
        """Refuse an action that waits for it."""
        self.acting.refuse(project, id, actor)
        return self.action(project, id)

    def stop_action(self, project: str, id: str, actor: str) -> dict[str, Any]:  # noqa: A002
        """Stop an action that runs."""
        self.acting.stop(project, id, actor)
        return self.action(project, id)

    def halt_actions(self, actor: str, on: bool) -> dict[str, Any]:
        """Stop all actions and let none begin, or let them begin again."""
        (self.acting.halt if on else self.acting.resume)(actor)
        return {"halted": on}

    # --- audit --------------------------------------------------------------------------------------------------------

    def audit(self, project: str, limit: int = 200, before: int | None = None) -> list[dict[str, Any]]:
        """Return who did what in a project, newest first."""
        with self._database.reading() as connection:
            number = connection.execute("SELECT id FROM project WHERE name = ?", (project,)).fetchone()
            tail = f"AND seq < {int(before)} " if before is not None else ""
            found = rows.select(
                connection, "audit", tail=f"{tail}ORDER BY seq DESC LIMIT {int(limit)}",
                project_id=number[0] if number else -1,
            )  # fmt: skip
            return [told.audit(dict(zip(rows.COLUMNS["audit"], row, strict=True))) for row in found]

    def audit_intact(self) -> int | None:
        """Return the first record of the audit log that is not as it was written; None where all are."""
        with self._database.reading() as connection:
            return audit.first_broken(connection)

    def note_audit(
        self, project: str, actor: str, what: str, target: str, detail: dict[str, Any] | None = None
    ) -> None:
        """Append a record to the audit log."""
        self._database.write(lambda writer: audit.record(writer, project, actor, what, target, detail)).result()
