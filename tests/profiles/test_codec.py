"""Bytes: what goes in comes out, what is damaged is refused, and what was stored once is read for ever."""

from __future__ import annotations

import hashlib
from typing import Any

import hypothesis
import msgpack
import numpy as np
import pyarrow as pa
import pytest
from golden_rows import FOLDER, profile
from hypothesis import strategies as st

from watchkeeper.errors import CorruptProfile, ProfileError, ProfileVersion
from watchkeeper.profiles import codec
from watchkeeper.profiles.column import TextColumn
from watchkeeper.profiles.profile import Profile
from watchkeeper.testing import difference

SETTINGS = hypothesis.settings(deadline=None, derandomize=True, database=None, max_examples=60)
arrays = st.one_of(
    st.lists(st.integers(-(2**63), 2**63 - 1)).map(lambda v: np.array(v, dtype=np.int64)),
    st.lists(st.integers(-(2**63), 2**63 - 1), unique=True).map(lambda v: np.array(sorted(v), dtype=np.int64)),
    st.lists(st.integers(0, 300)).map(lambda v: np.array(v, dtype=np.int64)),
    st.lists(st.integers(0, 2**64 - 1)).map(lambda v: np.array(v, dtype=np.uint64)),
    st.lists(st.floats()).map(lambda v: np.array(v, dtype=np.float64)),
    st.binary().map(lambda v: np.frombuffer(v, dtype=np.uint8)),
    st.tuples(st.integers(0, 4), st.integers(0, 4)).map(lambda s: np.arange(s[0] * s[1]).reshape(s)),
)
texts = st.text(st.characters(exclude_categories=["Cs"]))
leaves = st.one_of(st.none(), st.booleans(), st.integers(-(2**63), 2**64 - 1), st.floats(), texts, arrays)
states = st.dictionaries(
    texts, st.recursive(leaves, lambda inner: st.lists(inner) | st.dictionaries(texts, inner), max_leaves=10)
)


def packed(body: bytes, size: int | None = None, version: int = codec.FORMAT) -> bytes:
    """Return a body in a header whose checksum is right."""
    claimed = len(body) if size is None else size
    sized = claimed.to_bytes(8, "little") + pa.Codec("zstd").compress(body, asbytes=True)
    return codec.MAGIC + bytes([version]) + hashlib.blake2b(sized, digest_size=16).digest() + sized


def extension(*content: Any) -> bytes:
    return msgpack.packb({"a": msgpack.ExtType(1, msgpack.packb(list(content)))})


@SETTINGS
@hypothesis.given(states)
def test_round_trip(state: dict[str, Any]) -> None:
    data = codec.encode(state)
    assert difference(codec.decode(data), state) is None
    assert codec.encode(codec.decode(data)) == data


@pytest.mark.parametrize("dtype", [np.float32, np.bool_, np.int32, object])
def test_arrays_of_other_types_are_refused_when_written(dtype: Any) -> None:
    with pytest.raises(TypeError, match="cannot be stored"):
        codec.encode({"a": np.zeros(2, dtype=dtype)})
    with pytest.raises(TypeError, match="cannot be stored"):
        codec.encode({"a": {1, 2}})


def test_one_long_text_can_be_read_again() -> None:
    state = {"values": ["x" * 20_000_000]}
    assert codec.decode(codec.encode(state)) == state


SMALL = profile(3).to_bytes()


@pytest.mark.parametrize("change", [0x01, 0x80, 0xFF])
def test_a_change_of_any_byte_is_noticed(change: int) -> None:
    for place in range(len(SMALL)):
        damaged = bytearray(SMALL)
        damaged[place] ^= change
        with pytest.raises(ProfileError) as caught:
            Profile.from_bytes(bytes(damaged))
        assert isinstance(caught.value, CorruptProfile | ProfileVersion)


def test_a_cut_at_any_byte_is_noticed() -> None:
    for length in range(len(SMALL)):
        with pytest.raises(CorruptProfile):
            Profile.from_bytes(SMALL[:length])
    with pytest.raises(CorruptProfile, match="checksum"):
        Profile.from_bytes(SMALL + b"\x00")


def test_a_later_format_says_so() -> None:
    with pytest.raises(ProfileVersion, match="Update") as caught:
        codec.decode(packed(b"\x80", version=codec.FORMAT + 1))
    assert (caught.value.found, caught.value.known) == (codec.FORMAT + 1, codec.FORMAT)


@SETTINGS
@hypothesis.given(st.binary(max_size=300))
def test_random_bytes(data: bytes) -> None:
    for candidate in (data, codec.MAGIC + data, codec.MAGIC + b"\x01" + data):
        with pytest.raises((CorruptProfile, ProfileVersion)):
            codec.decode(candidate)


@SETTINGS
@hypothesis.given(st.binary(max_size=300), st.booleans(), st.integers(0, 2**64 - 1))
def test_random_bodies_with_the_right_checksum(body: bytes, lies: bool, size: int) -> None:
    try:
        state = codec.decode(packed(body, size if lies else None))
    except CorruptProfile:
        return
    assert isinstance(state, dict)


@SETTINGS
@hypothesis.given(states)
def test_random_states_are_no_profiles(state: dict[str, Any]) -> None:
    with pytest.raises(CorruptProfile):
        Profile.from_bytes(codec.encode(state))


HOSTILE = {
    "claims more than there can be": packed(b"\x80", 1 << 40),
    "claims a little more": packed(b"\x80", 2),
    "claims less": packed(b"\x81\xa1a\x01", 1),
    "claims nothing": packed(b"\x80", 0),
    "a bomb of zeros": packed(bytes(1 << 24)),
    "nested lists": packed(b"\x91" * 100_000 + b"\xc0"),
    "nested mappings": packed(b"\x81\xa1a" * 100_000 + b"\xc0"),
    "a list that claims many entries": packed(b"\xdd\xff\xff\xff\xff"),
    "a mapping that claims many entries": packed(b"\xdf\xff\xff\xff\xff"),
    "no mapping": packed(b"\x01"),
    "rest after the state": packed(b"\x80\x80"),
    "a mapping as a key": packed(b"\x81\x80\x01"),
    "broken UTF-8": packed(b"\x81\xa1\xff\x01"),
    "another extension": packed(msgpack.packb({"a": msgpack.ExtType(2, b"")})),
    "an extension of rubbish": packed(msgpack.packb({"a": msgpack.ExtType(1, b"\xc1")})),
    "too few parts": packed(extension("int64", [1], "as0")),
    "an unknown dtype": packed(extension("object", [1], "plain", b"12345678")),
    "no dtype": packed(extension([], [1], "plain", b"12345678")),
    "an unknown mode": packed(extension("int64", [1], "down0", b"1")),
    "a mode that is a number": packed(extension("int64", [1], 5, b"1")),
    "an unknown width": packed(extension("int64", [1], "as9", b"1")),
    "a negative width": packed(extension("int64", [1], "as-7", b"1")),
    "differences without a start": packed(extension("int64", [1], "up0", b"1")),
    "another length": packed(extension("float64", [7], "plain", bytes(8))),
    "half a number": packed(extension("float64", [1], "plain", bytes(9))),
    "a shape of texts": packed(extension("float64", ["a"], "plain", bytes(8))),
    "a huge shape": packed(extension("float64", [2**62, 2**62], "plain", b"")),
    "a text for bytes": packed(extension("float64", [1], "plain", "12345678")),
    "not zstd": b"",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_bytes_are_refused(name: str) -> None:
    with pytest.raises(CorruptProfile):
        codec.decode(HOSTILE[name])


def test_a_body_that_is_not_compressed() -> None:
    sized = (5).to_bytes(8, "little") + b"hello"
    data = codec.MAGIC + bytes([codec.FORMAT]) + hashlib.blake2b(sized, digest_size=16).digest() + sized
    with pytest.raises(CorruptProfile, match="cannot be read"):
        codec.decode(data)


def test_a_false_size_is_refused_before_memory_is_taken() -> None:
    with pytest.raises(CorruptProfile, match="claims to unpack to 1073741825"):
        codec.decode(packed(bytes(1 << 20), (1 << 30) + 1))
    with pytest.raises(CorruptProfile, match="claims to unpack"):
        codec.decode(packed(b"\x80", (1 << 26) + 1))


def test_the_golden_profile_is_read_as_it_was_written() -> None:
    stored = Profile.load(FOLDER / "format2.profile")
    again = profile()
    note, notes = stored.columns["note"], again.columns["note"]
    assert isinstance(note, TextColumn)
    assert isinstance(notes, TextColumn)
    assert note.formats.counts.sum() == 0  # formats came later: a profile written before has counted none
    note.formats = notes.formats
    where = difference(stored.state(), again.state(), sums=Profile.SUMS, annotations=Profile.ANNOTATIONS)
    assert where is None
    merged = stored.merge(again)
    assert merged.rows == 80
    assert merged.sample.index.copies.tolist() == [2] * 40


def test_the_numbers_of_the_golden_profile() -> None:
    p = Profile.load(FOLDER / "format2.profile")
    assert (p.rows, p.name, p.start, p.end, p.coverage) == (40, "golden", 1711800000000000, 1712080800000000, 0.8)
    x = p.columns["x"]
    assert (x.rows, x.nulls, x.histogram.shift, x.histogram.trailing, len(x.histogram.cells)) == (40, 4, 0, 44, 16)
    assert (x.moments.mean, x.moments.total, x.moments.squares) == (101.80555555555556, 65.0, 164.5)
    assert x.histogram.quantile(0.5) == 101.75
    assert p.columns["note"].histogram.quantile(0.5) == 3.5
    assert p.columns["city"].categories.top(3) == [("Ulm", 13), ("", 12), ("Köln", 12)]
    assert p.columns["b"].categories.counts() == {"false": 30, "true": 10}
    assert p.columns["t"].histogram.count == 40
    assert p.outcome.confusion.tolist() == [[7, 14, 0], [11, 0, 0], [4, 4, 0]]
    assert p.outcome.losses.gram[0].tolist() == pytest.approx([32.0, 76.28956368971885, 15.671875], rel=1e-12)
    assert p.outcome.bins[:3].tolist() == [[6, 3], [1, 1], [2, 2]]
    assert p.outcome.bin_scores[:3].tolist() == [0.1875, 0.125, 0.34375]
    assert {v: o.rows for v, o in p.segments["city"].items()} == {"Ulm": 13, "": 12, "Köln": 12, "__missing__": 3}
    assert [(d, o.rows) for d, o in p.timeline.items()] == [(19812, 6), (19813, 11), (19814, 12), (19815, 11)]
    assert p.sample.index.priority[:2].tolist() == [665820723735763707, 746207185759745399]
    assert p.sample.rows.num_rows == 40
