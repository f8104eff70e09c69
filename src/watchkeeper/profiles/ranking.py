"""What became of ranked lists: the rows of a sample of queries, whole, so that a query may come in many batches."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np

from watchkeeper.errors import CorruptProfile
from watchkeeper.profiles.rows import OutcomeRows, RankRows
from watchkeeper.sketches import kernel
from watchkeeper.sketches.kernel import Floats, UInt64s
from watchkeeper.sketches.protocol import State, array_of, count_of

WHOLE_ROWS = 16_384
"""Part of the format: so many rows of queries are kept of all rows."""
PART_ROWS = 2_048
"""Part of the format: so many are kept of a segment or day."""
DEPTH = 1_000
"""Part of the format: a list is as long as its first 1,000 rows."""
NO_LIMIT = 2**64 - 1


class RankingOutcome:
    """Outcomes of a ranking task: counts over all rows, and the whole lists of as many queries as fit.

    Queries are kept in the order of their hashes for as long as their rows, at most 1,000 of each, fit into
    ``capacity``; the hash of the first that did not fit is ``limit``. A part holds no more rows of a query than the
    whole, so what fits into the whole fits into every part: which queries are kept depends on the data alone, and they
    are kept with all of their rows, in whichever batches these came. Where all queries fit, nothing is estimated; else
    the queries are a uniform sample of all.

    Attributes
    ----------
    rows, unlabelled, unasked, unscored, strange
        All rows; those without a relevance, without a query, without a finite score (the last two are in no list); those
        whose relevance is below 0 or no number, which count as without one.
    query, score, tie, relevance
        The rows of the queries that are kept, shape (k,), by query and then by falling score; relevance NaN where not known.
    limit
        Queries with this hash or a larger one are not kept.
    """

    SUMS: frozenset[str] = frozenset()
    _COUNTS: tuple[str, ...] = ("rows", "unlabelled", "unasked", "unscored", "strange")
    _ARRAYS: tuple[str, ...] = ("query", "score", "tie", "relevance")

    def __init__(self, capacity: int = WHOLE_ROWS) -> None:
        self.capacity = capacity
        self.rows = self.unlabelled = self.unasked = self.unscored = self.strange = 0
        self.limit = NO_LIMIT
        self.query: UInt64s = np.empty(0, dtype=np.uint64)
        self.score: Floats = np.empty(0)
        self.tie: UInt64s = np.empty(0, dtype=np.uint64)
        self.relevance: Floats = np.empty(0)

    def update(self, rows: OutcomeRows) -> None:
        """Add rows."""
        assert isinstance(rows, RankRows)
        self.rows += len(rows)
        self.unlabelled += int(np.isnan(rows.relevance).sum())
        self.unasked += int((~rows.asked).sum())
        self.unscored += int((rows.asked & np.isnan(rows.score)).sum())
        self.strange += int(rows.strange.sum())
        near = np.flatnonzero(rows.asked & ~np.isnan(rows.score) & (rows.query < np.uint64(self.limit)))
        if len(near):
            self._settle([self, rows.take(near)])

    def label(self, rows: OutcomeRows) -> None:
        """Give rows that were counted without a relevance the one that they have now."""
        assert isinstance(rows, RankRows)
        self.strange += int(rows.strange.sum())
        known = rows.take(np.flatnonzero(~np.isnan(rows.relevance)))
        self.unlabelled -= len(known)
        if len(known) == 0 or len(self.query) == 0:
            return
        mine, theirs = (kernel.combine_hashes([r.query, r.tie]) for r in (self, known))
        order = np.argsort(mine, kind="stable")
        place = order[np.minimum(np.searchsorted(mine[order], theirs), len(mine) - 1)]
        here = np.flatnonzero((mine[place] == theirs) & known.asked)
        relevance = self.relevance.copy()
        relevance[place[here]] = known.relevance[here]
        self.relevance = relevance
        self._settle([self])

    def _settle(self, parts: Sequence[RankingOutcome | RankRows]) -> None:
        """Take the rows of the parts, and keep the queries that fit."""
        arrays = [np.concatenate([getattr(part, name) for part in parts]) for name in self._ARRAYS]
        query, order = arrays[0], _order(arrays)
        order = order[query[order] < np.uint64(self.limit)]
        kept = order[row_places(query[order]) < DEPTH]
        starts = np.flatnonzero(np.diff(query[kept], prepend=~query[kept][:1]) != 0)
        ends = np.append(starts[1:], len(kept))
        fit = int(np.searchsorted(ends, self.capacity, side="right"))
        if fit < len(starts):
            self.limit = int(query[kept][starts[fit]])
            kept = kept[: starts[fit]]
        for name, values in zip(self._ARRAYS, arrays, strict=True):
            setattr(self, name, values[kept])

    def merge(self, other: Self) -> Self:
        """Return the outcome of both together."""
        return self.merged([self, other])

    @classmethod
    def merged(cls, parts: Sequence[Self]) -> Self:
        """Return the outcome of all parts together."""
        made = cls(parts[0].capacity)
        for name in cls._COUNTS:
            setattr(made, name, sum(getattr(part, name) for part in parts))
        made.limit = min(part.limit for part in parts)
        made._settle(parts)
        return made

    def within(self, capacity: int) -> Self:
        """Return the outcome of the same rows at a smaller capacity."""
        made = self.copy()
        made.capacity = capacity
        made._settle([self])
        return made

    def copy(self) -> Self:
        """Return an outcome of its own with the same content; arrays are shared, for they are replaced, never written to."""
        return copy.copy(self)

    @property
    def labelled(self) -> int:
        """How many rows have a relevance."""
        return self.rows - self.unlabelled

    @property
    def sampled(self) -> bool:
        """Whether there are queries that are not kept."""
        return self.limit != NO_LIMIT

    def state(self) -> State:
        """Return the content as plain values and arrays."""
        names = ("capacity", *self._COUNTS, "limit", *self._ARRAYS)
        return {name: getattr(self, name) for name in names}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """Make an outcome from a state that may be hostile; raises :class:`CorruptProfile`."""
        made = cls(count_of(state, "capacity"))
        for name in cls._COUNTS:
            setattr(made, name, count_of(state, name))
        limit = state.get("limit")
        if not isinstance(limit, int) or isinstance(limit, bool) or not 0 <= limit <= NO_LIMIT:
            raise CorruptProfile("'limit' is no hash")
        made.limit = limit
        for name in cls._ARRAYS:
            setattr(made, name, array_of(state, name, np.uint64 if name in {"query", "tie"} else np.float64))
        made._check()
        return made

    def _check(self) -> None:
        sizes = {len(getattr(self, name)) for name in self._ARRAYS}
        if len(sizes) > 1 or len(self.query) > min(self.capacity, self.rows):
            raise CorruptProfile("an outcome's parts do not fit each other")
        if max(getattr(self, name) for name in self._COUNTS) > self.rows:
            raise CorruptProfile("an outcome counts more rows than there are")
        if not np.isfinite(self.score).all() or np.any(self.relevance < 0) or np.isinf(self.relevance).any():
            raise CorruptProfile("an outcome's scores or relevances are no numbers that rows can have")
        order = _order([getattr(self, name) for name in self._ARRAYS])
        if np.any(order != np.arange(len(order))) or np.any(self.query >= np.uint64(self.limit)):
            raise CorruptProfile("an outcome's rows are not in order")
        if len(self.query) and row_places(self.query).max() >= DEPTH:
            raise CorruptProfile("an outcome has a list that is longer than the format allows")


def _order(arrays: Sequence[np.ndarray[Any, Any]]) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Return the order of rows: by query, by falling score, and then by whatever tells them apart."""
    query, score, *rest = arrays
    order: np.ndarray[Any, np.dtype[np.int64]] = np.lexsort((*rest[::-1], -score, query))
    return order


def row_places(query: UInt64s) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Return the place of each row in its query's list, from 0; rows are in order."""
    if len(query) == 0:
        return np.empty(0, dtype=np.int64)
    first = np.concatenate([[True], query[1:] != query[:-1]])
    starts = np.flatnonzero(first)
    places: np.ndarray[Any, np.dtype[np.int64]] = np.arange(len(query)) - starts[np.cumsum(first) - 1]
    return places
