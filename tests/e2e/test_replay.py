"""Real flights through the client and a real server: every measurement is what anybody would compute from the same rows."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
import yaml
from served import Served
from sklearn import metrics as oracle

import watchkeeper as wk
from watchkeeper.client.connection import Connection
from watchkeeper.demo import flights as data
from watchkeeper.demo.model import fit
from watchkeeper.demo.tables import SCHEMA
from watchkeeper.demo.traffic import Traffic, replay
from watchkeeper.detection.baseline import Baseline
from watchkeeper.detection.comparison import compare_profiles
from watchkeeper.profiles.profile import Profile
from watchkeeper.report.tables import comparison_rows
from watchkeeper.schema import Schema
from watchkeeper.window import calendar_window, microseconds

MODEL = "late-flights"
SERVICE = {"throughput", "failure_rate", "cpu_seconds", "rss_bytes", "rss_bytes_max"}
NUMBERS = ("value", "low", "high", "n", "coverage", "reference", "effect", "p_value")


@pytest.fixture(scope="module")
def flights() -> pa.Table:
    return data.load()


@pytest.fixture(scope="module")
def model(flights: pa.Table) -> Any:
    return fit(data.months(flights, (1, 2)))


def traffic_of(flights: pa.Table, model: Any, months: tuple[int, ...], days: int | None = None) -> Traffic:
    some = data.months(flights, months)
    if days is not None:
        first = pc.min(some["departure"]).as_py()
        some = some.filter(pc.less(pc.days_between(pa.scalar(first, some["departure"].type), some["departure"]), days))
    return Traffic.of(model.predict(some), some)


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    with Served(tmp_path / "store") as server:
        yield server
        assert server.end() == 0
        assert not [line for line in server.said if "ERROR" in line or "Traceback" in line]


def prepare(server: Served, flights: pa.Table, model: Any) -> tuple[Connection, str]:
    """Register the model with March as its reference, and return a connection and an ingest key."""
    connection = server.connect()
    march = model.predict(data.months(flights, (3,)))
    reference = wk.profile(march, wk.infer_schema(march, Schema.from_dict(yaml.safe_load(SCHEMA))))
    connection.register(MODEL, "1", clock="event")
    connection.set_reference(MODEL, "1", reference)
    key, _ = connection.create_key("replay", "ingest")
    return connection, key


def settled(connection: Connection) -> None:
    """Wait until everything is counted and measured."""
    deadline = time.monotonic() + 600
    while time.monotonic() < deadline:
        told = connection.models()[0]
        windows = [w for every in ("day", "month") for w in connection.windows(MODEL, "1", every=every)]
        if told["pending"] == 0 and windows and all(w["measured"] for w in windows):
            return
        time.sleep(0.2)  # there is nothing to await: the server tells its state when asked
    raise AssertionError(f"not counted after ten minutes: {connection.models()}")


def key_of(row: dict[str, Any]) -> tuple[Any, ...]:
    return row.get("segment"), row.get("column"), row["metric"], row["params"], row["source"]


def check(connection: Connection, rows: pa.Table) -> int:
    """Hold every daily and monthly measurement against the rows, offline and by scikit-learn; return how many numbers."""
    settled(connection)
    schema = Schema.from_dict(connection.versions(MODEL)[0]["schema"]).freeze()
    baseline = Baseline(reference_of(connection))
    times = rows["departure"].cast(pa.timestamp("us")).cast(pa.int64()).to_numpy()
    seen = 0
    for every in ("day", "month"):
        stored: dict[int, dict[tuple[Any, ...], dict[str, Any]]] = {}
        for row in connection.measurements(MODEL, every=every).to_pylist():
            stored.setdefault(microseconds(row["window_start"]), {})[key_of(row)] = row
        spans = sorted({calendar_window(int(t), every, schema.zone) for t in times[:: 20].tolist()} | {
            calendar_window(int(t), every, schema.zone) for t in (times[0], times[-1])})  # fmt: skip
        assert [microseconds(s.start) for s in spans] == sorted(stored)
        for span in spans:
            first, last = np.searchsorted(times, [microseconds(span.start), microseconds(span.end)])
            inside = rows.slice(first, last - first)
            found = stored[microseconds(span.start)]
            told = comparison_rows(compare_profiles(baseline, wk.profile(inside, schema)))
            expected = {key_of(r): r for r in told if r.get("column") != schema.timestamp}
            assert {k for k in found if k[2] not in SERVICE} == set(expected)
            for name, row in expected.items():
                for number in NUMBERS:
                    here, there = found[name][number], row.get(number)
                    there = None if isinstance(there, float) and not np.isfinite(there) else there
                    same = here is None if there is None else here == pytest.approx(there, rel=1e-9, abs=1e-12)
                    assert same, (every, span, name, number, here, there)
                    seen += 1
            by_sklearn(found, inside)
    return seen


_REFERENCES: dict[str, Profile] = {}


def reference_of(connection: Connection) -> Profile:
    """Return the reference under the schema that the server counts by."""
    schema = Schema.from_dict(connection.versions(MODEL)[0]["schema"])
    return _REFERENCES["march"].widen(schema)


def by_sklearn(found: dict[tuple[Any, ...], dict[str, Any]], rows: pa.Table) -> None:
    """Hold the realised metrics of one window against scikit-learn."""
    known = rows.filter(pc.is_valid(rows["late"]))
    label, predicted, score = (known[c].to_numpy() for c in ("late", "predicted", "score"))
    if len(set(label.tolist())) < 2:
        return
    expected = {"accuracy": oracle.accuracy_score(label, predicted), "f1": oracle.f1_score(label, predicted),
                "log_loss": oracle.log_loss(label, score)}  # fmt: skip
    for name, value in expected.items():
        assert found[None, None, name, "{}", "realised"]["value"] == pytest.approx(value, rel=1e-9)
    auc = found[None, None, "roc_auc", "{}", "realised"]["value"]
    assert auc == pytest.approx(oracle.roc_auc_score(label, score), abs=2e-3 if len(label) > 2_000 else 1e-9)


def run(server: Served, flights: pa.Table, model: Any, traffic: Traffic, until: datetime) -> None:
    """Replay up to a moment, hold everything against what was known then; send the rest and do it again."""
    march = model.predict(data.months(flights, (3,)))
    _REFERENCES["march"] = wk.profile(march, wk.infer_schema(march, Schema.from_dict(yaml.safe_load(SCHEMA))))
    connection, key = prepare(server, flights, model)
    with wk.Logger(MODEL, version="1", url=server.url, key=key) as log:
        hours = replay(log, traffic)
        for reached in hours:
            if reached >= until:
                break
        assert log.flush(600)
        before = traffic.known_by(until)
        gone = pc.less(before["departure"], pa.scalar(until, before["departure"].type))
        assert check(connection, before.filter(gone)) > 10_000
        for _ in hours:
            pass
        assert log.flush(600)
        stats = log.stats
    assert (stats.refused, stats.quarantined, any(dict(stats.dropped).values())) == (0, 0, False)
    whole = traffic.predicted
    assert check(connection, whole) > 10_000
    told = connection.models()[0]
    assert (told["rows"], told["labels"]) == (whole.num_rows, whole.num_rows - whole["late"].null_count)
    assert (told["duplicates"], told["quarantined"], told["lost"], told["labels_waiting"]) == (0, 0, 0, 0)


def test_two_weeks(served: Served, flights: pa.Table, model: Any) -> None:
    traffic = traffic_of(flights, model, (4,), 14)
    run(served, flights, model, traffic, datetime(2013, 4, 11, 22, tzinfo=UTC))


@pytest.mark.long
def test_april_to_december(served: Served, flights: pa.Table, model: Any) -> None:
    traffic = traffic_of(flights, model, tuple(range(4, 13)))
    run(served, flights, model, traffic, datetime(2013, 12, 20, 22, tzinfo=UTC))
