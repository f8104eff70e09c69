"""What changed in words: the demo's planted change of units is named, column by column, and nothing that is none."""

from __future__ import annotations

import itertools
from datetime import datetime
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from made import numeric

from watchkeeper import Schema, compare
from watchkeeper.demo import fault, flights
from watchkeeper.metrics import units
from watchkeeper.metrics.shape import parts_of
from watchkeeper.metrics.units import CONVERSIONS, guess_units
from watchkeeper.profiles.column import CategoricalColumn, NumericColumn

UNITS = {
    "temp": ("°F", "°C"), "dewp": ("°F", "°C"), "wind_speed": ("mph", "km/h"), "wind_gust": ("mph", "km/h"),
    "precip": ("in", "mm"), "pressure": ("hPa", "inHg"), "visib": ("miles", "km"),
}  # fmt: skip
SCHEMA = Schema(timestamp="departure", id="id", zone=flights.ZONE)


@pytest.fixture(scope="module")
def clean() -> pa.Table:
    return flights.load().select(["id", "departure", *flights.FEATURES])


@pytest.fixture(scope="module")
def broken(clean: pa.Table) -> pa.Table:
    return fault.change_units(clean)


def between(table: pa.Table, first: str, last: str) -> pa.Table:
    zone, kind = ZoneInfo(flights.ZONE), table["departure"].type
    ends = [pa.scalar(datetime.fromisoformat(f"2013-{day}").replace(tzinfo=zone)).cast(kind) for day in (first, last)]
    at = table["departure"]
    return table.filter(pc.and_(pc.greater_equal(at, ends[0]), pc.less(at, ends[1])))


def column(table: pa.Table, name: str) -> NumericColumn:
    return numeric(table[name].drop_null().cast(pa.float64()).to_numpy())


def guessed(before: pa.Table, after: pa.Table) -> dict[str, tuple[str, str]]:
    found = {name: guess_units(column(before, name), column(after, name), name) for name in flights.NUMBERS}
    return {name: (unit.old, unit.new) for name, unit in found.items() if unit is not None}


def test_the_planted_change_is_named_in_the_report(broken: pa.Table) -> None:
    report = compare(between(broken, "05-01", "05-14"), between(broken, "05-14", "06-01"), schema=SCHEMA)
    told = {c["name"]: c["changes"] for c in report.to_dict()["columns"]}
    named = {name: (p["unit"]["old"], p["unit"]["new"]) for name, some in told.items() for p in some if p["unit"]}
    assert named == UNITS
    sentence = next(s for s in report.sentences if s.startswith("Units may have changed"))
    for name, (old, new) in UNITS.items():
        assert f"{name} from {old} to {new} (explains " in sentence
    assert "°F to °C?" in repr(report)


def test_the_day_of_the_change_is_enough_for_most(broken: pa.Table) -> None:
    found = guessed(between(broken, "04-30", "05-14"), between(broken, "05-14", "05-15"))
    assert {"temp", "dewp", "wind_speed", "wind_gust", "pressure"} <= set(found)
    assert all(UNITS[name] == unit for name, unit in found.items())


def false_guesses(clean: pa.Table) -> int:
    """Return how many units are guessed to have changed from one month to the next, and from two weeks to the next day."""
    by_month = [flights.months(clean, [m]) for m in range(1, 13)]
    found = sum(len(guessed(a, b)) for a, b in itertools.pairwise(by_month))
    found += sum(len(guessed(by_month[2], after)) for after in by_month[3:])
    for month in range(2, 13):
        days = between(clean, f"{month:02}-01", f"{month:02}-15"), between(clean, f"{month:02}-15", f"{month:02}-16")
        found += len(guessed(*days))
    return found


def test_no_change_is_guessed_where_there_is_none(clean: pa.Table) -> None:
    assert false_guesses(clean) == 0


def test_the_gate_sees_a_guess_by_distance_alone(clean: pa.Table, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(units, "_fits", lambda *_: True)
    assert false_guesses(clean) > 20


@pytest.mark.parametrize("mean", [0.0, 10.0, 50.0, 1_000.0])
@pytest.mark.parametrize("move", [-8.0, -3.0, -0.5, 0.5, 3.0, 8.0, 30.0])
def test_a_plain_shift_is_no_change_of_units(mean: float, move: float, rng: np.random.Generator) -> None:
    before, after = rng.normal(mean, 10, 3_000), rng.normal(mean + 10 * move, 10, 2_000)
    assert guess_units(numeric(before), numeric(after)) is None
    found = parts_of(numeric(before), numeric(after))
    assert [part.aspect for part in found] == ["shift"]
    assert found[0].size == pytest.approx(move, rel=0.05, abs=0.1)


@pytest.mark.parametrize("conversion", CONVERSIONS, ids=lambda c: f"{c.old} to {c.new}")
def test_every_conversion_is_found_again(conversion: units.Conversion, rng: np.random.Generator) -> None:
    before, after = np.round(rng.gamma(9.0, 30.0, 3_000)), np.round(rng.gamma(9.0, 32.0, 2_000))
    found = guess_units(numeric(before), numeric(after * conversion.factor + conversion.offset))
    assert found is not None
    pairs = [f"{found.old} to {found.new}", *found.others]
    assert f"{conversion.old} to {conversion.new}" in pairs
    assert found.explained > 0.6


def test_centre_spread_and_tails_are_told_apart(rng: np.random.Generator) -> None:
    before = numeric(rng.normal(size=4_000))
    wider = parts_of(before, numeric(rng.normal(0, 1.5, 4_000)))
    assert [p.aspect for p in wider] == ["spread"]
    assert wider[0].size == pytest.approx(1.5, rel=0.06)
    tails = np.where(rng.random(4_000) < 0.04, rng.normal(0, 8, 4_000), rng.normal(size=4_000))
    assert [p.aspect for p in parts_of(before, numeric(tails))] == ["tails"]
    assert parts_of(before, numeric(rng.normal(size=4_000))) == []


def test_categories_that_come_and_go(rng: np.random.Generator) -> None:
    def categories(counts: dict[str, int], nulls: int = 0) -> CategoricalColumn:
        made = CategoricalColumn()
        made.rows, made.nulls = sum(counts.values()) + nulls, nulls
        made.categories.update(list(counts), np.array(list(counts.values()), dtype=np.int64))
        return made

    found = {
        p.aspect: p for p in parts_of(categories({"a": 800, "b": 150, "c": 50}), categories({"a": 700, "d": 200}, 100))
    }
    assert set(found) == {"new categories", "vanished categories", "nulls"}
    assert found["new categories"].names == ("d",)
    assert found["vanished categories"].names == ("b", "c")
    assert (found["nulls"].before, found["nulls"].after) == (0, 0.1)
