"""How good ranked lists are, from the queries that a ranking's outcome keeps.

A list counts once every one of its rows has a relevance: rows that nobody judged need a 0, not a null. A row with a
relevance above 0 is relevant. Rows of one score are ordered by a hash of the row, as if by chance. A list in which
nothing is relevant scores 0, as in scikit-learn. Queries are the unit of evidence; days, where there are five.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from watchkeeper.metrics.estimate import Estimate
from watchkeeper.metrics.means import mean_of_sums, share_of_sums
from watchkeeper.profiles.ranking import RankingOutcome, row_places
from watchkeeper.profiles.weighted_lists import WeightedRankingOutcome
from watchkeeper.sketches.kernel import Floats, Int64s

TOP = 10
"""How many rows of a list count, where a metric is at k and nothing else is said."""


@dataclass(frozen=True, slots=True)
class _Lists:
    """Rows of whole lists: the place of each row's list, its rank from 0, and its relevance, shape (n,); ``size`` lists.

    ``weight`` is that of each list, shape (size,): the mean of those of its rows, 1 where rows have none.
    """

    of: Int64s
    rank: Int64s
    relevance: Floats
    size: int
    weight: Floats

    def total(self, values: Floats) -> Floats:
        """Return the sum over each list, shape (size,)."""
        return np.bincount(self.of, values, self.size).astype(np.float64)


def ndcg(outcome: RankingOutcome, days: Sequence[RankingOutcome] = (), k: int = TOP) -> Estimate:
    """Discounted gain of the first 10 rows, relative to that of the best order of the same rows; gain is the relevance.

    References
    ----------
    Järvelin and Kekäläinen, ACM TOIS 20 (2002), 422-446.
    """

    def each(lists: _Lists) -> Floats:
        best = np.lexsort((-lists.relevance, lists.of))  # each list in its best order: ranks stay those of the places
        found = lists.total(np.where(lists.rank < k, lists.relevance / np.log2(lists.rank + 2), 0.0))
        ideal = lists.total(np.where(lists.rank < k, lists.relevance[best] / np.log2(lists.rank + 2), 0.0))
        return np.minimum(found / np.where(ideal > 0, ideal, 1.0), 1.0)

    return _mean(outcome, days, each)


def map(outcome: RankingOutcome, days: Sequence[RankingOutcome] = ()) -> Estimate:  # noqa: A001
    """Mean over lists of the average precision at each relevant row."""

    def each(lists: _Lists) -> Floats:
        hit = (lists.relevance > 0).astype(np.float64)
        seen = np.cumsum(hit)
        before = (seen - hit)[lists.rank == 0][lists.of]
        precision = hit * (seen - before) / (lists.rank + 1)
        return _ratio(lists.total(precision), lists.total(hit))

    return _mean(outcome, days, each)


def mrr(outcome: RankingOutcome, days: Sequence[RankingOutcome] = ()) -> Estimate:
    """Mean over lists of 1 / rank of the first relevant row; 0 where there is none."""

    def each(lists: _Lists) -> Floats:
        found = np.zeros(lists.size)
        np.maximum.at(found, lists.of, (lists.relevance > 0) / (lists.rank + 1))
        return found

    return _mean(outcome, days, each)


def hit_rate(outcome: RankingOutcome, days: Sequence[RankingOutcome] = (), k: int = TOP) -> Estimate:
    """Share of lists with a relevant row among the first 10."""
    return _mean(outcome, days, lambda lists: (_hits(lists, k) > 0).astype(np.float64), True)


def precision_at_k(outcome: RankingOutcome, days: Sequence[RankingOutcome] = (), k: int = TOP) -> Estimate:
    """Share of the first 10 places with a relevant row, averaged over lists; a shorter list leaves places empty."""
    return _mean(outcome, days, lambda lists: _hits(lists, k) / k)


def recall_at_k(outcome: RankingOutcome, days: Sequence[RankingOutcome] = (), k: int = TOP) -> Estimate:
    """Share of a list's relevant rows that are among its first 10, averaged over lists."""
    return _mean(
        outcome, days, lambda lists: _ratio(_hits(lists, k), lists.total((lists.relevance > 0).astype(np.float64)))
    )


def _hits(lists: _Lists, k: int) -> Floats:
    return lists.total(((lists.relevance > 0) & (lists.rank < k)).astype(np.float64))


def _ratio(above: Floats, below: Floats) -> Floats:
    return above / np.where(below > 0, below, 1.0)


def _lists(outcome: RankingOutcome, limit: int) -> _Lists:
    """Return the lists below a hash, of which every row has a relevance."""
    rows = int(np.searchsorted(outcome.query, np.uint64(limit)))
    rank, relevance = row_places(outcome.query[:rows]), outcome.relevance[:rows]
    of = np.cumsum(rank == 0) - 1
    open_ = np.bincount(of, np.isnan(relevance)) > 0 if rows else np.zeros(0, dtype=bool)
    whole = ~open_[of]
    weight = _weights(outcome, of)[~open_]
    return _Lists((np.cumsum(~open_) - 1)[of][whole], rank[whole], relevance[whole], len(weight), weight)


def _weights(outcome: RankingOutcome, of: Int64s) -> Floats:
    """Return the weight of each list, open ones too, from the list that each row is in."""
    if len(of) == 0 or not isinstance(outcome, WeightedRankingOutcome):
        return np.ones(int(of[-1]) + 1 if len(of) else 0)
    weight = outcome.weight[: len(of)]
    weighed = ~np.isnan(weight)
    return np.bincount(of, np.where(weighed, weight, 0.0)) / np.maximum(np.bincount(of, weighed), 1.0)


def _mean(
    outcome: RankingOutcome, days: Sequence[RankingOutcome], each: Callable[[_Lists], Floats], share: bool = False
) -> Estimate:
    lists = _lists(outcome, outcome.limit)
    terms = _terms(lists, each)
    sums, products = terms.sum(axis=1), np.array([[(a * b).sum() for b in terms] for a in terms])
    parts = [_lists(day, min(day.limit, outcome.limit)) for day in days]  # the same queries, told apart by day
    blocks = [block for block in (_terms(part, each).sum(axis=1) for part in parts) if block[0] > 0]
    return share_of_sums(sums, products, lists.size, blocks) if share else mean_of_sums(sums, products, blocks)


def _terms(lists: _Lists, each: Callable[[_Lists], Floats]) -> Floats:
    """Return of each list its weight, and that times its value, shape (2, size)."""
    return lists.weight * np.stack([np.ones(lists.size), each(lists)])
