"""A pipeline with incidents, actions and channels that exist nowhere else, over a store that `sample_store` filled.

It answers as a pipeline does, and remembers what it was told.
"""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from typing import Any

from sample_store import HOSTILE, LAST

from watchkeeper.errors import InvalidMonitors, UnknownModel
from watchkeeper.pipeline.changes import Changes
from watchkeeper.pipeline.pipeline import Pipeline
from watchkeeper.store import rows
from watchkeeper.window import microseconds

JSON = dict[str, Any]

_RULES = """\
model: late-flights
window: {every: 1d, zone: America/New_York}
budget: 1 per 600 days
monitors:
  - {metric: roc_auc, segments: [origin], detect: {risk: {tolerance: 0.02}}}
  - {metric: jensen_shannon, columns: all, detect: calibrated, role: evidence}   # drift explains; it opens nothing
  - {metric: latency_p99, detect: {threshold: {warning: "> 100ms", critical: "> 250ms"}, m_of_n: [2, 3]}}
respond:
  - on: {severity: critical, metric: roc_auc}
    notify: [oncall]
    act: {do: retrain-flights, then: promote_if_better, approve: person, limit: 1 per day}
"""


def _at(days: float, hours: float = 0.0) -> str:
    return (LAST - timedelta(days=days) + timedelta(hours=hours)).isoformat()


def _finding(metric: str, words: str, **more: Any) -> JSON:
    start = microseconds(LAST - timedelta(days=12))
    point = {
        "start": start,
        "stop": start + 86_400_000_000,
        "value": 0.814,
        "low": 0.797,
        "high": 0.831,
        "n": 10_412,
        "coverage": 0.96,
        "reference": 0.871,
        "effect": 0.057,
        "p_value": 3.1e-9,
        "detectable": 0.018,
        "rows": 10_841,
    } | more.pop("point", {})
    return {
        "monitor": f"{metric}-risk",
        "metric": metric,
        "column": None,
        "segment": None,
        "source": "realised",
        "verdict": "critical",
        "state": "data",
        "point": point,
        "alpha": 0.0008,
        "words": words,
    } | more


def incident(number: int, **more: Any) -> JSON:
    """Return one incident as a pipeline tells of it."""
    return {
        "id": number,
        "project": "default",
        "environment": "production",
        "model": "late-flights",
        "version": "2",
        "cause": "model",
        "state": "open",
        "severity": "critical",
        "title": "ROC AUC of late-flights fell by 0.057, most at JFK",
        "opened": _at(11),
        "opened_wall": _at(11, 3),
        "resolved": None,
        "silenced": False,
        "findings": [],
        "columns": [],
        "timeline": [],
        "notifications": [],
        "actions": [],
    } | more


def action(**more: Any) -> JSON:
    """Return one action as a pipeline tells of it."""
    return {
        "id": "a-7f3c",
        "incident": 17,
        "model": "late-flights",
        "environment": "production",
        "name": "retrain-flights",
        "state": "awaiting approval",
        "proposed": _at(11, 1),
        "changed": _at(11, 1),
        "expires": _at(-2),
        "author": "rule 1",
        "approver": None,
        "rule": {"do": "retrain-flights", "then": "promote_if_better", "approve": "person", "limit": "1 per day"},
        "request": {"command": ["python", "train.py"], "rows": 214_000, "holdout": "the last 14 days"},
        "result": None,
        "evidence": "9f2c41d07a3be855",
        "log": "waiting for a person",
    } | more


def _incidents(odd: str) -> dict[int, JSON]:
    notifications = [
        {
            "channel": "oncall",
            "kind": "opened",
            "state": "sent",
            "attempts": 1,
            "created": _at(11, 3),
            "sent": _at(11, 3),
            "error": None,
            "key": "k1",
        },
        {
            "channel": f"hook {odd}",
            "kind": "opened",
            "state": "failing",
            "attempts": 7,
            "created": _at(11, 3),
            "sent": None,
            "error": f"503 from the other side {odd}",
            "key": "k2",
        },
    ]
    timeline = [
        {
            "at": _at(11),
            "wall": _at(11, 3),
            "kind": "opened",
            "actor": None,
            "text": "ROC AUC fell beyond what its budget allows.",
            "data": {},
        },
        {"at": _at(11), "wall": _at(11, 3), "kind": "notified", "actor": None, "text": "oncall was told.", "data": {}},
        {
            "at": _at(11),
            "wall": _at(11, 4),
            "kind": "failed",
            "actor": None,
            "text": f"hook did not answer: {odd}",
            "data": {},
        },
        {
            "at": _at(11),
            "wall": _at(11, 4),
            "kind": "proposed",
            "actor": None,
            "text": "retrain-flights waits for a person.",
            "data": {},
        },
        {
            "at": _at(9),
            "wall": _at(9, 3),
            "kind": "joined",
            "actor": None,
            "text": "Recall at JFK joined: 0.52 against 0.66.",
            "data": {},
        },
    ]
    first = incident(
        17,
        findings=[
            _finding(
                "roc_auc",
                "ROC AUC is 0.814 (0.797 to 0.831), the reference had 0.871: worse by 0.057, 2.9 times what matters.",
            ),
            _finding(
                "roc_auc",
                "At JFK it is 0.752, worse by 0.119.",
                segment="origin=JFK",
                point={"value": 0.752, "low": 0.72, "high": 0.781, "n": 3_391, "p_value": 8e-12},
            ),
            _finding(
                "f1",
                "F1 is 0.62 where the reference had 0.71.",
                verdict="warning",
                point={"value": 0.62, "low": 0.59, "high": 0.65, "reference": 0.71, "p_value": 2e-4},
            ),
        ],
        columns=[
            {
                "column": "dep_delay",
                "metric": "wasserstein",
                "effect": 1470.0,
                "before": 5.0,
                "jump": 1465.0,
                "words": "Moved by 147 sd, more than the 0.627 that matters.",
            },
            {
                "column": "precip",
                "metric": "wasserstein",
                "effect": 3.3,
                "before": 0.2,
                "jump": 3.1,
                "words": "Moved by 0.33 sd, more than the 0.1 that matters.",
            },
            {
                "column": odd,
                "metric": "wasserstein",
                "effect": 2.1,
                "before": 0.1,
                "jump": 2.0,
                "words": f"{odd} moved as well.",
            },
        ],
        timeline=timeline,
        notifications=notifications,
        actions=[action()],
    )
    return {
        17: first,
        18: incident(
            18,
            model="spam",
            severity="warning",
            cause="service",
            title="Latency of spam doubled",
            opened=_at(7),
            opened_wall=_at(7),
            version="2",
            findings=[
                _finding(
                    "latency_p99",
                    "The 99 % quantile is 134 ms, above 100 ms in 3 of 3 windows.",
                    verdict="warning",
                    alpha=None,
                )
            ],
        ),
        16: incident(
            16,
            model="fraud-cards",
            state="acknowledged",
            severity="warning",
            title=f"Recall of fraud-cards fell {odd}",
            opened=_at(15),
            opened_wall=_at(15),
            findings=[_finding("recall", "Recall is 0.57 where the reference had 0.66.", verdict="warning")],
        ),
        12: incident(
            12,
            state="resolved",
            severity="warning",
            title="visib missing in 22 % of the rows",
            opened=_at(41),
            opened_wall=_at(41),
            resolved=_at(39),
        ),
        9: incident(
            9,
            model="churn",
            state="resolved",
            cause="traffic",
            title="No rows came from churn for 9 hours",
            opened=_at(60),
            opened_wall=_at(60),
            resolved=_at(59.6),
            silenced=True,
        ),
    }


class Staged(Pipeline):
    """A pipeline over a filled store, with incidents, actions and channels that exist nowhere else."""

    def stage(self, odd: str = HOSTILE) -> Staged:
        """Set the stage, or set it anew, with ``odd`` for a name; whoever follows the changes goes on doing so."""
        self.changes = getattr(self, "changes", None) or Changes()
        self._odd = odd
        self.told: list[tuple[Any, ...]] = []
        self._incidents, self._monitors = _incidents(odd), {"text": _RULES, "revision": 3}
        self._silences: list[JSON] = []
        self._insert_open()
        return self

    def _insert_open(self) -> None:
        """Put what lists read straight from the store there as well."""
        models = {m.name: m for m in self.catalog.models_of("default")}

        def job(connection: Any) -> None:
            for one in self._incidents.values():
                model = models.get(one["model"])
                if model is None or rows.select_one(connection, "incident", id=one["id"]):
                    continue
                opened = microseconds(datetime.fromisoformat(one["opened"]))
                resolved = microseconds(datetime.fromisoformat(one["resolved"])) if one["resolved"] else None
                rows.insert(
                    connection,
                    "incident",
                    id=one["id"],
                    project_id=1,
                    model_id=model.id,
                    version=one["version"],
                    cause=one["cause"],
                    state=one["state"],
                    severity=one["severity"],
                    title=one["title"],
                    opened=opened,
                    opened_wall=opened,
                    changed=opened,
                    resolved=resolved,
                    quiet=0,
                    evidence='{"findings": [], "columns": [], "seen": []}',
                )
            for model in models.values():
                for version in self.catalog.versions_of(model):
                    name = "ok" if model.id % 4 else "not enough data"
                    start = microseconds(LAST - timedelta(days=4))
                    rows.insert(
                        connection,
                        "verdict",
                        replace=True,
                        version_id=version.id,
                        stage="serving",
                        every="day",
                        start=start,
                        monitor="roc_auc-risk",
                        name=name,
                        checks=4,
                        findings="[]",
                        known_at=start,
                    )

        self.database.write(job).result()

    def incidents(
        self,
        project: str,
        *,
        model: str | None = None,
        environment: str | None = None,
        state: str | None = None,
        limit: int = 100,
    ) -> list[JSON]:
        """Return them, the latest first."""
        del project, environment
        found = [i for i in self._incidents.values() if model in {None, i["model"]} and state in {None, i["state"]}]
        return sorted(found, key=lambda one: -one["id"])[:limit]

    def incident(self, project: str, id: int) -> JSON:  # noqa: A002
        """Return one."""
        del project
        if id not in self._incidents:
            raise UnknownModel("incident", str(id), [str(n) for n in self._incidents])
        return self._incidents[id]

    def acknowledge(self, project: str, id: int, actor: str, note: str = "") -> None:  # noqa: A002
        """Say that somebody looks after it."""
        self._change(project, id, "acknowledged", actor, note)

    def resolve(self, project: str, id: int, actor: str, note: str = "") -> None:  # noqa: A002
        """Say that it is over."""
        self._change(project, id, "resolved", actor, note)

    def _change(self, project: str, id: int, state: str, actor: str, note: str) -> None:  # noqa: A002
        one = self.incident(project, id)
        text = f"{state.capitalize()}{': ' + note if note else '.'}"
        entry = {"at": _at(0), "wall": _at(0), "kind": state, "actor": actor, "text": text, "data": {}}
        self._incidents[id] = one | {"state": state, "timeline": [*one["timeline"], entry]}
        self.database.write(lambda c: rows.update(c, "incident", {"id": id}, state=state)).result()
        self.changes.publish("incident", project, one["model"], one["environment"])

    def silences(self, project: str) -> list[JSON]:
        """Return those that have not ended."""
        del project
        return self._silences

    def silence(
        self,
        project: str,
        *,
        model: str,
        environment: str = "production",
        monitor: str | None = None,
        until: datetime,
        reason: str,
        actor: str,
    ) -> JSON:
        """Keep quiet about a model."""
        made = {
            "id": len(self._silences) + 1,
            "model": model,
            "environment": environment,
            "monitor": monitor,
            "until": until.isoformat(),
            "reason": reason,
            "author": actor,
            "created": _at(0),
            "ended": None,
        }
        self._silences.append(made)
        self.changes.publish("incident", project, model, environment)
        return made

    def unsilence(self, project: str, id: int, actor: str) -> None:  # noqa: A002
        """End a silence."""
        del actor
        self._silences = [s for s in self._silences if s["id"] != id]
        self.changes.publish("incident", project)

    def channels(self, project: str) -> list[JSON]:
        """Return the channels."""
        del project
        return [
            {
                "name": "console",
                "kind": "console",
                "state": "fine",
                "last_sent": _at(7),
                "last_error": None,
                "waiting": 0,
                "dead": 0,
            },
            {
                "name": "oncall",
                "kind": "apprise",
                "state": "fine",
                "last_sent": _at(11, 3),
                "last_error": None,
                "waiting": 0,
                "dead": 0,
            },
            {
                "name": f"hook {self._odd}",
                "kind": "webhook",
                "state": "failing",
                "last_sent": None,
                "last_error": f"503 from the other side {self._odd}",
                "waiting": 2,
                "dead": 0,
            },
        ]

    def test_channel(self, project: str, name: str, actor: str) -> JSON:
        """Send a test."""
        self.told.append(("test", project, name, actor))
        return {"sent": True}

    def actions(self, project: str, state: str | None = None) -> list[JSON]:
        """Return the actions."""
        del project
        return [a for one in self._incidents.values() for a in one["actions"] if state in {None, a["state"]}]

    def action(self, project: str, id: str) -> JSON:  # noqa: A002
        """Return one."""
        return next(a for a in self.actions(project) if a["id"] == id)

    def _decide(self, project: str, id: str, actor: str, state: str) -> None:  # noqa: A002
        made = self.action(project, id) | {"state": state, "approver": actor}
        one = self._incidents[made["incident"]]
        self._incidents[made["incident"]] = one | {"actions": [made]}
        self.changes.publish("action", project, made["model"], made["environment"])

    def approve_action(self, project: str, id: str, actor: str, evidence: str) -> None:  # noqa: A002
        """Let it run."""
        self.told.append(("approve", id, evidence))
        self._decide(project, id, actor, "running")

    def refuse_action(self, project: str, id: str, actor: str) -> None:  # noqa: A002
        """Forbid it."""
        self._decide(project, id, actor, "refused")

    def stop_action(self, project: str, id: str, actor: str) -> None:  # noqa: A002
        """End it."""
        self._decide(project, id, actor, "stopped")

    def halt_actions(self, actor: str, on: bool) -> None:
        """Throw the switch."""
        self.told.append(("halt", actor, on))

    def audit(self, project: str, limit: int = 200, before: int | None = None) -> list[JSON]:
        """Return who did what."""
        del project, before
        done = [
            ("alice", "monitors.apply", "late-flights", {"revision": 3}),
            ("alice", "key.create", self._odd, {"role": "ingest"}),
            ("ci", "serving.set", "late-flights", {"version": "2"}),
        ]
        return [
            {"seq": n, "at": _at(n), "actor": a, "what": w, "target": t, "detail": d}
            for n, (a, w, t, d) in reversed(list(enumerate(done, 1)))
        ][:limit]

    def audit_intact(self) -> int | None:
        """Return the first record that was changed."""
        return None

    def note_audit(self, project: str, actor: str, what: str, target: str, detail: JSON) -> None:
        """Remember what the server did."""
        self.told.append((project, actor, what, target, detail))

    def monitors(self, target: Any) -> JSON | None:
        """Return a model's monitors."""
        if target.model != "late-flights":
            return None
        return {**self._monitors, "document": {}, "author": "alice", "created": _at(20)}

    def check_monitors(self, text: str) -> JSON:
        """Read monitors."""
        if "metrik" in text:
            raise InvalidMonitors("monitors[0]", "it has the key 'metrik', which is not known; did you mean 'metric'?")
        return {"model": "late-flights", "monitors": text.count("metric:")}

    def plan_monitors(self, target: Any, text: str) -> JSON:
        """Say what would change."""
        self.check_monitors(text)
        same = text == self._monitors["text"]
        return {
            "model": target.model,
            "changes": []
            if same
            else [
                {"what": "changed", "monitor": "roc_auc-risk", "from": {"tolerance": 0.02}, "to": {"tolerance": 0.03}},
                {"what": "added", "monitor": "f1-risk", "from": None, "to": {}},
            ],
        }

    def apply_monitors(self, target: Any, text: str, actor: str) -> JSON:
        """Have them hold."""
        del actor
        self.check_monitors(text)
        self._monitors = {"text": text, "revision": int(str(self._monitors["revision"])) + 1}
        self.changes.publish("monitors", target.project, target.model, target.environment)
        return self.monitors(target) or {}

    def suggest_monitors(self, target: Any) -> str:
        """Suggest some."""
        return f"# suggested from 90 days of {target.model}\n{_RULES}"

    def replay_monitors(self, target: Any, text: str) -> JSON:
        """Say what they would have said."""
        del target
        self.check_monitors(text)
        draw = random.Random(4)
        days = [
            {
                "start": _at(89 - d),
                "incident": d in {48, 79},
                "findings": (draw.choice([0, 0, 0, 1, 2]) if d < 76 else draw.randint(2, 9)),
            }
            for d in range(90)
        ]
        return {
            "windows": 90,
            "incidents": [
                {
                    "window": _at(41),
                    "resolved": _at(39),
                    "severity": "warning",
                    "cause": "model",
                    "words": "visib is missing in 22 % of the rows.",
                },
                {
                    "window": _at(10),
                    "resolved": None,
                    "severity": "critical",
                    "cause": "model",
                    "words": "ROC AUC is 0.814, the reference had 0.871.",
                },
            ],
            "per_week": 0.16,
            "findings_by_monitor": {"roc_auc-risk": 11, "jensen_shannon-calibrated": 41, "latency_p99-threshold": 0},
            "days": days,
        }

    def verdicts(self, target: Any, every: str, start: Any, end: Any) -> list[JSON]:
        """Return nothing."""
        del target, every, start, end
        return []
