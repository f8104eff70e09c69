"""The monitors in force for each model: the file that somebody applied, or, until then, what would be suggested."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass, replace
from typing import Any

from watchkeeper.errors import InvalidMonitors, UnknownModel
from watchkeeper.pipeline import audit, fitting
from watchkeeper.pipeline.apply import now
from watchkeeper.pipeline.catalog import Catalog, Model, Version
from watchkeeper.response.monitors import Monitors, Reference
from watchkeeper.response.plan import plan
from watchkeeper.response.suggest import suggest
from watchkeeper.store import rows
from watchkeeper.store.database import Database
from watchkeeper.window import moment

DEFAULT = "default"
"""The author of monitors that nobody applied."""


@dataclass(frozen=True, slots=True)
class InForce:
    """Monitors as they are evaluated; ``revision`` 0 for those that nobody applied."""

    monitors: Monitors
    text: str
    revision: int
    author: str
    created: int | None
    share: float

    @property
    def every(self) -> str:
        """Which windows they look at."""
        return self.monitors.every

    @property
    def opening(self) -> frozenset[str]:
        """The monitors that open incidents; the others are evidence."""
        return self.monitors.opening


class Rules:
    """Keeps monitors by model, each revision for ever."""

    def __init__(self, database: Database, catalog: Catalog, measured: tuple[str, ...] = ("day", "month")) -> None:
        self._measured = measured
        self._database = database
        self._catalog = catalog
        self._known: dict[int, InForce] = {}
        self._suggested: dict[tuple[int, bool, frozenset[str]], InForce] = {}

    def of(self, connection: sqlite3.Connection, version: Version) -> InForce | None:
        """Return the monitors of a version's model; None where there are none, and not enough is known to suggest some."""
        model = version.model
        stored = self.stored(connection, model)
        if stored is not None:
            return stored
        if version.schema is None:
            return None
        key = (version.id, version.reference is not None, _measured(connection, version))
        if key not in self._suggested:
            text = self.suggestion(connection, version)
            self._suggested[key] = InForce(Monitors.from_yaml(text), text, 0, DEFAULT, None, 1.0)
        return replace(self._suggested[key], share=self.share(connection, model))

    def stored(self, connection: sqlite3.Connection, model: Model) -> InForce | None:
        """Return the monitors that were applied last, as a connection sees it, with the share that the model has now."""
        found = self._file(connection, model)
        return found and replace(found, share=self.share(connection, model, found.monitors))

    def _file(self, connection: sqlite3.Connection, model: Model) -> InForce | None:
        query = "SELECT max(revision) FROM monitors WHERE model_id = ?"
        (revision,) = connection.execute(query, (model.id,)).fetchone()
        if revision is None:
            return None
        known = self._known.get(model.id)
        if known is None or known.revision != revision:
            row = rows.select_one(connection, "monitors", model_id=model.id, revision=revision)
            assert row is not None
            text = row["text"]
            known = InForce(Monitors.from_yaml(text), text, revision, row["author"], row["created"], 1.0)
            self._known[model.id] = known
        return known

    def share(self, connection: sqlite3.Connection, model: Model, monitors: Monitors | None = None) -> float:
        """Return the part of the project's budget that a model may spend: what its file says, else as much as any other of what
        the files of others leave. Where files say more than there is, each has less in proportion.
        """
        others = [m for m in self._catalog.models_of(model.project) if m is not model]
        files = [self._file(connection, m) for m in others]
        said = [f.monitors.share for f in files if f is not None and f.monitors.share is not None]
        own = monitors.share if monitors is not None else None
        if own is not None:
            return own / max(own + sum(said), 1.0)
        return max(1.0 - sum(said), 0.0) / (1 + len(others) - len(said))

    def suggestion(self, connection: sqlite3.Connection, version: Version) -> str:
        """Return monitors for a version as YAML, with the reasons as comments."""
        assert version.schema is not None
        model, metrics = version.model, _measured(connection, version)
        return suggest(version.schema, version.reference, metrics, model=model.name, environment=model.environment)

    def plan(self, connection: sqlite3.Connection, model: Model, text: str) -> list[dict[str, Any]]:
        """Return what applying a file would change."""
        stored = self.stored(connection, model)
        return plan(stored.monitors if stored else None, self.read(model, text))

    def read(self, model: Model, text: str) -> Monitors:
        """Read a file that is meant for a model; raises :class:`InvalidMonitors`."""
        monitors = Monitors.from_yaml(text)
        if monitors.model != model.name:
            raise InvalidMonitors("model", f"the file is for {monitors.model!r}, not for {model.name!r}")
        if monitors.every not in self._measured:
            measured = " and ".join(self._measured)
            why = f"this server measures windows of a {measured}, not of a {monitors.every}"
            raise InvalidMonitors("window.every", f"{why}: start it with --window {monitors.every} too")
        if monitors.reference != Reference():
            why = (
                "windows are compared with the reference of their version; make one of other rows with 'reference set'"
            )
            raise InvalidMonitors("reference", f"{why}, and leave this out")
        if monitors.clock not in {None, model.clock}:
            why = (
                f"{model.name} goes by the {model.clock} clock, which a file of monitors cannot change; leave this out, "
                f"and where the model has no rows yet register it with the {monitors.clock} clock"
            )
            raise InvalidMonitors("clock", why)
        fitting.check(monitors, self._catalog.versions_of(model))
        return monitors

    def apply(self, model: Model, text: str, actor: str) -> None:
        """Put a file in force; the one that is in force stays the same revision where nothing changed."""
        self.read(model, text)

        def job(writer: sqlite3.Connection) -> None:
            stored = self.stored(writer, model)
            if stored is not None and stored.text == text:
                return
            revision = (stored.revision if stored else 0) + 1
            rows.insert(
                writer, "monitors", model_id=model.id, revision=revision, text=text, author=actor, created=now()
            )
            audit.record(writer, model.project, actor, "monitors.apply", model.name, {"revision": revision})

        self._database.write(job).result()

    def check_named(self, connection: sqlite3.Connection, model: Model, monitor: str | None) -> None:
        """Raise :class:`UnknownModel` where a model has monitors, but none of a name."""
        told = self.told(connection, model) if monitor is not None else None
        names = [m["name"] for m in told["document"]["monitors"]] if told is not None else []
        if monitor is not None and names and monitor not in names:
            raise UnknownModel("monitor", monitor, names)

    def told(self, connection: sqlite3.Connection, model: Model) -> dict[str, Any] | None:
        """Return the monitors in force as plain values; None where there are none."""
        stored = self.stored(connection, model)
        if stored is None:
            versions = [v for v in self._catalog.versions_of(model) if v.name == model.serving]
            stored = self.of(connection, versions[0]) if versions else None
        if stored is None:
            return None
        created = None if stored.created is None else moment(stored.created).isoformat()
        return {
            "revision": stored.revision, "text": stored.text, "document": stored.monitors.to_dict(),
            "author": stored.author, "created": created, "model": model.name, "environment": model.environment,
        }  # fmt: skip


def _measured(connection: sqlite3.Connection, version: Version) -> frozenset[str]:
    """Return the metrics that were measured of a version so far."""
    query = "SELECT DISTINCT metric FROM series WHERE version_id = ?"
    return frozenset(name for (name,) in connection.execute(query, (version.id,)))
