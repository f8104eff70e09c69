"""What the server asks of a pipeline, split by who asks."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any, Protocol

import pyarrow as pa

from watchkeeper.client.usage import Usage
from watchkeeper.pipeline.changes import Change
from watchkeeper.pipeline.facts import Facts
from watchkeeper.pipeline.keys import Key
from watchkeeper.pipeline.values import Every, Kind, MeasurementQuery, Receipt, Target
from watchkeeper.profiles.profile import Profile


class Intake(Protocol):
    """Takes batches."""

    def submit(
        self, kind: Kind, target: Target, batch_id: str | None, content_type: str, body: bytes,
        usage: Usage | None = None,
    ) -> Future[Receipt]:  # fmt: skip
        """Check a batch in this thread; the future resolves when it is durable."""
        ...


class Register(Protocol):
    """Is told of versions."""

    def register(
        self, target: Target, schema: dict[str, Any] | None, clock: str | None, facts: Facts | None = None
    ) -> dict[str, Any]:
        """Keep what is said of a version."""
        ...

    def set_reference(self, target: Target, data: bytes) -> dict[str, Any]:
        """Keep a version's reference, a profile as bytes."""
        ...

    def serving(self, target: Target) -> str | None:
        """Return the version that serves."""
        ...

    def set_serving(self, target: Target, version: str) -> None:
        """Say which version serves."""
        ...


class Catalogue(Protocol):
    """Says what there is."""

    def models(self, project: str) -> list[dict[str, Any]]:
        """Return a project's models."""
        ...

    def versions(self, target: Target) -> list[dict[str, Any]]:
        """Return a model's versions."""
        ...

    def windows(
        self, target: Target, every: Every, start: datetime | None, end: datetime | None
    ) -> list[dict[str, Any]]:
        """Return a version's windows."""
        ...

    def quarantine(self, target: Target, limit: int) -> list[dict[str, Any]]:
        """Return rows that were refused, newest first."""
        ...


class Measured(Protocol):
    """Says what was measured."""

    def measurements(self, query: MeasurementQuery) -> pa.Table:
        """Return measurements as a table."""
        ...

    def profile(self, target: Target, start: datetime | None, end: datetime | None) -> Profile:
        """Return the merged profile of the windows in between."""
        ...

    def distribution(self, target: Target, column: str, start: datetime | None, end: datetime | None) -> dict[str, Any]:
        """Return how a column is distributed, beside the reference."""
        ...


class Monitoring(Protocol):
    """Keeps what is monitored."""

    def monitors(self, target: Target) -> dict[str, Any] | None:
        """Return a model's monitors; None where none were applied."""
        ...

    def check_monitors(self, text: str) -> dict[str, Any]:
        """Say of which model a file is and how many monitors it has."""
        ...

    def plan_monitors(self, target: Target, text: str) -> dict[str, Any]:
        """Say what a file would change."""
        ...

    def apply_monitors(self, target: Target, text: str, actor: str) -> dict[str, Any]:
        """Have a model monitored as a file says."""
        ...


class Foresight(Protocol):
    """Says what monitors might be, would have said, and did say."""

    def suggest_monitors(self, target: Target) -> str:
        """Return a file of monitors with reasons."""
        ...

    def replay_monitors(self, target: Target, text: str) -> dict[str, Any]:
        """Say what a file would have said over the stored history."""
        ...

    def verdicts(
        self, target: Target, every: Every, start: datetime | None, end: datetime | None
    ) -> list[dict[str, Any]]:
        """Return verdicts on sealed windows."""
        ...


class Incidents(Protocol):
    """Keeps incidents."""

    def incidents(
        self,
        project: str,
        *,
        model: str | None = None,
        environment: str | None = None,
        state: str | None = None,
        limit: int = 100,
    ) -> list[dict[str, Any]]:
        """Return incidents, latest first."""
        ...

    def incident(self, project: str, id: int) -> dict[str, Any]:  # noqa: A002
        """Return one."""
        ...

    def acknowledge(self, project: str, id: int, actor: str, note: str = "") -> object:  # noqa: A002
        """Say that somebody looks after it."""
        ...

    def resolve(self, project: str, id: int, actor: str, note: str = "") -> object:  # noqa: A002
        """Say that it is over."""
        ...


class Silences(Protocol):
    """Keeps silences."""

    def silences(self, project: str) -> list[dict[str, Any]]:
        """Return those that have not ended."""
        ...

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
    ) -> dict[str, Any]:
        """Send nothing of a model, or of one of its monitors, until then."""
        ...

    def unsilence(self, project: str, id: int, actor: str) -> object:  # noqa: A002
        """End a silence."""
        ...


class Outbound(Protocol):
    """Reaches people."""

    def channels(self, project: str) -> list[dict[str, Any]]:
        """Return the channels and how they do."""
        ...

    def operator_problem(self) -> str | None:
        """Say what is wrong with the file that names them."""
        ...

    def test_channel(self, project: str, name: str, actor: str) -> dict[str, Any]:
        """Send a test by a channel."""
        ...


class Acts(Protocol):
    """Keeps actions."""

    def actions(self, project: str, state: str | None = None) -> list[dict[str, Any]]:
        """Return actions, latest first."""
        ...

    def action(self, project: str, id: str) -> dict[str, Any]:  # noqa: A002
        """Return one."""
        ...


class Decides(Protocol):
    """Is told what to do with actions."""

    def approve_action(self, project: str, id: str, actor: str, evidence: str) -> object:  # noqa: A002
        """Let an action be done on the evidence that was seen."""
        ...

    def refuse_action(self, project: str, id: str, actor: str) -> object:  # noqa: A002
        """Have it not done."""
        ...

    def stop_action(self, project: str, id: str, actor: str) -> object:  # noqa: A002
        """Stop it while it is done."""
        ...

    def halt_actions(self, actor: str, on: bool) -> object:
        """Do no action of any project from now on, or do them again."""
        ...


class Trail(Protocol):
    """Keeps who did what."""

    def audit(self, project: str, limit: int = 200, before: int | None = None) -> list[dict[str, Any]]:
        """Return records, latest first."""
        ...

    def audit_intact(self) -> int | None:
        """Return the first record that is not as it was written; None where all are."""
        ...

    def note_audit(
        self, project: str, actor: str, what: str, target: str, detail: dict[str, Any] | None = None
    ) -> object:
        """Append a record."""
        ...


class Changing(Protocol):
    """Says what changed."""

    @property
    def number(self) -> int:
        """The number of the last change."""
        ...

    def since(self, number: int, timeout: float) -> tuple[bool, list[Change]]:
        """Wait for changes after a number."""
        ...


class Storage(Protocol):
    """The database of a store."""

    def write(self, job: Callable[[sqlite3.Connection], Any]) -> Future[Any]:
        """Have a job done in the next commit."""
        ...

    def reading(self) -> AbstractContextManager[sqlite3.Connection]:
        """Give a connection that sees one state."""
        ...


class KeyRing(Protocol):
    """Keeps keys."""

    def create(
        self, name: str, role: str, project: str = "default", expires: datetime | None = None
    ) -> tuple[str, Key]:
        """Make a key; returns its secret too."""
        ...

    def list(self, project: str) -> list[Key]:
        """Return a project's keys."""
        ...

    def revoke(self, id: str, project: str = "default", *, force: bool = False) -> bool:  # noqa: A002
        """Refuse a key from now on; the last admin's only by force."""
        ...

    def authenticate(self, secret: str) -> Key | None:
        """Return the key of a secret."""
        ...

    def get(self, id: str) -> Key | None:  # noqa: A002
        """Return the key of an id, revoked or not."""
        ...


class Upkeep(Protocol):
    """Says how it is, and gives a backup."""

    @property
    def keys(self) -> KeyRing:
        """The keys of the store."""
        ...

    @property
    def database(self) -> Storage:
        """The database of the store."""
        ...

    @property
    def changes(self) -> Changing:
        """What changed."""
        ...

    def status(self) -> dict[str, Any]:
        """Return whether it is ready, and counters."""
        ...

    def backup(self) -> Iterator[bytes]:
        """Return the whole store as a tar."""
        ...


class Looks(Intake, Register, Catalogue, Measured, Upkeep, Protocol):
    """Takes rows and says what was measured."""


class Loop(Monitoring, Foresight, Incidents, Silences, Outbound, Acts, Decides, Trail, Protocol):
    """Says what is wrong, and what is done about it."""


class Backend(Looks, Loop, Protocol):
    """All of it: what an application needs. :class:`watchkeeper.pipeline.pipeline.Pipeline` is one."""
