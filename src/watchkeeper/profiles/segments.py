"""Outcomes kept apart by the value of a column, or by day: containers of bounded size that still merge exactly."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from watchkeeper.capture.batch import Texts
from watchkeeper.errors import CorruptProfile
from watchkeeper.profiles.outcome import Outcome
from watchkeeper.profiles.rows import OutcomeRows
from watchkeeper.sketches.categories import hash_texts
from watchkeeper.sketches.kernel import Int64s
from watchkeeper.sketches.protocol import State, count_of, part_of, strings_of

SEGMENT_CAP = 64
"""Part of the format: so many values of a segment column are kept apart."""
TIMELINE_CAP = 128
"""Part of the format: so many stretches of days are kept apart."""
OTHER = "__other__"
MISSING_VALUE = "__missing__"

Factory = Callable[[], Outcome]


class Segments:
    """Outcomes by the value of one column.

    The first 64 values are kept apart, "first" being the order of their hashes, so that which values they are depends on
    the data alone; the outcome of all others stands under ``__other__``. Rows without a value are ``__missing__``.
    """

    SUMS: frozenset[str] = frozenset()

    def __init__(self, empty: Factory) -> None:
        self._empty = empty
        self.outcomes: dict[str, Outcome] = {}
        self.other = empty()

    def update(self, texts: Texts, rows: OutcomeRows) -> None:
        """Add rows with the segment of each."""
        for code, places in _groups(texts.codes.astype(np.int64)):
            value = MISSING_VALUE if code < 0 else texts.names[code].as_py()
            self._add(value, rows.take(places))
        self._settle()

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
        merged.outcomes = dict(self.outcomes)
        for value, outcome in other.outcomes.items():
            mine = merged.outcomes.get(value)
            merged.outcomes[value] = outcome if mine is None else mine.merge(outcome)  # type: ignore[arg-type]
        merged._settle()
        return merged

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

    SUMS: frozenset[str] = frozenset()

    def __init__(self, empty: Factory) -> None:
        self._empty = empty
        self.shift = 0
        self.outcomes: dict[int, Outcome] = {}

    def update(self, days: Int64s, rows: OutcomeRows) -> None:
        """Add rows with the local day of each, counted from 1970-01-01."""
        for cell, places in _groups(days >> self.shift):
            self.outcomes.setdefault(cell, self._empty()).update(rows.take(places))
        self._settle()

    def _settle(self) -> None:
        while len(self.outcomes) > TIMELINE_CAP:
            self._coarsen(self.shift + 1)

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
        merged.shift, merged.outcomes = self.shift, dict(self.outcomes)
        second.shift, second.outcomes = other.shift, dict(other.outcomes)
        shift = max(self.shift, other.shift)
        merged._coarsen(shift)
        second._coarsen(shift)
        for cell, outcome in second.outcomes.items():
            mine = merged.outcomes.get(cell)
            merged.outcomes[cell] = outcome if mine is None else mine.merge(outcome)  # type: ignore[arg-type]
        merged._settle()
        return merged

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
        cells, outcomes = state.get("cells"), state.get("outcomes")
        if (
            not isinstance(cells, np.ndarray)
            or cells.dtype != np.int64
            or not isinstance(outcomes, list)
            or made.shift > 63
        ):
            raise CorruptProfile("a timeline's parts are of the wrong types")
        if not len(set(cells.tolist())) == cells.size == len(outcomes) <= TIMELINE_CAP:
            raise CorruptProfile("a timeline's parts do not fit each other")
        made.outcomes = dict(zip(cells.tolist(), map(read, _states(outcomes)), strict=True))
        return made


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
