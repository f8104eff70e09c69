"""A small table of a binary task."""

from __future__ import annotations

import numpy as np
import pyarrow as pa


def scored_table(rows: int, seed: int, shift: float = 0.0) -> pa.Table:
    """Return a small table of a binary task over ten days."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=rows) + shift
    score = 1 / (1 + np.exp(-x - rng.normal(size=rows)))
    return pa.table(
        {
            "when": pa.array(np.sort(rng.integers(0, 10 * 86_400, rows)) * 1_000_000, pa.timestamp("us", "UTC")),
            "x": x,
            "city": np.array(["Oslo", "Rome", "Lima"])[rng.integers(0, 3, rows)],
            "score": score,
            "prediction": (score >= 0.5).astype(int),
            "label": (rng.random(rows) < score).astype(int),
        }
    )
