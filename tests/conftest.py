"""Tables that several tests use."""

from __future__ import annotations

from pathlib import Path

import hypothesis
import pyarrow.parquet as pq
import pytest

from scored import scored_table

hypothesis.settings.register_profile("watchkeeper", deadline=None, derandomize=True)
hypothesis.settings.load_profile("watchkeeper")


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Return a reference, and a current file whose x moved by one standard deviation."""
    folder = tmp_path_factory.mktemp("files")
    paths = folder / "reference.parquet", folder / "current.parquet"
    for path, seed, shift in zip(paths, (1, 2), (0.0, 1.0), strict=True):
        pq.write_table(scored_table(4_000, seed, shift), path)
    return paths
