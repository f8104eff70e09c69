"""Which models and versions there are, with their schemas: kept in memory, written through the store's one writer."""

from __future__ import annotations

import json
import sqlite3
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from watchkeeper.detection.baseline import Baseline
from watchkeeper.errors import Conflict, InvalidSchema, UnknownKey, UnknownModel
from watchkeeper.pipeline.facts import Facts, keep_facts
from watchkeeper.pipeline.serving import serve
from watchkeeper.pipeline.values import Target
from watchkeeper.profiles.profile import Profile
from watchkeeper.schema import Schema
from watchkeeper.store import rows
from watchkeeper.store.database import Database
from watchkeeper.window import microseconds

CLOCKS = ("wall", "event")
SKETCH = 0
"""The number of a model or version that is not in the store."""


@dataclass(slots=True)
class Model:
    """A model in an environment of a project. ``watermark`` is the largest event time seen, in microseconds."""

    id: int
    project: str
    environment: str
    name: str
    clock: str
    serving: str | None
    watermark: int | None

    def now(self) -> int:
        """Return its time in microseconds: the wall's, or for a replay the largest event time seen."""
        if self.clock == "event" and self.watermark is not None:
            return self.watermark
        return microseconds(datetime.now(UTC))

    def elapsed(self) -> int | None:
        """Return its time in microseconds; None where none has passed: a replay without rows."""
        return None if self.clock == "event" and self.watermark is None else self.now()


@dataclass(slots=True)
class Version:
    """A version of a model. ``given`` is what was said of its schema, ``schema`` the whole one, once it is known."""

    id: int
    model: Model
    name: str
    given: Schema
    schema: Schema | None
    unknown: list[str] = field(default_factory=list)
    baseline: Baseline | None = None

    @property
    def reference(self) -> Profile | None:
        """The profile that its windows are compared with."""
        return None if self.baseline is None else self.baseline.profile


class Catalog:
    """Models and versions by name and number; one of each name is made when it is first heard of."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.RLock()
        self.models: dict[tuple[str, str, str], Model] = {}
        self.versions: dict[int, Version] = {}
        self._by_name: dict[tuple[int, str], Version] = {}
        with database.reading() as connection:
            self._load(connection)

    def _load(self, connection: sqlite3.Connection) -> None:
        projects = {p["id"]: p["name"] for p in rows.select_all(connection, "project")}
        by_id: dict[int, Model] = {}
        for row in rows.select_all(connection, "model"):
            model = Model(
                row["id"], projects[row["project_id"]], row["environment"], row["name"], row["clock"], row["serving"],
                row["watermark"],
            )  # fmt: skip
            by_id[model.id] = self.models[model.project, model.environment, model.name] = model
        for row in rows.select_all(connection, "version"):
            schema = None if row["schema"] is None else Schema.from_dict(json.loads(row["schema"])).freeze()
            given = Schema.from_dict(json.loads(row["given"]))
            unknown = json.loads(row["unknown"] or "[]")
            self._keep(Version(row["id"], by_id[row["model_id"]], row["name"], given, schema, unknown))
        for row in rows.select_all(connection, "reference", tail="ORDER BY id"):
            self.versions[row["version_id"]].baseline = Baseline(Profile.from_bytes(row["body"]))

    def _keep(self, version: Version) -> None:
        self.versions[version.id] = self._by_name[version.model.id, version.name] = version

    def model(self, target: Target, *, make: bool = False, clock: str | None = None) -> Model:
        """Return the model that is meant; made where it is not there and ``make`` says so."""
        key = (target.project, target.environment, target.model)
        with self._lock:
            if key not in self.models and make:
                self.models[key] = self._database.write(lambda c: _insert_model(c, key, clock or "wall")).result()
        if key not in self.models:
            others = [name for p, e, name in self.models if (p, e) == key[:2]]
            raise UnknownModel("model", target.model, others)
        return self.models[key]

    def version(self, target: Target, *, make: bool = False) -> Version:
        """Return the version that is meant; made where it is not there and ``make`` says so."""
        model = self.model(target, make=make)
        with self._lock:
            if (model.id, target.version) not in self._by_name and make:
                self._keep(self._database.write(lambda c: _insert_version(c, model, target.version)).result())
        found = self._by_name.get((model.id, target.version))
        if found is None:
            raise UnknownModel("version", target.version, [v.name for v in self.versions_of(model)])
        return found

    def known(self, target: Target) -> Version:
        """Return the version that is meant; where it is not there a sketch of it, numbered ``SKETCH``."""
        key = (target.project, target.environment, target.model)
        model = self.models.get(key) or Model(SKETCH, *key, "wall", None, None)
        found = self._by_name.get((model.id, target.version))
        return found or Version(SKETCH, model, target.version, Schema(), None)

    def versions_of(self, model: Model) -> list[Version]:
        """Return a model's versions, in the order in which they were first heard of."""
        return [v for v in list(self.versions.values()) if v.model is model]

    def models_of(self, project: str) -> list[Model]:
        """Return a project's models by name."""
        found = [m for m in list(self.models.values()) if m.project == project]
        return sorted(found, key=lambda m: (m.name, m.environment))

    def set_clock(self, model: Model, clock: str) -> None:
        """Say by which clock a model's time goes; it cannot change once rows were counted."""
        if clock not in CLOCKS:
            raise UnknownKey(clock, CLOCKS, "clock")
        if clock == model.clock:
            return
        if model.watermark is not None:
            raise Conflict(
                f"{model.name} has rows already, counted by its {model.clock} clock; a clock cannot change afterwards. "
                "Send them under another environment or model name."
            )
        self._database.write(lambda c: rows.update(c, "model", {"id": model.id}, clock=clock)).result()
        model.clock = clock

    def set_serving(self, model: Model, version: str) -> None:
        """Say which version serves."""
        self._database.write(lambda c: serve(c, model.id, version, model.elapsed())).result()
        model.serving = version

    def set_given(self, version: Version, given: Schema) -> None:
        """Keep what was said of a schema that is not whole yet."""
        text = json.dumps(given.to_dict())
        self._database.write(lambda c: rows.update(c, "version", {"id": version.id}, given=text)).result()
        version.given = given

    def set_facts(self, version: Version, facts: Facts) -> None:
        """Keep what was told of a version's training."""
        self._database.write(lambda c: keep_facts(c, version.id, facts)).result()

    def set_reference(self, version: Version, profile: Profile, schema: Schema) -> None:
        """Keep a reference, and the schema that the version has from now on."""
        body, created = profile.to_bytes(), microseconds(datetime.now(UTC))

        def job(connection: sqlite3.Connection) -> None:
            store_schema(connection, version, schema)
            number = version.id
            rows.insert(connection, "reference", version_id=number, created=created, rows=profile.rows, body=body)

        self._database.write(job).result()
        version.schema, version.baseline = schema, Baseline(profile)

    def set_wider(self, version: Version, schema: Schema) -> None:
        """Give a version, and its reference, a schema that only names more columns."""
        if version.reference is not None:
            self.set_reference(version, version.reference.widen(schema), schema)
        else:
            self._database.write(lambda c: store_schema(c, version, schema)).result()
            version.schema = schema


def store_schema(connection: sqlite3.Connection, version: Version, schema: Schema) -> None:
    """Write a version's whole schema, as part of a larger change."""
    rows.update(connection, "version", {"id": version.id}, schema=json.dumps(schema.to_dict()))


def project_id(connection: sqlite3.Connection, name: str) -> int:
    """Return a project's number; made where it is not there."""
    found = rows.select_one(connection, "project", name=name)
    return int(found["id"]) if found else rows.insert(connection, "project", name=name)


def schema_from(values: dict[str, Any]) -> Schema:
    """Return a schema that somebody sent; raises :class:`InvalidSchema` or :class:`UnknownKey`."""
    if not isinstance(values, dict):
        raise InvalidSchema(f"A schema is an object of roles and kinds, not {type(values).__name__}.")
    return Schema.from_dict(values)


def _insert_model(connection: sqlite3.Connection, key: tuple[str, str, str], clock: str) -> Model:
    project, environment, name = key
    number = rows.insert(
        connection, "model", project_id=project_id(connection, project), environment=environment, name=name,
        clock=clock, created=microseconds(datetime.now(UTC)),
    )  # fmt: skip
    return Model(number, project, environment, name, clock, None, None)


def _insert_version(connection: sqlite3.Connection, model: Model, name: str) -> Version:
    given = Schema()
    created = microseconds(datetime.now(UTC))
    number = rows.insert(
        connection, "version", model_id=model.id, name=name, given=json.dumps(given.to_dict()), created=created
    )
    return Version(number, model, name, given, None)
