"""What a table leaves unsaid is told by the version that serves, or asked for in words."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest
from traffic import ARROW, SCHEMA, TARGET, ipc, open_pipeline, predictions_arrow, table

from watchkeeper.errors import InvalidBatch
from watchkeeper.pipeline.pipeline import Pipeline
from watchkeeper.pipeline.values import Receipt

NEW = dataclasses.replace(TARGET, version="4")


@pytest.fixture
def pipeline(tmp_path: Path) -> Iterator[Pipeline]:
    with open_pipeline(tmp_path / "store") as made:
        yield made


def send(pipeline: Pipeline, body: bytes) -> Receipt:
    return pipeline.submit("predictions", NEW, None, ARROW, body).result(30)


def with_word(rows: pa.Table) -> pa.Table:
    return rows.replace_schema_metadata({b"watchkeeper": b'{"times": "told"}'})


def test_a_new_version_has_the_roles_of_the_one_that_serves(pipeline: Pipeline) -> None:
    assert send(pipeline, predictions_arrow(table(600, 1))).accepted == 600
    version = pipeline.catalog.version(NEW)
    given = version.given
    roles = ("id", "timestamp", "target", "prediction", "score", "latency", "segments", "zone", "positive")
    assert all(getattr(given, role) == getattr(SCHEMA, role) for role in roles)
    assert send(pipeline, predictions_arrow(table(600, 2))).accepted == 600  # nothing is asked twice
    assert pipeline.settle()
    told = {v["version"]: v for v in pipeline.versions(TARGET)}
    assert told["4"]["rows"] == 1200


def test_a_table_that_lacks_one_of_its_columns_is_refused_with_what_there_is(pipeline: Pipeline) -> None:
    rows = pa.table({"amount": [1.0], "rsk": [0.5], "flag": [1]})
    with pytest.raises(
        InvalidBatch, match=r"none that is known to be one\. It has: amount, flag, rsk\. Set the version's ref"
    ):
        send(pipeline, ipc(rows))
    assert [v["version"] for v in pipeline.versions(TARGET)] == ["3"]


def test_what_was_said_of_the_version_itself_counts_first(pipeline: Pipeline) -> None:
    rows = pa.table({"prediction": [1, 0], "risk": [0.5, 0.2], "flag": [0, 1]})
    assert send(pipeline, ipc(rows)).accepted == 2
    assert pipeline.catalog.version(NEW).given.prediction is None


@pytest.mark.parametrize(
    ("columns", "says"),
    [(("day",), "did you mean --timestamp day"), (("day", "born"), "it may be one of day, born")],
)
def test_times_that_nobody_named_are_asked_for(pipeline: Pipeline, columns: tuple[str, ...], says: str) -> None:
    times = {name: pa.array([0, 1], pa.timestamp("us", "UTC")) for name in columns}
    rows = pa.table({"prediction": [1, 0], **times})
    with pytest.raises(InvalidBatch, match=says):
        send(pipeline, ipc(with_word(rows)))
    assert send(pipeline, ipc(rows)).accepted == 2  # a logger says now by itself


def test_times_that_the_schema_names_need_no_word(pipeline: Pipeline) -> None:
    rows = with_word(table(50, 3).drop_columns(["bad"]))
    assert pipeline.submit("predictions", TARGET, None, ARROW, ipc(rows)).result(30).accepted == 50
    assert send(pipeline, ipc(rows)).accepted == 50
