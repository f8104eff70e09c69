"""What a group changes, carried out: profiles take new rows and late labels, and one transaction keeps it all."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from watchkeeper.capture.batch import Batch
from watchkeeper.pipeline.body import to_body
from watchkeeper.pipeline.catalog import Catalog, Version
from watchkeeper.pipeline.group import Change, Entry, Group
from watchkeeper.pipeline.incoming import values_array
from watchkeeper.pipeline.partition import LABELS, Partition, RawRows, profile_of, with_labels
from watchkeeper.pipeline.stored import ProfileStore, StoredWindow, window_row
from watchkeeper.profiles.codec import decode, encode
from watchkeeper.profiles.profile import Profile
from watchkeeper.schema import Schema
from watchkeeper.sketches.histogram import Histogram
from watchkeeper.sketches.kernel import Int64s
from watchkeeper.store import rows
from watchkeeper.store.database import Job
from watchkeeper.window import calendar_window, microseconds

Labels = dict[str, tuple[int, int, Any]]


@dataclass(slots=True)
class Applied:
    """A group's outcome, ready to be written: base windows by version and stage, and everything around them."""

    group: Group
    windows: list[tuple[Version, str, StoredWindow]] = field(default_factory=list)
    labelled: dict[tuple[int, str, int], int] = field(default_factory=dict)
    delays: dict[int, list[int]] = field(default_factory=dict)
    rebuilt: int = 0


@dataclass(frozen=True, slots=True)
class _Plan:
    """The labels of a change: those that count, the ids that get their first one, of those the ones of rows that were
    counted before, and the ids whose label is replaced."""

    winners: Labels
    first: set[str]
    late: Labels
    replaced: set[str]


class Applier:
    """Turns groups into changed profiles.

    New rows are profiled by the hour and merged. The first label of a row that was counted already adds what labels add
    (:meth:`Profile.label`); one that takes the place of another has its window profiled anew from the raw rows.
    """

    def __init__(self, catalog: Catalog, raw: RawRows, profiles: ProfileStore) -> None:
        self._catalog = catalog
        self._raw = raw
        self._profiles = profiles

    def apply(self, connection: sqlite3.Connection, group: Group) -> Applied:
        """Return what is to be written; partitions in memory know of it already."""
        applied = Applied(group)
        windows: dict[tuple[int, str, int], tuple[StoredWindow, list[Change]]] = {}
        for change in group.changes.values():
            if change.rows or change.labels:
                window = self._window(connection, change, windows)
                key = (change.partition.version.id, change.partition.stage, window.start)
                windows.setdefault(key, (window, []))[1].append(change)
        for (number, stage, _), (window, changes) in windows.items():
            version = self._catalog.versions[number]
            self._change(connection, version, stage, window, changes, applied)
            applied.windows.append((version, stage, window))
        return applied

    def _window(
        self,
        connection: sqlite3.Connection,
        change: Change,
        windows: dict[tuple[int, str, int], tuple[StoredWindow, list[Change]]],
    ) -> StoredWindow:
        """Return the base window of a change, from this group or from the store; it spans a day once hours are merged."""
        partition = change.partition
        for (number, stage, _), (window, _) in windows.items():
            if (number, stage) == partition.key[:2] and window.start <= partition.start < window.stop:
                return window
        found = self._profiles.at(connection, partition.version, partition.stage, partition.start)
        return found or self._profiles.empty(connection, partition.version, partition.stage, partition.start)

    def _change(
        self, connection: sqlite3.Connection, version: Version, stage: str, window: StoredWindow, changes: list[Change],
        applied: Applied,
    ) -> None:  # fmt: skip
        """Bring a base window's profile up to its changes: by what they add, or anew where a label replaces another."""
        plans = [self._plan(connection, change) for change in changes]
        if any(plan.replaced or (plan.late and not window.profile.takes_labels) for plan in plans):
            window.profile = self.made_anew(connection, version, stage, (window.start, window.stop), changes)
            applied.rebuilt += 1
        else:
            self._add(connection, list(zip(changes, plans, strict=True)), window)
        for change, plan in zip(changes, plans, strict=True):
            change.partition.labelled.add(_hashes_of(change, plan.first))
            applied.labelled[change.partition.key] = len(plan.first)
            delays = applied.delays.setdefault(version.model.id, [])
            delays += [max(0, plan.winners[name][0] - change.partition.start) for name in plan.first]

    def _plan(self, connection: sqlite3.Connection, change: Change) -> _Plan:
        winners = change.winners()
        column = (change.partition.version.schema or Schema()).id or "id"
        fresh = {name for table in change.rows for name in table[column].cast(pa.string()).to_pylist()}
        first, replaced = self._sorted(connection, change, winners, fresh)
        late = {name: winners[name] for name in first if name not in fresh}
        return _Plan(winners, first, late, replaced)

    def _add(self, connection: sqlite3.Connection, changes: list[tuple[Change, _Plan]], window: StoredWindow) -> None:
        """Add new rows with their labels, and labels to rows counted before: as few large tables, not as many small ones."""
        schema = window.profile.schema
        new = [with_labels(table, schema, plan.winners) for change, plan in changes for table in change.rows]
        for table in _together(new):
            made = profile_of(table, schema)
            window.profile = made if window.profile.rows == 0 else window.profile.merge(made)
        late = [
            with_labels(table, schema, plan.late)
            for change, plan in changes
            for table in (self._raw_rows(connection, change.partition, plan.late) if plan.late else [])
        ]
        for table in _together(late):
            window.profile.label(_batch(table, window.profile))

    def _sorted(
        self, connection: sqlite3.Connection, change: Change, winners: Labels, fresh: set[str]
    ) -> tuple[set[str], set[str]]:
        """Return the ids that get their first label, and those whose label changes for another."""
        hashes = dict(zip((name for name, *_ in change.labels), change.label_hashes, strict=True))
        names = list(winners)
        wanted = np.array([hashes[n] for n in names], dtype=np.uint64)
        before = {n for n, known in zip(names, change.partition.labelled.has(wanted), strict=True) if known} - fresh
        if not before:
            return set(winners), set()
        current = self._raw.labels_of(connection, change.partition.id)
        first = {n for n in names if n not in before or n not in current}
        again = set()
        for name in before & current.keys():
            time, received, value = winners[name]
            old_time, old_received, old = current[name]
            if (time, received) >= (old_time, old_received) and value != old:
                again.add(name)
        return first, again

    def _raw_rows(self, connection: sqlite3.Connection, partition: Partition, wanted: Iterable[str]) -> list[pa.Table]:
        """Return the raw rows of a partition with these ids, as far as they are kept."""
        names = pa.array(list(wanted), pa.string())
        column = (partition.version.schema or Schema()).id or "id"
        found = []
        for table in self._raw.read(connection, partition.id, "predictions"):
            some = table.filter(pc.is_in(table[column].cast(pa.string()), names))
            if some.num_rows:
                found.append(some)
        return found

    def made_anew(
        self, connection: sqlite3.Connection, version: Version, stage: str, span: tuple[int, int],
        changes: Sequence[Change] = (),
    ) -> Profile:  # fmt: skip
        """Return the profile of all raw rows of a version and stage in ``span`` and of ``changes``, with their labels."""
        assert version.schema is not None
        whole = Profile(version.schema)
        query = "SELECT start, id FROM partition WHERE version_id = ? AND stage = ? AND start >= ? AND start < ?"
        numbers: dict[int, int | None] = dict(connection.execute(query, (version.id, stage, *span)).fetchall())
        by_start = {change.partition.start: change for change in changes}
        for start in sorted(numbers.keys() | by_start.keys()):
            tables = self._raw.read(connection, numbers.get(start), "predictions")
            labels = self._raw.labels_of(connection, numbers.get(start))
            change = by_start.get(start)
            if change is not None:
                tables += change.rows
                for name, label in change.winners().items():
                    if name not in labels or label[:2] >= labels[name][:2]:
                        labels[name] = label
            for table in tables:
                whole = whole.merge(profile_of(with_labels(table, version.schema, labels), version.schema))
        return whole


def write_job(applied: Applied, entries: list[Entry], measured: tuple[str, ...], known: int) -> Job:
    """Return the one transaction that keeps what a group changed and releases its inbox rows.

    Bodies are encoded here, in the worker, so that the thread that writes does nothing but write.
    """
    group = applied.group
    windows = [window_row(version.id, stage, window) for version, stage, window in applied.windows]
    parts = {key: _parts(change) for key, change in group.changes.items()}
    unmet = [
        (model, hash_, label[3], to_body(_waiting_row(label)))
        for model, some in group.unmet.items()
        for hash_, label in some
    ]
    dirty = _dirty(applied, measured)

    def job(connection: sqlite3.Connection) -> None:
        for row, (_, _, window) in zip(windows, applied.windows, strict=True):
            window.id = rows.insert(connection, "profile", replace=True, **row)
        for key, change in group.changes.items():
            _write_partition(connection, change, parts[key], applied.labelled.get(key, 0))
        for model, hash_, received, body in unmet:
            rows.insert(connection, "waiting", model_id=model, hash=hash_, received=received, body=body)
        connection.executemany("DELETE FROM waiting WHERE id = ?", [(number,) for number in group.met])
        _write_models(connection, applied)
        for (model, name), by in group.counts.items():
            add_to_counter(connection, model, name, by)
        for number, unknown in group.unknown.items():
            rows.update(connection, "version", {"id": number}, unknown=json.dumps(unknown))
        mark_dirty(connection, dirty, known)
        connection.executemany("DELETE FROM inbox WHERE seq = ?", [(entry.seq,) for entry in entries])

    return job


def _parts(change: Change) -> list[tuple[str, int, bytes]]:
    made = [("predictions", table.num_rows, to_body(table.combine_chunks())) for table in change.rows]
    if change.labels:
        names, values, times, received = zip(*change.labels, strict=True)
        table = pa.table(
            [pa.array(names, pa.string()), pa.array(times, pa.timestamp("us", "UTC")), pa.array(received, pa.int64())],
            schema=LABELS,
        ).append_column("label", values_array(values))
        made.append(("labels", table.num_rows, to_body(table)))
    return made


def _write_partition(
    connection: sqlite3.Connection, change: Change, parts: list[tuple[str, int, bytes]], labelled: int
) -> None:
    partition = change.partition
    added = sum(table.num_rows for table in change.rows)
    if not parts:
        return
    if partition.id is None:
        partition.id = rows.insert(
            connection, "partition", version_id=partition.version.id, stage=partition.stage, start=partition.start,
            rows=0, labelled=0, foreign_sum=0,
        )  # fmt: skip
    partition.rows, partition.labels = partition.rows + added, partition.labels + labelled
    told: dict[str, Any] = {"rows": partition.rows, "labelled": partition.labels}
    if any(len(hashes) for hashes in change.foreign):
        told["foreign_sum"] = _write_foreign(connection, partition.id, np.concatenate(change.foreign).view(np.int64))
    rows.update(connection, "partition", {"id": partition.id}, **told)
    for kind, count, body in parts:
        rows.insert(connection, "part", partition_id=partition.id, kind=kind, rows=count, body=body)


def _write_foreign(connection: sqlite3.Connection, number: int, hashes: Int64s) -> int:
    """Write hashes of ids of somebody's own making; returns the XOR of all that the partition has now."""
    stored = rows.select_one(connection, "partition", id=number)
    assert stored is not None
    before = connection.total_changes
    rows.insert_many(connection, "foreign_id", [(value, number) for value in hashes.tolist()])
    if connection.total_changes - before == len(hashes):
        return int(stored["foreign_sum"]) ^ int(np.bitwise_xor.reduce(hashes))
    query = "SELECT hash FROM foreign_id WHERE partition_id = ?"  # some ids have the same hash
    found = [value for (value,) in connection.execute(query, (number,))]
    return int(np.bitwise_xor.reduce(np.array(found, dtype=np.int64)))


def _write_models(connection: sqlite3.Connection, applied: Applied) -> None:
    numbers = applied.group.watermarks.keys() | {n for n, delays in applied.delays.items() if delays}
    for number in numbers:
        stored = rows.select_one(connection, "model", id=number)
        assert stored is not None
        mark = max(applied.group.watermarks.get(number, -(2**62)), stored["watermark"] or -(2**62))
        delays = stored["delays"]
        if applied.delays.get(number):
            known = delays_of(delays)
            known.update(np.array(applied.delays[number], dtype=np.int64))
            delays = encode(known.state())
        rows.update(connection, "model", {"id": number}, watermark=mark, delays=delays)


def delays_of(stored: bytes | None) -> Histogram:
    """Return the delays with which labels became known, in microseconds."""
    return Histogram() if stored is None else Histogram.from_state(decode(stored))


def _dirty(applied: Applied, measured: tuple[str, ...]) -> set[tuple[int, str, str, int, int]]:
    found = set()
    for version, stage, window in applied.windows:
        assert version.schema is not None
        for every in measured:
            span = calendar_window(window.start, every, version.schema.zone)
            found.add((version.id, stage, every, microseconds(span.start), microseconds(span.end)))
    return found


def mark_dirty(connection: sqlite3.Connection, spans: Iterable[tuple[int, str, str, int, int]], known: int) -> None:
    """Say of windows that they are to be measured."""
    for version_id, stage, every, start, stop in spans:
        where: dict[str, Any] = {"version_id": version_id, "stage": stage, "every": every, "start": start}
        if rows.select_one(connection, "measured", **where) is None:
            rows.insert(
                connection, "measured", **where, stop=stop, revision=-1, known_at=known, rows=0, labelled=0, dirty=1
            )
        else:
            rows.update(connection, "measured", where, dirty=1)


def add_to_counter(connection: sqlite3.Connection, model: int, name: str, by: int) -> None:
    """Add to a counter of a model."""
    old = rows.select_one(connection, "counter", model_id=model, name=name)
    value = by + (old["value"] if old else 0)
    rows.insert(connection, "counter", replace=True, model_id=model, name=name, value=value)


def _waiting_row(label: tuple[str, Any, int, int]) -> pa.Table:
    name, value, time, _ = label
    return pa.table(
        {"@id": [name], "@target": values_array([value]), "@time": pa.array([time], pa.timestamp("us", "UTC"))}
    )


def _hashes_of(change: Change, names: set[str]) -> Any:
    wanted = {h for (name, *_), h in zip(change.labels, change.label_hashes, strict=True) if name in names}
    return np.array(sorted(wanted), dtype=np.uint64)


def _together(tables: list[pa.Table]) -> list[pa.Table]:
    """Return tables joined as far as they have the same columns of the same types."""
    groups: list[list[pa.Table]] = []
    for table in tables:
        same = next((g for g in groups if g[0].schema.equals(table.schema)), None)
        if same is None:
            groups.append([table])
        else:
            same.append(table)
    return [pa.concat_tables(group) for group in groups]


def _batch(table: pa.Table, profile: Profile) -> Batch:
    return Batch(table.combine_chunks().to_batches()[0], profile.schema)


def now() -> int:
    """Return this moment in microseconds."""
    return microseconds(datetime.now(UTC))
