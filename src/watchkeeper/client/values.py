"""From any object to what a row may hold: null, true, false, a number, a text, a list of numbers."""

from __future__ import annotations

import datetime
import enum
import itertools
import json
import math
from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Any

MOST_TEXT = 16 * 1024
MOST_NUMBERS = 16 * 1024
MOST_FEATURES = 10_000
MOST_DEPTH = 8
MOST_ITEMS = 1000
_WIDEST = 2**63


class Snapshot:
    """Makes plain copies of objects, and counts what it had to cut or could not read.

    Attributes
    ----------
    cut
        Texts and lists that were longer than a row may hold.
    unreadable
        Objects that could not even be written as text; they became null.
    bytes
        About how much memory the copies take.
    """

    __slots__ = ("bytes", "cut", "unreadable")

    def __init__(self) -> None:
        self.cut = self.unreadable = self.bytes = 0

    def mapping(self, values: Mapping[Any, object]) -> dict[str, Any]:
        """Return names and values as plain ones, 10,000 at most."""
        items = list(dict(values).items())
        if len(items) > MOST_FEATURES:
            self.cut += len(items) - MOST_FEATURES
        return {self.text(name): self.value(value) for name, value in items[:MOST_FEATURES]}

    def features(self, values: Any) -> dict[str, Any]:
        """Return the features of a row; what is no mapping, or cannot be read as one, has none."""
        try:
            if is_mapping(values):
                return self.mapping(values)
        except Exception:  # a mapping of the user's own making
            pass
        self.unreadable += 1
        return {}

    def scalar(self, value: object) -> Any:
        """Return a value that is no list: a list becomes its text."""
        plain = self.value(value)
        return self._cut(json.dumps(plain)) if isinstance(plain, list) else plain

    def score(self, value: Any) -> Any:
        """Return a score: a number, or probabilities by class."""
        return self.features(value) if is_mapping(value) else self.scalar(value)

    def value(self, value: object) -> Any:
        """Return the plain copy of a value."""
        self.bytes += 64
        try:
            return self._plain(value)
        except Exception:  # whatever a user's object raises when it is looked at
            self.unreadable += 1
            return None

    def text(self, value: object) -> str:
        """Return the text of a value, cut to 16 KiB; empty for one that cannot be written."""
        try:
            return self._cut(value if type(value) is str else str(value))
        except Exception:  # a __str__ that raises
            self.unreadable += 1
            return ""

    def _cut(self, text: str) -> str:
        if len(text) > MOST_TEXT:
            self.cut += 1
            text = text[:MOST_TEXT]
        self.bytes += len(text)
        if not text.isascii():
            return text.encode("utf-8", "replace").decode("utf-8")  # halves of surrogate pairs are no text
        return str.__str__(text)  # of a subclass too

    def _plain(self, value: Any) -> Any:
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, enum.Enum):
            return self._plain(value.value)
        if isinstance(value, str):
            return self._cut(value)
        if isinstance(value, int):
            return _integer(int(value))
        if isinstance(value, float | Decimal | Fraction):
            return float(value)
        if isinstance(value, bytes | bytearray | memoryview):
            return self._cut(bytes(value[:MOST_TEXT]).decode("utf-8", "backslashreplace"))
        return self._rich(value)

    def _rich(self, value: Any) -> Any:
        if type(value).__name__ in {"NAType", "NaTType"}:
            return None
        if isinstance(value, datetime.date | datetime.time):
            return value.isoformat()
        if isinstance(value, list | tuple | set | frozenset):
            return self._several(value)
        if isinstance(value, Mapping):
            return self._cut(json.dumps(self._nested(value, 0, [MOST_ITEMS])))
        if hasattr(value, "dtype") and hasattr(value, "tolist"):
            return self._array(value)
        return self._cut(str(value))

    def _array(self, value: Any) -> Any:
        """Return what NumPy, pandas or a tensor holds: one value, or all of them in one list."""
        if getattr(value, "shape", ()) == () and hasattr(value, "item"):
            return str(value) if type(value).__name__ == "datetime64" else self._plain(value.item())
        flat = value.reshape(-1) if len(getattr(value, "shape", (0,))) > 1 else value
        if len(flat) > MOST_NUMBERS:
            self.cut += 1
            flat = flat[:MOST_NUMBERS]
        return self._several(flat.tolist())

    def _several(self, values: Any) -> Any:
        if isinstance(values, list | tuple) and all(type(v) in {int, float} for v in values[:MOST_NUMBERS]):
            if len(values) > MOST_NUMBERS:
                self.cut += 1
            self.bytes += 32 * len(values)
            return [_integer(v) if type(v) is int else v for v in values[:MOST_NUMBERS]]
        nested = self._nested(values, 0, [MOST_ITEMS])
        if nested and all(type(v) in {int, float} for v in nested):
            return nested
        return self._cut(json.dumps(nested))

    def _nested(self, value: Any, depth: int, left: list[int]) -> Any:
        """Return containers within containers as JSON can write them, ``left[0]`` items at most."""
        left[0] -= 1
        if depth > MOST_DEPTH or left[0] < 0:
            return "..."
        if is_mapping(value):
            items = itertools.islice(value.items(), left[0])
            return {self.text(name): self._nested(inner, depth + 1, left) for name, inner in items}
        if isinstance(value, list | tuple | set | frozenset):
            return [self._nested(inner, depth + 1, left) for inner in itertools.islice(value, left[0])]
        return self.value(value)


def is_mapping(value: object) -> bool:
    """Whether a value is a mapping; asks its type alone, for an object may lie about its class, or raise."""
    return issubclass(type(value), Mapping)


def plain_row(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row whose values JSON can write, whatever they were."""
    snapshot = Snapshot()
    return {
        key: snapshot.mapping(value) if isinstance(value, Mapping) else snapshot.scalar(value)
        for key, value in row.items()
    }


def _integer(value: int) -> int | float | str:
    if -_WIDEST <= value < _WIDEST:
        return value
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf
