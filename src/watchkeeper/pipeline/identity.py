"""Ids of rows: their hashes, the time that an id of the client's own carries, and sets of ids that are cheap to keep."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from watchkeeper.capture.batch import hash_texts
from watchkeeper.client.ids import event_ms
from watchkeeper.sketches.kernel import Int64s, UInt64s

_FOREIGN = np.iinfo(np.int64).min
_MOST_RUNS = 8


def hashes_of(ids: pa.Array) -> UInt64s:
    """Return the 64-bit hash of each id, shape (n,)."""
    return hash_texts(ids)


def moments_of(ids: pa.Array) -> Int64s:
    """Return the event time that each id carries, in microseconds; the least int64 for ids that carry none."""
    ours = pc.match_substring_regex(ids, "^w[0-9a-f]{12}-").to_numpy(zero_copy_only=False)
    found_at = np.full(len(ids), _FOREIGN, dtype=np.int64)
    places = np.flatnonzero(ours)
    if len(places):
        found = [event_ms(text) for text in ids.take(pa.array(places)).to_pylist()]
        found_at[places] = [_FOREIGN if ms is None else ms * 1000 for ms in found]
    return found_at


def is_foreign(moments: Int64s) -> NDArray[np.bool_]:
    """Where ids carry no time: they are of somebody's own making."""
    foreign: NDArray[np.bool_] = moments == _FOREIGN
    return foreign


class IdSet:
    """Hashes of ids in a few sorted runs: eight bytes an id, and looking up many is one search a run."""

    def __init__(self, hashes: UInt64s | None = None) -> None:
        self._runs: list[UInt64s] = []
        if hashes is not None:
            self.add(hashes)

    def __len__(self) -> int:
        return sum(map(len, self._runs))

    def has(self, hashes: UInt64s) -> NDArray[np.bool_]:
        """Return for each hash whether it is there; shape (n,)."""
        found = np.zeros(len(hashes), dtype=bool)
        for run in self._runs:
            place = np.minimum(np.searchsorted(run, hashes), len(run) - 1)
            found |= run[place] == hashes
        return found

    def add(self, hashes: UInt64s) -> None:
        """Add hashes."""
        if len(hashes):
            self._runs.append(np.sort(hashes))
        if len(self._runs) > _MOST_RUNS:
            self._runs = [np.sort(np.concatenate(self._runs))]


def first_of_each(ids: pa.Array, hashes: UInt64s) -> NDArray[np.bool_]:
    """Return where an id comes for the first time, shape (n,); equal hashes are told apart by the ids themselves."""
    _, first = np.unique(hashes, return_index=True)
    keep = np.zeros(len(hashes), dtype=bool)
    keep[first] = True
    if keep.all():
        return keep
    seen: set[str] = set()
    for place, text in enumerate(ids.to_pylist()):
        keep[place] = text not in seen
        seen.add(text)
    return keep
