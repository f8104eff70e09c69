"""Folders whose names are on disk: one that was made and not synced by name is gone after a loss of power, with all in it."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

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
