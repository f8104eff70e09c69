"""Rows are read for a retraining while upkeep puts files together: none is missed."""

from __future__ import annotations

import contextlib
import threading
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from acted import SCHEMA, TARGET, start_of, traffic
from traffic import ARROW, ipc

from watchkeeper.pipeline.acting_export import Exports
from watchkeeper.pipeline.partition import RawRows
from watchkeeper.pipeline.pipeline import Pipeline

PARTS, ROWS = 5, 25


@pytest.fixture
def pipeline(tmp_path: Path) -> Any:
    """Return a pipeline with a day in several files, which are due to be put together."""
    rows = traffic().slice(0, ROWS)
    with Pipeline.open(tmp_path / "store") as made:
        made.register(TARGET, SCHEMA.to_dict(), "event")
        for part in range(PARTS):
            some = rows.filter(pa.array([place % PARTS == part for place in range(ROWS)]))
            made.submit("predictions", TARGET, None, ARROW, ipc(some)).result(30)
            assert made.settle()
            if part < PARTS - 1:
                made.tidy()
        yield made


def exported(pipeline: Pipeline, folder: Path, keeping: Any) -> tuple[int, list[str]]:
    """Export while upkeep goes on; returns how many rows came, and what was missing."""
    missing: list[str] = []
    raw = RawRows(pipeline.folder, lambda kind, row, error: missing.append(str(error)))
    tidying = threading.Thread(target=pipeline.tidy)
    whole = raw.labels_of

    def labels_of(connection: Any, *arguments: Any) -> Any:
        connection.execute("SELECT count(*) FROM file").fetchone()  # from here on it sees the store as it is now
        if not tidying.ident:
            tidying.start()
            tidying.join(0.5)  # it ends where nobody keeps it from removing files
        return whole(connection, *arguments)

    raw.labels_of = labels_of  # type: ignore[method-assign]
    version = pipeline.catalog.version(TARGET)
    bounds = (start_of(0), start_of(1))
    Exports(pipeline.database, pipeline.catalog, raw, keeping).training(version, bounds, folder / "training.parquet")
    tidying.join()
    return pq.read_table(folder / "training.parquet").num_rows, missing


def test_no_file_goes_while_it_is_read(pipeline: Pipeline, tmp_path: Path) -> None:
    assert exported(pipeline, tmp_path, pipeline._worker.upkeep.keeping_files) == (ROWS, [])


def test_an_export_that_does_not_keep_files_is_caught(pipeline: Pipeline, tmp_path: Path) -> None:
    rows, missing = exported(pipeline, tmp_path, contextlib.nullcontext)
    assert rows < ROWS
    assert missing
