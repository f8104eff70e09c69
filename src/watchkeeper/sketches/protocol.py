"""What every sketch can do, and how its stored state is checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from watchkeeper.errors import CorruptProfile

State = dict[str, Any]
"""Plain values and arrays: what the codec stores. Floating sums stand under keys that ``SUMS`` names."""

_Scalar = TypeVar("_Scalar", int, float, str)


class Sketch(Protocol):
    """A state that can be merged.

    Laws, held by tests over every class: the empty state is the identity of ``merge``; merging is commutative and
    associative; the state of a whole is the merge of the states of its parts; ``from_state(state())`` is the same.
    Whatever is counted is the same to the bit in every order; floating sums agree to 1e-12 of the sum of absolute values.
    """

    def merge(self, other: Self) -> Self:
        """Return the state of both together; neither is changed."""

    def state(self) -> State:
        """Return the content as plain values and arrays."""

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """Make a sketch from a state that may be hostile; raises :class:`CorruptProfile`."""


Merges = TypeVar("Merges")


def merge_all(parts: Sequence[Merges]) -> Merges:
    """Return the state of all parts together (one at least), by the class's own ``merged`` where it has a quicker way.

    The result is that of merging them one after the other.
    """
    together = getattr(type(parts[0]), "merged", None)
    if together is not None and len(parts) > 1:
        return together(parts)  # type: ignore[no-any-return]
    whole: Any = parts[0]
    for part in parts[1:]:
        whole = whole.merge(part)
    return whole  # type: ignore[no-any-return]


def array_of(state: Mapping[str, Any], key: str, dtype: type[np.generic], ndim: int = 1) -> NDArray[Any]:
    """Return an array from a stored state, checked for dtype and dimensions."""
    value = state.get(key)
    if not isinstance(value, np.ndarray) or value.dtype != np.dtype(dtype) or value.ndim != ndim:
        raise CorruptProfile(f"{key!r} should be an array of {np.dtype(dtype).name} with {ndim} dimension(s)")
    return value


def counts_of(state: Mapping[str, Any], key: str, ndim: int = 1) -> NDArray[np.int64]:
    """Return an array of counts: none negative, their sum within 63 bits."""
    counts = array_of(state, key, np.int64, ndim)
    if counts.size and (counts.min() < 0 or float(counts.sum(dtype=np.float64)) >= 2.0**62):
        raise CorruptProfile(f"{key!r} holds impossible counts")
    return counts


def scalar_of(state: Mapping[str, Any], key: str, kind: type[_Scalar]) -> _Scalar:
    """Return a number or text from a stored state, checked for its type."""
    value = state.get(key)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return kind(value)
    if not isinstance(value, kind) or isinstance(value, bool):
        raise CorruptProfile(f"{key!r} should be {kind.__name__}")
    return value


def count_of(state: Mapping[str, Any], key: str) -> int:
    """Return a count from a stored state: a whole number from 0 up to 2^62."""
    value = scalar_of(state, key, int)
    if not 0 <= value < 2**62:
        raise CorruptProfile(f"{key!r} is {value}, which is no count")
    return value


def strings_of(state: Mapping[str, Any], key: str) -> list[str]:
    """Return a list of texts from a stored state."""
    value = state.get(key)
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise CorruptProfile(f"{key!r} should be a list of texts")
    return value


def part_of(state: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """Return a nested state."""
    value = state.get(key)
    if not isinstance(value, dict):
        raise CorruptProfile(f"{key!r} should be a state of its own")
    return value
