"""Commands for whoever is called: incidents and silences."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

from watchkeeper.cli.reach import reach, reaching
from watchkeeper.cli.root import Group, cli
from watchkeeper.cli.tables import show_json, show_table

if TYPE_CHECKING:
    from watchkeeper.client.connection import Connection


def _numbered(what: str, listing: str) -> Callable[[str], int]:
    """Return what reads the number of something, and says which command lists them where a word is none."""

    def number(text: str) -> int:
        if not (text.isascii() and text.isdecimal() and int(text)):
            raise click.BadParameter(f"{text!r} is not the number of {what}; 'watchkeeper {listing}' shows them.")
        return int(text)

    return number


INCIDENT = _numbered("an incident", "incidents list")
_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
_NOTE = click.option("--note", default="", help="What there is to say about it.")
_LISTED = ("id", "severity", "state", "model", "environment", "opened", "title")
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


@cli.group(cls=Group)
def incidents() -> None:
    """See what is wrong, and say what becomes of it."""


@incidents.command(name="list")
@click.option("--model", help="Of this model only.")
@click.option("--all", "everything", is_flag=True, help="Resolved ones too, of the last hundred.")
@click.option("--state", type=click.Choice(["open", "acknowledged", "resolved"]), help="In this state only.")
@_JSON
@reaching
def list_incidents(model: str | None, everything: bool, state: str | None, as_json: bool, **options: Any) -> int:
    """List incidents that are not resolved, latest first. Exits with 2 where one of them is critical, with 1 for a warning."""
    with reach(options) as connection:
        unresolved = _unresolved(connection, model)
        found = connection.incidents(model=model, state=state) if everything or state else unresolved
    if as_json:
        show_json(found)
    else:
        none = f"No incident is {state or 'open'}." if state or not everything else "There was no incident yet."
        show_table(found, _LISTED, none)
    return max((2 if incident["severity"] == "critical" else 1 for incident in unresolved), default=0)


@incidents.command()
@click.argument("id", type=INCIDENT)
@_JSON
@reaching
def show(id: int, as_json: bool, **options: Any) -> int:  # noqa: A002
    """Show an incident: its evidence, the columns that explain it, and what happened."""
    with reach(options) as connection:
        found = connection.incident(id)
    if as_json:
        show_json(found)
        return 0
    click.echo(f"{found['title']}\n{found['severity']}, {found['state']}, {found['model']} in {found['environment']}\n")
    show_table(found.get("findings", []), ("verdict", "metric", "segment", "column", "words"), "No evidence.")
    click.echo()
    show_table(found.get("columns", []), ("column", "effect", "words"), "No column explains it.")
    click.echo()
    show_table(found.get("timeline", []), ("at", "kind", "actor", "text"), "Nothing happened yet.")
    if found.get("actions"):
        click.echo()
        show_table(found["actions"], ("id", "name", "state", "changed"), "")
    return 0


@incidents.command()
@click.argument("id", type=INCIDENT)
@_NOTE
@reaching
def ack(id: int, note: str, **options: Any) -> int:  # noqa: A002
    """Say that somebody looks after an incident."""
    with reach(options) as connection:
        connection.request("POST", f"incidents/{id}/acknowledge", said={"note": note})
    click.echo(f"Incident {id} is acknowledged.")
    return 0


@incidents.command()
@click.argument("id", type=INCIDENT)
@_NOTE
@reaching
def resolve(id: int, note: str, **options: Any) -> int:  # noqa: A002
    """Say that an incident is over."""
    with reach(options) as connection:
        connection.request("POST", f"incidents/{id}/resolve", said={"note": note})
    click.echo(f"Incident {id} is resolved.")
    return 0


@cli.group(cls=Group)
def silence() -> None:
    """Send nothing about a model for a while; incidents are opened all the same."""


@silence.command()
@click.argument("model")
@click.option("--for", "span", help="For so long, such as 30m, 2h, 3d or 1w.")
@click.option("--until", help="Until then, such as 2026-06-01T08:00:00Z.")
@click.option("--monitor", help="About this monitor only.")
@click.option("--reason", required=True, help="Why, for whoever finds it.")
@click.option("--environment", default="production", show_default=True, help="Where the model runs.")
@_JSON
@reaching
def add(model: str, span: str | None, until: str | None, as_json: bool, **options: Any) -> int:
    """Send nothing about MODEL, or one of its monitors, until a time."""
    if (span is None) == (until is None):
        raise click.UsageError("Say either --for, such as 2h, or --until, a time.")
    said = {name: options.pop(name) for name in ("monitor", "reason", "environment")}
    end = _end(span) if span is not None else until
    with reach(options) as connection:
        made = connection.request("POST", "silences", said={"model": model, "until": end, **said})
    if as_json:
        show_json(made)
    else:
        click.echo(f"Silence {made['id']} lasts until {made['until']}; 'watchkeeper silence end {made['id']}' ends it.")
    return 0


@silence.command(name="list")
@_JSON
@reaching
def list_silences(as_json: bool, **options: Any) -> int:
    """List silences."""
    with reach(options) as connection:
        found = connection.request("GET", "silences")["silences"]
    if as_json:
        show_json(found)
    else:
        show_table(found, ("id", "model", "environment", "monitor", "until", "reason", "author"), "Nothing is silent.")
    return 0


@silence.command()
@click.argument("id", type=_numbered("a silence", "silence list"))
@reaching
def end(id: int, **options: Any) -> int:  # noqa: A002
    """End a silence before its time."""
    with reach(options) as connection:
        connection.request("DELETE", f"silences/{id}")
    click.echo(f"Silence {id} has ended.")
    return 0


def _unresolved(connection: Connection, model: str | None) -> list[dict[str, Any]]:
    """Return what is open or acknowledged, however much was resolved since."""
    found = [
        i for state in ("open", "acknowledged") for i in connection.incidents(model=model, state=state, limit=1000)
    ]
    return sorted(found, key=lambda incident: incident["id"], reverse=True)


def _end(span: str) -> str:
    found = re.fullmatch(r"(\d{1,4})([mhdw])", span.strip().lower())
    if found is None:
        raise click.UsageError(f"--for takes a number of minutes, hours, days or weeks, such as 2h, not {span!r}.")
    return (datetime.now(UTC) + timedelta(**{_UNITS[found[2]]: int(found[1])})).isoformat()
