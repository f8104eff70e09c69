"""A uniform sample of rows that merges: the rows with the smallest hashes."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from watchkeeper.errors import CorruptProfile
from watchkeeper.sketches.kernel import Int64s, UInt64s
from watchkeeper.sketches.protocol import State, array_of, count_of, counts_of


class SampleIndex:
    """Which rows a sample holds: the ``size`` smallest priorities, each with how often it came.

    A row's priority is the hash of its id, or of its content where it has none. Equal rows share an entry and are
    counted in ``copies``, so an estimate weighs each entry by its copies. A row among the smallest of a whole was among
    the smallest of every part, so the sample of a whole is the merge of the samples of its parts (bottom-k sampling,
    Cohen and Kaplan 2007).

    Where two rows share an id but not their content, the one with the smaller content hash stays, in any order.
    """

    __slots__ = ("content", "copies", "priority", "size")
    SUMS: frozenset[str] = frozenset()

    def __init__(self, size: int) -> None:
        self.size = size
        self.priority: UInt64s = np.empty(0, dtype=np.uint64)
        self.content: UInt64s = np.empty(0, dtype=np.uint64)
        self.copies: Int64s = np.empty(0, dtype=np.int64)

    @property
    def threshold(self) -> int:
        """Rows with a priority above this cannot enter any more."""
        return int(self.priority[-1]) if len(self.priority) == self.size else 2**64 - 1

    def update(self, priority: UInt64s, content: UInt64s, copies: Int64s | None = None) -> Int64s:
        """Offer rows, each array of shape (n,).

        Returns
        -------
        For each entry that the sample now holds, where it comes from: the place of the old entry, or, from the old
        length on, the place among the offered rows. Whoever keeps the rows themselves gathers them by it.
        """
        old = len(self.priority)
        offered = copies if copies is not None else np.ones(len(priority), dtype=np.int64)
        priorities = np.concatenate([self.priority, priority])
        contents = np.concatenate([self.content, content])
        order = np.lexsort((contents, priorities))
        starts = (
            np.flatnonzero(np.concatenate([[True], priorities[order][1:] != priorities[order][:-1]]))
            if len(order)
            else order
        )
        sums = np.add.reduceat(np.concatenate([self.copies, offered])[order], starts) if len(order) else self.copies
        chosen = order[starts][: self.size]
        self.priority, self.content, self.copies = priorities[chosen], contents[chosen], sums[: self.size]
        assert old <= len(priorities)
        return chosen.astype(np.int64)

    def merge(self, other: SampleIndex) -> SampleIndex:
        """Return the sample of both together."""
        if self.size != other.size:
            raise ValueError(f"samples of {self.size} and {other.size} rows cannot be merged")
        merged = self.from_state(self.state())
        merged.update(other.priority, other.content, other.copies)
        return merged

    def state(self) -> State:
        """Return the content as plain values and arrays."""
        return {"size": self.size, "priority": self.priority, "content": self.content, "copies": self.copies}

    @classmethod
    def from_state(cls, state: Mapping[str, object]) -> SampleIndex:
        """Make a sample from a state that may be hostile; raises :class:`CorruptProfile`."""
        made = cls(count_of(state, "size"))
        made.priority, made.content = array_of(state, "priority", np.uint64), array_of(state, "content", np.uint64)
        made.copies = counts_of(state, "copies")
        if not len(made.priority) == len(made.content) == len(made.copies) <= made.size:
            raise CorruptProfile("a sample's parts do not fit each other")
        if np.any(made.priority[1:] <= made.priority[:-1]) or (len(made.copies) and made.copies.min() == 0):
            raise CorruptProfile("a sample's rows are not in order")
        return made
