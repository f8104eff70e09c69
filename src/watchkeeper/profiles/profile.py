"""The profile of a window: everything that is known about it, in a small state that can be merged."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np

from watchkeeper.capture.batch import Batch
from watchkeeper.errors import (
    CorruptProfile,
    EmptySource,
    InvalidSchema,
    SourceNotFound,
    UnreadableSource,
    Unwritable,
    WatchkeeperError,
)
from watchkeeper.profiles import codec
from watchkeeper.profiles.column import Column, NumericColumn, empty_column, profiled_columns, read_column
from watchkeeper.profiles.cuts import cut_texts, missing_value
from watchkeeper.profiles.rows import outcome_rows
from watchkeeper.profiles.sample import SAMPLE_ROWS, RowSample
from watchkeeper.profiles.segments import Segments, Timeline
from watchkeeper.profiles.tasks import as_part, empty_outcome, read_outcome
from watchkeeper.schema import Schema
from watchkeeper.sketches.kernel import Int64s
from watchkeeper.sketches.protocol import State, count_of, merge_all, part_of
from watchkeeper.window import Window, local_days, moment, zone_info


class Profile:
    """Counts and sums of a window's rows: columns, outcomes, segments, days, and a sample of rows.

    A profile of a whole is the merge of the profiles of its parts, whatever the parts were. Its size grows with the
    number of columns, segments and days, never with the number of rows.

    Parameters
    ----------
    schema
        A whole schema, as :func:`watchkeeper.infer_schema` returns; it is frozen.
    name
        For people: where the rows came from.

    Attributes
    ----------
    rows
        How many rows were seen.
    columns
        State by column.
    outcome
        What became of the predictions; None without a task.
    segments
        Outcomes by segment column (or pair of columns, as ``origin x carrier``), then value or bin.
    timeline
        Outcomes by local day; None without a timestamp or task.
    sample
        A uniform sample of rows.
    start, end
        First and last event time, in microseconds since 1970; None without a timestamp.
    """

    SUMS: frozenset[str] = Segments.SUMS | NumericColumn.SUMS
    ANNOTATIONS: frozenset[str] = NumericColumn.ANNOTATIONS | {"name", "guessed"}

    def __init__(self, schema: Schema, name: str = "", sample_rows: int = SAMPLE_ROWS) -> None:
        zone_info(schema.zone)
        self.schema = schema.freeze()
        self.name = name
        self.rows = 0
        self.columns: dict[str, Column] = {c: empty_column(schema, c) for c in profiled_columns(schema)}
        self.outcome = empty_outcome(schema)
        self._cuts = schema.cuts() if self.outcome is not None else {}
        self.segments = {name: Segments(self._empty_outcome) for name in self._cuts}
        timed = schema.timestamp is not None and self.outcome is not None
        self.timeline = Timeline(self._empty_outcome) if timed else None
        self.sample = RowSample(schema, sample_rows)
        self.start: int | None = None
        self.end: int | None = None

    def _empty_outcome(self) -> Any:
        return empty_outcome(self.schema, part=True)

    @property
    def window(self) -> Window | None:
        """First and last event time; None where there is no timestamp."""
        return None if self.start is None or self.end is None else Window(moment(self.start), moment(self.end))

    @property
    def coverage(self) -> float | None:
        """The share of predictions that have a label; None without a task."""
        if self.outcome is None or self.outcome.rows == 0 or self.schema.target is None:
            return None
        return self.outcome.labelled / self.outcome.rows

    def update(self, batch: Batch) -> None:
        """Add the rows of a batch."""
        if batch.rows == 0:
            return
        self.rows += batch.rows
        for name, column in self.columns.items():
            column.update(batch, name)
        self.sample.update(batch)
        self._update_outcomes(batch)

    def _update_outcomes(self, batch: Batch) -> None:
        schema, days = self.schema, None
        if schema.timestamp is not None:
            there, days = _days(batch)
            if len(there):
                values = batch.moments(schema.timestamp).values[there]
                self.start = _least(self.start, int(values.min()))
                self.end = _greatest(self.end, int(values.max()))
        rows = outcome_rows(batch)
        if rows is None or self.outcome is None:
            return
        self.outcome.update(rows)
        for name, segments in self.segments.items():
            segments.update(cut_texts(batch, self._cuts[name]), rows)
        if days is not None and len(days) and self.timeline is not None:
            self.timeline.update(days, rows if len(there) == batch.rows else rows.take(there))

    @property
    def takes_labels(self) -> bool:
        """Whether :meth:`label` can be used: rows have an id, and no segment is cut by the label itself."""
        return self.schema.id is not None and not any(self.schema.target in columns for columns in self._cuts.values())

    def label(self, batch: Batch) -> None:
        """Give rows that were counted without a label the one that they have now: what a late label adds.

        The profile is then, to the bit where it counts, that of the same rows with their labels. Only what the labels
        add is computed, so the cost is that of the rows in ``batch``, however many the profile has.

        Parameters
        ----------
        batch
            The whole rows, label included, of some that this profile counted with a null label; each once.

        Raises
        ------
        InvalidSchema
            The rows have no id, or the label cuts segments (see ``takes_labels``): profile the rows anew.
        """
        if not self.takes_labels:
            raise InvalidSchema(f"Late labels need rows with an id, and no segments by {self.schema.target!r} itself.")
        target, rows = self.schema.target, outcome_rows(batch)
        if batch.rows == 0 or target is None:
            return
        if target in self.columns:
            self.columns[target] = self.columns[target].fill(batch, target)
        self.sample.label(batch)
        if rows is None or self.outcome is None:
            return
        self.outcome.label(rows)
        for name, segments in self.segments.items():
            segments.label(cut_texts(batch, self._cuts[name]), rows)
        if self.timeline is not None and self.schema.timestamp is not None:
            there, days = _days(batch)
            self.timeline.label(days, rows.take(there))

    def merge(self, other: Profile) -> Profile:
        """Return the profile of both together.

        Raises
        ------
        SchemaMismatch
            They were made with different schemas.
        """
        self.schema.check_same(other.schema)
        merged = Profile(self.schema, self.name if self.name == other.name else "")
        merged.rows = self.rows + other.rows
        merged.columns = {c: column.merge(other.columns[c]) for c, column in self.columns.items()}  # type: ignore[arg-type]
        if self.outcome is not None and other.outcome is not None:
            merged.outcome = self.outcome.merge(other.outcome)  # type: ignore[arg-type]
        merged.segments = {c: segments.merge(other.segments[c]) for c, segments in self.segments.items()}
        if self.timeline is not None and other.timeline is not None:
            merged.timeline = self.timeline.merge(other.timeline)
        merged.sample = self.sample.merge(other.sample)
        merged.start, merged.end = _least(self.start, other.start), _greatest(self.end, other.end)
        return merged

    @classmethod
    def merged(cls, parts: Sequence[Self]) -> Self:
        """Return the profile of all parts together, which takes about as long as merging two.

        Raises
        ------
        SchemaMismatch
            They were made with different schemas.
        """
        first = parts[0]
        for part in parts[1:]:
            if part.schema is not first.schema:
                first.schema.check_same(part.schema)
        made = cls(first.schema, first.name if len({part.name for part in parts}) == 1 else "")
        made.rows = sum(part.rows for part in parts)
        made.columns = {c: merge_all([part.columns[c] for part in parts]) for c in first.columns}
        if first.outcome is not None:
            made.outcome = merge_all([part.outcome for part in parts])
        made.segments = {c: merge_all([part.segments[c] for part in parts]) for c in first.segments}
        if first.timeline is not None:
            made.timeline = merge_all([part.timeline for part in parts])
        made.sample = merge_all([part.sample for part in parts])
        for part in parts:
            made.start, made.end = _least(made.start, part.start), _greatest(made.end, part.end)
        return made

    def widen(self, schema: Schema) -> Profile:
        """Return this profile under a schema that names more: columns that its rows lack count as null in all of them.

        Raises
        ------
        SchemaMismatch
            The schema does more than add columns, and roles for columns that are new.
        """
        _check_wider(self.schema, schema)
        made = Profile(schema, self.name)
        made.rows, made.start, made.end = self.rows, self.start, self.end
        for name, column in made.columns.items():
            column.rows = column.nulls = self.rows
            made.columns[name] = self.columns.get(name, column)
        made.sample = self.sample.widen(schema)
        if self.outcome is None or made.outcome is None:
            return made
        made.outcome = self.outcome
        for name in made.segments:
            if name in self.segments:
                made.segments[name] = self.segments[name]
            elif self.rows:
                made.segments[name].outcomes[missing_value(made._cuts[name])] = as_part(self.outcome)
        made.timeline = self.timeline if self.timeline is not None else made.timeline
        return made

    def state(self) -> State:
        """Return the content as plain values and arrays."""
        return {
            "schema": self.schema.to_dict(),
            "name": self.name,
            "rows": self.rows,
            "columns": {name: column.state() for name, column in self.columns.items()},
            "outcome": self.outcome.state() if self.outcome is not None else None,
            "segments": {column: segments.state() for column, segments in self.segments.items()},
            "timeline": self.timeline.state() if self.timeline is not None else None,
            "sample": self.sample.state(),
            "start": self.start,
            "end": self.end,
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """Make a profile from a state that may be hostile; raises :class:`CorruptProfile`."""
        try:
            made = cls(Schema.from_dict(part_of(state, "schema")), str(state.get("name", "")))
        except (WatchkeeperError, TypeError, ValueError, KeyError) as error:
            raise CorruptProfile(f"its schema is damaged ({error})") from error
        schema = made.schema
        made.rows = count_of(state, "rows")
        columns, segments = part_of(state, "columns"), part_of(state, "segments")
        if list(columns) != list(made.columns) or list(segments) != list(made.segments):
            raise CorruptProfile("its columns are not those of its schema")
        made.columns = {name: read_column(part_of(columns, name), schema, name) for name in columns}

        def read(part: Mapping[str, Any]) -> Any:
            return read_outcome(part, schema, part=True)

        if made.outcome is not None:
            made.outcome = read_outcome(part_of(state, "outcome"), schema)
            made.segments = {c: Segments.from_state(part_of(segments, c), made._empty_outcome, read) for c in segments}
        if made.timeline is not None:
            made.timeline = Timeline.from_state(part_of(state, "timeline"), made._empty_outcome, read)
        made.sample = RowSample.from_state(part_of(state, "sample"), schema)
        for edge in ("start", "end"):
            value = state.get(edge)
            if value is not None and (not isinstance(value, int) or isinstance(value, bool) or abs(value) >= 2**63):
                raise CorruptProfile(f"{edge!r} is no moment")
            setattr(made, edge, value)
        return made

    @classmethod
    def outcomes_from(cls, state: Mapping[str, Any]) -> Self:
        """Make a profile of the outcomes alone, by day too: columns, segments and sample stay empty, which saves their time.

        Raises
        ------
        CorruptProfile
            The state is not that of a profile.
        """
        made = cls(Schema.from_dict(part_of(state, "schema")))
        made.rows = count_of(state, "rows")
        if made.outcome is not None:
            made.outcome = read_outcome(part_of(state, "outcome"), made.schema)
        if made.timeline is not None:
            made.timeline = Timeline.from_state(
                part_of(state, "timeline"), made._empty_outcome, lambda part: read_outcome(part, made.schema, part=True)
            )
        return made

    def to_bytes(self) -> bytes:
        """Return the profile as versioned, compressed bytes with a checksum."""
        return codec.encode(self.state())

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Read what :meth:`to_bytes` wrote. The bytes may be hostile.

        Raises
        ------
        CorruptProfile
            They are no whole profile.
        ProfileVersion
            They are of a later format.
        """
        return cls.from_state(codec.decode(data))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the profile to a file, replacing it whole or not at all."""
        target = Path(path)
        try:
            _replace(target, self.to_bytes())
        except OSError as error:
            raise Unwritable(str(path), error.strerror or str(error)) from error

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read a profile from a file.

        Raises
        ------
        SourceNotFound
            There is no such file.
        CorruptProfile, ProfileVersion
            As :meth:`from_bytes`.
        """
        try:
            data = Path(path).read_bytes()
        except FileNotFoundError as error:
            raise SourceNotFound(str(path)) from error
        except OSError as error:
            raise UnreadableSource(str(path), f"{error.strerror}.") from error
        return cls.from_bytes(data)


def _replace(target: Path, data: bytes) -> None:
    """Write beside the target under a name of its own, then rename: who reads sees the old file or the new one."""
    partial = target.with_name(f".watchkeeper-{secrets.token_hex(8)}.partial")
    try:
        with partial.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(target)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def merge(profiles: Iterable[Profile]) -> Profile:
    """Return the profile of all of them together, in any order the same.

    Raises
    ------
    EmptySource
        There are none.
    SchemaMismatch
        They were made with different schemas.
    """
    parts = list(profiles)
    if not parts:
        raise EmptySource("The list to merge", "profiles")
    return merge_all(parts)


def _check_wider(old: Schema, new: Schema) -> None:
    """Raise :class:`SchemaMismatch` where ``new`` does more than name columns that ``old`` does not know."""
    before, after = old.to_dict(), new.to_dict()
    known = set(old.kinds) | {column for column, _ in old.roles()}
    for key in ("id", "timestamp", "target", "latency", "error", "cpu", "memory"):
        if before[key] is None and after[key] not in known:
            before[key] = after[key]
    before["segments"] += [s for s in after["segments"] if s not in before["segments"] and s not in known]
    pairs = [pair for pair in after.get("crossed", []) if pair not in old.crossed and not known.intersection(pair)]
    before["crossed"] = [*old.crossed, *pairs]
    bins = after.get("segment_bins", {})
    before["segment_bins"] = old.segment_bins | {name: edges for name, edges in bins.items() if name not in known}
    before["kinds"] |= {name: kind for name, kind in after["kinds"].items() if name not in known}
    old.replace(**before).check_same(new)


def _days(batch: Batch) -> tuple[Int64s, Int64s]:
    """Return the places of the rows that have an event time, and the local day of each of those."""
    assert batch.schema.timestamp is not None
    moments = batch.moments(batch.schema.timestamp)
    there = np.arange(batch.rows) if moments.null is None else np.flatnonzero(~moments.null)
    return there, local_days(moments.values[there], batch.schema.zone)


def _least(first: int | None, second: int | None) -> int | None:
    return second if first is None else first if second is None else min(first, second)


def _greatest(first: int | None, second: int | None) -> int | None:
    return second if first is None else first if second is None else max(first, second)
