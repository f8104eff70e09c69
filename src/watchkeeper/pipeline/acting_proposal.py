"""A decision to act: checked by every guard, then written with the incident it answers, or refused there in words."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from watchkeeper.detection.series import Finding
from watchkeeper.pipeline import acting_rows, audit, timeline
from watchkeeper.pipeline.acting_export import features_of
from watchkeeper.pipeline.apply import now as wall
from watchkeeper.pipeline.catalog import Version, project_id
from watchkeeper.response import guards, ranges
from watchkeeper.response.action import LIVE, decision_id, evidence_hash
from watchkeeper.response.guards import Past, Proposal, Refusal
from watchkeeper.response.operator import ActionSpec
from watchkeeper.response.ranges import Hour, Needs, Ranges, Span
from watchkeeper.response.rule import Act
from watchkeeper.store import rows
from watchkeeper.window import DAY, moment

TRAINING, HOLDOUT = "training.parquet", "holdout_rows.parquet"
_MOST_FINDINGS = 50


@dataclass(frozen=True, slots=True)
class Decision:
    """What a sealed window gives reason to.

    Attributes
    ----------
    version
        Whose window it is.
    window
        Its kind (``day``), start and stop, in microseconds.
    act
        What a rule says is to be done.
    findings
        What alarms, worst first.
    now
        The model's time.
    author
        Who put the monitors into force.
    since
        The start of the first window that alarmed in this incident; None: as the verdicts since it opened say.
    due
        When the window was to be sealed; None: its stop, and the delay that the store knows.
    """

    version: Version
    incident: int
    window: tuple[str, int, int]
    act: Act
    findings: Sequence[Finding]
    now: int
    author: str
    since: int | None = None
    due: int | None = None

    @property
    def id(self) -> str:
        """The decision's id."""
        return decision_id(self.incident, self.act.do, self.version.id, self.window)


def propose(
    connection: sqlite3.Connection, actions: Mapping[str, ActionSpec], decision: Decision, needs: Needs | None = None
) -> str | None:
    """Write an action, in the transaction of the incident; or say there why not. Returns the decision's id, else None.

    To be called for each sealed window in which the rule's finding alarms, not only when the incident opens: what was too
    early, or failed, is decided anew. The same decision is never written twice. A refusal that only repeats the last one of
    the same action in the same incident is not written again.

    Parameters
    ----------
    actions
        What the operator's file names.
    """
    if rows.select_one(connection, "action", id=decision.id) is not None:
        return decision.id
    found = _refusal(connection, actions, decision)
    called = found is None and actions[decision.act.do].call is not None
    ranges = None if found is not None or called else _ranges(connection, decision, needs or Needs())
    found = ranges if isinstance(ranges, Refusal) else found
    if found is not None:
        _refuse(connection, decision, found)
        return None
    assert not isinstance(ranges, Refusal)
    _write(connection, decision, ranges)
    return decision.id


def _refusal(connection: sqlite3.Connection, actions: Mapping[str, ActionSpec], decision: Decision) -> Refusal | None:
    """Return the first reason against it, the plainest first."""
    who = acting_rows.halted_by(connection)
    if who is not None:
        return Refusal("halted", f"all actions were stopped by {who}")
    if decision.act.do not in actions:
        named = ", ".join(sorted(actions)) or "none"
        return Refusal("unknown", f"the operator's file names no such action (it has: {named})")
    if actions[decision.act.do].call is not None and decision.act.then == "promote_if_better":
        return Refusal("no candidate", "a webhook leaves no candidate that could be promoted; say then: nothing")
    serving = _stored(connection, decision)["serving"]
    if serving is not None and serving != decision.version.name:
        return Refusal("superseded", f"version {decision.version.name} serves no more, version {serving} does")
    past, proposal = _past(connection, decision), _proposal(decision)
    _, start, stop = decision.window
    return (
        guards.weak(decision.findings)
        or guards.stale(decision.now, _due(connection, decision), stop - start)
        or _alone(connection, decision)
        or guards.busy(past, _live_in_project(connection, decision))
        or guards.limited(proposal, past)
        or guards.cooling(proposal, past)
    )


def _proposal(decision: Decision) -> Proposal:
    return Proposal(decision.act.do, decision.now, decision.act.limit, decision.act.dry_run)


def _stored(connection: sqlite3.Connection, decision: Decision) -> dict[str, Any]:
    found = rows.select_one(connection, "model", id=decision.version.model.id)
    assert found is not None
    return found


def _due(connection: sqlite3.Connection, decision: Decision) -> int:
    if decision.due is not None:
        return decision.due
    delay = _stored(connection, decision)["seal_delay"]
    return decision.window[2] + (DAY if delay is None else int(delay))


def _alone(connection: sqlite3.Connection, decision: Decision) -> Refusal | None:
    """Refuse where no monitor that alarms did so in the window before as well: two windows must agree."""
    every, start, _ = decision.window
    query = (
        "version_id = ? AND stage = 'serving' AND every = ? AND monitor = ? AND start < ? ORDER BY start DESC LIMIT 1"
    )
    for monitor in dict.fromkeys(f.monitor for f in decision.findings if f.alarming):
        before = connection.execute(
            f"SELECT name FROM verdict WHERE {query}", (decision.version.id, every, monitor, start)
        ).fetchone()
        if before is not None and before[0] in {"warning", "critical"}:
            return None
    return Refusal("alone", "the window before was fine, and two in a row must agree")


def _past(connection: sqlite3.Connection, decision: Decision) -> list[Past]:
    found = rows.select_all(connection, "action", model_id=decision.version.model.id)
    return [Past(r["name"], r["state"], r["proposed"], json.loads(r["rule"])["dry_run"]) for r in found]


def _live_in_project(connection: sqlite3.Connection, decision: Decision) -> int:
    number = project_id(connection, decision.version.model.project)
    names, values = rows.condition({"project_id": number, "state": list(LIVE)})
    return int(connection.execute(f"SELECT count(*) FROM action{names}", values).fetchone()[0])


def _ranges(connection: sqlite3.Connection, decision: Decision, needs: Needs) -> Ranges | Refusal:
    query = (
        "SELECT p.start, sum(p.labelled), sum(CASE WHEN p.version_id = ? THEN p.labelled ELSE 0 END) FROM partition p "
        "JOIN version v ON v.id = p.version_id WHERE v.model_id = ? AND p.stage = 'serving' AND p.start < ? "
        "AND p.labelled > 0 GROUP BY p.start ORDER BY p.start"
    )
    version = decision.version
    found = connection.execute(query, (version.id, version.model.id, decision.window[2])).fetchall()
    zone = version.schema.zone if version.schema is not None else None
    return ranges.split([Hour(*hour) for hour in found], zone, _since(connection, decision), needs)


def _since(connection: sqlite3.Connection, decision: Decision) -> int:
    """Return the start of the first window of the incident in which a monitor alarmed that does now."""
    every, start, _ = decision.window
    if decision.since is not None:
        return decision.since
    monitors = list(dict.fromkeys(f.monitor for f in decision.findings if f.alarming))
    where = {"version_id": decision.version.id, "stage": "serving", "every": every, "monitor": monitors}
    names, values = rows.condition(where | {"name": ["warning", "critical"]})
    incident = rows.select_one(connection, "incident", id=decision.incident)
    query = f"SELECT min(start) FROM verdict{names} AND start < ? AND known_at >= ?"
    found = connection.execute(query, [*values, start, incident["opened"] if incident else start]).fetchone()[0]
    return start if found is None else int(found)


def _refuse(connection: sqlite3.Connection, decision: Decision, refusal: Refusal) -> None:
    name = decision.act.do
    query = "SELECT data FROM timeline WHERE incident_id = ? AND kind = 'action' ORDER BY id DESC LIMIT 20"
    said = (json.loads(data) for (data,) in connection.execute(query, (decision.incident,)))
    last = next((told for told in said if told.get("name") == name), None)
    if last is not None and last.get("code") == refusal.code:
        return
    data = {"name": name, "code": refusal.code, "decision": decision.id}
    timeline.note(
        connection, decision.incident, "action", f"{name} is not done: {refusal.text}.", at=decision.now, data=data
    )


def _write(connection: sqlite3.Connection, decision: Decision, found: Ranges | None) -> None:
    act, model = decision.act, decision.version.model
    findings = [f.to_dict() for f in decision.findings if f.alarming][:_MOST_FINDINGS]
    forced = guards.frozen(_proposal(decision), _past(connection, decision))
    asks = not act.dry_run and (act.approve == "person" or forced is not None)
    evidence, at = evidence_hash(findings), wall()
    row: dict[str, Any] = {
        "id": decision.id, "project_id": project_id(connection, model.project), "incident_id": decision.incident,
        "model_id": model.id, "name": act.do, "state": "awaiting approval" if asks else "proposed",
        "rule": json.dumps(act.to_dict()), "request": _request(decision, found, findings), "result": "{}",
        "evidence": evidence, "proposed": decision.now, "expires": at + acting_rows.ASKED_FOR if asks else None,
        "changed": at, "author": decision.author, "log": "",
    }  # fmt: skip
    rows.insert(connection, "action", **row)
    text = f"{act.do} is proposed: {_reason(decision)}"
    if forced is not None:
        text += f" A person must decide: {forced.text}."
    elif asks:
        text += " It waits until somebody approves."
    acting_rows.tell(connection, row, text, code="proposed")
    told = {"action": act.do, "incident": decision.incident, "evidence": evidence, "state": row["state"]}
    audit.record(connection, model.project, "server", "action.propose", decision.id, told)


def _reason(decision: Decision) -> str:
    worst = next(f for f in decision.findings if f.alarming)
    where = "".join(f" of {part}" for part in (worst.column, worst.segment) if part)
    return f"{worst.metric}{where}: {worst.words.rstrip('.')}."


def _request(decision: Decision, found: Ranges | None, findings: list[dict[str, Any]]) -> str:
    """Return request.json to the byte; it does not say whether this is a dry run. A webhook gets it too, but no rows."""
    version = decision.version
    schema = version.schema
    assert schema is not None
    told = {
        "decision": decision.id, "action": decision.act.do, "project": version.model.project,
        "environment": version.model.environment, "model": version.model.name, "serving": version.name,
        "incident": decision.incident, "reason": _reason(decision), "findings": findings,
        "since": None if decision.since is None else moment(decision.since).isoformat(),
        **(_spans(found) if found is not None else {}),
        "columns": {
            "id": schema.id, "timestamp": schema.timestamp, "target": schema.target, "score": schema.score,
            "prediction": schema.prediction, "features": features_of(schema),
        },
        "task": schema.task, "positive": schema.positive, "classes": schema.classes,
    }  # fmt: skip
    return json.dumps(told, indent=1, default=str) + "\n"


def _spans(found: Ranges) -> dict[str, Any]:
    return {"training": _span(found.training, TRAINING), "holdout": _span(found.holdout, HOLDOUT)}


def _span(span: Span, file: str) -> dict[str, Any]:
    return {
        "start": moment(span.start).isoformat(),
        "end": moment(span.stop).isoformat(),
        "rows": span.rows,
        "file": file,
    }
