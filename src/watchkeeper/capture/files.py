"""From a path, a folder or a glob to the files it names, and of which kind each is."""

from __future__ import annotations

import glob
import os
from pathlib import Path

from watchkeeper.capture.part import reading
from watchkeeper.errors import SourceNotFound, UnreadableSource

_SUFFIXES = (".parquet", ".pq", ".csv", ".tsv", ".txt", ".csv.gz", ".tsv.gz", ".txt.gz")
_OTHER_KINDS = {
    b"PK\x03\x04": "a zip archive or an Excel workbook; unpack it, or save the sheet as CSV",
    b"ARROW1": "an Arrow IPC file; open it with pyarrow.ipc.open_file and hand in the reader's table",
    b"ORC": "an ORC file; read it with pyarrow.orc and hand in the table",
    b"SQLite format 3": "a SQLite database; query it and hand in the result",
    b"\xfd7zXZ": "compressed with xz; decompress it, or use gzip",
    b"\x28\xb5\x2f\xfd": "compressed with zstd; decompress it, or use gzip",
    b"BZh": "compressed with bzip2; decompress it, or use gzip",
    b"%PDF": "a PDF document",
    b"\xff\xfe": "text in UTF-16; save it as UTF-8",
    b"\xfe\xff": "text in UTF-16; save it as UTF-8",
}


def find_files(location: str | os.PathLike[str]) -> list[Path]:
    """Return the files that ``location`` names, sorted by path.

    A folder stands for the data files directly in it: those with a known extension or none, except names that begin
    with ``.`` or ``_``, as marker files do. Folders below are left out, since the columns that their names may
    encode (``day=2024-01-01``) would be lost without a word; a glob such as ``data/**/*.parquet`` includes them.

    Raises
    ------
    SourceNotFound
        Nothing is there, or no file matches the glob.
    UnreadableSource
        A folder without data files.
    """
    path = Path(location).expanduser()
    with reading(str(location)):
        if path.is_dir():
            return _in_folder(path)
        if path.exists():
            return [path]
    # Path.glob takes no absolute pattern.
    found = sorted(glob.glob(str(path), recursive=True)) if glob.has_magic(str(path)) else []  # noqa: PTH207
    files = [Path(name) for name in found if Path(name).is_file()]
    if not files:
        raise SourceNotFound(str(location))
    return files


def _in_folder(folder: Path) -> list[Path]:
    names = [entry for entry in sorted(folder.iterdir()) if entry.is_file() and not entry.name.startswith((".", "_"))]
    files = [entry for entry in names if entry.name.lower().endswith(_SUFFIXES) or "." not in entry.name]
    if not files:
        reason = "the folder holds no Parquet or CSV file. Name another, or reach into folders below with a glob"
        raise UnreadableSource(str(folder), f"{reason} such as '{folder}/**/*.parquet'.")
    return files


def kind_of(path: Path) -> str:
    """Return ``parquet``, ``csv`` or ``csv.gz`` for a file by its first bytes, since names mislead.

    Raises
    ------
    UnreadableSource
        An empty file, a pipe or device, or a file of another kind; says which where it can be told.
    """
    with reading(str(path)):
        if not path.is_file():
            raise UnreadableSource(str(path), "it is not a regular file. Write its rows to a file first.")
        with path.open("rb") as file:
            start = file.read(4096)
    if not start:
        raise UnreadableSource(str(path), "the file is empty (0 bytes). Check that it was written to the end.")
    if start.startswith(b"PAR1"):
        return "parquet"
    if path.suffix.lower() in {".parquet", ".pq"}:
        reason = f"it does not begin as a Parquet file does (PAR1) but with {start[:4]!r}. Check that it is one."
        raise UnreadableSource(str(path), reason)
    if start.startswith(b"\x1f\x8b"):
        return "csv.gz"
    if path.name.lower().endswith(".gz"):
        raise UnreadableSource(
            str(path), f"it does not begin as a gzip file does but with {start[:4]!r}. Check its name."
        )
    _check_text(start, str(path))
    return "csv"


def _check_text(start: bytes, path: str) -> None:
    for magic, what in _OTHER_KINDS.items():
        if start.startswith(magic):
            raise UnreadableSource(path, f"it is {what}. Parquet and CSV can be read.")
    if b"\0" in start:
        raise UnreadableSource(path, "it holds binary data of an unknown kind. Parquet and CSV can be read.")
