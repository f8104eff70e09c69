"""What goes over the wire is what the contract says."""

from __future__ import annotations

import datetime
import json
import time

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from recorder import Recorder

from watchkeeper.client.ids import event_ms

FEATURES = {"distance": 733, "speed": 1.5, "carrier": "UA", "late": True, "none": None}


def test_a_prediction(server: Recorder, logger) -> None:
    log = logger()
    before = time.time() * 1000
    id_ = log.prediction(FEATURES, prediction=1, score=0.83)
    assert log.flush()
    ((key, (path, query, content_type, body)),) = server.batches.items()
    assert path == "/api/v1/predictions"
    assert query == {"model": ["late-flights"], "version": ["3"], "environment": ["production"], "stage": ["serving"]}
    assert content_type == "application/json"
    (row,) = json.loads(body)["predictions"]
    assert row.pop("timestamp") == pytest.approx(time.time() * 1e6, abs=60e6)
    assert row == {"id": id_, "features": FEATURES, "prediction": 1, "score": 0.83}
    assert before - 1 <= event_ms(id_) <= time.time() * 1000
    assert server.requests[0][2]["Authorization"] == "Bearer wk_test"
    assert event_ms(key) is not None


def test_everything_that_a_row_may_hold(server: Recorder, logger) -> None:
    log = logger()
    when = datetime.datetime(2026, 3, 1, 12, tzinfo=datetime.UTC)
    given = {"timestamp": when, "latency": 0.01, "segments": {"shop": 7}, "id": 12}
    assert log.prediction({"v": [1, 2.5]}, "late", {"late": 0.7, "early": 0.3}, **given) == "12"
    assert log.flush()
    (row,) = server.rows()
    assert row == {
        "id": "12",
        "timestamp": "2026-03-01T12:00:00+00:00",
        "features": {"v": [1, 2.5]},
        "prediction": "late",
        "score": {"late": 0.7, "early": 0.3},
        "latency": 0.01,
        "segments": {"shop": 7},
    }


def test_an_id_names_the_event_time(logger) -> None:
    log = logger()
    assert event_ms(log.prediction({}, timestamp=1_700_000_000)) == 1_700_000_000_000
    assert event_ms(log.prediction({}, timestamp="2023-11-14T22:13:20Z")) == 1_700_000_000_000


def test_versions_go_in_batches_of_their_own(server: Recorder, logger) -> None:
    log = logger()
    for place in range(10):
        log.prediction({"place": place}, 1, version="4" if place % 2 else None)
    assert log.flush()
    assert sorted(query["version"][0] for _, query, _, _ in server.batches.values()) == ["3", "4"]
    assert len(server.rows()) == 10


def test_labels(server: Recorder, logger) -> None:
    log = logger()
    log.label("a", 1)
    log.label("b", np.float64(2.5), timestamp=1_700_000_000, prediction_time="2023-11-14T00:00:00+00:00")
    assert log.flush()
    ((path, query, _, _),) = server.batches.values()
    assert (path, query) == ("/api/v1/labels", {"model": ["late-flights"], "environment": ["production"]})
    first, second = server.rows("labels")
    assert first.pop("timestamp") == pytest.approx(time.time() * 1e6, abs=60e6)
    assert first == {"id": "a", "label": 1}
    known = {"timestamp": 1_700_000_000, "prediction_time": "2023-11-14T00:00:00+00:00"}
    assert second == {"id": "b", "label": 2.5, **known}


COLUMNS = {"x": [1.0, 2.0, 3.0], "prediction": [0, 1, 1]}


@pytest.mark.parametrize(
    "make", [dict, pd.DataFrame, pl.DataFrame, pa.table], ids=["mapping", "pandas", "polars", "arrow"]
)
def test_tables_of_predictions(server: Recorder, logger, make) -> None:
    log = logger()
    ids = log.predictions(make(COLUMNS))
    assert log.flush()
    rows = server.rows()
    assert [row["id"] for row in rows] == ids
    assert [(row["x"], row["prediction"]) for row in rows] == [(1.0, 0), (2.0, 1), (3.0, 1)]
    assert all(abs(row["timestamp"].timestamp() * 1000 - event_ms(row["id"])) < 1000 for row in rows)


def test_tables_keep_the_ids_and_times_that_they_have(server: Recorder, logger) -> None:
    log = logger()
    when = [datetime.datetime(2026, 1, day, tzinfo=datetime.UTC) for day in (1, 2, 3)]
    assert log.predictions({**COLUMNS, "id": [7, 8, 9], "timestamp": when}) == ["7", "8", "9"]
    ids = log.predictions({**COLUMNS, "departure": when}, timestamp="departure")
    assert [event_ms(id_) for id_ in ids] == [int(moment.timestamp() * 1000) for moment in when]
    assert log.flush()
    assert "timestamp" not in server.rows()[-1]


def test_the_server_is_told_which_columns_are_whose(server: Recorder, logger) -> None:
    log = logger()
    log.predictions({**COLUMNS, "loan": [7, 8, 9]}, id="loan")
    log.predictions(COLUMNS)
    log.labels({"id": ["a"], "label": [1]})
    assert log.flush()
    words = []
    for _, _, _, body in server.batches.values():
        words.append(json.loads(pa.ipc.open_stream(body).schema.metadata[b"watchkeeper"]))
    assert words == [
        {"filled": ["timestamp"], "named": {"loan": "id"}},
        {"filled": ["id", "timestamp"], "named": {}},
        {"filled": ["timestamp"], "named": {}},
    ]


def test_tables_go_in_slices(server: Recorder, logger) -> None:
    log = logger(deadline=5.0)
    ids = log.predictions({"x": np.arange(25_000.0)})
    log.predictions({"wide": ["x" * 100_000] * 200})
    assert log.flush(20)
    sizes = [len(batch[3]) for batch in server.batches.values()]
    assert max(sizes) <= 8.1 * 2**20
    assert len(sizes) >= 6
    assert [row["id"] for row in server.rows()][:25_000] == ids


def test_tables_of_labels(server: Recorder, logger) -> None:
    log = logger()
    log.labels({"id": ["a", "b"], "label": [1, 0]})
    assert log.flush()
    assert [(row["id"], row["label"]) for row in server.rows("labels")] == [("a", 1), ("b", 0)]


def test_what_is_no_table_is_counted(logger) -> None:
    log = logger()
    assert log.predictions(object()) == []
    log.labels({"x": [1], "y": [1, 2]})
    assert sum(log.stats.dropped.values()) == 2


def test_a_row_that_the_server_refuses_is_counted(server: Recorder, logger) -> None:
    log = logger()
    for place in range(1000):
        log.prediction({"place": place}, 1, timestamp="soon" if place == 17 else None)
    assert log.flush()
    stats = log.stats
    assert (stats.delivered, stats.quarantined, stats.pending, stats.spooled) == (999, 1, 0, 0)


def test_the_serving_version(server: Recorder, logger) -> None:
    log = logger()
    assert log.serving_version() == "7"
    server.serving = "8"
    assert log.serving_version() == "7"  # for half a minute


def test_the_serving_version_without_a_server(logger) -> None:
    assert logger(url="http://127.0.0.1:9").serving_version() == "3"


def test_one_connection_is_kept(server: Recorder, logger) -> None:
    log = logger()
    for _ in range(5):
        log.prediction(FEATURES)
        assert log.flush()
    assert len(server.requests) == 5
    assert server.connections == 1


def test_the_context_manager_delivers(server: Recorder, logger) -> None:
    with logger() as log:
        log.prediction(FEATURES)
    assert len(server.rows()) == 1
    log.prediction(FEATURES)
    assert log.stats.dropped == {"closed": 1}


def test_a_row_is_copied_when_it_is_logged(server: Recorder, logger) -> None:
    log = logger()
    features, inner = dict(FEATURES), [1, 2]
    log.prediction(features)
    log.prediction({"inner": inner})
    features["distance"] = -1
    inner.append(3)
    assert log.flush()
    assert [row["features"] for row in server.rows()] == [FEATURES, {"inner": [1, 2]}]
