"""Documents of the page: columns of numbers that agree with what the store tells otherwise, for whoever may read them."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from live import Live, live, make_secrets

from watchkeeper import classification_report, roc_curve
from watchkeeper.metrics.classification import confusion_matrix
from watchkeeper.pipeline.catalog import Version
from watchkeeper.pipeline.measure import NUMBERS
from watchkeeper.pipeline.overview import Series, Span
from watchkeeper.pipeline.values import MeasurementQuery, Target
from watchkeeper.server.app import create_app
from watchkeeper.server.views.lines import metric_lines
from watchkeeper.server.views.routes import PAGES
from watchkeeper.store import rows
from watchkeeper.store.database import Database

sys.path.insert(0, str(Path(__file__).parents[2] / "ui"))

from sample_loop import Staged
from sample_store import HOSTILE, Size, furnish

DAYS, COLUMNS = 30, 8
MODEL = "model=late-flights"
TARGET = Target("default", "late-flights")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    folder = tmp_path_factory.mktemp("views") / "store"
    folder.mkdir()
    furnish(folder, Size(models=3, columns=COLUMNS, days=DAYS, profiles=3))
    with Staged.open(folder) as pipeline, live(create_app(pipeline.stage())) as made:
        made.secrets = make_secrets(pipeline)
        yield made


def view(served: Live, page: str, query: str = "", who: str = "viewer") -> dict[str, Any]:
    answer = served.ask("GET", f"/api/v1/views/{page}?{query}", who)
    assert answer.status == 200, answer.body
    document: dict[str, Any] = answer.json
    assert document["format"] == "watchkeeper.live/1"
    assert document["page"] == page
    return document


def pipeline_of(served: Live) -> Staged:
    found = served.app.state.services.pipeline
    assert isinstance(found, Staged)
    return found


def told(served: Live, **asked: Any) -> dict[tuple[str, int], float]:
    """Return values as the measurements tell them, by version and start in seconds."""
    table = pipeline_of(served).measurements(MeasurementQuery(TARGET, "day", **asked)).to_pylist()
    return {(row["version"], int(row["window_start"].timestamp())): row["value"] for row in table}


def as_columns(document: dict[str, Any], values: list[float | None]) -> dict[tuple[str, int], float]:
    windows = document["windows"]
    names = [windows["versions"][place] for place in windows["version"]]
    keys = zip(names, windows["start"], strict=True)
    return {key: value for key, value in zip(keys, values, strict=True) if value is not None}


def test_every_page_is_there_and_every_column_has_a_number_for_each_window(served: Live) -> None:
    for page in PAGES:
        document = view(served, page, f"{MODEL}&column=dep_delay&id=17")
        size = len(document.get("windows", {}).get("start", []))

        def check(part: Any, size: int = size) -> None:
            if isinstance(part, dict):
                line = {name: values for name, values in part.items() if name in {"value", "strength", "sealed"}}
                assert {len(values) for values in line.values() if isinstance(values, list)} <= {size}
                for value in part.values():
                    check(value)

        if page not in {"fleet", "settings"}:
            check(document)
        json.dumps(document, allow_nan=False)


def test_the_numbers_are_those_of_the_measurements(served: Live) -> None:
    document = view(served, "model", MODEL)
    assert len(document["windows"]["start"]) == DAYS
    for metric in document["performance"]:
        for source in ("realised", "estimated"):
            expected = told(served, metrics=(metric["metric"],), source=source, segment="", column="")
            found = as_columns(document, metric[source]["value"])
            assert found.keys() == expected.keys()
            assert found == pytest.approx(expected, rel=1e-5)


def test_outcomes_are_those_of_the_last_windows_with_labels(served: Live) -> None:
    document = view(served, "outcome", MODEL)
    for _ in range(7):  # each answer reads as much as its time allows
        document = document if document["whole"] else view(served, "outcome", MODEL)
    assert document["whole"]
    assert (document["version"], document["count"], document["task"]) == ("2", 7, "binary")
    first, last = (datetime.fromisoformat(document["span"][edge]) for edge in ("start", "end"))
    target = Target("default", "late-flights", "production", "2")
    profile = pipeline_of(served).profile(target, first, last)
    assert document["classes"]["current"]["1"] == json.loads(json.dumps(classification_report(profile).to_dict()["1"]))
    assert document["confusion"]["current"] == confusion_matrix(profile.outcome).tolist()
    curve = document["curves"]["current"]["roc"]
    assert curve["n"] == roc_curve(profile).n
    assert curve["threshold"][0] is None


def test_a_model_without_a_reference_has_no_outcomes_and_says_so(served: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Version, "reference", None)
    document = view(served, "outcome", MODEL)
    assert not document["has_reference"]
    assert {document[part] for part in ("confusion", "calibration", "curves", "classes", "errors", "lists")} == {None}


def test_drift_counts_by_what_the_model_makes_of_a_column(served: Live) -> None:
    version = pipeline_of(served).catalog.version(Target("default", "late-flights", "production", "2"))
    assert version.schema is not None
    before = version.schema
    names = [row["column"] for row in view(served, "drift", MODEL)["columns"]]
    try:
        version.schema = before.replace(importances={names[0]: 1.0, names[-1]: 10_000.0})
        rows = view(served, "drift", MODEL)["columns"]
    finally:
        version.schema = before
    assert [row["column"] for row in rows].index(names[0]) > 0
    assert {row["column"]: row["importance"] for row in rows}[names[-1]] == pytest.approx(1.0, abs=1e-3)


def test_drift_is_in_floors_and_the_strongest_comes_first(served: Live) -> None:
    document = view(served, "drift", MODEL)
    assert [row["column"] for row in document["columns"][:3]] == ["dep_delay", "precip", HOSTILE]
    assert document["all"] == COLUMNS
    first = document["columns"][0]
    assert first["strength"][-1] == pytest.approx(first["value"][-1] / 0.1, abs=2e-3)


def test_a_restated_value_stands_beside_the_one_of_the_seal(served: Live) -> None:
    document = view(served, "model", MODEL)
    lines = next(m for m in document["performance"] if m["metric"] == "roc_auc")["realised"]
    moved = [
        i for i, (now, then) in enumerate(zip(lines["value"], lines["sealed"], strict=True)) if then not in {None, now}
    ]
    assert moved
    assert all(document["windows"]["sealed"][i] for i in moved)


def test_versions_segments_and_marks(served: Live) -> None:
    document = view(served, "model", f"{MODEL}&compare=1")
    assert document["versions"] == ["1", "2"]
    assert document["compared"]["version"] == "1"
    marks = {mark["kind"] for mark in document["marks"]}
    assert marks == {"incident", "version"}
    only = view(served, "model", f"{MODEL}&version=2")
    assert only["windows"]["versions"] == ["2"]
    assert len(only["windows"]["start"]) < DAYS
    part = view(served, "model", f"{MODEL}&segment=origin%3DJFK")
    assert {m["metric"] for m in part["performance"]} == {"roc_auc", "f1"}
    by = view(served, "segments", f"{MODEL}&metric=f1")
    assert by["metric"] == "f1"
    assert {s["segment"].split("=")[0] for s in by["segments"]} == {"origin", "carrier"}


def add_version(folder: Path, name: str, days: int, *, count: int, reference: float) -> None:
    """Give the first model another version with rows in its last windows; nobody sets it to serve."""
    database = Database(folder)

    def job(connection: Any) -> None:
        schema = rows.select_one(connection, "version", model_id=1, name="2")
        assert schema is not None
        number = rows.insert(connection, "version", **{k: v for k, v in schema.items() if k != "id"} | {"name": name})
        where = {"version_id": schema["id"], "every": "day"}
        series = rows.select_one(connection, "series", **where, metric="roc_auc", source="realised", segment=None)
        assert series is not None
        own = rows.insert(
            connection, "series", **{k: v for k, v in series.items() if k != "id"} | {"version_id": number}
        )
        for row in rows.select_all(connection, "measured", tail=f"ORDER BY start DESC LIMIT {days}", **where):
            rows.insert(connection, "measured", **row | {"version_id": number, "rows": count})
            numbers = dict.fromkeys(NUMBERS, None) | {"value": 0.6, "n": count, "reference": reference}
            rows.insert(
                connection,
                "measurement",
                series_id=own,
                start=row["start"],
                revision=0,
                known_at=row["stop"],
                **numbers,
            )

    database.write(job).result()
    database.close()


def three_versions(folder: Path, count: int) -> Iterator[Live]:
    folder.mkdir()
    furnish(folder, Size(models=1, columns=4, days=20))
    add_version(folder, "3", 5, count=count, reference=0.95)
    with Staged.open(folder) as pipeline, live(create_app(pipeline.stage())) as made:
        made.secrets = make_secrets(pipeline)
        yield made


@pytest.fixture
def crowded(tmp_path: Path) -> Iterator[Live]:
    yield from three_versions(tmp_path / "store", 99_000)


def test_as_served_is_what_was_set_to_serve_however_many_rows_another_version_has(crowded: Live) -> None:
    windows = view(crowded, "model", MODEL)["windows"]
    names = [windows["versions"][place] for place in windows["version"]]
    assert names == ["1"] * 8 + ["2"] * 12
    assert windows["served"] == [1] * 20
    texts = [m["text"] for m in view(crowded, "model", MODEL)["marks"] if m["kind"] == "version"]
    assert texts == ["version 2 took over"]
    pipeline_of(crowded).set_serving(TARGET, "3")
    later = view(crowded, "model", MODEL)  # from now on: what was served before stays as it was
    assert later["windows"]["version"] == [*windows["version"][:-1], 2]
    assert [m["text"] for m in later["marks"] if m["kind"] == "version"] == [
        "version 2 took over",
        "version 3 took over",
    ]


def test_where_only_another_version_has_rows_they_are_drawn_as_what_they_are(tmp_path: Path) -> None:
    folder = tmp_path / "store"
    folder.mkdir()
    furnish(folder, Size(models=1, columns=4, days=20))
    add_version(folder, "3", 5, count=500, reference=0.95)
    database = Database(folder)
    last = "SELECT start FROM measured WHERE every = 'day' ORDER BY start DESC LIMIT 1"
    database.write(
        lambda c: c.execute(f"DELETE FROM measured WHERE version_id = 2 AND every = 'day' AND start = ({last})")
    ).result()
    database.close()
    with Staged.open(folder) as pipeline, live(create_app(pipeline.stage())) as made:
        made.secrets = make_secrets(pipeline)
        document = view(made, "model", MODEL)
    assert document["windows"]["served"] == [1] * 19 + [0]
    assert document["windows"]["versions"][document["windows"]["version"][-1]] == "3"
    assert document["marks"][-1]["text"] == "rows of version 3 from here on, which was not set to serve"


def test_the_first_metric_that_segments_have_is_shown(tmp_path: Path) -> None:
    folder = tmp_path / "store"
    folder.mkdir()
    furnish(folder, Size(models=1, columns=4, days=5))
    database = Database(folder)
    database.write(
        lambda c: c.execute("UPDATE series SET metric = 'gone' WHERE metric = 'roc_auc' AND segment IS NOT NULL")
    ).result()
    database.close()
    with Staged.open(folder) as pipeline, live(create_app(pipeline.stage())) as made:
        made.secrets = make_secrets(pipeline)
        shown, asked = view(made, "segments", MODEL), view(made, "segments", f"{MODEL}&metric=roc_auc")
    assert shown["metric"] == "f1"
    assert shown["segments"]
    assert (asked["metric"], asked["segments"]) == ("roc_auc", [])


def test_the_reference_is_that_of_each_windows_version_and_an_incident_has_its_own(crowded: Live) -> None:
    pipeline = pipeline_of(crowded)
    pipeline.set_serving(TARGET, "3")
    pipeline.database.write(
        lambda c: rows.update(c, "setting", {"name": "serving:1"}, value=json.dumps([[0, "1"], [10**15, "3"]]))
    ).result()
    lines = next(m for m in view(crowded, "model", MODEL)["performance"] if m["metric"] == "roc_auc")
    assert lines["references"] == [0.871] * 15 + [0.95] * 5
    assert lines["reference"] == 0.95
    fleet = view(crowded, "fleet")["models"][0]
    assert (fleet["reference"], fleet["references"]) == (0.95, lines["references"])
    own = view(crowded, "incident", "id=17")["charts"][0]  # of version 2, which had the fewest rows
    assert own["metric"] == "roc_auc"
    assert own["reference"] == 0.871


def test_what_explains_is_told_in_the_measure_of_its_words(served: Live) -> None:
    first = view(served, "incident", "id=17")["incident"]["columns"][0]
    assert first["effect"] == 1470.0, "in the floors that it is sorted by, 0.1 sd each"
    assert (first["now"], first["earlier"], first["further"], first["unit"]) == (147.0, 0.5, 146.5, "sd")


def test_why_nothing_is_known_of_a_model_is_said(crowded: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    pipeline = pipeline_of(crowded)
    words = "ROC AUC is 0.8, reference 0.87: how much windows differ is known after 5 windows"
    finding = json.dumps([{"verdict": "not enough data", "words": words}])

    def lacking(connection: Any) -> None:
        connection.execute("DELETE FROM incident")
        rows.update(connection, "verdict", {"monitor": "roc_auc-risk"}, name="not enough data", findings=finding)

    def said() -> tuple[str, str]:
        model, of_fleet = view(crowded, "model", MODEL), view(crowded, "fleet")["models"][0]
        assert (model["status"], model["words"]) == (of_fleet["status"], of_fleet["words"])
        return model["status"], model["words"]

    pipeline.database.write(lacking).result()
    assert said() == ("not enough data", f"roc_auc-risk: {words}")
    pipeline.database.write(lambda c: c.execute("DELETE FROM verdict")).result()
    assert said()[1].startswith("No window was judged yet")
    monkeypatch.setattr(pipeline, "monitors", lambda target: None)
    assert said()[1].startswith("No monitors are applied")


def test_the_heat_of_a_column_is_read_from_the_last_window_back(served: Live) -> None:
    for name in ("dep_delay", "carrier"):
        document = view(served, "distributions", f"{MODEL}&column={name}")
        while not document["whole"]:
            document = view(served, "distributions", f"{MODEL}&column={name}")
        known = [shares for shares in document["shares"] if shares is not None]
        assert len(known) == 3
        assert all(sum(shares) == pytest.approx(1, abs=1e-3) for shares in known)
        assert sum(document["reference"]) == pytest.approx(1, abs=1e-3)


def test_the_fleet_says_what_is_wrong_and_why(served: Live) -> None:
    models = {m["model"]: m for m in view(served, "fleet")["models"]}
    assert models["late-flights"]["status"] == "critical"
    assert models["late-flights"]["open"][0]["id"] == 17
    assert models["credit-risk"]["status"] == "ok"
    assert models["credit-risk"]["counters"]["quarantined"] == 41
    assert models["churn"]["line"]["value"].count(None) < DAYS


def test_what_is_missing_is_said(served: Live) -> None:
    def status(page: str, query: str) -> int:
        return served.ask("GET", f"/api/v1/views/{page}?{query}", "viewer").status

    assert status("nowhere", "") == 422
    assert status("model", "") == 422
    assert status("model", "model=nobody") == 404
    assert status("column", MODEL) == 422
    assert status("column", f"{MODEL}&column=nothing") == 404
    assert status("incident", "") == 422
    assert status("incident", "id=99") == 404
    assert status("fleet", "unknown=1") == 422


def test_only_readers_read_and_only_admins_see_keys(served: Live) -> None:
    assert served.ask("GET", "/api/v1/views/fleet", "ingest").status == 403
    assert served.ask("GET", "/api/v1/views/fleet").status == 401
    assert view(served, "settings")["keys"] is None
    assert "viewer" in {key["name"] for key in view(served, "settings", who="admin")["keys"]}
    assert view(served, "fleet", who="elsewhere")["models"] == []
    assert served.ask("GET", f"/api/v1/views/model?{MODEL}", "elsewhere").status == 404


def test_a_metric_has_a_line_for_each_of_its_sources() -> None:
    spans = [Span(start, start + 1, 10, 5, True, 1, None) for start in (0, 1)]

    def series(source: str, value: float) -> Series:
        numbers = [value if name == "value" else None for name in NUMBERS]
        return Series(1, "accuracy", None, None, source, "share", {1: tuple(numbers)})

    found = metric_lines([series("realised", 0.7), series("estimated", 0.8), series("prediction-powered", 0.75)], spans)
    assert [found[0][source]["value"] for source in ("realised", "estimated", "powered")] == [
        [None, 0.7], [None, 0.8], [None, 0.75],
    ]  # fmt: skip
    assert metric_lines([series("realised", 0.7)], spans)[0]["powered"] is None
