"""Rows in and out of tables, each with a checksum over its values: a byte that rots is noticed, not believed."""

from __future__ import annotations

import sqlite3
import struct
import zlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from watchkeeper.errors import CorruptStore
from watchkeeper.store.layout import TABLES, UNCHECKED, columns_of

COLUMNS = {table: columns_of(table) for table in TABLES}
_PLACES = {table: {name: place for place, name in enumerate(names)} for table, names in COLUMNS.items()}


def crc_of(values: Iterable[Any]) -> int:
    """Return the checksum of a row: CRC-32 over each value with its type (SQLite keeps -0.0 as 0.0)."""
    crc = 0
    for value in values:
        if value is None:
            crc = zlib.crc32(b"n", crc)
        elif isinstance(value, float):
            crc = zlib.crc32(struct.pack("<cd", b"f", value + 0.0), crc)
        elif isinstance(value, int):
            crc = zlib.crc32(b"i%d" % value, crc)
        elif isinstance(value, str):
            crc = zlib.crc32(value.encode("utf-8", "surrogatepass"), zlib.crc32(b"s", crc))
        else:
            crc = zlib.crc32(value, zlib.crc32(b"b", crc))
    return crc


def insert(connection: sqlite3.Connection, table: str, *, replace: bool = False, **values: Any) -> int:
    """Insert one row; columns that are not named are null. Returns its rowid."""
    row = [values.get(name) for name in COLUMNS[table]]
    if COLUMNS[table][0] in {"id", "seq"} and row[0] is None:  # SQLite gives the number, and the checksum covers it
        row[0] = _next(connection, table)
    insert_many(connection, table, [row], replace=replace)
    return int(row[0]) if isinstance(row[0], int) else 0


def _next(connection: sqlite3.Connection, table: str) -> int:
    """Return a number that was never used: those of AUTOINCREMENT tables never come back."""
    key = COLUMNS[table][0]
    largest = connection.execute(f"SELECT max({key}) FROM {table}").fetchone()[0] or 0
    if "AUTOINCREMENT" in TABLES[table]:
        used = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = ?", (table,)).fetchone()
        largest = max(largest, used[0] if used else 0)
    return int(largest) + 1


def insert_many(
    connection: sqlite3.Connection, table: str, rows: Sequence[Sequence[Any]], *, replace: bool = False
) -> None:
    """Insert whole rows, their values in the order of the table's columns."""
    marks = ", ".join("?" * (len(COLUMNS[table]) + (table not in UNCHECKED)))
    verb = "INSERT OR REPLACE" if replace else "INSERT OR IGNORE" if table in UNCHECKED else "INSERT"
    checked = rows if table in UNCHECKED else [(*row, crc_of(row)) for row in rows]
    connection.executemany(f"{verb} INTO {table} VALUES ({marks})", checked)


def update(connection: sqlite3.Connection, table: str, where: dict[str, Any], **changes: Any) -> None:
    """Change columns of the rows that ``where`` finds; each is read, checked, and written whole."""
    found = list(select(connection, table, **where))
    rows = [[changes.get(name, old) for name, old in zip(COLUMNS[table], row, strict=True)] for row in found]
    insert_many(connection, table, rows, replace=True)


def select(connection: sqlite3.Connection, table: str, *, tail: str = "", **where: Any) -> Iterator[tuple[Any, ...]]:
    """Yield whole rows, checked.

    Raises
    ------
    CorruptStore
        A row is not as it was written.
    """
    names, values = condition(where)
    check = "" if table in UNCHECKED else ", crc"
    query = f"SELECT {', '.join(COLUMNS[table])}{check} FROM {table}{names} {tail}"
    for row in connection.execute(query, values):
        yield row if table in UNCHECKED else checked(table, row)


def select_one(connection: sqlite3.Connection, table: str, **where: Any) -> dict[str, Any] | None:
    """Return one row by column name, or None."""
    row = next(select(connection, table, tail="LIMIT 1", **where), None)
    return None if row is None else dict(zip(COLUMNS[table], row, strict=True))


def select_all(connection: sqlite3.Connection, table: str, *, tail: str = "", **where: Any) -> list[dict[str, Any]]:
    """Return rows by column name."""
    return [dict(zip(COLUMNS[table], row, strict=True)) for row in select(connection, table, tail=tail, **where)]


def checked(table: str, row: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return a row without its checksum, once that is right; raises :class:`CorruptStore`."""
    if crc_of(row[:-1]) != row[-1]:
        raise CorruptStore(f"a row of the table {table!r}", f"its checksum is wrong ({COLUMNS[table][0]} {row[0]!r})")
    return row[:-1]


def condition(where: dict[str, Any]) -> tuple[str, list[Any]]:
    """Return the WHERE clause (or nothing) and its parameters; None means IS NULL, a list means IN."""
    terms, values = [], []
    for name, value in where.items():
        if value is None:
            terms.append(f"{name} IS NULL")
        elif isinstance(value, list | tuple):
            terms.append(f"{name} IN ({', '.join('?' * len(value))})")
            values += list(value)
        else:
            terms.append(f"{name} = ?")
            values.append(value)
    return (f" WHERE {' AND '.join(terms)}" if terms else ""), values


def place_of(table: str, column: str) -> int:
    """Return the place of a column in whole rows."""
    return _PLACES[table][column]
