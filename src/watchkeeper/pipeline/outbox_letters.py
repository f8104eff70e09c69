"""Letters: alerts as rows of the outbox, from the transaction that decides them to the one that knows they arrived.

A letter is waiting, sent, dead (given up, kept and shown) or replaced (a later one about the same incident says more).
"""

from __future__ import annotations

import json
import random
import secrets
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from watchkeeper.errors import CorruptStore
from watchkeeper.pipeline import timeline
from watchkeeper.pipeline.apply import now
from watchkeeper.pipeline.catalog import project_id
from watchkeeper.response.alert import Alert
from watchkeeper.store import rows

_TAG = "outbox"
_WAITING = "SELECT id, kind, error FROM outbox WHERE incident_id = ? AND channel = ? AND state = 'waiting' ORDER BY id"
_SAME = "SELECT 1 FROM outbox WHERE incident_id IS ? AND channel = ? AND key = ?"
_SECOND = 1_000_000
_LONGEST_ERROR = 500


@dataclass(frozen=True, slots=True)
class Patience:
    """How failing is borne; seconds.

    Attributes
    ----------
    first, longest
        A letter is tried again after at most ``first``, then twice that, and so on up to ``longest``; at random within it.
    probe
        While a channel fails, one of its letters at most is tried in so long a time; a fresh one too.
    give_up, attempts
        A letter is dead when it is so old and was tried so often: being off for a day kills none.
    """

    first: float = 2.0
    longest: float = 3600.0
    probe: float = 60.0
    give_up: float = 86400.0
    attempts: int = 12

    def pause(self, failures: int, most: float) -> float:
        """Return the seconds to wait after so many failures in a row: full jitter, so that many do not come together."""
        return random.random() * min(most, self.first * 2.0 ** min(failures - 1, 30))


@dataclass(frozen=True, slots=True)
class Letter:
    """A row of the outbox that waits."""

    id: int
    project: str
    incident: int | None
    channel: str
    attempts: int
    alert: Alert


def enqueue(
    connection: sqlite3.Connection, project: str, incident: int | None, channels: Iterable[str], alert: Alert
) -> str:
    """Put an alert in the outbox for each channel, in the transaction that decides it; wake the outbox after the commit.

    What waits for the same channel about the same incident is replaced: after an outage there is one current letter for each
    incident. One that says it is resolved is never replaced. Silences are the caller's matter.

    Parameters
    ----------
    alert
        With its ``key``, or without: then one is made that no other store makes. The same key twice is one letter.

    Returns
    -------
    key
    """
    key = alert.key or _key(connection, incident, alert.kind)
    payload = json.dumps(replace(alert, key=key, incident=incident).to_dict(), default=str)
    at, number = now(), project_id(connection, project)
    for channel in dict.fromkeys(channels):
        if connection.execute(_SAME, (incident, channel, key)).fetchone():
            continue
        trouble = _replace(connection, incident, channel)
        rows.insert(
            connection, "outbox", project_id=number, incident_id=incident, channel=channel, kind=alert.kind, key=key,
            payload=payload, created=at, attempts=0, due=at, state="waiting", error=trouble,
        )  # fmt: skip
    return key


def _key(connection: sqlite3.Connection, incident: int | None, kind: str) -> str:
    """Return a key that nobody used: the store's tag, incident, kind and number, for receivers may hear several stores."""
    tag = rows.select_one(connection, "setting", name=_TAG)
    if tag is None:
        tag = {"value": secrets.token_hex(4)}
        rows.insert(connection, "setting", name=_TAG, value=tag["value"])
    if incident is None:
        return f"{tag['value']}-{kind}-{secrets.token_hex(8)}"
    query = "SELECT count(DISTINCT key) FROM outbox WHERE incident_id = ? AND kind = ?"
    return f"{tag['value']}-{incident}-{kind}-{connection.execute(query, (incident, kind)).fetchone()[0] + 1}"


def _replace(connection: sqlite3.Connection, incident: int | None, channel: str) -> str | None:
    """Replace what waits; return why it did not arrive, so that a channel that fails is seen to with what comes after."""
    trouble = None
    for number, kind, error in connection.execute(_WAITING, (incident, channel)).fetchall():
        trouble = error or trouble
        if kind != "resolved":
            _change(connection, number, state="replaced")
    return trouble


def waiting(connection: sqlite3.Connection, channel: str | None, known: Iterable[str]) -> list[tuple[int, int]]:
    """Return id and due time of the letters for a channel, first due first; with None those for none that is ``known``."""
    names = [channel] if channel is not None else list(known)
    chosen = f"channel {'' if channel is not None else 'NOT '}IN ({', '.join('?' * len(names))})"
    query = f"SELECT id, due FROM outbox WHERE state = 'waiting' AND {chosen} ORDER BY due, id"
    return connection.execute(query, names).fetchall()


def read(connection: sqlite3.Connection, number: int) -> Letter | None:
    """Return a letter that still waits.

    Raises
    ------
    CorruptStore
        Its row is damaged.
    """
    row = rows.select_one(connection, "outbox", id=number, state="waiting")
    if row is None:
        return None
    project = rows.select_one(connection, "project", id=row["project_id"]) or {"name": ""}
    alert = replace(Alert.from_dict(json.loads(row["payload"])), key=row["key"])
    return Letter(number, project["name"], row["incident_id"], row["channel"], row["attempts"], alert)


def note_sent(connection: sqlite3.Connection, letter: Letter) -> None:
    """Record that a letter arrived; what else waits for the channel need not wait any longer."""
    _change(connection, letter.id, state="sent", sent=now(), attempts=letter.attempts + 1, error=None)
    data = _told(letter) | {"attempts": letter.attempts + 1}
    text = f"{letter.channel} was told ({letter.alert.kind})."
    timeline.note(connection, letter.incident, "notified", text, data=data)
    release(connection, letter.channel)


def note_failed(connection: sqlite3.Connection, letter: Letter, why: str, again: bool, patience: Patience) -> None:
    """Record that a letter did not arrive, and when to try again; the timeline has the first failure and the last."""
    row = rows.select_one(connection, "outbox", id=letter.id)
    if row is None:
        return
    attempts, at, why = row["attempts"] + 1, now(), why[:_LONGEST_ERROR]
    if row["state"] != "waiting":
        _change(connection, letter.id, attempts=attempts, error=why)
        for number, *_ in connection.execute(_WAITING, (letter.incident, letter.channel)).fetchall():
            _change(connection, number, error=why)
        return
    old = at - row["created"] >= patience.give_up * _SECOND and attempts >= patience.attempts
    dead = old or not again
    due = at + round(patience.pause(attempts, patience.longest) * _SECOND)
    _change(connection, letter.id, attempts=attempts, error=why, due=due, state="dead" if dead else "waiting")
    if dead or attempts == 1:
        after = f"given up after {attempts} attempts" if dead else "it is tried again"
        text = f"{letter.channel} could not be told ({letter.alert.kind}): {why}; {after}."
        timeline.note(connection, letter.incident, "failed", text, data=_told(letter) | {"dead": dead})


def release(connection: sqlite3.Connection, channel: str) -> None:
    """Have all that waits for a channel due now."""
    at = now()
    query = "SELECT id FROM outbox WHERE state = 'waiting' AND channel = ? AND due > ?"
    for (number,) in connection.execute(query, (channel, at)).fetchall():
        _change(connection, number, due=at)


def _told(letter: Letter) -> dict[str, Any]:
    return {"channel": letter.channel, "key": letter.alert.key, "kind": letter.alert.kind}


def _change(connection: sqlite3.Connection, number: int, **changes: Any) -> None:
    """Change a row; a damaged one is left as it is, and costs itself alone."""
    try:
        rows.update(connection, "outbox", {"id": number}, **changes)
    except CorruptStore:
        return
