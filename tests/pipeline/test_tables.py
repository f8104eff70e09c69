"""Tables as the client cuts them: which column is the id and which the time, whoever says so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from traffic import SCHEMA, TARGET, ipc, labels_of, offline, open_pipeline, predictions_arrow, send, table

from watchkeeper.client import tables
from watchkeeper.client.ids import Mint
from watchkeeper.errors import InvalidBatch
from watchkeeper.pipeline.pipeline import Pipeline

PLAIN = {"id": "id", "timestamp": "timestamp"}


def cut(rows: pa.Table, **names: str) -> tuple[bytes, list[str]]:
    """Return the body that a client makes of a table, and the ids that it returns."""
    made = tables.predictions(rows, PLAIN | names, Mint())
    return made.slices[0].body, made.ids


def logged(rows: pa.Table) -> pa.Table:
    return rows.drop_columns(["bad"])


def test_a_time_that_was_filled_in_gives_way_to_the_schema_s_own(tmp_path: Path) -> None:
    rows = table(200, 51)
    with open_pipeline(tmp_path / "store") as pipeline:
        body, ids = cut(logged(rows))
        assert send(pipeline, "predictions", body).accepted == 200
        send(pipeline, "labels", ipc(labels_of(rows)))
        assert pipeline.settle()
        profile = pipeline.profile(TARGET, None, None)
        assert ids == rows["id"].to_pylist()
        assert (profile.start, profile.outcome.labelled) == (
            rows["when"].cast(pa.int64())[0].as_py(),
            rows["bad"].drop_null().length(),
        )


def by_loan(tmp_path: Path) -> Pipeline:
    """Open a store with a version whose ids are the numbers of loans."""
    schema = SCHEMA.replace(id="loan", kinds={k: v for k, v in SCHEMA.kinds.items() if k != "id"})
    pipeline = open_pipeline(tmp_path / "store", registered=False)
    pipeline.set_reference(TARGET, offline(numbered(table(500, 52)), schema).to_bytes())
    return pipeline


def numbered(rows: pa.Table) -> pa.Table:
    return rows.drop_columns(["id"]).append_column("loan", pa.array(range(1000, 1000 + len(rows))))


def test_ids_that_were_returned_are_those_that_labels_need(tmp_path: Path) -> None:
    rows = numbered(table(200, 53))
    with by_loan(tmp_path) as pipeline:
        body, _ = cut(logged(rows))
        with pytest.raises(InvalidBatch, match=r"predictions\(table, id='loan'\)"):
            send(pipeline, "predictions", body)
        body, ids = cut(logged(rows), id="loan")
        assert send(pipeline, "predictions", body).accepted == 200
        labels = {"id": ids, "label": [1] * 200}
        send(pipeline, "labels", tables.labels(labels).slices[0].body)
        assert pipeline.settle()
        assert pipeline.profile(TARGET, None, None).outcome.labelled == 200


def test_an_id_that_the_client_names_is_the_id_whatever_the_schema_knows(tmp_path: Path) -> None:
    rows = numbered(table(200, 54)).rename_columns({"flag": "prediction", "risk": "score", "when": "moment"})
    with Pipeline.open(tmp_path / "store") as pipeline:
        pipeline.register(TARGET, None, "event")
        body, ids = cut(rows.drop_columns(["bad", "took", "failure"]), id="loan", timestamp="moment")
        assert send(pipeline, "predictions", body).accepted == 200
        send(pipeline, "labels", tables.labels({"id": ids, "label": [0] * 200}).slices[0].body)
        assert pipeline.settle()
        profile = pipeline.profile(TARGET, None, None)
        assert (profile.outcome.labelled, sorted(profile.schema.kinds)[0]) == (200, "amount")
        assert profile.start == rows["moment"].cast(pa.int64())[0].as_py()
        assert not {"loan", "moment"} & profile.schema.kinds.keys()


def test_two_real_columns_of_one_role_are_both_named(tmp_path: Path) -> None:
    rows = logged(table(20, 55))
    with open_pipeline(tmp_path / "store") as pipeline:
        both = rows.append_column("timestamp", rows["when"])
        with pytest.raises(InvalidBatch, match="'when' and 'timestamp' both are the timestamp"):
            send(pipeline, "predictions", ipc(both))


@pytest.mark.parametrize("word", [b"no json", b"[]", b'{"filled": 3}', b'{"named": ["id"]}'])
def test_a_word_that_cannot_be_read_is_refused(tmp_path: Path, word: bytes) -> None:
    rows = logged(table(20, 56)).replace_schema_metadata({b"watchkeeper": word})
    with open_pipeline(tmp_path / "store") as pipeline, pytest.raises(InvalidBatch, match="metadata"):
        send(pipeline, "predictions", ipc(rows))


@pytest.mark.parametrize("first", [True, False])
def test_labels_without_a_time_do_not_move_the_time_of_a_replay(tmp_path: Path, first: bool) -> None:
    rows = table(100, 57)
    label: Any = {"id": rows["id"].to_pylist(), "label": [1] * 100}
    bodies: list[Any] = [("predictions", predictions_arrow(rows)), ("labels", tables.labels(label).slices[0].body)]
    with open_pipeline(tmp_path / "store") as pipeline:
        for kind, body in reversed(bodies) if first else bodies:
            send(pipeline, kind, body)
            assert pipeline.settle()
        assert pipeline.catalog.model(TARGET).watermark == rows["when"].cast(pa.int64())[-1].as_py()
        assert pipeline.models("default")[0]["labels"] == 100
        assert pipeline.models("default")[0]["labels_waiting"] == 0
