"""What is taken, what is refused alone, and what a key answers the second time."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from traffic import TARGET, ipc, labels_json, labels_of, open_pipeline, predictions_arrow, send, table

from watchkeeper.errors import Conflict, InvalidBatch, Overloaded, UnknownModel
from watchkeeper.pipeline import gather
from watchkeeper.pipeline.pipeline import Pipeline
from watchkeeper.pipeline.settings import PipelineSettings
from watchkeeper.pipeline.values import Target

NOW = datetime.now(UTC)
GOOD: dict[str, Any] = {"id": "a", "features": {"x": 1}, "prediction": 1, "score": 0.5}
BAD: list[tuple[Any, str]] = [
    (17, "a row must be an object"),
    ({"features": {}}, "neither a prediction"),
    (GOOD | {"score": "high"}, "score must be a number"),
    (GOOD | {"score": {"a": []}}, "score of 'a' must be a number"),
    (GOOD | {"id": ""}, "id must be text"),
    (GOOD | {"id": "x" * 257}, "id must be text"),
    (GOOD | {"id": [1]}, "id must be text"),
    (GOOD | {"timestamp": "soon"}, "no time such as"),
    (GOOD | {"timestamp": "9999-12-31T00:00:00Z"}, "in the future"),
    (GOOD | {"timestamp": (NOW + timedelta(days=1)).isoformat()}, "in the future"),
    (GOOD | {"timestamp": 0}, "older rows are not kept"),
    (GOOD | {"timestamp": 1e30}, "is no time"),
    (GOOD | {"timestamp": [1]}, "must be ISO 8601"),
    (GOOD | {"features": [1]}, "features must be an object"),
    (GOOD | {"features": {"x": {"deep": 1}}}, "must be null, true, false, a number, text or a list"),
    (GOOD | {"features": {"x": ["text"]}}, "must be null, true, false, a number, text or a list"),
    (GOOD | {"features": {"@x": 1}}, "has a name that cannot be used"),
    (GOOD | {"features": {"": 1}}, "has a name that cannot be used"),
    (GOOD | {"features": {"x": 2**70}}, "beyond 64 bits"),
    (GOOD | {"features": {"x": "\ud800"}}, "not UTF-8"),
    (GOOD | {"prediction": [1]}, "prediction must be a class"),
    (GOOD | {"latency": "fast"}, "latency must be a number"),
    (GOOD | {"latency": 10**400}, "beyond what a float holds"),
    (GOOD | {"error": 5}, "error must be text"),
    (GOOD | {"label": 1}, "the key 'label' is not known"),
]


def predictions(*rows: Any) -> bytes:
    return json.dumps({"predictions": rows}).encode()


@pytest.fixture
def pipeline(tmp_path: Path) -> Any:
    with Pipeline.open(tmp_path / "store") as made:
        yield made


@pytest.mark.parametrize(("row", "why"), BAD, ids=[why for _, why in BAD])
def test_one_bad_row_is_refused_alone(pipeline: Pipeline, row: Any, why: str) -> None:
    good = [GOOD | {"id": f"good-{i}"} for i in range(9)]
    receipt = send(pipeline, "predictions", predictions(*good[:4], row, *good[4:]), arrow=False)
    assert (receipt.rows, receipt.accepted, receipt.rejected) == (10, 9, 1)
    assert [r.row for r in receipt.quarantined] == [4]
    assert why in receipt.quarantined[0].reason
    kept = pipeline.quarantine(TARGET)
    assert [(k["row"], k["batch"]) for k in kept] == [(4, receipt.batch)]
    assert pipeline.settle()
    assert pipeline.models("default")[0]["rows"] == 9


def test_what_is_no_batch_is_refused_whole(pipeline: Pipeline) -> None:
    deep = b'{"predictions": [' + b"[" * 100_000 + b"]" * 100_000 + b"]}"
    for body in (
        b"",
        b"{",
        b"[]",
        b"null",
        b'{"labels": []}',
        b'{"predictions": 1}',
        b'{"predictions": [], "x": 1}',
        deep,
        b"\xff",
    ):
        with pytest.raises(InvalidBatch):
            send(pipeline, "predictions", body, arrow=False)
    whole = predictions_arrow(table(50, 1))
    for body in (b"", b"x" * 50, whole[:-40], whole[: len(whole) // 2], whole[:100]):
        with pytest.raises(InvalidBatch):
            send(pipeline, "predictions", body)
    with pytest.raises(InvalidBatch, match="of type"):
        send(pipeline, "predictions", ipc(pa.table({"prediction": [1], "x": [{"a": 1}]})))
    with pytest.raises(InvalidBatch, match="this one has none"):
        send(pipeline, "predictions", ipc(pa.table({"x": [1]})))
    pipeline.register(TARGET, None, None)
    with pytest.raises(InvalidBatch, match="id or label is missing"):
        send(pipeline, "labels", ipc(pa.table({"id": ["a"]})))
    with pytest.raises(InvalidBatch, match="text/plain"):
        pipeline.submit("predictions", TARGET, None, "text/plain", b"")
    with pytest.raises(InvalidBatch, match="visible ASCII"):
        send(pipeline, "predictions", predictions(GOOD), arrow=False, batch="ü")


def test_hostile_arrow_is_refused_before_a_value_is_read(pipeline: Pipeline) -> None:
    values = pa.array(["abc", "def"])
    buffers = values.buffers()
    broken = pa.Array.from_buffers(
        pa.string(), 2, [None, pa.py_buffer(b"\x00\0\0\0\xff\xff\xff\x7f\x06\0\0\0"), buffers[2]]
    )
    sink = pa.BufferOutputStream()
    rows = pa.RecordBatch.from_arrays([broken, pa.array([1, 2])], ["x", "prediction"])
    with pa.ipc.new_stream(sink, rows.schema) as writer:
        writer.write_batch(rows)
    with pytest.raises(InvalidBatch):
        send(pipeline, "predictions", sink.getvalue().to_pybytes())


def test_bad_rows_of_a_table_are_refused_alone(pipeline: Pipeline) -> None:
    when = [NOW, None, NOW + timedelta(days=3), NOW]
    rows = pa.table(
        {"id": ["a", "b", "c", ""], "timestamp": when, "prediction": [1, 0, 1, 1], "x": [1.0, 2.0, 3.0, 4.0]}
    )
    receipt = send(pipeline, "predictions", ipc(rows))
    assert [(r.row, r.reason.split()[1]) for r in receipt.quarantined] == [
        (1, "timestamp"),
        (2, "timestamp"),
        (3, "id"),
    ]
    labels = pa.table({"id": ["a", None, "b"], "label": [1, 1, None]})
    receipt = send(pipeline, "labels", ipc(labels))
    assert [r.row for r in receipt.quarantined] == [1, 2]
    assert pipeline.settle()
    assert pipeline.models("default")[0]["rows"] == 1


def test_a_batch_sent_again_is_answered_as_the_first_time(tmp_path: Path) -> None:
    rows = table(50, 2)
    with open_pipeline(tmp_path / "store") as pipeline:
        first = send(pipeline, "predictions", predictions_arrow(rows), batch="b-1")
        again = [send(pipeline, "predictions", predictions_arrow(rows), batch="b-1") for _ in range(50)]
        assert all(receipt == first and receipt.replayed for receipt in again)
        assert not first.replayed
        with pytest.raises(Conflict, match="another body"):
            send(pipeline, "predictions", predictions_arrow(rows.slice(1)), batch="b-1")
        assert pipeline.settle()
    with open_pipeline(tmp_path / "store") as pipeline:
        assert send(pipeline, "predictions", predictions_arrow(rows), batch="b-1").replayed
        assert pipeline.settle()
        told = pipeline.models("default")[0]
        assert (told["rows"], told["duplicates"]) == (50, 0)


def test_ids_that_the_server_minted_are_told(pipeline: Pipeline) -> None:
    receipt = send(pipeline, "predictions", predictions({"prediction": 1}, GOOD), arrow=False)
    assert receipt.ids is not None
    assert receipt.ids[1] == "a"
    send(pipeline, "labels", json.dumps({"labels": [{"id": receipt.ids[0], "label": 1}]}).encode(), arrow=False)
    assert pipeline.settle()
    assert pipeline.models("default")[0]["labels"] == 1


def test_too_much_is_said_to_be_too_much(tmp_path: Path) -> None:
    with Pipeline.open(
        tmp_path / "store", PipelineSettings(most_inbox_bytes=0, infer_rows=10**9, infer_wait=1e9)
    ) as pipeline:
        send(pipeline, "predictions", predictions(GOOD), arrow=False)
        with pytest.raises(Overloaded, match="Send the same batch again in 5 s"):
            send(pipeline, "predictions", predictions(GOOD), arrow=False)


def test_odd_labels_are_kept_apart(tmp_path: Path) -> None:
    rows = table(60, 3)
    with open_pipeline(tmp_path / "store") as pipeline:
        send(pipeline, "predictions", predictions_arrow(rows))
        labels = json.loads(labels_json(labels_of(rows)))["labels"]
        body = json.dumps({"labels": [labels[0] | {"label": "perhaps"}, labels[1] | {"label": True}, *labels[2:]]})
        send(pipeline, "labels", body.encode(), arrow=False)
        assert pipeline.settle()
        outcome = pipeline.profile(TARGET, None, None).outcome
        assert outcome is not None
        assert outcome.strange == 1
        assert outcome.labelled == len(labels) - 1


def test_ids_that_are_no_longer_in_memory_are_still_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gather, "_KEPT_IDS", 0)
    rows = table(300, 1)
    with open_pipeline(tmp_path / "store") as pipeline:
        for name in ("first", "again"):
            send(pipeline, "predictions", predictions_arrow(rows), batch=name)
            send(pipeline, "labels", ipc(labels_of(rows)), batch=f"labels-{name}")
            assert pipeline.settle()
        told = pipeline.models("default")[0]
    assert (told["rows"], told["duplicates"]) == (300, 300)
    assert told["labels"] == labels_of(rows).num_rows


def test_labels_of_a_model_that_nobody_knows_are_refused(pipeline: Pipeline) -> None:
    send(pipeline, "predictions", predictions(GOOD), arrow=False)
    typo = Target("default", "credlt", "production")
    labels = json.dumps({"labels": [{"id": "a", "label": 1}]}).encode()
    with pytest.raises(UnknownModel, match="Did you mean 'credit'"):
        pipeline.submit("labels", typo, None, "application/json", labels)
    assert [m["model"] for m in pipeline.models("default")] == ["credit"]
    pipeline.register(Target("default", "new", "production", "1"), None, None)
    new = Target("default", "new", "production")
    assert pipeline.submit("labels", new, None, "application/json", labels).result(30).accepted == 1


def test_a_batch_of_which_nothing_is_accepted_makes_no_model(pipeline: Pipeline) -> None:
    with pytest.raises(InvalidBatch):
        send(pipeline, "predictions", b"{", arrow=False)
    receipt = send(pipeline, "predictions", predictions({"features": {}}), arrow=False, batch="b")
    assert (receipt.accepted, receipt.rejected, len(receipt.quarantined)) == (0, 1, 1)
    assert send(pipeline, "predictions", predictions({"features": {}}), arrow=False, batch="b") == receipt
    assert pipeline.models("default") == []
    send(pipeline, "predictions", predictions(GOOD), arrow=False)
    told = pipeline.models("default")[0]
    assert (told["versions"], told["serving"]) == (["3"], "3")
    with pytest.raises(InvalidBatch):
        pipeline.submit("predictions", Target("default", "credit", "production", "4"), None, "application/json", b"{")
    assert pipeline.models("default")[0]["versions"] == ["3"]
