"""States to bytes and back: versioned, compressed, checked, and safe on bytes that someone made to do harm.

Layout: ``\\x89WKP``, one byte of format, 16 bytes of BLAKE2b over the rest, eight bytes of the size before compression
(little endian), then MessagePack in Zstandard. Arrays are extension 1: dtype, shape, and the values as differences or
as they are, in the narrowest integers that hold them. Nothing in it can name code.
"""

from __future__ import annotations

import bisect
import hashlib
from collections.abc import Mapping
from typing import Any

import msgpack
import numpy as np
import pyarrow as pa

from watchkeeper.errors import CorruptProfile, ProfileVersion

MAGIC = b"\x89WKP"
FORMAT = 2
_HEADER = len(MAGIC) + 1 + 16 + 8
_LARGEST = 1 << 30
_RATIO = 4096
_ANY_RATIO = 1 << 26  # so much may be claimed whatever the ratio: one long text can compress that far
_ARRAY = 1
_DTYPES = {"int64": np.int64, "uint64": np.uint64, "float64": np.float64, "uint8": np.uint8}
_LIMITS = (1 << 8, 1 << 16, 1 << 32)
_NAMES = {np.dtype(kind): name for name, kind in _DTYPES.items()}
_EMPTY = msgpack.ExtType(_ARRAY, msgpack.packb(["int64", [0], "as0", b""], use_bin_type=True))
_WIDTHS: tuple[type[np.unsignedinteger[Any]], ...] = (np.uint8, np.uint16, np.uint32, np.uint64)


def encode(state: Mapping[str, Any]) -> bytes:
    """Return a state as bytes."""
    body = msgpack.packb(state, default=_pack_array, use_bin_type=True)
    packed: bytes = pa.Codec("zstd").compress(body, asbytes=True)
    sized = len(body).to_bytes(8, "little") + packed
    return MAGIC + bytes([FORMAT]) + hashlib.blake2b(sized, digest_size=16).digest() + sized


def decode(data: bytes) -> dict[str, Any]:
    """Return the state that bytes hold.

    Raises
    ------
    CorruptProfile
        They are no whole profile.
    ProfileVersion
        They are of another format.
    """
    if len(data) < _HEADER or data[: len(MAGIC)] != MAGIC:
        raise CorruptProfile("it does not begin as a profile does" if data else "it is empty")
    version, digest, sized = data[4], data[5:21], data[21:]
    if version not in {0, FORMAT}:
        raise ProfileVersion(version, FORMAT)
    if version == 0 or hashlib.blake2b(sized, digest_size=16).digest() != digest:
        raise CorruptProfile("its checksum is wrong, so it was cut off or changed")
    size = int.from_bytes(sized[:8], "little")
    if size > min(_LARGEST, max(_ANY_RATIO, _RATIO * len(sized))):
        raise CorruptProfile(f"it claims to unpack to {size} bytes")
    try:
        body = pa.Codec("zstd").decompress(sized[8:], decompressed_size=size, asbytes=True)
        state = msgpack.unpackb(body, ext_hook=_unpack_array, raw=False, strict_map_key=False)
    except CorruptProfile:
        raise
    except Exception as error:  # whatever a decoder says of hostile bytes, the caller hears one thing
        raise CorruptProfile(f"its content cannot be read ({type(error).__name__})") from error
    if not isinstance(state, dict):
        raise CorruptProfile("its content is no state")
    return state


def _pack_array(value: object) -> msgpack.ExtType:
    name = _NAMES.get(value.dtype) if isinstance(value, np.ndarray) else None
    if name is None or not isinstance(value, np.ndarray):
        kind = getattr(value, "dtype", type(value).__name__)
        raise TypeError(f"a state holds a value or array of {kind}, which cannot be stored")
    if value.shape == (0,) and name == "int64":
        return _EMPTY
    flat = np.ascontiguousarray(value).reshape(-1)
    if name == "int64":
        mode, raw = _narrow(flat)
    else:
        mode, raw = "plain", flat.astype(flat.dtype.newbyteorder("<"), copy=False).tobytes()
    return msgpack.ExtType(_ARRAY, msgpack.packb([name, list(value.shape), mode, raw], use_bin_type=True))


def _narrow(flat: np.ndarray[Any, np.dtype[np.int64]]) -> tuple[str, bytes]:
    """Store ascending integers as differences, and both kinds in the narrowest words; the mode names kind and width."""
    ascending = len(flat) > 1 and bool((flat[1:] > flat[:-1]).all())
    words = flat.view(np.uint64)
    first = b""
    if ascending:
        first, words = words[:1].tobytes(), words[1:] - words[:-1]
    largest = int(words.max()) if len(words) else 0
    width = bisect.bisect_right(_LIMITS, largest)
    return f"{'up' if ascending else 'as'}{width}", first + words.astype(_WIDTHS[width]).tobytes()


def _unpack_array(code: int, data: bytes) -> Any:
    if code != _ARRAY:
        raise CorruptProfile(f"it holds an unknown extension {code}")
    name, shape, mode, raw = msgpack.unpackb(data, raw=False)
    dtype = _DTYPES[name]
    if mode == "plain":
        flat: Any = np.frombuffer(raw, dtype=dtype).copy()
    elif dtype is np.int64 and mode[:2] == "as":
        flat = np.frombuffer(raw, dtype=_WIDTHS[int(mode[2:])]).astype(np.uint64).view(np.int64)
    elif dtype is np.int64 and mode[:2] == "up":
        steps = np.frombuffer(raw[8:], dtype=_WIDTHS[int(mode[2:])]).astype(np.uint64)
        flat = np.cumsum(np.concatenate([np.frombuffer(raw[:8], dtype=np.uint64), steps]), dtype=np.uint64).view(
            np.int64
        )
    else:
        raise CorruptProfile(f"it holds an array stored as {mode!r}")
    return flat.reshape(shape)
