"""The flights: counts, the join with the weather, the label, ids, and a model that sees nothing of the future."""

from __future__ import annotations

import datetime as dt
import sys
from importlib import resources
from pathlib import Path
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from watchkeeper.demo import flights, model, tables
from watchkeeper.errors import MissingExtra
from watchkeeper.schema import Schema

NEW_YORK = ZoneInfo("America/New_York")
WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
KNOWN_LATER = {"dep_delay", "arr_delay", "air_time", "dep_time", "arr_time", "tailnum", "late", "score", "predicted"}


@pytest.fixture(scope="module")
def table() -> pa.Table:
    return flights.load()


@pytest.fixture(scope="module")
def training(table: pa.Table) -> pa.Table:
    return flights.months(table, tables.TRAINING)


@pytest.fixture(scope="module")
def late_model(training: pa.Table) -> model.LateModel:
    return model.fit(training)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, dict[str, int | float], list[str]]:
    said: list[str] = []
    reference, current, facts = tables.prepare(tmp_path_factory.mktemp("demo") / "new", said.append)
    return reference, current, facts, said


def raw(name: str) -> list[dict[str, object]]:
    path = resources.files("watchkeeper.demo").joinpath("data", f"{name}.parquet")
    return pq.read_table(pa.BufferReader(path.read_bytes())).to_pylist()


def test_all_flights_are_there_and_the_known_number_has_no_label(table: pa.Table) -> None:
    assert table.num_rows == 336_776
    assert table["late"].null_count == 9_430
    assert (
        table["temp"].null_count == 1_573
    )  # 1,556 flights of hours without weather, 17 of an hour without temperature
    assert table["departure"].type == pa.timestamp("us", tz="UTC")


def test_every_flight_has_an_id_of_its_own(table: pa.Table) -> None:
    assert pc.count_distinct(table["id"]).as_py() == table.num_rows
    assert table["id"].null_count == 0


def test_rows_agree_with_a_join_in_plain_python(table: pa.Table) -> None:
    weather = {(row["origin"], row["time_hour"]): row for row in raw("weather")}
    expected = {}
    for row in raw("flights")[::211]:
        departure = row["time_hour"] + dt.timedelta(minutes=row["minute"])
        local = departure.astimezone(NEW_YORK)
        start = local.hour * 60 + local.minute
        arrival = row["sched_arr_time"] // 100 * 60 + row["sched_arr_time"] % 100
        seen = weather.get((row["origin"], row["time_hour"]), {})
        expected[f"{local:%Y-%m-%d}/{row['carrier']}{row['flight']}/{row['origin']}/{local:%H%M}"] = {
            "departure": departure,
            "minute_of_day": start,
            "weekday": WEEKDAYS[local.weekday()],
            "scheduled_minutes": (arrival - start) % 1440,
            "late": None if row["arr_delay"] is None else int(row["arr_delay"] > 15),
            **{name: seen.get(name) for name in flights.WEATHER},
            **{name: row[name] for name in ("carrier", "origin", "dest", "distance")},
        }
    found = (
        table.filter(pc.is_in(table["id"], pa.array(list(expected))))
        .select(["id", *next(iter(expected.values()))])
        .to_pylist()
    )
    assert {row.pop("id"): row for row in found} == expected
    assert any(row["temp"] is None for row in expected.values())


def test_a_known_flight(table: pa.Table) -> None:
    row = table.filter(pc.equal(table["id"], "2013-01-01/UA1545/EWR/0515")).to_pylist()[0]
    assert row["departure"] == dt.datetime(2013, 1, 1, 10, 15, tzinfo=dt.UTC)
    assert (row["dest"], row["distance"], row["arr_delay"], row["late"], row["weekday"]) == ("IAH", 1400, 11, 0, "Tue")
    assert (row["minute_of_day"], row["scheduled_minutes"]) == (5 * 60 + 15, 3 * 60 + 4)


def test_months_go_by_the_clock_of_new_york(table: pa.Table) -> None:
    july = flights.months(table, [7])
    assert july.num_rows == 29_425
    first, last = (pc.min_max(july["departure"]).as_py()[end].astimezone(NEW_YORK) for end in ("min", "max"))
    assert (first.month, first.day, last.month, last.day) == (7, 1, 7, 31)


def test_features_are_known_before_departure(late_model: model.LateModel, training: pa.Table) -> None:
    assert not KNOWN_LATER & set(flights.FEATURES)
    assert not {"month", "departure", "id", "time_hour"} & set(flights.FEATURES)
    hidden = training.slice(0, 2000)
    for name in KNOWN_LATER & set(hidden.column_names):
        index = hidden.column_names.index(name)
        hidden = hidden.set_column(index, name, pa.nulls(hidden.num_rows, hidden.schema.field(name).type))
    assert late_model.predict(hidden)["score"].equals(late_model.predict(training.slice(0, 2000))["score"])


def test_the_same_flights_give_the_same_model(late_model: model.LateModel, training: pa.Table, table: pa.Table) -> None:
    again = model.fit(training)
    march = flights.months(table, tables.REFERENCE)
    assert (again.threshold, again.training_auc) == (late_model.threshold, late_model.training_auc)
    assert again.predict(march).equals(late_model.predict(march))


def test_values_never_seen_in_training_are_scored(late_model: model.LateModel, training: pa.Table) -> None:
    row = training.slice(0, 1)
    row = row.set_column(row.column_names.index("carrier"), "carrier", pa.array(["??"]))
    assert 0 < late_model.predict(row)["score"][0].as_py() < 1


def test_prepare_writes_march_july_and_a_schema(prepared: tuple[Path, Path, dict[str, int | float], list[str]]) -> None:
    reference, current, facts, said = prepared
    march, july = pq.read_table(reference), pq.read_table(current)
    assert (march.num_rows, july.num_rows) == (facts["reference_rows"], facts["current_rows"]) == (28_834, 29_425)
    assert facts["reference_coverage"] == pytest.approx(27_902 / 28_834)
    assert facts["current_coverage"] == pytest.approx(28_293 / 29_425)
    assert 0.1 < facts["threshold"] < 0.4
    assert len(said) == 4
    schema = Schema.from_yaml(reference.parent / "schema.yaml")
    schema.check_columns(march.column_names)
    assert (schema.task, schema.positive) == ("binary", "1")


def test_the_model_is_worth_watching(prepared: tuple[Path, Path, dict[str, int | float], list[str]]) -> None:
    from sklearn.metrics import roc_auc_score

    for path in prepared[:2]:
        table = pq.read_table(path)
        table = table.filter(pc.is_valid(table["late"]))
        assert roc_auc_score(table["late"].to_numpy(), table["score"].to_numpy()) > 0.67
    assert prepared[2]["training_auc"] > 0.67


def test_without_scikit_learn_the_extra_is_named(monkeypatch: pytest.MonkeyPatch, training: pa.Table) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.ensemble", None)
    with pytest.raises(MissingExtra, match=r"pip install '\.\[demo\]'"):
        model.fit(training.slice(0, 100))
