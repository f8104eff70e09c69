"""What became of predictions of one class among thousands: counts by class, for as many classes as fit."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from watchkeeper.errors import CorruptProfile
from watchkeeper.profiles.rows import RANKS, ManyRows, OutcomeRows
from watchkeeper.sketches.categories import hash_texts
from watchkeeper.sketches.kernel import Int64s, UInt64s
from watchkeeper.sketches.protocol import State, array_of, count_of, counts_of, strings_of

WHOLE_CLASSES = 4_096
"""Part of the format: so many classes are kept apart of all rows."""
PART_CLASSES = 512
"""Part of the format: so many are kept apart of a segment or day."""
_COUNTS = ("rows", "unlabelled", "unpredicted", "both", "hits")


class ManyClassOutcome:
    """Outcomes of a multiclass task whose classes are not listed.

    Accuracy and top-k accuracy rest on totals, which are exact. By class, three counts are kept for the classes with the
    smallest hashes, ``capacity`` of them; that sample of classes is uniform, depends on the data alone, and is all classes
    where they fit.

    Attributes
    ----------
    rows, unlabelled, unpredicted
        All rows; those without a label; those with a label and without a prediction.
    both, hits
        Rows with label and prediction, and those of them that are right.
    ranks
        At which place of the list of predicted classes the label stood, shape (10,); of one prediction only the first.
    hashes, names, counts
        The classes that are kept, by hash, with how often each was the label, was predicted, and both: shape (k, 3).
    capacity
        How many classes are kept; ``sampled`` says whether there are more.
    """

    SUMS: frozenset[str] = frozenset()

    def __init__(self, capacity: int = WHOLE_CLASSES) -> None:
        self.capacity = capacity
        self.rows = self.unlabelled = self.unpredicted = self.both = self.hits = 0
        self.sampled = False
        self.ranks: Int64s = np.zeros(RANKS, dtype=np.int64)
        self.hashes: UInt64s = np.empty(0, dtype=np.uint64)
        self.names: list[str] = []
        self.counts: Int64s = np.zeros((0, 3), dtype=np.int64)

    def update(self, rows: OutcomeRows) -> None:
        """Add rows."""
        assert isinstance(rows, ManyRows)
        self.rows += len(rows)
        self.unlabelled += int((rows.label < 0).sum())
        self._add(rows)

    def label(self, rows: OutcomeRows) -> None:
        """Give rows that were counted without a label the one that they have now."""
        assert isinstance(rows, ManyRows)
        self.unlabelled -= int((rows.label >= 0).sum())
        self._add(rows)

    def _add(self, rows: ManyRows) -> None:
        both = (rows.label >= 0) & (rows.prediction >= 0)
        self.unpredicted += int((rows.label >= 0).sum() - both.sum())
        label, prediction, rank = rows.label[both], rows.prediction[both], rows.rank[both]
        right = label[label == prediction]
        self.both += len(label)
        self.hits += len(right)
        self.ranks = self.ranks + np.bincount(rank[rank >= 0], minlength=RANKS)
        counts = np.stack(
            [np.bincount(codes, minlength=len(rows.names)) for codes in (label, prediction, right)], axis=1
        )
        seen = np.flatnonzero(counts.any(axis=1))
        if len(seen):
            self._settle(rows.hashes[seen], [rows.names[place] for place in seen.tolist()], counts[seen])

    def _settle(self, hashes: UInt64s, names: Sequence[str], counts: Int64s) -> None:
        """Add counts of classes, and keep those that fit."""
        joined, texts = np.concatenate([self.hashes, hashes]), [*self.names, *names]
        distinct, first, inverse = np.unique(joined, return_index=True, return_inverse=True)
        sums = np.zeros((len(distinct), 3), dtype=np.int64)
        np.add.at(sums, inverse, np.concatenate([self.counts, counts]))
        self.sampled = self.sampled or len(distinct) > self.capacity
        self.hashes, self.counts = distinct[: self.capacity], sums[: self.capacity]
        self.names = [texts[place] for place in first[: self.capacity].tolist()]

    def merge(self, other: ManyClassOutcome) -> ManyClassOutcome:
        """Return the outcome of both together."""
        merged = self.copy()
        for name in _COUNTS:
            setattr(merged, name, getattr(self, name) + getattr(other, name))
        merged.ranks = self.ranks + other.ranks
        merged.sampled = self.sampled or other.sampled
        merged._settle(other.hashes, other.names, other.counts)
        return merged

    def within(self, capacity: int) -> ManyClassOutcome:
        """Return the outcome of the same rows at a smaller capacity."""
        made = self.copy()
        made.capacity = capacity
        made._settle(self.hashes[:0], [], self.counts[:0])
        return made

    def copy(self) -> ManyClassOutcome:
        """Return an outcome of its own with the same content; arrays are shared, for they are replaced, never written to."""
        return copy.copy(self)

    @property
    def labelled(self) -> int:
        """How many rows have a label."""
        return self.rows - self.unlabelled

    def state(self) -> State:
        """Return the content as plain values and arrays."""
        names = ("capacity", *_COUNTS, "sampled", "ranks", "hashes", "counts")
        return {name: getattr(self, name) for name in names} | {"names": list(self.names)}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> ManyClassOutcome:
        """Make an outcome from a state that may be hostile; raises :class:`CorruptProfile`."""
        made = cls(count_of(state, "capacity"))
        for name in _COUNTS:
            setattr(made, name, count_of(state, name))
        made.sampled, made.ranks = state.get("sampled") is True, counts_of(state, "ranks")
        made.hashes, made.names = array_of(state, "hashes", np.uint64), strings_of(state, "names")
        made.counts = counts_of(state, "counts", 2)
        if not isinstance(state.get("sampled"), bool) or made.ranks.shape != (RANKS,):
            raise CorruptProfile("an outcome's parts are of the wrong types")
        if not len(made.hashes) == len(made.names) == len(made.counts) <= made.capacity or made.counts.shape[1] != 3:
            raise CorruptProfile("an outcome's parts do not fit each other")
        if np.any(made.hashes[1:] <= made.hashes[:-1]) or np.any(made.hashes != hash_texts(made.names)):
            raise CorruptProfile("an outcome's classes are not in order")
        if not made.hits <= made.both <= made.rows or np.any(made.counts[:, :2].min(axis=1) < made.counts[:, 2]):
            raise CorruptProfile("an outcome has more hits than rows")
        if made.counts.sum(axis=0).max(initial=0) > made.both or made.ranks.sum() > made.both:
            raise CorruptProfile("an outcome's classes have more rows than there are")
        return made
