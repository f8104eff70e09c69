"""Champion against challenger: the numbers, and what the interval promises."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from watchkeeper.response.challenger import accuracy, compare, rmse, roc_auc


def test_the_area_is_that_of_scikit_learn_ties_and_all() -> None:
    rng = np.random.default_rng(5)
    for _ in range(20):
        truth, score = rng.integers(0, 2, 200), np.round(rng.random(200), 1)
        assert roc_auc(truth, score) == pytest.approx(roc_auc_score(truth, score), abs=1e-12)
    assert math.isnan(roc_auc(np.ones(3), np.arange(3)))


def test_less_error_is_better_and_more_accuracy_too() -> None:
    truth, days = np.arange(12.0), np.repeat(np.arange(4), 3)
    found = compare("rmse", truth, truth + 2, truth + 1, days)
    assert (found.champion, found.challenger, found.improvement) == (2.0, 1.0, 1.0)
    assert found.better
    assert not compare("rmse", truth, truth + 1, truth + 2, days).better
    assert rmse(truth, truth) == 0.0
    assert accuracy(np.array([1, 2]), np.array([1, 3])) == 0.5


def test_one_day_tells_nothing() -> None:
    found = compare("accuracy", np.ones(50), np.zeros(50), np.ones(50), np.zeros(50, dtype=np.int64))
    assert found.improvement == 1.0
    assert not found.better
    assert "too few to tell" in found.words
    assert found.to_dict()["low"] is None


def test_a_challenger_that_is_no_better_is_seldom_promoted() -> None:
    """Over 1,000 pairs of equally good models with days of their own kind: 2.5 % at most seem better, save for chance."""
    rng = np.random.default_rng(11)
    promoted = 0
    for turn in range(1000):
        days = np.repeat(np.arange((3, 5, 8)[turn % 3]), 60)
        effect = rng.normal(size=days.max() + 1)[days]
        signal = rng.normal(size=len(days)) + effect / 2
        truth = (rng.random(len(days)) < 1 / (1 + np.exp(-signal))).astype(int)
        first, second = (signal + rng.normal(size=len(days)) * (1 + 0.3 * np.abs(effect)) for _ in range(2))
        promoted += compare("roc_auc", truth, first, second, days).better
    assert promoted / 1000 <= 0.025 + 3 * math.sqrt(0.025 * 0.975 / 1000)


def test_one_good_day_among_bad_ones_is_not_enough() -> None:
    """Rows as the unit would promise far too much: the challenger is much better on one of five days, worse on the others."""
    days, truth = np.repeat(np.arange(5), 2000), np.zeros(10_000)
    champion, challenger = np.zeros(10_000), np.full(10_000, 0.3)
    champion[days == 2] = 2.0
    found = compare("rmse", truth, champion, challenger, days)
    assert found.improvement > 0.5
    assert not found.better
