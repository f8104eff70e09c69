"""The state of one column of a window, by kind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from watchkeeper.capture.batch import Batch
from watchkeeper.errors import CorruptProfile
from watchkeeper.profiles.formats import Formats
from watchkeeper.schema import Kind, Schema
from watchkeeper.sketches.categories import Categories
from watchkeeper.sketches.histogram import Histogram
from watchkeeper.sketches.kernel import Floats
from watchkeeper.sketches.moments import Moments
from watchkeeper.sketches.protocol import State, count_of, merge_all, part_of, scalar_of


class _Column:
    """Rows, nulls and mistyped values, which every column counts."""

    KIND: str
    _COUNTS: tuple[str, ...] = ("rows", "nulls", "mistyped")
    _PARTS: tuple[str, ...] = ()
    SUMS: frozenset[str] = Moments.SUMS
    ANNOTATIONS: frozenset[str] = Categories.ANNOTATIONS

    def __init__(self) -> None:
        self.rows = 0
        self.nulls = 0
        self.mistyped = 0

    def _empty(self) -> Self:
        return type(self)()

    def merge(self, other: Self) -> Self:
        """Return the state of both together."""
        merged = self._empty()
        for name in self._COUNTS:
            setattr(merged, name, getattr(self, name) + getattr(other, name))
        for name in self._PARTS:
            setattr(merged, name, getattr(self, name).merge(getattr(other, name)))
        return merged

    @classmethod
    def merged(cls, parts: Sequence[Self]) -> Self:
        """Return the state of all parts together."""
        made = parts[0]._empty()
        for name in cls._COUNTS:
            setattr(made, name, sum(getattr(part, name) for part in parts))
        for name in cls._PARTS:
            setattr(made, name, merge_all([getattr(part, name) for part in parts]))
        return made

    def fill(self, batch: Batch, name: str) -> Self:
        """Return the column after rows that were counted as null got the values that they have in ``batch``."""
        late = self._empty()
        late.update(batch, name)
        late.nulls -= late.rows
        late.rows = 0
        return self.merge(late)

    def update(self, batch: Batch, name: str) -> None:
        """Add a column of a batch."""
        raise TypeError(f"{type(self).__name__} cannot be updated with {name!r}")

    def state(self) -> State:
        """Return the content as plain values and arrays."""
        counts = {name: getattr(self, name) for name in self._COUNTS}
        return {"kind": self.KIND} | counts | {name: getattr(self, name).state() for name in self._PARTS}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """Make a column from a state that may be hostile; raises :class:`CorruptProfile`."""
        made = cls()
        if scalar_of(state, "kind", str) != cls.KIND:
            raise CorruptProfile(f"a {cls.KIND} column is stored as another kind")
        for name in cls._COUNTS:
            setattr(made, name, count_of(state, name))
        for name in cls._PARTS:
            setattr(made, name, type(getattr(made, name)).from_state(part_of(state, name)))
        return made


class NumericColumn(_Column):
    """Numbers: a :class:`Histogram` and :class:`Moments` of the finite ones; NaN and infinities counted apart.

    ``nulls`` are missing values, ``mistyped`` those of them that were there but are no numbers.
    """

    KIND = "numeric"
    _COUNTS = ("rows", "nulls", "mistyped", "nans", "plus_infinities", "minus_infinities")
    _PARTS = ("histogram", "moments")

    def __init__(self, origin: float = 0.0) -> None:
        super().__init__()
        self.nans = 0
        self.plus_infinities = 0
        self.minus_infinities = 0
        self.histogram = Histogram()
        self.moments = Moments(origin)

    def _empty(self) -> NumericColumn:
        return NumericColumn(self.moments.origin)

    def update(self, batch: Batch, name: str) -> None:
        """Add a column of a batch."""
        numbers = batch.numbers(name)
        values = numbers.values if numbers.null is None else numbers.values[~numbers.null]
        self.rows += len(numbers.values)
        self.nulls += len(numbers.values) - len(values)
        self.mistyped += numbers.mistyped
        self.update_values(values)

    def update_values(self, values: Floats) -> None:
        """Add float64 values that are there, shape (n,); NaN and infinities are counted apart."""
        if len(values) and not (np.isfinite(values.min()) and np.isfinite(values.max())):
            finite = np.isfinite(values)
            rest = values[~finite]
            self.nans += int(np.isnan(rest).sum())
            self.plus_infinities += int(np.isposinf(rest).sum())
            self.minus_infinities += int(np.isneginf(rest).sum())
            values = values[finite]
        self.histogram.update_floats(values)
        self.moments.update(values)

    @property
    def infinities(self) -> int:
        """How many values are +inf or -inf."""
        return self.plus_infinities + self.minus_infinities


class DatetimeColumn(_Column):
    """Moments in time: a :class:`Histogram` of UTC microseconds since 1970."""

    KIND = "datetime"
    _PARTS = ("histogram",)

    def __init__(self) -> None:
        super().__init__()
        self.histogram = Histogram()

    def update(self, batch: Batch, name: str) -> None:
        """Add a column of a batch."""
        moments = batch.moments(name)
        values = moments.values if moments.null is None else moments.values[~moments.null]
        self.rows += len(moments.values)
        self.nulls += len(moments.values) - len(values)
        self.mistyped += moments.mistyped
        self.histogram.update(values)


class CategoricalColumn(_Column):
    """Categories and booleans: :class:`Categories`, the values as text."""

    KIND = "categorical"
    _PARTS = ("categories",)

    def __init__(self) -> None:
        super().__init__()
        self.categories = Categories()

    def update(self, batch: Batch, name: str) -> None:
        """Add a column of a batch."""
        texts = batch.texts(name)
        counts = np.bincount(texts.codes + 1, minlength=len(texts.names) + 1).astype(np.int64)
        self.rows += len(texts.codes)
        self.nulls += int(counts[0])
        used = np.flatnonzero(counts[1:])
        self.categories.update(texts.names.take(pa.array(used)).to_pylist(), counts[1:][used])


class TextColumn(_Column):
    """Prose: the histogram of its lengths in characters, and the :class:`Formats` of its values."""

    KIND = "text"
    _PARTS = ("histogram", "moments", "formats")

    def __init__(self) -> None:
        super().__init__()
        self.histogram = Histogram()
        self.moments = Moments()
        self.formats = Formats()

    def update(self, batch: Batch, name: str) -> None:
        """Add a column of a batch."""
        column = batch.column(name)
        if pa.types.is_dictionary(column.type):
            column = column.dictionary_decode()
        texts = column.cast(pa.large_string())
        lengths = pc.utf8_length(texts).drop_null()
        self.formats.update(texts)
        values = lengths.to_numpy(zero_copy_only=False).astype(np.float64)
        self.rows += len(column)
        self.nulls += len(column) - len(values)
        self.histogram.update_floats(values)
        self.moments.update(values)

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """Make a column from a state that may be hostile; one written before there were formats has counted none."""
        return super().from_state(state if "formats" in state else {**state, "formats": Formats().state()})


Column = NumericColumn | DatetimeColumn | CategoricalColumn | TextColumn
_BY_KIND: dict[str, type[Column]] = {
    "numeric": NumericColumn,
    "datetime": DatetimeColumn,
    "categorical": CategoricalColumn,
    "boolean": CategoricalColumn,
    "text": TextColumn,
}


def profiled_columns(schema: Schema) -> dict[str, Kind]:
    """Return the columns that get a state of their own, with their kinds, in the order of the schema."""
    return {name: kind for name, kind in schema.profiled().items() if kind in _BY_KIND}


def empty_column(schema: Schema, name: str) -> Column:
    """Return the empty state for a column."""
    kind = schema.kinds[name]
    return NumericColumn(schema.origins.get(name, 0.0)) if kind == "numeric" else _BY_KIND[kind]()


def read_column(state: Mapping[str, Any], schema: Schema, name: str) -> Column:
    """Make a column from a stored state; raises :class:`CorruptProfile` where it is not what the schema says."""
    if schema.kinds.get(name) not in _BY_KIND:
        raise CorruptProfile(f"the column {name!r} is not in the schema")
    made = _BY_KIND[schema.kinds[name]].from_state(state)
    like = empty_column(schema, name)
    if isinstance(made, NumericColumn | TextColumn) and isinstance(like, NumericColumn | TextColumn):
        _check_origin(made.moments, like.moments)
    return made


def _check_origin(made: Moments, like: Moments) -> None:
    if made.origin != like.origin:
        raise CorruptProfile(f"squares are summed about {made.origin}, not about {like.origin} as the schema says")
