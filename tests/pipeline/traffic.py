"""Made-up traffic of a binary model over some days, and the ways in which it reaches a pipeline."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from watchkeeper.capture.batch import Batch
from watchkeeper.client.ids import Mint
from watchkeeper.pipeline.pipeline import Pipeline
from watchkeeper.pipeline.settings import PipelineSettings
from watchkeeper.pipeline.values import Receipt, Target
from watchkeeper.profiles.profile import Profile
from watchkeeper.schema import Schema

START = datetime(2026, 3, 27, tzinfo=UTC)  # a clock is put forward in Berlin two days later
JSON, ARROW = "application/json", "application/vnd.apache.arrow.stream"
TARGET = Target("default", "credit", "production", "3")
SCHEMA = Schema(
    id="id", timestamp="when", target="bad", prediction="flag", score="risk", latency="took", error="failure",
    segments=["city"], zone="Europe/Berlin", task="binary", positive="1", classes=["0", "1"],
    kinds={"when": "datetime", "amount": "numeric", "city": "categorical", "flag": "categorical", "risk": "numeric",
           "bad": "categorical", "took": "numeric", "failure": "categorical", "id": "categorical"},
)  # fmt: skip


def table(rows: int, seed: int, days: float = 4, *, own_ids: bool = False) -> pa.Table:
    """Return whole rows, label included (null for one in ten), by event time."""
    rng = np.random.default_rng(seed)
    times = np.sort(rng.integers(0, int(days * 86_400_000), rows)) * 1000 + int(START.timestamp()) * 1_000_000
    risk = np.round(rng.random(rows), 3)
    mint = Mint()
    ids = [f"loan-{seed}-{i}" if own_ids else mint.at(int(t) // 1000) for i, t in enumerate(times)]
    return pa.table(
        {
            "id": ids,
            "when": pa.array(times, pa.timestamp("us", "UTC")),
            "amount": pa.array(np.round(rng.lognormal(8, 1, rows), 2), mask=rng.random(rows) < 0.05),
            "city": pa.array(np.array(["Ulm", "Köln", "Bonn"])[rng.integers(0, 3, rows)], mask=rng.random(rows) < 0.02),
            "flag": (risk > 0.5).astype(int),
            "risk": risk,
            "took": np.round(rng.gamma(2, 0.01, rows), 4),
            "failure": pa.nulls(rows, pa.string()),
            "bad": pa.array((rng.random(rows) < risk).astype(int), mask=rng.random(rows) < 0.1),
        }
    )


def offline(rows: pa.Table, schema: Schema = SCHEMA) -> Profile:
    """Return the profile of rows as anybody would compute it who has them all."""
    profile = Profile(schema.replace())
    for batch in rows.combine_chunks().to_batches():
        profile.update(Batch(batch, profile.schema))
    return profile


def open_pipeline(folder: Path, *, registered: bool = True, **settings: Any) -> Pipeline:
    """Return a pipeline whose model goes by event time."""
    pipeline = Pipeline.open(folder, PipelineSettings(**settings))
    pipeline.register(TARGET, SCHEMA.to_dict() if registered else None, "event")
    if registered:
        pipeline.set_reference(TARGET, offline(table(2_000, 99)).to_bytes())
    return pipeline


def ipc(rows: pa.Table) -> bytes:
    """Return rows as an Arrow IPC stream."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.schema) as writer:
        writer.write_table(rows)
    content: bytes = sink.getvalue().to_pybytes()
    return content


def predictions_arrow(rows: pa.Table) -> bytes:
    """Return rows without their labels."""
    return ipc(rows.drop_columns(["bad"]))


def predictions_json(rows: pa.Table) -> bytes:
    """Return the same as JSON."""
    made = [
        {
            "id": row["id"], "timestamp": row["when"].isoformat(), "prediction": row["flag"], "score": row["risk"],
            "latency": row["took"], "features": {"amount": row["amount"], "city": row["city"]},
        }
        for row in rows.to_pylist()
    ]  # fmt: skip
    return json.dumps({"predictions": made}).encode()


def labels_of(rows: pa.Table, after: timedelta = timedelta(hours=3)) -> pa.Table:
    """Return the labels of rows, each known some time after its prediction."""
    some = rows.filter(pc.is_valid(rows["bad"]))
    known = pc.add(some["when"], pa.scalar(after, pa.duration("us")))
    return pa.table({"id": some["id"], "label": some["bad"], "timestamp": known, "prediction_time": some["when"]})


def labels_json(labels: pa.Table) -> bytes:
    """Return labels as JSON."""
    made = [row | {key: row[key].isoformat() for key in ("timestamp", "prediction_time")} for row in labels.to_pylist()]
    return json.dumps({"labels": made}).encode()


def send(pipeline: Pipeline, kind: Any, body: bytes, *, arrow: bool = True, batch: str | None = None) -> Receipt:
    """Send a body and wait for its receipt."""
    return pipeline.submit(kind, TARGET, batch, ARROW if arrow else JSON, body).result(30)
