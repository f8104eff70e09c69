"""Make the two tables of the comparison benchmark: 20 numbers, 5 categories of 20 values, score, prediction, label."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

CHUNK = 500_000


def write(path: Path, rows: int, seed: int, shift: float) -> None:
    """Write ``rows`` x 28; the current table has its first number moved by ``shift`` standard deviations."""
    rng = np.random.default_rng(seed)
    names = np.array([f"value_{i:02d}" for i in range(20)])
    writer = None
    for start in range(0, rows, CHUNK):
        n = min(CHUNK, rows - start)
        columns: dict[str, pa.Array] = {}
        for i in range(20):
            values = (
                rng.normal(size=n) if i % 4 < 2 else rng.gamma(2.0, 10.0, n) if i % 4 == 2 else rng.random(n) * 1000
            )
            columns[f"number_{i:02d}"] = pa.array(values + (shift if i == 0 else 0.0))
        for i in range(5):
            codes = pa.array(rng.integers(0, 20, n).astype(np.int32))
            columns[f"category_{i}"] = pa.DictionaryArray.from_arrays(codes, pa.array(names)).cast(pa.string())
        score = 1 / (1 + np.exp(-(columns["number_00"].to_numpy() + rng.normal(size=n))))
        columns["score"] = pa.array(score)
        columns["prediction"] = pa.array((score >= 0.5).astype(np.int64))
        columns["label"] = pa.array((rng.random(n) < score).astype(np.int64))
        table = pa.table(columns)
        writer = writer or pq.ParquetWriter(path, table.schema)
        writer.write_table(table)
    assert writer is not None
    writer.close()


def tables(folder: Path, rows: int) -> tuple[Path, Path]:
    """Return reference and current of ``rows`` rows, made if they are not there."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = folder / f"reference-{rows}.parquet", folder / f"current-{rows}.parquet"
    for path, seed, shift in zip(paths, (1, 2), (0.0, 0.1), strict=True):
        if not path.exists():
            partial = path.with_suffix(".partial")
            write(partial, rows, seed, shift)
            partial.rename(path)
    return paths


if __name__ == "__main__":
    print(*tables(Path(sys.argv[1]), int(sys.argv[2])), sep="\n")
