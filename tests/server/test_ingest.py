"""Batches over HTTP: acknowledged when they are on disk, counted once, and never kept waiting by readers."""

from __future__ import annotations

import concurrent.futures
import json
import threading
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from fake import FakePipeline
from live import Live, Serve, live, make_secrets

from watchkeeper.pipeline.pipeline import Pipeline
from watchkeeper.server.app import create_app

ARROW = "application/vnd.apache.arrow.stream"


def place(model: str, kind: str = "predictions") -> str:
    return f"/api/v1/{kind}?model={model}" + ("&version=1" if kind == "predictions" else "")


def arrow(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()


def test_a_batch_is_answered_with_what_became_of_it(real: Live) -> None:
    rows: list[dict[str, Any]] = [
        {"id": "a", "prediction": 1, "features": {"x": 1.5}},
        {"id": "b", "prediction": 0, "timestamp": "soon"},
        {"prediction": 1},
    ]
    answer = real.ask("POST", place("receipt"), "ingest", {"predictions": rows}, {"Idempotency-Key": "first"})
    assert answer.status == 200
    assert "idempotent-replayed" not in answer.headers
    told = answer.json
    assert (told["batch"], told["rows"], told["accepted"], told["rejected"]) == ("first", 3, 2, 1)
    assert told["quarantined"][0]["row"] == 1
    assert "soon" in told["quarantined"][0]["reason"]
    assert told["ids"][0] == "a"
    kept = real.ask("GET", "/api/v1/quarantine?model=receipt", "viewer").json["quarantine"]
    assert "soon" in kept[0]["reason"]


def test_a_batch_that_is_sent_again_counts_once(real: Live) -> None:
    body = {"predictions": [{"id": "a", "prediction": 1}]}
    key = {"Idempotency-Key": "again"}
    first = real.ask("POST", place("again"), "ingest", body, key)
    second = real.ask("POST", place("again"), "ingest", body, key)
    assert (first.status, second.status) == (200, 200)
    assert first.json == second.json
    assert second.headers["idempotent-replayed"] == "true"
    other = real.ask("POST", place("again"), "ingest", {"predictions": [{"id": "b", "prediction": 1}]}, key)
    assert other.status == 422
    assert "again" in other.json["detail"]


def test_a_batch_whose_answer_got_lost_is_named_by_the_server(real: Live) -> None:
    body = {"predictions": [{"prediction": 1}]}
    batches = {real.ask("POST", place("minted"), "ingest", body).json["batch"] for _ in range(2)}
    assert len(batches) == 2


def test_arrow_and_labels_come_in_too(real: Live) -> None:
    rows = pa.table({"id": ["1", "2"], "prediction": [0, 1], "score": [0.1, 0.9], "x": [1.0, 2.0]})
    labels = pa.table({"id": ["1", "2"], "label": [0, 1]})
    for kind, table in (("predictions", rows), ("labels", labels)):
        answer = real.ask("POST", place("arrow", kind), "ingest", arrow(table), {"Content-Type": f"{ARROW}; x=y"})
        assert answer.status == 200, answer.body
        assert answer.json["accepted"] == 2


def test_a_name_may_be_any_text(real: Live) -> None:
    body = {"predictions": [{"prediction": 1}]}
    assert (
        real.ask("POST", "/api/v1/predictions?model=%C3%A9%20%2F%26%F0%9F%9A%80&version=%2B1", "ingest", body).status
        == 200
    )
    assert "é /&🚀" in {m["model"] for m in real.ask("GET", "/api/v1/models", "viewer").json["models"]}


def test_an_acknowledged_batch_is_there_after_the_process_opens_the_store_anew(tmp_path: Path) -> None:
    with Pipeline.open(tmp_path / "store") as pipeline, live(create_app(pipeline)) as served:
        served.secrets = make_secrets(pipeline)
        served.ask("POST", place("kept"), "ingest", {"predictions": [{"prediction": 1}] * 7})
    with Pipeline.open(tmp_path / "store") as pipeline:
        assert pipeline.settle(30)
        (model,) = pipeline.models("default")
        assert model["rows"] + model["pending"] == 7


def beside_slow_readers(served: Live, pipeline: FakePipeline) -> list[int]:
    """Return the statuses of what is asked while readers have taken every place and answers are held back."""
    served.ask("POST", place("m"), "ingest", {"predictions": [1]})
    pipeline.reading_gate.clear()
    with concurrent.futures.ThreadPoolExecutor(12) as threads:
        readers = [threads.submit(served.ask, "GET", "/api/v1/measurements?model=m", "viewer") for _ in range(12)]
        try:
            ended = concurrent.futures.as_completed(readers)
            refused = [done.result() for _, done in zip(range(7), ended, strict=False)]
            assert {answer.status for answer in refused} == {429}  # two are being answered, three wait
            sent = served.ask("POST", place("m"), "ingest", {"predictions": [2]}).status
            found = [sent, *(served.ask("GET", path).status for path in ("/healthz", "/readyz"))]
        finally:
            pipeline.reading_gate.set()
        assert sorted(reader.result().status for reader in readers) == [200] * 5 + [429] * 7
    return found


def test_readers_that_take_for_ever_do_not_keep_batches_waiting(serve: Serve, pipeline: FakePipeline) -> None:
    assert beside_slow_readers(serve(read_threads=2, most_waiting=3), pipeline) == [200, 200, 200]


def test_that_would_be_seen_if_readers_and_batches_shared_their_threads(serve: Serve, pipeline: FakePipeline) -> None:
    served = serve(read_threads=2, most_waiting=3)
    limits = served.app.state.services.limits
    limits.ingest = limits.reading
    assert beside_slow_readers(served, pipeline) == [429, 200, 200]


def test_the_event_loop_does_nothing_of_it(serve: Serve, pipeline: FakePipeline) -> None:
    served = serve()
    served.ask("POST", place("m"), "ingest", {"predictions": [1]})
    served.ask("GET", "/api/v1/measurements?model=m", "viewer")
    assert pipeline.threads == {"watchkeeper-ingest-1", "watchkeeper-reading-1"}


def test_many_at_once_are_all_counted(real: Live) -> None:
    def send(number: int) -> int:
        rows = [{"id": f"{number}-{place}", "prediction": 1} for place in range(20)]
        return real.ask("POST", place("many"), "ingest", {"predictions": rows}).json["accepted"]

    with concurrent.futures.ThreadPoolExecutor(16) as threads:
        assert sum(threads.map(send, range(100))) == 2000
    pending = threading.Event()
    for _ in range(100):
        (model,) = [m for m in real.ask("GET", "/api/v1/models", "viewer").json["models"] if m["model"] == "many"]
        if model["rows"] == 2000:
            break
        pending.wait(0.2)
    assert model["rows"] + model["pending"] == 2000


@pytest.mark.parametrize("kind", ["predictions", "labels"])
def test_a_million_rows_of_nothing_are_refused_in_time(real: Live, kind: str) -> None:
    given = real.ask("PUT", "/api/v1/versions?model=large&version=1", "admin", {})
    assert given.status == 200, given.body
    body = json.dumps({kind: [0] * 100_001}).encode()
    answer = real.ask("POST", place("large", kind), "ingest", body, {"Content-Type": "application/json"})
    assert answer.status == 400
    assert "100000" in answer.json["detail"]
