"""The codec under mutation: several values of a state at once, parts of other states in its place, bytes of the body.

The checksum is made right again each time, so that what is tested is the reading, not the checksum. Each mutant is refused
as corrupt, or is a profile like any other. ``make test-long`` tries a hundred times as many.
"""

from __future__ import annotations

import copy
import functools
import hashlib
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from test_hostile import POISON, SMALL, get, leaves
from test_hostile_outcomes import SCHEMAS, ask, genuine

from watchkeeper.errors import CorruptProfile, ProfileVersion
from watchkeeper.profiles import codec
from watchkeeper.profiles.column import NumericColumn
from watchkeeper.profiles.profile import Profile

MUTANTS, LONG = 300, 40_000
HEAD = len(codec.MAGIC) + 1 + 16


@functools.cache
def states() -> list[dict[str, Any]]:
    return [SMALL, *(genuine(task).state() for task in SCHEMAS)]


@functools.cache
def places(which: int) -> list[tuple[str | int, ...]]:
    return [path for path in leaves(states()[which]) if path]


def mutated(value: Any, rng: np.random.Generator) -> Any:
    """Return another value in the place of this one: near it, or nothing like it."""
    if isinstance(value, np.ndarray) and value.size and rng.random() < 0.8:
        made = value.copy()
        flat = made.reshape(-1)
        kind = rng.integers(6)
        if kind == 0:
            flat[rng.integers(flat.size)] = rng.choice(np.array([0, 1, 2**31, 2**62]))
        elif kind == 1:
            return made[: rng.integers(made.shape[0] + 1)] if made.ndim else made
        elif kind == 2:
            return np.concatenate([flat, flat[:1]])
        elif kind == 3:
            rng.shuffle(flat)
        elif kind == 4:
            return flat.view(rng.choice(["int64", "uint64", "float64"])) if flat.itemsize == 8 else flat
        else:
            flat[:] = flat[::-1].copy()
        return made
    if isinstance(value, int | float) and not isinstance(value, bool) and rng.random() < 0.6:
        near = (value + 1, value - 1, -value, value * 2)[rng.integers(4)]
        return min(max(near, -(2**63)), 2**64 - 1) if isinstance(near, int) else near
    return POISON[rng.integers(len(POISON))]


def mutant(rng: np.random.Generator) -> bytes:
    """Return a state with one to four values changed, perhaps with a part of another state in it, as bytes."""
    which = int(rng.integers(len(states())))
    state = copy.deepcopy(states()[which])
    for _ in range(rng.integers(1, 5)):
        path = places(which)[rng.integers(len(places(which)))]
        path = path[: rng.integers(1, len(path) + 1)]
        other = states()[rng.integers(len(states()))]
        try:
            parent = get(state, path[:-1])
            graft = rng.random() < 0.2
            parent[path[-1]] = copy.deepcopy(get(other, path)) if graft else mutated(parent[path[-1]], rng)
        except (KeyError, IndexError, TypeError, ValueError):
            continue  # an earlier change took this place away
    return codec.encode(plain(state))


def plain(value: Any) -> Any:
    """Return the state with NumPy's scalars as Python's, which the writer takes."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value.item() if isinstance(value, np.generic) else value


def flipped(rng: np.random.Generator) -> bytes:
    """Return a profile with some bytes of its unpacked body changed, packed again with the right checksum."""
    data = codec.encode(states()[rng.integers(len(states()))])
    size = int.from_bytes(data[HEAD : HEAD + 8], "little")
    body = bytearray(pa.Codec("zstd").decompress(data[HEAD + 8 :], decompressed_size=size, asbytes=True))
    for _ in range(rng.integers(1, 4)):
        body[rng.integers(len(body))] = rng.integers(256)
    sized = len(body).to_bytes(8, "little") + pa.Codec("zstd").compress(bytes(body), asbytes=True)
    return data[: len(codec.MAGIC) + 1] + hashlib.blake2b(sized, digest_size=16).digest() + sized


def judge(data: bytes) -> bool:
    """Read a mutant; whether it was taken. One that was can be asked, merged and stored."""
    try:
        made = Profile.from_bytes(data)
    except (CorruptProfile, ProfileVersion):
        return False
    if "g" in made.segments:
        ask(made)
    made.merge(made)
    made.to_bytes()
    return True


def hunt(seeds: range) -> int:
    taken = 0
    for seed in seeds:
        for make in (mutant, flipped):
            try:
                taken += judge(make(np.random.default_rng(seed)))
            except Exception as error:
                raise AssertionError(f"{make.__name__} with seed {seed}: {error!r}") from error
    return taken


@pytest.mark.filterwarnings("ignore:.*:RuntimeWarning")
def test_mutants_are_refused_or_like_any_other() -> None:
    taken = hunt(range(MUTANTS))
    assert 0 < taken < 2 * MUTANTS  # else nothing was mutated, or nothing was read


@pytest.mark.long
@pytest.mark.filterwarnings("ignore:.*:RuntimeWarning")
def test_very_many_mutants() -> None:
    hunt(range(MUTANTS, MUTANTS + LONG))


def test_a_reader_that_trusts_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    def trusting(cls: type, state: Any, *args: Any) -> Any:
        made = cls(*args)
        made.__dict__.update(state)
        return made

    monkeypatch.setattr(NumericColumn, "from_state", classmethod(trusting))
    with pytest.raises(AssertionError, match="with seed"):
        hunt(range(MUTANTS))
