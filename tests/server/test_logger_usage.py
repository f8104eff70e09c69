"""A logger and a server, all the way: what the process of the one used is what the other measures."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from live import Live

import watchkeeper as wk
from watchkeeper.client.meter import MEASURES
from watchkeeper.client.settings import Settings
from watchkeeper.client.usage import CPU_HEADER, RSS_HEADER, Usage


def measured(real: Live, model: str, metric: str) -> list[dict[str, Any]]:
    assert real.app.state.services.pipeline.settle()
    where = f"/api/v1/measurements?model={model}&every=month&metric={metric}"
    found: list[dict[str, Any]] = real.ask("GET", where, "viewer").json.get("measurements", [])  # none of no model
    return found


@pytest.mark.skipif(not MEASURES, reason="what this system tells of a process is not read")
@pytest.mark.parametrize("durability", ["memory", "disk"])
def test_what_a_logger_told_is_measured(
    real: Live, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, durability: Any
) -> None:
    pipeline, told, model = real.app.state.services.pipeline, [], f"used-{durability}"
    submit = pipeline.submit

    def noting(*args: Any) -> Any:
        told.extend(used for used in args if isinstance(used, Usage))
        return submit(*args)

    monkeypatch.setattr(pipeline, "submit", noting)
    settings = Settings(spool=str(tmp_path / "spool"), batch_rows=100, durability=durability)
    before = time.process_time()
    with wk.Logger(model, "1", url=real.url, key=real.secrets["ingest"], settings=settings) as log:
        for place in range(1000):
            log.prediction({"place": place % 7}, place % 2, 0.25)
        assert log.flush(20)
        log.predictions({"place": [1, 2], "prediction": [0, 1], "score": [0.5, 0.5]})
        assert log.flush(20)
    used = time.process_time() - before
    seconds = sum(row["value"] for row in measured(real, model, "cpu_seconds"))
    assert len(told) >= 11
    assert seconds == pytest.approx(sum(u.cpu_seconds or 0 for u in told), rel=1e-12)
    assert 0 < seconds <= used
    (held,), (most,) = measured(real, model, "rss_bytes"), measured(real, model, "rss_bytes_max")
    assert 2**24 < held["value"] <= most["value"] < 2**40


HOSTILE = ["nan", "inf", "-1", "1e99", "none", "", "0.5, 0.5", "9" * 5000, "\x80\xff", "1\t2"]


@pytest.mark.parametrize("value", HOSTILE, ids=lambda value: ascii(value)[:12])
def test_what_cannot_be_true_costs_no_batch(real: Live, value: str) -> None:
    model = f"hostile-{HOSTILE.index(value)}"
    body = {"predictions": [{"id": "a", "prediction": 1, "score": 0.5}]}
    for headers in ({CPU_HEADER: value, RSS_HEADER: value}, {CPU_HEADER: value}):
        answer = real.ask("POST", f"/api/v1/predictions?model={model}&version=1", "ingest", body, headers)
        assert answer.status == 200, answer.body
    assert measured(real, model, "cpu_seconds") == measured(real, model, "rss_bytes") == []
    assert measured(real, model, "throughput") != []


def test_a_batch_without_a_usable_row_tells_nothing(real: Live) -> None:
    body = {"predictions": [{"id": "a", "prediction": 1, "timestamp": "soon"}]}
    headers = {CPU_HEADER: "0.5", RSS_HEADER: "1e9"}
    answer = real.ask("POST", "/api/v1/predictions?model=unusable&version=1", "ingest", body, headers)
    assert (answer.status, answer.json["rejected"]) == (200, 1)
    assert measured(real, "unusable", "cpu_seconds") == []
