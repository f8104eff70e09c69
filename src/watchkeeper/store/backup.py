"""A whole store as one tar, made while it is written to; and back, checked file by file and row by row."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import shutil
import sqlite3
import tarfile
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from watchkeeper.errors import CorruptStore, InputError, SourceNotFound, StoreVersion, UnreadableSource
from watchkeeper.store import rows
from watchkeeper.store.database import NAME
from watchkeeper.store.files import FOLDER
from watchkeeper.store.folders import check_folder, close_to_others, make_folder, new_file, sync_folder
from watchkeeper.store.layout import FORMAT, TABLES, UNCHECKED

_MANIFEST = "manifest.json"
_STAGE = ".restoring"
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Summary:
    """What a backup holds: files and bytes, and rows by table."""

    files: int
    bytes: int
    rows: dict[str, int]


class _Pipe(io.RawIOBase):
    """Takes what a tar writer writes, to be handed on piece by piece."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        self.pieces.append(bytes(data))  # type: ignore[call-overload]
        return len(self.pieces[-1])

    def taken(self) -> bytes:
        data, self.pieces = b"".join(self.pieces), []
        return data


def stream(database: Path, root: Path) -> Iterator[bytes]:
    """Yield a backup as the bytes of a tar: a snapshot of the database, the Parquet files that it names, and a manifest.

    Everything acknowledged before the call is in it. The caller sees to it that no file is removed meanwhile.
    """
    with tempfile.TemporaryDirectory(prefix="watchkeeper-backup-") as folder:
        copy = Path(folder) / NAME
        with contextlib.closing(sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", uri=True)) as source, \
                contextlib.closing(sqlite3.connect(copy)) as target:  # fmt: skip
            source.backup(target)
            target.execute("PRAGMA journal_mode = DELETE")
            paths = [path for (path,) in target.execute("SELECT path FROM file WHERE state = 'fine' ORDER BY id")]
        pipe = _Pipe()
        digests: dict[str, str] = {}
        with tarfile.open(fileobj=pipe, mode="w|") as tar:
            for name, path in ((NAME, copy), *((p, root / p) for p in paths)):
                if path.exists():
                    digests[name] = _digest(path)
                    tar.add(path, name, recursive=False)
                    yield pipe.taken()
            manifest = json.dumps({"format": FORMAT, "files": digests}).encode()
            info = tarfile.TarInfo(_MANIFEST)
            info.size = len(manifest)
            tar.addfile(info, io.BytesIO(manifest))
        yield pipe.taken()


def restore(file: Path, folder: Path) -> Summary:
    """Unpack a backup into ``folder``, which must be empty or new; it is a store only once all of it is checked and synced.

    Raises
    ------
    InputError
        The folder holds something, or the file is no backup.
    CorruptStore
        The backup is damaged.
    StoreVersion
        It is of another format.
    """
    check_folder(folder)
    if folder.exists() and any(p.name not in {"lock", _STAGE} for p in folder.iterdir()):
        raise InputError(f"{folder} is not empty; a restore never overwrites: name another folder.")
    make_folder(folder.absolute())
    stage = folder / _STAGE
    shutil.rmtree(stage, ignore_errors=True)
    try:
        close_to_others(folder)
        stage.mkdir(mode=0o700)
        summary = _unpack(file, stage)
        _move(stage, folder)
    finally:
        shutil.rmtree(stage, ignore_errors=True)
    return summary


def _move(stage: Path, folder: Path) -> None:
    """Put a checked store where it belongs, synced; the database comes last, for without it there is no store."""
    for path in sorted(stage.rglob("*"), reverse=True):
        if path.is_dir():
            path.chmod(0o700)
            sync_folder(path)
        else:
            with path.open("rb") as written:
                os.fsync(written.fileno())
    for name in (FOLDER, NAME):
        if (stage / name).exists():
            (stage / name).rename(folder / name)
            sync_folder(folder)


def verify(file: Path) -> Summary:
    """Check a backup: every file against its digest, every row against its checksum, every count against the files.

    Raises
    ------
    InputError, CorruptStore, StoreVersion
        As :func:`restore`.
    """
    with tempfile.TemporaryDirectory(prefix="watchkeeper-verify-") as folder:
        return _unpack(file, Path(folder))


def _unpack(file: Path, folder: Path) -> Summary:
    _check_begin(file)
    try:
        with tarfile.open(file, "r:") as tar:
            for member in tar:
                _take(tar, member, file, folder)
    except (tarfile.TarError, EOFError, OSError) as error:
        raise CorruptStore(str(file), f"it is no whole backup ({error})") from error
    manifest = folder / _MANIFEST
    if not manifest.exists():
        raise CorruptStore(str(file), "it ends before its manifest, so it was cut off")
    told = _manifest(file, manifest)
    if told["format"] != FORMAT:
        raise StoreVersion(str(file), told["format"], FORMAT)
    for name, digest in told["files"].items():
        if not (folder / name).exists() or _digest(folder / name) != digest:
            raise CorruptStore(str(file), f"{name} in it is not as it was written")
    manifest.unlink()
    size = sum((folder / name).stat().st_size for name in told["files"])
    return Summary(len(told["files"]), size, check(folder))


def _check_begin(file: Path) -> None:
    """Raise where a file does not begin as a tar does."""
    try:
        with tarfile.open(file, "r:"):
            pass
    except FileNotFoundError as error:
        raise SourceNotFound(str(file)) from error
    except (tarfile.TarError, EOFError) as error:
        raise UnreadableSource(str(file), "it is no backup, or its first bytes are wrong.") from error
    except OSError as error:
        raise UnreadableSource(str(file), f"{error.strerror or error}.") from error


def _manifest(file: Path, manifest: Path) -> dict[str, Any]:
    try:
        told = json.loads(manifest.read_bytes())
        return {"format": int(told["format"]), "files": dict(told["files"])}
    except (ValueError, KeyError, TypeError) as error:
        raise CorruptStore(str(file), "its manifest cannot be read") from error


def _take(tar: tarfile.TarFile, member: tarfile.TarInfo, file: Path, folder: Path) -> None:
    """Unpack one file; nothing but plain files with the names that a store has."""
    path = PurePosixPath(member.name)
    known = member.name in {NAME, _MANIFEST} or path.parts[:1] == (FOLDER,)
    if not member.isreg() or not known or path.is_absolute() or ".." in path.parts:
        raise CorruptStore(str(file), f"it holds {member.name!r}, which no backup does")
    source = tar.extractfile(member)
    assert source is not None
    target = folder / path
    target.parent.mkdir(parents=True, exist_ok=True)
    with new_file(target) as out:
        while piece := source.read(_CHUNK):
            out.write(piece)


def check(folder: Path) -> dict[str, int]:
    """Check a store that nobody has open: the database's own structure, every row, every file; return rows by table.

    Raises
    ------
    CorruptStore
        Something is damaged; names the first that was found.
    """
    counts = {}
    try:
        with contextlib.closing(sqlite3.connect(folder / NAME)) as connection:
            said = connection.execute("PRAGMA integrity_check").fetchone()[0]
            if said != "ok":
                raise CorruptStore(NAME, said)
            for table in TABLES:
                counts[table] = sum(1 for _ in rows.select(connection, table))
            _check_ids(connection)
            found = rows.select_all(connection, "file", state="fine")
    except (sqlite3.DatabaseError, UnicodeDecodeError) as error:  # the latter from what the check itself says
        raise CorruptStore(NAME, str(error)) from error
    for file in found:
        path = folder / file["path"]
        if not path.exists() or hashlib.sha256(path.read_bytes()).digest() != file["digest"]:
            raise CorruptStore(file["path"], "its checksum is wrong" if path.exists() else "it is missing")
    return {table: count for table, count in counts.items() if table not in UNCHECKED}


def _check_ids(connection: sqlite3.Connection) -> None:
    """Check the index over ids against what each partition knows of it."""
    sums: dict[int, int] = {}
    for hash_, number in rows.select(connection, "foreign_id"):
        sums[number] = sums.get(number, 0) ^ hash_
    known = {partition["id"]: partition["foreign_sum"] for partition in rows.select_all(connection, "partition")}
    for number in known.keys() | sums.keys():
        if known.get(number) != sums.get(number, 0):
            raise CorruptStore(NAME, f"the ids of partition {number} are not those that were written")


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(_CHUNK):
            digest.update(piece)
    return digest.hexdigest()
