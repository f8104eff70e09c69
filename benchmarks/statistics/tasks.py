"""How often 95 % intervals of the other tasks hold the truth: lists, sets of labels, weighted rows, best thresholds, folds.

The truth of each figure is a closed form, or that of so many draws that its own error is below a tenth of the interval's.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from scipy import stats

from watchkeeper.metrics import learning, multilabel, ranking
from watchkeeper.metrics.estimate import Estimate
from watchkeeper.metrics.value import value_curve
from watchkeeper.metrics.weighted import class_metric, number_metric
from watchkeeper.profiles.multilabel import MultilabelOutcome
from watchkeeper.profiles.outcome import BinaryOutcome, RegressionOutcome
from watchkeeper.profiles.profile import Profile
from watchkeeper.profiles.ranking import RankingOutcome
from watchkeeper.profiles.rows import ClassRows, NumberRows, RankRows, SetRows, WeightedRows
from watchkeeper.profiles.weighted import WeightedClassOutcome, WeightedNumberOutcome
from watchkeeper.schema import Schema

REPETITIONS = 1_000
PRICES = {"true_positive": 40.0, "false_positive": -10.0, "false_negative": -20.0, "true_negative": 1.0}


def lists(rng: np.random.Generator, count: int) -> RankingOutcome:
    """Return lists of 2 to 30 rows, some ranked well and some badly."""
    sizes = rng.integers(2, 31, count)
    query = np.repeat(rng.integers(0, 2**63, count).astype(np.uint64), sizes)
    relevance = np.maximum(rng.integers(-3, 4, len(query)), 0).astype(float)
    score = np.repeat(rng.normal(0.5, 0.5, count), sizes) * relevance + rng.normal(size=len(query))
    ties, none = rng.integers(0, 2**63, len(query)).astype(np.uint64), np.zeros(len(query), dtype=bool)
    outcome = RankingOutcome()
    outcome.update(RankRows(query, ~none, score, relevance, none, ties))
    return outcome


def sets(rng: np.random.Generator, rows: int) -> MultilabelOutcome:
    """Return sets of four labels; some rows are easy and some hard."""
    label = rng.random((4, rows)) < np.array([[0.5], [0.3], [0.2], [0.1]])
    guess = label ^ (rng.random((4, rows)) < rng.choice([0.05, 0.4], rows))
    yes = np.ones(rows, dtype=bool)
    outcome = MultilabelOutcome(4)
    outcome.update(SetRows(label, guess, yes, yes, ~yes, ~yes))
    return outcome


def weighted(rng: np.random.Generator, rows: int) -> tuple[WeightedClassOutcome, WeightedNumberOutcome]:
    """Return classes and numbers whose weights, gamma of shape .6, are worth 3/8 of the rows."""
    weight, label = rng.gamma(0.6, 1, rows), (rng.random(rows) < 0.3).astype(np.int16)
    score = rng.normal(1.2 * label)
    zeros, no = np.zeros(rows), np.zeros(rows, dtype=bool)
    codes = (score > 0.6).astype(np.int16)
    classes = WeightedClassOutcome(BinaryOutcome())
    made = ClassRows(label, codes, score[None, :], no, zeros, zeros, label * 0, score, label == 1)
    classes.update(WeightedRows(made, weight))
    numbers = WeightedNumberOutcome(RegressionOutcome())
    numbers.update(WeightedRows(NumberRows(rng.normal(size=rows), zeros), weight))
    return classes, numbers


def shares(
    draw: Callable[[np.random.Generator], list[Estimate]], truth: list[float], seed: int
) -> list[tuple[float, float]]:
    """Return for each metric how often its interval holds the truth, and the Monte-Carlo error."""
    rng = np.random.default_rng(seed)
    held = np.array([[e.low <= t <= e.high for e, t in zip(draw(rng), truth, strict=True)] for _ in range(REPETITIONS)])
    share = held.mean(axis=0)
    return [(float(s), math.sqrt(float(s) * (1 - float(s)) / REPETITIONS)) for s in share]


def tell(name: str, size: str, found: tuple[float, float]) -> None:
    print(f"| {name} | {size} | {100 * found[0]:.1f} % ± {100 * found[1]:.1f} |")


def ranked() -> None:
    metrics = [ranking.ndcg, ranking.map, ranking.mrr, ranking.hit_rate, ranking.precision_at_k, ranking.recall_at_k]
    whole = [lists(np.random.default_rng(100 + k), 900) for k in range(300)]
    truth = [float(np.mean([metric(o).value for o in whole])) for metric in metrics]
    for count in (30, 100, 400):

        def draw(rng: np.random.Generator, n: int = count) -> list[Estimate]:
            outcome = lists(rng, n)
            return [metric(outcome) for metric in metrics]

        for metric, share in zip(metrics, shares(draw, truth, count), strict=True):
            tell(metric.__name__, f"{count} lists", share)


def labelled() -> None:
    names = ("f1_macro", "f1_micro", "f1_samples", "hamming_loss", "subset_accuracy")
    metrics = [getattr(multilabel, name) for name in names]
    whole = sets(np.random.default_rng(2), 1_000_000)
    truth = [metric(whole).value for metric in metrics]
    for rows in (100, 1_000):

        def draw(rng: np.random.Generator, n: int = rows) -> list[Estimate]:
            outcome = sets(rng, n)
            return [metric(outcome) for metric in metrics]

        for name, share in zip(names, shares(draw, truth, rows), strict=True):
            tell(name, f"{rows:,} rows of 4 labels", share)


def with_weights() -> None:
    hit, false = 0.3 * stats.norm.sf(0.6 - 1.2), 0.7 * stats.norm.sf(0.6)
    truth = [hit + 0.7 - false, hit / (hit + false), hit / 0.3, 2 * hit / (hit + false + 0.3)]
    truth += [float(stats.norm.cdf(1.2 / math.sqrt(2))), math.sqrt(2 / math.pi), 1.0]
    for rows in (200, 2_000):

        def draw(rng: np.random.Generator, n: int = rows) -> list[Estimate]:
            classes, numbers = weighted(rng, n)
            found = [class_metric(name, classes) for name in ("accuracy", "precision", "recall", "f1", "roc_auc")]
            return [*found, number_metric("mae", numbers), number_metric("rmse", numbers)]

        names = ("accuracy", "precision", "recall", "f1", "roc_auc", "mae", "rmse")
        for name, share in zip(names, shares(draw, truth, rows), strict=True):
            tell(f"{name}, weighted", f"{rows:,} rows", share)


def thresholds() -> None:
    """The threshold with the highest value; scores rounded to .01, so that the truth is one of 100."""
    x = np.linspace(-4, 4, 80_001)
    share = 0.3 * stats.norm.pdf(x, 0.3) / (0.3 * stats.norm.pdf(x, 0.3) + 0.7 * stats.norm.pdf(x, -1.2))
    best = 1 / (1 + math.exp(-x[int(np.argmax(share * 60 - (1 - share) * 11 > 0))]))
    for rows, times in ((300, 300), (3_000, 300)):
        rng, held, point = np.random.default_rng(rows), [], []
        for _ in range(times):
            label = (rng.random(rows) < 0.3).astype(np.int16)
            score = np.round(1 / (1 + np.exp(-rng.normal(1.5 * label - 1.2))), 2)
            curve = value_curve(_profile(label, score), PRICES)
            held.append(curve.best_low - 0.01 <= best <= curve.best_high + 0.01)
            point.append(abs(curve.best_threshold - best) <= 0.01)
        for name, hits in (("best threshold: its range", held), ("best threshold: itself alone (control)", point)):
            mean = float(np.mean(hits))
            tell(name, f"{rows:,} rows", (mean, math.sqrt(mean * (1 - mean) / times)))


def _profile(label: np.ndarray, score: np.ndarray) -> Profile:
    schema = Schema(target="y", score="s", task="binary", positive="1", classes=["0", "1"], kinds={"s": "numeric"})
    profile = Profile(schema)
    codes, zeros, no = (score >= 0.5).astype(np.int16), np.zeros(len(score)), np.zeros(len(score), dtype=bool)
    rows = ClassRows(label, codes, score[None, :], no, zeros, zeros, label * 0, score, label == 1)
    assert isinstance(profile.outcome, BinaryOutcome)
    profile.outcome.update(rows)
    return profile


def cross_validated() -> None:
    """Means over k folds whose scores have the correlation 1/k."""
    for k in (5, 10):
        rng, held, plain = np.random.default_rng(k), [], []
        for _ in range(20 * REPETITIONS):
            scores = math.sqrt(1 / k) * rng.normal() + math.sqrt(1 - 1 / k) * rng.normal(size=k)
            found = learning.mean_of_folds(scores, learning.Judging())
            held.append(found.low <= 0 <= found.high)
            plain.append(abs(scores.mean()) <= stats.t.ppf(0.975, k - 1) * scores.std(ddof=1) / math.sqrt(k))
        for name, hits in (("mean over folds", held), ("mean over folds, plain t (control)", plain)):
            mean = float(np.mean(hits))
            tell(name, f"{k} folds", (mean, math.sqrt(mean * (1 - mean) / len(hits))))


def main() -> None:
    """Print the table."""
    print("| interval of | from | holds the truth |\n|---|---|---|")
    ranked()
    labelled()
    with_weights()
    thresholds()
    cross_validated()
