"""Errors of forecasts by horizon against brute force."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

import watchkeeper as wk
from watchkeeper.errors import InvalidSchema
from watchkeeper.metrics import regression as ours
from watchkeeper.profiles.outcome import ForecastOutcome

SCHEMA = wk.Schema(target="y", prediction="p", horizon="h", timestamp="t")


def forecasts(rng: np.random.Generator, days: int = 120, worse: float = 0.0) -> pa.Table:
    """Return a random walk, forecast 1, 2 and 7 days ahead by its last value; ``worse`` spoils the longest horizon."""
    walk = np.cumsum(rng.normal(size=days + 7))
    rows = {"t": [], "h": [], "y": [], "p": []}
    for horizon in (1, 2, 7):
        rows["t"] += [np.datetime64("2024-01-01", "us") + np.timedelta64(day, "D") for day in range(days)]
        rows["h"] += [horizon] * days
        rows["y"] += walk[np.arange(days) + horizon].tolist()
        rows["p"] += (walk[:days] + (worse if horizon == 7 else 0.0)).tolist()
    order = rng.permutation(3 * days)
    return pa.table({name: np.array(values)[order] for name, values in rows.items()})


def test_each_horizon_by_brute_force(rng: np.random.Generator) -> None:
    table = forecasts(rng)
    schema = wk.infer_schema(table, SCHEMA)
    assert (schema.task, schema.segments) == ("forecasting", ["h"])
    frame = table.to_pandas().sort_values("t")
    scale = frame[frame.h == 1].y.diff().abs().mean()
    assert schema.naive_scale == pytest.approx(scale)
    assert "naive_scale" in schema.guessed
    profile = wk.profile(table, schema)
    found = dict(profile.segments["h"].items())
    assert {*found} == {"1", "2", "7"}
    for name, outcome in found.items():
        error = (frame.y - frame.p)[frame.h == int(name)]
        assert ours.mae(outcome).value == pytest.approx(error.abs().mean())
        assert ours.rmse(outcome).value == pytest.approx(np.sqrt((error**2).mean()))
        assert ours.mean_error(outcome).value == pytest.approx(error.mean())
        scaled = ours.mase(outcome)
        assert scaled.value == pytest.approx(error.abs().mean() / scale)
        assert scaled.high / scaled.value == pytest.approx(ours.mae(outcome).high / ours.mae(outcome).value)
    assert ours.mase(profile.outcome).n == 360


def test_one_horizon_that_got_worse_is_found(rng: np.random.Generator) -> None:
    before, after = forecasts(rng, 400), forecasts(rng, 400, worse=6.0)
    report = wk.compare(before, after, schema=SCHEMA)
    verdicts = {row["what"]: row["verdict"] for row in report.verdicts().to_pylist()}
    assert verdicts["mae [h=7]"] in {"warning", "critical"}
    assert {verdicts["mae [h=1]"], verdicts["mae [h=2]"]} <= {"ok", "not enough data"}
    rows = report.measurements().to_pylist()
    assert {row["segment"] for row in rows if row["metric"] == "mase"} == {None, "h=1", "h=2", "h=7"}


def test_several_series_have_no_scale_that_could_be_guessed(rng: np.random.Generator) -> None:
    table = forecasts(rng)
    twice = pa.concat_tables([table, table])
    schema = wk.infer_schema(twice, SCHEMA)
    assert schema.naive_scale is None
    assert not ours.mase(wk.profile(twice, schema).outcome).known
    given = wk.profile(twice, wk.infer_schema(twice, SCHEMA.replace(naive_scale=2.0)))
    assert isinstance(given.outcome, ForecastOutcome)
    assert ours.mase(given.outcome).value == pytest.approx(ours.mae(given.outcome).value / 2)


def test_a_scale_that_is_none() -> None:
    with pytest.raises(InvalidSchema, match="naive_scale"):
        wk.Schema(naive_scale=-1.0)
