"""The best threshold for F1 against a closed form: for calibrated uniform scores it is (3 - sqrt 5) / 2."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import f1_score

import watchkeeper as wk
from watchkeeper.errors import InputError
from watchkeeper.metrics.best_f1 import BestThreshold, best_f1

TRUE = (3 - 5**0.5) / 2
"""F1 of the threshold t is (1 - t²) / (1.5 - t), whose derivative is 0 where t² - 3 t + 1 is."""
SCHEMA = wk.Schema(target="y", score="score", task="binary", positive=1)
RUNS = 60


def drawn(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    score = rng.random(n)
    return (rng.random(n) < score).astype(int), score


def found(n: int, seed: int) -> BestThreshold:
    y, score = drawn(n, seed)
    return best_f1(wk.profile({"y": y, "score": score}, SCHEMA))


def test_no_threshold_has_a_higher_f1() -> None:
    y, score = drawn(700, 1)
    best = found(700, 1)
    assert best.f1 == pytest.approx(max(f1_score(y, score >= t) for t in score))
    assert best.f1 == pytest.approx(f1_score(y, score >= best.threshold))
    assert best.low <= best.threshold <= best.high


def held(bests: list[BestThreshold]) -> int:
    return sum(best.low <= TRUE <= best.high for best in bests)


def test_the_range_holds_the_true_threshold_and_a_point_does_not() -> None:
    bests = [found(600, seed) for seed in range(RUNS)]
    assert held(bests) >= 0.9 * RUNS  # 95 % is promised; fewer than 54 of 60 come by chance in 3 % of such tests
    pointed = [replace(best, low=best.threshold, high=best.threshold) for best in bests]
    assert held(pointed) < 0.9 * RUNS


def test_more_rows_tell_more_thresholds_apart() -> None:
    few, many = (np.mean([b.high - b.low for b in (found(n, s) for s in range(8))]) for n in (300, 10_000))
    assert many < 0.6 * few
    assert found(10_000, 3).f1 == pytest.approx(2 * TRUE, abs=0.02)


def test_one_class_alone_has_no_threshold() -> None:
    with pytest.raises(InputError, match="some of the class"):
        best_f1(wk.profile({"y": [1, 1, 1], "score": [0.1, 0.2, 0.3]}, SCHEMA))
