"""Folders and files of a store: their names are on disk before anything counts on them, and nobody else can read them."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from watchkeeper.errors import InputError

_PRIVATE, _OTHERS = 0o600, stat.S_IRWXG | stat.S_IRWXO
_OURS = ("watchkeeper.db", "watchkeeper.yaml", "lock")
_log = logging.getLogger("watchkeeper.store")
EVENTS, QUARANTINE = "events", "quarantine"
"""In a store's folder: Parquet files, and what was set aside. The former is there once the database was made."""


def make_folder(folder: Path, root: Path | None = None) -> None:
    """Make a folder and those above it, and make their names durable.

    With ``root``, which is there, every name below it is synced, also of folders that are there already: a process that was
    killed may have made them and got no further. Without, those that are missing are made, and the last name is synced.
    """
    above = [folder, *folder.parents]
    if root is None:
        there = next((place for place, path in enumerate(above) if path.exists()), len(above) - 1)
        chain = above[: max(there, 1)]
    else:
        chain = above[: above.index(root)]
    for path in reversed(chain):
        path.mkdir(mode=0o700, exist_ok=True)
        with contextlib.suppress(PermissionError):  # of a folder above that may be entered and not read
            sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def check_folder(folder: Path) -> None:
    """Raise where a file stands in the place of a store's folder."""
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder} is a file, and a store is a folder; name a folder with --store.")


def close_to_others(folder: Path) -> None:
    """Take every right to a store's folder from other users, and say so in the log.

    Raises
    ------
    InputError
        They have rights, and the folder holds what is none of a store's, so that they may need them.
    """
    found = folder.stat()
    if not found.st_mode & _OTHERS:
        return
    if found.st_uid != os.geteuid():
        _log.warning("Other users may enter %s, and only its owner can change that.", folder)
        return
    ours = not any(folder.iterdir()) or any((folder / name).exists() for name in _OURS)
    if not ours or found.st_mode & stat.S_ISVTX:
        raise InputError(
            f"Other users may enter {folder}, and it holds more than a store. Name a new folder, or take their rights "
            f"first: chmod 700 {folder}"
        )
    folder.chmod(0o700)
    _log.warning("Other users could enter %s; they no longer can (its mode is 0700 now).", folder)


def new_file(path: Path) -> io.BufferedWriter:
    """Open a file that is not there yet, for this user alone."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _PRIVATE)
    return io.BufferedWriter(io.FileIO(descriptor, "w"))


def make_private(path: Path, *beside: str) -> None:
    """Make a file where it is not there, and take from others every right to it and to those with these endings."""
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, _PRIVATE))
    for each in (path, *(path.with_name(f"{path.name}{ending}") for ending in beside)):
        if each.exists() and stat.S_IMODE(each.stat().st_mode) != _PRIVATE:
            with contextlib.suppress(PermissionError):  # another user's, who made the store readable for this one
                each.chmod(_PRIVATE)


@contextlib.contextmanager
def private() -> Iterator[None]:
    """Let whatever this process makes in a block be for this user alone."""
    before = os.umask(0o077)
    try:
        yield
    finally:
        os.umask(before)
