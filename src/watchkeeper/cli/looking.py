"""Commands for the page and the audit log: log in, and see who did what."""

from __future__ import annotations

from typing import Any

import click

from watchkeeper.cli.reach import reach, reaching
from watchkeeper.cli.root import Group, cli
from watchkeeper.cli.tables import show_json, show_table

_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@cli.command()
@_JSON
@reaching
def login(as_json: bool, **options: Any) -> int:
    """Print a link that logs one browser in at the page of a running server, once, within ten minutes."""
    with reach(options, running=True) as connection:
        made = connection.request("POST", "session/link")
    url = f"{connection.url}{made['path']}"
    if as_json:
        show_json({"url": url, "expires": made["expires"]})
    else:
        click.echo(url)
    return 0


@cli.group(cls=Group)
def audit() -> None:
    """See who did what, and that nobody changed the record of it."""


@audit.command(name="list")
@click.option("--limit", type=click.IntRange(1, 1000), default=200, show_default=True, help="The most to be told.")
@click.option("--before", type=click.IntRange(1), help="Those before the record of this number.")
@_JSON
@reaching
def list_audit(limit: int, before: int | None, as_json: bool, **options: Any) -> int:
    """List who did what in the project, latest first."""
    with reach(options) as connection:
        found = connection.request("GET", "audit", {"limit": limit, "before": before})["audit"]
    if as_json:
        show_json(found)
    else:
        show_table(found, ("seq", "at", "actor", "what", "target", "detail"), "Nobody did anything yet.")
    return 0


@audit.command()
@_JSON
@reaching
def verify(as_json: bool, **options: Any) -> int:
    """Check that no record was changed or is missing. Exits with 2 where one was."""
    with reach(options) as connection:
        found = connection.request("GET", "audit/check")
    if as_json:
        show_json(found)
    elif found["intact"]:
        click.echo("Every record is as it was written.")
    else:
        click.echo(f"The record {found['first_broken']} was changed, or one before it is missing.")
    return 0 if found["intact"] else 2
