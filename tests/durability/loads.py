"""Made-up traffic and the writers that send it: each remembers what it sent, and what was acknowledged."""

from __future__ import annotations

import contextlib
import http.client
import json
import threading
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
from harness import NUMBERS, TEXTS, Server, Store

HOURS = 3
START = (datetime.now(UTC) - timedelta(days=3)).replace(hour=9, minute=0, second=0, microsecond=0)
_MS = int(START.timestamp() * 1000)
_PATH = "/api/v1/{kind}?model=credit&environment=production{version}"
JSON, ARROW = "application/json", "application/vnd.apache.arrow.stream"


@dataclass(frozen=True)
class Sent:
    """A batch: whether labels, its id, its rows, and its bytes."""

    kind: str
    id: str
    rows: pa.Table
    body: bytes
    form: str


def predictions(writer: int, number: int, most: int = 200, *, seed: int = 0) -> pa.Table:
    """Return rows of a batch, always the same; writers of even number make ids of their own, the others as the client does."""
    rng = np.random.default_rng([seed, writer, number])
    count = int(rng.integers(1, most + 1))
    ms = _MS + rng.integers(0, HOURS * 3_600_000, count)
    risk = np.round(rng.random(count), 6)
    own = [f"loan-{seed}-{writer}-{number}-{i}" for i in range(count)]
    ours = [f"w{at:012x}-{seed:02x}{writer:02x}{number:06x}-{0x100000 + i:06x}" for i, at in enumerate(ms.tolist())]
    columns = {"id": own if writer % 2 == 0 else ours, "when": pa.array(ms * 1000, pa.timestamp("us", "UTC"))}
    columns |= {name: pa.array(np.round(rng.normal(size=count), 6), mask=rng.random(count) < 0.03) for name in NUMBERS}
    columns |= {name: np.array(["Ulm", "Köln", "Bonn", "Jena"])[rng.integers(0, 4, count)] for name in TEXTS}
    return pa.table(columns | {"flag": (risk > 0.5).astype(int).astype(str), "risk": risk})


def labels(rows: pa.Table, *, changed: bool = False) -> pa.Table:
    """Return the labels of rows; changed ones say the opposite, an hour later."""
    values = [str(int(int(at.timestamp() * 1e6) % 7 < 3) ^ changed) for at in rows["when"].to_pylist()]
    known = [at + timedelta(hours=2 + changed) for at in rows["when"].to_pylist()]
    return pa.table({"id": rows["id"], "label": values, "timestamp": known, "prediction_time": rows["when"]})


def ipc(rows: pa.Table) -> bytes:
    """Return rows as an Arrow IPC stream."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.schema) as made:
        made.write_table(rows)
    content: bytes = sink.getvalue().to_pybytes()
    return content


def as_json(kind: str, rows: pa.Table) -> bytes:
    """Return rows as JSON."""
    made = rows.to_pylist()
    if kind == "predictions":
        features = [*NUMBERS, *TEXTS]
        made = [
            {"id": r["id"], "timestamp": r["when"].isoformat(), "prediction": r["flag"], "score": r["risk"],
             "features": {name: r[name] for name in features}}
            for r in made
        ]  # fmt: skip
    else:
        made = [r | {name: r[name].isoformat() for name in ("timestamp", "prediction_time")} for r in made]
    return json.dumps({kind: made}).encode()


def batch(kind: str, name: str, rows: pa.Table, *, arrow: bool) -> Sent:
    """Return rows as a batch that can be sent."""
    return Sent(kind, name, rows, ipc(rows) if arrow else as_json(kind, rows), ARROW if arrow else JSON)


@dataclass
class Ledger:
    """What all writers sent, in the order in which it was acknowledged."""

    acknowledged: dict[str, Sent] = field(default_factory=dict)
    answers: Counter[int] = field(default_factory=Counter)
    strange: list[str] = field(default_factory=list)
    changed: threading.Condition = field(default_factory=threading.Condition)

    def note(self, sent: Sent, status: int, body: bytes) -> bool:
        """Note an answer; returns whether it acknowledges."""
        with self.changed:
            self.answers[status] += 1
            if status == 200:
                told = json.loads(body)
                if (told["batch"], told["accepted"]) != (sent.id, sent.rows.num_rows):
                    self.strange.append(f"{sent.id}: {body[:300]!r}")
                self.acknowledged[sent.id] = sent
            elif status not in {429, 503}:
                self.strange.append(f"{sent.id}: {status} {body[:300]!r}")
            self.changed.notify_all()
            return status == 200

    def await_more(self, count: int, timeout: float = 30.0) -> bool:
        """Wait until so many batches more are acknowledged."""
        with self.changed:
            wanted = len(self.acknowledged) + count
            return self.changed.wait_for(lambda: len(self.acknowledged) >= wanted, timeout)

    def tables(self, kind: str) -> list[pa.Table]:
        """Return the acknowledged rows of a kind."""
        with self.changed:
            return [sent.rows for sent in self.acknowledged.values() if sent.kind == kind]


class Writers:
    """Threads that send batches, each again and again under the same id until it is acknowledged."""

    def __init__(self, store: Store, most: int = 200, *, seed: int = 0, pause: float = 0.0) -> None:
        self.store, self.pause = store, pause
        self.ledger = Ledger()
        self.most, self.seed = most, seed
        self.go = threading.Event()
        self.stopping = False
        self._server: Server | None = None
        self._generation = 0
        self._news = threading.Condition()
        self._pausing = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(n,), daemon=True) for n in range(4)]

    def start(self) -> None:
        """Begin to send, as soon as a server is named."""
        self.go.set()
        for thread in self._threads:
            thread.start()

    def use(self, server: Server) -> None:
        """Send to this server from now on."""
        with self._news:
            self._server, self._generation = server, self._generation + 1
            self._news.notify_all()

    def stop(self) -> None:
        """Have every batch that was begun acknowledged, then end; needs a server that runs."""
        self.stopping = True
        self.go.set()
        for thread in self._threads:
            thread.join(60)
            assert not thread.is_alive(), "a writer does not get its batch acknowledged"

    def abandon(self) -> None:
        """End without having anything acknowledged."""
        self.stopping = True
        self.go.set()
        with self._news:
            self._generation = -1
            self._news.notify_all()
        for thread in self._threads:
            thread.join(60)

    def _run(self, writer: int) -> None:
        number = 0
        while not self.stopping and self._generation >= 0:
            self.go.wait()
            rows = predictions(writer, number, self.most, seed=self.seed)
            known = labels(rows.slice(0, rows.num_rows * 9 // 10 + 1))
            name = f"{self.seed}-{writer}-{number}"
            made = [
                batch("predictions", f"p-{name}", rows, arrow=number % 2 == 0),
                batch("labels", f"l-{name}", known, arrow=number % 3 == 0),
            ]
            if number % 5 == 4:
                made.reverse()
            if number % 8 == 7:
                made.append(batch("labels", f"c-{name}", labels(rows.slice(0, 2), changed=True), arrow=False))
            for sent in made:
                self._deliver(sent)
            number += 1
            self._pausing.wait(self.pause)

    def _deliver(self, sent: Sent) -> None:
        """Send a batch until it is acknowledged, to whatever server there is."""
        with self._news:
            self._news.wait_for(lambda: self._server is not None or self._generation < 0)
        while (generation := self._generation) >= 0:
            server = self._server
            assert server is not None
            line = http.client.HTTPConnection(server.host, server.port, timeout=30)
            with contextlib.suppress(OSError, http.client.HTTPException), contextlib.closing(line):
                if self.ledger.note(sent, *send(line, self.store.secret, sent)):
                    return
            with self._news:
                self._news.wait_for(lambda before=generation: self._generation != before, 0.05)  # type: ignore[misc]


def send(line: http.client.HTTPConnection, secret: str, sent: Sent) -> tuple[int, bytes]:
    """Send a batch on an open connection; returns status and body."""
    version = "&version=3" if sent.kind == "predictions" else ""
    headers = {"Authorization": f"Bearer {secret}", "Idempotency-Key": sent.id, "Content-Type": sent.form}
    line.request("POST", _PATH.format(kind=sent.kind, version=version), sent.body, headers)
    answer = line.getresponse()
    return answer.status, answer.read()
