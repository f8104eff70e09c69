"""Commands that send: rows from a file, and references."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from watchkeeper.cli.reach import reach, reaching
from watchkeeper.cli.reading import Bars
from watchkeeper.cli.roles import roles, schema_of
from watchkeeper.cli.root import Group, cli
from watchkeeper.cli.tables import show_json

_SHOWN = 10


def _where(command: Callable[..., Any]) -> Callable[..., Any]:
    return click.option("--environment", default="production", show_default=True, help="Where the model runs.")(command)


@cli.command()
@click.argument("file")
@click.option("--model", required=True, help="The model's name.")
@click.option("--version", help="Its version; the one that serves unless said.")
@click.option("--labels", is_flag=True, help="The file holds labels: ids and labels.")
@click.option(
    "--clock",
    type=click.Choice(["event", "wall"]),
    help="By which clock the model's time goes: the wall's, or for a replay that of the rows.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@_where
@roles
@reaching
def log(file: str, as_json: bool, **options: Any) -> int:
    """Send FILE, a Parquet or CSV file, folder or quoted glob of predictions or labels, and wait until all is stored.

    Sent again it counts once. --timestamp now says that the predictions were made just now, whatever times the file has.
    Exits with 1 where rows were refused.
    """
    from watchkeeper.cli.filelog import FileLog

    where = {name: options.pop(name) for name in ("model", "version", "environment")}
    labels, clock = options.pop("labels"), options.pop("clock")
    with reach(options, make=True) as connection, Bars() as bars:
        sender = FileLog(connection, file, where, schema_of(options))
        sent = sender.send_labels(bars.tell) if labels else sender.send_predictions(clock, bars.tell)
    if as_json:
        show_json(sent.to_dict())
    else:
        again = f", {sent.replayed:,} of them sent before" if sent.replayed else ""
        click.echo(f"{sent.rows:,} rows sent: {sent.accepted:,} accepted{again}, {sent.rejected:,} refused.")
        for row, reason in sent.reasons[:_SHOWN]:
            click.echo(f"  row {row:,}: {reason}")
        if sent.rejected > _SHOWN:
            click.echo(f"  and {sent.rejected - min(_SHOWN, len(sent.reasons)):,} more")
    return 1 if sent.rejected else 0


@cli.group(cls=Group)
def reference() -> None:
    """Say what a version is compared against."""


@reference.command(name="set")
@click.argument("model")
@click.argument("data")
@click.option("--version", required=True, help="The version of MODEL.")
@_where
@click.option(
    "--sample", type=click.IntRange(min=100), default=100_000, help="Rows kept whole, for estimates by feature."
)
@roles
@reaching
def set_(model: str, data: str, version: str, environment: str, sample: int, **options: Any) -> int:
    """Make DATA, held-out or out-of-fold predictions, the reference of a version of MODEL.

    DATA is a Parquet or CSV file, a folder or a quoted glob, or a saved profile (.profile).
    """
    from watchkeeper import monitor
    from watchkeeper.profiles.profile import Profile

    connected = {name: options.pop(name) for name in ("url", "key", "store")}
    if Path(data).suffix == ".profile":
        profile = Profile.load(data)
    else:
        with Bars() as bars:
            tell = bars.tell
            profile = monitor.profile(
                data, schema_of(options), sample_rows=sample, progress=lambda rows, share: tell(data, rows, share)
            )
    with reach(connected, make=True) as connection:
        told = connection.set_reference(model, version, profile, environment=environment)
    click.echo(f"{profile.rows:,} rows are the reference of {model} {version}.")
    for notice in told.get("notices", []):
        click.echo(notice, err=True)
    return 0
