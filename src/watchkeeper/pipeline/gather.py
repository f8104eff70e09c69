"""From batches in the order in which they came to what each partition gets: new rows once, labels to their predictions."""

from __future__ import annotations

import sqlite3
from collections import OrderedDict
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from watchkeeper.pipeline.body import from_body
from watchkeeper.pipeline.catalog import Catalog, Model, Version
from watchkeeper.pipeline.group import Change, Entry, Group, Late, slices_by, times_of
from watchkeeper.pipeline.identity import first_of_each, hashes_of, is_foreign, moments_of
from watchkeeper.pipeline.partition import Key, Partition, RawRows
from watchkeeper.pipeline.roles import KEPT, column_by_place, named_rows
from watchkeeper.pipeline.thinning import ScheduleOf, left_out
from watchkeeper.schema import Schema
from watchkeeper.sketches.kernel import Int64s, UInt64s
from watchkeeper.store import rows as table_rows
from watchkeeper.window import local_hours

_KEPT_PARTITIONS = 2048
_KEPT_IDS = 20_000_000
"""Hashes of ids in memory, 8 bytes each; a partition beyond is read again from the store when a row of its hour comes."""
_MOST_PARAMETERS = 30_000


class Gatherer:
    """Puts rows and labels of a group into changes of partitions.

    A row whose id its version and stage already have is left out and counted; the first one stays. A label goes to every
    partition of its model that has the id, or waits.
    """

    def __init__(self, catalog: Catalog, raw: RawRows, schedule_of: ScheduleOf = lambda *_: None) -> None:
        self._schedule_of = schedule_of
        self._catalog = catalog
        self._raw = raw
        self._partitions: OrderedDict[Key, Partition] = OrderedDict()
        self.starts: dict[tuple[int, str], set[int]] = {}
        self.waiting: dict[int, int] = {}

    def load(self, connection: sqlite3.Connection) -> None:
        """Learn which partitions there are, and how many labels wait."""
        self.forget()
        self.starts.clear()
        for version_id, stage, start in connection.execute("SELECT version_id, stage, start FROM partition"):
            self.starts.setdefault((version_id, stage), set()).add(start)
        self.waiting = dict(connection.execute("SELECT model_id, count(*) FROM waiting GROUP BY model_id"))

    def forget(self) -> None:
        """Forget partitions, so that they are read anew."""
        self._partitions.clear()

    def gather(self, connection: sqlite3.Connection, entries: list[Entry]) -> Group:
        """Return what a group of batches changes."""
        self._let_go()
        group = Group()
        for entry in entries:
            latest, replay = entry.latest(), entry.model.clock == "event"
            begun = entry.model.watermark is not None or entry.model.id in group.watermarks
            if latest is not None and (begun or not replay or entry.kind != "labels"):  # labels do not begin a replay
                group.watermarks[entry.model.id] = max(latest, group.watermarks.get(entry.model.id, latest))
            if entry.kind == "labels":
                group.late.setdefault(entry.model.id, Late()).add(entry.rows, entry.seq)
        for version, stage, table, seq in _together(entries):
            self._add_rows(connection, group, version, stage, table, seq)
        models = {e.model.id: e.model for e in entries}
        for number, model in models.items():
            self._add_waiting(connection, group, model)
            if number in group.late:
                self._add_labels(connection, group, model, group.late[number])
        return group

    def partition(self, connection: sqlite3.Connection, version: Version, stage: str, start: int) -> Partition:
        """Return a partition, from memory or from the store."""
        key = (version.id, stage, start)
        if key not in self._partitions:
            known = start in self.starts.get((version.id, stage), ())
            made = self._raw.load(connection, version, stage, start) if known else Partition(version, stage, start)
            self._partitions[key] = made
        self._partitions.move_to_end(key)
        return self._partitions[key]

    def _let_go(self) -> None:
        """Forget the partitions that were not used for longest, where there are too many or they hold too many ids.

        Done between groups: within one, what a partition learned is not in the store yet.
        """
        held = sum(len(p.ids) + len(p.labelled) for p in self._partitions.values())
        while self._partitions and (len(self._partitions) > _KEPT_PARTITIONS or held > _KEPT_IDS):
            _, gone = self._partitions.popitem(last=False)
            held -= len(gone.ids) + len(gone.labelled)

    # --- rows ---------------------------------------------------------------------------------------------------------

    def _add_rows(
        self, connection: sqlite3.Connection, group: Group, version: Version, stage: str, table: pa.Table, seq: int
    ) -> None:
        schema = version.schema
        assert schema is not None
        ids = table["@id"].combine_chunks()
        ids = ids.chunk(0) if isinstance(ids, pa.ChunkedArray) else ids
        hashes, times = hashes_of(ids), times_of(table)
        schedule = self._schedule_of(connection, version.model)
        if schedule is not None:
            out = left_out(schedule, hashes, times)
            group.count(version.model.id, "sampled_out", int(out.sum()))
            table, ids, hashes, times = (
                table.filter(pa.array(~out)),
                ids.filter(pa.array(~out)),
                hashes[~out],
                times[~out],
            )
        starts = local_hours(times, schema.zone)
        told = moments_of(ids)
        own = ~is_foreign(told) & (local_hours(np.where(is_foreign(told), 0, told), schema.zone) == starts)
        keep = first_of_each(ids, hashes)
        if not own.all():
            keep[np.flatnonzero(~own)] &= ~self._elsewhere(connection, group, version, stage, hashes[~own], ids, ~own)
        if "@target" in table.column_names:
            _add_inline_labels(group, version.model, table, seq)
            table = table.drop_columns(["@target"])
        named = named_rows(table, schema)
        _note_unknown(group, version, named.column_names)
        kept = 0
        for start, places in slices_by(starts):
            chosen = places[keep[places]]
            partition = self.partition(connection, version, stage, start)
            change = self._change(group, partition)
            chosen = chosen[~self._known(connection, change, ids, hashes, chosen)]
            kept += len(chosen)
            if len(chosen) == 0:
                continue
            change.rows.append(named.take(pa.array(chosen)))
            change.hashes.append(hashes[chosen])
            change.foreign.append(hashes[chosen][~own[chosen]])
            partition.ids.add(hashes[chosen])
            self.starts.setdefault((version.id, stage), set()).add(start)
        group.count(version.model.id, "duplicates", len(ids) - kept)

    def _change(self, group: Group, partition: Partition) -> Change:
        return group.changes.setdefault(partition.key, Change(partition))

    def _known(
        self, connection: sqlite3.Connection, change: Change, ids: pa.Array, hashes: UInt64s, places: Int64s
    ) -> Any:
        """Return which of the rows at ``places`` the partition has already; equal hashes are told apart by the ids."""
        there = change.partition.ids.has(hashes[places])
        if there.any():
            column = (change.partition.version.schema or Schema()).id or "id"
            tables = [*self._raw.read(connection, change.partition.id, "predictions"), *change.rows]
            known = pa.concat_arrays([c.cast(pa.string()) for t in tables for c in t[column].chunks])
            there &= pc.is_in(ids.take(pa.array(places)), known).to_numpy(zero_copy_only=False)
        return there

    def _elsewhere(
        self, connection: sqlite3.Connection, group: Group, version: Version, stage: str, hashes: UInt64s,
        ids: pa.Array, chosen: Any,
    ) -> Any:  # fmt: skip
        """Return which ids of somebody's own making another hour of the version and stage has already."""
        found = np.zeros(len(hashes), dtype=bool)
        places: dict[int, list[int]] = {}
        for place, value in enumerate(hashes.view(np.int64).tolist()):
            places.setdefault(value, []).append(place)
        names = ids.filter(pa.array(chosen)).to_pylist()
        for key, hash_ in self._holders(connection, group, list(places)):
            if key[:2] == (version.id, stage):
                partition = self.partition(connection, version, stage, key[2])
                change = group.changes.get(key) or Change(partition)
                for place in places[hash_]:
                    one = pa.array([names[place]])
                    found[place] |= bool(
                        self._known(connection, change, one, hashes[place : place + 1], np.array([0]))[0]
                    )
        return found

    def _holders(self, connection: sqlite3.Connection, group: Group, hashes: list[int]) -> list[tuple[Key, int]]:
        """Return the partitions that hold ids of somebody's own making, with the hash of each."""
        found: list[tuple[Key, int]] = []
        for first in range(0, len(hashes), _MOST_PARAMETERS):
            some = hashes[first : first + _MOST_PARAMETERS]
            query = (
                "SELECT p.version_id, p.stage, p.start, f.hash FROM foreign_id f JOIN partition p ON p.id = f.partition_id "
                f"WHERE f.hash IN ({', '.join('?' * len(some))})"
            )
            found += [((v, s, t), h) for v, s, t, h in connection.execute(query, some)]
        wanted = np.array(hashes, dtype=np.int64)
        for key, change in group.changes.items():
            for new in change.foreign:
                both = np.intersect1d(new.view(np.int64), wanted)
                found += [(key, h) for h in both.tolist()]
        return found

    # --- labels -------------------------------------------------------------------------------------------------------

    def _add_waiting(self, connection: sqlite3.Connection, group: Group, model: Model) -> None:
        """Bring back the labels that waited for rows of this group."""
        mine = [c for c in group.changes.values() if c.partition.version.model is model]
        if not self.waiting.get(model.id) or not mine:
            return
        new = np.concatenate([h for c in mine for h in c.hashes] or [np.empty(0, np.uint64)]).view(np.int64)
        late = group.late.setdefault(model.id, Late())
        if len(new) > self.waiting[model.id]:
            query = "SELECT id, hash FROM waiting WHERE model_id = ?"
            held = [(n, h) for n, h in connection.execute(query, (model.id,))]
            numbers = [n for n, h in held if h in set(new.tolist())] if held else []
        else:
            numbers = []
            for first in range(0, len(new), _MOST_PARAMETERS):
                some = new[first : first + _MOST_PARAMETERS].tolist()
                query = f"SELECT id FROM waiting WHERE model_id = ? AND hash IN ({', '.join('?' * len(some))})"
                numbers += [n for (n,) in connection.execute(query, (model.id, *some))]
        for first in range(0, len(numbers), _MOST_PARAMETERS):
            for row in table_rows.select_all(connection, "waiting", id=numbers[first : first + _MOST_PARAMETERS]):
                late.add(from_body(row["body"]), row["received"], row["id"])

    def _add_labels(self, connection: sqlite3.Connection, group: Group, model: Model, late: Late) -> None:
        """Give each label to the partitions that have its id."""
        ids = pa.array(late.ids, pa.string())
        hashes = hashes_of(ids)
        found = np.zeros(len(ids), dtype=bool)
        told = moments_of(ids)
        for version in self._catalog.versions_of(model):
            zone = version.schema.zone if version.schema is not None else None
            starts = np.where(is_foreign(told), np.int64(-1), local_hours(np.where(is_foreign(told), 0, told), zone))
            for (number, stage), known in list(self.starts.items()):
                if number != version.id:
                    continue
                for start, places in slices_by(starts):
                    if start in known:
                        self._give(connection, group, (version, stage, start), late, hashes, places, found)
        self._add_foreign(connection, group, model, late, hashes, found)
        never = self._left_out(connection, model, hashes, told)
        for place in np.flatnonzero(~found).tolist():
            if late.waiting[place] is None and not never[place]:
                group.unmet.setdefault(model.id, []).append((int(hashes.view(np.int64)[place]), late.row(place)))
        group.met += [late.waiting[p] for p in np.flatnonzero(found).tolist() if late.waiting[p] is not None]

    def _left_out(self, connection: sqlite3.Connection, model: Model, hashes: UInt64s, told: Int64s) -> Any:
        """Return which labels are of rows that the schedule leaves out, as far as ids tell the time."""
        schedule, own = self._schedule_of(connection, model), ~is_foreign(told)
        found = np.zeros(len(hashes), dtype=bool)
        if schedule is not None:
            found[own] = left_out(schedule, hashes[own], told[own])
        return found

    def _add_foreign(
        self, connection: sqlite3.Connection, group: Group, model: Model, late: Late, hashes: UInt64s, found: Any
    ) -> None:
        places: dict[int, list[int]] = {}
        for place in np.flatnonzero(~found).tolist():
            places.setdefault(int(hashes.view(np.int64)[place]), []).append(place)
        by_key: dict[Key, list[int]] = {}
        for key, hash_ in self._holders(connection, group, list(places)):
            by_key.setdefault(key, []).extend(places[hash_])
        for (number, stage, start), some in by_key.items():
            version = self._catalog.versions[number]
            if version.model is model:
                chosen = np.array(sorted(set(some)), dtype=np.int64)
                self._give(connection, group, (version, stage, start), late, hashes, chosen, found)

    def _give(
        self, connection: sqlite3.Connection, group: Group, at: tuple[Version, str, int], late: Late, hashes: UInt64s,
        places: Int64s, found: Any,
    ) -> None:  # fmt: skip
        partition = self.partition(connection, *at)
        here = places[partition.ids.has(hashes[places])]
        if len(here) == 0:
            return
        found[here] = True
        change = self._change(group, partition)
        for place in here.tolist():
            change.labels.append((late.ids[place], late.values[place], late.times[place], late.received[place]))
            change.label_hashes.append(int(hashes[place]))


def _together(entries: list[Entry]) -> list[tuple[Version, str, pa.Table, int]]:
    """Return rows by version and stage, batches whose types agree joined, in the order in which they came."""
    joined: list[tuple[Version, str, list[pa.Table], int]] = []
    latest: dict[tuple[int, str], tuple[int, dict[str, pa.DataType]]] = {}
    for entry in entries:
        if entry.kind != "predictions" or entry.version is None or entry.rows.num_rows == 0:
            continue
        key = (entry.version.id, entry.stage)
        place, types = latest.get(key, (-1, {}))
        if place >= 0 and _agree(types, entry.rows.schema):
            joined[place][2].append(entry.rows)
        else:
            place, types = len(joined), {}
            joined.append((entry.version, entry.stage, [entry.rows], entry.seq))
        new = {f.name: f.type for f in entry.rows.schema if f.name not in types or pa.types.is_null(types[f.name])}
        latest[key] = (place, types | new)
    return [(v, stage, pa.concat_tables(tables, promote_options="default"), seq) for v, stage, tables, seq in joined]


def _agree(types: dict[str, pa.DataType], schema: pa.Schema) -> bool:
    null = pa.null()
    return all(f.name not in types or f.type in {types[f.name], null} or types[f.name] == null for f in schema)


def _note_unknown(group: Group, version: Version, names: list[str]) -> None:
    """Note columns that the version's schema has no place for; ``names`` are those of the rows once roles were named."""
    schema = version.schema
    assert schema is not None
    named = column_by_place(schema)
    known = {*schema.kinds, *version.unknown, *named, *named.values()}
    new = [n for n in names if n not in known and (n.startswith(KEPT) or not n.startswith("@"))]
    if new:
        kept = group.unknown.setdefault(version.id, list(version.unknown))
        kept += [name for name in dict.fromkeys(new) if name not in kept][: max(0, 100 - len(kept))]


def _add_inline_labels(group: Group, model: Model, table: pa.Table, seq: int) -> None:
    there = pc.is_valid(table["@target"])
    labels = table.select(["@id", "@target", "@time"]).filter(there)
    if labels.num_rows:
        group.late.setdefault(model.id, Late()).add(labels, seq)
