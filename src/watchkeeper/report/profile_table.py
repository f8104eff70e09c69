"""A profile for people and programs."""

from __future__ import annotations

import json
import math
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table

from watchkeeper.profiles.column import CategoricalColumn, Column
from watchkeeper.profiles.profile import Profile
from watchkeeper.report.distribution import summary
from watchkeeper.report.printing import printable
from watchkeeper.report.words import number


def to_json(profile: Profile) -> str:
    """Return what a profile knows as JSON: rows, times, schema, and a summary of each column."""
    found: dict[str, Any] = {
        "name": profile.name,
        "rows": profile.rows,
        "start": profile.window.start.isoformat() if profile.window else None,
        "end": profile.window.end.isoformat() if profile.window else None,
        "coverage": profile.coverage,
        "schema": profile.schema.to_dict(),
        "columns": {
            name: {"kind": profile.schema.kinds[name]} | _plain(column) for name, column in profile.columns.items()
        },
        "segments": {c: {v: o.rows for v, o in s.items()} for c, s in profile.segments.items()},
    }
    return json.dumps(found, indent=1, ensure_ascii=False, allow_nan=False)


def _plain(column: Column) -> dict[str, Any]:
    found = {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in summary(column).items()}
    if isinstance(column, CategoricalColumn):
        found["top"] = dict(column.categories.top(10))
    return found


def render(profile: Profile) -> RenderableType:
    """Return what a terminal shows of a profile."""
    window = (
        f", {profile.window.start:%Y-%m-%d %H:%M} to {profile.window.end:%Y-%m-%d %H:%M} UTC" if profile.window else ""
    )
    covered = f", labels for {number(profile.coverage, 'share')}" if profile.coverage is not None else ""
    title = f"{printable(profile.name) or 'profile'}: {profile.rows:,} rows{window}{covered}"
    table = Table(title=escape(title), title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("column", "kind", "missing", "distinct", "values"):
        table.add_column(heading, justify="right" if heading in {"missing", "distinct"} else "left", overflow="fold")
    for name, column in profile.columns.items():
        role = profile.schema.role(name)
        said = name if role == "feature" else f"{name} ({role})"
        table.add_row(escape(printable(said)), profile.schema.kinds[name], *_cells(column))
    return Group(table)


def _cells(column: Column) -> list[str]:
    found = summary(column)
    missing = number(column.nulls / column.rows, "share") if column.rows else ""
    distinct = "" if found["distinct"] is None else f"{found['distinct']:,}"
    return [missing, distinct, escape(printable(_values(column, found)))]


def _values(column: Column, found: dict[str, Any]) -> str:
    if isinstance(column, CategoricalColumn):
        count = column.categories.count
        return ", ".join(f"{value} {number(n / count, 'share')}" for value, n in column.categories.top(3))
    if found["min"] is None:
        return ""
    if isinstance(found["min"], str):
        return f"{found['min'][:16]} to {found['max'][:16]}"
    middle = f"mean {number(found['mean'])}, sd {number(found['sd'])}, " if found["mean"] is not None else ""
    return f"{middle}{number(found['min'])} to {number(found['max'])}"
