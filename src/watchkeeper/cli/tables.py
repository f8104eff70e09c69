"""What people see on standard output."""

from __future__ import annotations

import json
import math
import shutil
import sys
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


def show_record(record: dict[str, Any]) -> None:
    """Print names and values, one below the other."""
    import click

    from watchkeeper.cli.layout import title, words

    wide = max((len(title(name)) for name in record), default=0)
    for name, value in record.items():
        text = json.dumps(value, indent=1) if isinstance(value, dict | list) and value else words(value)
        click.echo(f"{title(name):{wide}}  " + text.replace("\n", "\n" + " " * (wide + 2)))


def show_table(
    found: list[dict[str, Any]], columns: tuple[str, ...], nothing: str, unless_zero: tuple[str, ...] = ()
) -> None:
    """Print some columns of some records, or say that there are none; ``unless_zero`` come last, where any is not 0."""
    import click

    from watchkeeper.cli.layout import table

    if not found:
        click.echo(nothing)
        return
    shown = (*columns, *(name for name in unless_zero if any(row.get(name) for row in found)))
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    for line in table(found, shown, width):
        click.echo(line)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    if isinstance(value, datetime):
        return value.isoformat()
    return None if isinstance(value, float) and not math.isfinite(value) else value
