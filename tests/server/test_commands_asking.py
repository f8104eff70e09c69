"""What the command line says where there is nothing to show, and to whom it says how to get in."""

from __future__ import annotations

import pytest
from fake import FakePipeline
from live import Serve

from watchkeeper.cli import run
from watchkeeper.pipeline.reading import TABLE


@pytest.mark.parametrize(
    ("pending", "words"),
    [(0, "Nothing was measured yet.\n"), (7000, "Nothing was measured yet; 7,000 rows are still being counted.\n")],
)
def test_rows_that_wait_are_said_where_nothing_was_measured(
    serve: Serve, pipeline: FakePipeline, capsys: pytest.CaptureFixture[str], pending: int, words: str
) -> None:
    served = serve()
    pipeline.table = TABLE.empty_table()
    pipeline.models_known["default", "m"] = {"model": "m", "environment": "production", "pending": pending}
    assert run(["measurements", "m", "--url", served.url, "--key", served.secrets["admin"]]) == 0
    assert capsys.readouterr().out == words
