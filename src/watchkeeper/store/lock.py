"""One process at a time has a store open; who that is stands in the lock, for people and for other commands."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import socket
import time
from dataclasses import dataclass
from pathlib import Path

from watchkeeper.errors import StoreLocked, Unwritable
from watchkeeper.store.folders import check_folder, close_to_others, make_folder

_NAME = "lock"
_LOOKS, _PAUSE = 50, 0.01


@dataclass(frozen=True, slots=True)
class Holder:
    """The process that has a store open, and the address that it serves (empty while it serves none)."""

    pid: int
    host: str
    url: str = ""


class FolderLock:
    """Holds a folder until closed. The kernel lets go when the process ends, however it ends, so no lock is ever stale.

    Raises
    ------
    StoreLocked
        Another process has it; carries who.
    Unwritable
        The folder cannot be made or written to.
    InputError
        It is a file, or others may enter it and it holds more than a store.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / _NAME
        check_folder(folder)
        try:
            make_folder(folder.absolute())
            close_to_others(folder)
            self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise Unwritable(str(folder), error.strerror or str(error)) from error
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._file)
            raise _locked(folder) from None
        self.announce("")

    def announce(self, url: str) -> None:
        """Write who holds the folder, and where it answers."""
        told = json.dumps({"pid": os.getpid(), "host": socket.gethostname(), "url": url}).encode()
        os.pwrite(self._file, told, 0)
        os.ftruncate(self._file, len(told))

    def close(self) -> None:
        """Let go."""
        with contextlib.suppress(OSError):
            os.ftruncate(self._file, 0)
            os.close(self._file)


def read_holder(folder: Path) -> Holder | None:
    """Return who has the store in ``folder`` open; None where nobody has."""
    path = folder / _NAME
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return _told_holder(path)
    finally:
        os.close(file)
    return None


def _told_holder(path: Path) -> Holder:
    """Return the holder, once it has said who it is: one that took the lock a moment ago may not have yet.

    What a process that was killed had said is still there then.
    """
    held = _holder(path)
    for _ in range(_LOOKS):
        if held.pid and (held.host != socket.gethostname() or _lives(held.pid)):
            break
        time.sleep(_PAUSE)
        held = _holder(path)
    return held


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _holder(path: Path) -> Holder:
    try:
        told = json.loads(path.read_bytes())
        return Holder(int(told["pid"]), str(told["host"]), str(told["url"]))
    except (OSError, ValueError, KeyError, TypeError):
        return Holder(0, "")


def _locked(folder: Path) -> StoreLocked:
    held = _told_holder(folder / _NAME)
    return StoreLocked(str(folder), held.pid or None, held.host, held.url)
