"""The shapes of texts: a closed set of formats such as dates and e-mail addresses, and how many values have each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from watchkeeper.errors import CorruptProfile
from watchkeeper.sketches.kernel import Int64s
from watchkeeper.sketches.protocol import State, counts_of

_PATTERNS = {
    "blank": r"\s*",
    "integer": r"[+-]?(0|[1-9][0-9]*)",
    "digits": r"[0-9]+",
    "decimal": r"[+-]?([0-9]+[.,][0-9]*|[.,]?[0-9]+)([eE][+-]?[0-9]+)?",
    "date": r"[0-9]{4}-[0-9]{2}-[0-9]{2}",
    "datetime": r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(:[0-9]{2}([.,][0-9]+)?)?( ?(Z|[+-][0-9]{2}:?[0-9]{2}))?",
    "uuid": r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}",
    "ip": r"[0-9]{1,3}(\.[0-9]{1,3}){3}|[0-9a-fA-F]{0,4}:[0-9a-fA-F:]*:[0-9a-fA-F:.]*",
    "email": r"[^@\s]+@[^@\s]+\.[^@\s.]+",
    "url": r"[a-zA-Z][a-zA-Z0-9+.-]*://\S+",
    "phone": r"[+(0][0-9 ()/.-]{5,19}",
    "code": r"[A-Z0-9][A-Z0-9._/-]*",
    "word": r"[\pL\pM]+",
}
FORMATS = (*_PATTERNS, "text")
"""Part of the format: the shapes that are told apart, the first that fits; ``text`` is everything else."""
VAGUE = frozenset({"text", "word", "blank"})
"""Shapes that promise nothing."""
_SHORT = r"^(\S*|\s*|[+(0-9][0-9 ()/.:,TZ+-]*)$"
"""What no other shape than ``text`` can have does not fit this; it spares prose twelve looks."""


def formats_of(texts: pa.Array) -> Int64s:
    """Return the place in :data:`FORMATS` of each text, shape (n,), -1 where it is null. Decided without a dictionary."""
    places = np.full(len(texts), len(FORMATS) - 1, dtype=np.int64)
    null = texts.is_null().to_numpy(zero_copy_only=False)
    places[null] = -1
    left = np.flatnonzero(_fits(texts, _SHORT) & ~null)
    for place, pattern in enumerate(_PATTERNS.values()):
        if len(left) == 0:
            break
        fits = _fits(texts.take(pa.array(left)), f"^({pattern})$")
        places[left[fits]] = place
        left = left[~fits]
    return places


def _fits(texts: pa.Array, pattern: str) -> np.ndarray[Any, np.dtype[np.bool_]]:
    found: np.ndarray[Any, np.dtype[np.bool_]] = pc.fill_null(
        pc.match_substring_regex(texts, pattern), fill_value=False
    ).to_numpy(zero_copy_only=False)
    return found


class Formats:
    """How many values have each of :data:`FORMATS`: counts, which merge by adding."""

    SUMS: frozenset[str] = frozenset()

    def __init__(self) -> None:
        self.counts: Int64s = np.zeros(len(FORMATS), dtype=np.int64)

    def update(self, texts: pa.Array) -> None:
        """Add texts; nulls are left out."""
        places = formats_of(texts)
        self.counts = self.counts + np.bincount(places[places >= 0], minlength=len(FORMATS)).astype(np.int64)

    def merge(self, other: Formats) -> Formats:
        """Return the counts of both together."""
        merged = Formats()
        merged.counts = self.counts + other.counts
        return merged

    def state(self) -> State:
        """Return the content as plain values and arrays."""
        return {"counts": self.counts}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Formats:
        """Make formats from a state that may be hostile; raises :class:`CorruptProfile`."""
        made = cls()
        made.counts = counts_of(state, "counts")
        if made.counts.shape != (len(FORMATS),):
            raise CorruptProfile("formats and their counts do not fit each other")
        return made
