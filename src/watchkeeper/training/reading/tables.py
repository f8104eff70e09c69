"""Read a run from a table of steps: CSV (of Keras, Lightning, Weights & Biases, own ones), or records as JSON lines."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from watchkeeper.errors import UnreadableSource
from watchkeeper.training.reading.log import Log, log_of_rows


def read_csv(path: Path, step: str | None = None) -> Log:
    """Read a CSV whose first line has names: commas, semicolons or tabs. Cells that are no numbers are left out, and so are
    lines with fewer cells than names, such as the last one of a process that was killed.

    Raises
    ------
    UnreadableSource
        It is no text, or has no rows.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="", errors="strict") as file:
            head = file.readline()
            delimiter = max(",;\t", key=head.count)
            file.seek(0)
            rows = [numbers(row) for row in csv.DictReader(file, delimiter=delimiter) if None not in row.values()]
    except (UnicodeDecodeError, csv.Error) as error:
        raise UnreadableSource(str(path), f"it is no CSV ({error}).") from error
    if not any(rows):
        raise UnreadableSource(str(path), "it has no rows with numbers below a line of names.")
    return log_of_rows(Log(path.stem, "CSV"), rows, step)


def read_records(path: Path, step: str | None = None) -> Log:
    """Read JSON lines, an object a step; a line that a killed process left unfinished ends it.

    Raises
    ------
    UnreadableSource
        No line is an object with numbers.
    """
    rows = [numbers(row) for row in _objects(path)]
    if not any(rows):
        raise UnreadableSource(str(path), "no line of it is a JSON object with numbers.")
    return log_of_rows(Log(path.stem, "JSON lines"), rows, step)


def _objects(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8", errors="replace") as file:
        for line in file:
            try:
                found = json.loads(line)
            except ValueError:
                return
            if isinstance(found, dict):
                yield found


def numbers(row: dict[Any, Any]) -> dict[str, float]:
    """Return the cells that are numbers; ``nan`` and ``inf`` are, empty ones are not."""
    return dict(_numbers(row.items()))


def _numbers(items: Iterable[tuple[Any, Any]]) -> Iterator[tuple[str, float]]:
    for name, value in items:
        if isinstance(name, str) and isinstance(value, str | int | float) and not isinstance(value, bool):
            try:
                yield name, float(value)
            except ValueError:
                continue
