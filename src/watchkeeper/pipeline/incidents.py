"""Incidents in the store: opened, joined, ended by sealed windows; acknowledged, resolved and silenced by people."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from watchkeeper.detection.series import Finding
from watchkeeper.detection.watched import METRICS, Cause
from watchkeeper.errors import Conflict, InputError, UnknownModel
from watchkeeper.pipeline import audit, timeline
from watchkeeper.pipeline.apply import now
from watchkeeper.pipeline.catalog import Catalog, Model, Version, project_id
from watchkeeper.pipeline.changes import Changes
from watchkeeper.pipeline.rules import InForce
from watchkeeper.pipeline.values import Place
from watchkeeper.response.incidents import Explanation, Standing, Step, identity
from watchkeeper.store import rows
from watchkeeper.store.database import Database
from watchkeeper.window import microseconds, moment

_OPEN = ("open", "acknowledged")
_KEPT_FINDINGS = 200


@dataclass(frozen=True, slots=True)
class Held:
    """An incident that is not resolved, with its row in the store."""

    row: dict[str, Any]
    standing: Standing


@dataclass(frozen=True, slots=True)
class Event:
    """Something about an incident of which somebody may be told, or upon which something may be done."""

    kind: str
    incident: dict[str, Any]
    model: Model
    findings: Sequence[Finding]
    silenced: bool
    version: Version | None = None
    window: Place | None = None


Respond = Callable[[sqlite3.Connection, InForce | None, Event], None]
"""Writes, in the same transaction, who is told and what is done."""


class Incidents:
    """One open incident for each model and cause; every change of it is in its timeline."""

    def __init__(self, database: Database, catalog: Catalog, changes: Changes, respond: Respond) -> None:
        self._database = database
        self._catalog = catalog
        self._changes = changes
        self._respond = respond

    def standing(self, connection: sqlite3.Connection, model: int) -> dict[Cause, Held]:
        """Return the incidents of a model that are not resolved, by cause."""
        found: dict[Cause, Held] = {}
        for row in rows.select_all(connection, "incident", model_id=model, state=list(_OPEN)):
            seen = frozenset(tuple(check) for check in json.loads(row["evidence"])["seen"])
            found[row["cause"]] = Held(row, Standing(row["severity"], seen, row["quiet"]))
        return found

    # --- by sealed windows --------------------------------------------------------------------------------------------

    def carry_out(
        self, writer: sqlite3.Connection, force: InForce, version: Version, held: Held | None, step: Step,
        columns: Sequence[Explanation], window: Place,
    ) -> None:  # fmt: skip
        """Write what a window does to an incident, and what follows from that."""
        if held is None:
            self._open(writer, force, version, step, columns, window)
            return
        row, model = held.row, version.model
        at = model.now()
        if step.kind in {"escalate", "join", "keep"}:
            new = [f for f in step.alarms if identity(f) not in held.standing.seen]
            row = self._add(writer, row, step, new or step.alarms[:1], columns)
            for finding in new[:5]:
                timeline.note(writer, row["id"], "evidence", finding.words, at=at, data={"window": _told(window.start)})
            if len(new) > 5:
                timeline.note(writer, row["id"], "evidence", f"{len(new) - 5} more checks alarm too.", at=at)
            if step.kind == "escalate":
                timeline.note(writer, row["id"], "escalated", f"It is critical now: {step.alarms[0].words}", at=at)
            kind = {"escalate": "escalated", "join": "joined", "keep": "goes on"}[step.kind]
            self._respond(writer, force, self._event(writer, kind, row, version, step.alarms, window))
        elif step.kind == "quiet":
            rows.update(writer, "incident", {"id": row["id"]}, quiet=row["quiet"] + 1, changed=now())
            timeline.note(
                writer, row["id"], "quiet", f"Nothing alarmed in the window that ended {_day(window.stop)}.", at=at
            )
        else:
            words = f"Nothing alarmed in {row['quiet'] + 1} windows in a row; the last ended {_day(window.stop)}."
            self._end(writer, force, row, model, words, "server")

    def _open(
        self, writer: sqlite3.Connection, force: InForce, version: Version, step: Step, columns: Sequence[Explanation],
        window: Place,
    ) -> None:  # fmt: skip
        model, first = version.model, step.alarms[0]
        evidence = _evidence([], step.alarms, columns) | {"window": [window.start, window.stop]}
        row: dict[str, Any] = {
            "project_id": project_id(writer, model.project), "model_id": model.id, "version": version.name,
            "cause": step.cause, "state": "open", "severity": step.severity, "title": _title(first, columns),
            "opened": model.now(), "opened_wall": now(), "changed": now(), "resolved": None, "quiet": 0,
            "evidence": json.dumps(evidence),
        }  # fmt: skip
        row["id"] = rows.insert(writer, "incident", **row)
        timeline.note(
            writer, row["id"], "opened", f"{step.severity.capitalize()}: {first.words}", at=row["opened"],
            data={"window": _told(window.start), "checks": len(step.alarms), "alpha": first.alpha},
        )  # fmt: skip
        if columns:
            told = ", ".join(e.column for e in columns)
            timeline.note(writer, row["id"], "evidence", f"What moved as it began: {told}.", at=row["opened"])
        self._respond(writer, force, self._event(writer, "opened", row, version, step.alarms, window))

    def _add(
        self, writer: sqlite3.Connection, row: dict[str, Any], step: Step, findings: Sequence[Finding],
        columns: Sequence[Explanation],
    ) -> dict[str, Any]:  # fmt: skip
        before = json.loads(row["evidence"])
        evidence = before | _evidence(before["findings"], findings, columns, before["seen"], before["columns"])
        quiet = 0 if step.alarms else row["quiet"]
        changed: dict[str, Any] = {"severity": step.severity, "quiet": quiet, "evidence": json.dumps(evidence)}
        rows.update(writer, "incident", {"id": row["id"]}, **changed, changed=now())
        return row | changed

    def _end(
        self,
        writer: sqlite3.Connection,
        force: InForce | None,
        row: dict[str, Any],
        model: Model,
        words: str,
        actor: str,
    ) -> None:
        at = model.now()
        ended: dict[str, Any] = {"state": "resolved", "resolved": at, "changed": now()}
        rows.update(writer, "incident", {"id": row["id"]}, **ended)
        timeline.note(writer, row["id"], "resolved", words, at=at, actor=actor)
        silenced = is_silenced(writer, row, set())
        self._respond(writer, force, Event("resolved", row | ended, model, (), silenced))

    def _event(
        self, connection: sqlite3.Connection, kind: str, row: dict[str, Any], version: Version,
        findings: Sequence[Finding], window: Place,
    ) -> Event:  # fmt: skip
        silenced = is_silenced(connection, row, {f.monitor for f in findings})
        return Event(kind, row, version.model, findings, silenced, version, window)

    # --- by people ----------------------------------------------------------------------------------------------------

    def acknowledge(self, project: str, number: int, actor: str, note: str = "") -> None:
        """Say that somebody looks at an incident."""

        def job(writer: sqlite3.Connection) -> Model:
            row, model = self._of(writer, project, number)
            if row["state"] != "open":
                raise Conflict(f"Incident {number} is {row['state']} already.")
            rows.update(writer, "incident", {"id": number}, state="acknowledged", changed=now())
            words = f"{actor} looks at it{': ' + note if note else ''}."
            timeline.note(writer, number, "acknowledged", words, at=model.now(), actor=actor)
            audit.record(writer, project, actor, "incident.acknowledge", str(number), {"note": note})
            return model

        self._publish(self._database.write(job).result())

    def resolve(self, project: str, number: int, actor: str, note: str = "") -> None:
        """Say that an incident is over; it opens anew when its checks alarm again."""

        def job(writer: sqlite3.Connection) -> Model:
            row, model = self._of(writer, project, number)
            if row["state"] == "resolved":
                raise Conflict(f"Incident {number} is resolved already.")
            self._end(writer, None, row, model, f"{actor} resolved it{': ' + note if note else ''}.", actor)
            audit.record(writer, project, actor, "incident.resolve", str(number), {"note": note})
            return model

        self._publish(self._database.write(job).result())

    def _of(self, connection: sqlite3.Connection, project: str, number: int) -> tuple[dict[str, Any], Model]:
        row = rows.select_one(connection, "incident", id=number)
        model = self._model(row["model_id"]) if row is not None else None
        if row is None or model is None or model.project != project:
            known = [str(r["id"]) for r in rows.select_all(connection, "incident", tail="ORDER BY id DESC LIMIT 5")]
            raise UnknownModel("incident", str(number), known if model is None else [])
        return row, model

    def _model(self, number: int) -> Model | None:
        return next((m for m in list(self._catalog.models.values()) if m.id == number), None)

    def _publish(self, model: Model) -> None:
        self._changes.publish("incident", model.project, model.name, model.environment)

    # --- silences -----------------------------------------------------------------------------------------------------

    def silence(self, model: Model, monitor: str | None, until: datetime, reason: str, actor: str) -> dict[str, Any]:
        """Have nobody told of a model's incidents, or those that one monitor opens, until a moment; they open all the same."""
        end = microseconds(until)
        if end <= now():
            raise InputError(f"A silence ends in the future, not at {until.isoformat()}.")
        if not reason.strip():
            raise InputError("Say why: a silence needs a reason.")

        def job(writer: sqlite3.Connection) -> int:
            number = rows.insert(
                writer, "silence", project_id=project_id(writer, model.project), model_id=model.id, monitor=monitor,
                until=end, reason=reason, author=actor, created=now(),
            )  # fmt: skip
            for row in rows.select_all(writer, "incident", model_id=model.id, state=list(_OPEN)):
                words = f"{actor} silenced it until {_told(end)}: {reason}"
                timeline.note(writer, row["id"], "silenced", words, at=model.now(), actor=actor)
            told = {"monitor": monitor, "until": _told(end), "reason": reason}
            audit.record(writer, model.project, actor, "silence.create", str(number), told)
            return number

        number = self._database.write(job).result()
        self._publish(model)
        return next(s for s in self.silences(model.project) if s["id"] == number)

    def unsilence(self, project: str, number: int, actor: str) -> None:
        """End a silence before its time."""

        def job(writer: sqlite3.Connection) -> Model:
            row = rows.select_one(writer, "silence", id=number)
            model = self._model(row["model_id"]) if row is not None else None
            if row is None or model is None or model.project != project:
                raise UnknownModel("silence", str(number), [])
            rows.update(writer, "silence", {"id": number}, ended=now())
            audit.record(writer, project, actor, "silence.end", str(number))
            return model

        self._publish(self._database.write(job).result())

    def silences(self, project: str) -> list[dict[str, Any]]:
        """Return the silences of a project that have not ended, with whose they are."""
        with self._database.reading() as connection:
            found = rows.select_all(connection, "silence", tail="ORDER BY id DESC")
        models = {m.id: m for m in self._catalog.models_of(project)}
        lasting = [r for r in found if r["model_id"] in models and r["ended"] is None and r["until"] > now()]
        return [_silence(row, models[row["model_id"]]) for row in lasting]


def _silence(row: dict[str, Any], model: Model) -> dict[str, Any]:
    return {
        "id": row["id"], "model": model.name, "environment": model.environment, "monitor": row["monitor"],
        "until": _told(row["until"]), "reason": row["reason"], "author": row["author"], "created": _told(row["created"]),
    }  # fmt: skip


def is_silenced(connection: sqlite3.Connection, incident: dict[str, Any], monitors: set[str]) -> bool:
    """Whether nobody is to be told of an incident: its model is silenced, or every monitor that alarms in it."""
    if not monitors:
        monitors = {str(check[0]) for check in json.loads(incident["evidence"])["seen"]}
    quiet: set[str] = set()
    for row in rows.select_all(connection, "silence", model_id=incident["model_id"], ended=None):
        if row["until"] > now():
            if row["monitor"] is None:
                return True
            quiet.add(row["monitor"])
    return bool(monitors) and monitors <= quiet


def _title(worst: Finding, columns: Sequence[Explanation]) -> str:
    metric = METRICS[worst.metric].title if worst.metric in METRICS else worst.metric
    where = f" of {worst.segment}" if worst.segment else f" of {worst.column}" if worst.column else ""
    with_ = f", and {', '.join(e.column for e in columns[:3])} moved" if columns else ""
    return f"{metric}{where} is {worst.verdict}{with_}"


def _evidence(
    findings: list[Any], new: Sequence[Finding], columns: Sequence[Explanation], seen: Sequence[Any] = (),
    known: Sequence[Any] = (),
) -> dict[str, Any]:  # fmt: skip
    """Return what an incident rests on: the checks as they alarmed first, and the columns that moved as it began."""
    checks = {tuple(check) for check in seen} | {identity(f) for f in new}
    have = {(f["monitor"], f["metric"], f["column"], f["segment"], f["source"]) for f in findings}
    joined = findings + [f.to_dict() for f in new if identity(f) not in have]
    told = list(known) or [asdict(e) | {"jump": e.jump} for e in columns]
    return {"findings": joined[:_KEPT_FINDINGS], "columns": told, "seen": sorted(checks, key=str)}


def _told(at: int) -> str:
    return moment(at).isoformat(timespec="seconds")


def _day(at: int) -> str:
    return f"{moment(at):%d %B %Y, %H:%M} UTC"
