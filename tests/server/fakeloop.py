"""The half of a pipeline in memory that is about incidents and actions; each change writes one record, as the real one does."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from datetime import UTC, datetime
from typing import Any

from watchkeeper.errors import ActionRefused, ChannelFailed, Conflict, InvalidMonitors, UnknownModel
from watchkeeper.pipeline.changes import Changes
from watchkeeper.pipeline.values import Every, Target
from watchkeeper.store.layout import statements


class FakeDatabase:
    """The tables of a store, in memory."""

    def __init__(self) -> None:
        self._connection = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        self._lock = threading.Lock()
        self.fail: Exception | None = None
        for statement in statements():
            self._connection.execute(statement)

    def write(self, job: Callable[[sqlite3.Connection], Any]) -> Future[Any]:
        future: Future[Any] = Future()
        with self._lock:
            if self.fail is not None:
                future.set_exception(self.fail)
            else:
                future.set_result(job(self._connection))
        return future

    @contextlib.contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            yield self._connection


class FakeLoop:
    """Incidents 1 (critical) and 2 (resolved), action ``a1``, channel ``console``, which ``broken`` is not."""

    def __init__(self) -> None:
        self.database, self.changes = FakeDatabase(), Changes()
        self.records: list[dict[str, Any]] = []
        self.applied: dict[tuple[str, str], dict[str, Any]] = {}
        self.quiet: dict[int, dict[str, Any]] = {}
        self.found = {
            number: {
                "id": number, "project": "default", "environment": "production", "model": "m", "version": "1",
                "cause": "model", "state": state, "severity": "critical", "title": f"roc_auc fell ({number})",
                "opened": "2026-05-01T00:00:00Z", "resolved": None, "silenced": False,
                "findings": [{"metric": "roc_auc", "words": "0.71, not 0.80", "verdict": "critical"}],
                "columns": [{"column": "wind", "effect": 0.4, "words": "its values are 1.6 times as large"}],
                "timeline": [{"at": "2026-05-01T00:00:00Z", "kind": "opened", "actor": "server", "text": "It opened."}],
                "notifications": [], "actions": [],
            }
            for number, state in ((1, "open"), (2, "resolved"))
        }  # fmt: skip
        self.deeds = {
            "a1": {"id": "a1", "incident": 1, "model": "m", "name": "retrain", "state": "awaiting approval",
                   "evidence": "e1", "proposed": "2026-05-01T00:00:00Z", "changed": "2026-05-01T00:00:00Z", "log": ""}
        }  # fmt: skip
        self.halted = False

    def note_audit(
        self, project: str, actor: str, what: str, target: str, detail: dict[str, Any] | None = None
    ) -> None:
        self.records.append(
            {"seq": len(self.records) + 1, "at": datetime.now(UTC).isoformat(), "project": project, "actor": actor}
            | {"what": what, "target": target, "detail": detail or {}}
        )

    def audit(self, project: str, limit: int = 200, before: int | None = None) -> list[dict[str, Any]]:
        found = [r for r in self.records if r["project"] == project and (before is None or r["seq"] < before)]
        return found[::-1][:limit]

    def audit_intact(self) -> int | None:
        return None

    def monitors(self, target: Target) -> dict[str, Any] | None:
        return self.applied.get((target.project, target.model))

    def check_monitors(self, text: str) -> dict[str, Any]:
        lines = dict(line.split(": ", 1) for line in text.splitlines() if ": " in line)
        if "model" not in lines:
            raise InvalidMonitors("model", "is missing. Did you mean 'modle'?")
        return {"model": lines["model"], "monitors": text.count("metric")}

    def plan_monitors(self, target: Target, text: str) -> dict[str, Any]:
        self._fits(target, text)
        return {"changes": [{"what": "added", "monitor": "roc_auc", "from": None, "to": {"metric": "roc_auc"}}]}

    def apply_monitors(self, target: Target, text: str, actor: str) -> dict[str, Any]:
        self._fits(target, text)
        before = self.monitors(target)
        made = {"revision": before["revision"] + 1 if before else 1, "text": text, "document": {}, "author": actor}
        self.applied[target.project, target.model] = made | {"created": datetime.now(UTC).isoformat()}
        self.note_audit(target.project, actor, "monitors.apply", target.model)
        return self.applied[target.project, target.model]

    def _fits(self, target: Target, text: str) -> None:
        if self.check_monitors(text)["model"] != target.model:
            raise Conflict("This file is of another model.")

    def suggest_monitors(self, target: Target) -> str:
        return f"model: {target.model}\nmonitors:\n  - {{metric: roc_auc}}  # because it has labels\n"

    def replay_monitors(self, target: Target, text: str) -> dict[str, Any]:
        self._fits(target, text)
        return {
            "windows": 90, "incidents": [{"opened": "2026-04-02T00:00:00Z", "title": "roc_auc fell", "severity": "critical"}],
            "per_week": 0.08, "findings_by_monitor": {"roc_auc": 3}, "days": [],
        }  # fmt: skip

    def verdicts(
        self, target: Target, every: Every, start: datetime | None, end: datetime | None
    ) -> list[dict[str, Any]]:
        del start, end
        return [{"start": "2026-05-01T00:00:00Z", "monitor": "roc_auc", "name": every, "checks": 1, "findings": []}]

    def incidents(
        self, project: str, *, model: str | None = None, environment: str | None = None, state: str | None = None,
        limit: int = 100,
    ) -> list[dict[str, Any]]:  # fmt: skip
        del environment
        found = [i for i in self.found.values() if i["project"] == project and state in {None, i["state"]}]
        return [i for i in found if model in {None, i["model"]}][:limit]

    def incident(self, project: str, id: int) -> dict[str, Any]:  # noqa: A002
        found = self.found.get(id)
        if found is None or found["project"] != project:
            raise UnknownModel("incident", str(id), [])
        return found

    def acknowledge(self, project: str, id: int, actor: str, note: str = "") -> None:  # noqa: A002
        self._move(project, id, "acknowledged", actor, note)

    def resolve(self, project: str, id: int, actor: str, note: str = "") -> None:  # noqa: A002
        self._move(project, id, "resolved", actor, note)

    def _move(self, project: str, id: int, state: str, actor: str, note: str) -> None:  # noqa: A002
        found = self.incident(project, id)
        if found["state"] in {state, "resolved"}:
            raise Conflict(f"The incident {id} is {found['state']} already.")
        found["state"] = state
        self.note_audit(project, actor, f"incident.{state}", str(id), {"note": note})
        self.changes.publish("incident", project, "m", "production")

    def silences(self, project: str) -> list[dict[str, Any]]:
        return [s for s in self.quiet.values() if s["project"] == project]

    def silence(
        self, project: str, *, model: str, environment: str = "production", monitor: str | None = None,
        until: datetime, reason: str, actor: str,
    ) -> dict[str, Any]:  # fmt: skip
        made = {"id": len(self.quiet) + 1, "project": project, "model": model, "environment": environment}
        made |= {"monitor": monitor, "until": until.isoformat(), "reason": reason, "author": actor}
        self.quiet[len(self.quiet) + 1] = made
        self.note_audit(project, actor, "silence.add", model)
        return made

    def unsilence(self, project: str, id: int, actor: str) -> None:  # noqa: A002
        if self.quiet.get(id, {}).get("project") != project:
            raise UnknownModel("silence", str(id), [])
        del self.quiet[id]
        self.note_audit(project, actor, "silence.end", str(id))

    def channels(self, project: str) -> list[dict[str, Any]]:
        del project
        return [{"name": "console", "kind": "console", "state": "fine", "last_sent": None, "waiting": 0, "dead": 0}]

    def operator_problem(self) -> str | None:
        return None

    def test_channel(self, project: str, name: str, actor: str) -> dict[str, Any]:
        if name == "broken":
            raise ChannelFailed(name, "nobody answers.")
        if name != "console":
            raise UnknownModel("channel", name, ["console"])
        self.note_audit(project, actor, "channel.test", name)
        return {"channel": name, "sent": True}

    def actions(self, project: str, state: str | None = None) -> list[dict[str, Any]]:
        return [a for a in self.deeds.values() if project == "default" and state in {None, a["state"]}]

    def action(self, project: str, id: str) -> dict[str, Any]:  # noqa: A002
        if project != "default" or id not in self.deeds:
            raise UnknownModel("action", id, [])
        return self.deeds[id]

    def approve_action(self, project: str, id: str, actor: str, evidence: str) -> None:  # noqa: A002
        if evidence != self.action(project, id)["evidence"]:
            raise ActionRefused("The evidence has changed since; look at it again.")
        self._decide(project, id, actor, "approve", "running")

    def refuse_action(self, project: str, id: str, actor: str) -> None:  # noqa: A002
        self._decide(project, id, actor, "refuse", "refused")

    def stop_action(self, project: str, id: str, actor: str) -> None:  # noqa: A002
        self._decide(project, id, actor, "stop", "stopped")

    def _decide(self, project: str, id: str, actor: str, what: str, state: str) -> None:  # noqa: A002
        self.action(project, id)["state"] = state
        self.note_audit(project, actor, f"action.{what}", id)

    def halt_actions(self, actor: str, on: bool) -> None:
        self.halted = on
        self.note_audit("default", actor, "actions.halt" if on else "actions.resume", "actions")
