"""Outcomes that bound their memory wrongly: the laws must catch each."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from watchkeeper.profiles.many import ManyClassOutcome
from watchkeeper.profiles.ranking import NO_LIMIT, RankingOutcome
from watchkeeper.profiles.rows import ManyRows, RankRows, WeightedRows
from watchkeeper.profiles.weighted_lists import WeightedRankingOutcome
from watchkeeper.profiles.weighted_many import WeightedManyOutcome
from watchkeeper.sketches.categories import hash_texts
from watchkeeper.sketches.weighted import WeightedHistogram
from watchkeeper.testing import LawBroken, check_laws

N = 600


class ForgetsLimit(RankingOutcome):
    """Lets a query in again of which it dropped rows."""

    def _settle(self, parts: Sequence[RankingOutcome | RankRows]) -> None:
        super()._settle(parts)
        self.limit = NO_LIMIT


class KeepsFirstComers(ManyClassOutcome):
    """Keeps the classes that came first."""

    def _settle(self, hashes: Any, names: Sequence[str], counts: Any) -> None:
        new = np.array([name not in self.names for name in names], dtype=bool)
        room = self.capacity - len(self.names)
        super()._settle(hashes[~new], [n for n, is_new in zip(names, new, strict=True) if not is_new], counts[~new])
        chosen = np.flatnonzero(new)[: max(room, 0)]
        super()._settle(hashes[chosen], [names[place] for place in chosen.tolist()], counts[chosen])


class ForgetsToCoarsen(WeightedHistogram):
    """Leaves the sums of the longer part where they are, whatever the cells of the whole."""

    __slots__ = ()

    def _placed(self, part: Any, weights: Any) -> Any:
        placed = np.zeros((2, len(self.histogram.cells)))
        size = min(len(self.histogram.cells), weights.shape[1])
        placed[:, :size] = weights[:, :size]
        return placed


class ForgetsToAlign(WeightedManyOutcome):
    """Adds sums by place, whichever classes stand there."""

    @classmethod
    def merged(cls, parts: Sequence[Any]) -> Any:
        made = super().merged(parts)
        made.weights = np.zeros((len(made.plain.hashes), 3))
        for part in parts:
            size = min(len(made.weights), len(part.weights))
            made.weights[:size] += part.weights[:size]
        return made


class LeavesWeights(WeightedRankingOutcome):
    """Orders rows, and leaves their weights where they came."""

    def _settle(self, parts: Sequence[Any]) -> None:
        weight = np.concatenate([part.weight for part in parts])
        super()._settle(parts)
        self.weight = weight[: len(self.query)]


def rank_rows() -> RankRows:
    rng = np.random.default_rng(8)
    none = np.zeros(N, dtype=bool)
    query = rng.integers(0, 10, N).astype(np.uint64) * np.uint64(2**59)
    ties = rng.integers(0, 2**63, N).astype(np.uint64)
    return RankRows(query, ~none, rng.normal(size=N), rng.integers(0, 3, N).astype(float), none, ties)


def many_rows() -> ManyRows:
    rng = np.random.default_rng(8)
    names = [f"c{k}" for k in range(80)]
    label, guess = (rng.integers(0, 80, N) for _ in range(2))
    return ManyRows(label, guess, np.where(label == guess, 0, -1), names, hash_texts(names))


def adding(rows: Any) -> tuple[list[Callable[[Any], object]], Callable[[Any], object]]:
    edges = [0, 480, 500, 540, N]  # what the first piece has to drop comes again in the others
    pieces = [rows.take(slice(start, end)) for start, end in itertools.pairwise(edges)]
    return [lambda o, p=p: o.update(p) for p in pieces], lambda o: o.update(rows)


def weighing() -> tuple[list[Callable[[Any], object]], Callable[[Any], object]]:
    rng = np.random.default_rng(8)
    values, weights = rng.normal(size=4000), rng.gamma(1, 1, 4000)
    pieces = [slice(0, 100), slice(100, 4000)]
    return [lambda h, p=p: h.update(values[p], weights[p]) for p in pieces], lambda h: h.update(values, weights)


def weighed(rows: Any) -> WeightedRows:
    return WeightedRows(rows, np.random.default_rng(9).gamma(1, 1, N))


def weighted_many(capacity: int) -> WeightedManyOutcome:
    return WeightedManyOutcome(ManyClassOutcome(capacity))


def forgets_to_align(capacity: int) -> WeightedManyOutcome:
    return ForgetsToAlign(ManyClassOutcome(capacity))


CASES: list[tuple[Any, Any, Any, tuple[Any, ...]]] = [
    (RankingOutcome, ForgetsLimit, lambda: adding(rank_rows()), (200,)),
    (ManyClassOutcome, KeepsFirstComers, lambda: adding(many_rows()), (30,)),
    (WeightedHistogram, ForgetsToCoarsen, weighing, ()),
    (weighted_many, forgets_to_align, lambda: adding(weighed(many_rows())), (30,)),
    (WeightedRankingOutcome, LeavesWeights, lambda: adding(weighed(rank_rows())), (200,)),
]


@pytest.mark.parametrize(("genuine", "broken", "draw", "size"), CASES, ids=[case[1].__name__ for case in CASES])
def test_broken_bounds_are_caught(genuine: Any, broken: Any, draw: Any, size: tuple[Any, ...]) -> None:
    parts, whole = draw()
    check_laws(lambda: genuine(*size), parts, whole)
    with pytest.raises(LawBroken):
        check_laws(lambda: broken(*size), parts, whole)
