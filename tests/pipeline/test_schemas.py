"""Schemas: guessed from first rows, given, taken from a reference, widened; what was counted is counted anew."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from traffic import SCHEMA, TARGET, ipc, labels_of, offline, predictions_arrow, send, table

import watchkeeper as wk
from watchkeeper.errors import Conflict, CorruptProfile, ProfileVersion, SchemaError, UnknownKey
from watchkeeper.pipeline.pipeline import Pipeline
from watchkeeper.pipeline.values import MeasurementQuery, Target
from watchkeeper.profiles.profile import Profile
from watchkeeper.testing import difference


def rows_of(count: int, **more: Any) -> list[dict[str, Any]]:
    rng = np.random.default_rng(4)
    made = []
    for i in range(count):
        score = float(rng.random())
        features = {"x": float(rng.normal()), "city": ["Rome", "Oslo"][i % 2], "n": i % 3}
        made.append({"id": f"r{i}", "prediction": int(score > 0.5), "score": score, "features": features} | more)
    return made


def send_rows(pipeline: Pipeline, rows: list[dict[str, Any]], target: Target = TARGET) -> None:
    body = json.dumps({"predictions": rows}).encode()
    receipt = pipeline.submit("predictions", target, None, "application/json", body).result(30)
    assert receipt.rejected == 0, receipt.quarantined


def schema_of(pipeline: Pipeline, target: Target = TARGET) -> dict[str, Any]:
    found: dict[str, Any] = next(v["schema"] for v in pipeline.versions(target) if v["version"] == target.version)
    return found


def test_guessed_from_the_first_rows_and_then_frozen(tmp_path: Path) -> None:
    with Pipeline.open(tmp_path / "store") as pipeline:
        send_rows(pipeline, rows_of(300, segments={"channel": "web"}, latency=0.25))
        assert pipeline.settle()
        schema = schema_of(pipeline)
        assert (schema["task"], schema["positive"], schema["classes"]) == ("binary", "1", ["0", "1"])
        assert schema["segments"] == ["channel"]
        assert (schema["id"], schema["timestamp"], schema["target"], schema["score"]) == (
            "id",
            "timestamp",
            "label",
            "score",
        )
        kinds = schema["kinds"]
        assert (kinds["x"], kinds["city"], kinds["n"], kinds["latency"]) == (
            "numeric",
            "categorical",
            "categorical",
            "numeric",
        )
        send_rows(
            pipeline, [row | {"id": f"b{i}", "features": {"x": 1.0, "new": 1}} for i, row in enumerate(rows_of(5))]
        )
        labels = json.dumps({"labels": [{"id": f"r{i}", "label": i % 2} for i in range(200)]}).encode()
        pipeline.submit("labels", TARGET, None, "application/json", labels).result(30)
        assert pipeline.settle()
        assert schema_of(pipeline) == schema
        told = pipeline.versions(TARGET)[0]
        assert (told["unknown_columns"], told["rows"], told["labels"]) == (["new"], 305, 200)
        latency = pipeline.measurements(MeasurementQuery(TARGET, every="day", metrics=("latency_p50",)))
        assert latency["value"].to_pylist() == [0.25]


def test_a_role_s_name_is_no_feature_s(tmp_path: Path) -> None:
    with Pipeline.open(tmp_path / "store") as pipeline:
        send_rows(pipeline, [r | {"features": {"score": 7.0, "label": "x", "id": 3}} for r in rows_of(60)])
        assert pipeline.settle()
        schema = schema_of(pipeline)
        assert (schema["score"], schema["target"], schema["id"]) == ("_score", "_label", "_id")
        body = json.dumps({"predictions": [rows_of(1)[0] | {"features": {"_score": 1}}]}).encode()
        receipt = pipeline.submit("predictions", TARGET, None, "application/json", body).result(30)
        assert "name of a role's column" in receipt.quarantined[0].reason


@pytest.mark.parametrize(
    ("rows", "task"),
    [
        ([{"prediction": v} for v in (1.5, 2.25, 9.0, 7.125)] * 9, "regression"),
        ([{"prediction": v} for v in "abc"] * 9, "multiclass"),
        ([{"score": {"a": 0.2, "b": 0.3, "c": 0.5}, "prediction": "c"}] * 9, "multiclass"),
        ([{"score": 0.3}] * 9, "binary"),
        ([{"error": "ValueError"}] * 9, "binary"),
        (
            [{"prediction": 1, "features": {}}, {"prediction": "x", "features": {"t": "text"}}, {"prediction": True}],
            "multiclass",
        ),
    ],
)
def test_every_task_is_counted(tmp_path: Path, rows: list[dict[str, Any]], task: str) -> None:
    with Pipeline.open(tmp_path / "store") as pipeline:
        send_rows(pipeline, [r | {"id": str(i)} for i, r in enumerate(rows)])
        labels = [{"id": str(i), "label": r.get("prediction", 1)} for i, r in enumerate(rows)]
        pipeline.submit("labels", TARGET, None, "application/json", json.dumps({"labels": labels}).encode()).result(30)
        assert pipeline.settle()
        told = pipeline.models("default")[0]
        assert (told["rows"], told["lost"]) == (len(rows), 0)
        assert schema_of(pipeline)["task"] == task


def test_a_prediction_that_is_no_class_is_counted_without_a_task(tmp_path: Path) -> None:
    with Pipeline.open(tmp_path / "store") as pipeline:
        send_rows(pipeline, [{"id": str(i), "prediction": f"summary {i}", "features": {"x": i}} for i in range(400)])
        assert pipeline.settle()
        assert (pipeline.models("default")[0]["rows"], schema_of(pipeline)["task"]) == (400, None)


def test_types_that_flip_lose_no_row(tmp_path: Path) -> None:
    with Pipeline.open(tmp_path / "store") as pipeline:
        values: list[Any] = [1, 2.5, "text", None, True, [1, 2], "7", -0.0, float("nan"), 10**15]
        for place, value in enumerate(values * 3):
            send_rows(pipeline, [{"id": str(place), "prediction": place % 2, "features": {"x": value}}])
        assert pipeline.settle()
        told = pipeline.models("default")[0]
        assert (told["rows"], told["lost"], told["pending"], pipeline.status()["worker_failures"]) == (30, 0, 0, 0)


def test_a_reference_before_the_first_row_gives_the_schema(tmp_path: Path) -> None:
    reference = wk.profile(table(500, 31).drop_columns(["id", "took", "failure"]), wk.Schema(
        timestamp="when", target="bad", prediction="flag", score="risk", segments=["city"], zone="Europe/Berlin"))  # fmt: skip
    rows = table(200, 32)
    with Pipeline.open(tmp_path / "store") as pipeline:
        pipeline.register(TARGET, None, "event")
        told = pipeline.set_reference(TARGET, reference.to_bytes())
        assert told["rows"] == 500
        send(pipeline, "predictions", ipc(rows.drop_columns(["bad", "took", "failure"])))
        send(pipeline, "labels", ipc(labels_of(rows)))
        assert pipeline.settle()
        drift = pipeline.measurements(
            MeasurementQuery(TARGET, every="month", column="amount", metrics=("wasserstein",))
        )
        assert drift.num_rows == 2
        estimated = pipeline.measurements(
            MeasurementQuery(TARGET, every="month", metrics=("roc_auc",), source="estimated")
        )
        assert estimated.num_rows > 0


def test_a_reference_after_traffic_has_it_counted_anew(tmp_path: Path) -> None:
    rows = table(300, 33)
    renamed = {"when": "timestamp", "flag": "prediction", "risk": "score", "took": "latency", "failure": "error"}
    logged = rows.drop_columns(["bad"]).rename_columns([renamed.get(n, n) for n in rows.column_names if n != "bad"])
    with Pipeline.open(tmp_path / "store") as pipeline:
        pipeline.register(TARGET, None, "event")
        send(pipeline, "predictions", ipc(logged))
        send(pipeline, "labels", ipc(labels_of(rows)))
        assert pipeline.settle()
        assert schema_of(pipeline)["timestamp"] == "timestamp"
        pipeline.set_reference(TARGET, offline(table(500, 34)).to_bytes())
        assert pipeline.settle()
        assert schema_of(pipeline)["timestamp"] == "when"
        made, whole = pipeline.profile(TARGET, None, None), offline(rows)
        assert difference(made.state(), whole.state(), sums=Profile.SUMS, annotations=Profile.ANNOTATIONS) is None
        send(pipeline, "predictions", predictions_arrow(table(50, 35)))
        assert pipeline.settle()
        assert pipeline.models("default")[0]["rows"] == 350


def test_a_schema_is_widened_by_saying_so(tmp_path: Path) -> None:
    rows = table(200, 36).append_column("age", pa.array(np.arange(200) % 60 + 20))
    wider = SCHEMA.replace(kinds=SCHEMA.kinds | {"age": "numeric"})
    with Pipeline.open(tmp_path / "store") as pipeline:
        pipeline.register(TARGET, SCHEMA.to_dict(), "event")
        pipeline.set_reference(TARGET, offline(table(300, 37)).to_bytes())
        send(pipeline, "predictions", predictions_arrow(rows))
        send(pipeline, "labels", ipc(labels_of(rows)))
        assert pipeline.settle()
        assert pipeline.versions(TARGET)[0]["unknown_columns"] == ["age"]
        pipeline.register(TARGET, {"kinds": {"age": "numeric"}}, None)
        made, whole = pipeline.profile(TARGET, None, None), offline(rows, wider)
        assert difference(made.state(), whole.state(), sums=Profile.SUMS, annotations=Profile.ANNOTATIONS) is None
        assert pipeline.versions(TARGET)[0]["unknown_columns"] == []
        reference = pipeline.catalog.version(TARGET).reference
        assert reference is not None
        assert reference.columns["age"].nulls == 300
        with pytest.raises(Conflict, match="something else of kinds"):
            pipeline.register(TARGET, {"kinds": {"amount": "categorical"}}, None)
        with pytest.raises(Conflict, match="something else of score"):
            pipeline.register(TARGET, {"score": "other"}, None)


def test_what_is_no_reference_is_refused(tmp_path: Path) -> None:
    with Pipeline.open(tmp_path / "store") as pipeline:
        with pytest.raises(CorruptProfile):
            pipeline.set_reference(TARGET, b"nonsense")
        with pytest.raises(CorruptProfile, match="no rows"):
            pipeline.set_reference(TARGET, Profile(SCHEMA.replace()).to_bytes())
        data = bytearray(offline(table(40, 38)).to_bytes())
        data[4] = 77
        with pytest.raises(ProfileVersion):
            pipeline.set_reference(TARGET, bytes(data))
        with pytest.raises(SchemaError, match="neither a score nor a prediction"):
            pipeline.set_reference(TARGET, wk.profile({"x": [1.5] * 50, "y": [2.5] * 50}).to_bytes())
        with pytest.raises(UnknownKey, match="Did you mean 'target'"):
            pipeline.register(TARGET, {"targt": "y"}, None)
        with pytest.raises(UnknownKey, match="clock"):
            pipeline.register(TARGET, None, "sundial")


def test_a_clock_cannot_change_once_rows_are_counted(tmp_path: Path) -> None:
    with Pipeline.open(tmp_path / "store") as pipeline:
        send_rows(pipeline, rows_of(3))
        assert pipeline.settle()
        with pytest.raises(Conflict, match="clock cannot change"):
            pipeline.register(TARGET, None, "event")


def odd(count: int, value: Any, every: int) -> list[dict[str, Any]]:
    return [r | ({"prediction": value} if i % every == 7 else {}) for i, r in enumerate(rows_of(count))]


def test_a_few_odd_predictions_do_not_undo_a_task(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with Pipeline.open(tmp_path / "store") as pipeline:
        send_rows(pipeline, odd(300, "yes", 50))
        assert pipeline.settle()
        schema, profile = schema_of(pipeline), pipeline.profile(TARGET, None, None)
        assert (schema["task"], schema["classes"], schema["positive"]) == ("binary", ["0", "1"], "1")
        assert (profile.outcome.strange, profile.outcome.scoreless) == (6, 0)
        words = Target("default", "words")
        rows = [{**r, "prediction": "late" if r["prediction"] else "on time"} for r in odd(300, 0, 50)]
        send_rows(pipeline, [{**r, "prediction": "?"} if i % 30 == 7 else r for i, r in enumerate(rows)], words)
        assert pipeline.settle()
        told = pipeline.versions(words)[0]
        assert (told["schema"]["task"], told["schema"]["classes"]) == ("binary", ["late", "on time"])
        assert [n for n in told["notices"] if n.startswith("10 rows have a prediction")] == told["notices"]


def test_scores_as_text_are_read(tmp_path: Path) -> None:
    rows = rows_of(300)
    texts = ["n/a" if i % 100 == 3 else str(row["score"]) for i, row in enumerate(rows)]
    columns = {"id": [r["id"] for r in rows], "prediction": [r["prediction"] for r in rows], "score": texts}
    with Pipeline.open(tmp_path / "store") as pipeline:
        send(pipeline, "predictions", ipc(pa.table(columns)))
        assert pipeline.settle()
        profile = pipeline.profile(TARGET, None, None)
        assert (profile.schema.task, profile.schema.score, profile.schema.kinds["score"]) == (
            "binary",
            "score",
            "numeric",
        )
        assert (profile.outcome.scoreless, profile.columns["score"].mistyped) == (3, 3)


def taskless(pipeline: Pipeline) -> list[dict[str, Any]]:
    """Log rows of which no task can be guessed: every prediction is another text, though there are scores."""
    rows = [r | {"prediction": f"case {i}"} for i, r in enumerate(rows_of(300))]
    send_rows(pipeline, rows)
    labels = [{"id": f"r{i}", "label": int(r["score"] > 0.4)} for i, r in enumerate(rows)]
    pipeline.submit("labels", TARGET, None, "application/json", json.dumps({"labels": labels}).encode()).result(30)
    assert pipeline.settle()
    return rows


def test_without_a_task_nothing_is_lost_and_it_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with Pipeline.open(tmp_path / "store") as pipeline:
        rows = taskless(pipeline)
        (told,) = pipeline.versions(TARGET)
        assert (told["schema"]["task"], told["schema"]["score"], told["schema"]["prediction"]) == (
            None,
            "score",
            "prediction",
        )
        assert "No task could be guessed" in told["notices"][0]
        assert told["version"] in pipeline.models("default")[0]["notices"][0]
        said = [record.getMessage() for record in caplog.records if "no task" in record.getMessage()]
        assert len(said) == 1
        assert TARGET.model in said[0]
        reference = wk.profile(
            {"x": [r["features"]["x"] for r in rows], "risk": [r["score"] for r in rows], "bad": [0, 1] * 150},
            wk.Schema(target="bad", score="risk", task="binary", positive=1),
        )
        pipeline.set_reference(TARGET, reference.to_bytes())
        assert pipeline.settle()
        profile = pipeline.profile(TARGET, None, None)
        assert (profile.outcome.scoreless, profile.outcome.labelled) == (0, 300)
        assert pipeline.versions(TARGET)[0]["notices"] == []


def test_a_schema_that_is_given_at_last_has_rows_counted_anew(tmp_path: Path) -> None:
    with Pipeline.open(tmp_path / "store") as pipeline:
        taskless(pipeline)
        with pytest.raises(SchemaError):
            pipeline.register(TARGET, {"task": "binary", "classes": ["a", "b", "c"]}, None)
        given = {"task": "binary", "classes": ["0", "1"], "positive": "1"}
        told = pipeline.register(TARGET, given, None)
        assert (told["schema"]["task"], told["notices"]) == ("binary", [])
        assert pipeline.settle()
        outcome = pipeline.profile(TARGET, None, None).outcome
        assert (outcome.labelled, outcome.scoreless, outcome.strange) == (300, 0, 300)
        with pytest.raises(Conflict, match="reference"):
            pipeline.register(TARGET, {"task": "multiclass"}, None)


def test_scores_that_begin_later_are_kept_for_a_reference(tmp_path: Path) -> None:
    with Pipeline.open(tmp_path / "store") as pipeline:
        send_rows(pipeline, [{k: v for k, v in r.items() if k != "score"} for r in rows_of(100)])
        assert pipeline.settle()
        send_rows(pipeline, [r | {"id": f"later-{i}"} for i, r in enumerate(rows_of(100))])
        assert pipeline.settle()
        (told,) = pipeline.versions(TARGET)
        assert (told["schema"]["score"], told["unknown_columns"], len(told["notices"])) == (None, [], 1)
        assert "'score' was logged" in told["notices"][0]
        reference = wk.profile(
            {"prediction": [0, 1] * 50, "score": [0.2, 0.7] * 50, "label": [0, 1] * 50},
            wk.Schema(target="label", prediction="prediction", score="score"),
        )
        pipeline.set_reference(TARGET, reference.to_bytes())
        assert pipeline.settle()
        assert pipeline.profile(TARGET, None, None).outcome.scoreless == 100
        assert pipeline.versions(TARGET)[0]["notices"] == []


def test_a_feature_that_has_the_name_of_a_role_from_now_on_makes_room(tmp_path: Path) -> None:
    with Pipeline.open(tmp_path / "store") as pipeline:
        send_rows(pipeline, [r | {"features": {"loan": i, "x": 0.5}} for i, r in enumerate(rows_of(100))])
        assert pipeline.settle()
        columns = {"loan": list(range(100)), "x": [0.5, 1.5] * 50, "score": [0.2, 0.7] * 50, "label": [0, 1] * 50}
        schema = wk.Schema(id="loan", target="label", score="score")
        pipeline.set_reference(TARGET, wk.profile(columns, schema).to_bytes())
        body = json.dumps({"labels": [{"id": f"r{i}", "label": i % 2} for i in range(100)]}).encode()
        pipeline.submit("labels", TARGET, None, "application/json", body).result(30)
        assert pipeline.settle()
        assert pipeline.profile(TARGET, None, None).outcome.labelled == 100


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({}, ""),
        ({"bad": pa.nulls(500, pa.int64())}, "has no labels"),
        ({"bad": pa.array([0] * 480 + [1] * 20)}, "50 rows of either class"),
        ({"risk": pa.array([7.5] * 500)}, "scores from 0 to 1"),
    ],
)
def test_a_reference_says_what_cannot_be_compared_with_it(
    tmp_path: Path, changes: dict[str, pa.Array], word: str
) -> None:
    rows = table(500, 39)
    for name, values in changes.items():
        rows = rows.set_column(rows.column_names.index(name), name, values)
    with Pipeline.open(tmp_path / "store") as pipeline:
        notices = pipeline.set_reference(TARGET, offline(rows).to_bytes())["notices"]
        assert any(word in notice for notice in notices) if word else notices == []


def test_a_model_tells_what_is_not_counted(tmp_path: Path) -> None:
    with Pipeline.open(tmp_path / "store") as pipeline:
        send_rows(pipeline, rows_of(100))
        assert pipeline.settle()
        again = [r | {"features": {"new": 1}} for r in rows_of(3)]
        send_rows(pipeline, again)
        body = json.dumps({"labels": [{"id": "nobody", "label": 1}]}).encode()
        pipeline.submit("labels", TARGET, None, "application/json", body).result(30)
        assert pipeline.settle()
        (told,) = pipeline.models("default")
        names = "unknown_columns", "duplicates", "labels_waiting", "notices"
        assert [told[name] for name in names] == [["new"], 3, 1, []]
