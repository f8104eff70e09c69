"""A schedule that looks at a share of the rows: what is kept counts in full, and labels share its fate."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_equal_to_offline import check_all
from traffic import TARGET, labels_json, labels_of, open_pipeline, predictions_arrow, send, table

from watchkeeper.client.ids import Mint
from watchkeeper.pipeline.identity import hashes_of
from watchkeeper.pipeline.thinning import left_out
from watchkeeper.response.monitors import Monitors
from watchkeeper.response.schedule import Schedule

MONITORS = """
model: credit
schedule: {working_hours: {sample: 1.0, hours: '08:00-20:00', days: [mon, tue, wed, thu, fri, sat, sun]},
           otherwise: {sample: 0.25}, zone: Europe/Berlin}
monitors:
  - {metric: accuracy, detect: {threshold: {warning: "< 0.2"}}}
"""
SCHEDULE = Monitors.from_yaml(MONITORS).schedule


def kept_of(rows: pa.Table) -> pa.Table:
    """Return the rows that the schedule leaves in."""
    out = left_out(SCHEDULE, hashes_of(rows["id"].combine_chunks()), rows["when"].cast(pa.int64()).to_numpy())
    return rows.filter(pa.array(~out))


@pytest.mark.parametrize("labels_first", [False, True])
def test_what_is_kept_is_measured_as_if_there_were_nothing_else(tmp_path: Path, labels_first: bool) -> None:
    rows = table(1_200, 31)
    kept = kept_of(rows)
    local = pc.hour(pc.cast(rows["when"], pa.timestamp("us", "Europe/Berlin")))
    day = pc.and_(pc.greater_equal(local, 8), pc.less(local, 20))
    assert 0.15 * 600 < kept.num_rows - pc.sum(day).as_py() < 0.35 * 600
    assert set(rows.filter(day)["id"].to_pylist()) <= set(kept["id"].to_pylist())
    with open_pipeline(tmp_path / "store") as pipeline:
        pipeline.apply_monitors(TARGET, MONITORS, "ada")
        sends = [("predictions", predictions_arrow(rows), True), ("labels", labels_json(labels_of(rows)), False)]
        for kind, body, arrow in reversed(sends) if labels_first else sends:
            send(pipeline, kind, body, arrow=arrow)
        assert check_all(pipeline, kept) > 2_000
        told = pipeline.models("default")[0]
        assert (told["rows"], told["sampled_out"], told["labels_waiting"], told["duplicates"]) == (
            kept.num_rows, rows.num_rows - kept.num_rows, 0, 0,
        )  # fmt: skip
        send(pipeline, "predictions", predictions_arrow(rows))
        assert pipeline.settle()
        assert pipeline.models("default")[0]["rows"] == kept.num_rows


@settings(derandomize=True, deadline=None, max_examples=40, database=None)
@given(st.floats(0, 1), st.floats(0, 1))
def test_a_larger_share_keeps_all_that_a_smaller_one_does(one: float, other: float) -> None:
    from watchkeeper.response.schedule import Pace

    small, large = (Schedule(otherwise=Pace(3600, share)) for share in sorted((one, other)))
    hashes = np.random.default_rng(3).integers(0, 2**64, 2_000, dtype=np.uint64)
    times = np.full(2_000, 1_700_000_000_000_000)
    first, second = ~left_out(small, hashes, times), ~left_out(large, hashes, times)
    assert not (first & ~second).any()
    assert abs(second.mean() - max(one, other)) < 0.05


def test_the_choice_says_nothing_of_the_row_sample() -> None:
    """Which keeps the smallest hashes: were the choice one of hashes too, it would see the thinned hours as if whole."""
    mint = Mint()
    begin = datetime(2026, 3, 2, 2, tzinfo=UTC)
    ids = pa.array([mint.at(int((begin + timedelta(seconds=n)).timestamp() * 1000)) for n in range(4_000)])
    hashes = hashes_of(ids)
    out = left_out(SCHEDULE, hashes, np.full(4_000, int(begin.timestamp() * 1_000_000)))
    smallest = hashes < np.quantile(hashes, 0.25)
    assert abs(out[smallest].mean() - out.mean()) < 0.06
