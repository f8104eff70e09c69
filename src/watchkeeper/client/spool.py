"""Batches on disk that could not be delivered yet: a folder for each process, its lock held while that lives."""

from __future__ import annotations

import bisect
import contextlib
import os
import secrets
import shutil
import sys
import threading
from pathlib import Path

from watchkeeper.client.batch import Batch
from watchkeeper.client.spoolfile import DamagedError, pack, unpack, unpack_lines
from watchkeeper.client.stats import Tally

if sys.platform == "win32":
    import msvcrt

    def _take(handle: int) -> None:
        msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _take(handle: int) -> None:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)


MOST_ASIDE = 16 * 2**20
LEAVE_FREE = 0.05
BATCH, ROWS = ".batch", ".rows"


class Full(Exception):
    """There is no room for a batch."""


class Spool:
    """The batches of one process in the order of their ids, which is that of time.

    Whatever the file system refuses comes out as OSError, and leaves what is there as it is.

    Parameters
    ----------
    root
        The folder of one model at one server, which processes share.
    most_bytes
        What may lie in the folder of this process.
    tally
        Where rows that were found or lost are counted.
    """

    def __init__(self, root: Path, most_bytes: int, tally: Tally) -> None:
        self._root, self._most, self._tally = root, most_bytes, tally
        self._folder: Path | None = None
        self._lock = -1
        self._making = threading.RLock()  # the journal asks for the folder in threads of the host
        self._names: list[str] = []
        self._held: dict[str, tuple[int, int]] = {}
        self.rows = self.bytes = 0

    def __len__(self) -> int:
        return len(self._names)

    def room(self, size: int) -> bool:
        """Whether ``size`` more bytes may lie in the folder."""
        if self.bytes + size > self._most:
            return False
        disk = shutil.disk_usage(self.folder())
        return disk.free >= LEAVE_FREE * disk.total

    def put(self, batch: Batch) -> None:
        """Keep a batch; it is on disk when this returns. Full where there is no room for it."""
        data = pack(batch)
        if not self.room(len(data)):
            raise Full
        _write(self.folder() / (batch.id + BATCH), data)
        self._enlist(batch.id + BATCH, len(data), batch.rows)

    def enlist(self, path: Path, rows: int) -> None:
        """Take in a file of rows that is complete, and lies in :meth:`folder`."""
        try:
            size = path.stat().st_size
        except OSError:
            self._tally.dropped["spool vanished"] += rows
        else:
            self._enlist(path.name, size, rows)

    def set_aside(self, batch: Batch, suffix: str) -> None:
        """Keep a batch that is never to be sent, for somebody to look at."""
        path = self.folder() / (batch.id + BATCH)
        _write(path, pack(batch))
        self._aside(path, suffix)

    def first(self) -> Batch | None:
        """Return the oldest batch; damaged files before it are moved aside and counted. None: there is none."""
        while self._names:
            name = self._names[0]
            path = self.folder() / name
            try:
                data = path.read_bytes()
                batch, damaged = unpack_lines(data) if name.endswith(ROWS) else (unpack(data), 0)
                if batch.id != path.stem:
                    raise DamagedError("another batch lies under this name")
            except FileNotFoundError:
                self._lose(name, "spool vanished")
            except (ValueError, KeyError, TypeError):
                self._aside(path, "corrupt")
                self._lose(name, "corrupt")
            else:
                self._correct(name, batch, damaged)
                if batch.rows:
                    return batch
                self.remove(batch.id)
        return None

    def remove(self, batch_id: str) -> None:
        """Forget a batch."""
        for name in (batch_id + BATCH, batch_id + ROWS):
            if name in self._held:
                self._out(name)
                (self.folder() / name).unlink(missing_ok=True)

    def folder(self) -> Path:
        """Return the folder of this process, which is made and locked when it is first needed or has vanished."""
        with self._making:
            if self._folder is None or not self._folder.exists():
                self.forget()
                self._make_root()
                self._folder, self._lock = _claim(self._root)
            return self._folder

    def check(self) -> None:
        """Make the folder and write a file there, which is removed; raises OSError where that cannot be done."""
        trial = self.folder() / "trial.tmp"
        trial.write_bytes(b"trial")
        trial.unlink()

    def adopt(self) -> None:
        """Take over the batches of processes that are no more."""
        if not self._root.is_dir():
            return
        for other in sorted(self._root.iterdir()):
            if other != self._folder and other.is_dir():
                lock = _locked(other)
                if lock >= 0:
                    self._take_over(other)
                    os.close(lock)

    def forget(self) -> None:
        """Let go of the folder without touching what is in it."""
        self._folder = None
        if self._lock >= 0:
            with contextlib.suppress(OSError):
                os.close(self._lock)
        self._lock = -1

    def close(self) -> None:
        """Let go of the folder, and remove it where it is empty."""
        if self._folder is not None and not self._names:
            with contextlib.suppress(OSError):
                (self._folder / "lock").unlink()
                self._folder.rmdir()
        self.forget()

    def _make_root(self) -> None:
        self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self._root.is_symlink() or (sys.platform != "win32" and self._root.lstat().st_uid != os.geteuid()):
            raise PermissionError(f"{self._root} belongs to somebody else")

    def _enlist(self, name: str, size: int, rows: int) -> None:
        if name not in self._held:
            bisect.insort(self._names, name)
            self._held[name] = (size, rows)
            self.bytes += size
            self.rows += rows

    def _correct(self, name: str, batch: Batch, damaged: int) -> None:
        size, rows = self._held[name]
        if rows == batch.rows + damaged and not damaged:
            return
        self._held[name] = (size, batch.rows)
        self.rows += batch.rows - rows
        self._tally.dropped["corrupt"] += max(0, rows - batch.rows)

    def _out(self, name: str) -> int:
        self._names.remove(name)
        size, rows = self._held.pop(name)
        self.bytes -= size
        self.rows -= rows
        return rows

    def _lose(self, name: str, reason: str) -> None:
        self._tally.dropped[reason] += self._out(name)

    def _aside(self, path: Path, suffix: str) -> None:
        there = [p.stat().st_size for p in self._root.glob("*.*") if p.suffix in {".refused", ".corrupt"}]
        if sum(there) + path.stat().st_size <= MOST_ASIDE:
            path.rename(self._root / f"{path.stem}.{suffix}")
        else:
            path.unlink()

    def _take_over(self, other: Path) -> None:
        mine = self.folder()
        for path in sorted(other.iterdir()):
            if path.suffix in {BATCH, ROWS}:
                size, rows = path.stat().st_size, _rows_in(path)
                path.rename(mine / path.name)
                self._enlist(path.name, size, rows)
                self._tally.adopted += rows
            elif path.name != "lock":
                path.unlink()
        (other / "lock").unlink()
        other.rmdir()
        _sync(mine)


def _rows_in(path: Path) -> int:
    """Count the rows of a file as its header or its lines say; 0 for a damaged one."""
    try:
        data = path.read_bytes()
        return unpack_lines(data)[0].rows if path.suffix == ROWS else unpack(data).rows
    except (ValueError, KeyError, TypeError):
        return 0


def _claim(root: Path) -> tuple[Path, int]:
    while True:
        folder = root / f"{os.getpid()}-{secrets.token_hex(5)}"
        folder.mkdir(mode=0o700)
        lock = _locked(folder)
        if lock >= 0:
            return folder, lock


def _locked(folder: Path) -> int:
    """Return the descriptor that holds the lock of a folder; -1 where another process has it, or removed it."""
    try:
        lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except FileNotFoundError:
        return -1
    try:
        _take(lock)
        if os.stat(folder / "lock").st_ino == os.fstat(lock).st_ino:  # noqa: PTH116
            return lock
    except OSError:
        pass
    os.close(lock)
    return -1


def _write(path: Path, data: bytes) -> None:
    """Write a file so that it is there as a whole, or not at all, whenever the power goes."""
    temporary = path.with_suffix(".tmp")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.rename(path)
    except OSError:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
    _sync(path.parent)


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
