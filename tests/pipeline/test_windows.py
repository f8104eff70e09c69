"""Windows restate while labels come, are sealed once, and tell afterwards what was known then."""

from __future__ import annotations

import itertools
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from traffic import SCHEMA, TARGET, ipc, labels_of, offline, open_pipeline, predictions_arrow, send, table

from watchkeeper.pipeline.measure import IMPROBABLE
from watchkeeper.pipeline.values import MeasurementQuery, Target
from watchkeeper.window import HOUR, calendar_window, microseconds, moment


def replay(folder: Path, rows: pa.Table, delay: timedelta, **settings: Any) -> list[dict[str, Any]]:
    """Send rows hour by hour and labels when they become known; return what was known of accuracy at the seals."""
    labels = labels_of(rows, timedelta(hours=20))
    with open_pipeline(folder, evaluation_delay=delay, **settings) as pipeline:
        times, known = rows["when"].cast(pa.int64()), labels["timestamp"].cast(pa.int64())
        first, last = pc.min(times).as_py() // HOUR, pc.max(known).as_py() // HOUR
        for hour in range(first, last + 1):
            for kind, whole, at in (("labels", labels, known), ("predictions", rows, times)):
                some = whole.filter(pc.equal(pc.divide(at, HOUR), hour))
                if some.num_rows:
                    send(pipeline, kind, ipc(some) if kind == "labels" else predictions_arrow(some))
        assert pipeline.settle()
        query = MeasurementQuery(
            TARGET, every="day", metrics=("accuracy",), segment="", source="realised", revisions="sealed"
        )
        return pipeline.measurements(query).to_pylist()


def test_a_seal_knows_what_had_come_and_nothing_later_however_batches_are_grouped(tmp_path: Path) -> None:
    rows, delay = table(600, 21, 3.0), timedelta(hours=6)
    found = [replay(tmp_path / str(n), rows, delay, group_rows=n) for n in (1, 100_000)]
    ids, labels = rows["id"], labels_of(rows, timedelta(hours=20))
    assert len(found[0]) >= 3
    for first, second in zip(*found, strict=True):
        assert (first["value"], first["n"], first["known_at"]) == (second["value"], second["n"], second["known_at"])
    for row in found[0][:-1]:
        late = pc.greater(labels["timestamp"], pa.scalar(row["known_at"], labels["timestamp"].type))
        unknown = labels["id"].filter(late)
        bad = pc.if_else(pc.is_in(ids, unknown.combine_chunks()), pa.scalar(None, pa.int64()), rows["bad"])
        inside = pc.and_(pc.greater_equal(rows["when"], row["window_start"]), pc.less(rows["when"], row["window_end"]))
        then = offline(rows.set_column(rows.column_names.index("bad"), "bad", bad).filter(inside))
        assert then.outcome is not None
        matrix = then.outcome.confusion[:2, :2]
        assert 0 < row["n"] == matrix.sum() < rows.filter(inside).num_rows
        assert row["value"] == pytest.approx(matrix.trace() / matrix.sum())


def test_revisions_are_appended_and_never_changed(tmp_path: Path) -> None:
    rows = table(300, 22, 1.0)
    labels = labels_of(rows)
    query = MeasurementQuery(TARGET, every="day", metrics=("accuracy",), segment="", source="realised", revisions="all")
    with open_pipeline(tmp_path / "store") as pipeline:
        send(pipeline, "predictions", predictions_arrow(rows))
        seen: list[list[dict[str, Any]]] = []
        for start in range(0, labels.num_rows, 100):
            send(pipeline, "labels", ipc(labels.slice(start, 100)))
            assert pipeline.settle()
            seen.append(pipeline.measurements(query).drop_columns(["sealed"]).to_pylist())
        for before, after in itertools.pairwise(seen):
            assert [row for row in after if row in before] == before
            assert len(after) > len(before)
        days = pipeline.windows(TARGET, "day", None, None)
        latest = pipeline.measurements(
            MeasurementQuery(TARGET, every="day", metrics=("accuracy",), segment="", source="realised")
        )
    assert [d["labels"] for d in days] == latest["n"].to_pylist()
    assert all(0 < d["coverage"] < 1 for d in days)


def test_days_of_23_hours_and_of_half_hour_zones(tmp_path: Path) -> None:
    rows = table(900, 23, 4.0)
    for zone in ("Europe/Berlin", "Asia/Kolkata"):
        target = Target("default", "zoned", "production", zone)
        with open_pipeline(tmp_path / "store") as pipeline:
            pipeline.register(target, SCHEMA.replace(zone=zone).to_dict(), "event")
            pipeline.submit(
                "predictions", target, None, "application/vnd.apache.arrow.stream", predictions_arrow(rows)
            ).result()
            assert pipeline.settle()
            days = pipeline.windows(target, "day", None, None)
        times = rows["when"].cast(pa.int64()).to_pylist()
        expected: dict[str, int] = {}
        for at in times:
            start = calendar_window(at, "day", zone).start.isoformat()
            expected[start] = expected.get(start, 0) + 1
        assert {d["start"]: d["rows"] for d in days} == expected
        lengths = {microseconds(moment_of(d["end"])) - microseconds(moment_of(d["start"])) for d in days}
        assert lengths == ({23 * HOUR, 24 * HOUR} if zone == "Europe/Berlin" else {24 * HOUR})


@pytest.mark.parametrize(("every", "estimated"), [(50, True), (1, False)])
def test_a_window_says_why_scores_are_not_estimated(tmp_path: Path, every: int, estimated: bool) -> None:
    rows = table(600, 23, 1.0)
    risk = [7.5 if i % every == 0 else value for i, value in enumerate(rows["risk"].to_pylist())]
    rows = rows.set_column(rows.column_names.index("risk"), "risk", pa.array(risk))
    with open_pipeline(tmp_path / "store") as pipeline:
        send(pipeline, "predictions", predictions_arrow(rows))
        assert pipeline.settle()
        known = pipeline.measurements(MeasurementQuery(TARGET, every="day", segment="", source="estimated"))
        assert (known.num_rows > 0) == estimated
        told = pipeline.windows(TARGET, "day", None, None)
        word = "leave them out" if estimated else "nothing is estimated"
        assert any(word in notice for window in told for notice in window["notices"])
        share = pipeline.measurements(MeasurementQuery(TARGET, every="day", metrics=(IMPROBABLE,)))["value"]
        assert max(share.to_pylist()) == pytest.approx(1 / every, rel=0.1)


def test_versions_and_models_say_how_many_scores_and_classes_cannot_be(tmp_path: Path) -> None:
    rows = table(600, 23, 1.0)
    risk = [7.3 if i < 3 else value for i, value in enumerate(rows["risk"].to_pylist())]
    flag = ["maybe" if i < 2 else str(value) for i, value in enumerate(rows["flag"].to_pylist())]
    rows = rows.set_column(rows.column_names.index("risk"), "risk", pa.array(risk))
    rows = rows.set_column(rows.column_names.index("flag"), "flag", pa.array(flag))
    with open_pipeline(tmp_path / "store", measured=("day", "month")) as pipeline:
        assert pipeline.versions(TARGET)[0]["notices"] == []
        send(pipeline, "predictions", predictions_arrow(rows))
        assert pipeline.settle()
        scores, classes = pipeline.versions(TARGET)[0]["notices"]
        assert scores.startswith("3 scores lie outside 0 to 1")
        assert classes.startswith("2 rows have a prediction or label of no known class (0, 1)")
        assert pipeline.models("default")[0]["notices"] == [f"Version '3': {said}" for said in (scores, classes)]


def test_segments_have_the_coverage_of_their_own_rows(tmp_path: Path) -> None:
    rows = table(600, 24, 1.0)
    labels = labels_of(rows)
    in_ulm = pc.is_in(labels["id"], rows.filter(pc.equal(rows["city"], "Ulm"))["id"])
    with open_pipeline(tmp_path / "store") as pipeline:
        send(pipeline, "predictions", predictions_arrow(rows))
        send(pipeline, "labels", ipc(labels.filter(in_ulm)))
        assert pipeline.settle()
        told = pipeline.measurements(MeasurementQuery(TARGET, every="month", metrics=("accuracy",))).to_pylist()
        shares = {row["segment"]: row["coverage"] for row in told if row["source"] == "realised"}
        assert shares["city=Ulm"] == pytest.approx(0.9, abs=0.08)
        assert shares[None] < 0.5


def test_times_and_ids_are_not_measured_as_features(tmp_path: Path) -> None:
    with open_pipeline(tmp_path / "store") as pipeline:
        send(pipeline, "predictions", predictions_arrow(table(200, 24, 1.0)))
        assert pipeline.settle()
        columns = set(pipeline.measurements(MeasurementQuery(TARGET, every="day"))["column"].to_pylist())
        assert {"amount", "city"} <= columns
        assert not {"when", "id"} & columns


def moment_of(text: str) -> Any:
    return moment(0).fromisoformat(text)
