"""Numbers that SQLite keeps in another form than they came are believed all the same."""

from __future__ import annotations

from pathlib import Path

from traffic import TARGET, ipc, labels_of, offline, open_pipeline, predictions_arrow, send, table

from watchkeeper.pipeline.values import MeasurementQuery
from watchkeeper.store.rows import crc_of


def test_minus_zero() -> None:
    assert crc_of([-0.0]) == crc_of([0.0])


def test_a_window_that_is_its_own_reference_is_told(tmp_path: Path) -> None:
    rows = table(300, 51, 1.0)
    with open_pipeline(tmp_path / "store") as pipeline:
        pipeline.set_reference(TARGET, offline(rows).to_bytes())
        send(pipeline, "predictions", predictions_arrow(rows))
        send(pipeline, "labels", ipc(labels_of(rows)))
        assert pipeline.settle()
        assert pipeline.measurements(MeasurementQuery(TARGET)).num_rows > 50
        assert pipeline.serving(TARGET) == "3"
