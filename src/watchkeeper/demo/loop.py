"""The main job on real flights, from a fitted model to an incident, an action and its end: nine months in event time."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import yaml
from threadpoolctl import threadpool_limits

from watchkeeper.client.connection import Connection
from watchkeeper.client.logger import Logger
from watchkeeper.client.settings import Settings
from watchkeeper.demo import fault, retrain
from watchkeeper.demo.flights import FEATURES, load, months
from watchkeeper.demo.model import LateModel, fit
from watchkeeper.demo.receiver import Receiver
from watchkeeper.demo.rules import MODEL, write_rules
from watchkeeper.demo.serving import Server
from watchkeeper.demo.tables import REFERENCE, SCHEMA, TRAINING
from watchkeeper.demo.traffic import SINGLE, Traffic
from watchkeeper.errors import WatchkeeperError
from watchkeeper.monitor import infer_schema, profile
from watchkeeper.schema import Schema
from watchkeeper.window import DAY, moment

MONTHS = tuple(range(4, 13))
_ENDED = {"promoted", "kept", "failed", "refused", "stopped", "expired", "dry run", "unknown", "awaiting approval"}
_PATIENCE = 300.0
_LOOK = 0.05


@dataclass
class Loop:
    """What the demo made, and what is still open.

    Attributes
    ----------
    server, receiver
        Both run until :meth:`close`.
    summary
        Incidents with their timelines, versions, and monthly measurements; also in ``file``.
    """

    server: Server
    receiver: Receiver
    file: Path
    summary: dict[str, Any] = field(default_factory=dict)

    def login(self) -> str:
        """Return a new link that logs one browser in, once."""
        connection = Connection(self.server.url, self.server.key)
        return f"{self.server.url}{connection.request('POST', 'session/link')['path']}"

    def close(self) -> None:
        """End the server and the receiver."""
        self.server.close()
        self.receiver.close()


def run_loop(folder: Path, tell: Callable[[str], None], *, numbers: Sequence[int] = MONTHS, port: int = 0) -> Loop:
    """Fit a model, serve it for months in event time, and watch what is made of that.

    Parameters
    ----------
    folder
        Receives the store, the monitors and the summary; a store that an earlier demo left there is removed.
    tell
        Is told each step in a sentence.
    numbers
        The months of 2013 that are replayed, without a gap.
    port
        Of the server; 0 is any free one.

    Raises
    ------
    MissingExtra
        scikit-learn or the server's packages are not installed.
    """
    tell("Reading the flights that left New York City in 2013, with the weather of the hour.")
    flights = load()
    tell("Fitting a model on January and February: will a flight arrive more than 15 minutes late?")
    model = fit(months(flights, TRAINING))
    folder.mkdir(parents=True, exist_ok=True)
    store = folder / "store"
    shutil.rmtree(store, ignore_errors=True)
    receiver = Receiver(lambda alert: tell(f"  [webhook] {alert['title']}"))
    file, receiver.secret = write_rules(folder, store, receiver.url)
    server = Server(store, port, lambda line: None)
    made = Loop(server, receiver, folder / "summary.json")
    try:
        tell(f"A server answers at {server.url}. Its reference is March, which the model never saw.")
        connection = Connection(server.url, server.key)
        tell(f"Watch it happen: {made.login()} (this link logs one browser in)")
        _register(connection, model.predict(months(flights, REFERENCE)), file)
        tell(f"On {fault.BEGAN:%d %B} the weather feed will change its units. That is planted; all else really came.")
        _serve(made, connection, model, fault.change_units(months(flights, numbers)), tell)
        made.summary = _summary(connection, made)
        made.file.write_text(json.dumps(made.summary, indent=2, default=str) + "\n", encoding="utf-8")
    except BaseException:
        made.close()
        raise
    return made


def _register(connection: Connection, march: pa.Table, file: Path) -> None:
    schema = infer_schema(march, Schema.from_dict(yaml.safe_load(SCHEMA)))
    connection.register(MODEL, "1", schema=schema, clock="event")
    connection.set_reference(MODEL, "1", profile(march, schema))
    connection.apply_monitors(file.read_text(encoding="utf-8"))


class _Service:
    """The process that serves: it calls the model once an hour, and logs what it said."""

    def __init__(self, made: Loop, model: LateModel) -> None:
        self._server, self._spool, self.sent = made.server, str(made.file.parent / "spool"), 0
        self.serve(model, "1")

    def serve(self, model: LateModel, version: str) -> None:
        """Serve a version from now on."""
        self.model, self.version = model, version
        settings = Settings(spool=self._spool, serving_every=0.0)
        self.log = Logger(MODEL, version, url=self._server.url, key=self._server.key, settings=settings)

    def days(self, traffic: Traffic) -> Iterator[datetime]:
        """Serve the traffic hour by hour; yields after each day of event time, and once when all is sent."""
        day, end = -1, 0
        for end, departed, came in traffic.hours():
            if len(came):
                self.sent += len(came)
                self.log.labels(traffic.labels(came))
            if len(departed):
                self._call(traffic.predicted.take(pa.array(departed)), departed % SINGLE == 0)
            if end // DAY != day:
                day = end // DAY
                yield moment(end)
        yield moment(end)

    def _call(self, flights: pa.Table, alone: Any) -> None:
        """Log one flight in a hundred by itself, the others together."""
        self.sent += flights.num_rows
        began = time.perf_counter()
        rows = self.model.predict(flights).drop_columns(["late"])
        seconds = time.perf_counter() - began
        rows = rows.append_column("latency", pa.array([seconds] * rows.num_rows))
        together = rows.filter(pa.array(~alone))
        if together.num_rows:
            self.log.predictions(together, timestamp="departure")
        for row in rows.filter(pa.array(alone)).to_pylist():
            features = {name: row[name] for name in FEATURES}
            told = {"timestamp": row["departure"], "id": row["id"], "latency": seconds}
            self.log.prediction(features, row["predicted"], row["score"], **told)


def _serve(
    made: Loop, connection: Connection, model: LateModel, flights: pa.Table, tell: Callable[[str], None]
) -> None:
    """Replay flights through a client, a day at a time, with the version that serves."""
    service = _Service(made, model)
    # Fifty rows at a time are predicted faster by one thread than by several that wait for each other.
    with threadpool_limits(1):
        _replay(service, connection, flights, tell)


def _replay(service: _Service, connection: Connection, flights: pa.Table, tell: Callable[[str], None]) -> None:
    month = before = 0
    for at in service.days(Traffic.of(flights, flights)):
        behind = service.sent - before
        before = service.sent
        _wait(connection, service.log, tell, behind)
        serving = service.log.serving_version()
        if serving is not None and serving != service.version:
            promoted = next(a for a in connection.actions() if a["state"] == "promoted")
            service.log.close()
            service.serve(retrain.load(promoted["result"]["candidate"]["artefact"]), serving)
            tell(f"  {at:%d %B}: version {serving} serves from now on.")
        if at.month != month:
            month = at.month
            tell(f"{at:%B} ...")
    _wait(connection, service.log, tell, 0)
    service.log.close()


def _wait(connection: Connection, log: Logger, tell: Callable[[str], None], behind: int) -> None:
    """Wait until the server is at most ``behind`` rows behind, and no action runs: the replay's time stands still meanwhile."""
    if not log.flush(_PATIENCE):
        raise WatchkeeperError(f"The server took no more rows: {log.stats.last_error}")
    until, said = time.monotonic() + _PATIENCE, False
    while time.monotonic() < until:
        if sum(m["pending"] for m in connection.models()) <= behind:
            running = [a for a in connection.actions() if a["state"] not in _ENDED]
            if not running:
                return
            if not said:
                tell(f"  {running[0]['name']} runs, for incident {running[0]['incident']}.")
                said = True
        time.sleep(_LOOK)  # the server tells its state when asked
    raise WatchkeeperError(f"The server did not come to an end with what it got within {_PATIENCE:g} s.")


def _summary(connection: Connection, made: Loop) -> dict[str, Any]:
    incidents = [connection.incident(i["id"]) for i in connection.incidents(limit=1000)]
    monthly = connection.measurements(MODEL, every="month", metric=["accuracy", "roc_auc"])
    whole = monthly.filter(pc.and_(pc.is_null(monthly["segment"]), pc.is_null(monthly["column"])))
    return {
        "planted": {
            "fault": "the weather feed changes its units",
            "began": fault.BEGAN.isoformat(),
            "columns": fault.COLUMNS,
        },
        "incidents": sorted(incidents, key=lambda incident: incident["id"]),
        "versions": connection.versions(MODEL),
        "actions": connection.actions(),
        "webhooks": {"received": list(made.receiver.received.values()), "refused": made.receiver.refused},
        "measurements": whole.to_pylist(),
    }
