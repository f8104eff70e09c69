"""What people see on standard output."""

from __future__ import annotations

import json
import math
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

_UNKNOWN_WIDTH, _WIDE = 80, 120


def console() -> Console:
    """Return standard output; wide where nobody says how wide it is, for in a pipe or a file nothing has to be left out."""
    from rich.console import Console

    made = Console(highlight=False)
    return Console(highlight=False, width=_WIDE) if not made.is_terminal and made.width == _UNKNOWN_WIDTH else made


def show_report(report: Any) -> None:
    """Print a report."""
    out = console()
    out.print(report.to_terminal(out.width))


def show_json(value: Any) -> None:
    """Print a value as JSON; numbers that are none become null."""
    import click

    click.echo(json.dumps(_plain(value), indent=1))


def show_table(found: list[dict[str, Any]], columns: tuple[str, ...], nothing: str) -> None:
    """Print some columns of some records, or say that there are none."""
    import click
    from rich.table import Table

    if not found:
        click.echo(nothing)
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in columns:
        numbers = all(isinstance(row.get(name), int | float | None) for row in found)
        table.add_column(name.replace("_", " "), justify="right" if numbers else "left", overflow="fold")
    for row in found:
        table.add_row(*(_cell(row.get(name)) for name in columns))
    console().print(table)


def _cell(value: Any) -> str:
    from rich.markup import escape

    if value is None or value == "":
        return "–"
    if isinstance(value, datetime):
        return value.isoformat(sep=" ", timespec="minutes")
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return escape(str(value))


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    if isinstance(value, datetime):
        return value.isoformat()
    return None if isinstance(value, float) and not math.isfinite(value) else value
