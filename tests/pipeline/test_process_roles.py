"""What a process used, from its batches to measurements: summed exactly, once, whatever schema the version has."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from traffic import ARROW, JSON, SCHEMA, TARGET, ipc, labels_of, offline, open_pipeline, predictions_json, send, table

import watchkeeper as wk
from watchkeeper.client.usage import Usage
from watchkeeper.pipeline.acting_export import features_of, for_command
from watchkeeper.pipeline.pipeline import Pipeline
from watchkeeper.pipeline.values import MeasurementQuery
from watchkeeper.profiles.profile import Profile
from watchkeeper.schema import Schema
from watchkeeper.testing import difference
from watchkeeper.window import HOUR

NAMED = {"cpu": "process_cpu_seconds", "memory": "process_rss_bytes"}
GIB = 2.0**30


def submit(
    pipeline: Pipeline, rows: pa.Table, used: Usage | None, *, arrow: bool = True, batch: str | None = None
) -> None:
    body = ipc(rows.drop_columns(["bad"])) if arrow else predictions_json(rows)
    form = ARROW if arrow else JSON
    assert pipeline.submit("predictions", TARGET, batch, form, body, used).result(30).rejected == 0


def measured(pipeline: Pipeline, metric: str, every: Any = "month") -> list[dict[str, Any]]:
    assert pipeline.settle()
    found = pipeline.measurements(MeasurementQuery(TARGET, every=every, metrics=(metric,)))
    rows: list[dict[str, Any]] = found.to_pylist()
    return rows


def cpu_seconds(pipeline: Pipeline, every: Any = "month") -> float:
    return float(sum(row["value"] for row in measured(pipeline, "cpu_seconds", every)))


def unnamed(rows: pa.Table) -> pa.Table:
    """Return rows under the names that need no schema."""
    names = {"when": "timestamp", "flag": "prediction", "risk": "score", "took": "latency", "failure": "error"}
    return rows.rename_columns([names.get(name, name) for name in rows.column_names])


def schema_of(pipeline: Pipeline) -> Schema:
    return Schema.from_dict(pipeline.versions(TARGET)[0]["schema"])


def with_usage(rows: pa.Table, used: Usage | None) -> pa.Table:
    """Return rows as a profile of all of them has to see them."""
    rest = [None] * (rows.num_rows - 1)
    cpu, memory = ([] if used is None else [used.cpu_seconds]), ([] if used is None else [used.rss_bytes])
    columns = [pa.array([*(value or [None]), *rest], pa.float64()) for value in (cpu, memory)]
    for name, column in zip(NAMED.values(), columns, strict=True):
        rows = rows.append_column(name, column)
    return rows


WIDER = SCHEMA.replace(**NAMED, kinds=SCHEMA.kinds | dict.fromkeys(NAMED.values(), "numeric"))


@pytest.mark.parametrize("arrow", [True, False])
def test_seconds_are_added_up_and_bytes_are_not(tmp_path: Path, arrow: bool) -> None:
    some = [Usage(0.1 * (number + 1), (number + 1) * GIB) for number in range(4)]
    with open_pipeline(tmp_path / "store") as pipeline:
        for number, used in enumerate(some):
            submit(pipeline, table(50, number, days=1), used, arrow=arrow)
        (row,) = measured(pipeline, "cpu_seconds")
        assert (row["value"], row["n"], row["unit"]) == (pytest.approx(1.0, rel=1e-12), 4, "s")
        (mean,), (most,) = measured(pipeline, "rss_bytes"), measured(pipeline, "rss_bytes_max")
        assert (mean["value"], mean["n"], mean["unit"]) == (2.5 * GIB, 4, "bytes")
        assert 0 < mean["low"] < mean["value"] < mean["high"]
        assert (most["value"], most["n"], most["unit"]) == (4 * GIB, 4, "bytes")
        assert most["low"] <= most["value"] <= most["high"]
        days = measured(pipeline, "cpu_seconds", "day")
        assert sum(row["value"] for row in days) == pytest.approx(1.0, rel=1e-12)


def test_who_tells_nothing_gets_no_columns(tmp_path: Path) -> None:
    with open_pipeline(tmp_path / "store") as pipeline:
        submit(pipeline, table(50, 1), None)
        assert measured(pipeline, "cpu_seconds") == measured(pipeline, "rss_bytes") == []
        assert (schema_of(pipeline).cpu, schema_of(pipeline).memory) == (None, None)
        submit(pipeline, table(50, 2), Usage(None, GIB))
        assert measured(pipeline, "cpu_seconds") == []
        assert [row["value"] for row in measured(pipeline, "rss_bytes")] == [GIB]
        assert (schema_of(pipeline).cpu, schema_of(pipeline).memory) == (None, NAMED["memory"])


def test_a_reference_that_knows_nothing_of_it(tmp_path: Path) -> None:
    """The common case: held-out rows have neither ids, nor latencies, nor anything of a process."""
    held_out = wk.profile(table(500, 31).drop_columns(["id", "took", "failure"]), wk.Schema(
        timestamp="when", target="bad", prediction="flag", score="risk", segments=["city"], zone="Europe/Berlin"))  # fmt: skip
    rows = table(200, 32)
    with Pipeline.open(tmp_path / "store") as pipeline:
        pipeline.register(TARGET, None, "event")
        pipeline.set_reference(TARGET, held_out.to_bytes())
        submit(pipeline, rows, Usage(0.5, GIB), arrow=False)
        assert cpu_seconds(pipeline) == 0.5
        assert [row["value"] for row in measured(pipeline, "rss_bytes")] == [GIB]
        assert len(measured(pipeline, "latency_mean")) == 1
        drift = pipeline.measurements(MeasurementQuery(TARGET, every="month", metrics=("wasserstein", "null_share")))
        assert not set(drift["column"].to_pylist()) & {*NAMED.values(), "latency", "error"}
        assert drift.num_rows > 0


def test_a_version_that_was_counted_before(tmp_path: Path) -> None:
    """Windows of before are brought to the wider schema when they are read, from memory or from the store."""
    rows = [table(300, 40 + number, days=days) for number, days in enumerate((0.3, 0.1, 0.1))]
    used = [None, Usage(0.25, GIB), Usage(0.5, 2 * GIB)]
    whole = pa.concat_tables([with_usage(*pair) for pair in zip(rows, used, strict=True)])
    with open_pipeline(tmp_path / "store") as pipeline:
        submit(pipeline, rows[0], None)
        send(pipeline, "labels", ipc(labels_of(rows[0])))
        assert measured(pipeline, "cpu_seconds") == []
        submit(pipeline, rows[1], used[1])
        assert cpu_seconds(pipeline) == 0.25
        reference = pipeline.catalog.version(TARGET).reference
        assert reference is not None
        assert reference.schema == schema_of(pipeline) == WIDER.replace(kinds=reference.schema.kinds)
        pipeline.tidy()
    with Pipeline.open(tmp_path / "store") as pipeline:
        submit(pipeline, rows[2], used[2])
        send(pipeline, "labels", ipc(labels_of(pa.concat_tables(rows[1:]))))
        assert cpu_seconds(pipeline) == cpu_seconds(pipeline, "day") == 0.75
        pipeline.tidy()
        expected = offline(whole, WIDER)
        made = pipeline.profile(TARGET, None, None)
        assert difference(made.state(), expected.state(), sums=Profile.SUMS, annotations=Profile.ANNOTATIONS) is None
        assert (pipeline.status()["worker_failures"], pipeline.models("default")[0]["lost"]) == (0, 0)


def test_a_month_has_days_of_before_and_after(tmp_path: Path) -> None:
    with open_pipeline(tmp_path / "store") as pipeline:
        submit(pipeline, table(60, 51, days=3), None)
        assert measured(pipeline, "cpu_seconds") == []
        submit(pipeline, table(60, 52, days=0.2), Usage(0.5, GIB))
        assert cpu_seconds(pipeline) == 0.5
        assert pipeline.status()["worker_failures"] == 0


def test_hours_of_before_and_after_become_one_day(tmp_path: Path) -> None:
    late = table(5, 63, days=0.01, own_ids=True)
    late = late.set_column(1, "when", pc.add(late["when"], pa.scalar(timedelta(days=9), pa.duration("us"))))
    with open_pipeline(tmp_path / "store", hours_kept=timedelta(hours=1)) as pipeline:
        submit(pipeline, table(60, 61, days=0.2), None)
        assert pipeline.settle()
        submit(pipeline, table(60, 62, days=0.1), Usage(1.0, GIB))
        submit(pipeline, late, None)
        assert pipeline.settle()
        pipeline.tidy()
        with pipeline.database.reading() as connection:
            days = connection.execute("SELECT count(*) FROM profile WHERE stop - start > ?", (HOUR,)).fetchone()[0]
        assert (days, pipeline.profile(TARGET, None, None).rows) == (1, 125)
        submit(pipeline, table(60, 64, days=0.2), Usage(2.0, GIB))
        assert cpu_seconds(pipeline) == 3.0
        assert pipeline.status()["worker_failures"] == 0


def nameless(rows: pa.Table) -> bytes:
    return ipc(rows.drop_columns(["bad", "id"]))


def sent_twice(pipeline: Pipeline, keys: tuple[str, str]) -> float:
    """Send one batch twice under these keys, the second time with another sample; return the seconds that count."""
    body = nameless(table(40, 7))
    for key, used in zip(keys, (Usage(0.5, GIB), Usage(8.0, GIB)), strict=True):
        pipeline.submit("predictions", TARGET, key, ARROW, body, used).result(30)
    return cpu_seconds(pipeline)


def test_a_batch_that_is_sent_again_counts_once(tmp_path: Path) -> None:
    with open_pipeline(tmp_path / "store") as pipeline:
        assert sent_twice(pipeline, ("one", "one")) == 0.5


def test_a_client_that_forgets_its_key_would_be_seen(tmp_path: Path) -> None:
    with open_pipeline(tmp_path / "store") as pipeline:
        assert sent_twice(pipeline, ("one", "two")) == 8.5


def test_a_reference_with_other_names_keeps_what_was_told(tmp_path: Path) -> None:
    rows = table(300, 33)
    with Pipeline.open(tmp_path / "store") as pipeline:
        pipeline.register(TARGET, {"zone": "Europe/Berlin"}, "event")
        submit(pipeline, unnamed(rows), Usage(0.5, GIB))
        assert cpu_seconds(pipeline) == 0.5
        assert schema_of(pipeline).timestamp == "timestamp"
        pipeline.set_reference(TARGET, offline(table(500, 34)).to_bytes())
        assert schema_of(pipeline).timestamp == "when"
        assert cpu_seconds(pipeline) == 0.5
        submit(pipeline, table(50, 35), Usage(0.25, GIB))
        assert cpu_seconds(pipeline) == 0.75
        made, whole = pipeline.profile(TARGET, None, None), [with_usage(rows, Usage(0.5, GIB))]
        whole.append(with_usage(table(50, 35), Usage(0.25, GIB)))
        columns = offline(pa.concat_tables(whole), WIDER).columns
        for name in NAMED.values():
            assert difference(made.columns[name].state(), columns[name].state(), sums=Profile.SUMS) is None


def test_a_feature_keeps_its_name(tmp_path: Path) -> None:
    with Pipeline.open(tmp_path / "store") as pipeline:
        pipeline.register(TARGET, None, "event")
        rows = unnamed(table(60, 5))
        submit(pipeline, rows.append_column("process_cpu_seconds", rows["amount"]), Usage(0.5, GIB))
        assert cpu_seconds(pipeline) == 0.5
        assert schema_of(pipeline).cpu == "_process_cpu_seconds"
        assert pipeline.profile(TARGET, None, None).columns["process_cpu_seconds"].rows == 60


def test_rows_may_tell_it_themselves(tmp_path: Path) -> None:
    """A version whose schema names the roles takes them from its tables, as it takes latencies."""
    rows = table(60, 6).append_column("process_cpu_seconds", pa.array([0.125] * 60))
    rows = rows.append_column("process_rss_bytes", pa.array([2**30] * 60))
    with Pipeline.open(tmp_path / "store") as pipeline:
        pipeline.register(TARGET, WIDER.to_dict(), "event")
        submit(pipeline, rows, None)
        assert cpu_seconds(pipeline) == 60 * 0.125
        submit(pipeline, table(60, 8), Usage(0.5, GIB))
        assert cpu_seconds(pipeline) == 60 * 0.125 + 0.5


def test_no_model_is_trained_on_it() -> None:
    given = for_command(with_usage(table(20, 9), Usage(0.5, GIB)), WIDER)
    assert not set(NAMED.values()) & {*given.column_names, *features_of(WIDER)}
    assert {"amount", "city", "bad"} <= set(given.column_names)
