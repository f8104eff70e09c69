"""Rows on disk before a call returns: a file that grows row by row, and is the batch when it is full."""

from __future__ import annotations

import contextlib
import os
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from watchkeeper.client.batch import MOST_BODY, kind_of
from watchkeeper.client.meter import Meter
from watchkeeper.client.spool import ROWS, Full, Spool
from watchkeeper.client.spoolfile import pack_header, pack_line, pack_usage


@dataclass(slots=True)
class Segment:
    """An open file of rows, its descriptor, where they go, and what is in it."""

    path: Path
    handle: int
    target: str
    rows: int = 0
    bytes: int = 0


class Journal:
    """Appends rows from any thread, and hands files that are full or old to the courier.

    The lock is one that the thread which holds it may take again, because a signal handler may log; what is done under
    it can be interrupted by such a handler between any two steps.

    Parameters
    ----------
    spool
        Has the folder in which files are made, and says whether there is room.
    mint
        Gives the next batch id.
    most_rows
        Rows after which a file is full.
    meter
        Says what the process used; None where that is not to be told.
    """

    def __init__(self, spool: Spool, mint: Callable[[], str], most_rows: int, meter: Meter | None = None) -> None:
        self._spool, self._mint, self._most_rows, self._meter = spool, mint, most_rows, meter
        self._lock = threading.RLock()
        self._open: dict[str, Segment] = {}
        self._full: deque[Segment] = deque()

    @property
    def rows(self) -> int:
        """Rows that were not handed over yet."""
        return sum(s.rows for s in [*self._open.values(), *self._full])

    @property
    def bytes(self) -> int:
        """Bytes that were not handed over yet."""
        return sum(s.bytes for s in [*self._open.values(), *self._full])

    def append(self, target: str, text: str) -> None:
        """Write a row; it survives this process when this returns. OSError where the disk refuses, Full without room."""
        data = pack_line(text)
        with self._lock:
            segment = self._open.get(target) or self._begin(target)
            try:
                written = os.write(segment.handle, data)
            except OSError:
                self._end(target, segment)
                raise
            if written != len(data):
                self._end(target, segment)  # what is torn is last in its file
                raise OSError("the disk is full")
            segment.rows += 1
            segment.bytes += written
            if segment.rows >= self._most_rows or segment.bytes >= MOST_BODY:
                self._end(target, segment)

    def harvest(self) -> list[tuple[Path, int]]:
        """Return the files that have gathered, with their rows; nothing is appended to them any more."""
        with self._lock:
            for target, segment in list(self._open.items()):
                self._end(target, segment)
            done = []
            while self._full:
                self._sign(self._full[0])
                segment = self._full.popleft()
                os.close(segment.handle)
                done.append((segment.path, segment.rows))
        return done

    def forget(self) -> None:
        """In a forked child: close the parent's files and leave them to it."""
        for segment in [*self._open.values(), *self._full]:
            with contextlib.suppress(OSError):
                os.close(segment.handle)

    def _begin(self, target: str) -> Segment:
        if not self._spool.room(self.bytes):
            raise Full
        name = self._mint()
        path = self._spool.folder() / (name + ROWS)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            made = Segment(path, handle, target, bytes=os.write(handle, pack_header(name, target)))
        except OSError:
            os.close(handle)
            raise
        kept = self._open.setdefault(target, made)
        if kept is not made:  # a signal handler was faster
            self._full.append(made)
        return kept

    def _sign(self, segment: Segment) -> None:
        """Write behind the rows of predictions what the process used, as far as it falls to them."""
        if self._meter is not None and segment.rows and kind_of(segment.target) == "predictions":
            rows = sum(s.rows for s in self._full if kind_of(s.target) == "predictions")
            with contextlib.suppress(OSError):
                os.write(segment.handle, pack_usage(self._meter.take(segment.rows, rows)))

    def _end(self, target: str, segment: Segment) -> None:
        if self._open.get(target) is segment and self._open.pop(target, None) is segment:
            self._full.append(segment)
