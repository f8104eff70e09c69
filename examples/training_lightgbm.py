"""LightGBM, watched by a callback that stops it when asked: a healthy run, and one with a learning rate that is too high."""

from __future__ import annotations

import lightgbm as lgb
import numpy as np

from watchkeeper.integrations.lightgbm import WatchCallback
from watchkeeper.training.finding import Findings


def train(rate: float) -> Findings:
    """Boost trees, and return what was found."""
    drawn = np.random.default_rng(0)
    x = drawn.normal(size=(1200, 12))
    y = x[:, :6].sum(axis=1) + drawn.normal(size=1200) > 0
    rows = lgb.Dataset(x[:800], y[:800])
    held = rows.create_valid(x[800:], y[800:])
    watch = WatchCallback(stop_on="critical")
    settings = {"objective": "binary", "learning_rate": rate, "max_depth": 3, "num_threads": 1, "verbose": -1}
    lgb.train(settings, rows, 60, valid_sets=[rows, held], valid_names=["train", "val"], callbacks=[watch])
    return watch.findings


if __name__ == "__main__":
    for rate in (0.1, 8.0):
        print(f"learning rate {rate}:", *train(rate) or ["nothing found"], sep="\n  ")
