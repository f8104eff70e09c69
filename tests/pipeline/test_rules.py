"""Monitors that a server cannot serve are refused when they are applied, not left to sleep."""

from __future__ import annotations

from pathlib import Path

import pytest
from traffic import TARGET, open_pipeline

from watchkeeper.errors import InputError, InvalidMonitors
from watchkeeper.pipeline.settings import PipelineSettings

HOURLY = "{model: credit, window: {every: 1h}, monitors: [{metric: roc_auc}]}"


def test_windows_that_are_not_measured_cannot_be_watched(tmp_path: Path) -> None:
    with open_pipeline(tmp_path / "store") as pipeline:
        with pytest.raises(InvalidMonitors, match="--window hour"):
            pipeline.apply_monitors(TARGET, HOURLY, "somebody")
        assert pipeline.monitors(TARGET)["author"] == "default"
    with open_pipeline(tmp_path / "other", measured=("hour", "day")) as pipeline:
        assert pipeline.apply_monitors(TARGET, HOURLY, "somebody")["revision"] == 1


def test_a_file_for_another_model_is_not_taken(tmp_path: Path) -> None:
    with open_pipeline(tmp_path / "store") as pipeline, pytest.raises(InvalidMonitors, match="for 'debit'"):
        pipeline.apply_monitors(TARGET, "{model: debit, monitors: [{metric: roc_auc}]}", "somebody")


def test_hours_cannot_be_told_from_days() -> None:
    with pytest.raises(InputError, match="kept by the day"):
        PipelineSettings(base="day", measured=("hour",))


def test_a_reference_that_would_not_be_used_is_refused(tmp_path: Path) -> None:
    text = "{model: credit, reference: {trailing: 28d}, monitors: [{metric: roc_auc}]}"
    with open_pipeline(tmp_path / "store") as pipeline, pytest.raises(InvalidMonitors, match="reference set"):
        pipeline.apply_monitors(TARGET, text, "somebody")


def test_a_schedule_says_when_a_wall_clock_is_looked_at(tmp_path: Path) -> None:
    text = "{model: credit, schedule: {otherwise: {every: 1h}}, monitors: [{metric: roc_auc}]}"
    with open_pipeline(tmp_path / "store") as pipeline:
        model = pipeline.catalog.model(TARGET)
        with pipeline.database.reading() as connection:
            assert [pipeline.detecting.due(connection, model) for _ in range(2)] == [True, True]
        pipeline.apply_monitors(TARGET, text, "somebody")
        with pipeline.database.reading() as connection:
            assert [pipeline.detecting.due(connection, model) for _ in range(2)] == [False, False]
