"""Parquet files of raw rows: on disk, whole and named before anybody hears of them, and checked when they are read."""

from __future__ import annotations

import hashlib
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from watchkeeper.errors import CorruptStore
from watchkeeper.store import folders

FOLDER, QUARANTINE = folders.EVENTS, folders.QUARANTINE


@dataclass(frozen=True, slots=True)
class Written:
    """A file that is on disk: its path below the store, size in bytes, and SHA-256."""

    path: str
    size: int
    digest: bytes


def write_rows(root: Path, place: str, rows: pa.Table) -> Written:
    """Write rows as a new file below ``events/place``; it and every folder on the way are synced when this returns.

    The name is the server's own, so nothing that a user called anything gets into a path.
    """
    folder = root / FOLDER / place
    folders.make_folder(folder, root)
    sink = pa.BufferOutputStream()
    pq.write_table(rows, sink, compression="zstd", write_statistics=True)
    content = sink.getvalue().to_pybytes()
    target = folder / f"{secrets.token_hex(8)}.parquet"
    partial = target.with_suffix(".partial")
    with folders.new_file(partial) as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    partial.rename(target)
    folders.sync_folder(folder)
    return Written(str(target.relative_to(root)), len(content), hashlib.sha256(content).digest())


def read_rows(root: Path, path: str, digest: bytes, columns: list[str] | None = None) -> pa.Table:
    """Read a file's rows.

    Raises
    ------
    CorruptStore
        It is gone, or not as it was written.
    """
    try:
        content = (root / path).read_bytes()
    except OSError as error:
        raise CorruptStore(path, error.strerror or "it cannot be read") from error
    if hashlib.sha256(content).digest() != digest:
        raise CorruptStore(path, f"its checksum is wrong ({len(content)} bytes)")
    return pq.read_table(pa.BufferReader(content), columns=columns)


def set_aside(root: Path, path: str) -> None:
    """Move a file to ``quarantine``, where somebody may look at it; does nothing where it is gone or no file of events."""
    source = root / path
    if source.is_file() and Path(path).parts[:1] == (FOLDER,) and ".." not in Path(path).parts:
        folder = root / QUARANTINE
        folders.make_folder(folder, root)
        source.rename(folder / path.replace("/", "-"))
        folders.sync_folder(folder)


def remove_strays(root: Path, known: set[str]) -> int:
    """Remove what a killed process was writing, and set aside files below ``events`` that no table names; returns how many.

    The latter were about to be registered or removed, or the row that named them is damaged: nothing here can tell.
    """
    strays = [p for p in (root / FOLDER).rglob("*") if p.is_file() and str(p.relative_to(root)) not in known]
    for path in strays:
        if path.suffix == ".partial":
            path.unlink()
        else:
            set_aside(root, str(path.relative_to(root)))
    return len(strays)
