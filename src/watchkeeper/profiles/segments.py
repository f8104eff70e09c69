"""Outcomes kept apart by the value of a column, or by day: containers of bounded size that still merge exactly."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from watchkeeper.capture.batch import Texts
from watchkeeper.capture.batch import hash_texts as batch_hashes
from watchkeeper.errors import CorruptProfile
from watchkeeper.profiles.outcome import BinaryOutcome
from watchkeeper.profiles.rows import OutcomeRows
from watchkeeper.profiles.tasks import Outcome
from watchkeeper.schema import MOST_VALUES
from watchkeeper.sketches import kernel
from watchkeeper.sketches.categories import hash_texts
from watchkeeper.sketches.kernel import Int64s
from watchkeeper.sketches.protocol import State, array_of, count_of, merge_all, part_of, strings_of

SEGMENT_CAP = MOST_VALUES
"""Part of the format: so many values of a segment column are kept apart."""
TIMELINE_CAP = 128
"""Part of the format: so many stretches of days are kept apart."""
OTHER = "__other__"
MISSING_VALUE = "__missing__"
_FOLDED = -2

Factory = Callable[[], Outcome]


class Segments:
    """Outcomes by the value of one column.

    The first 64 values are kept apart, "first" being the order of their hashes, so that which values they are depends on
    the data alone; the outcome of all others stands under ``__other__``. Rows without a value are ``__missing__``.
    """

    SUMS: frozenset[str] = BinaryOutcome.SUMS

    def __init__(self, empty: Factory) -> None:
        self._empty = empty
        self.outcomes: dict[str, Outcome] = {}
        self.other = empty()

    def update(self, texts: Texts, rows: OutcomeRows) -> None:
        """Add rows with the segment of each."""
        for code, places in _groups(_fold(texts)):
            if code == _FOLDED:
                self.other.update(rows.take(places))
            else:
                self._add(MISSING_VALUE if code < 0 else texts.names[code].as_py(), rows.take(places))
        self._settle()

    def label(self, texts: Texts, rows: OutcomeRows) -> None:
        """Give rows that were counted without a label, with the segment of each, the one that they have now."""
        for code, places in _groups(_fold(texts)):
            value = OTHER if code == _FOLDED else MISSING_VALUE if code < 0 else texts.names[code].as_py()
            self.outcomes.get(value, self.other).label(rows.take(places))

    def _add(self, value: str, rows: OutcomeRows) -> None:
        self.outcomes.setdefault(value, self._empty()).update(rows)

    def _settle(self) -> None:
        """Fold what is beyond the cap into ``other``. A value folded once lies beyond the cap of every later whole too."""
        if len(self.outcomes) <= SEGMENT_CAP and self.other.rows == 0:
            return
        values = list(self.outcomes)
        order = np.argsort(hash_texts(values), kind="stable").tolist()
        for place in order[SEGMENT_CAP:]:
            self.other = self.other.merge(self.outcomes.pop(values[place]))  # type: ignore[arg-type]

    def merge(self, other: Segments) -> Segments:
        """Return the segments of both together."""
        merged = Segments(self._empty)
        merged.other = self.other.merge(other.other)  # type: ignore[arg-type]
        merged.outcomes = {value: outcome.copy() for value, outcome in self.outcomes.items()}
        for value, outcome in other.outcomes.items():
            mine = merged.outcomes.get(value)
            merged.outcomes[value] = outcome.copy() if mine is None else mine.merge(outcome)  # type: ignore[arg-type]
        merged._settle()
        return merged

    @classmethod
    def merged(cls, parts: Sequence[Segments]) -> Segments:
        """Return the segments of all parts together."""
        made = cls(parts[0]._empty)
        made.other = merge_all([part.other for part in parts])
        by_value: dict[str, list[Outcome]] = {}
        for part in parts:
            for value, outcome in part.outcomes.items():
                by_value.setdefault(value, []).append(outcome)
        made.outcomes = {value: _together(outcomes) for value, outcomes in by_value.items()}
        made._settle()
        return made

    def items(self) -> list[tuple[str, Outcome]]:
        """Return values with their outcomes, most rows first, ``__other__`` last where there is one."""
        ordered = sorted(self.outcomes.items(), key=lambda item: (-item[1].rows, item[0]))
        return [*ordered, (OTHER, self.other)] if self.other.rows else ordered

    def state(self) -> State:
        """Return the content as plain values and arrays, in order of the values' text."""
        values = sorted(self.outcomes)
        return {"values": values, "outcomes": [self.outcomes[v].state() for v in values], "other": self.other.state()}

    @classmethod
    def from_state(
        cls, state: Mapping[str, Any], empty: Factory, read: Callable[[Mapping[str, Any]], Outcome]
    ) -> Segments:
        """Make segments from a state that may be hostile; raises :class:`CorruptProfile`."""
        made = cls(empty)
        values, outcomes = strings_of(state, "values"), state.get("outcomes")
        if not isinstance(outcomes, list) or not len(set(values)) == len(values) == len(outcomes) <= SEGMENT_CAP:
            raise CorruptProfile("segments and their outcomes do not fit each other")
        made.outcomes = dict(zip(values, map(read, _states(outcomes)), strict=True))
        made.other = read(part_of(state, "other"))
        return made


class Timeline:
    """Outcomes by stretches of ``2 ** shift`` local calendar days.

    ``shift`` is the smallest at which at most 128 stretches hold rows; as in a histogram, it depends on the data alone.
    Up to 128 days with rows are therefore days.
    """

    SUMS: frozenset[str] = BinaryOutcome.SUMS

    def __init__(self, empty: Factory) -> None:
        self._empty = empty
        self.shift = 0
        self.outcomes: dict[int, Outcome] = {}

    def update(self, days: Int64s, rows: OutcomeRows) -> None:
        """Add rows with the local day of each, counted from 1970-01-01."""
        self._settle(days >> self.shift)
        for cell, places in _groups(days >> self.shift):
            self.outcomes.setdefault(cell, self._empty()).update(rows.take(places))

    def label(self, days: Int64s, rows: OutcomeRows) -> None:
        """Give rows that were counted without a label, with the day of each, the one that they have now."""
        for cell, places in _groups(days >> self.shift):
            self.outcomes[cell].label(rows.take(places))

    def _settle(self, coming: Int64s) -> None:
        """Coarsen until all cells fit, those that are coming too, so that no outcome is made only to be folded."""
        cells = np.unique(np.concatenate([np.array(list(self.outcomes), dtype=np.int64), coming]))
        if len(cells) > TIMELINE_CAP:
            self._coarsen(self.shift + int(np.argmax(kernel.cells_by_shift(cells) <= TIMELINE_CAP)))

    def _coarsen(self, shift: int) -> None:
        by = shift - self.shift
        wide: dict[int, Outcome] = {}
        for cell, outcome in self.outcomes.items():
            mine = wide.get(cell >> by)
            wide[cell >> by] = outcome if mine is None else mine.merge(outcome)  # type: ignore[arg-type]
        self.shift, self.outcomes = shift, wide

    def merge(self, other: Timeline) -> Timeline:
        """Return the timeline of both together."""
        merged, second = Timeline(self._empty), Timeline(self._empty)
        merged.shift, merged.outcomes = self.shift, {cell: outcome.copy() for cell, outcome in self.outcomes.items()}
        second.shift, second.outcomes = other.shift, dict(other.outcomes)
        shift = max(self.shift, other.shift)
        merged._coarsen(shift)
        second._coarsen(shift)
        for cell, outcome in second.outcomes.items():
            mine = merged.outcomes.get(cell)
            merged.outcomes[cell] = outcome.copy() if mine is None else mine.merge(outcome)  # type: ignore[arg-type]
        merged._settle(np.empty(0, dtype=np.int64))
        return merged

    @classmethod
    def merged(cls, parts: Sequence[Timeline]) -> Timeline:
        """Return the timeline of all parts together."""
        made = cls(parts[0]._empty)
        made.shift = max(part.shift for part in parts)
        by_cell: dict[int, list[Outcome]] = {}
        for part in parts:
            for cell, outcome in part.outcomes.items():
                by_cell.setdefault(cell >> (made.shift - part.shift), []).append(outcome)
        made.outcomes = {cell: _together(outcomes) for cell, outcomes in by_cell.items()}
        made._settle(np.empty(0, dtype=np.int64))
        return made

    def items(self) -> list[tuple[int, Outcome]]:
        """Return first days (from 1970-01-01) with the outcomes of their stretches, earliest first."""
        return [(cell << self.shift, self.outcomes[cell]) for cell in sorted(self.outcomes)]

    def state(self) -> State:
        """Return the content as plain values and arrays."""
        cells = sorted(self.outcomes)
        return {
            "shift": self.shift,
            "cells": np.array(cells, dtype=np.int64),
            "outcomes": [self.outcomes[c].state() for c in cells],
        }

    @classmethod
    def from_state(
        cls, state: Mapping[str, Any], empty: Factory, read: Callable[[Mapping[str, Any]], Outcome]
    ) -> Timeline:
        """Make a timeline from a state that may be hostile; raises :class:`CorruptProfile`."""
        made = cls(empty)
        made.shift = count_of(state, "shift")
        cells, outcomes = array_of(state, "cells", np.int64), state.get("outcomes")
        if not isinstance(outcomes, list) or made.shift > 63:
            raise CorruptProfile("a timeline's parts are of the wrong types")
        if np.any((cells << np.int64(made.shift)) >> np.int64(made.shift) != cells):
            raise CorruptProfile("a timeline's cells lie outside the days")
        if not len(set(cells.tolist())) == cells.size == len(outcomes) <= TIMELINE_CAP:
            raise CorruptProfile("a timeline's parts do not fit each other")
        made.outcomes = dict(zip(cells.tolist(), map(read, _states(outcomes)), strict=True))
        return made


def _together(outcomes: list[Outcome]) -> Outcome:
    """Return the outcome of all; never one of them itself, for outcomes take rows in place."""
    return outcomes[0].copy() if len(outcomes) == 1 else merge_all(outcomes)


def _fold(texts: Texts) -> Int64s:
    """Return the codes of values, one for all that lie beyond the cap already, so that no outcome is made for each."""
    codes = texts.codes.astype(np.int64)
    used = np.unique(codes[codes >= 0]) if len(texts.names) > SEGMENT_CAP else codes[:0]
    if len(used) <= SEGMENT_CAP:
        return codes
    hashes = batch_hashes(texts.names)[used]
    beyond = np.zeros(len(texts.names) + 1, dtype=bool)
    beyond[used] = hashes > np.partition(hashes, SEGMENT_CAP - 1)[SEGMENT_CAP - 1]
    return np.where(beyond[codes], _FOLDED, codes)


def _groups(codes: Int64s) -> Iterable[tuple[int, Int64s | slice]]:
    """Yield each distinct code with the places that have it, by one sort."""
    if len(codes) == 0:
        return
    if (codes[1:] >= codes[:-1]).all():  # already in order, as days of a log are
        starts = np.flatnonzero(np.concatenate([[True], codes[1:] != codes[:-1]]))
        ends = [*starts[1:].tolist(), len(codes)]
        for start, end in zip(starts.tolist(), ends, strict=True):
            yield int(codes[start]), slice(start, end)
        return
    order = np.argsort(codes, kind="stable")
    ordered = codes[order]
    starts = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))
    for start, places in zip(starts.tolist(), np.split(order, starts[1:]), strict=True):
        yield int(ordered[start]), places


def _states(values: list[Any]) -> list[Mapping[str, Any]]:
    if not all(isinstance(value, dict) for value in values):
        raise CorruptProfile("an outcome is not stored as a state")
    return values
