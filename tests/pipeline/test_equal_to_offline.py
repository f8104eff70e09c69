"""What the pipeline measures is what anybody would compute who had all rows and labels, whatever the order of arrival."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from traffic import (
    SCHEMA,
    TARGET,
    labels_json,
    labels_of,
    offline,
    open_pipeline,
    predictions_arrow,
    predictions_json,
    send,
    table,
)

from watchkeeper.detection.comparison import compare_profiles
from watchkeeper.pipeline.pipeline import Pipeline
from watchkeeper.pipeline.values import MeasurementQuery
from watchkeeper.profiles.profile import Profile
from watchkeeper.report.tables import comparison_rows
from watchkeeper.testing import difference
from watchkeeper.window import calendar_window, microseconds

SERVICE = {"throughput", "failure_rate", "latency_mean", "latency_max", "latency_p50", "latency_p95", "latency_p99"}


def same(made: Profile, whole: Profile) -> str | None:
    """Return the first difference of two profiles; counts to the bit, sums to 1e-12."""
    return difference(made.state(), whole.state(), sums=Profile.SUMS, annotations=Profile.ANNOTATIONS)


def spans(rows: pa.Table, every: str) -> list[tuple[int, int]]:
    """Return the windows that hold rows."""
    times = rows["when"].cast(pa.int64()).to_pylist()
    found = {calendar_window(t, every, SCHEMA.zone) for t in times}
    return sorted((microseconds(w.start), microseconds(w.end)) for w in found)


def within(rows: pa.Table, span: tuple[int, int]) -> pa.Table:
    """Return the rows of a window."""
    times = rows["when"].cast(pa.int64())
    return rows.filter(pc.and_(pc.greater_equal(times, span[0]), pc.less(times, span[1])))


def key(row: dict[str, Any]) -> tuple[Any, ...]:
    return row.get("segment"), row.get("column"), row["metric"], row["params"], row["source"]


def check_all(pipeline: Pipeline, rows: pa.Table) -> int:
    """Hold every daily and monthly measurement against the same rows, profiled and compared offline; return how many."""
    assert pipeline.settle()
    made = pipeline.profile(TARGET, None, None)
    assert same(made, offline(rows)) is None
    reference = pipeline.catalog.version(TARGET).reference
    assert reference is not None
    seen = 0
    for every in ("day", "month"):
        stored = pipeline.measurements(MeasurementQuery(TARGET, every=every)).to_pylist()
        for span in spans(rows, every):
            told = comparison_rows(compare_profiles(reference, offline(within(rows, span))))
            expected = {key(r): r for r in told if r.get("column") != SCHEMA.timestamp}
            found = {key(r): r for r in stored if microseconds(r["window_start"]) == span[0]}
            assert {k for k in found if k[2] not in SERVICE} == set(expected)
            for name, row in expected.items():
                for number in ("value", "low", "high", "n", "coverage", "reference", "effect", "p_value"):
                    here, there = found[name][number], row.get(number)
                    there = None if isinstance(there, float) and not np.isfinite(there) else there
                    equal = here is None if there is None else here == pytest.approx(there, rel=1e-9, abs=1e-12)
                    assert equal, (every, name, number, here, there)
                    seen += 1
    return seen


def pieces(rng: np.random.Generator, rows: pa.Table, count: int) -> list[pa.Table]:
    edges = np.sort(rng.integers(0, rows.num_rows + 1, count - 1)).tolist()
    return [rows.slice(a, b - a) for a, b in zip([0, *edges], [*edges, rows.num_rows], strict=True)]


@pytest.mark.parametrize("own_ids", [False, True], ids=["minted ids", "ids of one's own"])
@pytest.mark.parametrize("order", ["in order", "shuffled", "labels first"])
def test_any_order_of_arrival(tmp_path: Path, order: str, own_ids: bool) -> None:
    rows = table(1_200, 5, own_ids=own_ids)
    rng = np.random.default_rng(7)
    with open_pipeline(tmp_path / "store") as pipeline:
        mixed = rows.take(pa.array(rng.permutation(rows.num_rows))) if order == "shuffled" else rows
        sends: list[tuple[str, bytes, bool]] = []
        for place, piece in enumerate(pieces(rng, mixed, 14)):
            arrow = place % 2 == 0
            sends.append(("predictions", predictions_arrow(piece) if arrow else predictions_json(piece), arrow))
        sends += [("labels", labels_json(piece), False) for piece in pieces(rng, labels_of(mixed), 9)]
        if order == "shuffled":
            sends = [sends[i] for i in rng.permutation(len(sends))]
        elif order == "labels first":
            sends.reverse()
        for kind, body, arrow in sends:
            send(pipeline, kind, body, arrow=arrow)
        assert check_all(pipeline, rows) > 3_000
        told = pipeline.models("default")[0]
        assert (told["rows"], told["labels"], told["duplicates"], told["lost"], told["labels_waiting"]) == (
            1_200, rows.num_rows - rows["bad"].null_count, 0, 0, 0,
        )  # fmt: skip


def test_before_late_labels_and_after(tmp_path: Path) -> None:
    rows = table(800, 6)
    with open_pipeline(tmp_path / "store") as pipeline:
        send(pipeline, "predictions", predictions_arrow(rows))
        bare = rows.set_column(rows.column_names.index("bad"), "bad", pa.nulls(rows.num_rows, pa.int64()))
        assert check_all(pipeline, bare) > 500
        labels = labels_of(rows)
        send(pipeline, "labels", labels_json(labels.slice(0, 300)), arrow=False)
        known = set(labels["id"][:300].to_pylist())
        some = [
            v if name in known else None
            for name, v in zip(rows["id"].to_pylist(), rows["bad"].to_pylist(), strict=True)
        ]
        check_all(pipeline, bare.set_column(bare.column_names.index("bad"), "bad", pa.array(some, pa.int64())))
        send(pipeline, "labels", labels_json(labels.slice(300)), arrow=False)
        check_all(pipeline, rows)


def test_a_label_that_replaces_another_counts_and_the_first_of_equal_ids(tmp_path: Path) -> None:
    rows = table(400, 8)
    with open_pipeline(tmp_path / "store") as pipeline:
        send(pipeline, "predictions", predictions_arrow(rows))
        wrong = labels_of(rows)
        flipped = wrong.set_column(1, "label", pc.subtract(1, wrong["label"]))
        later = labels_of(rows, timedelta(hours=9))
        send(pipeline, "labels", labels_json(flipped.slice(0, 150)), arrow=False)
        assert pipeline.settle()
        send(pipeline, "labels", labels_json(later), arrow=False)
        send(pipeline, "labels", labels_json(flipped), arrow=False)  # it became known before the one that stands
        twice = rows.set_column(rows.column_names.index("risk"), "risk", pa.array(np.zeros(rows.num_rows)))
        send(pipeline, "predictions", predictions_arrow(twice))
        check_all(pipeline, rows)
        assert pipeline.models("default")[0]["duplicates"] == 400


def test_a_restart_between_any_two_batches_changes_nothing(tmp_path: Path) -> None:
    rows = table(600, 9, own_ids=True)
    labels = labels_of(rows)
    sends = [("predictions", predictions_arrow(rows.slice(i, 100)), True) for i in range(0, 600, 100)]
    sends += [("labels", labels_json(labels.slice(i, 200)), False) for i in range(0, labels.num_rows, 200)]
    sends = [sends[i] for i in np.random.default_rng(1).permutation(len(sends))]
    for kind, body, arrow in sends:
        with open_pipeline(tmp_path / "store") as pipeline:
            send(pipeline, kind, body, arrow=arrow)
    with open_pipeline(tmp_path / "store") as pipeline:
        check_all(pipeline, rows)


def test_from_parquet_and_after_hours_became_days(tmp_path: Path) -> None:
    rows = table(500, 10)
    labels = labels_of(rows)
    with open_pipeline(tmp_path / "store", hours_kept=timedelta(0), flush_after=timedelta(0)) as pipeline:
        send(pipeline, "predictions", predictions_arrow(rows))
        send(pipeline, "labels", labels_json(labels.slice(0, 200)), arrow=False)
        assert pipeline.settle()
        assert pipeline.tidy() > 0
        assert list((tmp_path / "store" / "events").rglob("*.parquet"))
        with pipeline.database.reading() as connection:
            assert connection.execute("SELECT count(*) FROM part").fetchone()[0] < 10
            assert connection.execute("SELECT max(stop - start) FROM profile").fetchone()[0] > 80_000_000_000
        send(pipeline, "labels", labels_json(labels.slice(200)), arrow=False)
        flipped = labels_of(rows, timedelta(hours=5)).slice(0, 50)
        send(
            pipeline,
            "labels",
            labels_json(flipped.set_column(1, "label", pc.subtract(1, flipped["label"]))),
            arrow=False,
        )
        values = rows["bad"].to_pylist()
        changed = dict(zip(flipped["id"].to_pylist(), pc.subtract(1, flipped["label"]).to_pylist(), strict=True))
        after = [changed.get(name, v) for name, v in zip(rows["id"].to_pylist(), values, strict=True)]
        check_all(pipeline, rows.set_column(rows.column_names.index("bad"), "bad", pa.array(after, pa.int64())))
