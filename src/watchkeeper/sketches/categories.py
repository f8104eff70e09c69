"""Counts of categories: exact up to 4,096 of them, and above in a form that still merges exactly."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from watchkeeper.errors import CorruptProfile
from watchkeeper.sketches import kernel
from watchkeeper.sketches.kernel import Int64s, UInt64s
from watchkeeper.sketches.protocol import State, array_of, count_of, counts_of, strings_of

if TYPE_CHECKING:
    from collections.abc import Sequence

EXACT = 4096
"""Part of the format: so many distinct values are counted exactly."""
KEPT = 1024
"""Part of the format: above, the values with the smallest hashes are kept with their exact counts."""
_WIDTH_BITS = 12
_DEPTH = 2
_FREQUENT = 512


class Categories:
    """Counts by value.

    Up to 4,096 distinct values every count is exact. Above, three things are kept:

    - the 1,024 values with the smallest 64-bit hashes, with their exact counts: a value that is among the smallest of a
      whole was among the smallest of every part, so it was never dropped. They are a uniform sample of the *values* and
      tell how many there are, within 1 / sqrt(1022) = 3.1 % (one standard error; bottom-k, Cohen and Kaplan 2007);
    - a count-min table of 2 x 4,096 counters (Cormode and Muthukrishnan 2005), linear and so exactly mergeable. Its
      first row is a histogram of the hashes and serves for distances between two windows;
    - the frequent values (Misra and Gries 1982), an annotation outside the merge law: each count is low by at most
      ``frequent_error``, which the state carries.

    Examples
    --------
    >>> c = Categories()
    >>> c.update(["a", "b"], np.array([2, 1]))
    >>> c.count, c.distinct, dict(c.top(1))
    (3, 2, {'a': 2})
    """

    __slots__ = ("_exact", "_frequent", "_hashes", "_kept", "_kept_counts", "count", "frequent_error", "table")
    SUMS: frozenset[str] = frozenset()
    ANNOTATIONS = frozenset({"frequent", "frequent_counts", "frequent_error"})

    def __init__(self) -> None:
        self.count = 0
        self._exact: dict[str, int] | None = {}
        self.table: Int64s | None = None
        self._hashes: UInt64s = np.empty(0, dtype=np.uint64)
        self._kept: list[str] = []
        self._kept_counts: Int64s = np.empty(0, dtype=np.int64)
        self._frequent: dict[str, int] = {}
        self.frequent_error = 0

    @property
    def exact(self) -> bool:
        """Whether the count of every value is known."""
        return self._exact is not None

    @property
    def distinct(self) -> int:
        """How many values there are: exact, or estimated within 3.1 % (one standard error)."""
        if self._exact is not None:
            return len(self._exact)
        return round((KEPT - 1) / (float(self._hashes[-1]) / 2.0**64))

    def update(self, values: Sequence[str], counts: Int64s) -> None:
        """Add distinct values with their counts, shape (n,)."""
        used = np.flatnonzero(counts)
        self._add([values[i] for i in used.tolist()], counts[used])

    def _add(self, values: Sequence[str], counts: Int64s) -> None:
        self.count += int(counts.sum())
        if self._exact is not None:
            exact = self._exact
            for value, count in zip(values, counts.tolist(), strict=True):
                exact[value] = exact.get(value, 0) + count
            if len(exact) > EXACT:
                self._exact = None
                self._spill(list(exact), np.fromiter(exact.values(), np.int64, len(exact)))
        elif len(values):
            self._spill(values, counts)

    def _spill(self, values: Sequence[str], counts: Int64s) -> None:
        """Add to the inexact form."""
        hashes = hash_texts(values)
        if self.table is None:
            self.table = np.zeros((_DEPTH, 1 << _WIDTH_BITS), dtype=np.int64)
        for row, slots in enumerate(_slots(hashes)):
            np.add.at(self.table[row], slots, counts)
        order = np.argsort(hashes, kind="stable")[:KEPT]
        self._keep(hashes[order], [values[i] for i in order.tolist()], counts[order])
        self._note(dict(zip(values, counts.tolist(), strict=True)))

    def _keep(self, hashes: UInt64s, values: list[str], counts: Int64s) -> None:
        joined = np.concatenate([self._hashes, hashes])
        texts = self._kept + values
        distinct, first, inverse = np.unique(joined, return_index=True, return_inverse=True)
        sums = np.zeros(len(distinct), dtype=np.int64)
        np.add.at(sums, inverse, np.concatenate([self._kept_counts, counts]))
        self._hashes, self._kept_counts = distinct[:KEPT], sums[:KEPT]
        self._kept = [texts[i] for i in first[:KEPT].tolist()]

    def _note(self, counts: dict[str, int]) -> None:
        joined = self._frequent
        for value, count in counts.items():
            joined[value] = joined.get(value, 0) + count
        if len(joined) > _FREQUENT:
            least = sorted(joined.values(), reverse=True)[_FREQUENT]
            self._frequent = {value: count - least for value, count in joined.items() if count > least}
            self.frequent_error += least

    def merge(self, other: Categories) -> Categories:
        """Return the counts of both together."""
        merged = self.from_state(self.state())
        if other._exact is not None:
            merged._add(list(other._exact), np.fromiter(other._exact.values(), np.int64, len(other._exact)))
            return merged
        if merged._exact is not None:
            return other.merge(self)
        assert merged.table is not None and other.table is not None  # noqa: PT018 - both are inexact
        merged.count += other.count
        merged.table = merged.table + other.table
        merged._keep(other._hashes, other._kept, other._kept_counts)
        merged._note(other._frequent)
        merged.frequent_error += other.frequent_error
        return merged

    def top(self, limit: int) -> list[tuple[str, int]]:
        """Return the most frequent values with their counts, most frequent first, ties by value."""
        counts = self._exact if self._exact is not None else {v: self.estimate(v) for v in self._frequent}
        return sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:limit]

    def counts(self) -> dict[str, int]:
        """Return every value that is known by name with its count (see :meth:`estimate`)."""
        return dict(self.top(1 << 62))

    def certain(self) -> dict[str, int]:
        """Return values with how often each came at least: every one exactly, or the frequent ones from below."""
        return dict(self._exact if self._exact is not None else self._frequent)

    def estimate(self, value: str) -> int:
        """Return how often a value came: exact, or at most ``2 * count / 4096`` too high with probability 3/4."""
        if self._exact is not None:
            return self._exact.get(value, 0)
        assert self.table is not None
        slots = _slots(hash_texts([value]))
        upper = min(int(self.table[row, slot[0]]) for row, slot in enumerate(slots))
        if value in self._frequent:
            return min(upper, self._frequent[value] + self.frequent_error)
        return upper

    @property
    def threshold(self) -> int:
        """Every value whose hash is at most this is known with its exact count."""
        return 2**64 - 1 if self._exact is not None else int(self._hashes[-1])

    def below(self, limit: int) -> dict[str, int]:
        """Return the values whose hash is at most ``limit`` with their counts; ``limit`` up to :attr:`threshold`."""
        if self._exact is None:
            pairs = zip(self._hashes.tolist(), self._kept, self._kept_counts.tolist(), strict=True)
            return {value: count for found, value, count in pairs if found <= limit}
        if limit == 2**64 - 1:
            return dict(self._exact)
        values = list(self._exact)
        return {
            v: self._exact[v] for v, found in zip(values, hash_texts(values).tolist(), strict=True) if found <= limit
        }

    def hash_cells(self) -> Int64s:
        """Return counts over 4,096 cells of the hash: the same for exact and inexact states of the same data."""
        if self.table is not None:
            first: Int64s = self.table[0]
            return first
        cells = np.zeros(1 << _WIDTH_BITS, dtype=np.int64)
        exact = self._exact or {}
        np.add.at(cells, _slots(hash_texts(list(exact)))[0], np.fromiter(exact.values(), np.int64, len(exact)))
        return cells

    def state(self) -> State:
        """Return the content as plain values and arrays, values in order of their text."""
        if self._exact is not None:
            values = sorted(self._exact)
            return {"values": values, "counts": np.array([self._exact[v] for v in values], dtype=np.int64)}
        frequent = sorted(self._frequent)
        return {
            "count": self.count,
            "table": None if self.table is None else self.table.copy(),  # it is counted in place
            "hashes": self._hashes,
            "kept": list(self._kept),
            "kept_counts": self._kept_counts,
            "frequent": frequent,
            "frequent_counts": np.array([self._frequent[v] for v in frequent], dtype=np.int64),
            "frequent_error": self.frequent_error,
        }

    @classmethod
    def from_state(cls, state: Mapping[str, object]) -> Categories:
        """Make categories from a state that may be hostile; raises :class:`CorruptProfile`."""
        return _read_inexact(cls(), state) if "table" in state else _read_exact(cls(), state)


def _read_exact(made: Categories, state: Mapping[str, object]) -> Categories:
    values, counts = strings_of(state, "values"), counts_of(state, "counts")
    made._exact = dict(zip(values, counts.tolist(), strict=False))
    if len(values) != len(counts) or len(made._exact) != len(values) or len(values) > EXACT:
        raise CorruptProfile("categories and their counts do not fit each other")
    if len(counts) and counts.min() == 0:
        raise CorruptProfile("a category was counted zero times")
    made.count = int(counts.sum())
    return made


def _read_inexact(made: Categories, state: Mapping[str, object]) -> Categories:
    made._exact = None
    made.count = count_of(state, "count")
    made.table = counts_of(state, "table", ndim=2).copy()
    made._hashes = array_of(state, "hashes", np.uint64)
    made._kept, made._kept_counts = list(strings_of(state, "kept")), counts_of(state, "kept_counts")
    frequent, frequent_counts = strings_of(state, "frequent"), counts_of(state, "frequent_counts")
    made._frequent = dict(zip(frequent, frequent_counts.tolist(), strict=False))
    made.frequent_error = count_of(state, "frequent_error")
    sizes = {len(made._hashes), len(made._kept), len(made._kept_counts)}
    if sizes != {KEPT} or made.table.shape != (_DEPTH, 1 << _WIDTH_BITS) or len(frequent) != len(frequent_counts):
        raise CorruptProfile("categories and their counts do not fit each other")
    if len(frequent) > _FREQUENT or np.any(made._hashes[1:] <= made._hashes[:-1]) or made._hashes[-1] == 0:
        raise CorruptProfile("categories are not in the order of their hashes")
    if not np.array_equal(hash_texts(made._kept), made._hashes):
        raise CorruptProfile("categories do not have the hashes they stand under")
    return made


def hash_texts(values: Sequence[str]) -> UInt64s:
    """Return a stable 64-bit hash of each text's UTF-8 bytes, shape (n,)."""
    encoded = [value.encode("utf-8", "surrogatepass") for value in values]
    offsets = np.zeros(len(encoded) + 1, dtype=np.int64)
    np.cumsum(np.fromiter(map(len, encoded), np.int64, len(encoded)), out=offsets[1:])
    return kernel.hash_bytes(np.frombuffer(b"".join(encoded), dtype=np.uint8), offsets)


def _slots(hashes: UInt64s) -> list[Int64s]:
    """Return for each row of the table the counter of each hash; the first row's cells are the hash's leading bits."""
    mask = np.uint64((1 << _WIDTH_BITS) - 1)
    return [((hashes >> np.uint64(64 - _WIDTH_BITS * (row + 1))) & mask).view(np.int64) for row in range(_DEPTH)]
