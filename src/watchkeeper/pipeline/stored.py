"""Profiles of windows in the store, decoded ones kept at hand."""

from __future__ import annotations

import sqlite3
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from watchkeeper.errors import CorruptProfile, CorruptStore, WatchkeeperError
from watchkeeper.pipeline.catalog import Version
from watchkeeper.profiles.profile import Profile, merge
from watchkeeper.schema import Schema
from watchkeeper.store import rows
from watchkeeper.window import HOUR

_KEPT = 512
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

    def __init__(self) -> None:
        self.mend: Mend | None = None
        self._kept: OrderedDict[tuple[int, str, int], StoredWindow] = OrderedDict()

    def at(self, connection: sqlite3.Connection, version: Version, stage: str, start: int) -> StoredWindow | None:
        """Return the base window that holds an hour; None where there is none yet."""
        kept = self._kept.get((version.id, stage, start))
        if kept is not None:
            self._kept.move_to_end((version.id, stage, start))
            return kept
        query = "start <= ? AND stop > ? AND version_id = ? AND stage = ?"
        return next(self._read(connection, query, [start, start, version.id, stage]), None)

    def between(
        self, connection: sqlite3.Connection, version: Version, stage: str, start: int, stop: int
    ) -> Iterator[StoredWindow]:
        """Yield the base windows that begin in an interval, earliest first."""
        query = "version_id = ? AND stage = ? AND start >= ? AND start < ?"
        yield from self._read(connection, query, [version.id, stage, start, stop])

    def merged(
        self, connection: sqlite3.Connection, version: Version, stage: str, start: int, stop: int
    ) -> Profile | None:
        """Return the profile of all rows in an interval; None where there are none."""
        found = [window.profile for window in self.between(connection, version, stage, start, stop)]
        return merge(found) if found else None

    def _read(self, connection: sqlite3.Connection, query: str, values: list[Any]) -> Iterator[StoredWindow]:
        names = ", ".join([*rows.COLUMNS["profile"][:-1], "crc"])
        for row in connection.execute(f"SELECT {names} FROM profile WHERE {query} ORDER BY start", values).fetchall():
            number, version_id, stage, start, stop, *_ = row
            key = (version_id, stage, start)
            if key not in self._kept:
                window = StoredWindow(start, stop, _NOTHING, number)
                window.profile = self._whole(connection, (version_id, stage), window)
                self.keep(version_id, stage, window)
            yield self._kept[key]

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
        """Keep a window at hand."""
        self._kept[version_id, stage, window.start] = window
        self._kept.move_to_end((version_id, stage, window.start))
        while len(self._kept) > _KEPT:
            self._kept.popitem(last=False)

    def forget(self) -> None:
        """Forget what is at hand, so that it is read anew."""
        self._kept.clear()


def window_row(version_id: int, stage: str, window: StoredWindow) -> dict[str, Any]:
    """Return a base window as a row of its table; encoding it takes time, so it is not done by the thread that writes."""
    profile = window.profile
    return {
        "id": window.id, "version_id": version_id, "stage": stage, "start": window.start, "stop": window.stop,
        "rows": profile.rows, "labelled": labelled_rows(profile), "body": profile.to_bytes(),
    }  # fmt: skip


def empty_window(version: Version, start: int) -> StoredWindow:
    """Return an hour without rows."""
    assert version.schema is not None
    return StoredWindow(start, start + HOUR, Profile(version.schema))


def labelled_rows(profile: Profile) -> int:
    """Return how many rows have a label; 0 without a task."""
    return profile.outcome.labelled if profile.outcome is not None else 0
