"""Commands that read from a server: models and measurements."""

from __future__ import annotations

from typing import Any

import click

from watchkeeper.cli.reach import reach, reaching
from watchkeeper.cli.root import cli
from watchkeeper.cli.tables import show_json, show_table

_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
_MODEL_COLUMNS = ("model", "environment", "serving", "clock", "watermark", "rows", "labels", "pending", "quarantined")
_MEASURED = (
    "window_start",
    "version",
    "metric",
    "segment",
    "column",
    "source",
    "value",
    "low",
    "high",
    "n",
    "coverage",
)


@cli.command()
@_JSON
@reaching
def models(as_json: bool, **options: Any) -> int:
    """List the models that a server watches."""
    with reach(options) as connection:
        found = connection.models()
    if as_json:
        show_json(found)
    else:
        show_table(found, _MODEL_COLUMNS, "No model has sent anything yet; 'watchkeeper log' sends a file.")
    return 0


@cli.command()
@click.argument("model")
@click.option("--version", help="Of this version only.")
@click.option("--environment", default="production", show_default=True, help="Where it runs.")
@click.option(
    "--stage", type=click.Choice(["serving", "shadow", "canary"]), default="serving", help="Served, or only compared."
)
@click.option(
    "--every",
    type=click.Choice(["hour", "day", "week", "month"]),
    help="Of windows that last so long; all unless said.",
)
@click.option("--metric", multiple=True, help="Of this metric, such as roc_auc; repeatable.")
@click.option("--segment", help="Of this segment.")
@click.option("--column", help="Of this column.")
@click.option("--start", help="Of windows from here on, such as 2026-05-01T00:00:00Z.")
@click.option("--end", help="Of windows before this.")
@click.option(
    "--revisions",
    type=click.Choice(["latest", "sealed", "all"]),
    default="latest",
    help="What is known now, what was known when a window was sealed, or every revision.",
)
@_JSON
@reaching
def measurements(model: str, as_json: bool, **options: Any) -> int:
    """Show what was measured of MODEL."""
    with reach(options) as connection:
        table = connection.measurements(model, **{name: value for name, value in options.items() if value})
    found = table.to_pylist()
    if as_json:
        show_json(found)
    else:
        show_table(found, _MEASURED, "Nothing was measured yet.")
    return 0
