"""From a body to an acknowledgement: read, refuse single rows, keep the batch and its key in one commit."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import threading
from concurrent.futures import Future
from dataclasses import dataclass

import pyarrow as pa

from watchkeeper.client.ids import Mint
from watchkeeper.client.usage import Usage
from watchkeeper.errors import Conflict, InputError, InvalidBatch, Overloaded
from watchkeeper.pipeline.apply import add_to_counter, now
from watchkeeper.pipeline.body import to_body
from watchkeeper.pipeline.catalog import SKETCH, Catalog, Model, Version, project_id
from watchkeeper.pipeline.incoming import Bounds, Incoming, read_json
from watchkeeper.pipeline.incoming_arrow import read_arrow
from watchkeeper.pipeline.settings import PipelineSettings
from watchkeeper.pipeline.values import MOST_LISTED, STAGES, Kind, Receipt, Refusal, Target
from watchkeeper.schema import Schema
from watchkeeper.store import rows
from watchkeeper.store.database import Database

JSON, ARROW = "application/json", "application/vnd.apache.arrow.stream"
_LONGEST_KEY = 128


class Accepting:
    """Takes batches. What it answered for is on disk; the same key with the same body is answered as the first time."""

    def __init__(self, database: Database, catalog: Catalog, settings: PipelineSettings) -> None:
        self._database = database
        self._catalog = catalog
        self._settings = settings
        self._mint = Mint()
        self._lock = threading.Lock()
        self._waiting = 0
        self.inbox_bytes = 0
        self.arrived = threading.Event()

    def submit(
        self, kind: Kind, target: Target, batch_id: str | None, content_type: str, body: bytes,
        usage: Usage | None = None,
    ) -> Future[Receipt]:  # fmt: skip
        """Read a body and have it stored, with what its process used; the future resolves once it is on disk.

        Raises
        ------
        InvalidBatch
            The body is no batch.
        Conflict
            The batch id was used for another body.
        Overloaded
            Too much waits to be written or to be applied.
        UnknownModel
            Labels of a model that nobody has registered or logged predictions of.
        """
        name = self._check(target, batch_id)
        digest = hashlib.sha256(body).digest()
        earlier = self._earlier(target.project, name, digest)
        if earlier is not None:
            done: Future[Receipt] = Future()
            done.set_result(earlier)
            return done
        model, version = self._whose(kind, target)
        incoming = self._read(kind, model, version, content_type, body)
        if version is not None and incoming.rows.num_rows:
            model, version = self._made(target)
            if incoming.roles is not None and version.schema is None:
                self._catalog.set_given(version, incoming.roles)
        if usage is not None and kind == "predictions":
            incoming.rows = _with_usage(incoming.rows, usage)
        stored = to_body(incoming.rows) if incoming.rows.num_rows else b""
        self._reserve(len(stored))
        batch = _Batch(kind, target, model, version, name, digest, incoming, stored)
        future = self._database.write(batch.store)
        future.add_done_callback(lambda done: self._release(len(stored), done))
        return future

    def _check(self, target: Target, batch_id: str | None) -> str:
        if target.stage not in STAGES:
            raise InputError(f"A stage is one of {', '.join(STAGES)}, not {target.stage[:40]!r}.")
        name = batch_id if batch_id is not None else self._mint.at(now() // 1000)
        if not 0 < len(name) <= _LONGEST_KEY or not all("!" <= c <= "~" for c in name):
            raise InvalidBatch(f"A batch id is 1 to {_LONGEST_KEY} visible ASCII characters.")
        return name

    def _earlier(self, project: str, name: str, digest: bytes) -> Receipt | None:
        with self._database.reading() as connection:
            return _replayed(connection, project, name, digest)

    def _whose(self, kind: Kind, target: Target) -> tuple[Model, Version | None]:
        """Return whose rows these are; for predictions of something new a sketch, which nobody sees until a row is accepted."""
        if kind == "labels":
            return self._catalog.model(target), None
        version = self._catalog.known(target)
        return version.model, version

    def _made(self, target: Target) -> tuple[Model, Version]:
        version = self._catalog.version(target, make=True)
        if version.model.serving is None and target.stage == "serving":
            self._catalog.set_serving(version.model, version.name)
        return version.model, version

    def _read(self, kind: Kind, model: Model, version: Version | None, content_type: str, body: bytes) -> Incoming:
        schema = version.schema if version is not None else self._any_schema(model)
        bounds = self._bounds(model, version)

        def mint(at: int) -> str:
            return self._mint.at(at // 1000)

        if content_type == JSON:
            return read_json(kind, body, bounds, mint)
        if content_type == ARROW:
            other = self._other_schema(model) if version is not None and version.schema is None else None
            return read_arrow(
                kind, body, bounds, mint, schema or (version.given if version is not None else None), other
            )
        raise InvalidBatch(f"A body is {JSON} or {ARROW}, not {content_type[:60]!r}.")

    def _other_schema(self, model: Model) -> Schema | None:
        """Return the schema of the version that serves, else of the only one that has one."""
        known = [v for v in self._catalog.versions_of(model) if v.schema is not None]
        serving = [v for v in known if v.name == model.serving]
        return (serving or known)[0].schema if serving or len(known) == 1 else None

    def _any_schema(self, model: Model) -> Schema | None:
        versions = [v for v in self._catalog.versions_of(model) if v.schema is not None]
        return versions[-1].schema if versions else None

    def _bounds(self, model: Model, version: Version | None) -> Bounds:
        wall = now()
        settings = self._settings
        future = int(settings.accept_future.total_seconds() * 1e6)
        kept = int(settings.retention.total_seconds() * 1e6)
        earliest = model.now() - kept if model.clock == "wall" or model.watermark is not None else -(2**62)
        schema = (version.schema or version.given) if version is not None else None
        taken = frozenset(_role_columns(version)) if version is not None else frozenset()
        replay = model.clock == "event"
        begun = model.now() if model.watermark is not None or version is not None else 0  # labels do not begin a replay
        zone = schema.zone if schema is not None else None
        return Bounds(begun if replay else wall, earliest, wall + future, zone, taken, replay)

    def _reserve(self, size: int) -> None:
        with self._lock:
            if self._waiting + size > self._settings.most_waiting_bytes and self._waiting:
                raise Overloaded(1.0, "too much waits to be written")
            if self.inbox_bytes > self._settings.most_inbox_bytes:
                raise Overloaded(5.0, "too much waits to be counted")
            self._waiting += size

    def _release(self, size: int, done: Future[Receipt]) -> None:
        with self._lock:
            self._waiting -= size
            if done.exception() is None and not done.result().replayed:
                self.inbox_bytes += size
        self.arrived.set()


@dataclass(frozen=True, slots=True)
class _Batch:
    """A batch that was read, ready to be stored with its key, its receipt and its refused rows."""

    kind: Kind
    target: Target
    model: Model
    version: Version | None
    name: str
    digest: bytes
    incoming: Incoming
    body: bytes

    def store(self, connection: sqlite3.Connection) -> Receipt:
        """Write it; what was stored meanwhile under the same key is answered again."""
        earlier = _replayed(connection, self.target.project, self.name, self.digest)
        if earlier is not None:
            return earlier
        received, receipt = now(), self._receipt()
        rows.insert(
            connection, "batch", project_id=project_id(connection, self.target.project), id=self.name,
            digest=self.digest, receipt=json.dumps(receipt.to_dict()), received=received,
        )  # fmt: skip
        if self.body:
            rows.insert(
                connection, "inbox", model_id=self.model.id, version_id=self.version.id if self.version else None,
                stage=self.target.stage, kind=self.kind, batch=self.name, rows=receipt.accepted, received=received,
                body=self.body,
            )  # fmt: skip
        if self.model.id != SKETCH:
            self._quarantine(connection, received)
        return receipt

    def _receipt(self) -> Receipt:
        incoming = self.incoming
        listed, minted = tuple(incoming.refusals[:MOST_LISTED]), incoming.minted
        ids = None if minted is None else tuple(minted)
        return Receipt(self.name, incoming.total, incoming.rows.num_rows, len(incoming.refusals), listed, ids)

    def _quarantine(self, connection: sqlite3.Connection, received: int) -> None:
        for refusal, content in zip(self.incoming.refusals, self.incoming.contents, strict=True):
            rows.insert(
                connection, "quarantine", model_id=self.model.id, version=self.target.version, kind=self.kind,
                batch=self.name, row=refusal.row, reason=refusal.reason, content=content, received=received,
            )  # fmt: skip
        if self.incoming.refusals:
            add_to_counter(connection, self.model.id, "quarantined", len(self.incoming.refusals))


def _with_usage(rows: pa.RecordBatch, usage: Usage) -> pa.RecordBatch:
    """Return rows of which the first says what their process used.

    One row says it for all: so seconds add up as they were told, and there are as many values as there were samples.
    """
    if rows.num_rows == 0:
        return rows
    told = {"@cpu": usage.cpu_seconds, "@memory": usage.rss_bytes}
    rest = [None] * (rows.num_rows - 1)
    columns = dict(zip(rows.schema.names, rows.columns, strict=True))
    columns |= {name: pa.array([value, *rest], pa.float64()) for name, value in told.items() if value is not None}
    schema = pa.schema([(name, column.type) for name, column in columns.items()], metadata=rows.schema.metadata)
    return pa.RecordBatch.from_arrays(list(columns.values()), schema=schema)


def _role_columns(version: Version) -> set[str]:
    """Return the names that a feature cannot have, because a role's column has them."""
    schema = version.schema
    if schema is None:
        return set()
    roles = {"id", "timestamp", "target", "prediction", "score", "latency", "error", "cpu", "memory"}
    cut = {column for columns in schema.cuts().values() for column in columns}
    return {column for column, role in schema.roles() if role in roles and column not in cut}


def _replayed(connection: sqlite3.Connection, project: str, name: str, digest: bytes) -> Receipt | None:
    known = rows.select_one(connection, "project", name=project)
    found = rows.select_one(connection, "batch", project_id=known["id"], id=name) if known is not None else None
    if found is None:
        return None
    if found["digest"] != digest:
        raise Conflict(f"The batch id {name!r} was used for another body before. Give each batch an id of its own.")
    told = json.loads(found["receipt"])
    told["quarantined"] = tuple(Refusal(**refusal) for refusal in told["quarantined"])
    told["ids"] = tuple(told["ids"]) if told.get("ids") is not None else None
    return Receipt(**told, replayed=True)
