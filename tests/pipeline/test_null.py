"""Nothing is not taken for something more often than the budget says, at any size of window, and shifts are found (A5)."""

from __future__ import annotations

import sys
from datetime import timedelta
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks.statistics import null
from traffic import ARROW, ipc

from watchkeeper.pipeline.detecting import Sealed
from watchkeeper.pipeline.pipeline import Pipeline
from watchkeeper.pipeline.settings import PipelineSettings
from watchkeeper.response import evaluate
from watchkeeper.window import DAY, moment


def through_a_pipeline(folder: Path, made: null.Month) -> tuple[list[set[str]], list[int]]:
    """Return the columns that alarm in each window, and the windows that open an incident, of a month sent day by day."""
    settings = PipelineSettings(base="day", measured=("day",), evaluation_delay=timedelta(hours=1))
    with Pipeline.open(folder, settings) as pipeline:
        pipeline.register(null.TARGET, null.SCHEMA.to_dict(), "event")
        pipeline.set_reference(null.TARGET, null.profile_of(made.reference).to_bytes())
        pipeline.apply_monitors(null.TARGET, null.MONITORS, "ada")
        for day in made.days:
            pipeline.submit("predictions", null.TARGET, None, ARROW, ipc(day)).result(30)
        assert pipeline.settle()
        verdicts = pipeline.verdicts(null.TARGET, "day", None, None)
        incidents = pipeline.incidents("default")
    alarms = [{f["column"] for f in v["findings"] if f["verdict"] in {"warning", "critical"}} for v in verdicts]
    starts = [moment(null.BEGIN + day * DAY).isoformat() for day in range(len(made.days))]
    assert [v["start"] for v in verdicts] == starts[: len(verdicts)]
    return alarms, sorted(starts.index(i["window"][0]) for i in incidents)


def by_itself(made: null.Month) -> tuple[list[set[str]], list[int]]:
    """Return the same, measured and judged without a pipeline."""
    windows = null.judged(null.sealed(made))
    return [{str(f.column) for f in findings if f.alarming} for findings in windows], null.opened(windows)


def as_one_month(folder: Path, count: int, windows: int, shift: float) -> None:
    made = null.month(7, count, windows + 1, shift)
    alarms, opened = through_a_pipeline(folder, made)
    expected, first = by_itself(null.Month(made.reference, made.days[:windows]))
    assert (alarms, opened) == (expected, first)
    assert bool(opened) is bool(shift)


@pytest.mark.parametrize(("count", "windows", "shift"), [(500, 6, 0.0), (300, 4, 0.4)])
def test_a_month_by_itself_is_what_a_pipeline_says(tmp_path: Path, count: int, windows: int, shift: float) -> None:
    as_one_month(tmp_path, count, windows, shift)


@pytest.mark.long
@pytest.mark.parametrize("count", null.SIZES)
def test_whole_months_are_what_a_pipeline_says(tmp_path: Path, count: int) -> None:
    as_one_month(tmp_path, count, null.WINDOWS, 0.0)
    (tmp_path / "shifted").mkdir()
    as_one_month(tmp_path / "shifted", count, null.WINDOWS, 0.5)


@pytest.fixture(scope="module")
def months() -> list[list[Sealed]]:
    """Return months without a change, four of 100 and four of 500 rows a window."""
    return [null.sealed(null.month(seed, count)) for count in (100, 500) for seed in range(4)]


def false_alarms(months: list[list[Sealed]]) -> int:
    return sum(bool(null.opened(null.judged(windows))) for windows in months)


def test_months_without_a_change_have_no_incident(months: list[list[Sealed]]) -> None:
    """One in twenty at most has one, so more than 1 of 8 would be a surprise of 1 in 17."""
    assert false_alarms(months) <= 1


def test_a_build_that_does_not_share_the_budget_out_is_caught(
    months: list[list[Sealed]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evaluate, "shares", lambda whole, checks: [whole] * len(checks))
    assert false_alarms(months) > 1


def test_shifts_are_found() -> None:
    """Where 95 % are found, fewer than 17 of 20 would be a surprise of 1 in 60."""
    assert null.found_shifts(null.SHIFTED_ROWS, 20).count >= 17


@pytest.mark.long
def test_the_whole_gate() -> None:
    rates = null.main()
    assert all(rates[f"null {count}"].share <= 0.05 for count in null.SIZES)
    assert rates["power"].share >= 0.95
