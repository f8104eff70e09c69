"""Commands that read from a server: models, versions, windows, measurements, refused rows, and which version serves."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from watchkeeper.cli.reach import reach, reaching
from watchkeeper.cli.root import cli
from watchkeeper.cli.tables import show_json, show_table

if TYPE_CHECKING:
    from watchkeeper.client.connection import Connection

_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
_ENVIRONMENT = click.option("--environment", default="production", show_default=True, help="Where it runs.")
_STAGE = click.option(
    "--stage", type=click.Choice(["serving", "shadow", "canary"]), default="serving", help="Served, or only compared."
)
_START = click.option("--start", help="Of windows from here on, such as 2026-05-01T00:00:00Z.")
_END = click.option("--end", help="Of windows before this.")
_EVERY = ["hour", "day", "week", "month"]
_COUNTS = ("pending", "labels_waiting", "duplicates", "quarantined", "lost", "sampled_out")
_MODEL = ("model", "environment", "serving", "clock", "watermark", "rows", "labels")
_VERSION = ("version", "serving", "rows", "labels", "first", "last", "reference")
_WINDOW = ("start", "rows", "labels", "coverage", "sealed_at", "revision", "known_at")
_REFUSED = ("received", "kind", "row", "reason", "version", "batch")
_MEASURED = (
    "window_start", "every", "metric", "of", "source", "value", "low", "high", "n", "reference", "effect", "version",
    "coverage",
)  # fmt: skip
_MOST = 100
"""So many measurements a table shows unless it is asked for all."""
_SEQUENCE = ("sequence_low", "sequence_high")
_REVISED = (*_MEASURED[:1], "revision", "known_at", *_MEASURED[1:])


def _of_model(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add what a command over one model takes."""
    for add in (reaching, _JSON, _ENVIRONMENT, click.argument("model")):
        command = add(command)
    return command


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
        show_table(found, _MODEL, "No model has sent anything yet; 'watchkeeper log' sends a file.", _COUNTS)
        for model in found:
            for notice in model.get("notices", []):
                click.echo(f"{model['model']}: {notice}")
    return 0


@cli.command()
@_of_model
def versions(model: str, environment: str, as_json: bool, **options: Any) -> int:
    """List the versions of MODEL."""
    with reach(options) as connection:
        found = connection.versions(model, environment=environment)
    if as_json:
        show_json(found)
    else:
        shown = [version | {"reference": _rows_of(version.get("reference"))} for version in found]
        show_table(shown, _VERSION, f"{model} has no version yet.")
        for version in found:
            for notice in version.get("notices", []):
                click.echo(f"Version {version['version']}: {notice}")
    return 0


@cli.command()
@click.option("--version", help="Of this version; the one that serves unless said.")
@click.option("--every", type=click.Choice(_EVERY), default="day", show_default=True, help="How long each lasts.")
@_STAGE
@_START
@_END
@_of_model
def windows(model: str, environment: str, version: str | None, as_json: bool, **options: Any) -> int:
    """List the windows of a version of MODEL: rows, labels, and what is sealed."""
    asked = {name: options.pop(name) for name in ("every", "stage", "start", "end")}
    with reach(options) as connection:
        version = version or _serving(connection, model, environment)
        found = connection.windows(model, version, environment=environment, **asked)
    if as_json:
        show_json(found)
    else:
        show_table(found, _WINDOW, f"Version {version} has no window with rows{_but(asked)}.")
    return 0


@cli.command()
@click.option("--limit", type=click.IntRange(1, 1000), default=100, show_default=True, help="The most to be told.")
@_of_model
def quarantine(model: str, environment: str, limit: int, as_json: bool, **options: Any) -> int:
    """List rows of MODEL that were refused, and why, latest first. --json shows the rows themselves."""
    with reach(options) as connection:
        found = connection.quarantine(model, limit=limit, environment=environment)
    if as_json:
        show_json(found)
    else:
        show_table(found, _REFUSED, "No row was refused.")
    return 0


@cli.command()
@click.option("--set", "version", help="Have this version serve from now on.")
@_of_model
def serving(model: str, environment: str, version: str | None, as_json: bool, **options: Any) -> int:
    """Show which version of MODEL serves, or say so."""
    with reach(options) as connection:
        if version is not None:
            connection.set_serving(model, version, environment=environment)
        found = connection.serving(model, environment=environment)
    if as_json:
        show_json({"model": model, "environment": environment, "version": found})
    else:
        click.echo(f"Version {found} serves." if found is not None else f"Nobody said which version of {model} serves.")
    return 0


@cli.command()
@click.option("--version", help="Of this version only.")
@_STAGE
@click.option("--every", type=click.Choice(_EVERY), help="Of windows that last so long; all unless said.")
@click.option("--metric", multiple=True, help="Of this metric, such as roc_auc; repeatable.")
@click.option("--segment", help="Of this segment, a column and a value such as origin=JFK.")
@click.option("--column", help="Of this column.")
@_START
@_END
@click.option(
    "--revisions",
    type=click.Choice(["latest", "sealed", "all"]),
    default="latest",
    help="What is known now, what was known when a window was sealed, or every revision.",
)
@click.option("--all", "everything", is_flag=True, help=f"In the table all of them, not only the {_MOST} last.")
@click.option("--sequence", is_flag=True, help="With limits that hold at every look at once, however often you look.")
@_of_model
def measurements(model: str, as_json: bool, everything: bool, **options: Any) -> int:
    """Show what was measured of MODEL, by time, the newest last."""
    from watchkeeper.cli.measured import check_metrics, nothing

    check_metrics(options["metric"])
    with reach(options) as connection:
        asked = {name: value for name, value in options.items() if value}
        found = connection.measurements(model, **asked).to_pylist()
        words = "" if found else nothing(connection, model, asked)
    if as_json:
        show_json(found)
    else:
        left_out = 0 if everything else max(0, len(found) - _MOST)
        shown = [row | {"of": row["segment"] or row["column"]} for row in found[left_out:]]
        columns = _REVISED if options["revisions"] == "all" else _MEASURED
        show_table(shown, columns + (_SEQUENCE if options["sequence"] else ()), words)
        if left_out:
            click.echo(f"{left_out:,} earlier ones are left out; --all or --json shows them.", err=True)
    return 0


def _serving(connection: Connection, model: str, environment: str) -> str:
    """Return the version that serves; where nobody said which, the only one there is."""
    from watchkeeper.errors import InputError

    found = connection.serving(model, environment=environment)
    if found is not None:
        return found
    there = [version["version"] for version in connection.versions(model, environment=environment)]
    if len(there) != 1:
        raise InputError(f"No version of {model!r} serves; say which one with --version: {', '.join(there) or 'none'}.")
    return str(there[0])


def _rows_of(reference: dict[str, Any] | None) -> str | None:
    return f"{reference['rows']:,} rows" if reference is not None else None


def _but(asked: dict[str, Any]) -> str:
    return " between these times" if asked["start"] or asked["end"] else ""
