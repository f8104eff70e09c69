"""Lays records out as the lines of a table: within a terminal's width, or one row on one line where nobody says how wide."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from rich.cells import cell_len

_GAP, NONE = "  ", "–"
_HELD = "\N{NO-BREAK SPACE}"
_IDS = {"id", "seq", "incident"}
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)")
_TITLES = {
    "watermark": "time",
    "pending": "still being counted",
    "labels_waiting": "labels without a row",
    "quarantined": "refused",
    "of": "segment or column",
}
"""What some columns are called where people read them."""


def table(found: list[dict[str, Any]], columns: tuple[str, ...], width: int | None) -> Iterator[str]:
    """Yield the lines of a table.

    Parameters
    ----------
    found, columns
        The records, and which of their values, the important ones first.
    width
        What fits: cells then wrap between words, what is the same in every row is said once above the table, and the last
        columns are left out where there is no room. None: every column, and each row on one line.
    """
    made = [_column(name, [row.get(name) for row in found]) for name in columns]
    if width is None:
        yield from _lines(made, [column.widest for column in made])
        return
    same = [c for c in made if len(set(c.cells)) == 1 and (len(found) > 1 or c.cells[0] == NONE)]
    kept = [column for column in made if column not in same] or made[:1]
    told = "; ".join(f"{c.title}: {c.cells[0]}" for c in same if c not in kept and c.cells[0] != NONE).replace(
        _HELD, " "
    )
    left_out: list[str] = []
    while len(kept) > 1 and _taken([column.least for column in kept]) > width:
        left_out.insert(0, kept.pop().title)
    yield from [*_wrapped(told, width), ""] if told else []
    yield from _lines(kept, _fitted(kept, width))
    if left_out:
        words = f"No room for {', '.join(left_out)}: a wider terminal, a pipe or --json has all."
        yield from ["", *_wrapped(words, width)]


def title(name: str) -> str:
    """Return what a value is called where people read it."""
    return _TITLES.get(name, name.replace("_", " "))


def words(value: Any) -> str:
    """Return a value as people read it: numbers short, times to the minute."""
    if value is None or value == "" or value in ([], {}):
        return NONE
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, dict):
        return ", ".join(f"{name}: {words(inner)}" for name, inner in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(map(words, value))
    moment = _moment(value)
    return str(value) if moment is None else _shown(moment) + _zone(moment)


@dataclass(frozen=True, eq=False, slots=True)
class _Column:
    """A column as text; ``least`` is its longest word, and ``widest`` its longest cell."""

    title: str
    cells: list[str]
    right: bool = False

    @property
    def widest(self) -> int:
        return max(map(cell_len, [self.title, *self.cells]))

    @property
    def least(self) -> int:
        return max(cell_len(word) for text in (self.title, *self.cells) for word in text.split(" "))


def _column(name: str, values: list[Any]) -> _Column:
    moments = [_moment(value) for value in values]
    known = [moment for moment in moments if moment is not None]
    if known and all(not moment.utcoffset() for moment in known):  # the zone is said once
        cells = [_shown(m) if m is not None else words(v) for m, v in zip(moments, values, strict=True)]
        return _Column(f"{title(name)} (UTC)", cells)
    there = [value for value in values if value is not None]
    right = bool(there) and all(isinstance(value, int | float) and not isinstance(value, bool) for value in there)
    cells = [str(value) if name in _IDS else words(value) for value in values]
    return _Column(title(name), [re.sub(r"[ \t\r\n]+", " ", cell) for cell in cells], right)


def _moment(value: Any) -> datetime | None:
    """Return the time that a value is or says; None where it is no time with a zone."""
    if isinstance(value, str) and _MOMENT.fullmatch(value):
        value = datetime.fromisoformat(value)
    return value if isinstance(value, datetime) and value.tzinfo is not None else None


def _shown(moment: datetime) -> str:
    return moment.strftime(f"%Y-%m-%d{_HELD}%H:%M")


def _zone(moment: datetime) -> str:
    return f"{_HELD}UTC" if not moment.utcoffset() else moment.isoformat()[-6:]


def _taken(widths: list[int]) -> int:
    return sum(widths) + len(_GAP) * (len(widths) - 1)


def _fitted(columns: list[_Column], width: int) -> list[int]:
    """Return widths that fit: the widest column gives first, and none more than its longest word allows."""
    widths = [column.widest for column in columns]
    while _taken(widths) > width:
        giving = [place for place, column in enumerate(columns) if widths[place] > column.least]
        if not giving:
            break
        widths[max(giving, key=widths.__getitem__)] -= 1
    return widths


def _lines(columns: list[_Column], widths: list[int]) -> Iterator[str]:
    yield from _row([column.title for column in columns], columns, widths)
    for row in zip(*(column.cells for column in columns), strict=True):
        yield from _row(list(row), columns, widths)


def _row(texts: list[str], columns: list[_Column], widths: list[int]) -> Iterator[str]:
    pieces = [_wrapped(text, width) for text, width in zip(texts, widths, strict=True)]
    for line in range(max(map(len, pieces))):
        cells = []
        for piece, column, width in zip(pieces, columns, widths, strict=True):
            text = piece[line] if line < len(piece) else ""
            pad = " " * (width - cell_len(text))
            cells.append(pad + text if column.right else text + pad)
        yield _GAP.join(cells).rstrip().replace(_HELD, " ")


def _wrapped(text: str, width: int) -> list[str]:
    if cell_len(text) <= width:
        return [text]
    return textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False) or [""]
