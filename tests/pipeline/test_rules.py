"""Monitors that a server cannot serve are refused when they are applied, not left to sleep."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from traffic import TARGET, open_pipeline

from watchkeeper.errors import InputError, InvalidMonitors, UnknownModel
from watchkeeper.pipeline.outbox import _words
from watchkeeper.pipeline.responding import told
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


@pytest.mark.parametrize(
    ("monitors", "says"),
    [
        ("{metric: roc_auc, segments: [citty]}", r"monitors\[0\].segments: .*Did you mean 'city'"),
        ("{metric: null_share, columns: [amuont]}", r"monitors\[0\].columns: .*Did you mean 'amount'"),
    ],
)
def test_what_the_schema_does_not_have_cannot_be_watched(tmp_path: Path, monitors: str, says: str) -> None:
    with open_pipeline(tmp_path / "store") as pipeline:
        for call in (pipeline.plan_monitors, lambda t, x: pipeline.apply_monitors(t, x, "somebody")):
            with pytest.raises(InvalidMonitors, match=says):
                call(TARGET, f"{{model: credit, monitors: [{monitors}]}}")
        fine = monitors.replace("citty", "city").replace("amuont", "amount")
        assert pipeline.apply_monitors(TARGET, f"{{model: credit, monitors: [{fine}]}}", "somebody")["revision"] == 1


def test_what_the_operators_file_does_not_have_is_warned_of(tmp_path: Path) -> None:
    text = "{model: credit, monitors: [{metric: roc_auc}], respond: [{notify: [oncal], act: retrian}]}"
    with open_pipeline(tmp_path / "store") as pipeline:
        file = tmp_path / "store" / "watchkeeper.yaml"
        file.write_text("{channels: {oncall: {url: 'slack://a'}}, actions: {retrain: {command: [x]}}}")
        for answer in (pipeline.plan_monitors(TARGET, text), pipeline.apply_monitors(TARGET, text, "somebody")):
            channel, action = answer["warnings"]
            assert "'oncal'" in channel and "Did you mean 'oncall'?" in channel
            assert "'retrian'" in action and "Did you mean 'retrain'?" in action
        right = text.replace("oncal]", "oncall]").replace("retrian", "retrain")
        assert pipeline.plan_monitors(TARGET, right)["warnings"] == []


def test_a_clock_is_the_models(tmp_path: Path) -> None:
    text = "{model: credit, clock: %s, monitors: [{metric: roc_auc}]}"
    with open_pipeline(tmp_path / "store") as pipeline:
        own = pipeline.catalog.model(TARGET).clock
        other = "wall" if own == "event" else "event"
        with pytest.raises(InvalidMonitors, match=f"goes by the {own} clock"):
            pipeline.plan_monitors(TARGET, text % other)
        pipeline.apply_monitors(TARGET, text.replace("clock: %s, ", ""), "somebody")
        assert pipeline.plan_monitors(TARGET, text % own)["changes"] == []


def test_a_silence_is_of_a_monitor_that_is_there(tmp_path: Path) -> None:
    until = datetime.now(UTC) + timedelta(hours=1)
    said: dict[str, Any] = {"model": "credit", "until": until, "reason": "A test", "actor": "somebody"}
    with open_pipeline(tmp_path / "store") as pipeline:
        pipeline.apply_monitors(TARGET, "{model: credit, monitors: [{metric: roc_auc}]}", "somebody")
        with pytest.raises(UnknownModel, match=r"monitor 'roc_auk'.*'roc_auc'"):
            pipeline.silence("default", monitor="roc_auk", **said)
        assert pipeline.silence("default", monitor="roc_auc", **said)["monitor"] == "roc_auc"


def test_a_message_says_that_it_is_over_and_in_whole_sentences() -> None:
    columns = [{"column": "amount", "words": "more nulls."}, {"column": "city", "words": "new categories"}]
    evidence = {"findings": [{"words": "fell by 0.1, 0.02 is tolerated"}, {"words": "It fell."}], "columns": columns}
    title, text = told("opened", "AUC is critical", evidence)
    assert title == "AUC is critical"
    assert text == "fell by 0.1, 0.02 is tolerated. It fell. What moved: amount: more nulls; city: new categories."
    title, text = told("resolved", "AUC is critical", evidence)
    assert title == "Resolved: AUC is critical"
    assert text.startswith("It is over. fell by 0.1")


def test_letters_for_a_channel_that_is_not_there_are_not_called_fine() -> None:
    counted = {"sent": None, "waiting": 1, "dead": 0, "failing": 0, "lately": 0, "error": None}
    missing = _words("oncall", None, counted)
    assert missing["state"] == "failing"
    assert "names no channel of this name" in missing["last_error"]
    assert _words("oncall", None, counted | {"waiting": 0})["state"] == "fine"
