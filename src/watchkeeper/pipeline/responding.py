"""Who is told of an incident, and what is done about it, as its model's rules say; written with the incident itself."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from typing import Any

from watchkeeper.pipeline import timeline
from watchkeeper.pipeline.acting_proposal import Decision, propose
from watchkeeper.pipeline.incidents import Event
from watchkeeper.pipeline.outbox import enqueue
from watchkeeper.pipeline.rules import InForce
from watchkeeper.response.alert import Alert, AlertKind
from watchkeeper.response.operator import Operator, OperatorFile
from watchkeeper.store import rows
from watchkeeper.window import moment

CONSOLE = "console"
_KINDS: dict[str, AlertKind] = {"opened": "opened", "escalated": "escalated", "resolved": "resolved"}
_ACTED_ON = {"opened", "escalated", "joined", "goes on"}


class Responding:
    """Turns what happens to an incident into messages and proposed actions, within the transaction of what happened."""

    def __init__(self, operator: OperatorFile, address: Callable[[], str | None]) -> None:
        self._operator = operator
        self._address = address

    def respond(self, writer: sqlite3.Connection, force: InForce | None, event: Event) -> None:
        """Write what follows from an event."""
        operator = self._operator.current()
        if event.kind in _KINDS:
            self._tell(writer, operator, force, event)
        if event.kind in _ACTED_ON and force is not None and not event.silenced:
            self._act(writer, operator, force, event)

    def _tell(self, writer: sqlite3.Connection, operator: Operator, force: InForce | None, event: Event) -> None:
        number = event.incident["id"]
        if event.kind == "resolved":  # those who heard of it hear that it is over, whatever the rules say by now
            channels = {o["channel"] for o in rows.select_all(writer, "outbox", incident_id=number)}
        elif event.silenced:
            timeline.note(writer, number, "silenced", "Nobody is told: it is silenced.", at=event.incident["opened"])
            return
        else:
            channels = self._channels(writer, operator, force, event)
        if channels:
            enqueue(writer, event.model.project, number, sorted(channels), self._alert(event))

    def _channels(
        self, writer: sqlite3.Connection, operator: Operator, force: InForce | None, event: Event
    ) -> set[str]:
        """Return who is told: those whom a matching rule names; the console where there are no rules, or none is known."""
        rules = force.monitors.respond if force is not None else ()
        named = {n for rule in rules for n in rule.notify if any(map(rule.matches, event.findings))}
        missing = sorted(named - operator.channels.keys())
        if missing:
            words = f"The rules name {', '.join(missing)}, which the operator's file does not have as a channel."
            timeline.note(writer, event.incident["id"], "failed", words, at=event.model.now())
        known = named & operator.channels.keys()
        return known or ({CONSOLE} if not rules or named else set())

    def _act(self, writer: sqlite3.Connection, operator: Operator, force: InForce, event: Event) -> None:
        """Propose what the first rule says that a finding matches; each sealed window in which it alarms asks anew."""
        if event.version is None or event.window is None:
            return
        window = event.window
        began = json.loads(event.incident["evidence"]).get("window", [window.start])[0]
        for rule in force.monitors.respond:
            matching = [f for f in event.findings if rule.matches(f)]
            if rule.act is not None and matching:
                place = (window.every, window.start, window.stop)
                number, at = event.incident["id"], event.model.now()
                decision = Decision(event.version, number, place, rule.act, matching, at, force.author, since=began)
                propose(writer, operator.actions, decision)
                return

    def _alert(self, event: Event) -> Alert:
        incident, model = event.incident, event.model
        evidence = json.loads(incident["evidence"])
        title, text = told(event.kind, incident["title"], evidence)
        address = self._address()
        return Alert(
            key="", kind=_KINDS[event.kind], project=model.project, environment=model.environment,
            model=model.name, version=incident["version"], incident=incident["id"], severity=incident["severity"],
            title=title, text=text, url=f"{address}/#/incident/{incident['id']}" if address else None,
            evidence=evidence["findings"][:10], opened=moment(incident["opened"]).isoformat(),
            at=moment(model.now()).isoformat(),
        )  # fmt: skip


def told(kind: str, title: str, evidence: dict[str, Any]) -> tuple[str, str]:
    """Return title and text of a message about an incident: whole sentences, and that it is over first.

    Examples
    --------
    >>> told("resolved", "AUC is critical", {"findings": [{"words": "fell by 0.1"}], "columns": []})
    ('Resolved: AUC is critical', 'It is over. fell by 0.1.')
    """
    said = ["It is over"] if kind == "resolved" else []
    said += [finding["words"] for finding in evidence["findings"][:3]]
    moved = "; ".join(f"{column['column']}: {column['words'].rstrip('.')}" for column in evidence["columns"][:5])
    said += [f"What moved: {moved}"] if moved else []
    sentences = (words if words.endswith((".", "!", "?")) else f"{words}." for words in said if words)
    return f"Resolved: {title}" if kind == "resolved" else title, " ".join(sentences)
