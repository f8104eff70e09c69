"""What the server asks of a pipeline, split by who asks."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future
from datetime import datetime
from typing import Any, Protocol

import pyarrow as pa

from watchkeeper.pipeline.keys import Key
from watchkeeper.pipeline.values import Every, Kind, MeasurementQuery, Receipt, Target
from watchkeeper.profiles.profile import Profile


class Intake(Protocol):
    """Takes batches."""

    def submit(
        self, kind: Kind, target: Target, batch_id: str | None, content_type: str, body: bytes
    ) -> Future[Receipt]:
        """Check a batch in this thread; the future resolves when it is durable."""
        ...


class Register(Protocol):
    """Is told of versions."""

    def register(self, target: Target, schema: dict[str, Any] | None, clock: str | None) -> dict[str, Any]:
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

    def revoke(self, id: str, project: str = "default") -> bool:  # noqa: A002
        """Refuse a key from now on."""
        ...

    def authenticate(self, secret: str) -> Key | None:
        """Return the key of a secret."""
        ...


class Upkeep(Protocol):
    """Says how it is, and gives a backup."""

    @property
    def keys(self) -> KeyRing:
        """The keys of the store."""
        ...

    def status(self) -> dict[str, Any]:
        """Return whether it is ready, and counters."""
        ...

    def backup(self) -> Iterator[bytes]:
        """Return the whole store as a tar."""
        ...


class Backend(Intake, Register, Catalogue, Measured, Upkeep, Protocol):
    """All of it: what an application needs. :class:`watchkeeper.pipeline.pipeline.Pipeline` is one."""
