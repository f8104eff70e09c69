"""Profiles of windows in the store, decoded ones kept at hand."""

from __future__ import annotations

import sqlite3
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from watchkeeper.errors import CorruptProfile, CorruptStore, WatchkeeperError
from watchkeeper.pipeline.catalog import Version
from watchkeeper.pipeline.roles import PROCESS
from watchkeeper.profiles.profile import Profile, merge
from watchkeeper.schema import Schema
from watchkeeper.store import rows
from watchkeeper.window import HOUR, calendar_window, microseconds

_KEPT, _KEPT_DAYS = 512, 80
_LONG_DAY = 25 * HOUR
Base = Literal["hour", "day"]
_NOTHING = Profile(Schema())


@dataclass(slots=True)
class StoredWindow:
    """A base window, half-open in microseconds, with its profile: an hour, or a day once hours are no longer kept."""

    start: int
    stop: int
    profile: Profile
    id: int | None = None


Mend = Callable[[sqlite3.Connection, tuple[int, str], StoredWindow, WatchkeeperError], Profile]
"""Makes a damaged profile anew, given its version and stage, and where it belongs; or raises the error."""


class ProfileStore:
    """Base windows by version, stage and time. Not for two threads at once: each has its own.

    Attributes
    ----------
    mend
        What is done about a damaged one; without it, :class:`CorruptStore` or :class:`CorruptProfile` is raised.
    """

    def __init__(self, base: Base = "hour") -> None:
        self.mend: Mend | None = None
        self._base = base
        self._kept: OrderedDict[tuple[int, str, int], StoredWindow] = OrderedDict()
        self._days: OrderedDict[tuple[int, str, int, int], Profile] = OrderedDict()

    def at(self, connection: sqlite3.Connection, version: Version, stage: str, start: int) -> StoredWindow | None:
        """Return the base window that holds an hour; None where there is none yet."""
        kept = self._kept.get((version.id, stage, start))
        if kept is not None:
            self._kept.move_to_end((version.id, stage, start))
            kept.profile = _widened(kept.profile, version.schema)
            return kept
        query = "start <= ? AND stop > ? AND version_id = ? AND stage = ?"
        return next(self._read(connection, version, query, [start, start, version.id, stage]), None)

    def between(
        self, connection: sqlite3.Connection, version: Version, stage: str, start: int, stop: int
    ) -> Iterator[StoredWindow]:
        """Yield the base windows that begin in an interval, earliest first."""
        query = "version_id = ? AND stage = ? AND start >= ? AND start < ?"
        yield from self._read(connection, version, query, [version.id, stage, start, stop])

    def merged(
        self, connection: sqlite3.Connection, version: Version, stage: str, start: int, stop: int
    ) -> Profile | None:
        """Return the profile of all rows in an interval; None where there are none.

        Days are merged once and kept at hand while they do not change, so that a month costs its days and not its hours.
        """
        if stop - start <= _LONG_DAY:
            return self._merged_day(connection, version, stage, start, stop)
        zone, found = version.schema.zone if version.schema is not None else None, []
        while start < stop:
            end = min(microseconds(calendar_window(start, "day", zone).end), stop)
            found.append(self._merged_day(connection, version, stage, start, end))
            start = end
        known = [profile for profile in found if profile is not None]
        return merge(known) if known else None

    def _merged_day(
        self, connection: sqlite3.Connection, version: Version, stage: str, start: int, stop: int
    ) -> Profile | None:
        key = (version.id, stage, start, stop)
        if key not in self._days:
            found = [window.profile for window in self.between(connection, version, stage, start, stop)]
            if not found:
                return None
            self._days[key] = merge(found)
            while len(self._days) > _KEPT_DAYS:
                self._days.popitem(last=False)
        self._days.move_to_end(key)
        self._days[key] = _widened(self._days[key], version.schema)
        return self._days[key]

    def empty(self, connection: sqlite3.Connection, version: Version, stage: str, start: int) -> StoredWindow:
        """Return a base window without rows for an hour that has none: that hour, or its day where days are the base."""
        assert version.schema is not None
        if self._base == "day":
            day = calendar_window(start, "day", version.schema.zone)
            first, last = microseconds(day.start), microseconds(day.end)
            query = "SELECT 1 FROM profile WHERE version_id = ? AND stage = ? AND start >= ? AND start < ? LIMIT 1"
            if connection.execute(query, (version.id, stage, first, last)).fetchone() is None:
                return StoredWindow(first, last, Profile(version.schema))
        return StoredWindow(start, start + HOUR, Profile(version.schema))

    def _read(
        self, connection: sqlite3.Connection, version: Version, query: str, values: list[Any]
    ) -> Iterator[StoredWindow]:
        names = ", ".join([*rows.COLUMNS["profile"][:-1], "crc"])
        found = connection.execute(f"SELECT {names} FROM profile WHERE {query} ORDER BY start", values).fetchall()
        schema = version.schema  # one for all, and no older than what was read
        for row in found:
            number, version_id, stage, start, stop, *_ = row
            key = (version_id, stage, start)
            if key not in self._kept:
                window = StoredWindow(start, stop, _NOTHING, number)
                window.profile = self._whole(connection, (version_id, stage), window)
                self.keep(version_id, stage, window)
            kept = self._kept[key]
            kept.profile = _widened(kept.profile, schema)
            yield kept

    def _whole(self, connection: sqlite3.Connection, of: tuple[int, str], window: StoredWindow) -> Profile:
        try:
            found = rows.select_one(connection, "profile", id=window.id)
            if found is None:
                raise CorruptStore("the table 'profile'", f"its index names a row {window.id} that is not there")
            return Profile.from_bytes(found["body"])
        except (CorruptStore, CorruptProfile) as error:
            if self.mend is None:
                raise
            return self.mend(connection, of, window, error)

    def keep(self, version_id: int, stage: str, window: StoredWindow) -> None:
        """Keep a window at hand, as it is now."""
        for key in [k for k in self._days if k[:2] == (version_id, stage) and k[2] <= window.start < k[3]]:
            del self._days[key]
        self._kept[version_id, stage, window.start] = window
        self._kept.move_to_end((version_id, stage, window.start))
        while len(self._kept) > _KEPT:
            self._kept.popitem(last=False)

    def forget(self) -> None:
        """Forget what is at hand, so that it is read anew."""
        self._kept.clear()
        self._days.clear()


def _widened(profile: Profile, schema: Schema | None) -> Profile:
    """Bring a profile from before its version had columns for its process to the schema that has them."""
    old = profile.schema
    if schema is None or not any(getattr(old, r) is None and getattr(schema, r) is not None for r in PROCESS):
        return profile
    return profile.widen(schema)


def window_row(version_id: int, stage: str, window: StoredWindow) -> dict[str, Any]:
    """Return a base window as a row of its table; encoding it takes time, so it is not done by the thread that writes."""
    profile = window.profile
    return {
        "id": window.id, "version_id": version_id, "stage": stage, "start": window.start, "stop": window.stop,
        "rows": profile.rows, "labelled": labelled_rows(profile), "body": profile.to_bytes(),
    }  # fmt: skip


def labelled_rows(profile: Profile) -> int:
    """Return how many rows have a label; 0 without a task."""
    return profile.outcome.labelled if profile.outcome is not None else 0
