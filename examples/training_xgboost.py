"""XGBoost, watched by a callback: a healthy run, one on labels that are noise, one with a feature that leaks the label."""

from __future__ import annotations

import numpy as np
import xgboost as xgb

from watchkeeper.integrations.xgboost import WatchCallback
from watchkeeper.training.finding import Findings


def train(kind: str) -> Findings:
    """Boost trees, and return what was found."""
    drawn = np.random.default_rng(0)
    x = drawn.normal(size=(1200, 12))
    y = x[:, :6].sum(axis=1) + drawn.normal(size=1200) > 0
    if kind == "noise":
        y = drawn.integers(0, 2, 1200).astype(bool)
    if kind == "leak":
        x[:, 7] = y + 0.01 * x[:, 7]
    rows, held = xgb.DMatrix(x[:800], y[:800]), xgb.DMatrix(x[800:], y[800:])
    watch = WatchCallback()
    settings = {"objective": "binary:logistic", "max_depth": 4, "nthread": 1}
    xgb.train(settings, rows, 80 if kind == "noise" else 20, evals=[(rows, "train"), (held, "val")],
              callbacks=[watch], verbose_eval=False)  # fmt: skip
    return watch.findings


if __name__ == "__main__":
    for kind in ("healthy", "noise", "leak"):
        print(f"{kind}:", *train(kind) or ["nothing found"], sep="\n  ")
