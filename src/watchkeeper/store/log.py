"""The database's write-ahead log after damage: SQLite replays what comes before a bad byte, and this counts what comes after.

A torn write can only be in the last transaction, for each is synced before the next begins; a bad byte before that is rot.
"""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

_HEAD, _FRAME_HEAD = 32, 24
_MAGIC = 0x377F0682
_SOME = 512  # frames at a time, so that a long log takes little memory
_LITTLE, _BIG = "<u4", ">u4"


def lost_commits(log: Path) -> int:
    """Return how many transactions were on disk behind a damaged place, so that SQLite leaves them out; 0 where all is well.

    Damage within the last transaction looks like one that was being written, and counts as none.
    """
    if not log.exists() or log.stat().st_size < _HEAD:
        return 0
    content = np.memmap(log, dtype=np.uint8, mode="r")
    magic, _, size, _ = struct.unpack(">4I", content[:16].tobytes())
    order = _BIG if magic == _MAGIC + 1 else _LITTLE
    size = size if size in {2**power for power in range(9, 17)} else 4096
    if len(content) < _HEAD + _FRAME_HEAD + size:
        return 0
    return _lost(content, order, size)


def _lost(content: NDArray[np.uint8], order: str, size: int) -> int:
    """Count commits from the first frame that SQLite refuses, if whole frames come after the transaction that it is in."""
    count = (len(content) - _HEAD) // (size + _FRAME_HEAD)
    frames = content[_HEAD : _HEAD + count * (size + _FRAME_HEAD)].reshape(count, -1)
    heads = np.ascontiguousarray(frames[:, :_FRAME_HEAD]).view(">u4").astype(np.uint32)
    head = content[:_HEAD].view(">u4").astype(np.uint32)
    whole_head = bool((_checksums(content[None, :24], head[None, :2] * 0, order)[0] == head[6:8]).all())
    salts = head[4:6] if whole_head else heads[0, 2:4]
    before = np.concatenate([head[None, 6:8], heads[:-1, 4:6]])
    ours = (heads[:, 2:4] == salts).all(axis=1)
    made = before.copy()
    for some in (slice(at, at + _SOME) for at in range(0, count, _SOME)):
        summed = np.concatenate([frames[some, :8], frames[some, _FRAME_HEAD:]], axis=1)
        made[some] = _checksums(summed, before[some], order)
    whole = (made == heads[:, 4:6]).all(axis=1)
    for place in np.flatnonzero(~whole[:-1] & ours[1:]) + 1:  # behind a frame whose checksum itself is damaged
        summed = np.concatenate([frames[place, :8], frames[place, _FRAME_HEAD:]])[None]
        whole[place] |= (_checksums(summed, made[place - 1, None], order) == heads[place, 4:6]).all()
    linked = ours & whole
    ours[:-1] |= whole[:-1] & ours[1:]  # only what says whose it is is damaged
    first = int(np.argmin(linked)) if whole_head and not linked.all() else count if whole_head else 0
    after = first + np.flatnonzero((ours & (heads[:, 1] > 0))[first:])
    if whole_head and (len(after) == 0 or not linked[after[0] + 1 :].any()):
        return 0
    return int((after <= max(np.flatnonzero(linked), default=-1)).sum())


def _checksums(data: NDArray[np.uint8], seeds: NDArray[np.uint32], order: str) -> NDArray[np.uint32]:
    """Return SQLite's checksum of each row of bytes, from its seed; shape (n, 2), all modulo 2**32.

    A pair of words (a, b) takes (s, t) to (s + t + a, s + 2 t + a + b), so that the whole is a sum of powers of a matrix.
    """
    words = np.ascontiguousarray(data).view(order).astype(np.uint32).reshape(len(data), -1, 2)
    steps = words.shape[1]
    powers = np.empty((steps + 1, 2, 2), dtype=np.uint32)
    powers[0] = np.eye(2, dtype=np.uint32)
    step = np.array([[1, 1], [1, 2]], dtype=np.uint32)
    for place in range(steps):
        powers[place + 1] = step @ powers[place]
    told = np.stack([words[:, :, 0], words[:, :, 0] + words[:, :, 1]], axis=2)
    summed: NDArray[np.uint32] = np.einsum("kij,nkj->ni", powers[steps - 1 :: -1], told)
    summed += seeds.astype(np.uint32) @ powers[steps].T
    return summed
