"""How often 95 % intervals of weighted sets of labels, many classes and lists hold the truth, where weights go with difficulty.

The truth is that of so many draws that its own error is below a tenth of the interval's.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from benchmarks.statistics.tasks import REPETITIONS, shares, tell
from watchkeeper.metrics import many, multilabel, ranking
from watchkeeper.metrics.estimate import Estimate
from watchkeeper.profiles.many import ManyClassOutcome
from watchkeeper.profiles.multilabel import MultilabelOutcome
from watchkeeper.profiles.rows import ManyRows, RankRows, SetRows, WeightedRows
from watchkeeper.profiles.weighted_lists import WeightedRankingOutcome
from watchkeeper.profiles.weighted_many import WeightedManyOutcome
from watchkeeper.profiles.weighted_sets import WeightedSetOutcome
from watchkeeper.sketches.categories import hash_texts
from watchkeeper.sketches.kernel import Floats

CLASSES = [f"c{k}" for k in range(12)]
HASHES = hash_texts(CLASSES)
SETS = ("f1_macro", "f1_micro", "f1_samples", "hamming_loss", "subset_accuracy")
MANY = ("accuracy", "f1_macro", "f1_weighted", "top_k_accuracy")
LISTS = ("ndcg", "map", "mrr", "hit_rate", "precision_at_k", "recall_at_k")


def weights(rng: np.random.Generator, hard: Floats) -> Floats:
    """Return weights, gamma of shape .6, that are twice as large where it is hard."""
    return rng.gamma(0.6, 1, len(hard)) * (1 + hard)


def sets(rng: np.random.Generator, rows: int) -> list[Estimate]:
    """Return the metrics of sets of four labels."""
    hard = (rng.random(rows) < 0.5).astype(float)
    label = rng.random((4, rows)) < np.array([[0.5], [0.3], [0.2], [0.1]])
    guess = label ^ (rng.random((4, rows)) < 0.05 + 0.35 * hard)
    yes = np.ones(rows, dtype=bool)
    outcome = WeightedSetOutcome(MultilabelOutcome(4))
    outcome.update(WeightedRows(SetRows(label, guess, yes, yes, ~yes, ~yes), weights(rng, hard)))
    return [getattr(multilabel, name)(outcome) for name in SETS]


def classes(rng: np.random.Generator, rows: int) -> list[Estimate]:
    """Return the metrics of twelve classes, counted as thousands are; the label is among the first five or it is not."""
    hard = (rng.random(rows) < 0.5).astype(float)
    label = (12 * rng.random(rows) ** 1.5).astype(np.int64)
    rank = np.where(rng.random(rows) < 0.8 - 0.4 * hard, 0, rng.integers(1, 9, rows))
    guess = np.where(rank == 0, label, (label + rng.integers(1, 12, rows)) % 12)
    outcome = WeightedManyOutcome(ManyClassOutcome(64))
    outcome.update(WeightedRows(ManyRows(label, guess, rank, CLASSES, HASHES), weights(rng, hard)))
    return [*(many.many_metric(name, outcome) for name in MANY[:-1]), many.top_k_accuracy(outcome)]


def lists(rng: np.random.Generator, count: int) -> list[Estimate]:
    """Return the metrics of lists of 2 to 12 rows."""
    hard, sizes = (rng.random(count) < 0.5).astype(float), rng.integers(2, 13, count)
    query = np.repeat(rng.integers(0, 2**63, count).astype(np.uint64), sizes)
    relevance = np.maximum(rng.integers(-3, 4, len(query)), 0).astype(float)
    score = np.repeat(1 - hard, sizes) * relevance + rng.normal(size=len(query))
    ties, none = rng.integers(0, 2**63, len(query)).astype(np.uint64), np.zeros(len(query), dtype=bool)
    rows = RankRows(query, ~none, score, relevance, none, ties)
    outcome = WeightedRankingOutcome()
    outcome.update(WeightedRows(rows, np.repeat(weights(rng, hard), sizes)))
    return [getattr(ranking, name)(outcome) for name in LISTS]


def plainly(found: Estimate, rows: int) -> Estimate:
    """Return a share with the interval that it would have if every row counted for one (control)."""
    half = 1.96 * math.sqrt(found.value * (1 - found.value) / rows)
    return Estimate(found.value, found.value - half, found.value + half, rows)


def table(
    names: tuple[str, ...], draw: Callable[[np.random.Generator, int], list[Estimate]], truth: list[float]
) -> None:
    """Print the lines of one task."""
    control = next((place for place, name in enumerate(names) if name in {"subset_accuracy", "accuracy"}), None)
    unit = "lists" if names is LISTS else "rows"
    for rows in (200, 2_000) if unit == "rows" else (100, 1_000):

        def one(rng: np.random.Generator, n: int = rows) -> list[Estimate]:
            found = draw(rng, n)
            return found if control is None else [*found, plainly(found[control], n)]

        expected = truth if control is None else [*truth, truth[control]]
        worth = np.mean([draw(np.random.default_rng(k), rows)[0].n for k in range(50)])
        for place, share in enumerate(shares(one, expected, rows)):
            name = names[place] if place < len(names) else f"{names[control or 0]} as if unweighted (control)"
            tell(f"{name}, {draw.__name__}", f"{rows:,} {unit}, worth {worth:.0f}", share)


def main() -> None:
    """Print the table."""
    print(f"{REPETITIONS:,} draws a figure\n\n| interval of | from | holds the truth |\n|---|---|---|")
    large = [lists(np.random.default_rng(100 + k), 1_400) for k in range(300)]
    ranked = [float(np.mean([found[place].value for found in large])) for place in range(len(LISTS))]
    table(SETS, sets, [found.value for found in sets(np.random.default_rng(2), 2_000_000)])
    table(MANY, classes, [found.value for found in classes(np.random.default_rng(2), 2_000_000)])
    table(LISTS, lists, ranked)
