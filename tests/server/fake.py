"""A pipeline in memory, for what the server does by itself: it keeps batches, and can be told to fail."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
from fakeloop import FakeLoop

from watchkeeper.client.usage import Usage
from watchkeeper.errors import Conflict, InvalidBatch, SchemaError, UnknownModel
from watchkeeper.pipeline.keys import Key
from watchkeeper.pipeline.values import Every, Kind, MeasurementQuery, Receipt, Target
from watchkeeper.profiles.profile import Profile
from watchkeeper.schema import Schema


class FakeKeys:
    """Keys by secret."""

    def __init__(self) -> None:
        self.known: dict[str, Key] = {}

    def create(
        self, name: str, role: str, project: str = "default", expires: datetime | None = None
    ) -> tuple[str, Key]:
        number = len(self.known) + 1
        secret = f"wk_{number:056d}"
        self.known[secret] = Key(f"k{number}", name, role, project, secret[:9], datetime.now(UTC), None, expires)
        return secret, self.known[secret]

    def list(self, project: str) -> list[Key]:
        return [k for k in self.known.values() if k.project == project]

    def revoke(self, id: str, project: str = "default", *, force: bool = False) -> bool:  # noqa: A002
        for secret, key in self.known.items():
            if (key.id, key.project, key.revoked) == (id, project, None):
                self.known[secret] = replace(key, revoked=datetime.now(UTC))
                return True
        return False

    def get(self, id: str) -> Key | None:  # noqa: A002
        return next((key for key in self.known.values() if key.id == id), None)

    def authenticate(self, secret: str) -> Key | None:
        key = self.known.get(secret)
        return key if key is not None and key.usable(datetime.now(UTC)) else None


class FakePipeline(FakeLoop):
    """Answers as a pipeline does. ``fail`` is raised by whatever is asked; ``hold`` keeps acknowledgements back."""

    def __init__(self) -> None:
        super().__init__()
        self.keys = FakeKeys()
        self.batches: dict[str, tuple[bytes, Receipt]] = {}
        self.models_known: dict[tuple[str, str], dict[str, Any]] = {}
        self.fail: Exception | None = None
        self.ready = True
        self.table = pa.table({"metric": ["roc_auc", "psi"], "value": [0.5, float("nan")]})
        self.reading_gate = threading.Event()
        self.reading_gate.set()
        self.threads: set[str] = set()

    def _ask(self) -> None:
        self.threads.add(threading.current_thread().name)
        if self.fail is not None:
            raise self.fail

    def submit(
        self, kind: Kind, target: Target, batch_id: str | None, content_type: str, body: bytes,
        usage: Usage | None = None,
    ) -> Future[Receipt]:  # fmt: skip
        self._ask()
        rows = 1
        if content_type == "application/json":
            try:
                rows = len(json.loads(body)[kind])
            except (ValueError, KeyError, TypeError) as error:
                raise InvalidBatch("The body is no batch.") from error
        name = batch_id or f"minted-{len(self.batches)}"
        future: Future[Receipt] = Future()
        if name in self.batches:
            before, receipt = self.batches[name]
            if before != body:
                raise Conflict("This key was used with another body.")
            future.set_result(replace(receipt, replayed=True))
            return future
        self.models_known.setdefault((target.project, target.model), {"model": target.model, "rows": 0})["rows"] += rows
        self.batches[name] = (body, Receipt(name, rows, rows))
        future.set_result(self.batches[name][1])
        return future

    def _known(self, target: Target) -> None:
        self._ask()
        if (target.project, target.model) not in self.models_known:
            raise UnknownModel("model", target.model, [m for p, m in self.models_known if p == target.project])

    def register(
        self, target: Target, schema: dict[str, Any] | None, clock: str | None, facts: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        self._ask()
        try:
            Schema.from_dict(schema or {})
        except SchemaError:
            raise
        self.models_known.setdefault((target.project, target.model), {"model": target.model, "rows": 0})
        return {"model": target.model, "version": target.version, "clock": clock or "wall"}

    def set_reference(self, target: Target, data: bytes) -> dict[str, Any]:
        self._ask()
        return {"rows": Profile.from_bytes(data).rows}

    def serving(self, target: Target) -> str | None:
        self._known(target)
        return self.models_known[target.project, target.model].get("serving")

    def set_serving(self, target: Target, version: str) -> None:
        self._known(target)
        self.models_known[target.project, target.model]["serving"] = version

    def models(self, project: str) -> list[dict[str, Any]]:
        self._ask()
        return [m for (p, _), m in self.models_known.items() if p == project]

    def versions(self, target: Target) -> list[dict[str, Any]]:
        self._known(target)
        return [{"version": "1"}]

    def windows(
        self, target: Target, every: Every, start: datetime | None, end: datetime | None
    ) -> list[dict[str, Any]]:
        self._known(target)
        return [{"every": every, "start": start, "end": end}]

    def measurements(self, query: MeasurementQuery) -> pa.Table:
        self._known(query.target)
        self.reading_gate.wait(30)
        return self.table

    def profile(self, target: Target, start: datetime, end: datetime) -> Profile:
        self._known(target)
        raise UnknownModel("window", f"{start} to {end}", [])

    def distribution(self, target: Target, column: str, start: datetime, end: datetime) -> dict[str, Any]:
        self._known(target)
        return {"column": column, "start": start}

    def quarantine(self, target: Target, limit: int) -> list[dict[str, Any]]:
        self._known(target)
        return [{"row": 0, "reason": "planted"}][:limit]

    def status(self) -> dict[str, Any]:
        self._ask()
        return {"ready": self.ready, "rows_total": 3, "inbox bytes": 1.5, "state": "fine"}

    def backup(self) -> Iterator[bytes]:
        self._ask()
        yield b"a tar"
