"""From a body to an acknowledgement: read, refuse single rows, keep the batch and its key in one commit."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import threading
from concurrent.futures import Future

from watchkeeper.client.ids import Mint
from watchkeeper.errors import Conflict, InputError, InvalidBatch, Overloaded
from watchkeeper.pipeline.apply import add_to_counter, now
from watchkeeper.pipeline.body import to_body
from watchkeeper.pipeline.catalog import Catalog, Model, Version
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
        self, kind: Kind, target: Target, batch_id: str | None, content_type: str, body: bytes
    ) -> Future[Receipt]:
        """Read a body and have it stored; the future resolves once it is on disk.

        Raises
        ------
        InvalidBatch
            The body is no batch.
        Conflict
            The batch id was used for another body.
        Overloaded
            Too much waits to be written or to be applied.
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
        stored = to_body(incoming.rows) if incoming.rows.num_rows else b""
        self._reserve(len(stored))
        future = self._database.write(
            lambda connection: self._store(connection, kind, target, model, version, (name, digest), incoming, stored)
        )
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
        if kind == "labels":
            return self._catalog.model(target, make=True), None
        version = self._catalog.version(target, make=True)
        return version.model, version

    def _read(self, kind: Kind, model: Model, version: Version | None, content_type: str, body: bytes) -> Incoming:
        schema = version.schema if version is not None else self._any_schema(model)
        bounds = self._bounds(model, version)

        def mint(at: int) -> str:
            return self._mint.at(at // 1000)

        if content_type == JSON:
            return read_json(kind, body, bounds, mint)
        if content_type == ARROW:
            return read_arrow(kind, body, bounds, mint, schema or (version.given if version is not None else None))
        raise InvalidBatch(f"A body is {JSON} or {ARROW}, not {content_type[:60]!r}.")

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
        return Bounds(wall, earliest, wall + future, schema.zone if schema is not None else None, taken)

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

    def _store(
        self, connection: sqlite3.Connection, kind: Kind, target: Target, model: Model, version: Version | None,
        key: tuple[str, bytes], incoming: Incoming, stored: bytes,
    ) -> Receipt:  # fmt: skip
        """Write a batch, its refused rows and the receipt; what was stored meanwhile under the same key is answered again."""
        name, digest = key
        earlier = _replayed(connection, target.project, name, digest)
        if earlier is not None:
            return earlier
        received = now()
        receipt = Receipt(
            name, incoming.total, incoming.rows.num_rows, len(incoming.refusals), tuple(incoming.refusals[:MOST_LISTED]),
            None if incoming.minted is None else tuple(incoming.minted),
        )  # fmt: skip
        rows.insert(
            connection, "batch", project_id=_project(connection, target.project), id=name, digest=digest,
            receipt=json.dumps(receipt.to_dict()), received=received,
        )  # fmt: skip
        if stored:
            rows.insert(
                connection, "inbox", model_id=model.id, version_id=version.id if version else None, stage=target.stage,
                kind=kind, batch=name, rows=incoming.rows.num_rows, received=received, body=stored,
            )  # fmt: skip
        for refusal, content in zip(incoming.refusals, incoming.contents, strict=True):
            rows.insert(
                connection, "quarantine", model_id=model.id, version=target.version, kind=kind, batch=name,
                row=refusal.row, reason=refusal.reason, content=content, received=received,
            )  # fmt: skip
        if incoming.refusals:
            add_to_counter(connection, model.id, "quarantined", len(incoming.refusals))
        return receipt


def _role_columns(version: Version) -> set[str]:
    """Return the names that a feature cannot have, because a role's column has them."""
    schema = version.schema
    if schema is None:
        return set()
    roles = {"id", "timestamp", "target", "prediction", "score", "latency", "error"}
    cut = {*schema.segments, *schema.sensitive}
    return {column for column, role in schema.roles() if role in roles and column not in cut}


def _replayed(connection: sqlite3.Connection, project: str, name: str, digest: bytes) -> Receipt | None:
    number = _project(connection, project, make=False)
    found = rows.select_one(connection, "batch", project_id=number, id=name) if number is not None else None
    if found is None:
        return None
    if found["digest"] != digest:
        raise Conflict(f"The batch id {name!r} was used for another body before. Give each batch an id of its own.")
    told = json.loads(found["receipt"])
    told["quarantined"] = tuple(Refusal(**refusal) for refusal in told["quarantined"])
    told["ids"] = tuple(told["ids"]) if told.get("ids") is not None else None
    return Receipt(**told, replayed=True)


def _project(connection: sqlite3.Connection, name: str, *, make: bool = True) -> int | None:
    found = rows.select_one(connection, "project", name=name)
    if found is None and make:
        return rows.insert(connection, "project", name=name)
    return None if found is None else int(found["id"])
