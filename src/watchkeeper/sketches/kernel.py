"""The inner loops: pure functions over arrays, written so that a compiled kernel can take their place one by one.

Every function here is total over its dtype, has no state, and gives the same answer on every machine.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

Int64s = NDArray[np.int64]
UInt64s = NDArray[np.uint64]
Floats = NDArray[np.float64]

INFINITY_KEY = 0x7FF0_0000_0000_0000
"""Key of +inf; finite numbers lie strictly between its negative and it, NaN outside."""
_LOW63 = np.int64(0x7FFF_FFFF_FFFF_FFFF)
_GOLDEN = np.uint64(0x9E37_79B9_7F4A_7C15)  # 2^64 over the golden ratio: Knuth, TAOCP 3, 6.4
_TABLE_BITS = 14
_SMALL = 2048


def float_keys(values: Floats) -> Int64s:
    """Map each float64 to an int64 with the same order: its bits where the sign is clear, minus the bits of |x| else.

    -0.0 and 0.0 share key 0.

    Examples
    --------
    >>> float_keys(np.array([-1.0, -0.0, 0.0, 1.0])).tolist()
    [-4607182418800017408, 0, 0, 4607182418800017408]
    """
    bits = np.ascontiguousarray(values, dtype=np.float64).view(np.int64)
    if len(bits) == 0 or bits.min() >= 0:
        return bits
    sign = bits >> 63
    keys = sign & _LOW63
    keys ^= bits
    keys -= sign
    return keys


def key_floats(keys: Int64s) -> Floats:
    """Invert :func:`float_keys`; keys beyond the finite numbers give the largest finite one of their sign."""
    limit = INFINITY_KEY - 1
    clipped = np.clip(np.asarray(keys, dtype=np.int64), -limit, limit)
    magnitude = np.abs(clipped).view(np.float64)
    return np.where(clipped < 0, -magnitude, magnitude)


def trailing_zeros(keys: Int64s) -> int:
    """Return how many low bits are zero in all keys: 64 when there are none or all are 0."""
    together = int(np.bitwise_or.reduce(keys)) if len(keys) else 0
    return 64 if together == 0 else (together & -together).bit_length() - 1


def count_cells(cells: Int64s, likely: Int64s) -> tuple[Int64s, Int64s]:
    """Count equal cells.

    Parameters
    ----------
    cells
        Shape (n,), in any order.
    likely
        Cells that are expected, sorted or not; only the speed depends on it.

    Returns
    -------
    The distinct cells in ascending order, and how often each came.
    """
    if len(cells) <= _SMALL or len(likely) == 0:
        return _unique(cells)
    slots = (likely.view(np.uint64) * _GOLDEN) >> np.uint64(64 - _TABLE_BITS)
    table = np.zeros(1 << _TABLE_BITS, dtype=np.int64)
    table[slots.view(np.int64)] = likely
    slot = ((np.ascontiguousarray(cells).view(np.uint64) * _GOLDEN) >> np.uint64(64 - _TABLE_BITS)).view(np.int64)
    hit = table.take(slot) == cells
    if hit.all():
        rest = cells[:0]
    else:
        rest = cells[~hit]
        slot = slot[hit]
    counts = np.bincount(slot, minlength=len(table)).astype(np.int64, copy=False)
    used = np.flatnonzero(counts)
    return add_counts((table[used], counts[used]), _unique(rest))


def _unique(cells: Int64s) -> tuple[Int64s, Int64s]:
    ordered = np.sort(cells)
    starts = _starts(ordered)
    counts = np.empty(len(starts), dtype=np.int64)
    counts[:-1] = starts[1:] - starts[:-1]
    if len(starts):
        counts[-1] = len(ordered) - starts[-1]
    return ordered[starts], counts


def _starts(ordered: Int64s) -> Int64s:
    """Return the places at which sorted cells differ from the one before."""
    new = np.empty(len(ordered), dtype=bool)
    new[:1] = True
    np.not_equal(ordered[1:], ordered[:-1], out=new[1:])
    return new.nonzero()[0]


def add_counts(first: tuple[Int64s, Int64s], second: tuple[Int64s, Int64s]) -> tuple[Int64s, Int64s]:
    """Add two lists of cells with their counts; either may be unsorted, the result is in ascending order."""
    cells = np.concatenate([first[0], second[0]])
    counts = np.concatenate([first[1], second[1]])
    if len(cells) == 0:
        return cells, counts
    order = np.argsort(cells, kind="stable")
    cells, counts = cells[order], counts[order]
    starts = _starts(cells)
    return cells[starts], np.add.reduceat(counts, starts)


def bit_length(values: Int64s) -> Int64s:
    """Return the number of bits that each value needs; 64 for negative ones."""
    top = values & ~(values >> 1)  # keeps the highest bit, so that the cast to float cannot round up to the next power
    _, exponent = np.frexp(top.astype(np.float64))
    return np.where(values < 0, 64, exponent).astype(np.int64)


def coarsen(cells: Int64s, counts: Int64s, by: int) -> tuple[Int64s, Int64s]:
    """Join sorted cells that become equal when ``by`` more low bits are cut off (rounding towards minus infinity)."""
    if by == 0 or len(cells) == 0:
        return cells, counts
    wide = cells >> np.int64(min(by, 63))
    starts = _starts(wide)
    return wide[starts], np.add.reduceat(counts, starts)


def cells_by_shift(cells: Int64s) -> Int64s:
    """Return for each number of further bits cut off, 0 to 64, how many of the sorted distinct cells stay distinct."""
    joins_at = bit_length(cells[1:] ^ cells[:-1])
    joined = np.cumsum(np.bincount(joins_at, minlength=65))
    return len(cells) - joined


def mix(words: UInt64s) -> UInt64s:
    """Return a bijection of 64-bit words in which every output bit depends on every input bit (SplitMix64's finaliser).

    References
    ----------
    Steele, Lea, Flood: Fast splittable pseudorandom number generators, OOPSLA 2014, figure 16.
    """
    z = words ^ (words >> np.uint64(30))
    z *= np.uint64(0xBF58_476D_1CE4_E5B9)
    z ^= z >> np.uint64(27)
    z *= np.uint64(0x94D0_49BB_1331_11EB)
    z ^= z >> np.uint64(31)
    return z


def hash_bytes(data: NDArray[np.uint8], offsets: Int64s) -> UInt64s:
    """Hash byte strings laid end to end, as Arrow lays them: string i is ``data[offsets[i]:offsets[i + 1]]``.

    A multilinear hash (Carter and Wegman, 1979) with a multiplier per position, mixed with the length: stable across
    machines and releases, evenly spread, not meant to withstand someone who looks for collisions.
    """
    lengths = np.diff(offsets)
    sums = np.zeros(len(lengths), dtype=np.uint64)
    full = np.flatnonzero(lengths)
    if len(full):
        starts = offsets[:-1][full] - offsets[0]
        total = int(offsets[-1] - offsets[0])
        position = np.arange(total, dtype=np.int64) - np.repeat(starts, lengths[full])
        multipliers = _multipliers(int(lengths.max()))
        terms = (data[offsets[0] : offsets[-1]].astype(np.uint64) + np.uint64(1)) * multipliers[position]
        sums[full] = np.add.reduceat(terms, starts)
    return mix(sums + lengths.astype(np.uint64) * _GOLDEN)


@functools.cache
def _multiplier(place: int) -> np.uint64:
    return np.uint64(_multipliers(place + 1)[place])


def _multipliers(count: int) -> UInt64s:
    return mix((np.arange(1, count + 1, dtype=np.uint64)) * _GOLDEN) | np.uint64(1)


def combine_hashes(columns: Iterable[UInt64s]) -> UInt64s:
    """Hash rows from one 64-bit word per column, of which one is held at a time; the order of the columns matters."""
    total = np.empty(0, dtype=np.uint64)
    for place, words in enumerate(columns):
        if not len(total):  # not 0, whose mix is 0: rows of zeros would be in every sample
            total = np.full(len(words), _GOLDEN)
        term = words >> np.uint64(32)
        term ^= words
        term *= _multiplier(place)
        total += term
    return mix(total)
